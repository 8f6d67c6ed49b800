"""Drag along the curve of our results in the rate-distortion plot, which asks for a quality; by keys, too."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent

from fdegc.options import QUALITY_MAX, QUALITY_MIN
from fdegc_gui.models.asking import STEP, Asked, Course
from fdegc_gui.style.theme import Tokens
from fdegc_gui.views.plotting import pyqtgraph

#: Distance from the curve within which it is taken hold of, and of a move that is no click (pixels).
_GRIP, _MOVED = 12.0, 4.0
#: What a key changes the quality by; with Shift by the least there is.
_KEYS = {Qt.Key.Key_Left: -0.1, Qt.Key.Key_Right: 0.1}


class CurveDrag(QObject):
    """Drag along a curve of a plot.

    Where what is asked for is not finished yet, a line stays there.  While the plot has the keys, the arrow
    keys move it, Home and End go to the ends.

    Parameters
    ----------
    widget : pyqtgraph.PlotWidget
    course : callable
        Gives the course of size and quality as of now, or None.
    unit : callable
        Gives the bytes that one along the axis of sizes stands for.

    Signals
    -------
    asked(object)
        Asked: where the drag ended, or where a key went.
    """

    asked = Signal(object)

    def __init__(self, widget: Any, course: Callable[[], Course | None], unit: Callable[[], float]) -> None:
        pg = pyqtgraph()

        super().__init__(widget)
        self._widget, self._course, self._unit = widget, course, unit
        self._curve: list[tuple[float, float]] = []
        self._start: QPointF | None = None
        self._moving = False
        self._marked: Asked | None = None
        self.found: Asked | None = None
        self.line: Any = pg.InfiniteLine(angle=90)
        self.words: Any = pg.TextItem()
        for item in (self.line, self.words):
            item.setZValue(20)
            item.hide()
            widget.addItem(item, ignoreBounds=True)
        widget.setAccessibleName("Plot of results; left and right choose a quality")
        widget.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the keys with the canvas
        widget.installEventFilter(self)
        widget.viewport().setMouseTracking(True)
        widget.viewport().installEventFilter(self)

    def set_curve(self, curve: list[tuple[float, float]], tokens: Tokens) -> None:
        """Curve that can be taken hold of, in the plot's units, and the colours of a theme."""
        pg = pyqtgraph()

        self._curve = curve
        self.line.setPen(pg.mkPen(tokens.accent, width=1, style=Qt.PenStyle.DashLine))
        self.words.setColor(QColor(tokens.pill_text))
        self.words.fill = pg.mkBrush(QColor(tokens.pill))

    def mark(self, asked: Asked | None) -> None:
        """Line where something is asked for and not finished; None for nowhere."""
        self._marked = asked
        if not self._moving:
            self._rest()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return watched is self._widget and self._press(event)
        if isinstance(event, QFocusEvent) and watched is self._widget:
            self._rest()
            return False
        if not isinstance(event, QMouseEvent) or watched is self._widget:
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
            self._rest()
            if moved and self.found is not None:
                self.asked.emit(self.found)
            return moved
        return False

    def _press(self, event: QKeyEvent) -> bool:
        """Whether a key was one that moves along the curve, and was heeded."""
        course, key = self._course(), event.key()
        step = _KEYS.get(Qt.Key(key), 0.0)
        if course is None or not (step or key in (Qt.Key.Key_Home, Qt.Key.Key_End)):
            return False
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            step *= STEP / 0.1
        start = self._marked or self.found
        quality = (QUALITY_MIN + QUALITY_MAX) / 2 if start is None else start.quality + step
        if not step:
            quality = QUALITY_MIN if key == Qt.Key.Key_Home else QUALITY_MAX
        self.found = course.exactly_at(round(min(max(quality, QUALITY_MIN), QUALITY_MAX), 2))
        if self.found is not None:
            self.asked.emit(self.found)
            self._rest()
        return True

    def _move(self, at: QPointF) -> None:
        if self._start is None:
            shape = Qt.CursorShape.SizeHorCursor if self._is_near(at) else Qt.CursorShape.ArrowCursor
            self._widget.viewport().setCursor(shape)
            return
        if not self._moving and (at - self._start).manhattanLength() < _MOVED:
            return
        self._moving = True
        course = self._course()
        self.found = None if course is None else course.at_size(self._plotted(at).x() * self._unit())
        if self.found is not None:
            self._show(self.found, True)

    def _rest(self) -> None:
        """What is seen while nothing is dragged: the line where something is asked for, if anywhere."""
        by_keys = self._widget.hasFocus() and self.found is not None
        shown = self.found if by_keys and self._marked is None else self._marked
        if shown is None:
            self.line.hide()
            self.words.hide()
        else:
            self._show(shown, by_keys)

    def _show(self, asked: Asked, with_words: bool) -> None:
        (left, right), (low, high) = self._widget.viewRange()
        x = min(max(asked.bytes / self._unit(), left), right)
        self.line.show()
        self.line.setPos(x)
        self.words.setVisible(with_words)
        if with_words:
            self.words.updateTransform(force=True)  # it does not follow the view while it is hidden
            self.words.setText(asked.words)
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
