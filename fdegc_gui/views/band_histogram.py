"""Histogram of the bands that are shown, with the limits of the stretch in it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from fdegc_gui.models.display import Limits
from fdegc_gui.models.region import number
from fdegc_gui.models.spread import Spread
from fdegc_gui.style.theme import Theme, figures

_HEIGHT = 58


class BandHistogram(QWidget):
    """Histogram of up to three bands over each other; lines mark what is black and white of each."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._spread: Spread | None = None
        self._limits: Limits = ()
        self.setFixedHeight(_HEIGHT + 18)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName("Histogram of the bands that are shown")
        theme.changed.connect(self.update)

    @property
    def spread(self) -> Spread | None:
        """Spread that is shown."""
        return self._spread

    def show_spread(self, spread: Spread | None) -> None:
        """Spread to show; None for none."""
        self._spread = spread
        if spread is not None:
            ends = f"{number(spread.low)} to {number(spread.high)}"
            self.setAccessibleDescription(f"Values from {ends}.")
        self.update()

    def show_limits(self, limits: Limits) -> None:
        """Values of black and white, one pair a band."""
        self._limits = limits
        self.update()

    def _colors(self, count: int) -> list[QColor]:
        tokens = self._theme.tokens
        if count == 1:
            return [QColor(tokens.text)]
        return [QColor(color) for color in tokens.channels]

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens, spread = self._theme.tokens, self._spread
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(figures(self.font(), scale=0.88))
        area = QRectF(0, 1, self.width(), _HEIGHT - 2)
        painter.setPen(QPen(QColor(tokens.border), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        if spread is None:
            return
        # Roots, so that what is rare is seen beside what is frequent.
        heights = np.sqrt(spread.counts)
        top = float(heights.max()) or 1.0
        colors = self._colors(len(heights))
        for color, counts in zip(colors, heights, strict=False):
            points = [area.bottomLeft()]
            for k, value in enumerate(counts):
                y = area.bottom() - (area.height() - 2) * float(value) / top
                points.append(QPointF(area.left() + area.width() * (k + 0.5) / len(counts), y))
            points.append(area.bottomRight())
            fill = QColor(color)
            fill.setAlphaF(0.22)
            painter.setBrush(fill)
            painter.setPen(QPen(color, 1.2))
            painter.drawPolygon(QPolygonF(points))
        for color, pair in zip(colors, self._limits, strict=False):
            painter.setPen(QPen(color, 1.4, Qt.PenStyle.DashLine))
            for value in pair:
                if spread.low <= value <= spread.high:
                    x = area.left() + area.width() * (value - spread.low) / (spread.high - spread.low)
                    x = min(max(x, 0.8), area.right() - 0.8)
                    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(QColor(tokens.muted))
        below = QRectF(0, area.bottom() + 2, self.width(), 16)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, number(spread.low))
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, number(spread.high))
