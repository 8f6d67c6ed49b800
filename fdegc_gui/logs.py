"""Log file, and exceptions that nobody caught."""

from __future__ import annotations

import logging
import logging.handlers
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, QStandardPaths, QtMsgType, Signal, qInstallMessageHandler

from fdegc_gui.jobs import Failure

log = logging.getLogger(__name__)

_MAX_BYTES = 1_000_000
_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def log_path() -> Path:
    """Path of the log file."""
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppLocalDataLocation)
    return Path(folder) / "fdegc.log"


def set_up_logging() -> Path | None:
    """Logging to a rotating file in the user's data folder.

    Returns
    -------
    Path or None
        The file; None if it cannot be written, which is no reason not to start.
    """
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=_MAX_BYTES, backupCount=2, encoding="utf-8"
        )
    except OSError as error:
        logging.basicConfig(level=logging.INFO)
        log.warning("no log file: %s", error)
        return None
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(threadName)s %(name)s: %(message)s")
    )
    root.addHandler(handler)
    logging.captureWarnings(True)  # of libraries: nothing that a user could do about
    qInstallMessageHandler(_qt_message)
    return path


def _qt_message(kind: QtMsgType, context: object, message: str | None) -> None:
    logging.getLogger("qt").log(_LEVELS.get(kind, logging.INFO), "%s", message)


class ExceptionHook(QObject):
    """Hook for uncaught exceptions of any thread: one signal on the GUI thread.

    Signals
    -------
    caught(Failure)
    """

    caught = Signal(object)

    def install(self) -> Callable[[], None]:
        """Installation in place of Python's own hooks; the returned function puts them back."""
        before, before_thread = sys.excepthook, threading.excepthook
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

        def restore() -> None:
            sys.excepthook, threading.excepthook = before, before_thread

        return restore

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        log.critical("uncaught", exc_info=(kind, error, trace))
        self.caught.emit(Failure.of(error))

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._on_exception(args.exc_type, args.exc_value, args.exc_traceback)
