"""Drop hint: what is seen while a file is dragged over the window."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QLabel, QWidget


class DropHint(QLabel):
    """Cover of the window that says that the file will be opened."""

    def __init__(self, window: QWidget) -> None:
        super().__init__("Drop to open", window)
        self._window = window
        self.setObjectName("dropHint")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self) -> None:
        """Display of the hint over all of the window."""
        self.setGeometry(self._window.rect())
        self.raise_()
        self.show()


def dropped_file(event: QDropEvent) -> Path | None:
    """First local file of a drop."""
    for url in event.mimeData().urls():
        if url.isLocalFile():
            return Path(url.toLocalFile())
    return None
