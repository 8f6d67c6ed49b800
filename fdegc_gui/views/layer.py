"""Layers: pictures of the scene that a pane paints, one over another."""

from __future__ import annotations

import math
import sys
from typing import Protocol

from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QFont, QImage, QPainter

from fdegc_gui.models.pyramid import Bgra, Patch, Pyramid
from fdegc_gui.style.theme import Tokens

#: The word order of pixels in memory is Qt's only where the machine is little-endian.
_SWAP = sys.byteorder == "big"


class Overlay(Protocol):
    """Overlay that a pane paints over its picture."""

    def paint(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, ratio: float, font: QFont,
        tokens: Tokens,
    ) -> None:  # fmt: skip
        """Painting of the overlay.

        Parameters
        ----------
        painter : QPainter
            In device pixels.
        rect, visible : QRectF
            The scene, and the part of it to paint, in device pixels.
        zoom, ratio : float
            Device pixels a scene pixel, and a logical one.
        font : QFont
        tokens : Tokens
        """


class Layer:
    """Layer of a pyramid, as images that share memory with its levels: writing a tile copies nothing else.

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
            self._images.append(picture_image(level, form))

    def paint(self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float) -> None:
        """Painting of what is seen, from the level nearest to the zoom.

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


class PatchLayer:
    """Layer of a part of the scene at the resolution of the screen.

    Parameters
    ----------
    patch : Patch
    """

    def __init__(self, patch: Patch) -> None:
        self.patch = patch
        self._image = picture_image(patch.bgra, QImage.Format.Format_ARGB32_Premultiplied)

    def _target(self, rect: QRectF, zoom: float) -> QRectF:
        window = self.patch.window
        left, top = rect.left() + window.x * zoom, rect.top() + window.y * zoom
        return QRectF(left, top, window.width * zoom, window.height * zoom)

    def inner(self, rect: QRectF, zoom: float) -> QRect:
        """Whole device pixels that the part covers, for a scene that lies at ``rect``."""
        target = self._target(rect, zoom)
        left, top = round(target.left()), round(target.top())
        return QRect(left, top, round(target.right()) - left, round(target.bottom()) - top)

    def paint(self, painter: QPainter, rect: QRectF, zoom: float) -> None:
        """Painting of the part over a scene that lies at ``rect`` (device pixels)."""
        painter.save()
        smooth = zoom * self.patch.factor < 0.9999 or self.patch.factor > 1
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        size = self._image.size()
        painter.drawImage(self._target(rect, zoom), self._image, QRectF(0, 0, size.width(), size.height()))
        painter.restore()


def picture_image(bgra: Bgra, form: QImage.Format = QImage.Format.Format_ARGB32_Premultiplied) -> QImage:
    """Image that shares memory with pixels; they have to outlive it unless it is copied."""
    height, width = bgra.shape[:2]
    pixels = bgra[..., ::-1].copy() if _SWAP else bgra
    return QImage(pixels.data, width, height, 4 * width, form)
