"""Start-up of the app: arguments, logging, the window; torch comes later and elsewhere."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from fdegc import __version__
from fdegc.process import keep_memory
from fdegc_gui.dialogs.error import ErrorDialog
from fdegc_gui.jobs import Failure
from fdegc_gui.jobs.kept import KeptScenes, user_folder
from fdegc_gui.logs import ExceptionHook, set_up_logging
from fdegc_gui.main_window import MainWindow
from fdegc_gui.settings import Settings
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme, set_up_fonts

log = logging.getLogger(__name__)

#: Seconds between two chances for the window's thread to run while another one computes in Python.
_SWITCH_INTERVAL = 0.0005
#: A thread that does not answer this long after the window was closed is left behind.
_LAST_RESORT_MS = 30_000


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the app: window, event loop, exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; ``sys.argv`` by default.

    Returns
    -------
    int
        Exit status.
    """
    arguments = _parser().parse_args(argv)
    if argv is None:
        keep_memory()
    app = make_application()
    log_file = set_up_logging()
    log.info("FDEGC %s on Python %s", __version__, sys.version.split()[0])
    hook = ExceptionHook()
    restore = hook.install()
    try:
        settings = Settings()
        theme = Theme(settings.theme)
        theme.apply()
        window = MainWindow(settings, theme, log_file=log_file, kept=KeptScenes(user_folder()))
        reporter = Reporter(window, log_file)
        hook.caught.connect(reporter.report)
        window.closed.connect(app.quit)
        window.closing.connect(lambda: QTimer.singleShot(_LAST_RESORT_MS, _give_up))
        if arguments.file is not None:
            window.expect()
        window.show()
        window.start(arguments.file)
        with _interruptible(window):
            return app.exec()
    finally:
        restore()


def make_application() -> QApplication:
    """``QApplication`` of the app, with its names, style and fonts."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    app = QApplication(sys.argv[:1])
    app.setApplicationName("fdegc")
    app.setApplicationDisplayName("")
    app.setOrganizationName("fdegc")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("fdegc")
    app.setWindowIcon(icons.app_icon())
    app.setStyle("Fusion")
    app.setQuitOnLastWindowClosed(False)  # the threads end first, see MainWindow.closed
    set_up_fonts(app)
    return app


class Reporter(QObject):
    """Reporter of uncaught exceptions, with never more than one dialog at a time.

    A fault in a paint event comes back thirty times a second; one dialog says enough.  A QObject, so
    that what another thread could not catch is shown on the window's.
    """

    def __init__(self, window: MainWindow, log_file: Path | None) -> None:
        super().__init__(window)
        self._log_file = log_file
        self._window = window
        self._showing = False

    def report(self, failure: Failure) -> None:
        """Error dialog for a failure, unless one is shown already."""
        if self._showing:
            return
        self._showing = True
        dialog = ErrorDialog("Something unexpected happened.", failure, self._log_file, self._window)
        dialog.finished.connect(self._on_finished)
        dialog.open()

    def _on_finished(self) -> None:
        self._showing = False


@contextlib.contextmanager
def _interruptible(window: MainWindow) -> Iterator[None]:
    """Ctrl+C in the terminal as a proper closing of the window."""
    timer = QTimer()
    timer.timeout.connect(lambda: None)  # Python looks at signals only when it runs
    before = signal.signal(signal.SIGINT, lambda *_: window.close())
    timer.start(300)
    try:
        yield
    finally:
        timer.stop()
        signal.signal(signal.SIGINT, before)


def _give_up() -> None:
    log.error("a thread did not end; leaving it behind")
    logging.shutdown()
    os._exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fdegc-gui",
        description="Compress satellite and aerial imagery with FDEGCNet and look at the result.",
    )
    parser.add_argument(
        "file", nargs="?", type=Path, help="image (TIFF, PNG, JPEG, WebP) or .fdegc file to open"
    )
    parser.add_argument("--version", action="version", version=f"fdegc-gui {__version__}")
    return parser
