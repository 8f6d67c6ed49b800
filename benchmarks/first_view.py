"""Measure how soon a huge scene can be seen, looked at closely, and shown in other colours.

    python benchmarks/first_view.py [SCENE...] [--side 20000] [--json]

opens each scene in the real application, without a screen unless ``QT_QPA_PLATFORM`` says otherwise, once
the codec is loaded.  Without scenes it writes three of its own into a temporary folder (three bands of 8
bits, deflate): tiled with overviews, tiled without, and in strips.  For each it prints the seconds

    first_view    from the wish to open it until a picture of the whole scene has been painted
    whole         until that picture has been made of all pixels
    close_up      from the jump to 100 % until the pixels there have been painted
    restretch     from another choice of bands until the whole view shows it
    values        from the pointer's arrival until the values there are known

and gap_ms, the longest time in which the window could not react.  Exits 1 if a first view takes longer
than a second.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PySide6.QtCore import QEvent, QEventLoop, QObject, QPointF, QSettings
from PySide6.QtWidgets import QApplication

from benchmarks.latency import Heartbeat
from fdegc_gui.app import make_application
from fdegc_gui.jobs.kept import KeptScenes
from fdegc_gui.main_window import MainWindow
from fdegc_gui.settings import Settings
from fdegc_gui.style.theme import Theme

#: Seconds to the first view of any scene.
LIMIT = 1.0
_TIMEOUT_SECONDS = 120.0
#: As the app's own loop does: one that never sleeps would take Python's lock from whatever reads the scene.
#: The heart's beats end every wait.
_PATIENTLY = QEventLoop.ProcessEventsFlag.AllEvents | QEventLoop.ProcessEventsFlag.WaitForMoreEvents
_OVERVIEWS = (2, 4, 8, 16, 32)


def write_scene(path: Path, side: int, *, tiled: bool, overviews: bool) -> None:
    """Write a scene that compresses well, so that this is quick."""
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8"}
    profile |= {"compress": "deflate", "zlevel": 1, "crs": "EPSG:32633"}
    if tiled:
        profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512}
    columns = np.arange(side)
    with rasterio.open(path, "w", transform=from_origin(5e5, 5.8e6, 0.5, 0.5), **profile) as out:
        for y in range(0, side, 512):
            rows = np.arange(y, min(y + 512, side))[:, None]
            band = 40 + columns // 64 % 100 + rows // 64 % 90 + (columns + rows) % 7
            stack = np.stack([band, band * 3 // 4, band // 2]).astype(np.uint8)
            out.write(stack, window=Window(0, y, side, len(rows)))
    if overviews:
        with rasterio.open(path, "r+") as out:
            out.build_overviews(_OVERVIEWS, Resampling.nearest)


class _Painted(QObject):
    """Notes when a widget was painted last."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0

    def eventFilter(  # noqa: N802
        self, watched: QObject, event: QEvent
    ) -> bool:
        if event.type() == QEvent.Type.Paint:
            self.at = time.perf_counter()
        return False


class Run:
    """Opens scenes one after another and takes the time."""

    def __init__(self, app: QApplication, window: MainWindow) -> None:
        self._app, self._window = app, window
        self._painted = _Painted()
        window.compare.original.installEventFilter(self._painted)

    def _until(self, condition: Callable[[], bool]) -> float:
        """Process events until something holds and has been painted; return the seconds."""
        start = time.perf_counter()
        while not condition():
            self._app.processEvents(_PATIENTLY)
            if time.perf_counter() - start > _TIMEOUT_SECONDS:
                raise TimeoutError("it took too long")
        known = time.perf_counter()
        self._window.compare.original.update()
        while self._painted.at < known:
            self._app.processEvents(_PATIENTLY)
        return round(time.perf_counter() - start, 3)

    def wait_for_engine(self) -> None:
        """Process events until the codec is loaded, which ``latency.py`` looks at."""
        heart = Heartbeat()
        while self._window.controller.keeper.ready is None:
            self._app.processEvents(_PATIENTLY)
        heart.take()

    def measure(self, path: Path) -> dict[str, float]:
        """Return the figures of one scene."""
        window, session = self._window, self._window.session
        heart = Heartbeat()
        out = {}
        window.controller.open(path)
        out["first_view"] = self._until(lambda: session.scene is not None and session.scene.path == path)
        begin = time.perf_counter()
        self._until(lambda: window.controller.painter.is_settled)
        out["whole"] = round(out["first_view"] + time.perf_counter() - begin, 3)
        info = session.scene.info  # type: ignore[union-attr]
        middle = QPointF(info.width * 0.6, info.height * 0.4)
        window.compare.viewport.restore(middle, 1.0)
        out["close_up"] = self._until(lambda: "original" in session.patches or self._is_fine())
        window.compare.viewport.fit()
        display = session.display
        assert display is not None
        before = session.original
        session.set_display(replace(display, bands=display.bands[::-1]))
        if session.rendering != before.rendering:  # type: ignore[union-attr]
            out["restretch"] = self._until(lambda: session.original is not before)
        window.compare.hovered.emit(middle)
        out["values"] = self._until(lambda: window.controller.prober.reading is not None)
        window.compare.hovered.emit(None)
        out["gap_ms"] = round(max(heart.take()), 1)
        return out

    def _is_fine(self) -> bool:
        pyramid = self._window.session.original
        return pyramid is not None and pyramid.complete and max(pyramid.scale(0)) == 1.0


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", nargs="*", type=Path)
    parser.add_argument("--side", type=int, default=20_000, help="pixels a side of its own scenes")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenes = list(arguments.scenes)
        if not scenes:
            for stem, tiled, overviews in (("overviews", 1, 1), ("tiles", 1, 0), ("strips", 0, 0)):
                scenes.append(folder / f"{stem}.tif")
                write_scene(scenes[-1], arguments.side, tiled=bool(tiled), overviews=bool(overviews))
        app = make_application()
        settings = Settings(QSettings(str(folder / "s.ini"), QSettings.Format.IniFormat))
        theme = Theme("dark")
        theme.apply()
        window = MainWindow(settings, theme, kept=KeptScenes(folder / "kept"))
        window.resize(1280, 800)
        window.show()
        app.processEvents()
        window.start()
        run = Run(app, window)
        run.wait_for_engine()
        try:
            for scene in scenes:
                results[scene.name] = run.measure(scene.absolute())
        finally:
            window.close()
            while window.controller.is_running:
                app.processEvents()
    late = [name for name, figures in results.items() if figures["first_view"] > LIMIT]
    if arguments.json:
        print(json.dumps({**results, "late": late}))
    else:
        for name, figures in results.items():
            print(name, "  ".join(f"{key} {value:g}" for key, value in figures.items()))
        print(f"first view after more than {LIMIT:g} s: {', '.join(late)}" if late else "all in time")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
