"""Pane that paints one picture of the scene."""

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
    QRegion,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from fdegc.raster_info import Window
from fdegc_gui.models.pyramid import Patch, Pyramid
from fdegc_gui.style.theme import Theme
from fdegc_gui.text import zoom_percent
from fdegc_gui.views.layer import Layer, PatchLayer
from fdegc_gui.views.overlays import (
    Readout,
    ReadoutBox,
    cross_rect,
    paint_cross,
    paint_hint,
    paint_label,
    paint_marks,
)
from fdegc_gui.views.viewport import Viewport

#: Side of a square of the checkerboard behind transparent pixels, in logical pixels at any zoom.  It
#: lies under the scene and moves along with it, as in image editors.
_CHECK = 8
_PAN_STEP = 80


class Pane(QWidget):
    """Pane that paints a :class:`Pyramid` through a shared :class:`Viewport`.

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
        self._patch: PatchLayer | None = None
        self._readout = ReadoutBox(self.font())
        self._cross: QPointF | None = None
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
        """Picture that is shown."""
        return self._picture.pyramid if self._picture is not None else None

    @property
    def backdrop(self) -> Pyramid | None:
        """Backdrop: what is seen where the picture has nothing yet."""
        return self._backdrop.pyramid if self._backdrop is not None else None

    @property
    def patch(self) -> Patch | None:
        """Part that is shown more finely."""
        return self._patch.patch if self._patch is not None else None

    @property
    def readout(self) -> tuple[tuple[str, str], ...]:
        """Names and values that are shown."""
        return self._readout.entries

    @property
    def marks(self) -> tuple[Window, ...]:
        """Places that are marked."""
        return self._marks

    @property
    def label(self) -> str:
        """Label of the pane: what it says it shows."""
        return self._label

    @property
    def hint(self) -> str:
        """Text in the middle of an empty pane."""
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
        """Picture in the pane, or a hint where there is none yet.

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

    def show_patch(self, patch: Patch | None) -> None:
        """Part of the scene, shown more finely than the picture does; None for none."""
        if patch is not self.patch:
            self._patch = None if patch is None else PatchLayer(patch)
            self.update()

    def show_readout(self, entries: Readout) -> None:
        """Read-out of names and values at the lower left; nothing if there are none."""
        if tuple(entries) != self._readout.entries:
            before = self._readout.rect(self.rect())
            self._readout.set_entries(entries)
            self.update(before.united(self._readout.rect(self.rect())).toAlignedRect())

    def show_cross(self, at: QPointF | None) -> None:
        """Cross at a scene position; None for none."""
        for point in (self._cross, at):
            if point is not None:
                self.update(cross_rect(self._pane_position(point)))
        self._cross = at

    def refresh(self, windows: list[Window]) -> None:
        """Repaint of what lies over some rectangles of the scene."""
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
        """Scene point at a position in the pane (logical pixels)."""
        ratio, rect, zoom = self.devicePixelRatioF(), self._scene_rect(), self._viewport.zoom
        return QPointF((position.x() * ratio - rect.x()) / zoom, (position.y() * ratio - rect.y()) / zoom)

    def _pane_position(self, point: QPointF) -> QPointF:
        """Position of a scene point in the pane (logical pixels)."""
        rect, zoom, ratio = self._scene_rect(), self._viewport.zoom, self.devicePixelRatioF()
        return QPointF((rect.x() + point.x() * zoom) / ratio, (rect.y() + point.y() * zoom) / ratio)

    def visible_part(self, width: int, height: int) -> Window | None:
        """Visible part of a scene of ``width`` × ``height`` pixels; None if nothing is."""
        first = self.scene_position(QPointF(0, 0))
        last = self.scene_position(QPointF(self.width(), self.height()))
        x0, y0 = max(0, int(first.x() // 1)), max(0, int(first.y() // 1))
        x1, y1 = min(width, int(-(-last.x() // 1))), min(height, int(-(-last.y() // 1)))
        return Window(x0, y0, x1 - x0, y1 - y0) if x0 < x1 and y0 < y1 else None

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
            self._paint_picture(painter, rect, visible)
            paint_marks(painter, self._marks, rect, visible, self._viewport.zoom, ratio, tokens)
        painter.restore()
        if self._cross is not None:
            paint_cross(painter, self._pane_position(self._cross), tokens)
        if self._hint:
            paint_hint(painter, self.rect(), self.font(), self._hint, tokens)
        zoom = zoom_percent(self._viewport.zoom)
        paint_label(painter, self.width(), self.font(), self._label, zoom, tokens)
        self._readout.paint(painter, self.rect(), tokens)

    def _paint_picture(self, painter: QPainter, rect: QRectF, visible: QRectF) -> None:
        """Painting of backdrop and picture, and of the part that is finer in their place, not over them."""
        zoom = self._viewport.zoom
        painter.setClipRect(visible, Qt.ClipOperation.IntersectClip)
        if self._patch is not None:
            painter.save()
            rest = QRegion(visible.toAlignedRect()) - QRegion(self._patch.inner(rect, zoom))
            painter.setClipRegion(rest, Qt.ClipOperation.IntersectClip)
        for layer in (self._backdrop, self._picture):
            if layer is not None:
                layer.paint(painter, rect, visible, zoom)
        if self._patch is not None:
            painter.restore()
            painter.setClipRect(self._patch.inner(rect, zoom), Qt.ClipOperation.IntersectClip)
            self._patch.paint(painter, rect, zoom)
            painter.setClipRect(visible)

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
