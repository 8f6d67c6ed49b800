"""Forecasts: fixed and proportional time, one busy run among others, sizes that grow with the rate."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from fdegc.control import CancelToken
from fdegc.raster_info import RasterInfo
from fdegc.results import Estimate
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.costs import forecasts_of, refine
from fdegc_gui.models.forecast import FIXED_SECONDS, Pace, forecasts, kind_of
from fdegc_gui.models.result import Result
from fdegc_gui.models.sample_store import SampleStore
from fdegc_gui.models.scene import unpainted
from fdegc_gui.models.way import EXACT
from fdegc_gui.settings import Settings
from fdegc_gui.views.costs import cost_of
from tests.gui.fakes import FakeCodec, FakeEngine
from tests.gui.window_steps import compress, open_scene

TIMEOUT = 10_000


def learnt(*runs: tuple[float, float]) -> Pace:
    pace = Pace()
    for expected, seconds in runs:
        pace.learn("cpu", expected, seconds)
    return pace


def test_without_experience_a_run_takes_its_estimate_and_a_fixed_time() -> None:
    assert Pace().seconds("cpu", 10.0) == FIXED_SECONDS + 10.0
    assert learnt((10.0, 50.0)).seconds("another", 10.0) == FIXED_SECONDS + 10.0


def test_one_run_on_a_busy_machine_makes_no_jump() -> None:
    plain = FIXED_SECONDS + 0.5
    assert learnt((0.5, 31.0)).seconds("cpu", 0.5) <= 2 * plain, "the first run of all"
    usual = [(0.5, plain)] * 4
    for at in range(5):
        runs = [*usual[:at], (0.5, 31.0), *usual[at:]]
        assert learnt(*runs).seconds("cpu", 0.5) == pytest.approx(plain)
    assert learnt((0.5, plain), (0.5, 31.0)).seconds("cpu", 0.5) == pytest.approx(plain)


def test_what_several_runs_tell_is_believed() -> None:
    assert learnt((10.0, 2.0)).seconds("cpu", 10.0) == pytest.approx(0.5 * (FIXED_SECONDS + 10))
    assert learnt((10.0, 2.0), (10.0, 2.2)).seconds("cpu", 10.0) == pytest.approx(2.2)
    assert learnt(*[(10.0, 2.0)] * 3).seconds("cpu", 10.0) == pytest.approx(2.0)
    now_slower = learnt(*[(10.0, 2.0)] * 12, *[(10.0, 8.0)] * 7)
    assert now_slower.seconds("cpu", 10.0) == pytest.approx(8.0), "the last runs count"


@pytest.mark.parametrize("busy", [None, 0, 2, 3, 5])
def test_fixed_time_is_told_from_that_for_pixels(busy: int | None) -> None:
    runs = [(expected, 3.0 + 0.2 * expected) for expected in (1.0, 1.1, 1.2, 40.0, 50.0, 60.0)]
    if busy is not None:
        runs[busy] = (runs[busy][0], 20 * runs[busy][1])
    pace = learnt(*runs)
    assert pace.seconds("cpu", 1.0) == pytest.approx(3.2, rel=0.1)
    assert pace.seconds("cpu", 100.0) == pytest.approx(23.0, rel=0.2)


def test_experience_is_remembered_as_text() -> None:
    pace = learnt((10.0, 2.0), (10.0, 2.2))
    assert Pace.from_text(pace.text).seconds("cpu", 10.0) == pace.seconds("cpu", 10.0)
    assert (Pace().device, Pace.from_text(pace.text).device) == ("", "cpu")
    for text in (
        "",
        "no",
        "[]",
        "3",
        '{"cpu": 3}',
        '{"cpu": [[1]]}',
        '{"cpu": [[1, -2]]}',
        '{"cpu": [["a", 1]]}',
    ):
        assert Pace.from_text(text).seconds("cpu", 10.0) == FIXED_SECONDS + 10.0


def test_kinds() -> None:
    info = RasterInfo("a", "GTiff", 10, 10, 3, "uint8")
    other = RasterInfo("b", "GTiff", 99, 99, 3, "uint8")
    many = RasterInfo("a", "GTiff", 10, 10, 13, "uint8")
    assert kind_of(info, "CPU") == kind_of(other, "CPU")
    assert len({kind_of(info, "CPU"), kind_of(info, "GPU"), kind_of(many, "CPU")}) == 3


def test_sizes_agree_with_finished_rows_and_grow_with_the_rate() -> None:
    estimates = {rate: Estimate(1000 * rate, 1.0, 1) for rate in range(1, 7)}
    seconds = dict.fromkeys(range(1, 7), 7.0)

    def sizes(finished: dict[int, int]) -> list[int]:
        found = forecasts(estimates, finished, seconds)
        assert not set(found) & set(finished) and all(one.seconds == 7.0 for one in found.values())
        return [({rate: one.bytes for rate, one in found.items()} | finished)[rate] for rate in range(1, 7)]

    assert sizes({}) == [1000, 2000, 3000, 4000, 5000, 6000]
    assert sizes({4: 2000}) == [500, 1000, 1500, 2000, 2500, 3000]
    for finished in ({3: 4500, 5: 4700}, {2: 100, 3: 9000}, {1: 5000, 6: 5100}, {4: 10}):
        assert sizes(finished) == sorted(sizes(finished))
    assert forecasts({}, {4: 10}, {}) == {}


def test_rows_learn_from_a_finished_one_and_the_next_run_of_the_app_knows(
    qtbot: QtBot, window: MainWindow, scene_path: Path, settings: Settings
) -> None:
    open_scene(qtbot, window, scene_path)
    qtbot.waitUntil(lambda: window.session.refined, timeout=TIMEOUT)
    before = forecasts_of(window.session)
    compress(qtbot, window, 4)
    rows, encode = window.sidebar.rates.rows, window.session.results[4].encode
    assert encode is not None
    assert rows[4].cost.exact and rows[4].cost.time == "2 s", "what it took"
    after = forecasts_of(window.session)
    assert 4 not in after and after[5].seconds != before[5].seconds
    ordered = [after[r].bytes if r in after else encode.bytes for r in range(1, 7)]
    assert ordered == sorted(ordered)
    kind = kind_of(window.session.scene.info, "CPU (fake)")  # type: ignore[union-attr]
    known = window.session.pace.seconds(kind, 3.0)
    assert known != Pace().seconds(kind, 3.0)
    window.close()
    assert settings.pace.seconds(kind, 3.0) == known


def test_what_was_finished_before_estimates_were_refined_is_learnt_from_then(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    session = window.session
    qtbot.waitUntil(lambda: session.refined, timeout=TIMEOUT)
    refined = {row: one for row, one in session.estimates.items() if row != EXACT}
    session.refined = False
    compress(qtbot, window, 4)
    kind = kind_of(session.scene.info, "CPU (fake)")  # type: ignore[union-attr]
    assert session.pace.seconds(kind, 3.0) == Pace().seconds(kind, 3.0)
    refine(session, refined)
    assert session.refined and session.pace.seconds(kind, 3.0) != Pace().seconds(kind, 3.0)
    known = session.pace.text
    refine(session, refined)
    assert session.pace.text == known, "nothing is learnt twice"


def test_a_row_says_what_its_run_shows_of_its_time(tmp_path: Path) -> None:
    info = RasterInfo("a", "GTiff", 10, 10, 3, "uint8")
    result = Result(4, 4.0, unpainted(info), SampleStore(tmp_path, info))
    estimate = Estimate(1000, 3.0, 1)

    def said(seconds: float, left: float | None = None, timed: bool = True) -> str:
        result.seconds, result.left = seconds, left
        return cost_of(estimate, result, timed=timed).time

    assert cost_of(estimate, None, timed=False).time == "–", "nobody has tried this machine yet"
    assert cost_of(estimate, None).time == said(1.0) == "≈ 3 s"
    assert said(27.6) == "> 28 s", "it cannot be what was expected any more"
    assert said(1.0, timed=False) == "–" and said(5.0, timed=False) == "> 5 s"
    assert said(20.0, 24.0) == "≈ 44 s" and said(30.0, 24.0) == "≈ 54 s"


def test_rows_say_no_time_before_the_network_was_tried_and_the_running_one_goes_on(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.gate = threading.Event()
    gate, tried = fake.gate, FakeCodec.estimate_all

    def patient(codec: FakeCodec, source: Any, *, cancel: CancelToken, **_: Any) -> dict[int, Estimate]:
        while not gate.is_set():
            cancel.wait(0.01)
            cancel.check()
        return tried(codec, source)

    monkeypatch.setattr(FakeCodec, "estimate_all", patient)
    open_scene(qtbot, window, scene_path)
    window.start_compress()
    rows = window.sidebar.rates.rows
    qtbot.waitUntil(lambda: rows[4].cost.time.startswith("> "), timeout=TIMEOUT)
    assert rows[3].cost.time == "–" and rows[3].cost.size.startswith("≈ ")
    first = rows[4].cost.time
    qtbot.waitUntil(lambda: rows[4].cost.time not in ("–", first), timeout=TIMEOUT)
    gate.set()
    qtbot.waitUntil(lambda: rows[4].cost.exact, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: rows[3].cost.time.startswith("≈ "), timeout=TIMEOUT)


def test_times_of_another_device_are_measured_there(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    qtbot.waitUntil(lambda: window.session.refined, timeout=TIMEOUT)
    window.session.set_device("GPU (another)")
    assert not window.session.refined and window.sidebar.rates.rows[3].cost.time == "–"
