"""Maps of the tiles: where the bytes went and where the error is, over the stage and as a list."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from pytestqt.qtbot import QtBot

from fdegc.control import CancelToken
from fdegc.format.reader import ContainerReader
from fdegc.raster_info import RasterInfo, Window
from fdegc_gui.jobs.base import Context
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.tile_maps import MapTiles
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import Side, Sides
from fdegc_gui.models.scene import STREAM
from fdegc_gui.models.tile_map import TileFigure, TileMap
from fdegc_gui.style.theme import LIGHT
from fdegc_gui.views.tile_overlay import TileOverlay
from tests.gui.display_steps import TIMEOUT, compress, open_scene, settled, write
from tests.gui.fakes import write_stream
from tests.gui.window_steps import finished

INFO = RasterInfo("x", "GTiff", 150, 100, 1, "uint8")


def tile_map(figure: TileFigure, *values: float) -> TileMap:
    return TileMap.of(figure, 64, np.array(values), INFO)


def test_worst_tiles_and_their_windows() -> None:
    sizes = tile_map(TileFigure.BYTES, 10, 900, 30, 0, 70, 20)
    assert sizes.values.shape == (2, 3) and sizes.ends == (0.0, 8 * 900 / 64**2)
    assert sizes.worst(2) == [(0, 1), (1, 1)]
    assert sizes.window(1, 2) == Window(128, 64, 22, 36) and sizes.words(0, 1) == "900 bytes · 1.76 bpp"
    cut = tile_map(TileFigure.BYTES, 400, 500, 200, 300, 300, 150)
    assert cut.worst(2) == [(1, 2), (0, 2)], "tiles that the edge cuts are small for their bytes"
    levels = tile_map(TileFigure.PSNR, 30, math.inf, 20.5, math.nan, 40, 35)
    assert levels.worst(9) == [(0, 2), (0, 0), (1, 2), (1, 1)], "not those without error or without samples"
    assert levels.ends == (40.0, 20.5)
    assert tile_map(TileFigure.PSNR, *[30, 31] * 3).ends == (33.5, 27.5), "nearly alike"
    assert (levels.words(0, 2), levels.words(0, 1), levels.words(1, 0)) == ("20.50 dB", "lossless", "–")


def test_share_of_bytes_of_a_region() -> None:
    sizes = tile_map(TileFigure.BYTES, 10, 900, 30, 0, 70, 20)
    assert sizes.share(Window(0, 0, 150, 100)).part == 1.0
    assert sizes.share(Window(64, 0, 64, 64)).bytes == 900
    cut = sizes.share(Window(32, 32, 64, 32))
    assert cut.bytes == 10 / 4 + 900 / 4 and cut.part == cut.bytes / 1030
    assert cut.row == ("Bytes, by its tiles", "≈ 228 bytes, 22 %")
    assert sizes.share(Window(128, 64, 22, 36)).row[1] == "≈ 20 bytes, 1.9 %"


def test_colours_go_with_what_is_worse() -> None:
    areas = np.outer([64, 36], [64, 64, 22]).ravel()
    light = tile_map(TileFigure.BYTES, *(np.arange(6) * areas)).picture()[..., :3].sum(axis=-1).ravel()
    assert (np.diff(light.astype(int)) > 0).all()
    levels = tile_map(TileFigure.PSNR, 30, math.inf, 20, math.nan, 30, 30).picture()
    assert levels[0, 2, :3].sum() > levels[0, 0, :3].sum() and not levels[1, 0].any()
    assert (levels[0, 1] == levels[0, 0]).all(), "without error as the best of the others"
    one = tile_map(TileFigure.BYTES, *[7.0] * 6)
    assert (one.picture()[0, :2] == one.picture()[0, 0]).all() and one.picture()[1, 2].sum() > 0
    even = tile_map(TileFigure.PSNR, *[30, 30.1] * 3).picture().astype(int)
    assert 0 < np.abs(even[0, 0] - even[0, 1]).max() < 10
    nothing = tile_map(TileFigure.PSNR, *[math.nan] * 6)
    assert nothing.ends is None and nothing.worst(3) == [] and not nothing.picture().any()


def painted(overlay: TileOverlay, zoom: float, width: int = 300, height: int = 200) -> QImage:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.black)
    painter = QPainter(image)
    rect = QRectF(0, 0, 150 * zoom, 100 * zoom)
    overlay.paint(painter, rect, rect.intersected(QRectF(image.rect())), zoom, 1.0, painter.font(), LIGHT)
    painter.end()
    return image


def test_tint_gives_way_to_the_picture_from_close_up(qapp: object) -> None:
    overlay = TileOverlay(tile_map(TileFigure.BYTES, 0, 0, 0, 0, 0, 5))
    image = painted(overlay, 2.0)
    assert image.pixelColor(270, 140).lightness() > 80 > image.pixelColor(10, 10).lightness()
    image = painted(overlay, 9.0)
    assert image.pixelColor(20, 20) == QColor(0, 0, 0)
    overlay.chosen = Window(64, 0, 64, 64)
    assert painted(overlay, 2.0).pixelColor(128, 64) == QColor(255, 255, 255)


def test_tint_of_a_whole_scene_in_view_is_there_however_large_it_is_seen(qapp: object) -> None:
    overlay = TileOverlay(tile_map(TileFigure.BYTES, 0, 0, 0, 0, 0, 5))
    small, large = painted(overlay, 2.0), painted(overlay, 10.0, 1500, 1000)
    assert large.pixelColor(40, 40) == small.pixelColor(10, 10) != QColor(0, 0, 0)
    assert painted(overlay, 30.0, 1500, 1000).pixelColor(40, 40) == QColor(0, 0, 0), "three times closer"


def run(job: MapTiles) -> TileMap:
    rasters = Rasters()
    context = Context[object](
        cancel=CancelToken(), engine=None, rasters=rasters, on_progress=lambda p: None, on_part=lambda p: None
    )
    try:
        return job.run(context)  # type: ignore[arg-type]
    finally:
        rasters.release()


def test_bytes_are_those_of_the_file(tmp_path: Path) -> None:
    info = write_stream(tmp_path / "a.fdegc", bands=5)
    job = MapTiles(
        figure=TileFigure.BYTES, info=info.raster, stream=tmp_path / "a.fdegc", original=None,
        store=tmp_path, peak=None,
    )  # fmt: skip
    found = run(job)
    with ContainerReader(tmp_path / "a.fdegc") as reader:
        lengths = [entry.length for entry in reader.entries]
    assert reader.header.groups == 2 and found.tile_size == 64
    assert found.values.tolist() == np.array(lengths).reshape(2, 3, 2).sum(axis=-1).tolist()
    with pytest.raises(Exception, match="does not say how well"):
        run(replace(job, figure=TileFigure.PSNR))


def test_error_of_every_tile_and_flight_to_the_worst(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc_gui.jobs.tile_maps.MapTiles._side", lambda self: 64)
    pixels = np.full((3, 160, 200), 64, np.uint8)  # kept exactly by the fake codec
    pixels[:, 64:128, 64:128] = 64 + 10
    pixels[:, 128:, 192:] = 64 + 60
    open_scene(qtbot, window, write(tmp_path / "tiles.tif", pixels))
    panel = window.sidebar.tiles
    window.actions_["tiles_error"].trigger()
    assert "until it is compressed" in panel.words.text() and panel.places.isHidden()
    compress(qtbot, window, 1)
    qtbot.waitUntil(lambda: window.tiles.tiles is not None, timeout=TIMEOUT)
    settled(qtbot, window)
    found = window.tiles.tiles
    assert found is not None
    expected = np.full((3, 4), np.inf)
    expected[1, 1], expected[2, 3] = 20 * math.log10(255 / 10), 20 * math.log10(255 / 60)
    assert np.allclose(found.values, expected)
    assert panel.places.count() == 2 and panel.buttons[TileFigure.PSNR].isChecked()
    assert panel.places.item(0).text().split("    ")[1:] == ["12.57 dB", "col 192, row 128"]
    assert "rate 1" in panel.words.text() and window.sidebar.tiles.ramp.ends == ("28.13 dB", "12.57 dB")
    qtbot.waitUntil(lambda: not panel.places.visibleRegion().isEmpty(), timeout=TIMEOUT)
    item = panel.places.visualItemRect(panel.places.item(1)).center()
    qtbot.mouseClick(panel.places.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(item))
    assert window.compare.viewport.center.toTuple() == (96.0, 96.0)
    # The other way round it is still the result that is meant.
    window.session.set_sides(Sides().swapped())
    assert window.tiles.tiles is found
    compress(qtbot, window, 4)
    qtbot.waitUntil(lambda: window.tiles.tiles not in (None, found), timeout=TIMEOUT)
    assert window.session.key_of(Side.A) == 4 and "rate 4" in panel.words.text()
    window.actions_["rate_1"].trigger()
    assert window.tiles.tiles is found, "what was computed is kept"
    window.actions_["tiles_error"].trigger()
    assert window.tiles.tiles is None and panel.places.isHidden() and not panel.words.isVisible()


def test_file_without_its_original(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    write_stream(tmp_path / "scene.fdegc")
    open_scene(qtbot, window, tmp_path / "scene.fdegc")
    qtbot.waitUntil(lambda: finished(window, STREAM), timeout=TIMEOUT)
    settled(qtbot, window)
    bare, picture = window.compare.reconstruction.grab().toImage(), window.compare.reconstruction.picture()
    window.actions_["tiles_bytes"].trigger()
    qtbot.waitUntil(lambda: window.tiles.tiles is not None, timeout=TIMEOUT)
    panel = window.sidebar.tiles
    assert panel.places.count() == 6 and panel.ramp.ends == ("0.00 bpp", "0.09 bpp")
    assert window.actions_["tiles_bytes"].isChecked()
    pane = window.compare.reconstruction
    seen = pane.grab().toImage()
    assert seen != bare and pane.picture() == picture, "over the picture, and not in copies of it"
    window.actions_["tiles_error"].trigger()
    assert not window.actions_["tiles_bytes"].isChecked()
    qtbot.waitUntil(lambda: "does not say how well" in panel.words.text(), timeout=TIMEOUT)
    assert window.tiles.tiles is None and not window.actions_["tiles_error"].isChecked()


def test_result_of_another_codec_has_no_bytes_of_tiles(qtbot: QtBot, window: MainWindow, scene: Path) -> None:
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 4)  # which the fake codec writes in a format of its own
    window.sidebar.tiles.buttons[TileFigure.BYTES].click()
    qtbot.waitUntil(lambda: "not an FDEGC file" in window.sidebar.tiles.words.text(), timeout=TIMEOUT)
    window.sidebar.tiles.buttons[TileFigure.PSNR].click()
    qtbot.waitUntil(lambda: window.tiles.tiles is not None, timeout=TIMEOUT)
    assert window.tiles.tiles.values.shape == (1, 1)  # type: ignore[union-attr]


def test_cancelled(qtbot: QtBot, window: MainWindow, scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 4)

    def endless(self: MapTiles, original: Path, context: Context[object]) -> TileMap:
        while True:
            context.cancel.check()

    monkeypatch.setattr(MapTiles, "_measured", endless)
    window.actions_["tiles_error"].trigger()
    qtbot.waitUntil(lambda: window.status.text.text().startswith("Looking at every tile"), timeout=TIMEOUT)
    window.actions_["cancel"].trigger()
    words = window.sidebar.tiles.words
    qtbot.waitUntil(lambda: words.text().startswith("Cancelled"), timeout=TIMEOUT)
    assert window.tiles.figure is None and not window.actions_["tiles_error"].isChecked()
