"""Status line at the bottom: what goes on, how long it will take, on which device."""

from __future__ import annotations

import time

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QProgressBar, QSizePolicy, QToolButton, QWidget

from fdegc_gui.models.activity import Activity
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme, figures

_STEPS = 1000
#: How long a message stays at least, and for every letter of it.
_LEAST_MS, _LETTER_MS = 4000, 70
#: A message that another one has taken the place of comes back if it had less of its time than that.
_READ = 0.6
#: It does not once so much time has passed: it would seem to be news.
_STALE_SECONDS = 12.0


def reading_ms(message: str) -> int:
    """Time that it takes to notice and read a message, in milliseconds."""
    return max(_LEAST_MS, 2000 + _LETTER_MS * len(message))


class _Words(QLabel):
    """Label that ends in “…” where there is no room for all of its text; its tooltip has it all then."""

    def paintEvent(self, event: QPaintEvent) -> None:
        text, room = self.text(), self.contentsRect()
        shown = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        self.setToolTip("" if shown == text else text)
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)


class StatusLine(QWidget):
    """Status line: message or activity on the left, position and device on the right.

    Signals
    -------
    device_wanted(str)
    """

    device_wanted = Signal(str)

    def __init__(self, cancel: QAction, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("statusbar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(34)
        self._theme = theme
        self.text = _Words()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(170)
        self.bar.setAccessibleName("Progress")
        self.detail = QLabel()
        self.detail.setObjectName("muted")
        self.detail.setFont(figures(self.detail.font()))
        self.cancel = QToolButton()
        self.cancel.setDefaultAction(cancel)
        self.cancel.setObjectName("flat")
        self.cancel.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.position = QLabel()
        self.position.setObjectName("muted")
        self.position.setFont(figures(self.position.font()))
        self.device = QToolButton()
        self.device.setObjectName("flat")
        self.device.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.device.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.device.setIconSize(QSize(15, 15))
        self.device.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.device_menu = QMenu("&Device", self)
        self.device_menu.setToolTipsVisible(True)
        self.device.setMenu(self.device_menu)
        self._lay_out()
        self._clear = QTimer(self)
        self._clear.setSingleShot(True)
        self._clear.timeout.connect(self._on_message_over)
        self._activity: Activity | None = None
        self._note = self._message = ""
        self._interrupted: list[tuple[float, str]] = []
        self._told = 0.0
        theme.changed.connect(self._paint_icon)
        self._paint_icon()
        self.show_activity(None)
        self.show_devices("auto", "", [], "Engine not loaded yet")

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 1, 6, 1)
        layout.setSpacing(10)
        layout.addWidget(self.text, 1)
        for widget in (self.detail, self.bar, self.cancel, self.position, self.device):
            layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_message(self, message: str) -> None:
        """Message in a sentence, shown at once for as long as it takes to read it.

        One that it takes the place of comes back afterwards, unless it has been there for long enough.
        """
        left = self._clear.remainingTime() if self._clear.isActive() else 0
        if self._message and self._message != message and left > (1 - _READ) * reading_ms(self._message):
            self._interrupted.append((self._told, self._message))
        self._interrupted = [earlier for earlier in self._interrupted if earlier[1] != message]
        self._say(time.monotonic(), message)

    def _say(self, told: float, message: str) -> None:
        self._told, self._message = told, message
        self._clear.start(reading_ms(message))
        self._show_text()

    def _on_message_over(self) -> None:
        self._message = ""
        recent = [one for one in self._interrupted if time.monotonic() - one[0] < _STALE_SECONDS]
        self._interrupted = recent[:-1]
        if recent:
            self._say(*recent[-1])
        self._show_text()

    def show_activity(self, activity: Activity | None) -> None:
        """Activity that goes on, or nothing, in the line."""
        self._activity = activity
        going = activity is not None
        self.cancel.setVisible(activity is not None and activity.offers_cancel)
        self.detail.setText("" if activity is None else activity.detail)
        self.detail.setVisible(going)
        self._show_text()
        self._make_room()
        if activity is None:
            return
        if activity.seen is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, _STEPS)
            self.bar.setValue(round(_STEPS * activity.seen))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """Room for the words and the position: what says least gives way, the bar before the device."""
        going = self._activity is not None
        words = min(self.text.fontMetrics().horizontalAdvance(self.text.text()), self.width() // 3)
        parts = [(self.position, bool(self.position.text())), (self.cancel, not self.cancel.isHidden())]
        parts += [(self.detail, going and bool(self.detail.text())), (self.device, True), (self.bar, going)]
        room = self.width() - words - 30
        for widget, wanted in parts:
            room -= widget.sizeHint().width() + 10 if wanted else 0
            widget.setVisible(wanted and (room >= 0 or widget in (self.position, self.cancel)))

    def show_note(self, note: str) -> None:
        """Remark about the picture, shown for as long as it holds; empty for nothing."""
        if note != self._note:
            self._note = note
            self._show_text()

    def _show_text(self) -> None:
        title = self._activity.words if self._activity is not None else ""
        shown = (title, self._message, self._note)
        self.text.setText("  ·  ".join(part for part in shown if part))

    def show_position(self, text: str) -> None:
        """Position of the pointer, in the line."""
        changed = len(text) != len(self.position.text())
        self.position.setText(text)
        if changed:
            self._make_room()

    def show_devices(self, chosen: str, label: str, devices: list[tuple[str, str]], state: str = "") -> None:
        """Device in use, with the others on offer.

        Parameters
        ----------
        chosen : str
            Id as it was asked for.
        label : str
            What is in use; empty while nothing is.
        devices : list of (id, label)
        state : str
            Shown in place of an empty label.
        """
        self.device.setText(label or state)
        self.device.setToolTip(f"FDEGCNet runs on {label}. Click to choose." if label else f"{state}.")
        self.device_menu.clear()
        group = QActionGroup(self.device_menu)
        for key, name in [("auto", "Automatic"), *devices]:
            action = self.device_menu.addAction(name)
            action.setCheckable(True)
            action.setChecked(key == chosen)
            action.setData(key)
            group.addAction(action)
        group.triggered.connect(lambda action: self.device_wanted.emit(str(action.data())))

    def _paint_icon(self) -> None:
        tokens = self._theme.tokens
        self.device.setIcon(icons.icon("chip", tokens.muted))
