"""Steps that tests of the window do again and again: open, compress, read the error."""

from __future__ import annotations

from pathlib import Path

from pytestqt.qtbot import QtBot

from fdegc_gui.dialogs.error import ErrorDialog
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.result import State
from fdegc_gui.models.way import FREE

TIMEOUT = 10_000


def open_scene(qtbot: QtBot, window: MainWindow, path: Path) -> None:
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(path)
    qtbot.waitUntil(lambda: window.controller.keeper.ready is not None, timeout=TIMEOUT)


def finished(window: MainWindow, rate: int) -> bool:
    result = window.session.results.get(rate)
    return result is not None and result.state is State.DONE


def compress(qtbot: QtBot, window: MainWindow, rate: int) -> None:
    window.actions_["any_quality" if rate == FREE else f"rate_{rate}"].trigger()
    window.actions_["compress"].trigger()
    qtbot.waitUntil(lambda: finished(window, rate), timeout=TIMEOUT)


def error_dialog(qtbot: QtBot, window: MainWindow) -> ErrorDialog:
    qtbot.waitUntil(lambda: bool(window.findChildren(ErrorDialog)), timeout=TIMEOUT)
    return window.findChildren(ErrorDialog)[0]
