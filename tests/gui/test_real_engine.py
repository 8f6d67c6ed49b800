"""The real network through the real worker thread, from an opened GeoTIFF to exported files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PySide6.QtCore import QPointF, QThread
from pytestqt.qtbot import QtBot
from rasterio.transform import from_origin

from fdegc.format.info import read_info
from fdegc.raster import open_raster
from fdegc.raster_info import Window
from fdegc_gui.jobs.engine import REAL_ENGINE
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.display import Stretch
from fdegc_gui.models.result import MetricState, State
from fdegc_gui.models.scene import STREAM
from tests.gui.fakes import FakeUser, saved

TIMEOUT = 120_000


@pytest.fixture
def geotiff(tmp_path: Path) -> Path:
    """A 12-bit scene of 192 × 160 with a CRS."""
    rows, cols = np.mgrid[0:160, 0:192]
    band = 2000 + 900 * np.sin(cols / 13) + 800 * np.cos(rows / 17)
    path = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "width": 192, "height": 160, "count": 3, "dtype": "uint16"}
    transform = from_origin(500_000, 5_800_000, 0.5, 0.5)
    with rasterio.open(path, "w", crs="EPSG:32633", transform=transform, **profile) as out:
        out.write(np.stack([band, band * 0.8, band * 0.6]).astype(np.uint16))
    return path


def test_compress_measure_export_and_open_again(
    qtbot: QtBot, make_window: Callable[..., MainWindow], geotiff: Path, tmp_path: Path, user: FakeUser
) -> None:
    window = make_window(REAL_ENGINE)
    with qtbot.waitSignal(window.controller.opened, timeout=TIMEOUT):
        window.start(geotiff)
    qtbot.waitUntil(lambda: window.controller.keeper.ready is not None, timeout=TIMEOUT)
    window.actions_["rate_3"].trigger()
    window.actions_["compress"].trigger()
    results = window.session.results
    qtbot.waitUntil(
        lambda: (
            3 in results and results[3].state is State.DONE and results[3].metric_state is MetricState.DONE
        ),
        timeout=TIMEOUT,
    )
    assert QThread.currentThread() is window.thread()
    assert float(window.sidebar.metrics.cells["psnr"].value.text().split()[0]) > 15
    assert window.compare.reconstruction.label == "Reconstruction · rate 3 · λ 512"

    display = window.session.display
    assert display is not None and display.stretch is Stretch.PERCENTILE
    before = results[3].pyramid
    window.session.set_display(replace(display, bands=(2, 1, 0), linked=True))
    qtbot.waitUntil(lambda: results[3].pyramid is not before, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: window.controller.painter.is_settled, timeout=TIMEOUT)
    assert window.session.original is not None
    assert window.session.original.rendering == results[3].pyramid.rendering == window.session.rendering
    close = np.abs(window.session.original.levels[0].astype(int) - results[3].pyramid.levels[0])
    assert close.mean() < 20 and results[3].state is State.DONE
    window.compare.hovered.emit(QPointF(50.5, 60.5))
    qtbot.waitUntil(lambda: window.controller.prober.reading is not None, timeout=TIMEOUT)
    reading = window.controller.prober.reading
    assert reading is not None and reading.a is not None and reading.b is not None
    with open_raster(geotiff) as source:
        assert reading.a.bands == tuple(source.read(Window(50, 60, 1, 1)).pixels[:, 0, 0].tolist())

    user.answer = tmp_path / "out.fdegc"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_stream"].trigger()
    assert read_info(user.answer).quality == 3.0
    stream = user.answer
    user.answer = tmp_path / "out.tif"
    with saved(qtbot, window, TIMEOUT):
        window.actions_["export_image"].trigger()
    with open_raster(geotiff) as source, open_raster(user.answer) as back:
        assert back.info.crs_wkt == source.info.crs_wkt
        assert back.info.transform == source.info.transform
        whole = Window(0, 0, 192, 160)
        error = np.abs(back.read(whole).pixels.astype(float) - source.read(whole).pixels)
        assert error.mean() < 200

    window.controller.open(stream)
    qtbot.waitUntil(
        lambda: STREAM in window.session.results and window.session.results[STREAM].state is State.DONE,
        timeout=TIMEOUT,
    )
    assert window.sidebar.facts.values.get("Profile", "") == read_info(stream).profile
