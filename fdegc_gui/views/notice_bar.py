"""Notice bar above the canvas, there until it is dismissed."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyle,
    QToolButton,
    QVBoxLayout,
)

from fdegc_gui.models.notice import Notice
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme

_ICON = 24


class NoticeBar(QFrame):
    """Notice bar; hidden while there is none or it was dismissed.

    Signals
    -------
    place_wanted(Window)
        A place that the notice is about shall be looked at; each click asks for the next one.
    """

    place_wanted = Signal(object)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("notice")
        self._theme = theme
        self._notice: Notice | None = None
        self._next = 0
        self._icon = QLabel()
        warning = self.style().standardIcon(QStyle.StandardPixmap.SP_MessageBoxWarning)
        self._icon.setPixmap(warning.pixmap(_ICON, _ICON))
        self.heading = QLabel()
        self.heading.setObjectName("title")
        self.text = QLabel()
        for label in (self.heading, self.text):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.show_place = QPushButton()
        self.show_place.setToolTip("Look at the next damaged tile.")
        self.show_place.clicked.connect(self._on_show_place)
        self.dismiss = QToolButton()
        self.dismiss.setObjectName("flat")
        self.dismiss.setToolTip("Dismiss this notice.")
        self.dismiss.setAccessibleName("Dismiss")
        self.dismiss.setIconSize(QSize(16, 16))
        self.dismiss.clicked.connect(self.hide)
        for button in (self.show_place, self.dismiss):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._lay_out()
        theme.changed.connect(self._paint_icon)
        self._paint_icon()
        self.hide()

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.heading)
        words.addWidget(self.text)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 8, 8, 8)
        layout.setSpacing(12)
        top = Qt.AlignmentFlag.AlignTop
        layout.addWidget(self._icon, 0, top)
        layout.addLayout(words, 1)
        layout.addWidget(self.show_place, 0, top)
        layout.addWidget(self.dismiss, 0, top)

    def show_notice(self, notice: Notice | None) -> None:
        """Notice in the bar, or none; one that was dismissed does not come back."""
        if notice == self._notice:
            return
        self._notice, self._next = notice, 0
        self.setVisible(notice is not None)
        if notice is not None:
            self.heading.setText(notice.heading)
            self.text.setText(notice.text)
            self.setAccessibleName(f"{notice.heading}. {notice.text}")
            self.show_place.setVisible(bool(notice.places))
            self.show_place.setText("Show it" if len(notice.places) == 1 else "Show next")

    def _on_show_place(self) -> None:
        if self._notice is not None and self._notice.places:
            places = self._notice.places
            self.place_wanted.emit(places[self._next % len(places)])
            self._next += 1

    def _paint_icon(self) -> None:
        self.dismiss.setIcon(icons.icon("cancel", self._theme.tokens.text))
