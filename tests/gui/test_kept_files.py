"""Other files beside a scene: they are read again when it is opened again, or it is said why not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from fdegc_gui.jobs.kept import FORM
from fdegc_gui.jobs.kept_files import KeptFile, find_files, missing_words
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import ORIGINAL, Side
from fdegc_gui.models.guest import FIRST_GUEST
from fdegc_gui.models.result import MetricState, Result
from tests.gui.display_steps import write
from tests.gui.fakes import said, write_stream
from tests.gui.window_steps import compress, open_scene

TIMEOUT = 10_000


def guests_of(window: MainWindow) -> list[Result]:
    return [result for key, result in sorted(window.session.results.items()) if key >= FIRST_GUEST]


def read(qtbot: QtBot, window: MainWindow, path: Path) -> Result:
    before = len(guests_of(window))
    window.controller.guests.read(path, Side.A)
    qtbot.waitUntil(lambda: len(guests_of(window)) == before + 1, timeout=TIMEOUT)
    result = guests_of(window)[-1]
    qtbot.waitUntil(lambda: result.metric_state is MetricState.DONE, timeout=TIMEOUT)
    return result


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write(tmp_path / "other.tif", np.full((3, 160, 192), 9, np.uint8))


@pytest.fixture
def left(qtbot: QtBot, window: MainWindow, scene_path: Path, other: Path, tmp_path: Path) -> MainWindow:
    """A window whose scene was left with two other files beside it."""
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    read(qtbot, window, other)
    write_stream(tmp_path / "elsewhere.fdegc", width=192, height=160)
    read(qtbot, window, tmp_path / "elsewhere.fdegc")
    window.close_scene()
    return window


def test_other_files_are_there_again(
    qtbot: QtBot, left: MainWindow, scene_path: Path, make_window: Callable[..., MainWindow]
) -> None:
    left.close()
    qtbot.waitUntil(lambda: not left.controller.is_running, timeout=TIMEOUT)
    window = make_window()  # as another run of the program would
    open_scene(qtbot, window, scene_path)
    qtbot.waitUntil(lambda: len(guests_of(window)) == 2, timeout=TIMEOUT)
    assert {result.title for result in guests_of(window)} == {"other.tif", "elsewhere.fdegc"}
    assert window.session.key_of(Side.A) == ORIGINAL, "pictures are what they were"
    found = next(result for result in guests_of(window) if result.title == "other.tif")
    assert (found.store.read_every(1).pixels == 9).all() and found.live_psnr(None) is not None
    qtbot.waitUntil(lambda: found.metric_state is MetricState.DONE, timeout=TIMEOUT)


def test_files_beside_a_fdegc_are_there_again_once_it_is_decoded(
    qtbot: QtBot, window: MainWindow, other: Path, tmp_path: Path, make_window: Callable[..., MainWindow]
) -> None:
    stream = tmp_path / "scene.fdegc"
    for path in (stream, tmp_path / "second.fdegc"):
        write_stream(path, width=192, height=160)
    open_scene(qtbot, window, stream)
    qtbot.waitUntil(lambda: window.session.rendering is not None, timeout=TIMEOUT)
    read(qtbot, window, other)
    gone = read(qtbot, window, tmp_path / "second.fdegc")
    window.controller.guests.remove(gone.key)
    read(qtbot, window, tmp_path / "second.fdegc")
    assert not window.controller.would_be_lost
    window.close()
    qtbot.waitUntil(lambda: not window.controller.is_running, timeout=TIMEOUT)
    window = make_window()
    open_scene(qtbot, window, stream)
    qtbot.waitUntil(lambda: len(guests_of(window)) == 2, timeout=TIMEOUT)
    assert {result.title for result in guests_of(window)} == {"other.tif", "second.fdegc"}
    assert window.session.key_of(Side.B) not in [result.key for result in guests_of(window)]
    found = next(result for result in guests_of(window) if result.title == "other.tif")
    assert (found.store.read_every(1).pixels == 9).all()
    window.close_scene()
    other.unlink()
    with said(
        qtbot, window, "“other.tif”, which was open beside this scene, is gone or has changed", TIMEOUT
    ):
        open_scene(qtbot, window, stream)


def test_a_file_that_was_removed_stays_away(qtbot: QtBot, left: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, left, scene_path)
    qtbot.waitUntil(lambda: len(guests_of(left)) == 2, timeout=TIMEOUT)
    gone = next(result for result in guests_of(left) if result.title == "other.tif")
    left.controller.guests.remove(gone.key)
    left.close_scene()
    open_scene(qtbot, left, scene_path)
    qtbot.waitUntil(lambda: len(guests_of(left)) == 1, timeout=TIMEOUT)
    assert guests_of(left)[0].title == "elsewhere.fdegc"


def test_what_is_missing_is_said_once(qtbot: QtBot, left: MainWindow, scene_path: Path, other: Path) -> None:
    state = other.stat()
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
    with said(qtbot, left, "“other.tif”, which was open beside this scene, is gone or has changed", TIMEOUT):
        open_scene(qtbot, left, scene_path)
    qtbot.waitUntil(lambda: len(guests_of(left)) == 1, timeout=TIMEOUT)
    told: list[str] = []
    left.controller.message.connect(told.append)
    left.close_scene()
    open_scene(qtbot, left, scene_path)
    qtbot.waitUntil(lambda: len(guests_of(left)) == 1, timeout=TIMEOUT)
    assert not any("other.tif" in words for words in told)


def test_a_file_that_cannot_be_read_any_more_is_said(
    qtbot: QtBot, left: MainWindow, scene_path: Path, other: Path
) -> None:
    state = other.stat()
    other.write_bytes(b"x" * state.st_size)  # as large, and as old
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    with said(qtbot, left, "“other.tif” is not beside this scene any more:", TIMEOUT):
        open_scene(qtbot, left, scene_path)


def test_records_that_are_damaged_count_for_nothing(tmp_path: Path) -> None:
    record = tmp_path / "files.json"
    for data in (b"\xff{", b"[]", b'{"form": 99}', json.dumps({"form": FORM, "record": 3}).encode()):
        record.write_bytes(data)
        assert find_files(tmp_path) == ()
    assert find_files(tmp_path / "nowhere") == ()


def test_words() -> None:
    files = [KeptFile(Path(f"/x/{name}"), 1, 1) for name in "abc"]
    assert missing_words(()) == ""
    assert missing_words(files).startswith("“a”, “b” and “c”, which were open beside this scene,")
    assert not files[0].is_as_it_was
