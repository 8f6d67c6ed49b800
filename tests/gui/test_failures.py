"""Failures in words, and a window that stays usable, with a fake codec behind it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from fdegc.errors import CorruptStream, OutOfMemory, WeightsMissing
from fdegc_gui.main_window import MainWindow
from tests.gui.fakes import FakeEngine
from tests.gui.window_steps import compress, error_dialog, open_scene

TIMEOUT = 10_000


def test_failed_open_keeps_the_scene(
    qtbot: QtBot, window: MainWindow, scene_path: Path, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    bad = tmp_path / "not an image.tif"
    bad.write_text("no image")
    window.controller.open(bad)
    dialog = error_dialog(qtbot, window)
    assert "not an image.tif" in dialog.heading
    assert dialog.failure.expected
    assert window.session.scene is not None and window.session.scene.path == scene_path
    dialog.accept()


def test_missing_recent_file_is_forgotten(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    gone = tmp_path / "gone.png"
    window.settings.add_recent(gone)
    window.controller.open(gone)
    dialog = error_dialog(qtbot, window)
    assert "no file" in dialog.failure.message
    assert window.settings.recent == []
    dialog.accept()


def test_damaged_compressed_file_is_an_error(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "bad.fdegc"
    path.write_bytes(b"nothing of the kind")
    window.start(path)
    dialog = error_dialog(qtbot, window)
    assert dialog.failure.expected, dialog.failure.detail
    assert CorruptStream.__name__ in dialog.failure.detail
    assert window.session.scene is None
    dialog.accept()


def test_failure_while_compressing(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine, qapp: QApplication
) -> None:
    open_scene(qtbot, window, scene_path)
    fake.fail = OutOfMemory("The scene needs 9 GB of memory; 2 GB are free.")
    window.actions_["compress"].trigger()
    dialog = error_dialog(qtbot, window)
    assert dialog.message.text() == "The scene needs 9 GB of memory; 2 GB are free."
    assert dialog.detail.isHidden()
    dialog.toggle.click()
    assert not dialog.detail.isHidden()
    dialog.copy.click()
    assert "OutOfMemory" in qapp.clipboard().text()
    assert window.session.results == {}
    dialog.accept()
    fake.fail = None
    compress(qtbot, window, 4)


def test_unexpected_failure_says_so(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    open_scene(qtbot, window, scene_path)
    fake.fail = ZeroDivisionError("division by zero")
    window.actions_["compress"].trigger()
    dialog = error_dialog(qtbot, window)
    assert not dialog.failure.expected
    assert any("defect" in label.text() for label in dialog.findChildren(QLabel))
    dialog.accept()


def test_engine_that_cannot_load_leaves_the_scene_usable(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    fake.load_error = WeightsMissing("The weights are not installed.")
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(scene_path)
    dialog = error_dialog(qtbot, window)
    assert dialog.message.text() == "The weights are not installed."
    dialog.accept()
    assert window.status.device.text() == "Engine not available"
    fake.load_error = None
    compress(qtbot, window, 4)
