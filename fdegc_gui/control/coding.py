"""Compressions and decodings of the open scene: requests, running results, all rates one after another."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from fdegc.raster_info import Window
from fdegc.results import EncodeResult, StreamInfo
from fdegc.types import Progress
from fdegc_gui.control.activities import Activities, ActivityWatch
from fdegc_gui.control.engine import EngineKeeper
from fdegc_gui.control.feed import TileFeed
from fdegc_gui.control.measuring import Measuring
from fdegc_gui.control.painter import Painter
from fdegc_gui.jobs import Failure, Job, Lane, Requests
from fdegc_gui.jobs.base import Answer
from fdegc_gui.jobs.coding import CodedTile, Compress
from fdegc_gui.jobs.decoding import Decode, Decoded, LookedAt
from fdegc_gui.jobs.kept import KeptResult, is_unfinished, stem, stream_path
from fdegc_gui.jobs.scene import Opened
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.costs import learn_pace
from fdegc_gui.models.display import Display
from fdegc_gui.models.result import MetricState, Result, State
from fdegc_gui.models.sample_store import SampleStore
from fdegc_gui.models.scene import STREAM, Scene, unpainted
from fdegc_gui.models.session import Session
from fdegc_gui.models.way import EXACT, FREE, effort_of

_RANK = 5
#: How often what runs says for how long it has been running.
_TICK_MS = 1000
#: Milliseconds between the end of a compression and what is computed of it then.
_TELL_MS = 50


@dataclass(slots=True, eq=False)
class _Run:
    """Compression or decoding that was asked for; its result from when it starts, and what that replaced."""

    key: int
    quality: float
    tiles: int
    store: SampleStore
    watch: ActivityWatch | None = None
    result: Result | None = None
    before: Result | None = None
    began: float = 0.0


def kept_result(kept: KeptResult, store: SampleStore) -> Result:
    """Finished result of when the scene was open before; its picture is made when it is looked at."""
    info, encode = store.info, kept.encode
    return Result(
        kept.key,
        encode.quality,
        unpainted(info),
        store,
        state=State.DONE,
        tiles_done=encode.tiles,
        tiles_total=encode.tiles,
        pixels_done=info.pixels,
        fraction=1.0,
        bytes=encode.bytes,
        encode=encode,
        stream_path=encode.path,
        metrics=kept.metrics,
        metric_state=MetricState.NONE if kept.metrics is None else MetricState.DONE,
    )


class Coding(QObject):
    """Compressions and decodings of the open scene.

    Parameters
    ----------
    session : Session
    lane : Lane
        The engine's.
    keeper : EngineKeeper
    feed : TileFeed
        Writes tiles into pictures.
    painter : Painter
    measuring : Measuring
    activities : Activities
    folder : Path
        For compressed files and reconstructions.

    Signals
    -------
    message(str)
        A sentence for the status line.
    failed(str, Failure)
        What could not be done, and why.
    """

    message = Signal(str)
    failed = Signal(str, object)

    def __init__(
        self,
        session: Session,
        lane: Lane,
        keeper: EngineKeeper,
        feed: TileFeed,
        painter: Painter,
        measuring: Measuring,
        activities: Activities,
        folder: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._lane, self._keeper = session, lane, keeper
        self._feed, self._painter, self._measuring = feed, painter, measuring
        self._activities, self._folder = activities, folder
        self._place = folder
        self._requests = Requests()
        self._running: dict[int, _Run] = {}
        self._looked_at = LookedAt()
        session.scene_changed.connect(self._on_scene)
        session.tiles_written.connect(self._on_written)
        self._clock = QTimer(self)
        self._clock.setInterval(_TICK_MS)
        self._clock.timeout.connect(self._on_tick)

    def set_view(self, window: Window | None, _zoom: float) -> None:
        """View of another part of the scene, which a decoding shows before the rest; None for nothing."""
        self._looked_at.window = window

    def _on_scene(self) -> None:
        self._looked_at = LookedAt()  # what goes on for a scene that was left keeps the other one

    def start(self, key: int | None = None) -> None:
        """Compression for a key, the selected one by default; decoding if a stream is open."""
        scene, display = self._session.scene, self._session.display
        if scene is None or display is None:
            return
        self._keeper.load()
        if scene.stream is not None:
            if STREAM not in self._session.results and STREAM not in self._session.waiting:
                self._decode(scene, scene.stream, display)
            return
        key = key if key is not None else self._session.key
        if key not in self._running and key not in self._session.waiting:
            self._compress(scene, key, display)
            if self._running:
                self.message.emit(f"{self._session.way(key).title} is next.")

    def start_all(self) -> None:
        """Compression at every rate point that is not finished at this effort, the selected one first."""
        scene = self._session.scene
        if scene is None or scene.stream is not None:
            return
        keys = [self._session.asked_key(row) for row in self._session.rates[:6]]
        missing = [key for key in keys if self._session.result(key) is None]
        self._session.planned = sorted(missing, key=lambda key: key != self._session.key)
        self._next_of_batch()

    def take_over(self, opened: Opened) -> None:
        """Results that are kept of a scene that has just been opened, and the place for those to come."""
        self._place = opened.folder or self._folder
        if opened.folder is None:
            return
        for kept in opened.results:
            result = kept_result(kept, SampleStore(opened.folder / kept.samples, opened.scene.info))
            self._session.add(result)
            if result.metrics is None:
                self._measuring.measure(result)
        if opened.results:
            found = [self._session.results[kept.key] for kept in opened.results]
            plain = [str(result.key) for result in found if result.key in range(1, 7)]
            names = [f"Rates {', '.join(plain)}" if len(plain) > 1 else f"Rate {plain[0]}"] if plain else []
            for result in found:
                if result.way.row in (EXACT, FREE):
                    self._session.ask_as(result)
                if result.key not in range(1, 7):
                    names.append(f"the result {result.way.how}")
            if self._session.result(self._session.key) is None:  # the rate of another scene
                nearest = min(
                    found, key=lambda one: abs(one.quality - self._session.way(self._session.key).quality)
                )
                self._session.set_rate(nearest.way.row)
            words = " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
            as_left = "is as you left it" if len(found) == 1 else "are as you left them"
            self.message.emit(f"{words[0].upper()}{words[1:]} {as_left}.")

    def forget_batch(self) -> None:
        """End of the batch: no more rate points are started."""
        self._session.planned.clear()

    def leave_scene(self) -> None:
        """Cancellation of what runs and waits for the open scene."""
        self._session.planned.clear()
        self._feed.clear()
        self._running.clear()
        self._requests.drop()

    # ------------------------------------------------------------------ requests

    def _compress(self, scene: Scene, key: int, display: Display) -> None:
        options, way = self._session.options(key), self._session.way(key).how
        side = options.tile_size
        tiles = math.ceil(scene.info.width / side) * math.ceil(scene.info.height / side)
        before = self._session.results.get(key)
        place = self._place if self._session.keeps else self._folder / f"scene{scene.number}-results"
        name = f"{stem(key)}-0"  # what is there stays until the new one is finished
        if before is not None and before.store.folder.name == name:
            name = f"{stem(key)}-1"
        run = _Run(key, options.quality, tiles, SampleStore(place / name, scene.info))
        job = Compress(
            path=scene.path,
            key=key,
            options=options,
            device=self._keeper.device,
            out=stream_path(place, key),
            folder=run.store.folder,
            keeps=self._session.keeps,
            replaces=None if before is None else before.store.folder,
            display=display,
            rendering=self._session.rendering,
        )
        heading = f"The scene could not be compressed {way}."
        self._submit(job, run, self._finish_compression, f"Compressing {way}", heading)

    def _decode(self, scene: Scene, stream: StreamInfo, display: Display) -> None:
        folder = self._folder / f"scene{scene.number}-stream"
        run = _Run(STREAM, stream.quality, stream.tiles, SampleStore(folder, scene.info))
        job = Decode(
            path=scene.path,
            info=stream.raster,
            tile_size=stream.tile_size,
            device=self._keeper.device,
            folder=folder,
            display=display,
            rendering=self._session.rendering,
            looked_at=self._looked_at,
        )
        self._submit(
            job,
            run,
            lambda result, decoded: self._finish_decoding(scene, result, decoded),
            "Decoding",
            f"“{scene.path.name}” could not be decoded.",
        )

    def _submit(
        self,
        job: Job[Answer, CodedTile],
        run: _Run,
        finish: Callable[[Result, Answer], None],
        title: str,
        heading: str,
    ) -> None:
        # Of what is refined most of the time goes by before there is a tile to see.
        tiles = None if effort_of(run.key) else run.tiles
        watch = self._activities.watch(Activity(title, _RANK, cancellable=True, tiles_total=tiles))
        run.watch = watch
        request = self._lane.submit(
            job,
            started=lambda: self._on_started(run),
            progress=lambda progress: self._on_progress(run, progress),
            part=lambda tile: self._on_tile(run, tile),
            done=lambda answer: self._on_done(run, lambda result: finish(result, answer)),
            failed=lambda failure: self._on_failed(run, heading, failure),
            cancelled=lambda: self._on_cancelled(run),
            watch=watch,
        )
        self._requests.add(request)
        self._session.set_waiting(run.key, True)
        watch.queued(f"{title}: queued")

    # ------------------------------------------------------------------ answers

    def _on_started(self, run: _Run) -> None:
        self._running[run.key] = run
        run.began = time.perf_counter()
        self._clock.start()
        self._session.waiting.pop(run.key, None)
        run.before = self._session.results.get(run.key)
        run.result = self._session.begin(run.key, run.quality, run.tiles, run.store)

    def _on_progress(self, run: _Run, progress: Progress) -> None:
        result = run.result
        if result is not None:
            result.fraction, result.left = progress.fraction, progress.remaining
            result.seconds = time.perf_counter() - run.began

    def _on_tick(self) -> None:
        for run in self._running.values():
            if run.result is not None:
                run.result.seconds = time.perf_counter() - run.began
        self._session.estimates_changed.emit()
        if not self._running:
            self._clock.stop()

    def _on_tile(self, run: _Run, tile: CodedTile) -> None:
        if run.result is not None:
            window, info = tile.painted.window, run.store.info
            if window.x == window.y == 0:  # tiles can be of another size than was asked for
                run.result.tiles_total = math.ceil(info.width / window.width) * math.ceil(
                    info.height / window.height
                )
            if tile.statistics is not None:
                self._session.set_statistics(tile.statistics)
            self._feed.push(run.result, tile.painted, tile.figures)
            self._painter.take_tile(run.result, tile.painted)

    def _on_written(self, key: int, _windows: object) -> None:
        run = self._running.get(key)
        if run is not None and run.watch is not None and run.result is not None and not effort_of(key):
            run.watch.tiles(run.result.tiles_done, run.result.tiles_total)

    def _on_done(self, run: _Run, finish: Callable[[Result], None]) -> None:
        self._running.pop(run.key, None)
        result = run.result
        if result is not None:
            self._feed.when_empty(lambda: self._finish_if_held(result, finish))

    def _on_failed(self, run: _Run, heading: str, failure: Failure) -> None:
        self._drop(run)
        self._session.planned.clear()
        self.failed.emit(heading, failure)

    def _on_cancelled(self, run: _Run) -> None:
        self._drop(run)
        if run.key in self._session.unfinished:
            self.message.emit(
                f"Cancelled. What is finished {self._session.way(run.key).how} is kept; "
                "compressing goes on from there."
            )
        else:
            self.message.emit("Cancelled.")

    def _drop(self, run: _Run) -> None:
        if self._running.get(run.key) is run:
            del self._running[run.key]
        if run.result is not None:
            self._feed.drop(run.result)
            left = run.key != STREAM and is_unfinished(stream_path(run.store.folder.parent, run.key))
            if left and self._session.is_asked(run.result):  # nothing goes on from another quality
                self._session.unfinished.add(run.key)
            if run.before is not None and self._session.holds(run.result):
                self._session.add(run.before)
            else:
                self._session.drop(run.result)
        else:
            self._session.set_waiting(run.key, False)

    # ------------------------------------------------------------------ finished

    def _finish_if_held(self, result: Result, finish: Callable[[Result], None]) -> None:
        if self._session.holds(result):
            finish(result)

    def _finish_compression(self, result: Result, encode: EncodeResult) -> None:
        self._finish(result)
        result.encode = encode
        self._session.unfinished.discard(result.key)
        result.bytes, result.stream_path = encode.bytes, encode.path
        scene = self._session.scene
        # The window tells that it is finished before the cores are taken again.
        QTimer.singleShot(_TELL_MS, self, lambda: self._measure_in(scene, result))
        learn_pace(self._session, result)
        self.message.emit(f"{result.way.title} is finished.")
        self._session.result_changed.emit(result.key)
        self._next_of_batch()

    def _measure_in(self, scene: Scene | None, result: Result) -> None:
        if self._session.scene is scene:
            self._measuring.measure(result)

    def _finish_decoding(self, scene: Scene, result: Result, decoded: Decoded) -> None:
        self._finish(result)
        result.decode_seconds = decoded.decode.seconds
        result.bytes, result.stream_path = scene.file_bytes or 0, scene.path
        result.damaged, result.lost = decoded.decode.damaged, decoded.decode.info.lost
        self._session.set_statistics(decoded.statistics)
        self._session.result_changed.emit(result.key)

    def _finish(self, result: Result) -> None:
        result.state = State.DONE
        result.pyramid.complete = True
        result.backdrop = None

    def _next_of_batch(self) -> None:
        while self._session.planned:
            key = self._session.planned.pop(0)
            if key not in self._session.results:
                self.start(key)
                return
