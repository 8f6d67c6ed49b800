"""Bands and stretch, values under the pointer, scenes of any size, with a fake codec behind it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot
from rasterio.transform import Affine, from_origin

from fdegc.types import BandStatistics, RasterInfo, RasterStatistics, Samples, Window
from fdegc_gui.jobs.reduction import aligned, block_means
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.display import Display, Rendering, Stretch, band_name, resolve, stretches_for
from fdegc_gui.models.probe import PixelValues, degrees, difference, map_words, number, readout
from fdegc_gui.models.session import STREAM, State
from fdegc_gui.theme import Theme
from fdegc_gui.views.canvas import Pane
from fdegc_gui.views.display_card import DisplayCard
from tests.gui.fakes import FakeEngine, write_stream

TIMEOUT = 10_000
NODATA = 7


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    bands, height, width = pixels.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": bands, "dtype": pixels.dtype}
    profile |= {"crs": "EPSG:32633", "transform": from_origin(5e5, 5.8e6, 0.5, 0.5)}
    with rasterio.open(path, "w", **(profile | options)) as out:
        out.write(pixels)
    return path


@pytest.fixture
def pixels() -> np.ndarray:
    """Four bands of 12 bits, 130 × 100; the upper left corner is nodata."""
    rows, columns = np.mgrid[0:100, 0:130]
    bands = [1000 + 10 * rows, 500 + 8 * columns, 2000 + rows + columns, 3000 - 5 * columns]
    out = np.stack(bands).astype(np.uint16)
    out[:, :20, :20] = NODATA
    return out


@pytest.fixture
def scene(tmp_path: Path, pixels: np.ndarray) -> Path:
    return write(tmp_path / "scene.tif", pixels, nodata=NODATA)


def settled(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.controller.painter.is_settled, timeout=TIMEOUT)


def open_scene(qtbot: QtBot, window: MainWindow, path: Path) -> None:
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(path)
    qtbot.waitUntil(lambda: window.controller.keeper.ready is not None, timeout=TIMEOUT)
    settled(qtbot, window)


def compress(qtbot: QtBot, window: MainWindow, rate: int) -> None:
    window.actions_[f"rate_{rate}"].trigger()
    window.actions_["compress"].trigger()
    results = window.session.results
    qtbot.waitUntil(lambda: rate in results and results[rate].state is State.DONE, timeout=TIMEOUT)


def choose(qtbot: QtBot, window: MainWindow, **changes: object) -> Rendering:
    display = window.session.display
    assert display is not None
    window.session.set_display(replace(display, **changes))  # type: ignore[arg-type]
    rendering = window.session.rendering
    assert rendering is not None

    def done() -> bool:
        result, original = window.session.current, window.session.original
        return all(p is None or p.rendering == rendering for p in (original, result and result.pyramid))

    qtbot.waitUntil(done, timeout=TIMEOUT)
    settled(qtbot, window)
    return rendering


def stretched(band: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = np.clip((band.astype(np.float64) - low) / (high - low), 0, 1) * 255
    return np.rint(scaled).astype(np.uint8)


# ------------------------------------------------------------------------------ what follows from a choice


STATISTICS = RasterStatistics(
    (BandStatistics(0, 100, 10, 90), BandStatistics(-50, 40, -5, 30), BandStatistics(1, 2, 1, 2))
)


@pytest.mark.parametrize(
    ("display", "dtype", "limits"),
    [
        (Display((0,), Stretch.AS_IS), "uint8", None),
        (Display((0,), Stretch.AS_IS), "int16", ((-32768.0, 32767.0),)),
        (Display((1,), Stretch.MIN_MAX), "int16", ((-50, 40),)),
        (Display((2, 1, 0), Stretch.PERCENTILE), "int16", ((1, 2), (-5, 30), (10, 90))),
        (Display((2, 1, 0), Stretch.PERCENTILE, linked=True), "int16", ((-5, 90),) * 3),
        (Display((0,), Stretch.CUSTOM, limits=((3, 4),)), "uint8", ((3, 4),)),
    ],
)
def test_limits_of_a_choice(display: Display, dtype: str, limits: object) -> None:
    rendering = resolve(display, dtype, STATISTICS)
    assert rendering is not None and rendering.limits == limits and rendering.bands == display.bands


def test_choices_that_cannot_be_resolved_or_kept() -> None:
    assert resolve(Display((0,), Stretch.MIN_MAX), "uint8", None) is None
    assert resolve(Display((0,), Stretch.CUSTOM, limits=((1, 2),)), "uint8", None) is not None
    own = Display((0, 1, 2), Stretch.CUSTOM, limits=((1, 2),) * 3)
    assert own.with_bands((2, 1, 0)).limits == own.limits
    assert own.with_bands((0,)).stretch is Stretch.PERCENTILE
    assert own.with_limit(1, (5, 6), own.limits).limits == ((1, 2), (5, 6), (1, 2))
    assert replace(own, linked=True).with_limit(1, (5, 6), own.limits).limits == ((5, 6),) * 3
    assert Stretch.AS_IS in stretches_for("uint16") and Stretch.AS_IS not in stretches_for("float32")


def test_band_names() -> None:
    colors = ("gray", "undefined", "undefined")
    info = RasterInfo("", "GTiff", 1, 1, 3, "uint8", (None, "nir", None), colors)
    assert [band_name(info, i) for i in range(3)] == ["1", "2   nir", "3"]
    grey = RasterInfo("", "GTiff", 1, 1, 1, "uint8", (None,), ("gray",))
    assert band_name(grey, 0) == "1   grey"


# ------------------------------------------------------------------------------ the picture follows


def test_both_panes_follow_and_nothing_is_coded_anew(
    qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray
) -> None:
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 1)
    jobs: list[object] = []
    window.controller.engine.job_started.connect(jobs.append)
    limits = ((2400.0, 3000.0), (1000.0, 2000.0), (500.0, 1500.0))
    choose(qtbot, window, bands=(3, 0, 1), stretch=Stretch.CUSTOM, limits=limits)
    valid = (pixels != NODATA).any(axis=0)
    decoded = pixels // 64 * 64
    for pane, samples in ((window.compare.original, pixels), (window.compare.reconstruction, decoded)):
        assert pane.pyramid is not None and pane.pyramid.complete
        shown = pane.pyramid.levels[0]
        for channel, (band, pair) in enumerate(zip((3, 0, 1), limits, strict=True)):
            expected = stretched(samples[band], *pair) * valid
            np.testing.assert_array_equal(shown[..., 2 - channel], expected)
        np.testing.assert_array_equal(shown[..., 3], 255 * valid)
    assert not [job for job in jobs if getattr(job, "kind", "") in ("compress", "decode")]


def test_nodata_is_left_out_of_the_stretch(
    qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray
) -> None:
    open_scene(qtbot, window, scene)
    rendering = choose(qtbot, window, bands=(1,), stretch=Stretch.MIN_MAX)
    assert rendering.limits == ((500.0, float(pixels[1].max())),)


def test_other_rates_follow_when_they_are_looked_at(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 2)
    compress(qtbot, window, 4)
    rendering = choose(qtbot, window, bands=(2, 2, 2))
    results = window.session.results
    assert results[2].pyramid.rendering != rendering
    window.actions_["rate_2"].trigger()
    qtbot.waitUntil(lambda: results[2].pyramid.rendering == rendering, timeout=TIMEOUT)
    assert window.compare.reconstruction.pyramid is results[2].pyramid


def test_tiles_of_a_running_compression_follow(
    qtbot: QtBot, window: MainWindow, scene: Path, fake: FakeEngine, pixels: np.ndarray
) -> None:
    fake.gate = threading.Event()
    open_scene(qtbot, window, scene)
    window.actions_["rate_6"].trigger()
    window.actions_["compress"].trigger()
    results = window.session.results
    qtbot.waitUntil(lambda: 6 in results and results[6].tiles_done == 1, timeout=TIMEOUT)
    pair = (0.0, 4000.0)
    choose(qtbot, window, bands=(1,), stretch=Stretch.CUSTOM, limits=(pair,))
    expected = stretched(pixels[1] // 2 * 2, *pair)
    expected[:20, :20] = 0
    picture = results[6].pyramid
    qtbot.waitUntil(lambda: not results[6].stale, timeout=TIMEOUT)
    qtbot.waitUntil(
        lambda: np.array_equal(picture.levels[0][:64, :64, 0], expected[:64, :64]), timeout=TIMEOUT
    )
    fake.gate.set()
    qtbot.waitUntil(lambda: results[6].state is State.DONE, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: np.array_equal(picture.levels[0][..., 0], expected), timeout=TIMEOUT)
    assert picture.levels[0][..., 3].sum() == 255 * (130 * 100 - 400)


def test_a_decoded_scene_is_stretched_by_all_of_it(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "scene.fdegc"
    write_stream(path)
    open_stream = window.controller.open
    open_stream(path)
    results = window.session.results
    qtbot.waitUntil(lambda: STREAM in results and results[STREAM].state is State.DONE, timeout=TIMEOUT)
    rendering = choose(qtbot, window, bands=(2,), stretch=Stretch.MIN_MAX)
    assert rendering.limits == ((100.0, 105.0),), "tiles of the fake codec hold 100 and more"
    shown = results[STREAM].pyramid.levels[0]
    assert (shown[0, 0, 0], shown[-1, -1, 0]) == (0, 255)


def test_a_choice_is_kept_for_its_scene(
    qtbot: QtBot, window: MainWindow, scene: Path, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene)
    first = window.session.display
    chosen = choose(qtbot, window, bands=(3, 3, 1))
    open_scene(qtbot, window, scene_path)
    assert window.session.display == Display((0, 1, 2), Stretch.AS_IS)
    open_scene(qtbot, window, scene)
    assert window.session.rendering == chosen
    assert window.session.original is not None and window.session.original.rendering == chosen
    window.compare.display.reset.click()
    assert window.session.display == first


# ------------------------------------------------------------------------------ the card


def card_of(qtbot: QtBot, window: MainWindow, path: Path) -> DisplayCard:
    open_scene(qtbot, window, path)
    window.actions_["display"].trigger()
    assert window.compare.display.isVisible()
    return window.compare.display


def test_bands_by_keyboard(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    card = card_of(qtbot, window, scene)
    band = card.channels[0].band
    qtbot.waitUntil(band.hasFocus, timeout=TIMEOUT)
    assert [band.itemText(i) for i in range(band.count())] == ["1", "2", "3", "4"]
    for _ in range(3):
        qtbot.keyClick(band, Qt.Key.Key_Down)
    assert window.session.display is not None and window.session.display.bands == (3, 1, 2)
    order = []
    for _ in range(3):
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        order.append(window.focusWidget().accessibleName())
    assert order == ["Red: value of black", "Red: value of white", "Band shown as green"]
    qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Escape)
    assert card.isHidden() and not window.actions_["display"].isChecked()
    assert window.compare.reconstruction.hasFocus()


def test_limits_are_typed(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    card = card_of(qtbot, window, scene)
    rendering = window.session.rendering
    assert rendering is not None and rendering.limits is not None
    edit = card.channels[1].high
    edit.setFocus()
    edit.selectAll()
    qtbot.keyClicks(edit, "1234,5")
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    display = window.session.display
    assert display is not None and display.stretch is Stretch.CUSTOM
    assert display.limits[0] == rendering.limits[0]
    assert display.limits[1][1] == 1234.5 and display.limits[1][0] == float(card.channels[1].low.text())
    assert card.stretch.currentText() == Stretch.CUSTOM.value


def test_limits_that_cannot_be_used_are_marked_and_taken_back(
    qtbot: QtBot, window: MainWindow, scene: Path
) -> None:
    card = card_of(qtbot, window, scene)
    before, edit = window.session.display, card.channels[0].low
    text = edit.text()
    edit.setFocus()
    edit.selectAll()
    qtbot.keyClicks(edit, "99999")
    assert edit.property("wrong") is True and "below white" in edit.toolTip()
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert window.session.display == before, "not yet: white may be typed next"
    card.stretch.setFocus()
    assert edit.text() == text and not edit.property("wrong")
    assert window.session.display == before


def test_one_range_for_all_three(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    card = card_of(qtbot, window, scene)
    card.linked.click()
    rendering = window.session.rendering
    assert rendering is not None and rendering.limits is not None and len(set(rendering.limits)) == 1
    assert {channel.low.text() for channel in card.channels} == {card.channels[0].low.text()}


def test_grey_and_colour(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    card = card_of(qtbot, window, scene)
    height = card.height()
    card.grey.click()
    assert window.session.display is not None and window.session.display.bands == (0,)
    assert card.channels[1].band.isHidden() and card.linked.isHidden() and card.height() < height
    card.colour.click()
    assert window.session.display.bands == (0, 1, 2) and card.height() == height
    card.stretch.setCurrentIndex(card.stretch.findText(Stretch.MIN_MAX.value))
    card.stretch.activated.emit(card.stretch.currentIndex())
    assert window.session.display.stretch is Stretch.MIN_MAX


def test_the_card_goes_with_the_scene(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    card = card_of(qtbot, window, scene)
    window.resize(860, 560)
    assert window.compare.rect().contains(card.geometry())
    window.actions_["close_scene"].trigger()
    assert card.isHidden() and not window.actions_["display"].isEnabled()


# ------------------------------------------------------------------------------ under the pointer


def point_at(qtbot: QtBot, window: MainWindow, x: float, y: float) -> None:
    with qtbot.waitSignal(window.controller.prober.reading_changed, timeout=TIMEOUT):
        window.compare.hovered.emit(QPointF(x, y))
    qtbot.waitUntil(lambda: window.controller.prober.reading is not None, timeout=TIMEOUT)


def test_values_of_both_and_their_difference(
    qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray
) -> None:
    open_scene(qtbot, window, scene)
    point_at(qtbot, window, 30.5, 40.5)
    values = [str(v) for v in pixels[:, 40, 30]]
    assert [value for _, value in window.compare.original.readout] == values
    assert window.compare.reconstruction.readout == ()
    compress(qtbot, window, 1)
    qtbot.waitUntil(lambda: bool(window.compare.reconstruction.readout), timeout=TIMEOUT)
    decoded = pixels[:, 40, 30] // 64 * 64
    shown = dict(window.compare.reconstruction.readout)
    assert list(shown) == ["Band 1", "Band 2", "Band 3", "Band 4"]
    for text, now, before in zip(shown.values(), decoded, pixels[:, 40, 30].astype(int), strict=True):
        assert text.startswith(str(now)) and difference(int(now), int(before), "uint16") in text
    point_at(qtbot, window, 3, 3)
    assert window.compare.original.readout == (("", "nodata"),) == window.compare.reconstruction.readout
    window.compare.hovered.emit(None)
    assert window.compare.original.readout == () and window.status.position.text() == ""


def test_where_the_pointer_is(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    open_scene(qtbot, window, scene)
    point_at(qtbot, window, 10.0, 20.0)
    text = window.status.position.text()
    assert text.startswith("col 10  row 20") and "500005.00  5799990.00" in text
    assert "52.350" in text and "° N  15.000" in text and text.endswith("° E")


def test_a_turned_scene_and_one_without_a_place(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    turned = Affine(0, 2, 500_000, 2, 0, 5_800_000)
    path = write(tmp_path / "turned.tif", np.zeros((1, 40, 50), np.uint8), transform=turned)
    open_scene(qtbot, window, path)
    point_at(qtbot, window, 10, 20)
    assert "500040.0  5800020.0" in window.status.position.text()
    points = [rasterio.control.GroundControlPoint(r, c, c, r) for r, c in ((0, 0), (0, 50), (40, 0))]
    path = tmp_path / "points.tif"
    profile = {"driver": "GTiff", "width": 50, "height": 40, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", gcps=points, crs="EPSG:4326", **profile) as out:
        out.write(np.zeros((1, 40, 50), np.uint8))
    open_scene(qtbot, window, path)
    point_at(qtbot, window, 10, 20)
    assert window.status.position.text() == "col 10  row 20"


def test_only_the_answer_about_the_latest_pixel_counts(
    qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray
) -> None:
    open_scene(qtbot, window, scene)
    for x in range(30, 130):
        window.compare.hovered.emit(QPointF(x, 50))
    reading = window.controller.prober
    qtbot.waitUntil(lambda: reading.reading is not None and reading.reading.pixel[0] == 129, timeout=TIMEOUT)
    assert dict(window.compare.original.readout)["Band 2"] == str(pixels[1, 50, 129])


def test_values_follow_the_flip(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 1)
    point_at(qtbot, window, 60, 60)
    before = window.compare.reconstruction.readout
    window.compare.set_flipped(True)
    assert window.compare.reconstruction.readout == window.compare.original.readout != before
    window.compare.set_flipped(False)
    assert window.compare.reconstruction.readout == before


@pytest.mark.usefixtures("small_limits")
def test_a_file_that_vanishes_is_said_in_words(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray]
) -> None:
    open_scene(qtbot, window, noise[0])
    noise[0].unlink()
    with qtbot.waitSignal(window.controller.message, timeout=TIMEOUT) as said:
        window.session.set_display(Display((2, 1, 0), Stretch.AS_IS))
    assert "noise.tif" in said.args[0] and "does not exist" in said.args[0]
    assert window.compare.original.patch is None and window.isVisible()


def test_the_place_is_marked_in_the_other_pane(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    open_scene(qtbot, window, scene)
    before = window.compare.reconstruction.grab().toImage()
    window.compare.original.hovered.emit(QPointF(65, 50))
    assert window.compare.reconstruction.grab().toImage() != before
    window.compare.original.hovered.emit(None)
    assert window.compare.reconstruction.grab().toImage() == before


def test_values_in_words() -> None:
    assert number(-5, "int16") == "−5" and number(0.1 + 0.2, "float64") == "0.3"
    assert number(float(np.float32(12.3456789)), "float32") == "12.34568"
    assert difference(5, 9, "uint8") == "−4" and difference(9, 9, "uint8") == "±0"
    assert difference(1.5, 1.25, "float32") == "+0.25"
    assert degrees((-74.5, -8.25)) == "8.250000° S  74.500000° W"
    info = RasterInfo("", "GTiff", 5, 5, 1, "float32", (None,), ("gray",), has_alpha=True)
    assert readout(info, None) == (("Grey", "…"), ("Alpha", "…"))
    pixel = PixelValues.of(Samples(np.array([[[np.nan]]]), None, np.array([[1.0]])))
    assert not pixel.valid and readout(info, pixel) == (("", "nodata"),)
    two = RasterInfo("", "GTiff", 5, 5, 2, "float32", (None, "b"), ("gray", "undefined"))
    partly = PixelValues.of(Samples(np.array([[[np.nan]], [[2.5]]], np.float32)))
    assert readout(two, partly, PixelValues((1.0, 2.0), None, True)) == (
        ("Grey", "nodata"),
        ("b", "2.5  (+0.5)"),
    )
    identity = replace(info, transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    assert map_words(identity, 1, 1) == "" == map_words(info, 1, 1)
    assert (
        map_words(replace(info, transform=(0.0001, 0, -70.0, 0, -0.0001, 5.0)), 1, 1) == "−69.99990  4.99990"
    )


# ------------------------------------------------------------------------------ scenes of any size


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a scene of half a megapixel were too large to be kept."""
    monkeypatch.setattr("fdegc_gui.models.session.FULL_DETAIL_PIXELS", 10_000)
    monkeypatch.setattr("fdegc_gui.models.session.OVERVIEW_SIDE", 64)
    monkeypatch.setattr("fdegc_gui.jobs.scene.FIRST_LOOK_SIDE", 64)
    monkeypatch.setattr("fdegc.raster.glance.QUICK_BYTES", 10_000)


@pytest.fixture
def noise(tmp_path: Path) -> tuple[Path, np.ndarray]:
    pixels = np.random.default_rng(5).integers(0, 256, (3, 512, 700), dtype=np.uint8)
    path = write(tmp_path / "noise.tif", pixels, tiled=True, blockxsize=64, blockysize=64)
    return path, pixels


def shown_at(pane: Pane, window: Window) -> np.ndarray:
    """Pixels of a pane at 100 %, (rows, columns, 3)."""
    shot = pane.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    rect = pane._scene_rect()
    raw = np.frombuffer(shot.constBits(), np.uint8).reshape(shot.height(), shot.width(), 4)
    top, left = int(rect.y()) + window.y, int(rect.x()) + window.x
    return raw[top : top + window.height, left : left + window.width, 2::-1]


@pytest.mark.usefixtures("small_limits")
def test_a_huge_scene_is_seen_coarsely_then_whole_then_as_fine_as_the_screen(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray]
) -> None:
    path, pixels = noise
    seen: list[tuple[bool, int]] = []
    session = window.session
    session.image_changed.connect(
        lambda: seen.append((session.original.complete, session.original.levels[0].shape[1]))  # type: ignore[union-attr]
    )
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(path)
    assert session.original is not None and session.original.levels[0].shape[1] < 20, "a glance"
    settled(qtbot, window)
    assert session.original.complete and session.original.levels[0].shape[:2] == (32, 44)
    assert seen[0] == (False, 44) and window.compare.original.backdrop is None
    means = pixels[0, :16, :16].mean()
    assert abs(float(session.original.levels[0][0, 0, 2]) - means) <= 1
    window.compare.viewport.restore(QPointF(300, 250), 1.0)
    qtbot.waitUntil(lambda: window.compare.original.patch is not None, timeout=TIMEOUT)
    part = Window(260, 220, 80, 60)
    expected = np.moveaxis(pixels[:, part.rows, part.cols], 0, 2)
    np.testing.assert_array_equal(shown_at(window.compare.original, part), expected)
    window.compare.viewport.set_zoom(0.3)
    qtbot.waitUntil(lambda: window.compare.original.patch.factor == 2, timeout=TIMEOUT)  # type: ignore[union-attr]


def test_a_scene_that_is_slow_to_read_stays_sharp_when_it_is_stretched(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc.raster.glance.QUICK_BYTES", 10_000)
    monkeypatch.setattr("fdegc_gui.jobs.scene.FIRST_LOOK_SIDE", 350)
    open_scene(qtbot, window, noise[0])
    session, sizes = window.session, []
    session.image_changed.connect(lambda: sizes.append(session.original.levels[0].shape[:2]))  # type: ignore[union-attr]
    choose(qtbot, window, bands=(2, 1, 0))
    assert sizes[-1] == (512, 700) and min(sizes) >= (256, 350), "never the glance"


@pytest.mark.usefixtures("small_limits")
def test_a_huge_result_is_shown_as_finely_as_its_original(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray]
) -> None:
    path, pixels = noise
    open_scene(qtbot, window, path)
    compress(qtbot, window, 2)
    window.compare.viewport.restore(QPointF(300, 250), 1.0)
    pane = window.compare.reconstruction
    qtbot.waitUntil(lambda: pane.patch is not None, timeout=TIMEOUT)
    part = Window(260, 220, 80, 60)
    decoded = np.moveaxis(pixels[:, part.rows, part.cols] // 32 * 32, 0, 2)
    np.testing.assert_array_equal(shown_at(pane, part), decoded)
    choose(qtbot, window, bands=(2, 1, 0))
    qtbot.waitUntil(lambda: pane.patch is not None, timeout=TIMEOUT)
    np.testing.assert_array_equal(shown_at(pane, part), decoded[..., ::-1])
    window.actions_["rate_5"].trigger()
    assert pane.patch is None, "no picture of another rate point"


def test_parts_are_aligned_and_averaged() -> None:
    assert aligned(Window(5, 9, 10, 10), 4, 100, 18) == Window(4, 8, 12, 10)
    pixels = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    valid = np.ones((4, 6), bool)
    valid[:2, :2], valid[0, 4] = False, False
    reduced = block_means(Samples(pixels, valid, pixels[0]), 4)
    assert reduced.valid is not None and reduced.valid.all()
    usable = valid[:, :4]
    assert reduced.pixels[0, 0, 0] == round(pixels[0, :, :4][usable].mean())
    missing = np.zeros((2, 4, 6), bool)
    missing[1, :, :4] = True
    partly = block_means(Samples(np.concatenate([pixels, pixels]), valid, None, missing), 4)
    assert partly.missing is not None and partly.missing[:, 0].tolist() == [[False, False], [True, False]]
    assert partly.pixels[0, 0, 0] == reduced.pixels[0, 0, 0]
    assert reduced.alpha is not None and reduced.alpha[0, 1] == round(pixels[0, :, 4:].mean())


# ------------------------------------------------------------------------------ transparency


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_checkerboard_lies_under_the_scene_at_one_size(
    qtbot: QtBot, window: MainWindow, scene: Path, theme: str
) -> None:
    open_scene(qtbot, window, scene)
    window.set_theme(theme)
    pane, tokens = window.compare.original, Theme(theme)
    tokens.apply()
    colors = {tokens.tokens.checker, tokens.tokens.canvas_empty}
    for zoom in (2.0, 4.0):
        window.compare.viewport.restore(QPointF(40, 40), zoom)
        squares = []
        for shift in (0, 5):
            window.compare.viewport.pan(shift, 0)
            shot, rect = pane.grab().toImage(), pane._scene_rect()
            x, y = int(rect.x()), int(rect.y())
            row = [shot.pixelColor(x + i, y + 3).name() for i in range(32)]
            assert set(row) == colors
            squares.append(row)
        assert squares[0] == squares[1], "it moves along with the scene"
        assert len(set(squares[0][:8])) == 1 and squares[0][0] != squares[0][8], "8 pixels at any zoom"
