"""Overlay of the stage: a tint over every tile, and its figure where there is room."""

from __future__ import annotations

import math
from collections.abc import Iterator

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPen, QRegion

from fdegc.raster_info import Window
from fdegc_gui.models.tile_map import TileMap
from fdegc_gui.style.theme import Tokens, figures
from fdegc_gui.views.layer import picture_image
from fdegc_gui.views.overlays import pill

#: Logical pixels a side from which on tiles are parted by lines, and can have room for a figure.
_LINED, _LABELLED = 24, 44
#: The tint is as strong as this up to tiles of some logical pixels a side, and gone from others on: from
#: close up one wants to see the picture.  Where the whole scene is in view it is at its strongest.
_STRENGTH, _FULL, _GONE = 0.62, 240.0, 560.0
#: Room around a figure in its label, and around that in its tile.
_ACROSS, _DOWN, _INSIDE = 5, 1, 4
_TEXT = 11


class TileOverlay:
    """Overlay that shows a :class:`TileMap`; it has to be painted with every move of the view.

    Parameters
    ----------
    tiles : TileMap
    """

    def __init__(self, tiles: TileMap) -> None:
        self.tiles = tiles
        self.chosen: Window | None = None
        self._picture = tiles.picture()
        self._image: QImage = picture_image(self._picture).copy()
        self._labels: dict[tuple[str, float, str, str], QImage] = {}

    def paint(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, ratio: float, font: QFont,
        tokens: Tokens,
    ) -> None:  # fmt: skip
        """Painting of the overlay, as :class:`fdegc_gui.views.layer.Overlay` describes it."""
        side = self.tiles.tile_size * zoom
        painter.save()
        painter.setClipRect(visible, Qt.ClipOperation.IntersectClip)
        gone = _end_of_tint(side, rect, visible, ratio)
        strength = _STRENGTH * min(max((gone - side) / (gone * (1 - _FULL / _GONE)), 0.0), 1.0)
        if strength > 0.0:
            self._paint_tint(painter, rect, visible, zoom, strength)
        if side >= _LINED * ratio:
            self._paint_lines(painter, rect, visible, zoom, ratio)
        if side >= _LABELLED * ratio:
            self._paint_labels(painter, rect, visible, zoom, ratio, font, tokens)
        if self.chosen is not None:
            for width, color in ((4.0, "#ff101418"), (2.0, "#ffffffff")):
                painter.setPen(QPen(QColor(color), width * ratio))
                painter.drawRect(_placed(self.chosen, rect, zoom))
        painter.restore()

    def _seen(self, rect: QRectF, visible: QRectF, zoom: float) -> Iterator[tuple[int, int]]:
        """Rows and columns of the tiles that are in view."""
        side = self.tiles.tile_size * zoom
        rows, columns = self.tiles.values.shape
        top, left = (visible.top() - rect.top()) / side, (visible.left() - rect.left()) / side
        bottom, right = (visible.bottom() - rect.top()) / side, (visible.right() - rect.left()) / side
        for row in range(max(0, math.floor(top)), min(rows, math.ceil(bottom))):
            for column in range(max(0, math.floor(left)), min(columns, math.ceil(right))):
                yield row, column

    def _paint_tint(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, strength: float
    ) -> None:
        side = self.tiles.tile_size * zoom
        painter.save()
        if self.chosen is not None:  # which one has come to see
            chosen = QRegion(_placed(self.chosen, rect, zoom).toAlignedRect())
            rest = QRegion(visible.toAlignedRect()) - chosen
            painter.setClipRegion(rest, Qt.ClipOperation.IntersectClip)
        if side < _LABELLED:
            size = QRectF(0, 0, self._image.width() * side, self._image.height() * side)
            painter.setOpacity(strength)
            painter.drawImage(size.translated(rect.topLeft()), self._image)
        else:  # several times as fast as an image that is made larger, as long as there are not too many
            for row, column in self._seen(rect, visible, zoom):
                blue, green, red, alpha = self._picture[row, column].tolist()
                if alpha:
                    place = _whole(_placed(self.tiles.window(row, column), rect, zoom).intersected(visible))
                    painter.fillRect(place, QColor(red, green, blue, round(255 * strength)))
        painter.restore()

    def _paint_lines(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, ratio: float
    ) -> None:
        side = self.tiles.tile_size * zoom
        painter.setPen(QPen(QColor("#60101418"), ratio))
        for row in range(1, self.tiles.values.shape[0]):
            y = rect.top() + row * side
            if visible.top() <= y <= visible.bottom():
                painter.drawLine(QPointF(visible.left(), y), QPointF(visible.right(), y))
        for column in range(1, self.tiles.values.shape[1]):
            x = rect.left() + column * side
            if visible.left() <= x <= visible.right():
                painter.drawLine(QPointF(x, visible.top()), QPointF(x, visible.bottom()))

    def _paint_labels(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, ratio: float, font: QFont,
        tokens: Tokens,
    ) -> None:  # fmt: skip
        side = self.tiles.tile_size * zoom
        near = side >= _end_of_tint(side, rect, visible, ratio)
        gap = _INSIDE * ratio
        for row, column in self._seen(rect, visible, zoom):
            # In the part of the tile that is seen, so that one always knows where one is.
            place = _placed(self.tiles.window(row, column), rect, zoom).intersected(visible)
            room = place.adjusted(gap, gap, -gap, -gap)
            label = self._label(self.tiles.label(row, column), ratio, font, tokens)
            if label.width() <= room.width() and label.height() <= room.height():
                # From close up at the lower edge, out of the picture's way.
                y = room.bottom() - label.height() if near else room.center().y() - label.height() / 2
                painter.drawImage(round(room.center().x() - label.width() / 2), round(y), label)

    def _label(self, words: str, ratio: float, font: QFont, tokens: Tokens) -> QImage:
        """Words on their ground, in device pixels; drawn once."""
        key = words, ratio, tokens.pill, tokens.pill_text
        label = self._labels.get(key)
        if label is None:
            own = figures(font)
            own.setPixelSize(max(1, round(_TEXT * ratio)))
            probe = QImage(1, 1, QImage.Format.Format_ARGB32_Premultiplied)
            painter = QPainter(probe)
            painter.setFont(own)
            metrics = painter.fontMetrics()
            across, down = round(2 * _ACROSS * ratio), round(2 * _DOWN * ratio)
            size = QSize(metrics.horizontalAdvance(words) + across, metrics.height() + down)
            painter.end()
            label = QImage(size, QImage.Format.Format_ARGB32_Premultiplied)
            label.fill(Qt.GlobalColor.transparent)
            painter = QPainter(label)
            painter.setFont(own)
            pill(painter, QRectF(label.rect()), tokens)
            painter.setPen(QColor(tokens.pill_text))
            painter.drawText(label.rect(), Qt.AlignmentFlag.AlignCenter, words)
            painter.end()
            self._labels[key] = label
        return label


def _end_of_tint(side: float, rect: QRectF, visible: QRectF, ratio: float) -> float:
    """Device pixels a side of tiles from which on there is no tint."""
    fitting = side * min(visible.width() / rect.width(), visible.height() / rect.height(), 1.0)
    return max(_GONE * ratio, fitting * _GONE / _FULL)


def _placed(window: Window, rect: QRectF, zoom: float) -> QRectF:
    place = QRectF(window.x * zoom, window.y * zoom, window.width * zoom, window.height * zoom)
    return place.translated(rect.topLeft())


def _whole(rect: QRectF) -> QRect:
    """Whole device pixels, so that neighbours neither overlap nor leave a gap."""
    left, top = round(rect.left()), round(rect.top())
    return QRect(left, top, round(rect.right()) - left, round(rect.bottom()) - top)
