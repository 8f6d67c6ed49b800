"""Chip on a picture: says what is seen there, and lets the user choose something else."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from fdegc_gui.models.comparison import ORIGINAL, Side
from fdegc_gui.models.points import order
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import figures
from fdegc_gui.text import decibels, fixed


class PictureChip(QToolButton):
    """Chip of one side of the comparison, with a menu of all the pictures that there are.

    Parameters
    ----------
    session : Session
    side : Side
    """

    def __init__(self, session: Session, side: Side, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._side = session, side
        self._words = ""
        #: Adds what else can become this picture.
        self.offer_more: Callable[[QMenu, Side], None] | None = None
        self.setObjectName("chip")
        self.setFont(figures(self.font(), scale=0.95))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(f"Picture {side.value}")
        self.setToolTip(f"Picture {side.value}: choose another one.")
        self.choices = QMenu(self)
        self.choices.setToolTipsVisible(True)
        self.choices.aboutToShow.connect(self.fill)
        self.setMenu(self.choices)

    @property
    def words(self) -> str:
        """What it says, whole."""
        return self._words

    def show_words(self, words: str, room: int) -> None:
        """Text of the chip, shortened to a width in logical pixels."""
        self._words = words
        choosable = self._session.scene is not None
        self.setEnabled(choosable)
        before, after = (f"{self._side.value}   ", "  ▾") if choosable else ("", "")
        metrics = self.fontMetrics()
        left = max(10, room - 26 - metrics.horizontalAdvance(before + after))
        self.setText(before + metrics.elidedText(words, Qt.TextElideMode.ElideRight, left) + after)
        self.setAccessibleDescription(words)
        self.adjustSize()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text()) + 24, metrics.height() + 10)

    def fill(self) -> None:
        """Menu of the pictures: the original, and every finished result."""
        session, menu = self._session, self.choices
        menu.clear()
        group = QActionGroup(menu)
        chosen = session.key_of(self._side)
        stream = session.scene is not None and session.scene.stream is not None
        rows = [] if stream else [(ORIGINAL, "Original")]
        finished = (result for result in session.results.values() if result.state is State.DONE)
        rows += [(result.key, self._row(result)) for result in sorted(finished, key=order)]
        if chosen not in dict(rows):
            rows.append((chosen, f"{session.name_of(self._side)}, not finished"))
        for key, words in rows:
            action = menu.addAction(words)
            action.setCheckable(True)
            action.setChecked(key == chosen)
            action.setData(key)
            action.triggered.connect(lambda _=False, key=key: session.choose(self._side, key))
            result = session.results.get(key)
            if result is not None and result.guest is not None:
                action.setToolTip(result.guest.words)
            group.addAction(action)
        if self.offer_more is not None:
            self.offer_more(menu, self._side)

    def _row(self, result: Result) -> str:
        scene = self._session.scene
        ours = result.guest is None
        parts = [result.title[:1].upper() + result.title[1:] if ours else result.title]
        if scene is not None:
            bpp, psnr = result.bpp(scene.info.pixels), result.live_psnr(scene.peak)
            parts += [f"{fixed(bpp, 3)} bpp"] if bpp is not None else []
            parts += [decibels(psnr)] if psnr is not None else []
        return "   ·   ".join(parts)
