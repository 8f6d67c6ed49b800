"""Field for the effort, with the time that each would take."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QWidget

from fdegc_gui.models.costs import forecasts_of
from fdegc_gui.models.session import Session
from fdegc_gui.models.way import EFFORTS, EXACT, key_of
from fdegc_gui.text import about_seconds
from fdegc_gui.views.costs import cost_of

_WHAT = (
    "How long the encoder looks for latents that show more in the same bytes.\n"
    "Files are as before, and open as fast."
)
_WITHOUT = "Without loss, or with a largest error, there is nothing to look for."


class _Choice(QComboBox):
    """Choice whose entries say what they have to say by the time that they are seen."""

    opening = Signal()

    def showPopup(self) -> None:
        """Entries brought up to date, then shown."""
        self.opening.emit()
        super().showPopup()


class EffortField(QWidget):
    """Field for the effort of the next compression."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.choice = _Choice()
        self.choice.setAccessibleName("Effort")
        self.choice.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the keys with the canvas
        for number, name in enumerate(EFFORTS):
            self.choice.addItem(f"{number}   {name}")
        self.choice.activated.connect(session.set_effort)
        self.choice.opening.connect(self.refresh_all)
        line = QHBoxLayout(self)
        line.setContentsMargins(8, 4, 8, 0)
        line.setSpacing(10)
        line.addWidget(QLabel("Effort"))
        line.addWidget(self.choice, 1)
        for signal in (
            session.scene_changed,
            session.way_changed,
            session.rate_changed,
            session.result_changed,
            session.estimates_changed,
        ):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Update of the field to the session."""
        session, row = self._session, self._session.rate
        self.choice.setCurrentIndex(session.effort)
        fits = session.scene is not None and row != EXACT
        self.setEnabled(session.scene is None or fits)
        self.choice.setToolTip(_WHAT if row != EXACT else _WITHOUT)
        self.choice.setAccessibleDescription(self.choice.toolTip())
        # The others when they are asked for: each takes as long as all else that follows a change of results.
        self._say(session.effort)

    def refresh_all(self) -> None:
        """Update of all entries, of which one is seen while the list is closed."""
        for number in range(len(EFFORTS)):
            self._say(number)

    def _say(self, number: int) -> None:
        session = self._session
        fits = session.scene is not None and session.rate != EXACT
        time = self._time(session.rate, number) if fits else ""
        self.choice.setItemText(number, f"{number}   {EFFORTS[number]}{time and f'   ·   {time}'}")

    def _time(self, row: int, effort: int) -> str:
        """Time that a row takes at an effort, or took; empty if nobody knows."""
        result = self._session.result(key_of(row, effort, self._session.cut))
        if result is not None and result.encode is not None:
            return cost_of(None, result).time
        estimate = forecasts_of(self._session, effort).get(row)
        return "" if estimate is None or not self._session.refined else about_seconds(estimate.seconds)
