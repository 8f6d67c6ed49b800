"""Scenes that are left: their results come back, a cancelled compression goes on, or somebody asks."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from fdegc.codec import Codec
from fdegc.control import CancelToken
from fdegc.errors import OutputBusy
from fdegc.results import TileResult
from fdegc_gui.jobs.engine import REAL_ENGINE
from fdegc_gui.jobs.kept import KeptScenes, find_results
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.result import MetricState, State
from tests.gui.display_steps import write
from tests.gui.fakes import FakeEngine, FakeUser, said, saved
from tests.gui.window_steps import compress, error_dialog, finished, open_scene

pytestmark = pytest.mark.usefixtures("few_tries_here")

TIMEOUT = 20_000
SAMPLE = Path(__file__).parents[2] / "resources" / "sample_scene.tif"


def measured(window: MainWindow, rate: int) -> bool:
    return finished(window, rate) and window.session.results[rate].metric_state is MetricState.DONE


def entries(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write(tmp_path / "other.tif", np.full((3, 100, 100), 9, np.uint8))


def test_results_are_there_again_when_a_scene_is_opened_again(
    qtbot: QtBot, make_window: Callable[..., MainWindow], scene_path: Path, other: Path, user: FakeUser
) -> None:
    window = make_window()
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 2)
    compress(qtbot, window, 5)
    qtbot.waitUntil(lambda: measured(window, 2) and measured(window, 5), timeout=TIMEOUT)
    before = {rate: window.session.results[rate] for rate in (2, 5)}
    seen = before[5].pyramid.levels[0].copy()
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.open(other)
    assert not window.session.results and not user.lost, "nobody asks: nothing is lost"
    window.actions_["rate_6"].trigger()
    with said(qtbot, window, "Rates 2, 5 are as you left them.", TIMEOUT):
        window.open(scene_path)
    assert window.session.key == 5, "what is there and next to the rate of the scene before"
    for rate, was in before.items():
        now = window.session.results[rate]
        assert now is not was and now.state is State.DONE
        assert (now.encode, now.metrics, now.bytes, now.tiles_done) == (was.encode, was.metrics, was.bytes, 9)
    assert window.sidebar.rates.rows[5].cost.exact and window.sidebar.action.main.text().startswith("Save")
    qtbot.waitUntil(lambda: window.session.results[5].pyramid.complete, timeout=TIMEOUT)
    np.testing.assert_array_equal(window.session.results[5].pyramid.levels[0], seen)
    window.close()
    qtbot.waitUntil(lambda: not window.controller.is_running, timeout=TIMEOUT)
    again = make_window()  # as another run of the program would
    open_scene(qtbot, again, scene_path)
    assert set(again.session.results) == {2, 5}
    user.answer = scene_path.with_name("out.fdegc")
    with saved(qtbot, again, TIMEOUT):
        again.actions_["export_stream"].trigger()
    stream = again.session.results[5].stream_path
    assert stream is not None and user.answer.read_bytes() == stream.read_bytes()


def test_a_scene_that_has_changed_has_no_results(
    qtbot: QtBot, window: MainWindow, scene_path: Path, other: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 2)
    state = scene_path.stat()
    os.utime(scene_path, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
    open_scene(qtbot, window, other)
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.open(scene_path)
    assert not window.session.results


def _shorter(folder: Path) -> None:
    with (folder / "rate2-0" / "pixels").open("r+b") as file:
        file.truncate(100)


def _other_samples(folder: Path) -> None:
    pixels = folder / "rate2-0" / "pixels"
    pixels.write_bytes(bytes(pixels.stat().st_size))


def _other_stream(folder: Path) -> None:
    path = folder / "rate2.fdegc"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _no_record(folder: Path) -> None:
    (folder / "rate2.json").write_bytes(b"\xff{")


def _other_types(folder: Path) -> None:
    path = folder / "rate2.json"
    record = json.loads(path.read_text())
    record["result"]["encode"]["psnr"] = "very good"
    path.write_text(json.dumps(record))


def _elsewhere(folder: Path) -> None:
    path = folder / "rate2.json"
    record = json.loads(path.read_text())
    record["result"]["samples"] = "../../somewhere"
    path.write_text(json.dumps(record))


def _later_form(folder: Path) -> None:
    path = folder / "rate2.json"
    path.write_text(json.dumps({"form": 99}))


@pytest.mark.parametrize(
    "spoil", [_shorter, _other_samples, _other_stream, _no_record, _other_types, _elsewhere, _later_form]
)
def test_what_is_damaged_or_foreign_is_left_out(
    qtbot: QtBot,
    window: MainWindow,
    scene_path: Path,
    tmp_path: Path,
    spoil: Callable[[Path], None],
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 2)
    compress(qtbot, window, 3)
    scene = window.session.scene
    assert scene is not None
    info = scene.info
    window.close_scene()
    (folder,) = entries(tmp_path / "cache")
    assert [kept.key for kept in find_results(folder, info)] == [2, 3]
    spoil(folder)
    open_scene(qtbot, window, scene_path)
    assert set(window.session.results) == {3}
    compress(qtbot, window, 2)
    window.close_scene()
    assert [kept.key for kept in find_results(folder, info)] == [2, 3], "the new one takes its place"


def test_scenes_used_longest_ago_go_first_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    kept = KeptScenes(root, limit=2500)
    folders = []
    for name in "abc":
        (tmp_path / name).write_text(name)
        folder = kept.hold(tmp_path / name)
        assert folder is not None
        (folder / "rate1.fdegc").write_bytes(bytes(1000))
        folders.append(folder)
    (root / "mine").mkdir()
    (root / "mine" / "letter").write_bytes(bytes(9999))
    kept.trim()
    assert all(folder.exists() for folder in folders), "they are in use"
    for age, folder in enumerate(folders):
        kept.let_go(folder)
        os.utime(folder / "lock", (1000 + age, 1000 + age))
    kept.trim()
    assert [folder.exists() for folder in folders] == [False, True, True]
    (folders[2] / "rate2.fdegc").write_bytes(bytes(9000))
    kept.trim()
    assert [folder.exists() for folder in folders[1:]] == [False, True], "the latest one stays"
    elsewhere = KeptScenes(root)
    held = elsewhere.hold(tmp_path / "c")
    assert held == folders[2] and kept.hold(tmp_path / "c") is None, "one program at a time"
    kept.trim(everything=True)
    assert folders[2].exists()
    elsewhere.let_go(held)
    kept.trim(everything=True)
    assert not folders[2].exists() and (root / "mine" / "letter").exists()


def test_no_place_to_keep_anything(tmp_path: Path) -> None:
    (tmp_path / "scene").write_text("")
    (tmp_path / "file").write_text("no folder")
    assert KeptScenes(None).hold(tmp_path / "scene") is None
    assert KeptScenes(tmp_path / "file").hold(tmp_path / "scene") is None
    assert KeptScenes(tmp_path / "cache").hold(tmp_path / "no scene") is None
    KeptScenes(tmp_path / "file").trim()


def test_where_nothing_is_kept_the_user_is_asked(
    qtbot: QtBot,
    make_window: Callable[..., MainWindow],
    scene_path: Path,
    other: Path,
    user: FakeUser,
    fake: FakeEngine,
    tmp_path: Path,
) -> None:
    window = make_window(kept=None)
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 2)
    user.leave = False
    window.open(other)
    window.close_scene()
    assert not window.close() and window.isVisible() and window.controller.is_running
    assert user.lost == ["What would be lost: results that are not saved (rate 2)."] * 3
    assert finished(window, 2)
    user.answer = tmp_path / "out.fdegc"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_stream"].trigger()
    fake.gate = threading.Event()
    window.session.set_rate(3)
    window.start_compress()
    qtbot.waitUntil(lambda: 3 in window.session.results, timeout=TIMEOUT)
    window.close_scene()
    assert user.lost[3:] == ["What would be lost: the compression that is under way."]
    user.leave = True
    window.close_scene()
    assert window.session.scene is None


def test_clearing_the_list_clears_what_is_kept(
    qtbot: QtBot, window: MainWindow, scene_path: Path, other: Path, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 2)
    open_scene(qtbot, window, other)
    assert len(entries(tmp_path / "cache")) == 2
    window.recent_menu.actions()[-1].trigger()
    qtbot.waitUntil(lambda: len(entries(tmp_path / "cache")) == 1, timeout=TIMEOUT)


def test_an_earlier_result_stays_if_the_next_one_is_cancelled_or_fails(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    before = window.session.results[4]
    qtbot.waitUntil(lambda: measured(window, 4), timeout=TIMEOUT)  # or it would be cancelled, too
    fake.gate = threading.Event()
    window.sidebar.action.again.click()
    qtbot.waitUntil(lambda: window.session.results[4] is not before, timeout=TIMEOUT)
    with said(qtbot, window, "Cancelled.", TIMEOUT):
        window.actions_["cancel"].trigger()
    assert window.session.results[4] is before and before.store.read_every(50).pixels.any()
    fake.fail = OutputBusy("It is busy.")
    fake.gate.set()
    window.sidebar.action.again.click()
    error_dialog(qtbot, window).reject()
    assert window.session.results[4] is before
    fake.fail = None
    window.sidebar.action.again.click()
    qtbot.waitUntil(lambda: finished(window, 4) and window.session.results[4] is not before, timeout=TIMEOUT)
    assert window.session.results[4].store.folder.exists() and not before.store.folder.exists()


def test_a_cancelled_compression_goes_on_even_after_the_scene_was_left(
    qtbot: QtBot, make_window: Callable[..., MainWindow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Image.open(SAMPLE) as image:
        sample = np.moveaxis(np.asarray(image), 2, 0)
    path = write(tmp_path / "scene.tif", sample[:, :560, :1100])  # six tiles
    encode_all, runs = Codec.encode, []

    def encode_some(self: Codec, *arguments: Any, on_tile: Any, cancel: CancelToken, **named: Any) -> Any:
        """Work that, the first time, waits after its first tile, so that some are left when it ends."""
        runs.append(cancel)

        def tell(tile: TileResult) -> None:
            on_tile(tile)
            if len(runs) == 1:
                assert cancel.wait(120)

        return encode_all(self, *arguments, on_tile=tell, cancel=cancel, **named)

    monkeypatch.setattr(Codec, "encode", encode_some)
    window = make_window(REAL_ENGINE)
    with qtbot.waitSignal(window.controller.opened, timeout=120_000):
        window.start(path)
    button = window.sidebar.action
    window.session.set_rate(2)

    def cancel() -> None:
        window.session.tiles_written.disconnect(cancel)
        window.actions_["cancel"].trigger()

    with said(qtbot, window, "Cancelled. What is finished at rate 2 is kept", 120_000):
        window.session.tiles_written.connect(cancel)
        button.main.click()
    assert button.main.text() == "Go on compressing at rate 2" and 2 not in window.session.results
    window.close_scene()
    with qtbot.waitSignal(window.controller.opened, timeout=120_000):
        window.open(path)
    assert button.main.text() == "Go on compressing at rate 2"
    button.main.click()
    qtbot.waitUntil(lambda: finished(window, 2), timeout=120_000)
    encode = window.session.results[2].encode
    assert encode is not None and 1 <= encode.resumed_tiles < encode.tiles and encode.psnr is not None
    assert window.session.results[2].tiles_done == encode.tiles and not window.session.unfinished
    assert window.sidebar.rates.rows[2].cost.time.startswith("≥"), "the first part's time is not known"
