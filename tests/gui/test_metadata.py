"""Tags and metadata of a file, and the search in them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from fdegc.raster_info import AlphaBand, GroundControlPoint, RasterInfo
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.metadata import Entry, entries_of
from tests.gui.display_steps import TIMEOUT, open_scene, write
from tests.gui.fakes import FakeEngine


def test_entries_of_everything_a_file_carries() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825)[0x0001] = "N"
    info = RasterInfo(
        "x", "GTiff", 10, 10, 2, "uint16",
        tags={"AREA_OR_POINT": "Area"}, band_names=("Red edge", None),
        color_interpretation=("red", "undefined"),
        scales=(0.0001, 1.0), offsets=(-0.1, 0.0), units=("W", None), nodata=7.0,
        band_tags=({"WAVELENGTH": "705"}, {}), domains={"RPC": {"LINE_OFF": "5"}},
        gcps=(GroundControlPoint(1, 2, 3.5, 4.5),) * 201, gcp_crs_wkt="GEOGCS",
        transform=(0.5, 0.0, 10.0, 0.0, -0.5, 20.0), palette=((0, 0, 0, 255),) * 3, icc=b"x" * 100,
        alpha_band=AlphaBand(2, "mask", {"KIND": "soft"}), exif=exif.tobytes()[6:],
    )  # fmt: skip
    found = entries_of(info)
    for entry in (
        Entry("Tags", "AREA_OR_POINT", "Area"),
        Entry("Band 1", "Name", "Red edge"),
        Entry("Band 1", "Colour", "red"),
        Entry("Band 1", "Scale", "0.0001"),
        Entry("Band 1", "Offset", "-0.1"),
        Entry("Band 1", "Unit", "W"),
        Entry("Band 1", "WAVELENGTH", "705"),
        Entry("Band 2", "Nodata", "7"),
        Entry("RPC", "LINE_OFF", "5"),
        Entry("Place", "Transform", "0.5, 0, 10, 0, -0.5, 20"),
        Entry("Ground control points", "1", "col 2, row 1  →  3.5, 4.5, 0"),
        Entry("Ground control points", "…", "1 more"),
        Entry("Colours", "Palette", "3 entries"),
        Entry("Colours", "ICC profile", "100 bytes"),
        Entry("Alpha band", "KIND", "soft"),
        Entry("EXIF", "Make", "Maker"),
        Entry("EXIF", "GPSLatitudeRef", "N"),
    ):
        assert entry in found, entry
    assert [entry.name for entry in found if entry.group == "Band 2"] == ["Nodata"]
    assert entries_of(RasterInfo("x", "PNG", 1, 1, 1, "uint8")) == []


def test_broken_exif_is_said() -> None:
    found = entries_of(RasterInfo("x", "JPEG", 1, 1, 1, "uint8", exif=b"nonsense"))
    assert [(entry.group, entry.value) for entry in found] == [("EXIF", "8 bytes that cannot be read")]


def test_search(qtbot: QtBot, window: MainWindow, tmp_path: Path, scene_path: Path) -> None:
    path = write(tmp_path / "tagged.tif", np.zeros((2, 40, 50), np.uint8))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(SENSOR="Camera of the North", CLOUDS="12 %")
        dataset.update_tags(2, WAVELENGTH="842 nm")
    panel = window.sidebar.metadata
    assert panel.shown == [] and panel.tree.isHidden()
    open_scene(qtbot, window, path)
    assert {("SENSOR", "Camera of the North"), ("WAVELENGTH", "842 nm")} <= set(panel.shown)
    window.actions_["sidebar"].trigger()
    window.actions_["metadata"].trigger()
    assert window.sidebar.isVisible() and panel.search.hasFocus()
    head = window.sidebar.sections["metadata"]._button
    qtbot.waitUntil(lambda: head.visibleRegion().boundingRect().height() == head.height(), timeout=TIMEOUT)
    qtbot.keyClicks(panel.search, "camera")
    assert panel.shown == [("SENSOR", "Camera of the North")] and panel.count.text().startswith("1 of ")
    panel.search.setText("band 2 842")
    assert panel.shown == [("WAVELENGTH", "842 nm")], "the group counts, too"
    panel.search.setText("nowhere")
    assert panel.shown == [] and panel.count.text().startswith("0 of ") and panel.search.isVisible()
    menu = panel.menu_for(Entry("Tags", "SENSOR", "Camera"))
    menu.actions()[1].trigger()
    assert QGuiApplication.clipboard().text() == "SENSOR\tCamera"
    open_scene(qtbot, window, scene_path)
    assert panel.search.text() == "", "what was looked for was of the former scene"
    assert "SENSOR" not in dict(panel.shown)
    panel.search.setText("nowhere")
    open_scene(qtbot, window, path)
    assert ("SENSOR", "Camera of the North") in panel.shown and panel.count.text() == ""


def test_escape_clears_the_search_before_anything_else(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, fake: FakeEngine
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (3, 150, 150), dtype=np.uint8)
    path = write(tmp_path / "tagged.tif", noise)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(SENSOR="Camera of the North")
    open_scene(qtbot, window, path)
    fake.gate = threading.Event()
    window.actions_["compress"].trigger()
    cancel, panel, session = window.actions_["cancel"], window.sidebar.metadata, window.session
    qtbot.waitUntil(lambda: session.current is not None and cancel.isEnabled(), timeout=TIMEOUT)
    window.actions_["metadata"].trigger()
    qtbot.keyClicks(panel.search, "nowhere")
    assert panel.shown == []
    qtbot.keyClick(panel.search, Qt.Key.Key_Escape)
    assert panel.search.text() == "" and panel.shown and cancel.isEnabled() and session.current is not None
    qtbot.keyClick(panel.search, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: session.current is None, timeout=TIMEOUT)


def test_names_have_the_room_they_take(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    path = write(tmp_path / "tagged.tif", np.zeros((2, 40, 50), np.uint8))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(TIFFTAG_XRESOLUTION="1", **{"A" * 90: "long"})
    open_scene(qtbot, window, path)
    tree = window.sidebar.metadata.tree
    assert tree.columnWidth(0) < 200, "values have room, too"
    assert tree.columnWidth(0) > tree.fontMetrics().horizontalAdvance("TIFFTAG_XRESOLUTION") + 20
