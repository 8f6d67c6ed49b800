"""Layouts of the stage, the pictures that are chosen for it, and pixels from close up."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QSettings, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtWidgets import QBoxLayout
from pytestqt.qtbot import QtBot

from fdegc.types import Samples
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import ORIGINAL, Layout, Side, best_pair
from fdegc_gui.models.difference import DifferenceStyle
from fdegc_gui.models.probe import cell_texts
from fdegc_gui.models.result import MetricState
from fdegc_gui.settings import Settings
from fdegc_gui.views.compare import CompareView
from tests.gui.display_steps import TIMEOUT, choose, compress, open_scene, settled, write
from tests.gui.fakes import write_stream

NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def compared(qtbot: QtBot, window: MainWindow, scene: Path) -> CompareView:
    """A scene compressed at rates 1 and 4, the latter selected."""
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 1)
    compress(qtbot, window, 4)
    settled(qtbot, window)
    return window.compare


def colour(image: QImage, x: float, y: float) -> QColor:
    return image.pixelColor(round(x * image.width()), round(y * image.height()))


def test_pair_that_shows_the_scene_larger() -> None:
    assert best_pair((100, 100), (1000, 700)) is Layout.SIDE_BY_SIDE
    assert best_pair((400, 100), (1000, 700)) is Layout.STACKED
    assert best_pair((100, 400), (500, 900)) is Layout.SIDE_BY_SIDE
    assert best_pair((100, 100), (500, 900)) is Layout.STACKED


def test_layout_follows_the_shape_of_the_scene_until_one_is_chosen(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    wide = write(tmp_path / "wide.tif", np.zeros((1, 50, 600), np.uint8))
    open_scene(qtbot, window, wide)
    compare = window.compare
    assert compare.shown is Layout.STACKED
    assert compare._panes.direction() is QBoxLayout.Direction.TopToBottom
    assert compare.original.y() < compare.reconstruction.y()
    assert compare.bar.segments[Layout.STACKED].isChecked()
    compare.bar.segments[Layout.SIDE_BY_SIDE].click()
    assert compare.shown is Layout.SIDE_BY_SIDE and compare.original.x() < compare.reconstruction.x()
    assert window.actions_["layout_side_by_side"].isChecked()
    window.actions_["layout_automatic"].trigger()
    assert compare.shown is Layout.STACKED


def test_another_layout_keeps_place_and_zoom(compared: CompareView, window: MainWindow) -> None:
    compared.viewport.restore(QPointF(40, 30), 5.0)
    for layout in Layout:
        window.actions_[f"layout_{layout.value}"].trigger()
        assert compared.viewport.center == QPointF(40, 30) and compared.viewport.zoom == 5.0
        assert compared.original.isVisible() == compared.shown.is_pair
        assert compared.reconstruction.isVisible()
    compared.viewport.fit()
    for layout in Layout:
        compared.set_layout(layout)
        assert compared.viewport.fitted and compared.viewport.zoom == compared.viewport.fit_zoom


def test_swipe_shows_a_before_the_line_and_b_beyond_it(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    # The fake codec makes 200 of 255 at rate 1: steps of 64.
    open_scene(qtbot, window, write(tmp_path / "white.tif", np.full((1, 64, 64), 255, np.uint8)))
    qtbot.waitUntil(lambda: bool(window.session.unasked))  # one value only
    window.session.set_lossy(True)
    compress(qtbot, window, 1)
    compare = window.compare
    compare.set_layout(Layout.SWIPE)
    compare.viewport.restore(QPointF(32, 32), 40.0)
    image = compare.reconstruction.picture()
    assert colour(image, 0.45, 0.48) == QColor(255, 255, 255) and colour(image, 0.55, 0.48) == QColor(
        192, 192, 192
    )
    pane = compare.reconstruction
    qtbot.mousePress(pane, Qt.MouseButton.LeftButton, pos=QPoint(pane.width() // 2, 200))
    qtbot.mouseMove(pane, QPoint(pane.width() // 4, 200))
    qtbot.mouseRelease(pane, Qt.MouseButton.LeftButton, pos=QPoint(pane.width() // 4, 200))
    assert compare.line == pytest.approx(0.25, abs=0.01)
    assert colour(pane.picture(), 0.35, 0.48) == QColor(192, 192, 192)
    assert compare.viewport.center == QPointF(32, 32), "the scene was not moved"
    qtbot.keyClick(pane, Qt.Key.Key_Right, SHIFT)
    assert compare.line == pytest.approx(0.27, abs=0.01)
    window.actions_["swipe_turn"].trigger()
    assert not compare.upright
    image = pane.picture()
    assert colour(image, 0.7, 0.15) == QColor(255, 255, 255) and colour(image, 0.7, 0.8) == QColor(
        192, 192, 192
    )
    qtbot.keyClick(pane, Qt.Key.Key_Up, SHIFT)
    assert compare.line == pytest.approx(0.25, abs=0.01)
    compare.set_flipped(True)
    assert colour(pane.picture(), 0.7, 0.8) == QColor(255, 255, 255), "Space shows A everywhere"
    assert compare.chips[Side.A].words == "Original  (Space held)" and not compare.chips[Side.B].isVisible()
    compare.set_flipped(False)
    assert compare.chips[Side.A].words == "Original" and compare.chips[Side.B].isVisible()


def test_flip_by_key_by_button_and_by_itself(qtbot: QtBot, compared: CompareView, window: MainWindow) -> None:
    pane, original = compared.reconstruction, window.session.original
    window.actions_["toggle"].trigger()
    assert compared.shown is Layout.FLIP and pane.pyramid is original
    qtbot.keyPress(pane, Qt.Key.Key_Space)
    assert pane.pyramid is window.session.results[4].pyramid, "held, the other one"
    qtbot.keyRelease(pane, Qt.Key.Key_Space)
    compared.bar.one[Side.B].click()
    assert pane.pyramid is not original
    compared.set_layout(Layout.SINGLE)
    assert pane.pyramid is not original
    compared.set_blink_ms(200)
    with qtbot.waitSignal(compared._blink.timeout, timeout=TIMEOUT):
        window.actions_["blink"].trigger()
    assert compared.shown is Layout.FLIP and pane.pyramid is original
    compared.set_layout(Layout.SWIPE)
    assert not compared.blinking and not window.actions_["blink"].isChecked()
    assert pane.pyramid is not original


def test_layout_is_remembered(
    qtbot: QtBot, make_window: Callable[..., MainWindow], settings: Settings, scene: Path
) -> None:
    first = make_window()
    open_scene(qtbot, first, scene)
    first.actions_["layout_swipe"].trigger()
    first.compare.set_swipe(False, 0.3)
    first.compare.set_blink_ms(400)
    first.actions_["signed"].trigger()
    second = make_window()
    assert second.compare.wanted is Layout.SWIPE and second.compare.blink_ms == 400
    assert (second.compare.upright, second.compare.line) == (False, 0.3)
    assert second.session.style.signed and second.actions_["signed"].isChecked()


def test_settings_that_make_no_sense_are_defaults(store: QSettings) -> None:
    for key, value in (("compare/layout", "wild"), ("compare/swipe_line", "x"), ("difference/gain", "3")):
        store.setValue(key, value)
    settings = Settings(store)
    assert settings.layout is Layout.AUTOMATIC and settings.swipe == (True, 0.5)
    assert settings.style.gain is None


def test_full_screen_leaves_the_picture_and_a_thin_bar(
    qtbot: QtBot, compared: CompareView, window: MainWindow
) -> None:
    results = window.session.results.values()
    qtbot.waitUntil(lambda: all(r.metric_state is MetricState.DONE for r in results), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: not window.controller.can_cancel, timeout=TIMEOUT)
    window.actions_["full_screen"].trigger()
    hidden = (window.menuBar(), window.header, window.sidebar, window.status)
    assert all(widget.isHidden() for widget in hidden) and compared.bar.isVisible()
    assert set(window.actions_.all()) <= set(window.actions()), "their keys still work"
    qtbot.keyClick(compared.reconstruction, Qt.Key.Key_Escape)
    assert not any(widget.isHidden() for widget in hidden)
    window.actions_["full_screen"].trigger()
    window.actions_["measure"].trigger()
    assert window.comparing.is_measuring
    qtbot.keyClick(compared.reconstruction, Qt.Key.Key_Escape)
    assert not any(widget.isHidden() for widget in hidden), "full screen is left first"
    assert window.comparing.is_measuring
    qtbot.keyClick(compared.reconstruction, Qt.Key.Key_Escape)
    assert not window.comparing.is_measuring


def test_a_narrow_window_has_the_options_in_a_second_row(
    qtbot: QtBot, compared: CompareView, window: MainWindow
) -> None:
    compared.set_layout(Layout.DIFFERENCE)
    bar = compared.bar
    wide = bar.height()
    window.resize(window.minimumSize())
    qtbot.waitUntil(lambda: bar.height() > wide, timeout=TIMEOUT)
    assert bar.width() <= compared.width() and bar.colors.geometry().right() <= bar.width()
    compared.set_layout(Layout.SIDE_BY_SIDE)
    assert bar.height() == wide
    assert all(chip.geometry().right() < compared.width() for chip in compared.chips.values())
    assert compared.chips[Side.B].text().endswith("▾") and "…" in compared.chips[Side.B].text()


def test_a_stream_has_one_picture(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "x.fdegc"
    write_stream(path)
    window.actions_["layout_swipe"].trigger()
    open_scene(qtbot, window, path)
    assert window.compare.shown is Layout.SINGLE and not window.actions_["swap"].isEnabled()
    chip = window.compare.chips[Side.B]
    chip.fill()
    words = [action.text() for action in chip.choices.actions()]
    assert "Original" not in words and "Open another file…" in words
    window.compare.toggle()
    assert window.compare.side is Side.B


# ---------------------------------------------------------------------------- which pictures


def test_chips_choose_pictures(qtbot: QtBot, compared: CompareView, window: MainWindow) -> None:
    session = window.session
    chip = compared.chips[Side.A]
    chip.fill()
    words = [action.text() for action in chip.choices.actions()]
    assert words[0] == "Original" and words[1].startswith("Rate 1") and "dB" in words[1]
    assert [action.isChecked() for action in chip.choices.actions()][:4] == [True, False, False, False]
    chip.choices.actions()[1].trigger()
    assert session.key_of(Side.A) == 1 and session.key_of(Side.B) == 4
    assert compared.original.pyramid is session.results[1].pyramid
    assert "rate 1" in chip.words and "rate 4" in compared.chips[Side.B].words
    window.actions_["rate_2"].trigger()
    assert session.key_of(Side.A) == 1 and session.key_of(Side.B) == 2
    compared.chips[Side.B].fill()
    rows = compared.chips[Side.B].choices.actions()
    next(action for action in rows if action.text().endswith("not finished")).trigger()
    window.actions_["rate_4"].trigger()
    assert compared.reconstruction.pyramid is session.results[4].pyramid


def test_a_result_that_is_chosen_is_the_selected_one(compared: CompareView, window: MainWindow) -> None:
    window.session.choose(Side.B, 1)
    assert window.session.rate == 1 and compared.original.label == "Original"
    window.session.choose(Side.B, ORIGINAL)
    assert compared.reconstruction.pyramid is window.session.original
    window.session.choose(Side.B, 4)
    assert window.session.rate == 4


def test_swap(qtbot: QtBot, compared: CompareView, window: MainWindow) -> None:
    window.actions_["swap"].trigger()
    assert compared.reconstruction.pyramid is window.session.original
    assert compared.original.pyramid is window.session.results[4].pyramid
    with qtbot.waitSignal(window.controller.prober.reading_changed, timeout=TIMEOUT):
        compared.hovered.emit(QPointF(50.5, 60.5))
    qtbot.waitUntil(lambda: window.controller.prober.reading is not None, timeout=TIMEOUT)
    assert "(" in compared.reconstruction.readout[0][1], "B differs from A, whichever is which"
    window.actions_["swap"].trigger()
    assert compared.original.pyramid is window.session.original


def test_a_result_that_is_gone_gives_way(compared: CompareView, window: MainWindow) -> None:
    session = window.session
    session.choose(Side.A, 1)
    session.drop(session.results[1])
    assert session.key_of(Side.A) == 4 and compared.original.pyramid is session.results[4].pyramid


@pytest.mark.usefixtures("small_limits")
def test_both_of_two_results_are_as_fine_as_the_screen(
    qtbot: QtBot, window: MainWindow, noise: tuple[Path, np.ndarray]
) -> None:
    open_scene(qtbot, window, noise[0])
    for rate in (1, 4):
        compress(qtbot, window, rate)
    window.session.choose(Side.A, 1)
    window.compare.viewport.restore(QPointF(300, 200), 1.0)
    panes = window.compare.original, window.compare.reconstruction
    qtbot.waitUntil(lambda: all(p.patch is not None and p.patch.factor == 1 for p in panes), timeout=TIMEOUT)
    assert [pane.patch.key for pane in panes if pane.patch is not None] == [1, 4]
    window.session.choose(Side.A, ORIGINAL)
    assert set(window.session.patches) == {"original", "result"} or "result 1" in window.session.patches
    settled(qtbot, window)
    qtbot.waitUntil(lambda: "result 1" not in window.session.patches, timeout=TIMEOUT)


# ---------------------------------------------------------------------------- close up


def test_values_are_in_the_pixels(
    qtbot: QtBot, compared: CompareView, window: MainWindow, pixels: np.ndarray
) -> None:
    compared.viewport.restore(QPointF(60, 50), 31.0)
    assert window.controller.prober.block is None and compared.original.content.cells is None
    before = compared.original.picture()
    compared.viewport.restore(QPointF(60, 50), 64.0)
    qtbot.waitUntil(lambda: compared.original.content.cells is not None, timeout=TIMEOUT)
    cells = compared.original.content.cells
    assert cells is not None
    at = cells.texts[50 - cells.window.y][60 - cells.window.x]
    assert at == tuple(str(value) for value in pixels[:3, 50, 60])
    assert compared.original.picture() != before
    compared.set_layout(Layout.DIFFERENCE)
    cells = compared.reconstruction.content.cells
    assert cells is not None
    decoded = pixels[:3, 50, 60].astype(int) // 8 * 8
    apart = [int(v) for v in decoded - pixels[:3, 50, 60]]
    shown = cells.texts[50 - cells.window.y][60 - cells.window.x]
    assert [int(text.replace("−", "-")) for text in shown] == apart
    window.session.set_style(DifferenceStyle(band=3))
    choose(qtbot, window, bands=(3,))

    def fourth() -> bool:
        found = compared.original.content.cells, compared.reconstruction.content.cells
        return all(c is not None and len(c.texts[5][5]) == 1 for c in found)

    qtbot.waitUntil(fourth, timeout=TIMEOUT)
    compared.viewport.set_zoom(500.0)
    assert compared.viewport.zoom == 128.0
    compared.reconstruction.grab()
    compared.viewport.set_zoom(20.0)
    assert window.controller.prober.block is None and compared.reconstruction.content.cells is None


def test_grid_between_pixels_from_sixteen_times(qtbot: QtBot, compared: CompareView) -> None:
    def edges(zoom: float) -> int:
        compared.viewport.restore(QPointF(60, 50), zoom)
        image = compared.original.picture()
        row = [image.pixelColor(x, 300).rgb() for x in range(100, 260)]
        return sum(one != other for one, other in itertools.pairwise(row))

    assert edges(16.0) > edges(15.5)


def test_the_readout_follows_a_view_that_moves_by_keys(
    qtbot: QtBot, compared: CompareView, window: MainWindow
) -> None:
    compared.viewport.restore(QPointF(60, 50), 10.0)
    pane = compared.original
    with qtbot.waitSignal(compared.hovered, timeout=TIMEOUT):
        qtbot.mouseMove(pane, QPoint(100, 100))
    before = window.status.position.text()
    assert before.startswith("col")
    qtbot.keyClick(pane, Qt.Key.Key_Right)
    after = window.status.position.text()
    columns = [int(text.split()[1]) for text in (before, after)]
    assert columns[1] - columns[0] == 8
    qtbot.keyClick(pane, Qt.Key.Key_Home)
    assert compared.viewport.fitted


def test_texts_of_cells() -> None:
    a = Samples(np.array([[[5, 6]]], np.uint8), np.array([[True, False]]))
    b = Samples(np.array([[[2, 6]]], np.uint8))
    assert cell_texts(a, (0,)) == [[("5",), ()]]
    assert cell_texts(b, (0,), a) == [[("−3",), ()]]
    assert cell_texts(b, (0,), b) == [[("0",), ("0",)]]
    real = Samples(np.array([[[0.123456, np.nan]]], np.float32))
    assert cell_texts(real, (0,)) == [[("0.1235",), ()]]
    gap = Samples(np.array([[[5]], [[6]]], np.uint8), missing=np.array([[[False]], [[True]]]))
    assert cell_texts(gap, (0,)) == [[("5",)]] and cell_texts(gap, (0, 1)) == [[()]]


# ---------------------------------------------------------------------------- keys and copies


def test_usual_keys(window: MainWindow) -> None:
    keys = {
        key.toString(): action.objectName() for action in window.actions_.all() for key in action.shortcuts()
    }
    for key, name in (
        ("Ctrl++", "zoom_in"), ("Ctrl+-", "zoom_out"), ("Ctrl+0", "fit"), ("Ctrl+1", "actual"),
        ("X", "swap"), ("M", "measure"), ("F7", "layout_difference"),
    ):  # fmt: skip
        assert keys[key] == name


def test_copies(qtbot: QtBot, compared: CompareView, window: MainWindow, pixels: np.ndarray) -> None:
    compared.set_layout(Layout.SIDE_BY_SIDE)
    window.actions_["copy_view"].trigger()
    image = QGuiApplication.clipboard().image()
    assert image.width() == compared.original.width() + compared.reconstruction.width() + 2
    with qtbot.waitSignal(window.controller.prober.reading_changed, timeout=TIMEOUT):
        compared.hovered.emit(QPointF(60.5, 50.5))
    qtbot.waitUntil(lambda: window.controller.prober.reading is not None, timeout=TIMEOUT)
    window.actions_["copy_values"].trigger()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[:2] == ["col\t60", "row\t50"] and "band\tA\tB" in lines
    value = int(pixels[0, 50, 60])
    assert f"Band 1\t{value}\t{value // 8 * 8}" in lines
    assert {a.objectName() for a in window.comparing.menu.actions()} >= {"copy_view", "copy_values", "swap"}
