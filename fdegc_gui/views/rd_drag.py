"""Drag along the curve of our results in the rate-distortion plot, which asks for a size."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent

from fdegc_gui.models.asking import Asked
from fdegc_gui.style.theme import Tokens

#: Distance from the curve within which it is taken hold of, and of a move that is no click (pixels).
_GRIP, _MOVED = 12.0, 4.0


class CurveDrag(QObject):
    """Drag along a curve of a plot.

    Parameters
    ----------
    widget : pyqtgraph.PlotWidget
    ask : callable
        What a place along the axis of sizes asks for, or None.

    Signals
    -------
    asked(object)
        Asked: where the drag ended.
    """

    asked = Signal(object)

    def __init__(self, widget: Any, ask: Callable[[float], Asked | None]) -> None:
        import pyqtgraph as pg

        super().__init__(widget)
        self._widget, self._ask = widget, ask
        self._curve: list[tuple[float, float]] = []
        self._start: QPointF | None = None
        self._moving = False
        self.found: Asked | None = None
        self.line: Any = pg.InfiniteLine(angle=90)
        self.words: Any = pg.TextItem()
        for item in (self.line, self.words):
            item.setZValue(20)
            item.hide()
            widget.addItem(item, ignoreBounds=True)
        widget.viewport().setMouseTracking(True)
        widget.viewport().installEventFilter(self)

    def set_curve(self, curve: list[tuple[float, float]], tokens: Tokens) -> None:
        """Curve that can be taken hold of, in the plot's units, and the colours of a theme."""
        import pyqtgraph as pg

        self._curve = curve
        self.line.setPen(pg.mkPen(tokens.accent, width=1, style=Qt.PenStyle.DashLine))
        self.words.setColor(QColor(tokens.pill_text))
        self.words.fill = pg.mkBrush(QColor(tokens.pill))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QMouseEvent):
            return False
        at = event.position()
        if event.type() == QEvent.Type.MouseButtonPress and event.button() == Qt.MouseButton.LeftButton:
            self._start = at if self._is_near(at) else None
            return False  # it may be a click on a point
        if event.type() == QEvent.Type.MouseMove:
            self._move(at)
            return self._moving
        if event.type() == QEvent.Type.MouseButtonRelease and self._start is not None:
            moved, self._start, self._moving = self._moving, None, False
            self.line.hide()
            self.words.hide()
            if moved and self.found is not None:
                self.asked.emit(self.found)
            return moved
        return False

    def _move(self, at: QPointF) -> None:
        if self._start is None:
            shape = Qt.CursorShape.SizeHorCursor if self._is_near(at) else Qt.CursorShape.ArrowCursor
            self._widget.viewport().setCursor(shape)
            return
        if not self._moving and (at - self._start).manhattanLength() < _MOVED:
            return
        self._moving = True
        place = self._plotted(at)
        self.found = self._ask(place.x())
        if self.found is None:
            return
        (left, right), (low, high) = self._widget.viewRange()
        x = min(max(place.x(), left), right)
        self.line.show()
        self.words.show()
        self.words.updateTransform(force=True)  # it does not follow the view while it is hidden
        self.line.setPos(x)
        self.words.setText(self.found.words)
        self.words.setAnchor((1.0 if x > (left + right) / 2 else 0.0, 1.0))
        self.words.setPos(x, low + 0.03 * (high - low))

    def _plotted(self, at: QPointF) -> QPointF:
        """Position in the plot's units of one in the widget."""
        scene = self._widget.mapToScene(at.toPoint())
        place: QPointF = self._widget.getPlotItem().vb.mapSceneToView(scene)
        return place

    def _is_near(self, at: QPointF) -> bool:
        """Whether a position is near the curve."""
        box = self._widget.getPlotItem().vb
        points = [
            QPointF(self._widget.mapFromScene(box.mapViewToScene(QPointF(x, y)))) for x, y in self._curve
        ]
        return any(_distance(at, one, other) <= _GRIP for one, other in itertools.pairwise(points))


def _distance(at: QPointF, one: QPointF, other: QPointF) -> float:
    """Distance of a point from a line between two others."""
    along, away = other - one, at - one
    length = QPointF.dotProduct(along, along)
    part = min(max(QPointF.dotProduct(away, along) / length, 0.0), 1.0) if length else 0.0
    rest = away - along * part
    return float(QPointF.dotProduct(rest, rest) ** 0.5)
