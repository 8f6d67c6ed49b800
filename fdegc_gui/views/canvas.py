"""Pane: a picture of the scene that the pointer and keys move, draw on and ask about."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from fdegc.raster_info import Window
from fdegc_gui.style.theme import Theme
from fdegc_gui.views.pane_view import PaneView
from fdegc_gui.views.viewport import Viewport

_PAN_STEP = 80
#: Distance from the swipe's line within which it is taken hold of, in logical pixels.
_GRIP = 9
#: What a key moves the line by, as a part of the pane.
_SWIPE_STEP = 0.02


class Pane(PaneView):
    """Pane: a view that the pointer and keys move, draw on and ask about.

    Signals
    -------
    hovered(object)
        Scene position under the pointer (QPointF), None when it leaves; also when the view moves under it.
    resized()
    swipe_moved(float)
        Where the user wants the line.
    region_drawn(object, bool)
        Rectangle (Window or None) that the user draws, and whether it is finished.
    menu_wanted(object)
        Position on the screen (QPoint) where a menu is wanted.
    """

    hovered = Signal(object)
    resized = Signal()
    swipe_moved = Signal(float)
    region_drawn = Signal(object, bool)
    menu_wanted = Signal(object)

    def __init__(self, name: str, viewport: Viewport, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(name, viewport, theme, parent)
        self._scene_size = (0, 0)
        self._measuring = False
        self._corner: QPointF | None = None
        self._drag: QPointF | None = None
        self._pointer: QPointF | None = None
        self._swiping = False
        self.keeps_escape = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        viewport.changed.connect(self._on_view)

    def set_scene_size(self, width: int, height: int) -> None:
        """Size of the scene that regions are drawn in."""
        self._scene_size = width, height

    def set_measuring(self, measuring: bool) -> None:
        """Whether dragging draws a region rather than moving the scene."""
        self._measuring, self._corner = measuring, None
        self._show_cursor()

    def _anchor(self, position: QPointF) -> QPointF:
        ratio, size = self.devicePixelRatioF(), self._device_size()
        return QPointF(position.x() * ratio - size.width() / 2, position.y() * ratio - size.height() / 2)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not event.pixelDelta().isNull() and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            steps = event.pixelDelta().y() / 200  # a touchpad: finer steps
        else:
            steps = event.angleDelta().y() / 240
        if steps:
            self._viewport.zoom_by(2.0**steps, self._anchor(event.position()))
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent):
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
                self._viewport.zoom_by(1.0 + event.value(), self._anchor(event.position()))
                return True
        if self.keeps_escape and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            if event.type() is QEvent.Type.ShortcutOverride:
                event.accept()
                return True
        return super().event(event)

    def _on_view(self) -> None:
        if self._pointer is not None:
            self.hovered.emit(self.scene_position(self._pointer))

    def _at_line(self, position: QPointF) -> bool:
        """Whether a position is on the swipe's line."""
        if self._swipe is None:
            return False
        along, length = (position.x(), self.width()) if self._swipe.upright else (position.y(), self.height())
        return abs(along - self._swipe.position * length) <= _GRIP

    def _show_cursor(self, at: QPointF | None = None) -> None:
        shape = Qt.CursorShape.OpenHandCursor
        if self._drag is not None:
            shape = Qt.CursorShape.ClosedHandCursor
        elif self._swipe is not None and (self._swiping or (at is not None and self._at_line(at))):
            upright = self._swipe.upright
            shape = Qt.CursorShape.SplitHCursor if upright else Qt.CursorShape.SplitVCursor
        elif self._measuring:
            shape = Qt.CursorShape.CrossCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    def _drawn(self, position: QPointF) -> Window | None:
        """Region from the corner where drawing began to a position."""
        if self._corner is None:
            return None
        (x0, x1), (y0, y1) = (
            sorted((one, other))
            for one, other in zip(
                self._corner.toTuple(), self.scene_position(position).toTuple(), strict=True
            )
        )
        left, top = max(0, int(x0 // 1)), max(0, int(y0 // 1))
        right = min(self._scene_size[0], int(-(-x1 // 1)))
        bottom = min(self._scene_size[1], int(-(-y1 // 1)))
        return Window(left, top, right - left, bottom - top) if left < right and top < bottom else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        left = event.button() == Qt.MouseButton.LeftButton
        if left and self._at_line(event.position()):
            self._swiping = True
        elif left and self._measuring:
            self._corner = self.scene_position(event.position())
        elif left or event.button() == Qt.MouseButton.MiddleButton:
            self._drag = event.position()
        self._show_cursor(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pointer = event.position()
        if self._swiping and self._swipe is not None:
            at, length = (
                (event.position().x(), self.width())
                if self._swipe.upright
                else (event.position().y(), self.height())
            )
            self.swipe_moved.emit(at / max(1, length))
        elif self._corner is not None:
            self.region_drawn.emit(self._drawn(event.position()), False)
        elif self._drag is not None:
            moved = (event.position() - self._drag) * self.devicePixelRatioF()
            self._drag = event.position()
            self._viewport.pan(moved.x(), moved.y())
        self._show_cursor(event.position())
        self.hovered.emit(self.scene_position(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._corner is not None and event.button() == Qt.MouseButton.LeftButton:
            region = self._drawn(event.position())
            moved = event.position() - self.pane_position(self._corner)
            self._corner = None
            # A click draws nothing, and ends what was drawn.
            self.region_drawn.emit(region if moved.manhattanLength() >= 4 else None, True)
        self._drag, self._swiping = None, False
        self._show_cursor(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not self._measuring:
            if self._at_line(event.position()):
                self.swipe_moved.emit(0.5)
            elif self._viewport.fitted:
                self._viewport.set_zoom(1.0, self._anchor(event.position()))
            else:
                self._viewport.fit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_wanted.emit(event.globalPos())

    def leaveEvent(self, event: QEvent) -> None:
        self._pointer = None
        self.hovered.emit(None)
        super().leaveEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        if self._pointer is not None:
            self._pointer = None
            self.hovered.emit(None)
        super().hideEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = _PAN_STEP * self.devicePixelRatioF()
        moves = {
            Qt.Key.Key_Left: (step, 0),
            Qt.Key.Key_Right: (-step, 0),
            Qt.Key.Key_Up: (0, step),
            Qt.Key.Key_Down: (0, -step),
        }
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.key() in moves and shift and self._swipe is not None:
            dx, dy = moves[Qt.Key(event.key())]
            along = dx if self._swipe.upright else dy
            if along:
                self.swipe_moved.emit(self._swipe.position - math.copysign(_SWIPE_STEP, along))
        elif event.key() == Qt.Key.Key_Home:
            self._viewport.fit()
        elif event.key() in moves:
            self._viewport.pan(*moves[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()
