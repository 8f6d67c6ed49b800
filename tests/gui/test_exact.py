"""Without loss, with a largest error, and what is coded so unasked: palettes and classes."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from PIL import Image
from pytestqt.qtbot import QtBot

from fdegc.cli import main
from fdegc.codec.exact_estimate import estimate_exact
from fdegc.errors import Cancelled
from fdegc.format.info import read_info
from fdegc.memory import MEMORY_SHARE
from fdegc.options import TILE_SIZE, EncodeOptions
from fdegc.raster import open_raster
from fdegc.weights import tile_bytes
from fdegc_gui.jobs.engine import REAL_ENGINE
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.points import BOUNDED, OURS
from fdegc_gui.models.result import State
from fdegc_gui.models.way import EXACT
from fdegc_gui.text import NONE
from tests.gui.display_steps import write
from tests.gui.fakes import FakeCodec, FakeUser, saved
from tests.gui.window_steps import compress, open_scene

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

TIMEOUT = 60_000


@pytest.fixture
def palette_path(tmp_path: Path) -> Path:
    """Six colours in patches, 200 × 150, one of them transparent."""
    indices = np.random.default_rng(4).integers(0, 6, (10, 13)).repeat(16, 0).repeat(16, 1)[:150, :200]
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 250, 250, 0, 0, 77, 99])
    image.save(tmp_path / "map.png", transparency=3)
    return tmp_path / "map.png"


def code_exactly(qtbot: QtBot, window: MainWindow) -> None:
    window.actions_["compress"].trigger()
    session = window.session
    qtbot.waitUntil(
        lambda: session.current is not None and session.current.state is State.DONE, timeout=TIMEOUT
    )


def test_a_palette_is_announced_before_it_is_coded_and_selects_no_loss(
    qtbot: QtBot, window: MainWindow, palette_path: Path
) -> None:
    open_scene(qtbot, window, palette_path)
    session, rates = window.session, window.sidebar.rates
    qtbot.waitUntil(lambda: session.rate == EXACT, timeout=TIMEOUT)
    assert not session.results
    assert "without loss" in window.notice.heading.text()
    assert "palette, which is kept" in window.notice.text.text()
    assert "“Use the network all the same” has its colours coded" in window.notice.text.text()
    assert window.notice.isVisible() and rates.options.network.isVisible()
    assert not rates.options.bound.isVisible()
    assert [rate for rate, row in rates.rows.items() if row.isEnabled()] == [EXACT]
    assert not window.actions_["rate_3"].isEnabled()
    assert window.sidebar.action.main.text() == "Compress without loss"
    assert session.options(EXACT) == EncodeOptions(max_error=0.0)
    assert "100 MB" not in rates.memory.text(), "which the network would take"
    assert window.sidebar.facts.values["Colours"] == "of a palette, whose indices are in the file"


def test_classes_without_a_palette_are_announced(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    classes = np.random.default_rng(4).integers(0, 6, (10, 13)).repeat(16, 0).repeat(16, 1).astype(np.uint8)
    open_scene(qtbot, window, write(tmp_path / "classes.tif", classes[None]))
    session = window.session
    qtbot.waitUntil(lambda: session.rate == EXACT, timeout=TIMEOUT)
    assert not session.results and window.notice.isVisible()
    assert window.notice.heading.text() == "This scene is coded without loss"
    assert "6 distinct values in large areas" in window.notice.text.text()


def test_a_scene_of_more_bands_after_one_without_loss(
    qtbot: QtBot, window: MainWindow, palette_path: Path, tmp_path: Path
) -> None:
    """The rate goes back when the palette is left; what is told of that is of the new scene already."""
    open_scene(qtbot, window, palette_path)
    qtbot.waitUntil(lambda: window.session.rate == EXACT, timeout=TIMEOUT)
    pixels = np.random.default_rng(3).integers(0, 9000, (13, 40, 50), dtype=np.uint16)
    seen: list[int] = []

    def look(_rate: int) -> None:
        rendering, scene = window.session.rendering, window.session.scene
        assert rendering is not None and scene is not None
        seen.append(scene.info.bands)

    window.session.rate_changed.connect(look)
    open_scene(qtbot, window, write(tmp_path / "many.tif", pixels))
    assert seen and set(seen) == {13} and window.session.rate != EXACT


def test_the_network_all_the_same_is_a_switch(qtbot: QtBot, window: MainWindow, palette_path: Path) -> None:
    open_scene(qtbot, window, palette_path)
    session, rates = window.session, window.sidebar.rates
    qtbot.waitUntil(lambda: session.rate == EXACT, timeout=TIMEOUT)
    rates.options.network.click()
    assert session.rate == 4 and not window.notice.isVisible()
    assert session.options(4) == EncodeOptions(quality=4.0, lossy=True)
    compress(qtbot, window, 4)
    assert 20 < session.results[4].live_psnr(None) < 60
    rates.options.network.click()
    assert session.rate == EXACT and session.current is None
    assert window.notice.isVisible()


def test_another_scene_has_its_rate_point_back(
    qtbot: QtBot, window: MainWindow, palette_path: Path, scene_path: Path
) -> None:
    open_scene(qtbot, window, palette_path)
    qtbot.waitUntil(lambda: window.session.rate == EXACT, timeout=TIMEOUT)
    open_scene(qtbot, window, scene_path)
    assert window.session.rate == 4 and not window.session.unasked
    assert window.settings.rate == 4
    assert all(row.isEnabled() for row in window.sidebar.rates.rows.values())


def test_a_largest_error_is_asked_for_and_kept_apart_from_rate_points(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    session, rates = window.session, window.sidebar.rates
    compress(qtbot, window, 4)
    rates.rows[EXACT].click()
    assert rates.options.bound.isVisible() and not rates.options.network.isVisible()
    code_exactly(qtbot, window)
    assert session.current is not None and session.current.bound == 0
    assert session.current.live_psnr(None) == math.inf
    assert session.current.title == "without loss"
    assert session.current.encode is not None  # where nothing was decoded, as of a real one
    session.current.encode = replace(session.current.encode, reconstruct_seconds=0.0)
    session.result_changed.emit(session.key)
    cell = window.sidebar.metrics.cells["decode_time"]
    assert cell.value.text() == NONE and "Nothing was decoded" in cell.toolTip()
    point = next(point for point in window.sidebar.results.model.points() if point.key == EXACT)
    assert point.facts.startswith("FDEGC without loss, on ") and point.decode_seconds is None
    rates.options.bound.setValue(5)
    assert session.current is None  # what is there promises something else
    assert window.sidebar.action.main.text() == "Compress with errors up to 5"
    assert "λ" not in window.compare.chips[list(window.compare.chips)[1]].text()
    code_exactly(qtbot, window)
    assert session.current.bound == 5
    points = window.sidebar.results.model.points()
    assert [(point.name, point.series) for point in points] == [
        ("Rate 4", OURS), ("Errors up to 5", BOUNDED),
    ]  # fmt: skip
    assert rates.rows[EXACT].cost.exact
    rates.options.bound.setValue(6)
    assert not rates.rows[EXACT].cost.exact
    window.sidebar.results.chosen.emit(EXACT)  # brings back what it promises
    assert session.bound == 5 and session.current is not None


def test_the_estimate_of_no_loss_comes_from_coding_parts_so(
    qtbot: QtBot, window: MainWindow, scene_path: Path, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    session = window.session
    qtbot.waitUntil(lambda: EXACT in session.estimates, timeout=TIMEOUT)
    exactly = session.estimates[EXACT].bytes
    assert main(["compress", str(scene_path), str(tmp_path / "x.fdegc"), "--lossless"]) == 0
    assert exactly == pytest.approx((tmp_path / "x.fdegc").stat().st_size, rel=0.05)
    session.set_rate(EXACT)
    session.set_bound(10.0)
    assert EXACT not in session.estimates
    qtbot.waitUntil(lambda: EXACT in session.estimates, timeout=TIMEOUT)
    assert session.estimates[EXACT].bytes < exactly / 2
    row = window.sidebar.rates.rows[EXACT]
    assert row.cost.size.startswith("≈") and row.words == "± 10"


def test_the_next_scene_does_not_wait_for_the_estimate_of_no_loss(
    qtbot: QtBot, window: MainWindow, scene_path: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, gate = threading.Event(), threading.Event()

    def busy(*_: object) -> None:
        entered.set()
        gate.wait(TIMEOUT / 1000)  # it does not listen
        raise Cancelled

    monkeypatch.setattr("fdegc.codec.exact_estimate.estimate_exact", busy)
    open_scene(qtbot, window, scene_path)
    qtbot.waitUntil(entered.is_set, timeout=TIMEOUT)
    try:
        open_scene(qtbot, window, scene)
        assert window.session.scene is not None and window.session.scene.path == scene
        assert EXACT not in window.session.estimates
    finally:
        gate.set()


def test_another_largest_error_asks_for_no_second_estimate_of_the_rates(
    qtbot: QtBot, window: MainWindow, scene_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, gate, estimate = [], threading.Event(), FakeCodec.estimate_all

    def slow(self: FakeCodec, *arguments: object, **named: object) -> object:
        calls.append(self)
        gate.wait(TIMEOUT / 1000)
        return estimate(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeCodec, "estimate_all", slow)
    open_scene(qtbot, window, scene_path)
    try:
        qtbot.waitUntil(lambda: EXACT in window.session.estimates, timeout=TIMEOUT)
        assert len(calls) == 1
        window.session.set_bound(3.0)
        qtbot.waitUntil(lambda: EXACT in window.session.estimates, timeout=TIMEOUT)
    finally:
        gate.set()
    qtbot.waitUntil(lambda: window.session.refined, timeout=TIMEOUT)
    assert len(calls) == 1


def test_estimate_within_a_fifth_of_the_file(tmp_path: Path) -> None:
    path, out = tmp_path / "map.png", tmp_path / "x.fdegc"
    random = np.random.default_rng(4)
    indices = random.integers(0, 6, (160, 200)).repeat(7, 0).repeat(6, 1)
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette(random.integers(0, 256, 18).tolist())
    image.save(path)
    assert main(["compress", str(path), str(out)]) == 0
    with open_raster(path, palette="indices") as source:
        assert estimate_exact(source, 0.0).bytes == pytest.approx(out.stat().st_size, rel=0.2)


def test_a_palette_goes_through_the_app_and_out_again(
    qtbot: QtBot,
    make_window: Callable[..., MainWindow],
    user: FakeUser,
    palette_path: Path,
    tmp_path: Path,
) -> None:
    window = make_window(REAL_ENGINE)
    open_scene(qtbot, window, palette_path)
    qtbot.waitUntil(lambda: window.session.rate == EXACT, timeout=TIMEOUT)
    code_exactly(qtbot, window)
    result = window.session.current
    assert result is not None and result.stream_path is not None
    assert read_info(result.stream_path).bound == 0
    assert main(["compress", str(palette_path), str(tmp_path / "line.fdegc")]) == 0
    assert result.bytes == (tmp_path / "line.fdegc").stat().st_size
    with Image.open(palette_path) as image:
        before = np.asarray(image)
    for name in ("out.png", "out.tif"):
        user.answer = tmp_path / name
        with saved(qtbot, window, TIMEOUT):
            window.actions_["export_image"].trigger()
        assert user.suggested.endswith("map-lossless.png")
        with rasterio.open(tmp_path / name) as dataset:
            assert dataset.count == 1
            assert np.array_equal(dataset.read(1), before)
            assert dataset.colormap(1)[4][:3] == (250, 250, 0)
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["transparency"] is not None


def test_time_without_loss_heeds_the_memory_that_there_is(
    scene_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 700, 1100), dtype=np.uint8)  # six tiles
    path = write(scene_path.with_name("large.tif"), pixels)
    ticks = itertools.count()
    monkeypatch.setattr("fdegc.codec.exact_estimate._SIDE", 32)
    monkeypatch.setattr("fdegc.codec.exact_estimate.time.perf_counter", lambda: next(ticks) * 1.0)
    monkeypatch.setattr("fdegc.memory.usable_cores", lambda: 4)
    with open_raster(path) as source:
        plenty = estimate_exact(source, 0.0)
        room = 2.5 * tile_bytes(source.info, TILE_SIZE) / MEMORY_SHARE
        monkeypatch.setattr("fdegc.memory.psutil.virtual_memory", lambda: SimpleNamespace(available=room))
        scarce = estimate_exact(source, 0.0)
    assert scarce.bytes == plenty.bytes
    assert scarce.seconds == pytest.approx(2 * plenty.seconds)  # two tiles at a time, not four
