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


def dropped_files(event: QDropEvent) -> list[Path]:
    """Local files of a drop."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


def several_words(paths: list[Path], keys: str) -> str:
    """Sentence on a drop of several files, of which one becomes the scene."""
    others = f"“{paths[1].name}”" if len(paths) == 2 else f"the other {len(paths) - 1} files"
    return f"Only “{paths[0].name}” becomes the scene; {keys} opens {others} as picture A beside it."
