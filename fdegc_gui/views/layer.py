"""A picture of the scene that a pane paints, alone or over another."""

from __future__ import annotations

import math
import sys

from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter

from fdegc_gui.models.pyramid import Pyramid

#: The word order of pixels in memory is Qt's only where the machine is little-endian.
_SWAP = sys.byteorder == "big"


class Layer:
    """A pyramid, and images that share memory with its levels: writing a tile copies nothing else.

    Parameters
    ----------
    pyramid : Pyramid
    """

    def __init__(self, pyramid: Pyramid) -> None:
        self.pyramid = pyramid
        self._images = []
        opaque = pyramid.complete and not pyramid.transparent
        form = QImage.Format.Format_RGB32 if opaque else QImage.Format.Format_ARGB32_Premultiplied
        for level in pyramid.levels:
            height, width = level.shape[:2]
            pixels = level[..., ::-1].copy() if _SWAP else level
            self._images.append(QImage(pixels.data, width, height, 4 * width, form))

    def paint(self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float) -> None:
        """Paint what is seen, from the level nearest to the zoom.

        Parameters
        ----------
        painter : QPainter
        rect, visible : QRectF
            The scene, and the part of it inside the pane, in device pixels.
        zoom : float
            Device pixels a scene pixel.
        """
        k = self.pyramid.level_for(zoom)
        image = self._images[k]
        sx, sy = self.pyramid.scale(k)
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
        sharp = zoom * min(sx, sy) > 1.0001 and max(sx, sy) <= 1.0
        exact = abs(zoom * sx - 1.0) < 1e-6
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not (sharp or exact))
        painter.drawImage(target, image, QRectF(x0, y0, x1 - x0, y1 - y0))
        painter.restore()
