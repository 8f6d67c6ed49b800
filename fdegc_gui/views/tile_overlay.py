"""Overlay of the stage: a tint over every tile, and its figure where there is room."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPen, QRegion

from fdegc.raster_info import Window
from fdegc_gui.models.tile_map import TileMap
from fdegc_gui.style.theme import Tokens, figures
from fdegc_gui.views.layer import picture_image
from fdegc_gui.views.overlays import pill

#: Logical pixels a side from which on a tile has an outline and, if it fits, its figure.
_LINED = 24
#: The tint is as strong as this up to tiles of some logical pixels a side, and gone from others on: from
#: close up one wants to see the picture.
_STRENGTH, _FULL, _GONE = 0.62, 240.0, 560.0
_INSIDE = 4


class TileOverlay:
    """Overlay that shows a :class:`TileMap`.

    Parameters
    ----------
    tiles : TileMap
    """

    def __init__(self, tiles: TileMap) -> None:
        self.tiles = tiles
        self.chosen: Window | None = None
        self._image: QImage = picture_image(tiles.picture()).copy()

    def paint(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, ratio: float, font: QFont,
        tokens: Tokens,
    ) -> None:  # fmt: skip
        """Painting of the overlay, as :class:`fdegc_gui.views.layer.Overlay` describes it."""
        side = self.tiles.tile_size * zoom
        painter.save()
        painter.setClipRect(visible, Qt.ClipOperation.IntersectClip)
        strength = _STRENGTH * min(max((_GONE - side / ratio) / (_GONE - _FULL), 0.0), 1.0)
        if strength > 0.0:
            size = QRectF(0, 0, self._image.width() * side, self._image.height() * side)
            painter.save()
            if self.chosen is not None:  # which one has come to see
                rest = QRegion(visible.toAlignedRect()) - QRegion(
                    _placed(self.chosen, rect, zoom).toAlignedRect()
                )
                painter.setClipRegion(rest, Qt.ClipOperation.IntersectClip)
            painter.setOpacity(strength)
            painter.drawImage(size.translated(rect.topLeft()), self._image)
            painter.restore()
        if side >= _LINED * ratio:
            self._paint_tiles(painter, rect, visible, zoom, ratio, font, tokens)
        if self.chosen is not None:
            for width, color in ((4.0, "#ff101418"), (2.0, "#ffffffff")):
                painter.setPen(QPen(QColor(color), width * ratio))
                painter.drawRect(_placed(self.chosen, rect, zoom))
        painter.restore()

    def _paint_tiles(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, ratio: float, font: QFont,
        tokens: Tokens,
    ) -> None:  # fmt: skip
        side = self.tiles.tile_size * zoom
        rows, columns = self.tiles.values.shape
        top, left = (visible.top() - rect.top()) / side, (visible.left() - rect.left()) / side
        bottom, right = (visible.bottom() - rect.top()) / side, (visible.right() - rect.left()) / side
        small = figures(font, scale=0.85)
        small.setPixelSize(max(1, round(11 * ratio)))
        painter.setFont(small)
        metrics = painter.fontMetrics()
        for row in range(max(0, math.floor(top)), min(rows, math.ceil(bottom))):
            for column in range(max(0, math.floor(left)), min(columns, math.ceil(right))):
                place = _placed(self.tiles.window(row, column), rect, zoom)
                painter.setPen(QPen(QColor("#60101418"), ratio))
                painter.drawRect(place)
                words = self.tiles.words(row, column)
                box = QRectF(
                    0, 0, metrics.horizontalAdvance(words) + 10 * ratio, metrics.height() + 2 * ratio
                )
                # In the part of the tile that is seen, so that one always knows where one is.
                room = place.intersected(visible).adjusted(_INSIDE, _INSIDE, -_INSIDE, -_INSIDE)
                if box.width() <= room.width() and box.height() <= room.height():
                    box.moveCenter(room.center() if side < _GONE * ratio else _low(room, box))
                    pill(painter, box, tokens)
                    painter.setPen(QColor(tokens.pill_text))
                    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)


def _low(room: QRectF, box: QRectF) -> QPointF:
    """Middle of a box at the lower edge of a tile from close up, out of the picture's way."""
    return QPointF(room.center().x(), room.bottom() - box.height())


def _placed(window: Window, rect: QRectF, zoom: float) -> QRectF:
    place = QRectF(window.x * zoom, window.y * zoom, window.width * zoom, window.height * zoom)
    return place.translated(rect.topLeft())
