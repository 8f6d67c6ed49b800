"""Exports of compressed files and reconstructions, with a fake codec behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from fdegc.options import KINDS
from fdegc.raster.saving import is_cog
from fdegc_gui.main_window import MainWindow
from tests.gui.display_steps import write
from tests.gui.fakes import FakeUser, saved
from tests.gui.window_steps import compress, error_dialog, finished, open_scene

TIMEOUT = 10_000


def test_export_compressed_file(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    user.answer = tmp_path / "out.fdegc"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_stream"].trigger()
    assert user.suggested.endswith("scene-rate4.fdegc")
    assert user.answer.read_bytes().startswith(b"FAKE")
    assert not list(tmp_path.glob(".*"))
    assert window.settings.folder("stream") == str(tmp_path)


def test_export_asks_before_it_replaces(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    user.answer = tmp_path / "out.fdegc"
    user.answer.write_text("precious")
    user.replace = False
    window.actions_["export_stream"].trigger()
    assert user.asked == ["replace out.fdegc"]
    user.replace = True
    assert user.answer.read_text() == "precious"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_stream"].trigger()
    assert user.answer.read_bytes().startswith(b"FAKE")


def test_export_never_replaces_the_open_scene(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser
) -> None:
    before = scene_path.read_bytes()
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    user.answer = scene_path
    window.actions_["export_image"].trigger()
    error_dialog(qtbot, window).accept()
    assert user.asked == []
    assert scene_path.read_bytes() == before


def test_export_failure_is_a_dialog(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    user.answer = tmp_path / "no such folder" / "out.fdegc"
    window.actions_["export_stream"].trigger()
    dialog = error_dialog(qtbot, window)
    assert "Check that the folder exists" in dialog.failure.message
    assert finished(window, 4)
    dialog.accept()


def test_export_reconstruction_as_png(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 1)
    user.answer = tmp_path / "out.png"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_image"].trigger()
    with Image.open(user.answer) as image:
        assert image.size == (192, 160)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_kinds_that_cannot_hold_the_scene_are_not_offered(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser, tmp_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 1)
    window.actions_["export_image"].trigger()
    assert user.offered_kinds == tuple(KINDS) and user.suggested.endswith(".png")
    pixels = np.random.default_rng(0).integers(0, 255, (5, 70, 80), dtype=np.uint8)
    open_scene(qtbot, window, write(tmp_path / "five.tif", pixels, crs=None, transform=None))
    compress(qtbot, window, 1)
    window.actions_["export_image"].trigger()
    assert user.offered_kinds == ("geotiff", "cog", "jp2"), "of five bands"
    assert user.suggested.endswith(".tif")


def test_geotiff_keeps_crs_and_transform(
    qtbot: QtBot, window: MainWindow, user: FakeUser, tmp_path: Path
) -> None:
    import rasterio
    from rasterio.transform import from_origin

    path = tmp_path / "geo.tif"
    transform = from_origin(500000, 5800000, 0.5, 0.5)
    profile = {
        "driver": "GTiff",
        "width": 80,
        "height": 70,
        "count": 3,
        "dtype": "uint16",
        "crs": "EPSG:32633",
    }
    values = np.random.default_rng(0).integers(0, 4000, (3, 70, 80), dtype=np.uint16)
    with rasterio.open(path, "w", transform=transform, **profile) as target:
        target.write(values)
    open_scene(qtbot, window, path)
    assert "32633" in window.sidebar.facts.values["CRS"]
    compress(qtbot, window, 6)
    user.answer = tmp_path / "back.tif"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_image"].trigger()
    with rasterio.open(user.answer) as result:
        assert result.crs == rasterio.CRS.from_epsg(32633)
        assert result.transform == transform
        assert result.dtypes == ("uint16",) * 3
        assert np.array_equal(result.read(), values // 2 * 2)
    assert not is_cog(user.answer)

    # As a COG, which is the first choice the next time, too.
    user.answer, user.kind = tmp_path / "cog.tif", "cog"
    for usual in ("geotiff", "cog"):
        user.answer.unlink(missing_ok=True)
        with saved(qtbot, window, TIMEOUT):
            window.actions_["export_image"].trigger()
        assert user.usual_kind == usual and is_cog(user.answer)
    with rasterio.open(user.answer) as result:
        assert result.crs == rasterio.CRS.from_epsg(32633)
        assert np.array_equal(result.read(), values // 2 * 2)
