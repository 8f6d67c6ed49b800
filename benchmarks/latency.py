"""Measure how the application feels: time to the window, gaps of its event loop, time to Cancel.

    python benchmarks/latency.py SCENE [--rate 4] [--json]

runs the real application with the real codec, without a screen unless ``QT_QPA_PLATFORM`` says
otherwise, with settings of its own.  Prints seconds and milliseconds; exits 1 if a limit of the
product is missed.
"""

# ruff: noqa: E402 - the clock starts before anything is imported

from __future__ import annotations

import time

PROCESS_START = time.perf_counter()

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PySide6.QtCore import QObject, QSettings, Qt, QTimer

from fdegc_gui.app import make_application
from fdegc_gui.jobs.kept import KeptScenes
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.result import MetricState, State
from fdegc_gui.settings import Settings
from fdegc_gui.style.theme import Theme

#: What the product promises: seconds to the window, milliseconds of a gap, seconds to Cancel.
LIMITS = {
    "window_seconds": 1.5,
    "loading_gap_ms": 400.0,
    "compressing_gap_ms": 50.0,
    "cancel_seconds": 1.0,
}
_BEAT_MS = 5
_POLL_MS = 20
_TIMEOUT_SECONDS = 1800.0


class Heartbeat(QObject):
    """Notes how late a 5 ms timer is: the time in which the window could not react."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.perf_counter()
        self.gaps: list[float] = []
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(_BEAT_MS)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1000 * (now - self._last))
        self._last = now

    def take(self) -> list[float]:
        """Return the gaps since the last call, in milliseconds."""
        gaps, self.gaps = self.gaps, []
        return gaps or [0.0]


@dataclass
class Report:
    """Figures by name."""

    values: dict[str, float] = field(default_factory=dict)

    def gaps(self, name: str, gaps: list[float]) -> None:
        """Add the longest gap, the 99th percentile, and how many were above 50 ms."""
        ordered = sorted(gaps)
        self.values[f"{name}_gap_ms"] = round(ordered[-1], 1)
        self.values[f"{name}_gap_p99_ms"] = round(ordered[int(0.99 * (len(ordered) - 1))], 1)
        self.values[f"{name}_gaps_above_50_ms"] = sum(gap > 50 for gap in ordered)


class Run(QObject):
    """Steps through a session: open, load, compress, measure, cancel, close."""

    def __init__(self, window: MainWindow, scene: Path, rate: int, quit_: Callable[[], None]) -> None:
        super().__init__()
        self._window, self._scene, self._rate, self._quit = window, scene, rate, quit_
        self.report = Report()
        self.failure = ""
        self._heart = Heartbeat()
        self._start = time.perf_counter()
        self._step: Callable[[], None] = self._opening
        self._mark = 0.0
        window.controller.failed.connect(self._on_failed)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._timer.start(_POLL_MS)

    def _on_failed(self, heading: str, failure: object) -> None:
        self.failure = f"{heading} {getattr(failure, 'message', '')}"
        self._finish()

    def _poll(self) -> None:
        if time.perf_counter() - self._start > _TIMEOUT_SECONDS:
            self.failure = "it took too long"
            self._finish()
        else:
            self._step()

    @staticmethod
    def _say(word: str) -> None:
        print(f"{time.perf_counter() - PROCESS_START:8.1f} s  {word}", file=sys.stderr, flush=True)

    def _opening(self) -> None:
        if self._window.session.scene is not None:
            self.report.values["scene_seconds"] = round(time.perf_counter() - PROCESS_START, 3)
            self._say("loading")
            self._step = self._loading

    def _loading(self) -> None:
        ready = self._window.session.refined and self._window.controller.keeper.ready is not None
        if not ready:
            if (
                self._window.controller.keeper.ready is not None
                and "engine_seconds" not in self.report.values
            ):
                self.report.values["engine_seconds"] = round(time.perf_counter() - PROCESS_START, 2)
                self.report.gaps("loading", self._heart.take())
            return
        self.report.gaps("estimating", self._heart.take())
        self._window.session.set_rate(self._rate)
        self._window.start_compress()
        self._mark = time.perf_counter()
        self._say("compressing")
        self._step = self._compressing

    def _compressing(self) -> None:
        result = self._window.session.results.get(self._rate)
        if result is not None and result.state is State.DONE:
            self.report.gaps("compressing", self._heart.take())
            self.report.values["compress_seconds"] = round(time.perf_counter() - self._mark, 2)
            self._say("measuring")
            self._step = self._measuring

    def _measuring(self) -> None:
        result = self._window.session.results[self._rate]
        if result.metric_state is MetricState.DONE:
            self.report.gaps("measuring", self._heart.take())
            other = 1 + self._rate % 6
            self._window.session.set_rate(other)
            self._window.start_compress()
            self._mark = 0.0
            self._say("cancelling")
            self._step = self._cancelling

    def _cancelling(self) -> None:
        result = self._window.session.current
        if self._mark == 0.0:
            if result is not None and (result.tiles_done or result.fraction > 0.1):
                self._mark = time.perf_counter()
                self._window.controller.cancel()
        elif result is None:
            self.report.values["cancel_seconds"] = round(time.perf_counter() - self._mark, 3)
            self._mark = time.perf_counter()
            self._finish()

    def _finish(self) -> None:
        self._say("closing")
        self._timer.stop()
        self._mark = time.perf_counter()
        self._window.closed.connect(self._on_closed)
        self._window.close()

    def _on_closed(self) -> None:
        self.report.values["close_seconds"] = round(time.perf_counter() - self._mark, 3)
        self._quit()


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scene", type=Path)
    parser.add_argument("--rate", type=int, default=4, choices=range(1, 7))
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        app = make_application()
        settings = Settings(QSettings(str(Path(folder) / "s.ini"), QSettings.Format.IniFormat))
        theme = Theme("dark")
        theme.apply()
        window = MainWindow(settings, theme, kept=KeptScenes(Path(folder) / "kept"))
        window.resize(1280, 800)
        window.show()
        app.processEvents()
        shown = time.perf_counter() - PROCESS_START
        window.start(arguments.scene)
        run = Run(window, arguments.scene, arguments.rate, app.quit)
        run.report.values["window_seconds"] = round(shown, 3)
        app.exec()
    values = run.report.values
    missed = [name for name, limit in LIMITS.items() if values.get(name, float("inf")) > limit]
    if arguments.json:
        print(json.dumps({**values, "missed": missed, "failure": run.failure}))
    else:
        for name, value in values.items():
            limit = f"   (limit {LIMITS[name]:g})" if name in LIMITS else ""
            print(f"{name:32s} {value:10g}{limit}")
        print("missed: " + ", ".join(missed) if missed else "all limits are met")
        if run.failure:
            print(f"failed: {run.failure}")
    return 1 if missed or run.failure else 0


if __name__ == "__main__":
    sys.exit(main())
