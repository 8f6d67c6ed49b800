"""Main button of the side bar: what to do next, what else can be done, and what was saved."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from fdegc_gui.models.main_action import MainAction, Step


class MainButton(QWidget):
    """Main button, a smaller one beside it once there is a result, and a line about what was saved.

    Signals
    -------
    wanted(object)
        Step.
    folder_wanted()
        The folder of what was saved last is to be shown.
    """

    wanted = Signal(object)
    folder_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._action = MainAction(Step.COMPRESS, "Compress", False)
        self.main = QPushButton()
        self.main.setObjectName("primary")
        self.again = QPushButton()
        self.again.setObjectName("beside")
        self.again.setToolTip("Compress once more at this rate point; the result that is there is replaced.")
        self.saved = QLabel()
        self.saved.setObjectName("muted")
        self.saved.setTextFormat(Qt.TextFormat.PlainText)
        self.saved.setWordWrap(True)
        self.saved.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.folder = QToolButton()
        self.folder.setText("Show in folder")
        self.folder.setToolTip("Show the folder that holds the file which was saved last.")
        for button in (self.main, self.again, self.folder):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._lay_out()
        self.main.clicked.connect(lambda: self.wanted.emit(self._action.step))
        self.again.clicked.connect(lambda: self.wanted.emit(Step.COMPRESS))
        self.folder.clicked.connect(self.folder_wanted)
        self.show_action(self._action, False)

    def _lay_out(self) -> None:
        buttons, line = QHBoxLayout(), QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.main, 1)
        buttons.addWidget(self.again)
        line.setContentsMargins(8, 0, 0, 0)
        line.addWidget(self.saved, 1)
        line.addWidget(self.folder)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addLayout(buttons)
        box.addLayout(line)

    def show_action(self, action: MainAction, can_compress: bool) -> None:
        """Main action to show; ``can_compress`` says whether the smaller button can be pressed."""
        self._action = action
        self.main.setText(action.text)
        self.main.setEnabled(action.enabled)
        self.again.setText(action.again)
        self.again.setVisible(bool(action.again))
        self.again.setEnabled(can_compress)
        for widget in (self.saved, self.folder):
            widget.setVisible(bool(action.saved))
        self.saved.setText(action.saved)
        if self.main.property("done") != action.done:
            self.main.setProperty("done", action.done)
            self.main.style().unpolish(self.main)  # Qt looks at the property only then
            self.main.style().polish(self.main)
