"""What the user wants → requests; answers → the session."""

from __future__ import annotations

import dataclasses
import logging
import math
import shutil
import tempfile
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from fdegc.types import EncodeOptions, MetricSet, Progress
from fdegc_gui.feed import TileFeed
from fdegc_gui.jobs import Failure, Job, Lane
from fdegc_gui.jobs.coding import (
    SLOW_METRICS,
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
from fdegc_gui.jobs.scene import Detail, LoadDetail, Opened, OpenScene
from fdegc_gui.jobs.store import Reconstruction
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.session import STREAM, MetricState, Result, Session, State
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
    engine_changed(EngineReady or None)
        Loaded on a device, or not loaded.
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
    engine_changed = Signal(object)
    opened = Signal(object)
    open_failed = Signal(object)
    stopped = Signal()

    def __init__(self, session: Session, engine: Engine, device: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.device = device
        self.allow_download = False
        self.ready: EngineReady | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="fdegc-"))
        self._feed = TileFeed(session, self)
        self._activities: dict[Job, Activity] = {}
        self._batch: list[int] = []
        self._engine_wanted = False
        self._stopping = False
        self.engine = Lane("engine", engine, self)
        self.files = Lane("files", None, self)
        self.exports = Lane("exports", None, self)
        for lane in self.lanes:
            lane.job_started.connect(self._on_started)
            lane.job_progress.connect(self._on_progress)
            lane.job_partial.connect(self._on_partial)
            lane.job_done.connect(self._on_done)
            lane.job_failed.connect(self._on_failed)
            lane.job_cancelled.connect(self._on_cancelled)
            lane.stopped.connect(self._on_lane_stopped)
            lane.start()

    @property
    def lanes(self) -> tuple[Lane, Lane, Lane]:
        """Engine, files, exports."""
        return self.engine, self.files, self.exports

    # ------------------------------------------------------------------ wishes

    def load_engine(self) -> None:
        """Load the engine unless that was asked for already."""
        if not self._engine_wanted:
            self._engine_wanted = True
            self.engine.submit(LoadEngine(device=self.device))

    def set_device(self, device: str) -> None:
        """Work on another device from now on; what runs is finished where it runs."""
        if device == self.device:
            return
        self.device = device
        self._engine_wanted = True
        self.engine.submit(LoadEngine(device=device))

    def open(self, path: Path) -> None:
        """Open a file; the current scene stays until that has succeeded."""
        self.files.cancel(lambda job: isinstance(job, OpenScene))
        self.files.submit(OpenScene(self.session.next_number(), path.absolute()))

    def close_scene(self) -> None:
        """Close the scene and cancel what runs for it."""
        self._leave_scene()
        self.session.set_scene(None, None, {})

    def compress(self, rate: int | None = None) -> None:
        """Compress at a rate point, the selected one by default; decode if a stream is open."""
        scene = self.session.scene
        if scene is None:
            return
        self.load_engine()
        if scene.stream is not None:
            if STREAM not in self.session.results:
                self.engine.submit(Decode(scene.number, scene.path, scene.info, self.device, self.folder))
            return
        rate = rate if rate is not None else self.session.rate
        if any(isinstance(job, Compress) and job.rate == rate for job in self._activities):
            return
        options = EncodeOptions(quality=float(rate))
        self.engine.submit(
            Compress(scene.number, scene.path, rate, options, self.device, self.folder, scene.limits)
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

    def set_download(self, allowed: bool) -> None:
        """Allow LPIPS to download its backbone; results that lack it are measured again."""
        self.allow_download = allowed
        for result in self.session.results.values():
            if allowed and result.metrics is not None and result.metrics.lpips is None:
                self._measure(result)

    def export_stream(self, target: Path) -> None:
        """Write the compressed file of the result that is looked at."""
        result, scene = self.session.current, self.session.scene
        if result is not None and result.stream_path is not None and scene is not None:
            self.exports.submit(ExportStream(scene.number, result.stream_path, target))

    def export_image(self, target: Path) -> None:
        """Write the reconstruction that is looked at."""
        result, scene = self.session.current, self.session.scene
        if result is not None and isinstance(result.reconstruction, Reconstruction) and scene is not None:
            self.exports.submit(ExportReconstruction(scene.number, result.reconstruction, target))

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
        if isinstance(job, Compress) and self.session.is_current(job.scene):
            self._begin(job.rate, job.options.quality, job.options.tile_size)
        elif isinstance(job, Decode) and self.session.is_current(job.scene):
            stream = self.session.scene.stream if self.session.scene else None
            if stream is not None:
                self.session.begin(STREAM, stream.quality, stream.tiles)
        elif isinstance(job, Measure):
            self._set_metric_state(job, MetricState.RUNNING)
        self._activities[job] = activity_of(job, _FOREGROUND)
        self._tell_activity()

    def _begin(self, rate: int, quality: float, tile: int) -> None:
        scene = self.session.scene
        assert scene is not None
        tiles = math.ceil(scene.info.width / tile) * math.ceil(scene.info.height / tile)
        self.session.begin(rate, quality, tiles)

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
        if result is not None and isinstance(value, TileImage) and not self._stopping:
            self._feed.push(result, value)

    def _on_done(self, job: Job, value: object) -> None:
        self._forget(job)
        if self._stopping:
            return
        if isinstance(value, EngineReady):
            self._on_engine(value)
        elif isinstance(value, Opened):
            self._on_opened(value)
        elif isinstance(value, Compressed | Decoded):
            result = self._result_of(job)
            if result is not None:
                self._feed.when_empty(lambda: self._finish(job, result, value))
        elif isinstance(value, Detail) and self.session.is_current(job.scene):
            self.session.set_original(value.pyramid, value.peak)
        elif isinstance(job, EstimateRates) and self.session.is_current(job.scene):
            self.session.set_estimates(value)  # type: ignore[arg-type]
        elif isinstance(job, Measure) and isinstance(value, MetricSet):
            self._set_metrics(job, value)
        elif isinstance(value, Path):
            self.message.emit(f"Saved {value.name} in {value.parent}.")

    def _on_failed(self, job: Job, failure: Failure) -> None:
        self._forget(job)
        if self._stopping:
            return
        log.warning("%s: %s", type(job).__name__, failure.message)
        if isinstance(job, Measure):
            notes = dict.fromkeys(SLOW_METRICS, failure.message)
            self._set_metrics(job, MetricSet(notes=notes))
        elif isinstance(job, EstimateRates):
            self.message.emit("The estimates could not be refined; see the log.")
        elif isinstance(job, LoadEngine):
            self._on_engine_failed(job, failure)
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
        if isinstance(job, Measure):
            notes = dict.fromkeys(SLOW_METRICS, "Cancelled before it was computed.")
            self._set_metrics(job, MetricSet(notes=notes))
        if isinstance(job, _FOREGROUND) and self.session.is_current(job.scene):
            self.message.emit("Cancelled.")

    def _on_engine(self, ready: EngineReady) -> None:
        if ready.device != self.device:
            return
        self.ready = ready
        self.session.forget_speed()
        self.engine_changed.emit(ready)
        self.message.emit(f"Ready on {ready.label}.")
        self._want_estimates()

    def _on_engine_failed(self, job: LoadEngine, failure: Failure) -> None:
        self._engine_wanted = False
        if job.device != "auto" and failure.expected:
            # A remembered device may be gone; that is no reason to be of no use.
            self.device = "auto"
            self.message.emit(f"{failure.message} Using the automatic choice.")
            self.load_engine()
            return
        self.ready = None
        self.engine_changed.emit(None)
        self.failed.emit("The compression engine could not be loaded.", failure)

    def _on_opened(self, opened: Opened) -> None:
        scene = opened.scene
        self._leave_scene()
        self.session.set_scene(scene, opened.first_look, opened.estimates)
        self.opened.emit(scene.path)
        if scene.stream is not None:
            QTimer.singleShot(0, lambda: self._decode(scene.number))  # after the overview's first paint
            return
        self.files.submit(LoadDetail(scene.number, scene.path, scene.limits))
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
            self._measure(result)
            self.session.learn_speed(result)
            self.message.emit(f"Rate {result.rate} is finished.")
        else:
            result.decode_seconds = value.decode.seconds
            result.bytes, result.stream_path = scene.file_bytes, scene.path
            result.damaged, result.lost = value.decode.damaged, value.decode.info.lost
            result.pyramid = value.pyramid or result.pyramid
        self.session.result_changed.emit(result.rate)
        self._next_of_batch()

    # ------------------------------------------------------------------ helpers

    def _measure(self, result: Result) -> None:
        scene, reconstruction = self.session.scene, result.reconstruction
        if scene is None or not isinstance(reconstruction, Reconstruction):
            return
        result.metrics, result.metric_state = None, MetricState.WAITING
        self.engine.submit(
            Measure(scene.number, scene.path, result.rate, reconstruction, self.allow_download)
        )

    def _want_estimates(self) -> None:
        scene = self.session.scene
        if self.ready is not None and scene is not None and scene.stream is None and not self.session.refined:
            self.engine.submit(EstimateRates(scene.number, scene.path, self.device))

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

    def _set_metric_state(self, job: Measure, state: MetricState) -> None:
        result = self._result_of(job)
        if result is not None:
            result.metric_state = state
            self.session.figures_changed.emit(result.rate)

    def _set_metrics(self, job: Measure, metrics: MetricSet) -> None:
        result = self._result_of(job)
        if result is not None and result.reconstruction is job.reconstruction:
            result.metrics, result.metric_state = metrics, MetricState.DONE
            self.session.figures_changed.emit(result.rate)

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
