"""Bar under the table of results: what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QWidget


class ResultsBar(QWidget):
    """Bar of buttons: other codecs and files to compare with, copies and files of table and plot."""

    def __init__(self) -> None:
        super().__init__()
        self.compare = self._button("Compare with…", "Show what another codec makes of the scene.")
        self.copy = self._button("Copy", "Copy the table.")
        self.export = self._button("Save…", "Save the table or the plot.")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 6, 8, 0)
        row.setSpacing(6)
        row.addWidget(self.compare)
        row.addStretch(1)
        row.addWidget(self.copy)
        row.addWidget(self.export)

    def _button(self, text: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def set_up(self, compare: QMenu, copy: QAction, exports: list[QAction]) -> None:
        """Menus and commands of the buttons."""
        self.compare.setMenu(compare)
        self.compare.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.copy.clicked.connect(copy.trigger)
        copy.enabledChanged.connect(self.copy.setEnabled)
        menu = QMenu(self)
        for action in exports:
            menu.addAction(action)
            action.enabledChanged.connect(
                lambda _: self.export.setEnabled(any(action.isEnabled() for action in exports))
            )
        self.export.setMenu(menu)
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
