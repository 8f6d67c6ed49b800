"""Status line at the bottom: what goes on, how long it will take, on which device."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QProgressBar, QSizePolicy, QToolButton, QWidget

from fdegc_gui.models.activity import Activity
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme, figures

_STEPS = 1000
_MESSAGE_MS = 8000
#: Logical pixels that hold the position beside everything about running work.
_WIDE = 1400


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
        self.text = QLabel()
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
        self._note = ""
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
        """Message in a sentence, shown for a while; work that goes on keeps the place."""
        if self._activity is None:
            self.text.setText(message)
            self._clear.start(_MESSAGE_MS)

    def _on_message_over(self) -> None:
        if self._activity is None:
            self.text.setText(self._note)

    def show_activity(self, activity: Activity | None) -> None:
        """Activity that goes on, or nothing, in the line."""
        self._activity = activity
        going = activity is not None
        self.bar.setVisible(going)
        self.detail.setVisible(going)
        self.cancel.setVisible(activity is not None and activity.offers_cancel)
        self._make_room()
        self._show_text()
        if activity is None:
            return
        self.detail.setText(activity.detail)
        if activity.fraction is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, _STEPS)
            self.bar.setValue(round(_STEPS * activity.fraction))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """Visibility of the position unless what goes on needs the room."""
        self.position.setVisible(self._activity is None or self.width() >= _WIDE)

    def show_note(self, note: str) -> None:
        """Remark about the picture, shown for as long as it holds; empty for nothing."""
        if note != self._note:
            self._note = note
            self._show_text()

    def _show_text(self) -> None:
        title = self._activity.words if self._activity is not None else ""
        self.text.setText("  ·  ".join(part for part in (title, self._note) if part))

    def show_position(self, text: str) -> None:
        """Position of the pointer, in the line."""
        self.position.setText(text)

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
