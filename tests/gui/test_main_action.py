"""The main button: what it offers before, while and after there is a result."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pytestqt.qtbot import QtBot

from fdegc_gui.dialogs.files import IMAGE_FILTERS
from fdegc_gui.main_window import MainWindow
from fdegc_gui.text import human_bytes
from tests.gui.display_steps import write
from tests.gui.fakes import FakeCodec, FakeEngine, FakeUser, saved, write_stream
from tests.gui.window_steps import compress, finished, open_scene

TIMEOUT = 10_000


def test_after_a_result_it_saves(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser, tmp_path: Path
) -> None:
    button = window.sidebar.action
    assert not button.main.isEnabled()
    open_scene(qtbot, window, scene_path)
    assert (button.main.text(), button.main.isEnabled()) == ("Compress at rate 4", True)
    assert (
        button.again.isHidden() and button.saved.isHidden() and not window.actions_["show_folder"].isEnabled()
    )
    button.main.click()
    qtbot.waitUntil(lambda: finished(window, 4), timeout=TIMEOUT)
    assert button.main.text() == "Save compressed file…" and not button.main.property("done")
    assert button.again.text() == "Compress again"
    user.answer = tmp_path / "out.fdegc"
    with saved(qtbot, window, TIMEOUT) as told:
        button.main.click()
    size = human_bytes(user.answer.stat().st_size)
    assert told.args == [f"Saved “out.fdegc” in “{tmp_path}”, {size}."]
    assert button.saved.text() == f"Saved “out.fdegc”, {size}." and button.main.property("done")
    assert button.main.text() == "Save compressed file again…"
    button.folder.click()
    assert user.shown == [user.answer]
    window.actions_["rate_2"].trigger()
    assert button.main.text() == "Compress at rate 2" and button.saved.isHidden()
    window.actions_["rate_4"].trigger()
    result = window.session.results[4]
    button.again.click()
    qtbot.waitUntil(lambda: finished(window, 4) and window.session.results[4] is not result, timeout=TIMEOUT)
    assert button.main.text() == "Save compressed file…" and button.saved.isHidden(), "this one is not saved"


def test_of_a_compressed_file_it_saves_the_reconstruction(
    qtbot: QtBot, window: MainWindow, user: FakeUser, tmp_path: Path
) -> None:
    path = tmp_path / "scene.fdegc"
    write_stream(path, np.zeros((10, 15, 3), np.uint8))
    open_scene(qtbot, window, path)
    qtbot.waitUntil(lambda: finished(window, 0), timeout=TIMEOUT)
    button = window.sidebar.action
    assert button.isVisible() and button.main.text() == "Save reconstruction…" and button.again.isHidden()
    user.answer = tmp_path / "out.tif"
    with saved(qtbot, window, TIMEOUT):
        button.main.click()
    assert user.answer.exists() and button.main.property("done")


def test_it_says_queued_at_once_and_can_be_cancelled_before_it_began(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_scene(qtbot, window, scene_path)
    button, entered, gate = window.sidebar.action, threading.Event(), threading.Event()
    qtbot.waitUntil(lambda: window.session.refined, timeout=TIMEOUT)

    def busy(self: FakeCodec, source: object, **_: object) -> dict[int, object]:
        entered.set()
        gate.wait(TIMEOUT / 1000)  # the estimates do not listen
        return {}

    monkeypatch.setattr(FakeCodec, "estimate_all", busy)
    window.session.refined = False
    window.controller.estimating.want()
    try:
        qtbot.waitUntil(entered.is_set, timeout=TIMEOUT)
        button.main.click()
        assert (button.main.text(), button.main.isEnabled()) == ("Queued: rate 4", False)
        # With the next turn of the event loop: what begins at once is not told of twice in a row.
        qtbot.waitUntil(lambda: window.compare.reconstruction.hint == "Queued", timeout=TIMEOUT)
        assert "queued" in window.status.text.text() and window.actions_["cancel"].isEnabled()
        assert not window.actions_["compress"].isEnabled()
        window.actions_["cancel"].trigger()
        assert button.main.text() == "Compress at rate 4" and button.main.isEnabled()
        assert window.session.results == {}
        button.main.click()
        assert button.main.text() == "Queued: rate 4"
    finally:
        gate.set()
    qtbot.waitUntil(lambda: finished(window, 4), timeout=TIMEOUT)
    assert button.main.text() == "Save compressed file…"


def test_again_is_queued_behind_another(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 1)
    fake.gate = threading.Event()
    window.actions_["rate_2"].trigger()
    window.sidebar.action.main.click()
    qtbot.waitUntil(lambda: window.sidebar.action.main.text() == "Compressing at rate 2…", timeout=TIMEOUT)
    window.actions_["rate_1"].trigger()
    button = window.sidebar.action
    button.again.click()
    assert button.again.text() == "Queued" and not button.again.isEnabled() and button.main.isEnabled()
    window.actions_["rate_3"].trigger()
    row = window.sidebar.rates.rows[3]
    bare = row.grab().toImage()
    button.main.click()
    qtbot.waitUntil(lambda: row.cost.queued, timeout=TIMEOUT)
    assert row.toolTip().endswith("Queued.") and row.grab().toImage() != bare
    assert [rate for rate, one in window.sidebar.rates.rows.items() if one.cost.queued] == [1, 3]
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(window, 3), timeout=TIMEOUT)
    assert not any(one.cost.queued for one in window.sidebar.rates.rows.values())
    window.actions_["rate_1"].trigger()
    assert button.again.text() == "Compress again"


def test_several_rate_points_can_wait(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    open_scene(qtbot, window, scene_path)
    fake.gate = threading.Event()
    for rate in (4, 2, 3):
        window.actions_[f"rate_{rate}"].trigger()
        window.sidebar.action.main.click()
    qtbot.waitUntil(lambda: window.session.waiting.keys() == {2, 3}, timeout=TIMEOUT)
    fake.gate.set()
    qtbot.waitUntil(lambda: all(finished(window, rate) for rate in (2, 3, 4)), timeout=TIMEOUT)
    assert not window.session.waiting


def test_what_a_kind_of_file_cannot_hold_is_said(
    qtbot: QtBot, window: MainWindow, user: FakeUser, tmp_path: Path
) -> None:
    path = write(tmp_path / "placed.tif", np.zeros((3, 40, 50), np.uint8))
    open_scene(qtbot, window, path)
    compress(qtbot, window, 4)
    user.answer = tmp_path / "out.png"
    with saved(qtbot, window, TIMEOUT) as told:
        window.actions_["export_image"].trigger()
    words = "PNG cannot hold: coordinate reference system"
    assert words in told.args[0] and words in window.sidebar.action.saved.text()
    assert not window.sidebar.action.main.property("done"), "the compressed file is not saved yet"
    user.answer = tmp_path / "out.jp2"
    with saved(qtbot, window, TIMEOUT) as told:
        window.actions_["export_image"].trigger()
    with rasterio.open(user.answer) as dataset:
        assert dataset.driver == "JP2OpenJPEG"


def test_dialog_offers_jpeg2000() -> None:
    assert any("*.jp2" in words for words in IMAGE_FILTERS)
