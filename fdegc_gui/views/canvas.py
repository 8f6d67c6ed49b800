"""A pane that paints one picture of the scene."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from fdegc.types import Window
from fdegc_gui.models.pyramid import Pyramid
from fdegc_gui.text import zoom_percent
from fdegc_gui.theme import Theme, figures
from fdegc_gui.views.layer import Layer
from fdegc_gui.views.viewport import Viewport

#: Side of a square of the checkerboard behind transparent pixels, in logical pixels.
_CHECK = 8
_PAN_STEP = 80


class Pane(QWidget):
    """Paints a :class:`Pyramid` through a shared :class:`Viewport`.

    Only the visible part is drawn, from the level nearest to the zoom: smooth below 100 %, in hard
    squares above it.

    Signals
    -------
    hovered(object)
        Scene position under the pointer (QPointF), None when it leaves.
    resized()
    """

    hovered = Signal(object)
    resized = Signal()

    def __init__(self, name: str, viewport: Viewport, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewport, self._theme = viewport, theme
        self._picture: Layer | None = None
        self._backdrop: Layer | None = None
        self._marks: tuple[Window, ...] = ()
        self._label = name
        self._hint = ""
        self._transparent = False
        self._drag: QPointF | None = None
        self.setObjectName(name)
        self.setAccessibleName(name)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(160, 120)
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        viewport.changed.connect(self.update)
        theme.changed.connect(self.update)

    # ------------------------------------------------------------------ what is shown

    @property
    def pyramid(self) -> Pyramid | None:
        """The picture that is shown."""
        return self._picture.pyramid if self._picture is not None else None

    @property
    def backdrop(self) -> Pyramid | None:
        """What is seen where the picture has nothing yet."""
        return self._backdrop.pyramid if self._backdrop is not None else None

    @property
    def marks(self) -> tuple[Window, ...]:
        """Places that are marked."""
        return self._marks

    @property
    def label(self) -> str:
        """What the pane says it shows."""
        return self._label

    @property
    def hint(self) -> str:
        """The text in the middle of an empty pane."""
        return self._hint

    def show_picture(
        self,
        pyramid: Pyramid | None,
        label: str,
        hint: str = "",
        transparent: bool = False,
        *,
        backdrop: Pyramid | None = None,
        marks: tuple[Window, ...] = (),
    ) -> None:
        """Show a picture, or a hint where there is none yet.

        Parameters
        ----------
        pyramid : Pyramid or None
        label, hint : str
        transparent : bool
            Whether to put a checkerboard behind it.
        backdrop : Pyramid or None
            Shown where the picture has nothing yet.
        marks : tuple of Window
            Places to mark as damaged.
        """
        if pyramid is not self.pyramid or (pyramid is not None and pyramid.complete):
            self._picture = None if pyramid is None else Layer(pyramid)
        if backdrop is not self.backdrop:
            self._backdrop = None if backdrop is None else Layer(backdrop)
        self._marks = marks
        self._label, self._hint, self._transparent = label, hint, transparent
        self.setAccessibleDescription(label)
        self.update()

    def refresh(self, windows: list[Window]) -> None:
        """Repaint what lies over some rectangles of the scene."""
        rect, zoom, ratio = self._scene_rect(), self._viewport.zoom, self.devicePixelRatioF()
        region = QRect()
        for window in windows:
            x, y = rect.x() + window.x * zoom, rect.y() + window.y * zoom
            part = QRectF(x / ratio, y / ratio, window.width * zoom / ratio, window.height * zoom / ratio)
            region = region.united(part.toAlignedRect().adjusted(-2, -2, 2, 2))
        self.update(region.intersected(self.rect()))

    # ------------------------------------------------------------------ geometry

    def _device_size(self) -> QSize:
        ratio = self.devicePixelRatioF()
        return QSize(round(self.width() * ratio), round(self.height() * ratio))

    def _scene_rect(self) -> QRectF:
        size = self._device_size()
        return self._viewport.scene_rect(size.width(), size.height())

    def scene_position(self, position: QPointF) -> QPointF:
        """Return the scene point at a position in the pane (logical pixels)."""
        ratio, rect, zoom = self.devicePixelRatioF(), self._scene_rect(), self._viewport.zoom
        return QPointF((position.x() * ratio - rect.x()) / zoom, (position.y() * ratio - rect.y()) / zoom)

    def _anchor(self, position: QPointF) -> QPointF:
        ratio, size = self.devicePixelRatioF(), self._device_size()
        return QPointF(position.x() * ratio - size.width() / 2, position.y() * ratio - size.height() / 2)

    # ------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(tokens.canvas))
        ratio = self.devicePixelRatioF()
        rect = self._scene_rect()
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)
        visible = rect.intersected(QRectF(QPointF(0, 0), self._device_size().toSizeF()))
        if not visible.isEmpty():
            self._paint_ground(painter, visible, rect, ratio)
            painter.setClipRect(visible, Qt.ClipOperation.IntersectClip)
            for layer in (self._backdrop, self._picture):
                if layer is not None:
                    layer.paint(painter, rect, visible, self._viewport.zoom)
            self._paint_marks(painter, rect, visible, ratio)
        painter.restore()
        if self._hint:
            self._paint_hint(painter)
        self._paint_label(painter)

    def _paint_ground(self, painter: QPainter, visible: QRectF, rect: QRectF, ratio: float) -> None:
        tokens = self._theme.tokens
        opaque = self.pyramid is not None and self.pyramid.complete and not self._transparent
        if not opaque:
            painter.fillRect(visible, QColor(tokens.canvas_empty))
        if not self._transparent:
            return
        side = round(_CHECK * ratio)
        painter.save()
        painter.setClipRect(visible)
        tile = QImage(2 * side, 2 * side, QImage.Format.Format_RGB32)
        tile.fill(QColor(tokens.canvas_empty))
        cell = QPainter(tile)
        cell.fillRect(0, 0, side, side, QColor(tokens.checker))
        cell.fillRect(side, side, side, side, QColor(tokens.checker))
        cell.end()
        painter.setBrushOrigin(rect.topLeft())
        painter.fillRect(visible, QBrush(tile))
        painter.restore()

    def _paint_marks(self, painter: QPainter, rect: QRectF, visible: QRectF, ratio: float) -> None:
        """Hatch and outline places that hold no picture."""
        zoom, color = self._viewport.zoom, QColor(self._theme.tokens.bad)
        painter.save()
        painter.setPen(QPen(color, round(2 * ratio)))
        painter.setBrush(QBrush(color, Qt.BrushStyle.BDiagPattern))
        for window in self._marks:
            place = QRectF(window.x * zoom, window.y * zoom, window.width * zoom, window.height * zoom)
            place.translate(rect.topLeft())
            if place.intersects(visible):
                painter.drawRect(place.adjusted(ratio, ratio, -ratio, -ratio))
        painter.restore()

    def _paint_hint(self, painter: QPainter) -> None:
        painter.setFont(self.font())
        metrics = painter.fontMetrics()
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        room = self.rect().adjusted(32, 56, -32, -32)
        box = metrics.boundingRect(room, int(flags), self._hint).adjusted(-16, -11, 16, 11)
        self._pill(painter, QRectF(box))
        painter.setPen(QColor(self._theme.tokens.pill_text))
        painter.drawText(box, flags, self._hint)

    def _paint_label(self, painter: QPainter) -> None:
        font = figures(self.font(), scale=0.95)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        room = self.width() - 24
        zoom = zoom_percent(self._viewport.zoom)
        zoom_width = metrics.horizontalAdvance("0000 %") + 22
        text = metrics.elidedText(self._label, Qt.TextElideMode.ElideRight, room - zoom_width - 32)
        height = metrics.height() + 10
        pen = QColor(self._theme.tokens.pill_text)
        for words, rect in (
            (text, QRectF(12, 12, metrics.horizontalAdvance(text) + 22, height)),
            (zoom, QRectF(self.width() - 12 - zoom_width, 12, zoom_width, height)),
        ):
            self._pill(painter, rect)
            painter.setPen(pen)
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, words)

    def _pill(self, painter: QPainter, rect: QRectF) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.tokens.pill))
        painter.drawRoundedRect(rect, 7, 7)
        painter.restore()

    # ------------------------------------------------------------------ pointer and keys

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
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._drag = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is not None:
            moved = (event.position() - self._drag) * self.devicePixelRatioF()
            self._drag = event.position()
            self._viewport.pan(moved.x(), moved.y())
        self.hovered.emit(self.scene_position(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._drag = None
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            if self._viewport.fitted:
                self._viewport.set_zoom(1.0, self._anchor(event.position()))
            else:
                self._viewport.fit()

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(None)
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = _PAN_STEP * self.devicePixelRatioF()
        moves = {
            Qt.Key.Key_Left: (step, 0),
            Qt.Key.Key_Right: (-step, 0),
            Qt.Key.Key_Up: (0, step),
            Qt.Key.Key_Down: (0, -step),
        }
        if event.key() in moves:
            self._viewport.pan(*moves[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()
