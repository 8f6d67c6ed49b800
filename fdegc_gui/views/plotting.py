"""pyqtgraph, made ready in small steps while nobody touches the window."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.abc
import importlib.util
import sys
import threading
from collections.abc import Iterator
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

_NAME = "pyqtgraph"
#: What pyqtgraph looks for, where it is installed, and what has nothing to do with Qt.
_WITHOUT_QT = ("cuda.bindings.runtime", "multiprocessing.connection", "cProfile", "xml.etree.ElementTree")
#: Classes that are made between two looks at the clock.
_AT_ONCE = 4

#: The import that was begun; exhausted once it is done.
_importing: Iterator[None] | None = None


def pyqtgraph() -> Any:
    """pyqtgraph, imported to its end, whether `steps` began with that or not."""
    for _ in _importing or ():
        pass
    import pyqtgraph as package

    return package


def steps() -> Iterator[None]:
    """Steps after which the first plot is there at once.

    A plain import holds the window up for a third of a second, and for longer beside other programs.  It
    cannot be left to another thread: while both make Python's classes of Qt, the process can crash.  Half
    of it is the making of those classes, all of which pyqtgraph looks at; that, the statements of the
    package itself, and Qt's first plot can be done a few at a time.
    """
    global _importing
    thread = threading.Thread(target=_import_others, name="plotting")
    thread.start()
    for module in (QtCore, QtGui, QtWidgets):
        for number, name in enumerate(dir(module)):
            getattr(module, name, None)
            if number % _AT_ONCE == 0:
                yield
    while thread.is_alive():
        yield
    if _NAME not in sys.modules:
        _importing = _import_in_steps()
    for _ in _importing or ():
        yield
    package = pyqtgraph()
    # The first of each takes longer than others.
    for make in (package.ViewBox, package.PlotItem):
        make(enableMenu=False)
        yield
    package.PlotWidget(enableMenu=False).deleteLater()
    yield


def _import_others() -> None:
    for name in _WITHOUT_QT:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _import_in_steps() -> Iterator[None]:
    """Import of the package, a statement of its ``__init__`` at a time.

    Until the end ``import`` finds a package that lacks names, as in imports that go in a circle: whoever
    needs it asks `pyqtgraph`.
    """
    spec = importlib.util.find_spec(_NAME)
    if spec is None or not isinstance(spec.loader, importlib.abc.InspectLoader):
        return  # a plain import says what is wrong, or knows how
    package = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = package
    try:
        for statement in ast.parse(spec.loader.get_source(_NAME) or "").body:
            code = compile(ast.Module([statement], []), str(spec.origin), "exec")
            exec(code, package.__dict__)
            yield
    except BaseException:
        sys.modules.pop(_NAME, None)  # what is half there must not be taken for the whole
        raise
