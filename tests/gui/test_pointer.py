"""Values and place under the pointer, with a fake codec behind them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PySide6.QtCore import QPointF
from pytestqt.qtbot import QtBot
from rasterio.transform import Affine

from fdegc.raster_info import RasterInfo
from fdegc.types import Samples
from fdegc_gui.jobs.base import Failure
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.display import Display, Stretch
from fdegc_gui.models.probe import PixelValues, degrees, difference, map_words, number, readout
from tests.gui.display_steps import TIMEOUT, compress, open_scene, write


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
    window.actions_["layout_swipe"].trigger()
    point_at(qtbot, window, 31.5, 41.5)
    qtbot.waitUntil(lambda: len(window.compare.reconstruction.readout) > 4, timeout=TIMEOUT)
    assert window.compare.reconstruction.readout[0] == ("", "Picture B"), "wherever the line is"
    window.actions_["layout_side_by_side"].trigger()
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


def test_an_estimate_that_fails_says_why(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    open_scene(qtbot, window, scene)
    estimating = window.controller.estimating
    for expected, words in ((True, "“a.tif” does not exist."), (False, "see the log")):
        with qtbot.waitSignal(estimating.message, timeout=TIMEOUT) as said:
            estimating._on_failed(Failure("“a.tif” does not exist.", "", expected))
        assert words in said.args[0]


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
