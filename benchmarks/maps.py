"""Measure how maps of differences and of local SSIM follow the view.

    python benchmarks/maps.py SCENE [--json]

shows a scene beside a noisy copy of it in the real application, without a screen unless
``QT_QPA_PLATFORM`` says otherwise, and moves the view.  For each map and zoom it prints

    first    milliseconds until the map of a view is complete that shares nothing with the last one
    follow   the same after a move by an eighth of the view, the slowest of some; of the whole scene, after a
             look at a part of it
    cpu      milliseconds of all processors that such a move takes, the most: what a busy machine does
             not change much
    frame    milliseconds that painting the pane takes, the slowest

Before that it prints what the first look at all of the scene takes, when nothing is known of the pair:
until something is seen of the map, and until all of it is.  It exits 1 if a limit is missed: a map follows
within 200 ms, and a frame takes 33.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import rasterio
from PySide6.QtCore import QPointF, QSettings
from PySide6.QtWidgets import QApplication

from fdegc_gui.app import make_application
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import Layout, Side
from fdegc_gui.models.difference import DifferenceStyle
from fdegc_gui.models.guest import FIRST_GUEST
from fdegc_gui.models.result import MetricState
from fdegc_gui.settings import Settings
from fdegc_gui.style.theme import Theme

FOLLOW_MS, FRAME_MS = 200.0, 33.0
STYLES = {"difference": DifferenceStyle(), "ssim": DifferenceStyle(similar=True)}
#: Device pixels a scene pixel; 0 for the whole scene.
ZOOMS = (2.0, 1.0, 0.5, 0.25, 0.0)
_MOVES, _PART = 8, 1 / 8
_TIMEOUT_SECONDS = 600.0
_STRIP = 512


def write_noisy(scene: Path, out: Path) -> None:
    """Copy of a scene with noise of some values."""
    random = np.random.default_rng(1)
    with rasterio.open(scene) as source:
        top = np.iinfo(source.dtypes[0]).max if np.dtype(source.dtypes[0]).kind in "iu" else np.inf
        with rasterio.open(out, "w", **{**source.profile, "driver": "GTiff", "compress": None}) as sink:
            for y in range(0, source.height, _STRIP):
                window = rasterio.windows.Window(0, y, source.width, min(_STRIP, source.height - y))
                pixels = source.read(window=window)
                noisy = pixels + random.integers(-6, 7, pixels.shape)
                sink.write(noisy.clip(0, top).astype(pixels.dtype), window=window)


class Look:
    """Views of a scene, one after another, and how long each took."""

    def __init__(self, app: QApplication, window: MainWindow) -> None:
        self._app, self._window = app, window
        self.frames: list[float] = []

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Processing of events until something holds."""
        end = time.perf_counter() + _TIMEOUT_SECONDS
        while not condition():
            if time.perf_counter() > end:
                raise TimeoutError(what)
            self._app.processEvents()
            time.sleep(0.001)

    def at(self, x: float, y: float, zoom: float) -> tuple[float, float]:
        """Wall and processor milliseconds until the map of a view is complete."""
        session, differ = self._window.session, self._window.controller.differ
        start, spent = time.perf_counter(), time.process_time()
        if zoom:
            self._window.compare.viewport.restore(QPointF(x, y), zoom)
        else:
            self._window.compare.viewport.fit()
        begin = time.perf_counter()
        self._window.compare.reconstruction.repaint()
        self.frames.append(1000 * (time.perf_counter() - begin))
        self.wait(
            lambda: differ.is_settled and session.difference is not None and session.difference.complete,
            "the map",
        )
        return 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - spent)


def measure(look: Look, window: MainWindow, style: DifferenceStyle, zoom: float) -> dict[str, float]:
    """Figures of one map at one zoom."""
    scene = window.session.scene
    assert scene is not None
    width, height = scene.info.width, scene.info.height
    pane = window.compare.reconstruction
    step = _PART * pane.width() * pane.devicePixelRatioF() / zoom if zoom else 0.0
    look.frames.clear()
    window.session.set_style(DifferenceStyle(signed=True, band=0))  # so that nothing of it is known
    window.session.set_style(style)
    first, _ = look.at(0.4 * width, 0.5 * height, zoom)
    moves = []
    for i in range(_MOVES):
        if not zoom:
            look.at(0.1 * i * width, 0.5 * height, 1.0)
        moves.append(look.at(min(0.4 * width + (i + 1) * step, width), 0.5 * height, zoom))
    figures = {"first": first, "frame": max(look.frames)}
    figures["follow"] = max(wall for wall, _ in moves)
    figures["cpu"] = max(cpu for _, cpu in moves)
    return {name: round(value, 1) for name, value in figures.items()}


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scene", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 800), help="of the window, in pixels")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "noisy.tif"
        write_noisy(arguments.scene, other)
        app = make_application()
        settings = Settings(QSettings(str(Path(folder) / "s.ini"), QSettings.Format.IniFormat))
        theme = Theme("dark")
        theme.apply()
        window = MainWindow(settings, theme)
        window.resize(*arguments.size)
        window.show()
        look, session, controller = Look(app, window), window.session, window.controller
        try:
            window.start(arguments.scene.absolute())
            look.wait(lambda: session.scene is not None and controller.painter.is_settled, "opening")
            controller.guests.read(other, Side.B)
            look.wait(lambda: any(key >= FIRST_GUEST for key in session.results), "the copy")
            start = time.perf_counter()
            window.compare.set_layout(Layout.DIFFERENCE)
            look.wait(lambda: session.difference is not None, "a part of the map")
            seen = 1000 * (time.perf_counter() - start)
            look.wait(lambda: session.difference is not None and session.difference.complete, "the map")
            whole = 1000 * (time.perf_counter() - start)
            print(f"first look: something after {seen:.0f} ms, all after {whole:.0f}", file=sys.stderr)
            look.wait(lambda: controller.differ.is_prepared, "the sums")
            measured = next(result for key, result in session.results.items() if key >= FIRST_GUEST)
            look.wait(
                lambda: session.refined and measured.metric_state is MetricState.DONE,
                "estimates and figures, which would take processors from the maps",
            )
            for name, style in STYLES.items():
                session.set_style(style)
                look.at(0, 0, 4.0)  # compiles what there is to compile
                for zoom in ZOOMS:
                    at = f"{name} at {100 * zoom:g} %" if zoom else f"{name} of all"
                    results[at] = measure(look, window, style, zoom)
                    print(at, results[at], file=sys.stderr, flush=True)
        finally:
            window.close()
            look.wait(lambda: not controller.is_running, "closing")
    late = [
        name
        for name, found in results.items()
        if found.get("follow", 0.0) > FOLLOW_MS or found["frame"] > FRAME_MS
    ]
    if arguments.json:
        print(json.dumps({"results": results, "missed": late}))
    else:
        print(f"{'':22s}" + "".join(f"{name:>10s}" for name in ("first", "follow", "cpu", "frame")))
        for name, found in results.items():
            row = (found.get(key) for key in ("first", "follow", "cpu", "frame"))
            print(f"{name:22s}" + "".join(" " * 10 if v is None else f"{v:10.1f}" for v in row))
        print("missed: " + ", ".join(late) if late else "all limits are met")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
