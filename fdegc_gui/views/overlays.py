"""Overlays that a pane paints over its picture: zoom, hint, marks, lines, legend, values of a pixel."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QImage, QPainter, QPen

from fdegc.raster_info import Window
from fdegc_gui.models.colormaps import table
from fdegc_gui.models.difference import Legend
from fdegc_gui.style.theme import Tokens, figures

#: Distance from the pane's edges in logical pixels.
MARGIN = 12
#: Arms of the cross that marks the pointer's place in the other pane, and the gap in its middle.
_ARM, _GAP = 9, 3
#: Between the columns of a readout, and between a name and its value.
_COLUMN, _SPACE = 18, 7
#: Radius of the grip on a swipe's line; width and height of a legend's colours.
_KNOB, _LEGEND_WIDTH, _RAMP = 13, 190, 10

Readout = Sequence[tuple[str, str]]


def pill(painter: QPainter, rect: QRectF, tokens: Tokens) -> None:
    """Ground of a text, painted as a rounded rectangle."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(tokens.pill))
    painter.drawRoundedRect(rect, 7, 7)
    painter.restore()


def paint_zoom(painter: QPainter, width: int, font: QFont, zoom: str, tokens: Tokens) -> None:
    """Zoom, painted at the upper right."""
    painter.setFont(figures(font, scale=0.95))
    rect = zoom_rect(painter.fontMetrics(), width)
    pill(painter, rect, tokens)
    painter.setPen(QColor(tokens.pill_text))
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, zoom)


def zoom_rect(metrics: QFontMetrics, width: int) -> QRectF:
    """Rectangle of the zoom in a pane so wide, in logical pixels."""
    own = metrics.horizontalAdvance("00000 %") + 22
    return QRectF(width - MARGIN - own, MARGIN, own, metrics.height() + 10)


def paint_region(painter: QPainter, rect: QRectF) -> None:
    """Outline of a region: dark and light dashes, so that it shows on any picture."""
    painter.save()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for color, style in (("#ff101418", Qt.PenStyle.SolidLine), ("#ffffffff", Qt.PenStyle.DashLine)):
        pen = QPen(QColor(color), 1.5)
        pen.setStyle(style)
        painter.setPen(pen)
        painter.drawRect(rect)
    painter.restore()


def paint_swipe(painter: QPainter, pane: QRect, upright: bool, position: float) -> None:
    """Line between two pictures, with a grip in its middle."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if upright:
        x = pane.width() * position
        ends, middle = (QPointF(x, 0), QPointF(x, pane.height())), QPointF(x, pane.height() / 2)
        turn = 0.0
    else:
        y = pane.height() * position
        ends, middle = (QPointF(0, y), QPointF(pane.width(), y)), QPointF(pane.width() / 2, y)
        turn = 90.0
    for width, color in ((4.0, "#80101418"), (2.0, "#fff4f6f8")):
        painter.setPen(QPen(QColor(color), width))
        painter.drawLine(*ends)
    painter.translate(middle)
    painter.rotate(turn)
    painter.setPen(QPen(QColor("#80101418"), 1.0))
    painter.setBrush(QColor("#fff4f6f8"))
    painter.drawEllipse(QPointF(0, 0), _KNOB, _KNOB)
    painter.setPen(QPen(QColor("#ff1a1e24"), 1.8, c=Qt.PenCapStyle.RoundCap))
    for side in (-1, 1):
        for up in (-1, 1):
            painter.drawLine(QPointF(side * 8, 0), QPointF(side * 4.5, up * 3.5))
    painter.restore()


def legend_number(value: float) -> str:
    """Value beside a legend."""
    return f"{value:.3g}".replace("-", "−")


def paint_legend(
    painter: QPainter, pane: QRect, font: QFont, legend: Legend, below: QRectF, tokens: Tokens
) -> None:
    """Legend of a difference at the lower right, above what is in its way.

    Parameters
    ----------
    painter : QPainter
    pane : QRect
    font : QFont
    legend : Legend
    below : QRectF
        What else is at the pane's lower edge.
    tokens : Tokens
    """
    painter.save()
    painter.setFont(figures(font, scale=0.95))
    metrics = painter.fontMetrics()
    words = metrics.elidedText(legend.words, Qt.TextElideMode.ElideRight, pane.width() - 2 * MARGIN - 24)
    ticks = [legend_number(value) for value in legend.ticks]
    ticks[-1] = f"{ticks[-1]} {legend.unit}".rstrip()
    width = max(_LEGEND_WIDTH, metrics.horizontalAdvance(words), metrics.horizontalAdvance("   ".join(ticks)))
    line = metrics.height()
    box = QRectF(0, 0, width + 24, 2 * line + _RAMP + 20)
    box.moveBottomRight(QPointF(pane.width() - MARGIN, pane.height() - MARGIN))
    if below.isValid() and below.right() + 6 > box.left():
        box.moveBottom(below.top() - 6)
    pill(painter, box, tokens)
    inner = box.adjusted(12, 6, -12, -6)
    painter.setPen(QColor(tokens.pill_text))
    painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, words)
    colors = table(legend.colors)
    ramp = QImage(colors.tobytes(), len(colors), 1, 3 * len(colors), QImage.Format.Format_RGB888)
    painter.drawImage(QRectF(inner.left(), inner.top() + line + 4, inner.width(), _RAMP), ramp)
    sides = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight)
    for text, side in zip(ticks, sides, strict=True):
        painter.drawText(inner, side | Qt.AlignmentFlag.AlignBottom, text)
    painter.restore()


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
