"""Floating card over the canvas: it can be dragged aside, and stays within the stage."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRect, Qt, Signal
from PySide6.QtGui import QHideEvent, QMouseEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QWidget

#: What is left between a card and the edges of the stage, in logical pixels.
_EDGE = 6


class FloatingCard(QFrame):
    """Card that floats over its parent, moved by a drag of anything in it that takes no clicks.

    Signals
    -------
    resized()
        Its size or its place is another one, or whether it is seen.
    """

    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._held: QPointF | None = None
        self._placed: QPoint | None = None
        self.setCursor(Qt.CursorShape.ArrowCursor)  # not the hand of the picture below

    @property
    def is_moved(self) -> bool:
        """Whether the user has moved it."""
        return self._placed is not None

    def put(self, at: QPoint, top: int) -> None:
        """Move to a place, or to the one that the user has chosen, within the parent below ``top``."""
        parent = self.parentWidget()
        wanted = at if self._placed is None else self._placed
        if parent is None:
            return
        room = QRect(0, top, parent.width(), parent.height() - top).adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE)
        x = min(max(wanted.x(), room.left()), max(room.left(), room.right() + 1 - self.width()))
        y = min(max(wanted.y(), room.top()), max(room.top(), room.bottom() + 1 - self.height()))
        self.move(x, y)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._held = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.raise_()
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held is not None:
            self._placed = (QPointF(self.pos()) + event.position() - self._held).toPoint()
            self.resized.emit()  # whoever places it keeps it within the stage
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._held = None
        self._placed = self.pos() if self._placed is not None else None
        self.setCursor(Qt.CursorShape.ArrowCursor)
        event.accept()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.resized.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.resized.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()
