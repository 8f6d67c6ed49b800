"""Welcome page, shown before anything is open."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from fdegc_gui.style import icons
from fdegc_gui.text import distinct_names

_SHOWN = 5


class Welcome(QWidget):
    """Welcome page: icon, an invitation, and the latest files.

    Signals
    -------
    open_wanted()
    file_wanted(str)
    """

    open_wanted = Signal()
    file_wanted = Signal(str)

    def __init__(self, shortcut: str) -> None:
        super().__init__()
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        mark = QLabel()
        mark.setPixmap(icons.app_icon().pixmap(QSize(88, 88)))
        mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = QLabel("Drop a scene here")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.8)
        font.setWeight(font.Weight.DemiBold)
        title.setFont(font)
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text = QLabel("GeoTIFF, TIFF, PNG, JPEG or WebP to compress, .fdegc to look at")
        text.setObjectName("muted")
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        button = QPushButton(f"Open a file…   {shortcut}")
        button.setObjectName("primary")
        button.clicked.connect(self.open_wanted)
        self._label = QLabel("Recent")
        self._label.setObjectName("muted")
        self._label.setContentsMargins(11, 0, 0, 0)
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addStretch(2)
        column.addWidget(mark)
        column.addSpacing(8)
        column.addWidget(title)
        column.addWidget(text)
        column.addSpacing(12)
        column.addWidget(button, 0, Qt.AlignmentFlag.AlignCenter)
        column.addSpacing(26)
        column.addWidget(self._label)
        column.addLayout(self._recent)
        column.addStretch(3)
        outer = QHBoxLayout(self)
        outer.addStretch(1)
        outer.addLayout(column)
        outer.addStretch(1)

    def show_recent(self, paths: list[str]) -> None:
        """Recent files on the page, to open again."""
        while (item := self._recent.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        self._label.setVisible(bool(paths))
        for path, name in list(zip(paths, distinct_names(paths), strict=True))[:_SHOWN]:
            button = QPushButton(name.replace("&", "&&"))
            button.setObjectName("welcomeLink")
            button.setToolTip(path)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            button.clicked.connect(lambda _=False, wanted=path: self.file_wanted.emit(wanted))
            self._recent.addWidget(button)
