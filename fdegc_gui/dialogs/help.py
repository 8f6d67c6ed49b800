"""Help dialogs: keyboard shortcuts, read from the actions themselves; what this program is."""

from __future__ import annotations

import platform
from html import escape

import PySide6
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from fdegc import __version__
from fdegc_gui.actions import Actions
from fdegc_gui.style import icons
from fdegc_gui.views.gestures import GESTURES

#: Menus, and what the pointer does, by columns of about the same height.
_COLUMNS = (("File", "Edit", "Codec"), ("View", "Canvas", "Help"), ("Compare",))


class ShortcutsDialog(QDialog):
    """Keyboard shortcuts dialog: commands and keys."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.rows = [*actions.listing(), *(("Canvas", words, keys) for words, keys in GESTURES)]
        columns = QHBoxLayout()
        columns.setSpacing(36)
        for menus in _COLUMNS:
            columns.addWidget(self._column(menus))
        body = QWidget()
        body.setLayout(columns)
        scroll = QScrollArea()
        scroll.setWidget(body)
        scroll.setWidgetResizable(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 16)
        layout.addWidget(scroll)
        layout.addWidget(buttons)
        hint = body.sizeHint()
        self.resize(hint.width() + 80, min(hint.height() + 120, 700))

    def _column(self, menus: tuple[str, ...]) -> QWidget:
        column = QWidget()
        grid = QGridLayout(column)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(20)
        grid.setVerticalSpacing(6)
        for menu in menus:
            rows = [row for row in self.rows if row[0] == menu]
            title = QLabel(menu)
            title.setObjectName("title")
            title.setContentsMargins(0, 8 if grid.rowCount() > 1 else 0, 0, 0)
            grid.addWidget(title, grid.rowCount(), 0, 1, 2)
            for _, words, keys in rows:
                at = grid.rowCount()
                grid.addWidget(QLabel(words), at, 0)
                label = QLabel(keys)
                label.setObjectName("muted")
                grid.addWidget(label, at, 1, Qt.AlignmentFlag.AlignRight)
        grid.setRowStretch(grid.rowCount(), 1)
        return column


class AboutDialog(QDialog):
    """About dialog: name, version, licence."""

    def __init__(self, device: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About FDEGC")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        mark = QLabel()
        mark.setPixmap(icons.app_icon().pixmap(QSize(72, 72)))
        text = QLabel(
            f"<p style='font-size:large'><b>FDEGC {escape(__version__)}</b></p>"
            "<p>Compresses satellite and aerial imagery with FDEGCNet, a learned codec.</p>"
            f"<p>Python {platform.python_version()}, Qt for Python {PySide6.__version__}"
            f"{', running on ' + escape(device) if device else ''}</p>"
            "<p>Code under the Apache License 2.0. The weights have a licence of their own,<br>"
            "which comes with them.</p>"
        )
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        head = QHBoxLayout()
        head.setSpacing(20)
        head.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(text)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 22, 24, 16)
        layout.addLayout(head)
        layout.addWidget(buttons)
