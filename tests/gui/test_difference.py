"""Differences: their maps, colours and scales, and the figures of a region."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from fdegc.metrics import ErrorAccumulator
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.difference import mean_difference
from fdegc_gui.jobs.similarity import similarity
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.colormaps import DIVERGING, SEQUENTIAL, cielab, table
from fdegc_gui.models.comparison import Layout, unit_of
from fdegc_gui.models.difference import Difference, DifferenceStyle, colored, fitting_limit
from tests.gui.display_steps import NODATA, TIMEOUT, compress, open_scene, settled, write
from tests.gui.fakes import FakeEngine

SIDE = 200


@pytest.fixture
def textured(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Three bands of 8 bits, the middle one constant."""
    pixels = np.random.default_rng(2).integers(0, 256, (3, SIDE, 260), dtype=np.uint8)
    pixels[1] = 128
    return write(tmp_path / "textured.tif", pixels), pixels


def difference(qtbot: QtBot, window: MainWindow) -> Difference:
    def there() -> bool:
        found = window.session.difference
        return (
            window.controller.differ.is_settled
            and found is not None
            and found.complete
            and found.seen == window.compare.visible_part()
        )

    qtbot.waitUntil(there, timeout=TIMEOUT)
    assert window.session.difference is not None
    return window.session.difference


def test_map_of_what_is_in_view(qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray]) -> None:
    path, pixels = textured
    open_scene(qtbot, window, path)
    window.actions_["layout_difference"].trigger()
    pane = window.compare.reconstruction
    assert window.session.difference is None and "compresses at rate" in pane.hint
    compress(qtbot, window, 1)
    window.compare.viewport.restore(QPointF(100, 90), 12.0)
    found = difference(qtbot, window)
    part = found.map.window
    seen = window.compare.visible_part()
    assert seen is not None and found.seen == seen == part.intersection(seen)
    decoded = pixels // 64 * 64
    apart = np.abs(decoded.astype(float) - pixels).mean(axis=0)[part.rows, part.cols]
    assert np.allclose(found.map.values, apart) and pane.patch is found.patch and pane.hint == ""
    window.session.set_style(DifferenceStyle(signed=True, band=0, gain=4))
    found = difference(qtbot, window)
    part = found.map.window
    apart = (decoded.astype(float) - pixels)[0][part.rows, part.cols]
    assert np.allclose(found.map.values, apart) and found.limit == 255 / 4
    legend = pane.legend
    assert legend is not None and legend.ticks == (-63.75, 0.0, 63.75) and legend.words == "B − A, Red"
    window.actions_["gain_up"].trigger()
    assert window.session.style.gain == 8 and difference(qtbot, window).map is found.map, "colours only"
    assert window.compare.bar.gain.currentText() == "×8"
    window.compare.set_layout(Layout.SWIPE)
    assert window.session.difference is None and pane.legend is None and pane.pyramid is not None


def test_a_gain_and_a_band_are_those_of_their_scene(
    qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray], scene_path: Path
) -> None:
    open_scene(qtbot, window, textured[0])
    window.compare.set_layout(Layout.DIFFERENCE)
    window.session.set_style(DifferenceStyle(signed=True, band=0, gain=16))
    assert window.compare.bar.gain.currentText() == "×16"
    open_scene(qtbot, window, scene_path)
    assert window.session.style == DifferenceStyle(signed=True)
    assert window.compare.bar.gain.currentText() == "Auto"
    window.session.set_style(DifferenceStyle(signed=True, gain=16))
    assert window.settings.style == DifferenceStyle(signed=True), "nor does it come back with the program"


def test_zoomed_out_it_is_the_mean_of_differences(
    qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray]
) -> None:
    path, pixels = textured
    open_scene(qtbot, window, path)
    compress(qtbot, window, 1)
    window.compare.set_layout(Layout.DIFFERENCE)
    window.compare.viewport.set_zoom(0.3)
    window.compare.viewport.set_zoom(0.5)
    found = difference(qtbot, window)
    assert found.map.factor == 2 and found.map.values.shape == (SIDE // 2, 130)
    apart = np.abs((pixels // 64 * 64).astype(float) - pixels).mean(axis=0)
    assert np.allclose(found.map.values[5, 7], apart[10:12, 14:16].mean(), atol=1e-3)


def test_two_results_are_compared(
    qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray]
) -> None:
    path, pixels = textured
    open_scene(qtbot, window, path)
    for rate in (4, 1):
        compress(qtbot, window, rate)
    from fdegc_gui.models.comparison import Side

    window.session.choose(Side.A, 4)
    window.session.set_style(DifferenceStyle(signed=True))
    window.compare.set_layout(Layout.DIFFERENCE)
    found = difference(qtbot, window)
    apart = ((pixels // 64 * 64).astype(float) - pixels // 8 * 8).mean(axis=0)
    part = found.map.window
    assert np.allclose(found.map.values, apart[part.rows, part.cols], atol=1e-3)
    window.actions_["swap"].trigger()
    found = difference(qtbot, window)
    part = found.map.window
    assert np.allclose(found.map.values, -apart[part.rows, part.cols], atol=1e-3)


def test_nothing_where_either_has_no_sample(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 1)
    window.compare.set_layout(Layout.DIFFERENCE)
    values = difference(qtbot, window).map.values
    assert np.isnan(values[:20, :20]).all() and not np.isnan(values[20:]).any()


def test_what_is_there_of_a_large_map_is_shown_on_the_way(
    qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc_gui.jobs.difference._CHUNK_PIXELS", 20 * 260)
    monkeypatch.setattr("fdegc_gui.jobs.difference._PART_SECONDS", 0.0)
    open_scene(qtbot, window, textured[0])
    compress(qtbot, window, 1)
    seen: list[Difference | None] = []
    window.session.difference_changed.connect(lambda: seen.append(window.session.difference))
    window.compare.set_layout(Layout.DIFFERENCE)
    whole = difference(qtbot, window)
    first = seen[0]
    assert len(seen) > 3 and first is not None and not first.complete
    assert np.isnan(first.map.values[100:]).all() and (first.patch.bgra[100:, :, 3] == 0).all()
    assert np.array_equal(first.map.values[:20], whole.map.values[:20])
    seen.clear()
    window.compare.viewport.set_zoom(0.5)
    qtbot.waitUntil(lambda: bool(seen) and seen[-1] is not None and seen[-1].map.factor == 2, timeout=TIMEOUT)
    assert all(one is not None and one.complete for one in seen), (
        "the finer map stays until there is all of it"
    )


def test_another_statistic_of_the_same_view(
    qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray
) -> None:
    """The range of 16 bits is what was found in the scene; the gain is named in the bar."""
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 1)
    window.compare.set_layout(Layout.DIFFERENCE)
    good = pixels[:, 20:, 20:].astype(float)
    span = max(float(band.max() - band.min()) for band in pixels[:, pixels[0] != NODATA].astype(float))
    assert good.size and window.session.span == pytest.approx(span)
    assert difference(qtbot, window).limit in (50.0, 100.0)
    assert window.compare.bar.gain.currentText().startswith("Auto  ×")
    box = window.compare.bar.band
    assert [box.itemText(i) for i in range(box.count())][:2] == ["All bands", "Band 1"]
    box.setCurrentIndex(2)
    box.activated.emit(2)
    assert window.session.style.band == 1 and difference(qtbot, window).map.band == 1


@pytest.mark.parametrize("factor", [1, 2, 4, 32])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_mean_difference(factor: int, dtype: str, masked: bool, signed: bool) -> None:
    rng = np.random.default_rng(4)
    a, b = (rng.integers(0, 250, (3, 37, 50)).astype(dtype) for _ in range(2))
    valid = rng.random((37, 50)) < 0.7 if masked else None
    found = mean_difference(Samples(a, valid), Samples(b), signed, None, factor)
    apart = b.astype(float) - a.astype(float)
    apart = apart if signed else np.abs(apart)
    if valid is not None:
        apart = np.where(valid, apart, np.nan)
    for y in range(found.shape[0]):
        for x in range(found.shape[1]):
            block = apart[:, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
            known = block[~np.isnan(block)]
            wanted = known.mean() if known.size else np.nan
            assert found[y, x] == pytest.approx(wanted, rel=1e-4, abs=1e-3, nan_ok=True)


@pytest.mark.parametrize("name", [*SEQUENTIAL, *DIVERGING])
def test_colour_maps_have_even_steps(name: str) -> None:
    """In CIELAB, but for the rounding to 8 bits; so eight steps are looked at as one."""
    lab = cielab(table(name).astype(np.float64) / 255)
    halves = (lab[:128], lab[128:]) if name in DIVERGING else (lab,)
    for half in halves:
        steps = np.linalg.norm(np.diff(half, axis=0), axis=-1)[2:-2]
        eight = np.convolve(steps, np.ones(8), "valid")
        assert eight.std() / eight.mean() < 0.12, name
    if name in SEQUENTIAL:
        assert (np.diff(lab[::8, 0]) > 0).all(), "it gets lighter all the way"


def test_colours_and_scales() -> None:
    values = np.array([[0.0, 5.0, 10.0, 99.0, np.nan]], np.float32)
    bgra = colored(values, 10.0, False, "Grey")
    assert bgra[0, :4, 0].tolist() == [0, table("Grey")[128, 2], 255, 255] and bgra[0, 4].tolist() == [0] * 4
    signed = colored(np.array([[-10.0, 0.0, 10.0]], np.float32), 10.0, True, "Blue – red")
    assert (
        signed[0, 0, 0] > signed[0, 0, 2] and signed[0, 2, 2] > signed[0, 2, 0] and signed[0, 1].min() > 230
    )
    assert fitting_limit(np.full((9, 9), 3.2, np.float32), 255.0) == 5.0
    assert fitting_limit(np.zeros((9, 9), np.float32), 256.0) == 4.0
    assert fitting_limit(np.full((9, 9), 220, np.float32), 255.0) == 255.0
    style = DifferenceStyle()
    assert style.with_more_gain(1, 255, 20).gain == 32 and style.with_more_gain(-9, 255, 20).gain == 1
    info = RasterInfo("", "GTiff", 4, 4, 2, "uint16", scales=(0.1, 0.1), units=("K", "K"))
    assert unit_of(info, (0, 1)) == (0.1, "K") and unit_of(replace(info, units=("K", "m")), (0, 1)) == (
        1.0,
        "",
    )


# ---------------------------------------------------------------------------- regions


def measured(qtbot: QtBot, window: MainWindow) -> dict[str, str]:
    regions = window.controller.regions
    qtbot.waitUntil(lambda: regions.figures is not None and regions.note != "…", timeout=TIMEOUT)
    return window.compare.region.rows


def test_a_region_is_drawn_and_measured(
    qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray]
) -> None:
    path, pixels = textured
    open_scene(qtbot, window, path)
    compress(qtbot, window, 1)
    window.actions_["measure"].trigger()
    window.compare.viewport.restore(QPointF(100, 100), 2.0)
    pane = window.compare.original
    qtbot.mousePress(pane, Qt.MouseButton.LeftButton, pos=QPoint(120, 250))
    qtbot.mouseMove(pane, QPoint(200, 300))
    assert pane.region is not None and window.compare.reconstruction.region == pane.region
    qtbot.mouseRelease(pane, Qt.MouseButton.LeftButton, pos=QPoint(220, 310))
    region = window.controller.regions.window
    assert region is not None and region.width == 50 and region.height in (30, 31)
    rows = measured(qtbot, window)
    errors = ErrorAccumulator(3)
    part = pixels[:, region.rows, region.cols]
    errors.add(part, part // 64 * 64)
    figures = errors.figures([255.0] * 3, "uint8")
    assert rows["PSNR"] == f"{figures.psnr:.2f} dB" and rows["Largest error"] == f"{figures.max_error:g}"
    assert rows["RMSE"] == f"{figures.rmse:.4g}" and rows[
        "Mean error"
    ] == f"{figures.mean_error:.4g}".replace("-", "−")
    assert figures.sam is not None and rows["Spectral angle"] == f"{figures.sam:.4g}°"
    assert rows["MS-SSIM"] == "from 161 px a side"
    card = window.compare.region
    values, spread = card.values.histogram, card.differences.histogram
    assert values is not None and spread is not None
    assert [counts.sum() for counts in values.counts] == [part.size] * 2
    assert spread.counts[0].sum() == part.size and np.isclose(spread.edges[0], -spread.edges[-1])
    card.copy.click()
    text = QGuiApplication.clipboard().text()
    assert f"{region.width} × {region.height} px" in text and "Band\tPSNR" in text and "Red\t" in text
    # Or Escape would stop the figures of the whole result.
    qtbot.waitUntil(lambda: not window.controller.can_cancel, timeout=TIMEOUT)
    qtbot.keyClick(pane, Qt.Key.Key_Escape)
    assert card.isHidden() and pane.region is None and not window.actions_["measure"].isChecked()


def test_what_is_in_view_is_measured(
    qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray]
) -> None:
    open_scene(qtbot, window, textured[0])
    window.actions_["measure_view"].trigger()
    assert "nothing to compare" in window.compare.region.pair.text()
    compress(qtbot, window, 1)
    rows = measured(qtbot, window)
    assert window.controller.regions.window == Window(0, 0, 260, SIDE) and rows["MS-SSIM"] == "0.9877"
    before = rows["PSNR"]
    compress(qtbot, window, 4)
    qtbot.waitUntil(lambda: window.compare.region.rows.get("PSNR", before) != before, timeout=TIMEOUT)
    window.compare.region.grab()


def test_the_card_of_a_region_opens_where_it_covers_least_of_it(
    qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray]
) -> None:
    window.resize(1280, 800)
    open_scene(qtbot, window, textured[0])
    compress(qtbot, window, 1)
    compare, card = window.compare, window.compare.region

    def covered() -> float:
        """Part of what is outlined in both pictures that the card covers."""
        outlines = []
        for pane in (compare.original, compare.reconstruction):
            assert pane.region is not None
            outlines.append(pane.seen_rect(pane.region).toRect().translated(pane.pos()))
        parts = [outline.intersected(card.geometry()) for outline in outlines]
        under = sum(part.width() * part.height() for part in parts)
        return under / sum(outline.width() * outline.height() for outline in outlines)

    for place in (Window(185, 20, 70, 170), Window(5, 20, 70, 170)):
        window.controller.regions.measure(place)
        opened = card.pos()
        measured(qtbot, window)
        assert compare.rect().contains(card.geometry()) and covered() < 0.02
        assert card.x() == opened.x(), "it stays where it has opened as its figures come"
    compare.viewport.zoom_by(1.5)
    compare.resize(compare.size())
    assert card.x() == opened.x()
    qtbot.mousePress(card, Qt.MouseButton.LeftButton, pos=QPoint(150, 20))
    qtbot.mouseMove(card, QPoint(50, 20))
    qtbot.mouseRelease(card, Qt.MouseButton.LeftButton, pos=QPoint(50, 20))
    assert card.is_moved
    moved = card.x()
    window.controller.regions.measure(Window(185, 20, 70, 170))
    measured(qtbot, window)
    assert card.x() == moved != opened.x(), "the user has put it there"


def test_measuring_can_be_cancelled(
    qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_scene(qtbot, window, textured[0])
    compress(qtbot, window, 1)
    import fdegc.metrics

    running, plain = threading.Event(), fdegc.metrics.compare

    def slow(*arguments: object, **options: object) -> object:
        cancel = options["cancel"]
        running.set()
        while True:
            cancel.check()  # type: ignore[attr-defined]

    monkeypatch.setattr("fdegc.metrics.compare", slow)
    window.controller.regions.measure(Window(0, 0, 100, 100))
    qtbot.waitUntil(running.is_set, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: window.actions_["cancel"].isEnabled(), timeout=TIMEOUT)
    window.actions_["cancel"].trigger()
    qtbot.waitUntil(lambda: window.controller.regions.figures is not None, timeout=TIMEOUT)
    assert "Cancelled" in window.compare.region.pair.text()
    running.clear()
    window.controller.regions.measure(Window(0, 0, 90, 100))
    qtbot.waitUntil(running.is_set, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: window.actions_["cancel"].isEnabled(), timeout=TIMEOUT)
    assert window.compare.region.isVisible()
    qtbot.keyClick(window.compare.reconstruction, Qt.Key.Key_Escape)
    assert not window.compare.region.isVisible(), "Escape takes away what it measures"
    qtbot.waitUntil(lambda: not window.controller.can_cancel, timeout=TIMEOUT)
    monkeypatch.setattr("fdegc.metrics.compare", plain)


def test_a_region_of_16_bits_with_nodata(
    qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray, fake: FakeEngine
) -> None:
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 2)
    window.controller.regions.measure(Window(10, 10, 60, 60))
    rows = measured(qtbot, window)
    part = pixels[:, 10:70, 10:70].astype(int)
    good = part[0] != NODATA
    apart = (part // 32 * 32 - part)[:, good]
    assert rows["Largest error"] == f"{np.abs(apart).max()}"
    assert rows["RMSE"] == f"{np.sqrt((apart**2).mean()):.4g}"
    window.controller.regions.measure(Window(0, 0, 15, 15))
    qtbot.waitUntil(lambda: window.controller.regions.figures is not None, timeout=TIMEOUT)
    assert "no valid pixel" in window.compare.region.pair.text()
    settled(qtbot, window)


@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_local_ssim_is_that_of_the_definition(factor: int, dtype: str) -> None:
    random = np.random.default_rng(8)
    top = 255 if dtype == "uint8" else 4000
    a = random.integers(0, top, (2, 48, 61)).astype(dtype)
    b = (a * 0.8 + random.integers(0, top // 5, a.shape)).astype(dtype)
    found = similarity(Samples(a), Samples(b), None, factor, 0.0, float(top), lambda: None)
    x = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    kernel = np.outer(x, x) / np.outer(x, x).sum()

    def at(row: int, column: int) -> float:
        values = []
        for one, other in zip(a.astype(float), b.astype(float), strict=True):
            pair = []
            for plane in (one, other):
                plane = plane[: plane.shape[0] // factor * factor, : plane.shape[1] // factor * factor]
                height, width = plane.shape[0] // factor, plane.shape[1] // factor
                means = plane.reshape(height, factor, width, factor).mean((1, 3)) * 255 / top
                pair.append(means[row - 5 : row + 6, column - 5 : column + 6])
            p, q = pair
            mp, mq = (kernel * p).sum(), (kernel * q).sum()
            vp, vq = (kernel * p * p).sum() - mp**2, (kernel * q * q).sum() - mq**2
            cov = (kernel * p * q).sum() - mp * mq
            values.append(
                (2 * mp * mq + 6.5025)
                * (2 * cov + 58.5225)
                / ((mp**2 + mq**2 + 6.5025) * (vp + vq + 58.5225))
            )
        return float(np.mean(values))

    assert found.shape == (-(-48 // factor), -(-61 // factor))
    for row, column in ((5, 5), (7, 9), (9, 12)):
        assert found[row, column] == pytest.approx(at(row, column), abs=2e-3)
    same = similarity(Samples(a), Samples(a), None, factor, 0.0, float(top), lambda: None)
    assert same == pytest.approx(np.ones(same.shape), abs=1e-5)


def test_map_of_local_ssim_of_what_is_in_view(
    qtbot: QtBot, window: MainWindow, textured: tuple[Path, np.ndarray]
) -> None:
    path, pixels = textured
    open_scene(qtbot, window, path)
    compress(qtbot, window, 1)
    window.actions_["layout_difference"].trigger()
    bar = window.compare.bar
    bar.kind.setCurrentIndex(bar.kind.findText("SSIM"))
    bar.kind.activated.emit(bar.kind.currentIndex())
    window.compare.viewport.restore(QPointF(130, 100), 3.0)
    found = difference(qtbot, window)
    assert found.style.similar and not found.style.signed and found.map.similar
    store = window.session.results[1].store
    whole = Window(0, 0, 260, SIDE)
    expected = 1 - similarity(
        Samples(pixels), store.read(whole), None, found.map.factor, 0.0, 255.0, lambda: None
    )
    # The same whether the scene is computed at once, or what is in view in strips.
    assert found.map.values == pytest.approx(found_part(expected, found), abs=1e-4)
    legend = window.compare.reconstruction.legend
    assert legend is not None and legend.words.startswith("SSIM, 1 is equal")
    assert legend.ticks[0] == 1.0 and legend.ticks[-1] == 1.0 - found.limit
    window.actions_["gain_up"].trigger()
    assert difference(qtbot, window).limit == 1.0 / window.session.style.gain  # type: ignore[operator]
    assert window.settings.style.similar
    window.actions_["signed"].trigger()
    assert not window.session.style.similar


def found_part(expected: np.ndarray, found: Difference) -> np.ndarray:
    x, y = found.map.window.x // found.map.factor, found.map.window.y // found.map.factor
    height, width = found.map.values.shape
    return expected[y : y + height, x : x + width]


def test_local_ssim_where_samples_are_missing(
    qtbot: QtBot, window: MainWindow, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc_gui.jobs.difference._CHUNK_PIXELS", 130 * 20)  # many strips
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 1)
    window.session.set_style(DifferenceStyle(similar=True))
    window.actions_["layout_difference"].trigger()
    found = difference(qtbot, window)
    side = 20 // found.map.factor
    assert np.isnan(found.map.values[:side, :side]).all()
    rest = found.map.values[-side:]
    assert np.isfinite(rest).all() and (rest >= -1e-5).all() and (rest <= 2).all()
