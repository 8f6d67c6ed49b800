"""Error dialog: a failure in words, with a detail to copy into a report."""

from __future__ import annotations

import platform
from pathlib import Path

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from fdegc import __version__
from fdegc_gui.jobs import Failure

_ICON = 36


class ErrorDialog(QDialog):
    """Dialog that says what went wrong; the detail stays folded until it is asked for.

    Parameters
    ----------
    heading : str
        What could not be done.
    failure : Failure
    log : Path or None
        Log file, offered to be opened.
    """

    def __init__(
        self, heading: str, failure: Failure, log: Path | None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("FDEGC")
        self.heading, self.failure = heading, failure
        self._log = log
        title = QLabel(heading)
        title.setObjectName("title")
        title.setWordWrap(True)
        self.message = QLabel(failure.message)
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.message.setMinimumWidth(420)
        self.detail = QPlainTextEdit(self.report())
        self.detail.setReadOnly(True)
        self.detail.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.detail.setMinimumSize(620, 260)
        self.detail.setAccessibleName("Technical detail")
        self.detail.hide()
        self.copied = QLabel()
        self.copied.setObjectName("muted")
        self._lay_out(title)

    def _lay_out(self, title: QLabel) -> None:
        icon = QLabel()
        kind = (
            QStyle.StandardPixmap.SP_MessageBoxWarning
            if self.failure.expected
            else QStyle.StandardPixmap.SP_MessageBoxCritical
        )
        icon.setPixmap(self.style().standardIcon(kind).pixmap(_ICON, _ICON))
        icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(8)
        words.addWidget(title)
        words.addWidget(self.message)
        if not self.failure.expected:
            plea = QLabel(
                "This is a defect of the program. Your files are untouched; the detail helps to mend it."
            )
            plea.setObjectName("muted")
            plea.setWordWrap(True)
            words.addWidget(plea)
        head = QHBoxLayout()
        head.setSpacing(16)
        head.addWidget(icon, 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        self.toggle = QPushButton("Show detail")
        self.toggle.setCheckable(True)
        self.toggle.toggled.connect(self._on_toggled)
        self.copy = QPushButton("Copy report")
        self.copy.clicked.connect(self._on_copy)
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.accept)
        buttons = QHBoxLayout()
        buttons.addWidget(self.toggle)
        buttons.addWidget(self.copy)
        if self._log is not None:
            log = QPushButton("Open log folder")
            log.clicked.connect(self._on_log)
            buttons.addWidget(log)
        buttons.addWidget(self.copied)
        buttons.addStretch(1)
        buttons.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 16)
        layout.setSpacing(16)
        layout.addLayout(head)
        layout.addWidget(self.detail, 1)
        layout.addLayout(buttons)
        layout.setSizeConstraint(QVBoxLayout.SizeConstraint.SetMinimumSize)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(button is close)  # Return closes, whatever was clicked before
        close.setFocus()

    def report(self) -> str:
        """Error report to copy: version, system, what was said, and the traceback."""
        lines = [
            f"FDEGC {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"{self.heading} {self.failure.message}",
        ]
        if self._log is not None:
            lines.append(f"Log: {self._log}")
        return "\n".join([*lines, "", self.failure.detail])

    def _on_toggled(self, shown: bool) -> None:
        self.toggle.setText("Hide detail" if shown else "Show detail")
        self.detail.setVisible(shown)
        self.adjustSize()

    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(self.report())
        self.copied.setText("Copied.")

    def _on_log(self) -> None:
        if self._log is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._log.parent)))
