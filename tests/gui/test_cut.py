"""Few values that make the range wide: what is said of them, and the cut that leaves them out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from fdegc.options import EncodeOptions, ValueRange
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.way import EFFORTS, EXACT, FREE, Way, cut_of, effort_of, key_of, keys_of, row_of
from tests.gui.display_steps import write
from tests.gui.fakes import FakeUser, said
from tests.gui.window_steps import compress, finished, open_scene

TIMEOUT = 20_000
#: Key of rate 4 with 0.1 % cut off on either side.
CUT = key_of(4, 0, 2)


@pytest.fixture
def wide_path(tmp_path: Path) -> Path:
    """16 bits, 200 × 150: values of 500 to 1500, many of these, ten of 7500, one of 2400 and one of 0.

    Without those of 7500 the range is still more than a quarter as wide, so they are no outliers.
    """
    pixels = np.random.default_rng(4).integers(400, 1600, (2, 150, 200)).clip(500, 1500).astype(np.uint16)
    pixels[0, :2, ::40], pixels[0, 40, 40] = 7500, 2400
    pixels[0, 20, 20] = 0
    return write(tmp_path / "wide.tif", pixels)


def open_wide(qtbot: QtBot, window: MainWindow, path: Path) -> None:
    open_scene(qtbot, window, path)
    qtbot.waitUntil(lambda: bool(window.session.wide), timeout=TIMEOUT)


def test_keys_tell_cuts_apart() -> None:
    keys = {key for row in (*range(1, 7), FREE) for key in keys_of(row)}
    assert len(keys) == 7 * len(EFFORTS) * 4
    assert all(key_of(row_of(key), effort_of(key), cut_of(key)) == key for key in keys)
    assert keys_of(EXACT) == (EXACT,) * len(EFFORTS) * 4
    way = Way(4, 4.0, effort=2, cut=0.1)
    assert way.title == "Rate 4, effort 2, cut 0.1 %" and way.file_mark == "rate4-effort2-cut0.1"


def test_few_values_that_cost_the_others_are_told_of_before_anything_is_coded(
    qtbot: QtBot, window: MainWindow, wide_path: Path, scene_path: Path
) -> None:
    field = window.sidebar.rates.cut
    open_wide(qtbot, window, wide_path)
    assert not window.session.results and window.notice.isVisible() and field.isVisible()
    text = window.notice.text.text()
    assert "7.5 times as wide as the other 99.8 % need (band 1: 0 to 7500, the others 500 to 1500)" in text
    assert "“Cut off the outermost values”" in text and "--" not in text
    assert "0.1 % and 99.9 %" in text and "0.1 % and 99.9 %" in field.switch.toolTip()
    assert window.session.options(window.session.key) == EncodeOptions()
    window.actions_["rate_exact"].trigger()
    assert not window.notice.isVisible() and not field.switch.isEnabled(), "no loss is no loss"
    assert window.session.options(window.session.key) == EncodeOptions(max_error=0.0)
    open_scene(qtbot, window, scene_path)
    assert not window.notice.isVisible() and not field.isVisible() and not window.session.wide


def test_a_cut_is_another_result_and_is_taken_back(
    qtbot: QtBot, window: MainWindow, wide_path: Path, user: FakeUser
) -> None:
    open_wide(qtbot, window, wide_path)
    session, rates = window.session, window.sidebar.rates
    compress(qtbot, window, 4)
    qtbot.waitUntil(lambda: session.refined and rates.rows[3].cost.size.startswith("≈ "), timeout=TIMEOUT)
    assert session.estimates[1].bytes == 1000
    rates.cut.switch.click()
    assert session.current is None and not window.notice.isVisible()
    assert window.sidebar.action.main.text() == "Compress at rate 4, cut 0.1 %"
    assert not rates.rows[4].cost.exact
    qtbot.waitUntil(lambda: session.refined, timeout=TIMEOUT)
    assert session.estimates[1].bytes == 3000, "of what is kept"
    options = EncodeOptions(ranges=(ValueRange(0.1, 99.9, percent=True),))
    assert session.options(session.key) == options
    window.start_compress()
    qtbot.waitUntil(lambda: finished(window, CUT), timeout=TIMEOUT)
    assert set(session.results) == {4, CUT}
    points = window.sidebar.results.model.points()
    assert [(point.name, point.series) for point in points] == [
        ("Rate 4", "FDEGC"), ("Rate 4, cut 0.1 %", "FDEGC, cut 0.1 %"),
    ]  # fmt: skip
    assert points[1].facts.startswith("FDEGC at rate 4, cut 0.1 %, on ")
    table = window.sidebar.results
    name = table.model.index(1, 0)
    assert table.model.data(name, Qt.ItemDataRole.ToolTipRole).startswith("Rate 4, cut 0.1 %\n")
    window.resize(window.minimumSize())
    widths = [(table.table.columnWidth(n), table.table.sizeHintForColumn(n)) for n in range(1, 6)]
    assert all(width >= wanted for width, wanted in widths), (
        "figures are whole, names as far as there is room"
    )
    assert table.table.columnWidth(0) < table.table.sizeHintForColumn(0)
    assert window.notice.isVisible() and window.notice.heading.text() == "Look closely at rate 4, cut 0.1 %"
    assert "12 valid samples lie outside" in window.notice.text.text()
    user.answer = None
    window.actions_["export_stream"].trigger()
    assert user.suggested.endswith("wide-rate4-cut0.1.fdegc")
    rates.cut.switch.click()
    assert session.current is session.results[4] and session.options(4) == EncodeOptions()
    assert window.sidebar.action.main.text().startswith("Save") and "7.5 times" in window.notice.text.text()
    window.sidebar.results.chosen.emit(CUT)
    assert session.key == CUT and rates.cut.switch.isChecked()


def test_the_psnr_with_a_cut_is_comparable_to_that_without(
    qtbot: QtBot, window: MainWindow, wide_path: Path
) -> None:
    """Against the range of the whole scene, not against its own, which is two fifteenths of that."""
    open_wide(qtbot, window, wide_path)
    window.sidebar.rates.cut.switch.click()
    window.start_compress()
    qtbot.waitUntil(lambda: finished(window, CUT), timeout=TIMEOUT)
    encode = window.session.results[CUT].encode
    assert encode is not None and encode.errors is not None
    assert encode.psnr == pytest.approx(20 * math.log10(7500 / encode.errors.rmse))


def test_a_kept_result_with_a_cut_comes_back_as_one(
    qtbot: QtBot, make_window: Callable[..., MainWindow], wide_path: Path
) -> None:
    window = make_window()
    open_wide(qtbot, window, wide_path)
    compress(qtbot, window, 4)
    window.sidebar.rates.cut.switch.click()
    window.start_compress()
    qtbot.waitUntil(lambda: finished(window, CUT), timeout=TIMEOUT)
    sizes = {key: result.bytes for key, result in window.session.results.items()}
    window.close_scene()
    assert not window.session.cut and not window.sidebar.rates.cut.isVisible()
    with said(qtbot, window, "Rate 4 and the result at rate 4, cut 0.1 %", TIMEOUT):
        window.open(wide_path)
    session = window.session
    assert {key: result.bytes for key, result in session.results.items()} == sizes
    assert session.current is session.results[4], "not that with a cut, which nobody asked for now"
    assert session.results[CUT].way.title == "Rate 4, cut 0.1 %"
