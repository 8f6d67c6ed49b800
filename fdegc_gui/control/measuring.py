"""Measuring of metrics that need the whole scene: asked for, awaited, kept with their result."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from fdegc.options import SLOW_METRICS
from fdegc.raster_info import Window
from fdegc.results import MetricSet
from fdegc_gui.control.activities import Activities
from fdegc_gui.jobs import Failure, Lane, Requests
from fdegc_gui.jobs.coding import Measure
from fdegc_gui.jobs.region import SIMILARITY_PIXELS, SIMILARITY_SIDE, MeasureSimilarity
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.result import MetricState, Result, State
from fdegc_gui.models.session import Session

_RANK = 2
_CANCELLED = "Cancelled before it was computed."


class Measuring(QObject):
    """Measuring of finished results.

    Parameters
    ----------
    session : Session
    engine : Lane
        Where metrics are computed.
    activities : Activities

    Signals
    -------
    message(str)
        A sentence for the status line.
    """

    message = Signal(str)

    def __init__(
        self, session: Session, engine: Lane, activities: Activities, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._engine, self._activities = session, engine, activities
        self._allow_download = False
        self._requests = Requests()
        session.scene_changed.connect(self._leave_scene)

    def _leave_scene(self) -> None:
        """Dropping of what is measured; the status line says so, for it may take a while to end."""
        going = self._requests.still_open()
        self._requests.drop()
        for request in going:
            request.cancel()

    def set_download(self, allowed: bool) -> None:
        """Permission for LPIPS to download its backbone; results that lack it are measured again."""
        self._allow_download = allowed
        for result in self._session.results.values():
            if allowed and result.metrics is not None and result.metrics.lpips is None:
                self.measure(result)

    def measure(self, result: Result) -> None:
        """Metrics of a finished result, requested."""
        scene = self._session.scene
        if scene is None or result.state is not State.DONE:
            return
        result.metrics, result.metric_state = None, MetricState.WAITING
        job = Measure(
            path=scene.path,
            key=result.key,
            store=result.store,
            allow_download=self._allow_download,
            record=result.store.folder.parent if self._session.keeps else None,
            encode=result.encode,
        )
        request = self._engine.submit(
            job,
            started=lambda: self._on_started(result),
            done=lambda metrics: self._keep(result, metrics),
            failed=lambda failure: self._on_failed(result, failure),
            cancelled=lambda: self._on_cancelled(result),
            watch=self._activities.watch(Activity(f"Measuring {result.title}", _RANK, cancellable=True)),
        )
        self._requests.add(request)

    def measure_part(self, result: Result, window: Window) -> None:
        """MS-SSIM of a result that is of a part of the scene, requested; the rest is of whole scenes."""
        scene = self._session.scene
        if scene is None:
            return
        if min(window.width, window.height) < SIMILARITY_SIDE or window.pixels > SIMILARITY_PIXELS:
            most = SIMILARITY_PIXELS // 10**6
            self._keep_part(
                result, None, f"It takes {SIMILARITY_SIDE} pixels a side and up to {most} million."
            )
            return
        path = scene.path
        job = MeasureSimilarity(path=path, a=path, b=result.store, window=window, peak=scene.peak)
        result.metric_state = MetricState.WAITING
        request = self._engine.submit(
            job,
            done=lambda answer: self._keep_part(result, *answer),
            failed=lambda failure: self._keep_part(result, None, failure.message),
            cancelled=lambda: self._keep_part(result, None, _CANCELLED),
            watch=self._activities.watch(Activity(f"Measuring {result.title}", _RANK, cancellable=True)),
        )
        self._requests.add(request)

    def _keep_part(self, result: Result, ms_ssim: float | None, note: str) -> None:
        part = "It is computed for whole scenes only."
        self._keep(result, MetricSet(ms_ssim=ms_ssim, notes={"ms_ssim": note, "vifp": part, "lpips": part}))

    def _on_started(self, result: Result) -> None:
        if self._session.holds(result):
            result.metric_state = MetricState.RUNNING
            self._session.figures_changed.emit(result.key)

    def _on_failed(self, result: Result, failure: Failure) -> None:
        self._keep(result, MetricSet(notes=dict.fromkeys(SLOW_METRICS, failure.message)))

    def _on_cancelled(self, result: Result) -> None:
        self._keep(result, MetricSet(notes=dict.fromkeys(SLOW_METRICS, _CANCELLED)))
        self.message.emit("Cancelled.")

    def _keep(self, result: Result, metrics: MetricSet) -> None:
        if self._session.holds(result):
            result.metrics, result.metric_state = metrics, MetricState.DONE
            self._session.figures_changed.emit(result.key)
