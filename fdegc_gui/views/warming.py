"""What the plot takes, made ready in small steps while nobody touches the window."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6 import QtCore, QtGui, QtWidgets

#: Classes that are made between two looks at the clock.
_AT_ONCE = 4


def steps() -> Iterator[None]:
    """Steps after which the first plot is there at once.

    Half of what importing pyqtgraph takes is the making of Qt's Python classes, all of which it looks at;
    that can be done a few at a time.  The import itself cannot, nor on another thread: it touches widgets.
    """
    for module in (QtCore, QtGui, QtWidgets):
        for number, name in enumerate(dir(module)):
            getattr(module, name, None)
            if number % _AT_ONCE == 0:
                yield
    import pyqtgraph

    yield
    pyqtgraph.PlotWidget().deleteLater()  # the first one takes longer than others
    yield
