"""View of a pane: one picture of the scene, or two that a line parts, and what is painted over them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QImage,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QWidget

from fdegc.raster_info import Window
from fdegc_gui.models.difference import Legend
from fdegc_gui.models.probe import Cells
from fdegc_gui.models.pyramid import Patch, Pyramid
from fdegc_gui.style.theme import Theme
from fdegc_gui.text import zoom_percent
from fdegc_gui.views.content import Content, SidePicture
from fdegc_gui.views.layer import Overlay
from fdegc_gui.views.overlays import (
    Readout,
    ReadoutBox,
    cross_rect,
    paint_cross,
    paint_hint,
    paint_legend,
    paint_region,
    paint_swipe,
    paint_zoom,
)
from fdegc_gui.views.viewport import Viewport


@dataclass(frozen=True)
class Swipe:
    """Swipe: another content up to a line, the pane's own beyond it.

    Attributes
    ----------
    content : Content
    upright : bool
        Whether the line is, and moves left and right.
    position : float
        Of the line, as a part of the pane's width or height.
    """

    content: Content
    upright: bool
    position: float


class PaneView(QWidget):
    """View of a :class:`Content` through a shared :class:`Viewport`, or of two at a swipe's line."""

    def __init__(self, name: str, viewport: Viewport, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewport, self._theme = viewport, theme
        self.content = Content(name)
        self._swipe: Swipe | None = None
        self._readout = ReadoutBox(self.font())
        self._legend: Legend | None = None
        self._region: Window | None = None
        self._overlays: dict[str, Overlay] = {}
        self._cross: QPointF | None = None
        self.setObjectName(name)
        self.setAccessibleName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(160, 120)
        viewport.changed.connect(self.update)
        theme.changed.connect(self.update)

    # ------------------------------------------------------------------ what is shown

    @property
    def pyramid(self) -> Pyramid | None:
        """Picture that is shown."""
        return self.content.pyramid

    @property
    def backdrop(self) -> Pyramid | None:
        """Backdrop: what is seen where the picture has nothing yet."""
        return self.content.backdrop

    @property
    def patch(self) -> Patch | None:
        """Part that is shown more finely."""
        return self.content.patch

    @property
    def readout(self) -> tuple[tuple[str, str], ...]:
        """Names and values that are shown."""
        return self._readout.entries

    @property
    def marks(self) -> tuple[Window, ...]:
        """Places that are marked."""
        return self.content.marks

    @property
    def label(self) -> str:
        """Label of the pane: what it says it shows."""
        return self.content.label

    @property
    def hint(self) -> str:
        """Text in the middle of an empty pane."""
        return self.content.hint

    @property
    def legend(self) -> Legend | None:
        """Legend that is shown."""
        return self._legend

    @property
    def swipe(self) -> Swipe | None:
        """Swipe, if the pane shows two pictures."""
        return self._swipe

    @property
    def region(self) -> Window | None:
        """Region that is outlined."""
        return self._region

    def show_picture(self, shown: SidePicture) -> None:
        """Picture in the pane, or a hint where there is none yet."""
        self.content.show(shown)
        self.setAccessibleDescription(shown.label)
        self.update()

    def show_cells(self, cells: Cells | None) -> None:
        """Values in the pixels; None for none."""
        if self.content.set_cells(cells):
            self.update()

    def show_swipe(self, swipe: Swipe | None) -> None:
        """Another content on one side of a line; None for the own one alone."""
        if swipe != self._swipe:
            self._swipe = swipe
            self.update()

    def show_legend(self, legend: Legend | None) -> None:
        """Legend at the lower right; None for none."""
        if legend != self._legend:
            self._legend = legend
            self.update()

    def show_region(self, region: Window | None) -> None:
        """Outline of a region; None for none."""
        if region != self._region:
            self._region = region
            self.update()

    def show_overlay(self, name: str, overlay: Overlay | None) -> None:
        """Overlay over the picture in place of another of that name; None for none."""
        self._overlays.pop(name, None)
        if overlay is not None:
            self._overlays[name] = overlay
        self.update()

    def show_readout(self, entries: Readout) -> None:
        """Read-out of names and values at the lower left; nothing if there are none."""
        if tuple(entries) != self._readout.entries:
            before = self._readout.rect(self.rect())
            self._readout.set_entries(entries)
            self.update(before.united(self._readout.rect(self.rect())).toAlignedRect())
            if self._legend is not None:
                self.update()  # it makes room

    def show_cross(self, at: QPointF | None) -> None:
        """Cross at a scene position; None for none."""
        for point in (self._cross, at):
            if point is not None:
                self.update(cross_rect(self.pane_position(point)))
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

    def picture(self) -> QImage:
        """Picture of the view as it is on the screen, without what is written over it."""
        image = QImage(self._device_size(), QImage.Format.Format_RGB32)
        painter = QPainter(image)
        painter.fillRect(image.rect(), QColor(self._theme.tokens.canvas))
        self._paint_contents(painter)
        painter.end()
        return image

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

    def pane_position(self, point: QPointF) -> QPointF:
        """Position of a scene point in the pane (logical pixels)."""
        rect, zoom, ratio = self._scene_rect(), self._viewport.zoom, self.devicePixelRatioF()
        return QPointF((rect.x() + point.x() * zoom) / ratio, (rect.y() + point.y() * zoom) / ratio)

    def seen_rect(self, window: Window) -> QRectF:
        """Rectangle in the pane (logical pixels) of what is seen of a part of the scene."""
        return self._pane_rect(window).intersected(QRectF(self.rect()))

    def visible_part(self, width: int, height: int) -> Window | None:
        """Visible part of a scene of ``width`` × ``height`` pixels; None if nothing is."""
        first = self.scene_position(QPointF(0, 0))
        last = self.scene_position(QPointF(self.width(), self.height()))
        x0, y0 = max(0, int(first.x() // 1)), max(0, int(first.y() // 1))
        x1, y1 = min(width, int(-(-last.x() // 1))), min(height, int(-(-last.y() // 1)))
        return Window(x0, y0, x1 - x0, y1 - y0) if x0 < x1 and y0 < y1 else None

    # ------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(tokens.canvas))
        ratio = self.devicePixelRatioF()
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)
        self._paint_contents(painter)
        self._paint_overlays(painter)
        painter.restore()
        if self._region is not None:
            paint_region(painter, self._pane_rect(self._region))
        if self._swipe is not None:
            paint_swipe(painter, self.rect(), self._swipe.upright, self._swipe.position)
        if self._cross is not None:
            paint_cross(painter, self.pane_position(self._cross), tokens)
        if self.hint:
            paint_hint(painter, self.rect(), self.font(), self.hint, tokens)
        paint_zoom(painter, self.width(), self.font(), zoom_percent(self._viewport.zoom), tokens)
        self._readout.paint(painter, self.rect(), tokens)
        if self._legend is not None:
            paint_legend(
                painter, self.rect(), self.font(), self._legend, self._readout.rect(self.rect()), tokens
            )

    def _paint_contents(self, painter: QPainter) -> None:
        """Painting of the own content, and of the other one on its side of the line, in device pixels."""
        rect, size = self._scene_rect(), self._device_size()
        whole = QRectF(0, 0, size.width(), size.height())
        parts = [(self.content, whole)]
        if self._swipe is not None:
            first, second = _halves(whole, self._swipe)
            parts = [(self._swipe.content, first), (self.content, second)]
        for content, part in parts:
            visible = rect.intersected(part)
            if not visible.isEmpty():
                content.paint(
                    painter, rect, visible, self._viewport.zoom, self.devicePixelRatioF(), self.font(),
                    self._theme.tokens,
                )  # fmt: skip

    def _paint_overlays(self, painter: QPainter) -> None:
        rect, size = self._scene_rect(), self._device_size()
        visible = rect.intersected(QRectF(0, 0, size.width(), size.height()))
        for overlay in self._overlays.values():
            zoom, ratio = self._viewport.zoom, self.devicePixelRatioF()
            overlay.paint(painter, rect, visible, zoom, ratio, self.font(), self._theme.tokens)

    def _pane_rect(self, window: Window) -> QRectF:
        first = self.pane_position(QPointF(window.x, window.y))
        return QRectF(first, self.pane_position(QPointF(window.x + window.width, window.y + window.height)))


def _halves(whole: QRectF, swipe: Swipe) -> tuple[QRectF, QRectF]:
    """Parts of a pane before and beyond the line, on whole device pixels."""
    first, second = QRectF(whole), QRectF(whole)
    if swipe.upright:
        at = float(round(whole.width() * swipe.position))
        first.setRight(at)
        second.setLeft(at)
    else:
        at = float(round(whole.height() * swipe.position))
        first.setBottom(at)
        second.setTop(at)
    return first, second
