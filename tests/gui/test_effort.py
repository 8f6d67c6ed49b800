"""The effort: a control with times, another result of the same rate, remembered, kept, cancelled at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from fdegc.options import EFFORT_STEPS
from fdegc.raster_info import RasterInfo
from fdegc.weights import quick_estimate
from fdegc_gui.jobs.engine import REAL_ENGINE
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import Side
from fdegc_gui.models.costs import forecasts_of
from fdegc_gui.models.forecast import Pace, kind_of
from fdegc_gui.models.result import State
from fdegc_gui.models.way import EFFORTS, EXACT, FREE, Way, effort_of, key_of, row_of
from fdegc_gui.settings import Settings
from fdegc_gui.text import about_seconds
from tests.gui.fakes import FakeEngine, FakeUser, said
from tests.gui.window_steps import compress, finished, open_scene

TIMEOUT = 20_000
SAMPLE = Path(__file__).parents[2] / "resources" / "sample_scene.tif"


def choose(window: MainWindow, effort: int) -> None:
    """Choose an effort as a user does in the list."""
    box = window.sidebar.rates.effort.choice
    box.setCurrentIndex(effort)
    box.activated.emit(effort)


def compress_at(qtbot: QtBot, window: MainWindow, rate: int, effort: int) -> None:
    window.session.set_rate(rate)
    choose(window, effort)
    window.start_compress()
    qtbot.waitUntil(lambda: finished(window, key_of(rate, effort)), timeout=TIMEOUT)


def names(window: MainWindow) -> list[str]:
    return [point.name for point in window.sidebar.results.model.points()]


def test_keys_and_words() -> None:
    assert len(EFFORTS) == len(EFFORT_STEPS)
    keys = {key_of(row, effort) for row in (*range(1, 7), FREE) for effort in range(5)}
    assert len(keys) == 35 and all(key_of(row_of(key), effort_of(key)) == key for key in keys)
    assert {key_of(EXACT, effort) for effort in range(5)} == {EXACT}
    way = Way(4, 4.0, effort=2)
    assert (way.title, way.how, way.file_mark) == ("Rate 4, effort 2", "at rate 4, effort 2", "rate4-effort2")
    assert Way(4, 4.0).title == "Rate 4"
    assert Way(FREE, 3.42, effort=1).file_mark == "quality3.42-effort1"


def test_another_effort_is_another_result(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser
) -> None:
    open_scene(qtbot, window, scene_path)
    session = window.session
    compress(qtbot, window, 4)
    assert window.sidebar.action.main.text().startswith("Save")
    choose(window, 2)
    assert window.sidebar.results.model.names == ["Rate 4"]
    assert session.current is None and session.way(session.key).how == "at rate 4, effort 2"
    assert window.sidebar.action.main.text() == "Compress at rate 4, effort 2"
    assert not window.sidebar.rates.rows[4].cost.exact
    window.start_compress()
    qtbot.waitUntil(lambda: finished(window, key_of(4, 2)), timeout=TIMEOUT)
    assert set(session.results) == {4, key_of(4, 2)}
    compress_at(qtbot, window, 5, 0)
    assert names(window) == ["Rate 4", "Rate 4, effort 2", "Rate 5"]
    table = window.sidebar.results.table
    assert table.columnWidth(0) >= table.fontMetrics().horizontalAdvance("Rate 4, effort 2") + 12
    plot = window.sidebar.plot
    series = {point.key: point.series for point in window.sidebar.results.model.points()}
    assert series == {4: "FDEGC", 5: "FDEGC", key_of(4, 2): "FDEGC, effort 2"}
    assert "effort&nbsp;2" in plot.legend.text()
    session.choose(Side.B, key_of(4, 2))  # as a click on its row does
    assert (session.rate, session.effort) == (4, 2)
    assert session.name_of(Side.B) == "Reconstruction · rate 4 · λ 1024 · effort 2"
    assert window.sidebar.rates.effort.choice.currentIndex() == 2
    session.choose(Side.A, 4)
    assert (session.key_of(Side.A), session.key_of(Side.B)) == (4, key_of(4, 2))
    chip = window.compare.chips[Side.B]
    chip.fill()
    assert any("effort 2" in action.text() for action in chip.choices.actions())
    user.answer = None
    window.actions_["export_stream"].trigger()
    assert user.suggested.endswith("scene-rate4-effort2.fdegc")


def test_colours_of_curves_stay_when_an_effort_comes_later(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    for rate, effort in ((2, 0), (4, 0), (2, 3)):
        compress_at(qtbot, window, rate, effort)
    before = dict(window.sidebar.plot._numbers)
    compress_at(qtbot, window, 2, 1)
    after = window.sidebar.plot._numbers
    assert before.items() <= after.items() and len(set(after.values())) == len(after)


def test_the_codec_is_asked_for_the_effort(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    choose(window, 3)
    session = window.session
    assert session.options(session.asked_key(4)).effort == 3
    assert session.options(4).effort == 0
    assert session.options(session.asked_key(EXACT)).effort == 0
    session.set_rate(EXACT)
    assert not window.sidebar.rates.effort.isEnabled(), "there is nothing to look for"
    session.set_rate(3)
    assert window.sidebar.rates.effort.isEnabled()


def test_times_that_are_estimates_have_two_digits_and_no_parts_of_seconds() -> None:
    times = [about_seconds(seconds) for seconds in (0.619, 22.31, 214.0)]
    assert times == ["≈ 1 s", "≈ 22 s", "≈ 3 min 30 s"]


def test_all_rates_go_at_the_chosen_effort(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 1)
    choose(window, 1)
    window.actions_["compress_all"].trigger()
    wanted = {key_of(rate, 1) for rate in range(1, 7)}
    qtbot.waitUntil(lambda: all(finished(window, key) for key in wanted), timeout=TIMEOUT)
    assert set(window.session.results) == {1, *wanted}


def test_the_effort_is_remembered(
    qtbot: QtBot,
    window: MainWindow,
    scene_path: Path,
    settings: Settings,
    make_window: Callable[..., MainWindow],
) -> None:
    open_scene(qtbot, window, scene_path)
    choose(window, 2)
    window.close()
    assert settings.effort == 2
    again = make_window()
    assert again.session.effort == 2 and again.sidebar.rates.effort.choice.currentIndex() == 2
    settings._store.setValue("codec/effort", "17")
    assert settings.effort == 4
    settings._store.setValue("codec/effort", "much")
    assert settings.effort == 0


def test_results_of_an_effort_are_kept(
    qtbot: QtBot, window: MainWindow, scene_path: Path, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    compress_at(qtbot, window, 4, 2)
    window.session.set_quality(3.3)
    compress_at(qtbot, window, FREE, 1)
    before = {key: result.encode for key, result in window.session.results.items()}
    window.close_scene()
    assert window.session.scene is None
    with said(qtbot, window, "Rate 4, the result ", TIMEOUT):
        window.open(scene_path)
    after = {key: result.encode for key, result in window.session.results.items()}
    assert before == after and set(after) == {4, key_of(4, 2), key_of(FREE, 1)}
    assert window.session.results[key_of(4, 2)].way.effort == 2


def test_what_the_estimates_say_of_an_effort() -> None:
    """What the app expects is what the command line does."""
    info = RasterInfo("a", "GTiff", 2000, 1500, 3, "uint8")
    plain = quick_estimate(info, 4.0)
    for steps in EFFORT_STEPS[1:]:
        asked = quick_estimate(info, 4.0, steps=steps)
        assert asked.bytes == plain.bytes
        assert asked.seconds > 10 * plain.seconds and asked.memory_bytes > plain.memory_bytes


def test_times_are_forecast_for_each_effort(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    session, box = window.session, window.sidebar.rates.effort.choice
    qtbot.waitUntil(lambda: session.refined, timeout=TIMEOUT)
    times = [forecasts_of(session, effort)[4].seconds for effort in range(5)]
    box.showPopup()
    box.hidePopup()
    assert times == sorted(times) and times[1] > 10 * times[0]
    assert all("≈" in box.itemText(effort) for effort in range(5))
    memory = window.sidebar.rates.memory.text()
    row = window.sidebar.rates.rows[4].cost.time
    choose(window, 4)
    assert window.sidebar.rates.rows[4].cost.time != row
    assert window.sidebar.rates.memory.text() != memory
    # A finished one says what an effort takes here; the others keep what is known of them.
    compress_at(qtbot, window, 5, 4)
    assert forecasts_of(session, 4)[4].seconds != pytest.approx(times[4], rel=0.05)
    after = [forecasts_of(session, effort)[4].seconds for effort in range(5)]
    assert after[0] == pytest.approx(times[0]) and after[1:] == sorted(after[1:])
    size = session.results[key_of(5, 4)].bytes
    assert forecasts_of(session, 4)[4].bytes <= size, "sizes grow with the rate"
    compress_at(qtbot, window, 4, 0)
    assert forecasts_of(session, 1)[4].bytes == session.results[4].bytes, "about that of no effort"
    assert "≈" not in box.itemText(0)


def test_an_effort_that_was_not_tried_goes_by_the_pace_without() -> None:
    info, pace = RasterInfo("a", "GTiff", 9, 9, 3, "uint8"), Pace()
    plain, effort = kind_of(info, "CPU"), kind_of(info, "CPU", 2)
    for _ in range(3):
        pace.learn(plain, 1.0, 5.0)
    assert pace.seconds(effort, 100.0, plain) == pytest.approx(pace.seconds(plain, 100.0))
    pace.learn(effort, 100.0, 200.0)
    assert pace.seconds(effort, 100.0, plain) < 250 < pace.seconds(plain, 100.0)
    other = kind_of(info, "CPU", 3)
    assert pace.seconds(other, 100.0, effort, plain) == pace.seconds(effort, 100.0)


def test_an_effort_waits_and_is_cancelled(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    open_scene(qtbot, window, scene_path)
    fake.gate = threading.Event()
    window.start_compress()
    choose(window, 1)
    window.start_compress()
    assert key_of(4, 1) in window.session.waiting
    assert window.sidebar.action.main.text() == "Queued: rate 4, effort 1"
    window.actions_["cancel"].trigger()
    qtbot.waitUntil(lambda: not window.session.waiting and not window.session.results, timeout=TIMEOUT)
    fake.gate.set()


def test_refinement_says_how_far_it_is_and_ends_at_once(
    qtbot: QtBot, make_window: Callable[..., MainWindow]
) -> None:
    """With the real codec: progress long before the first tile is there, and Cancel in the middle of it."""
    window = make_window(REAL_ENGINE)
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(SAMPLE)
    qtbot.waitUntil(lambda: window.controller.keeper.ready is not None, timeout=180_000)
    seen: list[float] = []
    window.controller.activity_changed.connect(
        lambda activity: seen.append(activity.seen) if activity is not None and activity.seen else None
    )
    choose(window, 4)
    window.start_compress()
    key = key_of(4, 4)

    def refining() -> bool:
        result = window.session.results.get(key)
        return result is not None and len({round(x, 3) for x in seen if 0 < x < 0.5}) >= 4

    qtbot.waitUntil(refining, timeout=300_000)
    assert window.session.results[key].tiles_done == 0, "long before there is a tile"
    assert window.session.results[key].state is State.RUNNING
    assert window.compare.reconstruction.hint.startswith("Refining")
    start = time.perf_counter()
    with said(qtbot, window, "Cancelled", 60_000):
        window.actions_["cancel"].trigger()
    took = time.perf_counter() - start
    print(f"cancelled within {took:.2f} s")
    assert took < 5.0, "a second on a machine that has nothing else to do"
    assert key not in window.session.results
