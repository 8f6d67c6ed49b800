"""Bands, stretch and the display card, with a fake codec behind them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from fdegc.raster_info import RasterInfo
from fdegc.types import BandStatistics, RasterStatistics
from fdegc_gui.jobs.coding import Compress
from fdegc_gui.jobs.decoding import Decode
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import Layout
from fdegc_gui.models.display import (
    GAMMA_STEPS,
    Display,
    Stretch,
    band_name,
    gamma_at,
    gamma_step,
    resolve,
    stretches_for,
)
from fdegc_gui.models.result import State
from fdegc_gui.models.scene import STREAM
from fdegc_gui.models.spread import BINS, spread_of
from fdegc_gui.style.theme import Theme
from fdegc_gui.views.display_card import DisplayCard
from tests.gui.display_steps import NODATA, TIMEOUT, choose, compress, open_scene, settled, stretched
from tests.gui.fakes import FakeEngine, said, write_stream

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
    qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 1)
    jobs: list[object] = []
    submit = window.controller.engine.submit
    monkeypatch.setattr(
        window.controller.engine,
        "submit",
        lambda job, **answers: (jobs.append(job), submit(job, **answers))[1],
    )
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
    assert not [job for job in jobs if isinstance(job, Compress | Decode)]


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
    white = card.channels[0].high.text()
    assert edit.property("wrong") is True and card.fault.isVisible()
    assert card.fault.text() == f"Black of red has to be below its white, {white}."
    qtbot.keyClicks(edit, "x")
    assert card.fault.text() == "Black of red: “99999x” is not a number."
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert window.session.display == before, "not yet: white may be typed next"
    card.stretch.setFocus()
    assert edit.text() == text and not edit.property("wrong") and card.fault.isHidden()
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


def test_gamma(qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray) -> None:
    card = card_of(qtbot, window, scene)
    compress(qtbot, window, 1)
    limits = ((1000.0, 2000.0),)
    choose(qtbot, window, bands=(0,), stretch=Stretch.CUSTOM, limits=limits)
    card.gamma.setFocus()
    for _ in range(10):
        qtbot.keyClick(card.gamma, Qt.Key.Key_Right)
    assert card.gamma_value.text() == "2.00"
    rendering = window.session.rendering
    assert rendering is not None and rendering.gamma == 2.0
    results = window.session.results
    qtbot.waitUntil(lambda: results[1].pyramid.rendering == rendering, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: window.session.original.rendering == rendering, timeout=TIMEOUT)
    valid = pixels[0] != NODATA
    for pane, samples in (
        (window.compare.original, pixels),
        (window.compare.reconstruction, pixels // 64 * 64),
    ):
        assert pane.pyramid is not None
        part = np.clip((samples[0].astype(np.float64) - 1000) / 1000, 0, 1)
        np.testing.assert_array_equal(pane.pyramid.levels[0][..., 0], np.rint(part**0.5 * 255) * valid)
    card.reset.click()
    assert card.gamma.value() == 0 and card.gamma_value.text() == "1.00"


def test_steps_of_gamma() -> None:
    assert [gamma_at(step) for step in (-GAMMA_STEPS, 0, GAMMA_STEPS)] == [0.25, 1.0, 4.0]
    assert all(gamma_step(gamma_at(step)) == step for step in range(-GAMMA_STEPS, GAMMA_STEPS + 1))


def test_stretch_to_what_is_in_view(
    qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray
) -> None:
    card = card_of(qtbot, window, scene)
    window.compare.viewport.restore(QPointF(70, 50), 16.0)
    settled(qtbot, window)
    part = window.compare.visible_part()
    assert part is not None and part.width < 60
    card.fit_view.click()
    qtbot.waitUntil(lambda: window.session.display.stretch is Stretch.CUSTOM, timeout=TIMEOUT)
    display = window.session.display
    assert display is not None
    seen = pixels[:, part.rows, part.cols]
    expected = [tuple(np.percentile(seen[band], (2, 98))) for band in display.bands]
    np.testing.assert_allclose(display.limits, expected)
    window.compare.viewport.restore(QPointF(8, 8), 64.0)
    assert window.compare.visible_part().x + window.compare.visible_part().width <= 20
    with said(qtbot, window, "No pixel in view is valid.", TIMEOUT):
        window.actions_["stretch_view"].trigger()
    assert window.session.display == display


def test_stretch_to_a_view_of_a_compressed_file(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    write_stream(tmp_path / "scene.fdegc")
    window.controller.open(tmp_path / "scene.fdegc")
    results = window.session.results
    qtbot.waitUntil(lambda: STREAM in results and results[STREAM].state is State.DONE, timeout=TIMEOUT)
    window.actions_["display"].trigger()
    qtbot.waitUntil(lambda: window.compare.display.histogram.spread is not None, timeout=TIMEOUT)
    window.actions_["stretch_view"].trigger()
    qtbot.waitUntil(lambda: window.session.display.stretch is Stretch.CUSTOM, timeout=TIMEOUT)
    low, high = window.session.display.limits[0]
    assert 100 <= low < high <= 105, "tiles of the fake codec hold 100 and more"


def test_histogram_of_the_shown_bands(
    qtbot: QtBot, window: MainWindow, scene: Path, pixels: np.ndarray
) -> None:
    card = card_of(qtbot, window, scene)
    qtbot.waitUntil(lambda: card.histogram.spread is not None, timeout=TIMEOUT)
    spread = card.histogram.spread
    assert spread.bands == (0, 1, 2)
    for band, counts in zip(spread.bands, spread.counts, strict=True):
        values = pixels[band][pixels[band] != NODATA]
        expected, _ = np.histogram(values, BINS, (spread.low, spread.high))
        np.testing.assert_array_equal(counts, expected)
    card.grab()
    card.grey.click()
    qtbot.waitUntil(lambda: card.histogram.spread.bands == (0,), timeout=TIMEOUT)
    assert len(card.histogram.spread.counts) == 1
    card.grab()
    window.actions_["display"].trigger()
    window.actions_["close_scene"].trigger()


def test_spread_of_odd_values() -> None:
    assert spread_of((0,), {0: np.zeros(0)}) is None
    constant = spread_of((0, 0), {0: np.full(9, 3.0)})
    assert constant is not None and (constant.low, constant.high) == (2.5, 3.5)
    assert constant.counts.sum() == 18 and constant.limits == ((3.0, 3.0),) * 2
    values = np.append(np.arange(1000.0), 1e9)
    outlier = spread_of((4,), {4: values})
    assert outlier is not None and outlier.low == 0 and 1000 < outlier.high < 2000, "still something to see"


def test_cards_are_dragged_aside_and_stay_on_the_stage(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    card = card_of(qtbot, window, scene)
    before, stage = card.pos(), window.compare
    grip = QPoint(30, 12)
    assert not card.is_moved and isinstance(card.childAt(grip), QLabel | None)
    qtbot.mousePress(card, Qt.MouseButton.LeftButton, pos=grip)
    qtbot.mouseMove(card, grip + QPoint(-200, 60))
    qtbot.mouseRelease(card, Qt.MouseButton.LeftButton, pos=grip)
    assert card.is_moved and card.pos() == before + QPoint(-200, 60)
    window.actions_["display"].trigger()
    window.actions_["display"].trigger()
    card.grey.click()
    assert card.pos() == before + QPoint(-200, 60), "it stays there"
    qtbot.mousePress(card, Qt.MouseButton.LeftButton, pos=grip)
    qtbot.mouseMove(card, QPoint(-9000, 9000))
    qtbot.mouseRelease(card, Qt.MouseButton.LeftButton, pos=grip)
    assert stage.rect().contains(card.geometry()) and card.y() > stage.bar.height()
    window.resize(900, 600)
    assert stage.rect().contains(card.geometry())


@pytest.mark.parametrize("layout", [Layout.SIDE_BY_SIDE, Layout.STACKED, Layout.SWIPE])
def test_the_card_covers_nothing_of_the_pictures_until_it_is_moved(
    qtbot: QtBot, window: MainWindow, scene: Path, layout: Layout
) -> None:
    open_scene(qtbot, window, scene)
    stage = window.compare
    stage.set_layout(layout)
    panes = [pane for pane in (stage.original, stage.reconstruction) if pane.isVisible()]
    wide = [pane.geometry() for pane in panes]
    zoom = stage.viewport.zoom
    window.actions_["display"].trigger()
    card = stage.display
    qtbot.waitUntil(lambda: card.histogram.spread is not None, timeout=TIMEOUT)
    assert not any(card.geometry().intersects(pane.geometry()) for pane in panes)
    assert stage.viewport.fitted and stage.viewport.zoom <= zoom
    grip = QPoint(30, 12)
    window.actions_["display"].trigger()
    assert [pane.geometry() for pane in panes] == wide and stage.viewport.zoom == zoom
    window.actions_["display"].trigger()
    qtbot.mousePress(card, Qt.MouseButton.LeftButton, pos=grip)
    qtbot.mouseMove(card, grip + QPoint(-90, 40))
    qtbot.mouseRelease(card, Qt.MouseButton.LeftButton, pos=grip)
    assert [pane.geometry() for pane in panes] == wide, "whoever moves it knows where it is in nobody's way"


# ------------------------------------------------------------------------------ transparency


def test_from_close_up_where_nothing_is_valid(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    open_scene(qtbot, window, scene)
    window.compare.viewport.restore(QPointF(8, 8), 64.0)
    part = window.compare.visible_part()
    assert part is not None and part.x + part.width <= 20, "all of it nodata"
    qtbot.waitUntil(lambda: window.controller.prober.block is not None, timeout=TIMEOUT)
    shot = window.compare.original.grab().toImage()  # it ended the app once
    assert not shot.isNull()


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
