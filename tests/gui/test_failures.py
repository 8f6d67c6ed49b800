"""Failures in words, and a window that stays usable, with a fake codec behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from fdegc.errors import CorruptStream, OutOfMemory, WeightsMissing
from fdegc_gui.dialogs.error import ErrorDialog
from fdegc_gui.main_window import MainWindow
from tests.gui.fakes import FakeEngine, FakeUser
from tests.gui.window_steps import compress, error_dialog, finished, open_scene

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


def drop(window: MainWindow, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    window.dropEvent(event)


def test_a_drop_of_several_files_says_which_one_is_the_scene(
    qtbot: QtBot,
    window: MainWindow,
    scene_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(window.status, "show_message", told.append)
    others = [tmp_path / name for name in ("überprüfung 测试 & co.png", "third.png")]
    for other in others:
        other.write_bytes(scene_path.read_bytes())
    for paths, words in (
        ((others[0], scene_path), "opens “scene.png” as picture A"),
        ((others[0], scene_path, others[1]), "opens the other 2 files as picture A"),
    ):
        with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
            drop(window, *paths)
        assert told[0].startswith("Only “überprüfung 测试 & co.png” becomes the scene") and words in told[0]
        told.clear()
        assert window.session.scene is not None and window.session.scene.path == others[0]
    assert window.windowTitle() == "überprüfung 测试 & co.png – FDEGC"


def test_a_file_that_is_deleted_while_it_is_open(
    qtbot: QtBot, window: MainWindow, scene_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "soon gone.png"
    path.write_bytes(scene_path.read_bytes())
    open_scene(qtbot, window, path)
    compress(qtbot, window, 1)
    path.unlink()
    window.actions_["rate_4"].trigger()
    window.actions_["compress"].trigger()
    dialog = error_dialog(qtbot, window)
    assert dialog.failure.expected and "soon gone.png" in dialog.failure.message
    dialog.accept()
    assert finished(window, 1), "what is finished stays"
    for key in ("measure_view", "stretch_view", "tiles_error", "layout_difference"):
        window.actions_[key].trigger()
    window.compare.viewport.restore(QPointF(50, 50), 32.0)
    window.compare.hovered.emit(QPointF(50, 50))
    qtbot.wait(300)
    assert window.isVisible() and "Traceback" not in "".join(capfd.readouterr())


@contextmanager
def small_disk(largest: int) -> Iterator[None]:
    """As if the disk were full: no file of this process can grow further."""
    resource = pytest.importorskip("resource", reason="it needs limits as Unix has them")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("ending", [".fdegc", ".tif", ".png", ".jp2"])
def test_a_full_disk_leaves_nothing_and_says_what_to_do(
    qtbot: QtBot, window: MainWindow, user: FakeUser, scene_path: Path, tmp_path: Path, ending: str
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 6)
    folder = tmp_path / "full"
    folder.mkdir()
    user.answer = folder / f"out{ending}"
    key = "export_stream" if ending == ".fdegc" else "export_image"
    with small_disk(4000):
        window.actions_[key].trigger()
        dialog = error_dialog(qtbot, window)
    assert dialog.failure.expected and dialog.heading == f"“out{ending}” could not be saved."
    assert f"out{ending}" in dialog.failure.message
    assert "room" in dialog.failure.message or "free space" in dialog.failure.message
    assert list(folder.iterdir()) == []
    dialog.accept()
    qtbot.waitUntil(lambda: not window.findChildren(ErrorDialog), timeout=TIMEOUT)
    window.actions_[key].trigger()
    qtbot.waitUntil(user.answer.exists, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: bool(window.session.results[6].saved), timeout=TIMEOUT)


def test_a_folder_is_not_replaced(
    qtbot: QtBot, window: MainWindow, user: FakeUser, scene_path: Path, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 6)
    user.answer = tmp_path / "folder.fdegc"
    user.answer.mkdir()
    window.actions_["export_stream"].trigger()
    dialog = error_dialog(qtbot, window)
    assert "a folder or a device" in dialog.failure.message and user.answer.is_dir()
    dialog.accept()
