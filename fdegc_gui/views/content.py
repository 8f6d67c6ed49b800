"""Content of a pane: one picture of the scene with what belongs to it, painted wherever it is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QImage, QPainter, QRegion

from fdegc.raster_info import Window
from fdegc_gui.models.probe import Cells
from fdegc_gui.models.pyramid import Bgra, Patch, Pyramid
from fdegc_gui.models.view import GRID_ZOOM, VALUES_ZOOM
from fdegc_gui.style.theme import Tokens
from fdegc_gui.views.close_up import CellLayer, paint_grid
from fdegc_gui.views.layer import Layer, PatchLayer
from fdegc_gui.views.overlays import paint_marks

#: Side of a square of the checkerboard behind transparent pixels, in logical pixels at any zoom.  It
#: lies under the scene and moves along with it, as in image editors.
_CHECK = 8


@dataclass(frozen=True, slots=True, eq=False)
class SidePicture:
    """Picture of a side, as a pane shows it.

    Attributes
    ----------
    pyramid : Pyramid or None
    label, hint : str
    transparent : bool
        Whether to put a checkerboard behind it.
    backdrop : Pyramid or None
        Shown where the picture has nothing yet.
    marks : tuple of Window
        Places to mark as damaged.
    patch : Patch or None
        Part that is shown more finely.
    """

    pyramid: Pyramid | None = None
    label: str = ""
    hint: str = ""
    transparent: bool = False
    backdrop: Pyramid | None = None
    marks: tuple[Window, ...] = ()
    patch: Patch | None = None


class Content:
    """Content of a pane.

    Only the visible part is drawn, from the level nearest to the zoom: smooth below 100 %, in hard
    squares above it, with a grid and the values in them from further on.

    Attributes
    ----------
    label, hint : str
        What it says it shows; a sentence where there is nothing.
    marks : tuple of Window
        Places to mark as damaged.
    """

    def __init__(self, label: str) -> None:
        self._picture: Layer | None = None
        self._backdrop: Layer | None = None
        self._patch: PatchLayer | None = None
        self._cells: CellLayer | None = None
        self._transparent = False
        self.marks: tuple[Window, ...] = ()
        self.label, self.hint = label, ""

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
    def cells(self) -> Cells | None:
        """Values that are written into the pixels."""
        return self._cells.cells if self._cells is not None else None

    def show(self, shown: SidePicture) -> None:
        """Picture of the scene with what belongs to it, or a hint where there is none yet."""
        pyramid, backdrop, patch = shown.pyramid, shown.backdrop, shown.patch
        if pyramid is not self.pyramid or (pyramid is not None and pyramid.complete):
            self._picture = None if pyramid is None else Layer(pyramid)
        if backdrop is not self.backdrop:
            self._backdrop = None if backdrop is None else Layer(backdrop)
        if patch is not self.patch:
            self._patch = None if patch is None else PatchLayer(patch)
        self.marks, self.label, self.hint = shown.marks, shown.label, shown.hint
        self._transparent = shown.transparent

    def set_cells(self, cells: Cells | None) -> bool:
        """Values to write into pixels that are seen singly; whether they are others than before."""
        if cells is self.cells:
            return False
        self._cells = None if cells is None else CellLayer(cells)
        return True

    def paint(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, ratio: float, font: QFont,
        tokens: Tokens,
    ) -> None:  # fmt: skip
        """Painting of everything; parameters as of :meth:`~fdegc_gui.views.layer.Overlay.paint`."""
        painter.save()
        painter.setClipRect(visible, Qt.ClipOperation.IntersectClip)
        self._paint_ground(painter, visible, rect, ratio, tokens)
        self._paint_picture(painter, rect, visible, zoom)
        shown = self._picture is not None or self._patch is not None
        if shown and zoom >= GRID_ZOOM:
            paint_grid(painter, rect, visible, zoom)
        if self._cells is not None and zoom >= VALUES_ZOOM:
            self._cells.paint(painter, rect, visible, zoom, ratio, font, self)
        paint_marks(painter, self.marks, rect, visible, zoom, ratio, tokens)
        painter.restore()

    def bright(self, window: Window) -> npt.NDArray[np.bool_] | None:
        """Whether pixels are bright as they are shown; None if that is not known pixel by pixel.

        Returns
        -------
        ndarray of bool, shape (height, width), or None
        """
        bgra: Bgra | None = None
        patch, pyramid = self.patch, self.pyramid
        if patch is not None and patch.factor == 1 and patch.window.intersection(window) == window:
            at = window.relative_to(patch.window)
            bgra = patch.bgra[at.rows, at.cols]
        elif pyramid is not None and pyramid.scale(0) == (1.0, 1.0):
            bgra = pyramid.levels[0][window.rows, window.cols]
        if bgra is None:
            return None
        light: npt.NDArray[np.bool_] = bgra[..., :3] @ np.array([0.114, 0.587, 0.299]) > 140
        return light

    def _paint_picture(self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float) -> None:
        """Painting of backdrop and picture, and of the part that is finer in their place, not over them."""
        painter.save()
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
        painter.restore()

    def _paint_ground(
        self, painter: QPainter, visible: QRectF, rect: QRectF, ratio: float, tokens: Tokens
    ) -> None:
        opaque = self.pyramid is not None and self.pyramid.complete and not self._transparent
        if not opaque:
            painter.fillRect(visible, QColor(tokens.canvas_empty))
        if not self._transparent:
            return
        side = round(_CHECK * ratio)
        tile = QImage(QSize(2 * side, 2 * side), QImage.Format.Format_RGB32)
        tile.fill(QColor(tokens.canvas_empty))
        cell = QPainter(tile)
        cell.fillRect(0, 0, side, side, QColor(tokens.checker))
        cell.fillRect(side, side, side, side, QColor(tokens.checker))
        cell.end()
        painter.setBrushOrigin(QPointF(rect.topLeft()))
        painter.fillRect(visible, QBrush(tile))
