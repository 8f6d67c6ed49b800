"""Rate-distortion curve of the finished rate points."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from fdegc_gui.models.result import State
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import Theme

_HEIGHT = 190
#: A curve needs two points.
_ENOUGH = 2


class RdPlot(QWidget):
    """PSNR over bits per pixel, drawn by pyqtgraph; hidden until two rate points are finished.

    pyqtgraph is imported when the curve first has something to show.  That costs a fifth of a second
    once, on the GUI thread: its import touches Qt's classes, and on another thread that crashed.

    Signals
    -------
    chosen(int)
        A point was clicked.
    """

    chosen = Signal(int)

    def __init__(self, session: Session, theme: Theme) -> None:
        super().__init__()
        self._session = session
        self._theme = theme
        self._plot: Any = None
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 6, 0, 0)
        self.setFixedHeight(_HEIGHT)
        self.setAccessibleName("Rate-distortion curve of the finished rate points")
        self.hide()
        for signal in (session.scene_changed, session.result_changed, session.rate_changed):
            signal.connect(self.refresh)
        theme.changed.connect(self._paint)

    @property
    def points(self) -> list[tuple[float, float, int]]:
        """Points of the curve: (bpp, PSNR in dB, rate) of finished rates with a finite PSNR, by bpp."""
        found = []
        for result in self._session.results.values():
            encode = result.encode
            if result.state is State.DONE and encode is not None and encode.psnr is not None:
                if math.isfinite(encode.psnr):
                    found.append((encode.bpp, encode.psnr, result.rate))
        return sorted(found)

    def refresh(self) -> None:
        """Update of the curve to what is finished by now."""
        enough = len(self.points) >= _ENOUGH
        if enough and self._plot is None:
            self._build()
        self.setVisible(enough)
        if self._plot is not None:
            self._paint()

    def _build(self) -> None:
        import pyqtgraph as pg

        self._plot = pg.PlotWidget()
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.hideButtons()
        self._plot.setMenuEnabled(False)
        for side in ("bottom", "left"):
            self._plot.getAxis(side).enableAutoSIPrefix(False)
        self._plot.setLabel("bottom", "bits per pixel")
        self._plot.setLabel("left", "PSNR, dB")
        self._curve = self._plot.plot([], [], antialias=True)
        self._marks = pg.ScatterPlotItem(hoverable=True, tip=None)
        self._marks.sigClicked.connect(lambda _item, marks: self.chosen.emit(int(marks[0].data())))
        self._plot.addItem(self._marks)
        self._box.addWidget(self._plot)

    def _paint(self) -> None:
        if self._plot is None:
            return
        import pyqtgraph as pg

        tokens = self._theme.tokens
        self._plot.setBackground(tokens.panel)
        for side in ("bottom", "left"):
            axis = self._plot.getAxis(side)
            axis.setPen(tokens.strong_border)
            axis.setTextPen(tokens.muted)
        points = self.points
        self._curve.setData(
            [p[0] for p in points], [p[1] for p in points], pen=pg.mkPen(tokens.accent, width=2)
        )
        self._marks.setData(
            [
                {
                    "pos": (bpp, psnr),
                    "data": rate,
                    "size": 12 if rate == self._session.rate else 8,
                    "brush": tokens.accent if rate == self._session.rate else tokens.panel,
                    "pen": pg.mkPen(tokens.accent, width=2),
                }
                for bpp, psnr, rate in points
            ]
        )
