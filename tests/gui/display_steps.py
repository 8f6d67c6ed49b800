"""What tests of the display do again and again: write a scene, open, compress and stretch it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from pytestqt.qtbot import QtBot
from rasterio.transform import from_origin

from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.display import Rendering
from fdegc_gui.models.result import State

TIMEOUT = 10_000
NODATA = 7


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    bands, height, width = pixels.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": bands, "dtype": pixels.dtype}
    profile |= {"crs": "EPSG:32633", "transform": from_origin(5e5, 5.8e6, 0.5, 0.5)}
    with rasterio.open(path, "w", **(profile | options)) as out:
        out.write(pixels)
    return path


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


def choose(qtbot: QtBot, window: MainWindow, **changes: Any) -> Rendering:
    display = window.session.display
    assert display is not None
    window.session.set_display(replace(display, **changes))
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
