"""Sums over blocks of two pictures: maps made of them are those of the samples, and at hand beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.block_sums import BlockSums
from fdegc_gui.jobs.difference import mean_difference
from fdegc_gui.jobs.similarity import REACH, similarity
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import Layout
from fdegc_gui.models.difference import DifferenceStyle
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.sample_store import SampleStore
from tests.gui.display_steps import TIMEOUT, compress, open_scene
from tests.gui.test_difference import difference

_CELL = 32
HEIGHT, WIDTH = 71, 90
WHOLE = Window(0, 0, WIDTH, HEIGHT)


@pytest.fixture(autouse=True)
def small_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdegc_gui.jobs.block_sums._CELL", _CELL)


def pair(dtype: str, gaps: str) -> tuple[Samples, Samples]:
    """Two pictures of three bands; ``gaps`` are of all bands, of single ones, or none."""
    random = np.random.default_rng(5)
    low = {"uint8": 0, "int8": -128, "uint16": 0, "int16": -3000}.get(dtype, 250_000)
    top = 127 if dtype == "int8" else low + 255 if dtype == "uint8" else low + 4000
    a, b = (random.integers(low, top, (3, HEIGHT, WIDTH)).astype(dtype) for _ in range(2))
    valid = random.random((HEIGHT, WIDTH)) < 0.8 if gaps == "all" else None
    missing = random.random((3, HEIGHT, WIDTH)) < 0.2 if gaps == "single" else None
    if valid is not None:
        valid[40:, 50:] = False
    return Samples(a, valid, None, missing), Samples(b)


def sums_of(a: Samples, b: Samples, black: float = 0.0, parts: Window = WHOLE) -> BlockSums:
    sums = BlockSums(RasterInfo("", "GTiff", WIDTH, HEIGHT, 3, str(a.pixels.dtype)), black)
    for cell in sums.missing(parts):
        sums.add(cell, a.part(cell), b.part(cell))
    return sums


@pytest.mark.parametrize("factor", [2, 4, 32])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("gaps", ["none", "all", "single"])
def test_maps_of_sums_are_those_of_the_samples(factor: int, dtype: str, gaps: str) -> None:
    a, b = pair(dtype, gaps)
    sums = sums_of(a, b, 250_000.0 if dtype in ("int32", "float32", "float64") else 0.0)
    assert sums.factor == 2 and not sums.missing(WHOLE)
    for band in (None, 1):
        for signed in (False, True):
            expected = mean_difference(a, b, signed, band, factor)
            found = sums.differences(WHOLE, factor, signed, band)
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-3, nan_ok=True)
        black = float(a.pixels.min())
        expected = similarity(a, b, band, factor, black, 4000.0, lambda: None)
        found = sums.similarity(WHOLE, factor, band, black, 4000.0, REACH, lambda: None)
        assert found == pytest.approx(expected, abs=2e-4, nan_ok=True)


def test_nothing_is_said_of_what_has_not_been_added() -> None:
    a, b = pair("uint8", "none")
    sums = sums_of(a, b, parts=Window(40, 33, 10, 5))
    assert sums.missing(WHOLE)[0].y == 32, "the middle first"
    found = sums.differences(WHOLE, 4, False, None)
    there = np.zeros(found.shape, np.bool_)
    there[8:16, 8:16] = True
    assert np.array_equal(~np.isnan(found), there)
    assert found[there] == pytest.approx(mean_difference(a, b, False, None, 4)[there], rel=1e-5)
    found = sums.similarity(WHOLE, 2, None, 0.0, 255.0, 5, lambda: None)
    expected = similarity(a, b, None, 2, 0.0, 255.0, lambda: None)
    known = ~np.isnan(found)
    assert known[21:27, 21:27].all() and known.sum() == 36, "SSIM reaches five blocks beyond its pixel"
    assert found[known] == pytest.approx(expected[known], abs=1e-5)


def test_blocks_are_as_small_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    def factor(width: int, height: int, bands: int, dtype: str) -> int:
        return BlockSums(RasterInfo("", "GTiff", width, height, bands, dtype), 0.0).factor

    assert factor(9200, 6750, 3, "uint8") == 4 and factor(9200, 6750, 3, "uint16") == 8
    assert factor(800, 800, 3, "float64") == 2 and factor(20_000, 20_000, 13, "uint16") == 32
    assert factor(10**6, 10**6, 3, "uint8") == 128


def test_a_large_scene_is_read_once_for_all_maps_of_all_of_it(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums are made before anybody looks; then neither file is read again, and no map waits for one."""
    monkeypatch.setattr("fdegc_gui.control.differing._FILLED_PIXELS", (1, 10**9))
    path, pixels = noise
    open_scene(qtbot, window, path)
    compress(qtbot, window, 1)
    qtbot.waitUntil(lambda: window.controller.differ.is_prepared, timeout=TIMEOUT)
    assert window.session.difference is None, "nobody has looked yet"
    reads: list[Window] = []
    read = SampleStore.read

    def noted(store: SampleStore, part: Window) -> Samples:
        reads.append(part)
        return read(store, part)

    monkeypatch.setattr(SampleStore, "read", noted)
    window.session.set_style(DifferenceStyle(signed=True))
    window.compare.viewport.set_zoom(0.5)
    window.compare.set_layout(Layout.DIFFERENCE)
    found = difference(qtbot, window)
    store = window.session.results[1].store
    of_maps = [part for part in reads if part.width >= _CELL]
    assert found.map.factor == 2 and not of_maps
    height, width = pixels.shape[1:]
    decoded = read(store, Window(0, 0, width, height)).pixels
    expected = mean_difference(Samples(pixels), Samples(decoded), True, None, 2)
    window_of = found.map.window
    part = expected[
        window_of.y // 2 : window_of.y // 2 + found.map.values.shape[0],
        window_of.x // 2 : window_of.x // 2 + found.map.values.shape[1],
    ]
    assert found.map.values == pytest.approx(part, abs=1e-3)


def test_sums_of_a_result_that_is_made_anew_are_other_ones(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc_gui.control.differing._FILLED_PIXELS", (1, 10**9))
    open_scene(qtbot, window, noise[0])
    differ, results = window.controller.differ, window.session.results
    seen: list[Result] = []

    def made() -> bool:
        result, kept = results.get(1), differ._sums
        new = result is not None and result.state is State.DONE and result not in seen
        return new and kept is not None and kept.results[1] is result and differ.is_prepared

    for _ in range(3):  # the third is stored where the first one was
        window.actions_["rate_1"].trigger()
        window.actions_["compress"].trigger()
        qtbot.waitUntil(made, timeout=TIMEOUT)
        seen.append(results[1])
    assert seen[0].store == seen[2].store


def test_what_is_there_of_a_map_of_all_is_shown_and_marked(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc_gui.jobs.difference._PART_SECONDS", 0.0)
    open_scene(qtbot, window, noise[0])
    compress(qtbot, window, 1)
    words: list[str] = []

    def look() -> None:
        legend = window.compare.reconstruction.legend
        if legend is not None:
            words.append(legend.words)

    window.compare.viewport.set_zoom(0.25)
    window.session.difference_changed.connect(look)
    window.compare.set_layout(Layout.DIFFERENCE)
    difference(qtbot, window)
    assert any("not all of it yet" in word for word in words) and "yet" not in words[-1]
