"""Pixels from close up: the grid between them, and their values in them."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen

from fdegc.raster_info import Window
from fdegc_gui.models.probe import Cells

#: Height of the figures in logical pixels: smaller ones are not written, larger ones not needed.
_SMALLEST, _LARGEST = 6.5, 14.0
#: Heights of the text in a cell for every line, and widths for every figure.
_LINE, _FIGURE = 1.22, 0.66
_MARGIN = 0.1
_GRID = QColor(128, 128, 128, 120)


class Ground(Protocol):
    """Ground that is written on."""

    def bright(self, window: Window) -> npt.NDArray[np.bool_] | None:
        """Whether pixels are bright; None if that is not known."""


def seen_pixels(rect: QRectF, visible: QRectF, zoom: float) -> tuple[int, int, int, int]:
    """Columns and rows that are seen: first and one past the last column, first and one past the last row."""
    return (
        math.floor((visible.left() - rect.left()) / zoom + 1e-6),
        math.ceil((visible.right() - rect.left()) / zoom - 1e-6),
        math.floor((visible.top() - rect.top()) / zoom + 1e-6),
        math.ceil((visible.bottom() - rect.top()) / zoom - 1e-6),
    )


def paint_grid(painter: QPainter, rect: QRectF, visible: QRectF, zoom: float) -> None:
    """Grid of lines between the pixels, one device pixel wide."""
    left, right, top, bottom = seen_pixels(rect, visible, zoom)
    for x in range(left, right + 1):
        painter.fillRect(QRectF(round(rect.left() + x * zoom), visible.top(), 1, visible.height()), _GRID)
    for y in range(top, bottom + 1):
        painter.fillRect(QRectF(visible.left(), round(rect.top() + y * zoom), visible.width(), 1), _GRID)


class CellLayer:
    """Layer of values in pixels; what has been written once is moved along as an image.

    Parameters
    ----------
    cells : Cells
    """

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        # Where no sample is valid there is no text at all.
        longest = max((len(text) for row in cells.texts for cell in row for text in cell), default=1)
        self._longest = max(1, longest)
        self._lines = max(1, max((len(cell) for row in cells.texts for cell in row), default=1))
        self._image: tuple[tuple[object, ...], Window, QImage] | None = None

    def paint(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, ratio: float, font: QFont,
        ground: Ground,
    ) -> None:  # fmt: skip
        """Painting of the values that are seen, as of :meth:`Content.paint`."""
        left, right, top, bottom = seen_pixels(rect, visible, zoom)
        if left >= right or top >= bottom:
            return
        part = Window(left, top, right - left, bottom - top).intersection(self.cells.window)
        size = min(zoom / ratio / (_LINE * self._lines), zoom / ratio / (_FIGURE * self._longest), _LARGEST)
        if part is None or size < _SMALLEST:
            return
        shown = getattr(ground, "patch", None), getattr(ground, "pyramid", None)
        key = (zoom, ratio, *shown)
        kept = self._image
        same = kept is not None and len(kept[0]) == len(key) and all(
            one is other or (isinstance(one, float) and one == other)
            for one, other in zip(kept[0], key, strict=True)
        )  # fmt: skip
        if kept is None or not same or kept[1].intersection(part) != part:
            window = self._widened(part)
            kept = self._image = key, window, self._written(window, zoom, size * ratio, font, ground)
        _, window, image = kept
        at = QPointF(round(rect.left() + window.x * zoom), round(rect.top() + window.y * zoom))
        painter.drawImage(at, image)

    def _widened(self, part: Window) -> Window:
        across, down = math.ceil(part.width * _MARGIN), math.ceil(part.height * _MARGIN)
        wide = Window(part.x - across, part.y - down, part.width + 2 * across, part.height + 2 * down)
        return wide.intersection(self.cells.window) or part

    def _written(self, window: Window, zoom: float, size: float, font: QFont, ground: Ground) -> QImage:
        image = QImage(
            math.ceil(window.width * zoom),
            math.ceil(window.height * zoom),
            QImage.Format.Format_ARGB32_Premultiplied,
        )
        image.fill(Qt.GlobalColor.transparent)
        font = QFont(font)
        font.setPixelSize(max(1, round(size)))
        font.setFeature(QFont.Tag("tnum"), 1)
        metrics = QFontMetricsF(font)
        bright = ground.bright(window)
        step, rise = size * _LINE, metrics.capHeight() / 2
        widths: dict[str, float] = {}
        painter = QPainter(image)
        painter.setFont(font)
        pens = QPen(QColor(255, 255, 255, 235)), QPen(QColor(0, 0, 0, 225))
        own = self.cells.window
        # All that is written in one colour at a time: changing pens costs as much as writing.
        for shade, pen in enumerate(pens):
            painter.setPen(pen)
            for y in range(window.height):
                row = self.cells.texts[window.y - own.y + y]
                for x in range(window.width):
                    if (bright is None or bool(bright[y, x])) != bool(shade):
                        continue
                    lines = row[window.x - own.x + x]
                    middle = (y + 0.5) * zoom + rise - step * (len(lines) - 1) / 2
                    for i, text in enumerate(lines):
                        width = widths.get(text)
                        if width is None:
                            width = widths[text] = metrics.horizontalAdvance(text)
                        painter.drawText(QPointF((x + 0.5) * zoom - width / 2, middle + i * step), text)
        painter.end()
        return image
