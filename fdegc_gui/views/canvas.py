"""A pane that paints one picture of the scene."""

from __future__ import annotations

import math
import sys

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
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from fdegc.types import Window
from fdegc_gui.models.pyramid import Pyramid
from fdegc_gui.text import zoom_percent
from fdegc_gui.theme import Theme, figures
from fdegc_gui.views.viewport import Viewport

#: Side of a square of the checkerboard behind transparent pixels, in logical pixels.
_CHECK = 8
_PAN_STEP = 80
#: The word order of pixels in memory is Qt's only where the machine is little-endian.
_SWAP = sys.byteorder == "big"


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
        self._pyramid: Pyramid | None = None
        self._images: list[QImage] = []
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
        return self._pyramid

    @property
    def label(self) -> str:
        """What the pane says it shows."""
        return self._label

    @property
    def hint(self) -> str:
        """The text in the middle of an empty pane."""
        return self._hint

    def show_picture(
        self, pyramid: Pyramid | None, label: str, hint: str = "", transparent: bool = False
    ) -> None:
        """Show a picture, or a hint where there is none yet."""
        if pyramid is not self._pyramid:
            self._pyramid = pyramid
            self._wrap()
        elif pyramid is not None and self._images and pyramid.complete:
            self._wrap()
        self._label, self._hint, self._transparent = label, hint, transparent
        self.setAccessibleDescription(label)
        self.update()

    def _wrap(self) -> None:
        """Make images that share memory with the pyramid's levels: writing a tile copies nothing else."""
        self._images = []
        if self._pyramid is None:
            return
        opaque = self._pyramid.complete and not self._pyramid.transparent
        form = QImage.Format.Format_RGB32 if opaque else QImage.Format.Format_ARGB32_Premultiplied
        for level in self._pyramid.levels:
            height, width = level.shape[:2]
            pixels = level[..., ::-1].copy() if _SWAP else level
            self._images.append(QImage(pixels.data, width, height, 4 * width, form))

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
            if self._images:
                self._paint_picture(painter, rect, visible)
        painter.restore()
        if self._hint:
            self._paint_hint(painter)
        self._paint_label(painter)

    def _paint_ground(self, painter: QPainter, visible: QRectF, rect: QRectF, ratio: float) -> None:
        tokens = self._theme.tokens
        opaque = self._pyramid is not None and self._pyramid.complete and not self._transparent
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

    def _paint_picture(self, painter: QPainter, rect: QRectF, visible: QRectF) -> None:
        assert self._pyramid is not None
        zoom = self._viewport.zoom
        k = self._pyramid.level_for(zoom)
        image = self._images[k]
        sx, sy = self._pyramid.scale(k)
        # Source pixels that are seen, with a margin that the smooth filter reaches into.
        x0 = max(0, math.floor((visible.left() - rect.left()) / zoom / sx) - 1)
        y0 = max(0, math.floor((visible.top() - rect.top()) / zoom / sy) - 1)
        x1 = min(image.width(), math.ceil((visible.right() - rect.left()) / zoom / sx) + 1)
        y1 = min(image.height(), math.ceil((visible.bottom() - rect.top()) / zoom / sy) + 1)
        target = QRectF(
            rect.left() + x0 * sx * zoom,
            rect.top() + y0 * sy * zoom,
            (x1 - x0) * sx * zoom,
            (y1 - y0) * sy * zoom,
        )
        painter.save()
        painter.setClipRect(visible, Qt.ClipOperation.IntersectClip)
        sharp = zoom * min(sx, sy) > 1.0001 and max(sx, sy) <= 1.0
        exact = abs(zoom * sx - 1.0) < 1e-6
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not (sharp or exact))
        painter.drawImage(target, image, QRectF(x0, y0, x1 - x0, y1 - y0))
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
