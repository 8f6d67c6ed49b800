"""Places of what floats over the stage, and pictures of two panes as one."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QImage, QPainter

from fdegc_gui.models.comparison import Layout, Side
from fdegc_gui.models.session import Session
from fdegc_gui.views.canvas import Pane
from fdegc_gui.views.chips import PictureChip
from fdegc_gui.views.floating import FloatingCard
from fdegc_gui.views.overlays import MARGIN, zoom_rect

#: Distance of a card from the right edge, and from the upper one, below the pane's label.
_CARD_RIGHT, _CARD_TOP = 12, 50
#: Least width of the panes beside a card; where there is less it lies over them.
_PANES = 400
_GAP = 10


class Corner(enum.Enum):
    """Corner of the stage: whether it is a right one, whether a lower one; the best one first.

    A pane's values are at its lower left.
    """

    LOWER_RIGHT = True, True
    UPPER_RIGHT = True, False
    UPPER_LEFT = False, False
    LOWER_LEFT = False, True

    def place(self, card: QSize, stage: QSize, top: int) -> QPoint:
        """Place of a card in this corner, below the bar above the panes."""
        right, low = self.value
        x = stage.width() - card.width() - _CARD_RIGHT if right else _CARD_RIGHT
        y = max(top + 6, stage.height() - card.height() - _CARD_RIGHT) if low else top + _CARD_TOP
        return QPoint(x, y)


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Stage as it is seen.

    Attributes
    ----------
    first, pane : Pane
        Picture A's, where there is room for two, and the one that is always there.
    shown : Layout
    side : Side
        What the latter shows where there is room for one.
    upright : bool
        Whether a swipe's line is.
    held : bool
        Whether one picture is seen alone for as long as a key is held.
    """

    first: Pane
    pane: Pane
    shown: Layout
    side: Side
    upright: bool
    held: bool


def place_cards(
    display: FloatingCard, region: FloatingCard, stage: QSize, top: int, corner: Corner, under_legend: bool
) -> None:
    """Cards moved to the right edge and to a corner, unless the user has moved them.

    Parameters
    ----------
    display, region : FloatingCard
    stage : QSize
    top : int
        Height of the bar above the panes.
    corner : Corner
        The region card's.
    under_legend : bool
        Whether a legend has the lower right.
    """
    display.put(Corner.UPPER_RIGHT.place(display.size(), stage, top), top)
    if under_legend and corner is Corner.LOWER_RIGHT:
        corner = Corner.UPPER_RIGHT
    region.put(corner.place(region.size(), stage, top), top)


def free_corner(
    card: QSize, stage: QSize, top: int, spared: Sequence[Sequence[QRectF]], under_legend: bool
) -> Corner:
    """Corner in which a card covers least.

    Parameters
    ----------
    card, stage : QSize
    top : int
        Height of the bar above the panes.
    spared : sequence of sequence of QRectF
        Where on the stage is what it is not to cover: what matters most first, what else only where that
        makes no difference.
    under_legend : bool
        Whether a legend has the lower right.
    """

    def covered(corner: Corner) -> list[int]:
        place = QRectF(corner.place(card, stage, top), QSizeF(card))
        hundredth = max(1.0, _area(place) / 100)  # less makes no difference
        return [round(sum(_area(place.intersected(one)) for one in those) / hundredth) for those in spared]

    corners = [corner for corner in Corner if not (under_legend and corner is Corner.LOWER_RIGHT)]
    return min(corners, key=covered)


def _area(rect: QRectF) -> float:
    return max(0.0, rect.width()) * max(0.0, rect.height())


def room_beside(display: FloatingCard, stage: int) -> int:
    """Width that the panes leave to the display card, so that it does not cover what it changes.

    None where the card is hidden, where the user has moved it, and where the panes would be too narrow.
    """
    room = display.width() + 2 * _CARD_RIGHT
    beside = not display.isHidden() and not display.is_moved and stage - room >= _PANES
    return room if beside else 0


def place_chips(session: Session, chips: Mapping[Side, PictureChip], stage: Stage) -> None:
    """Chips moved to the upper left of what each names."""
    if session.scene is None:
        for chip in chips.values():
            chip.hide()
        return
    a, b, pane, shown = chips[Side.A], chips[Side.B], stage.pane, stage.shown
    taken = zoom_rect(a.fontMetrics(), 0).width() + 2 * MARGIN + _GAP
    room = int(pane.width() - MARGIN - taken)
    corner = pane.pos() + QPoint(MARGIN, MARGIN)
    both = shown in (Layout.SWIPE, Layout.DIFFERENCE) and not stage.held
    words = {Side.A: stage.first.label, Side.B: session.name_of(Side.B) if both else pane.label}
    a.setVisible(shown.is_pair or both or stage.side is Side.A)
    b.setVisible(shown.is_pair or both or stage.side is Side.B)
    if shown.is_pair:
        a.show_words(words[Side.A], int(stage.first.width() - MARGIN - taken))
        a.move(stage.first.pos() + QPoint(MARGIN, MARGIN))
        b.show_words(words[Side.B], room)
        b.move(corner)
        return
    if not both:
        chip = chips[stage.side]
        chip.show_words(pane.label, room)
        chip.move(corner)
        return
    a.show_words(words[Side.A], (room - _GAP) // 2)
    b.show_words(words[Side.B], (room - _GAP) // 2)
    a.move(corner)
    if shown is Layout.DIFFERENCE:
        b.move(corner + QPoint(a.width() + _GAP, 0))
    elif stage.upright:
        b.move(pane.pos() + QPoint(int(pane.width() - taken) - b.width() + _GAP, MARGIN))
    else:
        at = QPoint(pane.width() - MARGIN - b.width(), pane.height() - MARGIN - b.height())
        b.move(pane.pos() + at)


def joined(first: QImage, second: QImage, beside: bool) -> QImage:
    """Two pictures as one, beside or above each other, with a white line between them."""
    at = QPoint(first.width() + 2, 0) if beside else QPoint(0, first.height() + 2)
    image = QImage(at.x() + second.width(), at.y() + second.height(), QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.white)
    painter = QPainter(image)
    painter.drawImage(QPoint(0, 0), first)
    painter.drawImage(at, second)
    painter.end()
    return image
