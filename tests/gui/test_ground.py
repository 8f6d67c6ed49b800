"""Distance and area on the ground of the region that is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot
from rasterio.transform import from_origin

from fdegc.raster_info import Window
from fdegc_gui.jobs.tile_maps import bytes_of_tiles
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.ground import area_words, length_words
from tests.gui.display_steps import TIMEOUT, compress, open_scene, write
from tests.gui.fakes import write_stream


@pytest.mark.parametrize(
    ("metres", "words"),
    [
        (0.25, "25.00 cm"),
        (1.5, "1.500 m"),
        (150.24, "150.2 m"),
        (12_345, "12.35 km"),
        (40_075_017, "40 075 km"),
    ],
)
def test_lengths_in_words(metres: float, words: str) -> None:
    assert length_words(metres) == words


@pytest.mark.parametrize(
    ("area", "words"), [(940.12, "940.1 m²"), (14_880, "1.488 ha"), (25e6, "25.00 km²"), (0.09, "0.09000 m²")]
)
def test_areas_in_words(area: float, words: str) -> None:
    assert area_words(area) == words


def test_region_says_how_large_it_is(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, scene_path: Path
) -> None:
    path = write(
        tmp_path / "placed.tif",
        np.add.outer(np.arange(200), np.arange(300)).astype(np.uint8)[None],
        crs="EPSG:32633",
        transform=from_origin(500_000.0, 5_411_000.0, 2.0, 2.0),
    )
    open_scene(qtbot, window, path)
    regions, card = window.controller.regions, window.compare.region
    regions.measure(Window(0, 0, 100, 50))
    qtbot.waitUntil(lambda: "Area" in card.rows, timeout=TIMEOUT)
    size = {"On the ground": "200.1 m × 100.0 m", "Diagonal": "223.7 m", "Area": "2.002 ha"}
    assert card.rows == size and "until it is compressed" in card.pair.text()
    compress(qtbot, window, 4)
    qtbot.waitUntil(lambda: "PSNR" in card.rows, timeout=TIMEOUT)
    assert size.items() <= card.rows.items()
    window.comparing.copy_region()
    assert "Area\t2.002 ha" in QGuiApplication.clipboard().text().splitlines()
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    regions.measure(Window(0, 0, 100, 50))
    qtbot.waitUntil(lambda: "PSNR" in card.rows, timeout=TIMEOUT)
    assert "Area" not in card.rows, "it has no place on Earth"


def test_region_of_a_compressed_file(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    write_stream(tmp_path / "scene.fdegc")
    open_scene(qtbot, window, tmp_path / "scene.fdegc")
    window.actions_["measure_view"].trigger()
    card = window.compare.region
    qtbot.waitUntil(lambda: "Area" in card.rows, timeout=TIMEOUT)
    assert "no original" in card.pair.text() and card.rows["Area"] == "3 753 m²"
    qtbot.waitUntil(lambda: "Bytes, by its tiles" in card.rows, timeout=TIMEOUT)
    assert card.rows["Bytes, by its tiles"].endswith(", 100 %")
    sizes = bytes_of_tiles(tmp_path / "scene.fdegc", window.session.scene.info).values
    window.controller.regions.measure(Window(32, 0, 96, 64))
    qtbot.waitUntil(lambda: "Bytes, by its tiles" in card.rows, timeout=TIMEOUT)
    share = window.controller.regions.share
    assert share is not None and share.bytes == sizes[0, 0] / 2 + sizes[0, 1]
    assert share.part == share.bytes / sizes.sum()
    card.copy.click()
    assert "Bytes, by its tiles\t≈ " in QGuiApplication.clipboard().text()
