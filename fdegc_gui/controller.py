"""What the user wants → requests; answers → the session."""

from __future__ import annotations

import dataclasses
import logging
import math
import shutil
import tempfile
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from fdegc.options import EncodeOptions
from fdegc.types import Progress, RasterStatistics
from fdegc_gui.engine_keeper import EngineKeeper
from fdegc_gui.feed import TileFeed
from fdegc_gui.jobs import Failure, Job, Lane
from fdegc_gui.jobs.coding import (
    Compress,
    Compressed,
    Decode,
    Decoded,
    EngineReady,
    EstimateRates,
    LoadEngine,
    Measure,
    TileImage,
)
from fdegc_gui.jobs.engine import Engine
from fdegc_gui.jobs.export import ExportReconstruction, ExportStream
from fdegc_gui.jobs.pictures import CloseFiles
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.scene import Opened, OpenScene, PrepareToOpen
from fdegc_gui.jobs.store import Reconstruction
from fdegc_gui.measuring import Measuring
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.session import STREAM, Result, Session, State
from fdegc_gui.painter import Painter
from fdegc_gui.prober import Prober
from fdegc_gui.words import activity_of, what_failed

log = logging.getLogger(__name__)

#: What Cancel stops.
_FOREGROUND = (Compress, Decode, ExportStream, ExportReconstruction, Measure)


class Controller(QObject):
    """Owns the lanes; turns wishes into jobs and their answers into state.

    Parameters
    ----------
    session : Session
    engine : Engine
        How to get the codec.
    device : str
        Device id to start with.

    Signals
    -------
    activity_changed(Activity or None)
        The most important thing that goes on.
    message(str)
        A sentence for the status line.
    failed(str, Failure)
        What could not be done, and why.
    opened(Path)
        A file was opened.
    open_failed(Path)
        A file could not be opened.
    stopped()
        All threads have ended.
    """

    activity_changed = Signal(object)
    message = Signal(str)
    failed = Signal(str, object)
    opened = Signal(object)
    open_failed = Signal(object)
    stopped = Signal()

    def __init__(self, session: Session, engine: Engine, device: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.folder = Path(tempfile.mkdtemp(prefix="fdegc-"))
        self._feed = TileFeed(session, self)
        self._activities: dict[Job, Activity] = {}
        self._batch: list[int] = []
        self._stopping = False
        self.engine = Lane("engine", engine, self)
        rasters = Rasters()
        self.files = Lane("files", None, self, rasters)
        self.exports = Lane("exports", None, self)
        self.keeper = EngineKeeper(self.engine, device, self)
        self.keeper.changed.connect(self._on_engine)
        self.keeper.message.connect(self.message)
        self.keeper.failed.connect(self._on_engine_failed)
        self.measuring = Measuring(session, self.engine, self)
        self.painter = Painter(session, self.files, rasters, self._feed, self)
        self.painter.message.connect(self.message)
        self.prober = Prober(session, rasters, self)
        for lane in (self.engine, self.files, self.exports):
            lane.job_started.connect(self._on_started)
            lane.job_progress.connect(self._on_progress)
            lane.job_partial.connect(self._on_partial)
            lane.job_done.connect(self._on_done)
            lane.job_failed.connect(self._on_failed)
            lane.job_cancelled.connect(self._on_cancelled)
        for lane in self.lanes:
            lane.stopped.connect(self._on_lane_stopped)
            lane.start()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Engine, files, exports, pictures, probes."""
        return self.engine, self.files, self.exports, self.painter.lane, self.prober.lane

    # ------------------------------------------------------------------ wishes

    def prepare(self) -> None:
        """Get ready for scenes and load the engine, while nothing else is to be done."""
        self.files.submit(PrepareToOpen())
        self.keeper.load()

    def open(self, path: Path) -> None:
        """Open a file; the current scene stays until that has succeeded."""
        self.files.cancel(lambda job: isinstance(job, OpenScene))
        path = path.absolute()
        self.files.submit(OpenScene(self.session.next_number(), path, self.session.choices(path)))

    def close_scene(self) -> None:
        """Close the scene and cancel what runs for it."""
        self._leave_scene()
        self.session.set_scene(None, None, {})
        self.files.submit(CloseFiles())

    def compress(self, rate: int | None = None) -> None:
        """Compress at a rate point, the selected one by default; decode if a stream is open."""
        scene = self.session.scene
        if scene is None:
            return
        self.keeper.load()
        shown = self.session.display, self.session.rendering
        if scene.stream is not None:
            if STREAM not in self.session.results:
                job = Decode(scene.number, scene.path, scene.info, self.keeper.device, self.folder, *shown)
                self.engine.submit(job)
            return
        rate = rate if rate is not None else self.session.rate
        if any(isinstance(job, Compress) and job.rate == rate for job in self._activities):
            return
        options = EncodeOptions(quality=float(rate))
        self.engine.submit(
            Compress(scene.number, scene.path, rate, options, self.keeper.device, self.folder, *shown)
        )
        if self.is_busy:
            self.message.emit(f"Rate {rate} is next.")

    def compress_all(self) -> None:
        """Compress at every rate point that is not finished, the selected one first."""
        scene = self.session.scene
        if scene is None or scene.stream is not None:
            return
        missing = [rate for rate in range(1, 7) if rate not in self.session.results]
        self._batch = sorted(missing, key=lambda rate: rate != self.session.rate)
        self._next_of_batch()

    def cancel(self) -> None:
        """Stop what the user waits for: compression, decoding, export, metrics."""
        self._batch.clear()
        hits = [lane.cancel(lambda job: isinstance(job, _FOREGROUND)) for lane in (self.engine, self.exports)]
        if any(hits):
            for job, activity in list(self._activities.items()):
                if isinstance(job, _FOREGROUND):
                    self._activities[job] = dataclasses.replace(
                        activity,
                        title="Cancelling…",
                        fraction=None,
                        tiles=None,
                        remaining=None,
                        cancellable=False,
                    )
            self._tell_activity()

    def shut_down(self) -> None:
        """Cancel everything and end the threads; ``stopped`` tells when they have."""
        self._stopping = True
        self._feed.clear()
        for lane in self.lanes:
            lane.stop()

    @property
    def is_running(self) -> bool:
        """Whether a thread is alive."""
        return any(lane.is_running for lane in self.lanes)

    @property
    def is_busy(self) -> bool:
        """Whether a compression or decoding runs."""
        return any(isinstance(job, Compress | Decode) for job in self._activities)

    @property
    def can_cancel(self) -> bool:
        """Whether there is something to cancel."""
        return any(isinstance(job, _FOREGROUND) for job in self._activities)

    # ------------------------------------------------------------------ answers

    def _on_started(self, job: Job) -> None:
        if self._stopping:
            return
        if isinstance(job, Compress | Decode) and self.session.is_current(job.scene):
            self._begin(job)
        self._activities[job] = activity_of(job, _FOREGROUND)
        self._tell_activity()

    def _begin(self, job: Compress | Decode) -> None:
        scene = self.session.scene
        assert scene is not None
        if isinstance(job, Compress):
            side = job.options.tile_size
            tiles = math.ceil(scene.info.width / side) * math.ceil(scene.info.height / side)
            result = self.session.begin(job.rate, job.options.quality, tiles)
        elif scene.stream is not None:
            result = self.session.begin(STREAM, scene.stream.quality, scene.stream.tiles)
        result.store = Reconstruction(job.store_folder, scene.info)

    def _on_progress(self, job: Job, progress: Progress) -> None:
        activity = self._activities.get(job)
        if activity is None or activity.title == "Cancelling…":
            return
        result = self._result_of(job)
        if result is not None and not isinstance(job, Measure):
            result.fraction = progress.fraction
        total = result.tiles_total if result is not None and not isinstance(job, Measure) else None
        # Coding runs ahead of the tiles in the picture: count what the percentage counts.
        tiles = (round(progress.fraction * total), total) if total else None
        self._activities[job] = dataclasses.replace(
            activity, fraction=progress.fraction, remaining=progress.remaining, tiles=tiles
        )
        self._tell_activity()

    def _on_partial(self, job: Job, value: object) -> None:
        result = self._result_of(job)
        if result is None or self._stopping:
            return
        if isinstance(value, TileImage):
            self._feed.push(result, value)
            self.painter.take_tile(result, value.painted)
        elif isinstance(value, RasterStatistics):
            self.session.set_statistics(value)

    def _on_done(self, job: Job, value: object) -> None:
        self._forget(job)
        if self._stopping:
            return
        if isinstance(value, Opened):
            self._on_opened(value)
        elif isinstance(value, Compressed | Decoded):
            result = self._result_of(job)
            if result is not None:
                self._feed.when_empty(lambda: self._finish(job, result, value))
        elif isinstance(job, EstimateRates) and self.session.is_current(job.scene):
            self.session.set_estimates(value)  # type: ignore[arg-type]
        elif isinstance(value, Path):
            self.message.emit(f"Saved {value.name} in {value.parent}.")

    def _on_failed(self, job: Job, failure: Failure) -> None:
        self._forget(job)
        if self._stopping:
            return
        log.warning("%s: %s", type(job).__name__, failure.message)
        if isinstance(job, Measure | LoadEngine):
            return  # told elsewhere
        if isinstance(job, EstimateRates):
            self.message.emit("The estimates could not be refined; see the log.")
        elif isinstance(job, OpenScene):
            self.open_failed.emit(job.path)
            self.failed.emit(f"{job.path.name} could not be opened.", failure)
        else:
            self._drop_result(job)
            self._batch.clear()
            self.failed.emit(what_failed(job), failure)

    def _on_cancelled(self, job: Job) -> None:
        self._forget(job)
        if self._stopping:
            return
        self._drop_result(job)
        if isinstance(job, _FOREGROUND) and self.session.is_current(job.scene):
            self.message.emit("Cancelled.")

    def _on_engine(self, ready: EngineReady | None) -> None:
        if ready is not None and not self._stopping:
            self.session.forget_speed()
            self._want_estimates()

    def _on_engine_failed(self, heading: str, failure: Failure) -> None:
        if not self._stopping:
            self.failed.emit(heading, failure)

    def _on_opened(self, opened: Opened) -> None:
        scene = opened.scene
        self._leave_scene()
        self.session.set_scene(
            scene,
            opened.first_look,
            opened.estimates,
            statistics=opened.statistics,
            reduced=opened.reduced,
        )
        self.painter.show_opened(opened)
        self.opened.emit(scene.path)
        if scene.stream is not None:
            QTimer.singleShot(0, lambda: self._decode(scene.number))  # after the overview's first paint
            return
        self._want_estimates()

    def _decode(self, number: int) -> None:
        if self.session.is_current(number) and not self._stopping:
            self.compress()

    def _finish(self, job: Job, result: Result, value: Compressed | Decoded) -> None:
        scene = self.session.scene
        if scene is None or self._result_of(job) is not result:
            return
        result.state = State.DONE
        result.pyramid.complete = True
        result.backdrop = None
        result.reconstruction = value.reconstruction
        if isinstance(value, Compressed):
            result.encode = value.encode
            result.bytes, result.stream_path = value.encode.bytes, value.encode.path
            self.measuring.measure(result)
            self.session.learn_speed(result)
            self.message.emit(f"Rate {result.rate} is finished.")
        else:
            result.decode_seconds = value.decode.seconds
            result.bytes, result.stream_path = scene.file_bytes, scene.path
            result.damaged, result.lost = value.decode.damaged, value.decode.info.lost
            self.session.set_statistics(value.statistics)
        self.session.result_changed.emit(result.rate)
        self._next_of_batch()

    # ------------------------------------------------------------------ helpers

    def _want_estimates(self) -> None:
        scene = self.session.scene
        if (
            self.keeper.ready is not None
            and scene is not None
            and scene.stream is None
            and not self.session.refined
        ):
            self.engine.submit(EstimateRates(scene.number, scene.path, self.keeper.device))

    def _next_of_batch(self) -> None:
        while self._batch:
            rate = self._batch.pop(0)
            if rate not in self.session.results:
                self.compress(rate)
                return

    def _result_of(self, job: Job) -> Result | None:
        """Return the result a job works on, if its scene is still open."""
        if not self.session.is_current(job.scene):
            return None
        if isinstance(job, Compress | Measure):
            return self.session.results.get(job.rate)
        return self.session.results.get(STREAM) if isinstance(job, Decode) else None

    def _drop_result(self, job: Job) -> None:
        result = self._result_of(job)
        if result is not None and result.state is State.RUNNING:
            self._feed.drop(result)
            self.session.drop(result.rate)

    def _leave_scene(self) -> None:
        """Cancel what runs for the open scene and remove its files."""
        self._batch.clear()
        self._feed.clear()
        scene = self.session.scene
        if scene is None:
            return
        number = scene.number
        for lane in (self.engine, self.files):
            lane.cancel(lambda job: job.scene == number)
        if not any(isinstance(job, ExportStream | ExportReconstruction) for job in self._activities):
            for path in self.folder.glob(f"scene{number}-*"):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def _forget(self, job: Job) -> None:
        self._activities.pop(job, None)
        self._tell_activity()

    def _tell_activity(self) -> None:
        shown = [activity for activity in self._activities.values() if activity.rank]
        self.activity_changed.emit(max(shown, key=lambda activity: activity.rank) if shown else None)

    def _on_lane_stopped(self) -> None:
        if not self.is_running:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.stopped.emit()
