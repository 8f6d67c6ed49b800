"""Overlays that a pane paints over its picture: label, zoom, hint, marks, and what lies under the pointer."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QPainter, QPen

from fdegc.raster_info import Window
from fdegc_gui.style.theme import Tokens, figures

#: Distance from the pane's edges in logical pixels.
MARGIN = 12
#: Arms of the cross that marks the pointer's place in the other pane, and the gap in its middle.
_ARM, _GAP = 9, 3
#: Between the columns of a readout, and between a name and its value.
_COLUMN, _SPACE = 18, 7

Readout = Sequence[tuple[str, str]]


def pill(painter: QPainter, rect: QRectF, tokens: Tokens) -> None:
    """Ground of a text, painted as a rounded rectangle."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(tokens.pill))
    painter.drawRoundedRect(rect, 7, 7)
    painter.restore()


def paint_label(painter: QPainter, width: int, font: QFont, label: str, zoom: str, tokens: Tokens) -> None:
    """Label of what is shown on the left, and the zoom on the right, painted."""
    painter.setFont(figures(font, scale=0.95))
    metrics = painter.fontMetrics()
    zoom_width = metrics.horizontalAdvance("0000 %") + 22
    text = metrics.elidedText(label, Qt.TextElideMode.ElideRight, width - 2 * MARGIN - zoom_width - 32)
    height = metrics.height() + 10
    for words, rect in (
        (text, QRectF(MARGIN, MARGIN, metrics.horizontalAdvance(text) + 22, height)),
        (zoom, QRectF(width - MARGIN - zoom_width, MARGIN, zoom_width, height)),
    ):
        pill(painter, rect, tokens)
        painter.setPen(QColor(tokens.pill_text))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, words)


def paint_hint(painter: QPainter, pane: QRect, font: QFont, hint: str, tokens: Tokens) -> None:
    """Hint, a sentence painted in the middle."""
    painter.setFont(font)
    flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
    room = pane.adjusted(32, 56, -32, -32)
    box = painter.fontMetrics().boundingRect(room, int(flags), hint).adjusted(-16, -11, 16, 11)
    pill(painter, QRectF(box), tokens)
    painter.setPen(QColor(tokens.pill_text))
    painter.drawText(box, flags, hint)


def paint_marks(
    painter: QPainter, marks: Sequence[Window], rect: QRectF, visible: QRectF, zoom: float, ratio: float,
    tokens: Tokens,
) -> None:  # fmt: skip
    """Hatching and outlines of places that hold no picture."""
    color = QColor(tokens.bad)
    painter.save()
    painter.setPen(QPen(color, round(2 * ratio)))
    painter.setBrush(QBrush(color, Qt.BrushStyle.BDiagPattern))
    for window in marks:
        place = QRectF(window.x * zoom, window.y * zoom, window.width * zoom, window.height * zoom)
        place.translate(rect.topLeft())
        if place.intersects(visible):
            painter.drawRect(place.adjusted(ratio, ratio, -ratio, -ratio))
    painter.restore()


def cross_rect(at: QPointF) -> QRect:
    """Rectangle that a cross covers, in logical pixels."""
    reach = _ARM + 3
    return QRectF(at.x() - reach, at.y() - reach, 2 * reach, 2 * reach).toAlignedRect()


def paint_cross(painter: QPainter, at: QPointF, tokens: Tokens) -> None:
    """Cross at a point: dark with a light edge, so that it shows on any picture."""
    painter.save()
    for width, color in ((3.0, "#b0ffffff"), (1.0, "#ff101418")):
        painter.setPen(QPen(QColor(color), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(at + QPointF(dx, dy) * _GAP, at + QPointF(dx, dy) * _ARM)
    painter.restore()


class ReadoutBox:
    """Read-out of names and values in columns of equal width, at the lower left of a pane.

    Parameters
    ----------
    font : QFont
        The pane's.
    """

    def __init__(self, font: QFont) -> None:
        self._font = figures(font, scale=0.95)
        self._entries: tuple[tuple[str, str], ...] = ()
        self._widths = (0, 0)

    @property
    def entries(self) -> tuple[tuple[str, str], ...]:
        """Entries that are shown."""
        return self._entries

    def set_entries(self, entries: Readout) -> None:
        """Entries to show; columns only grow while the same names are shown, so that nothing jumps."""
        entries = tuple(entries)
        metrics = QFontMetrics(self._font)
        names = max((metrics.horizontalAdvance(name) for name, _ in entries), default=0)
        values = max((metrics.horizontalAdvance(value) for _, value in entries), default=0)
        same = [name for name, _ in entries] == [name for name, _ in self._entries]
        self._widths = (names, max(values, self._widths[1]) if same else values)
        self._entries = entries

    def rect(self, pane: QRect) -> QRectF:
        """Rectangle of the box in a pane, in logical pixels; empty if there is nothing to show."""
        if not self._entries:
            return QRectF()
        columns, rows = self._grid(pane)
        height = QFontMetrics(self._font).height()
        width = columns * self._column() - _COLUMN + 2 * 11
        return QRectF(MARGIN, pane.height() - MARGIN - rows * height - 10, width, rows * height + 10)

    def _column(self) -> int:
        name, value = self._widths
        return name + (_SPACE if name else 0) + value + _COLUMN

    def _grid(self, pane: QRect) -> tuple[int, int]:
        room = pane.width() - 2 * MARGIN - 22 + _COLUMN
        columns = min(len(self._entries), max(1, room // self._column()))
        rows = -(-len(self._entries) // columns)
        return -(-len(self._entries) // rows), rows

    def paint(self, painter: QPainter, pane: QRect, tokens: Tokens) -> None:
        """Painting of the box."""
        box = self.rect(pane)
        if box.isEmpty():
            return
        pill(painter, box, tokens)
        painter.setFont(self._font)
        metrics = painter.fontMetrics()
        columns, _ = self._grid(pane)
        name_width, value_width = self._widths
        muted = QColor(tokens.pill_text)
        muted.setAlphaF(0.72)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        for i, (name, value) in enumerate(self._entries):
            x = box.left() + 11 + i % columns * self._column()
            y = box.top() + 5 + i // columns * metrics.height()
            painter.setPen(muted)
            painter.drawText(QRectF(x, y, name_width + 1, metrics.height()), flags, name)
            painter.setPen(QColor(tokens.pill_text))
            left = x + name_width + (_SPACE if name_width else 0)
            painter.drawText(QRectF(left, y, value_width + 2, metrics.height()), flags, value)
