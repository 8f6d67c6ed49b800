"""Section of the side bar: titled, and it folds away."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme


class Section(QWidget):
    """Section: a heading that folds and unfolds what is under it.

    Parameters
    ----------
    name : str
        Key under which the state is remembered.
    title : str
    body : QWidget
    theme : Theme

    Signals
    -------
    toggled(str, bool)
        Name, and whether it is open now.
    """

    toggled = Signal(str, bool)

    def __init__(self, name: str, title: str, body: QWidget, theme: Theme) -> None:
        super().__init__()
        self._name, self._theme, self._body = name, theme, body
        self._button = QToolButton()
        self._button.setObjectName("section")
        self._button.setText(title)
        self._button.setCheckable(True)
        self._button.setChecked(True)
        self._button.setIconSize(QSize(14, 14))
        self._button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._button.toggled.connect(self._on_toggled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self._button)
        layout.addWidget(body)
        theme.changed.connect(self._paint_arrow)
        self._paint_arrow()

    @property
    def is_open(self) -> bool:
        """Whether the body is shown."""
        return self._button.isChecked()

    def set_title(self, title: str) -> None:
        """Title, replaced."""
        self._button.setText(title)

    def set_open(self, is_open: bool) -> None:
        """Folding or unfolding of the section."""
        self._button.setChecked(is_open)

    def _on_toggled(self, is_open: bool) -> None:
        self._body.setVisible(is_open)
        self._paint_arrow()
        self.toggled.emit(self._name, is_open)

    def _paint_arrow(self) -> None:
        name = "chevron-down" if self.is_open else "chevron-right"
        self._button.setIcon(icons.icon(name, self._theme.tokens.muted))


def heading(text: str) -> QLabel:
    """Label in the style of a section's title."""
    label = QLabel(text)
    label.setObjectName("title")
    return label
