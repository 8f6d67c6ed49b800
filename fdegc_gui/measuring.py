"""Metrics that need the whole scene: asked for, awaited, kept with their result."""

from __future__ import annotations

from PySide6.QtCore import QObject

from fdegc.results import MetricSet
from fdegc_gui.jobs import Failure, Job, Lane
from fdegc_gui.jobs.coding import SLOW_METRICS, Measure
from fdegc_gui.jobs.store import Reconstruction
from fdegc_gui.models.session import MetricState, Result, Session


class Measuring(QObject):
    """Measures finished results.

    Parameters
    ----------
    session : Session
    engine : Lane
        Where metrics are computed.
    """

    def __init__(self, session: Session, engine: Lane, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._engine = session, engine
        self._allow_download = False
        engine.job_started.connect(self._on_started)
        engine.job_done.connect(self._on_done)
        engine.job_failed.connect(self._on_failed)
        engine.job_cancelled.connect(self._on_cancelled)

    def set_download(self, allowed: bool) -> None:
        """Allow LPIPS to download its backbone; results that lack it are measured again."""
        self._allow_download = allowed
        for result in self._session.results.values():
            if allowed and result.metrics is not None and result.metrics.lpips is None:
                self.measure(result)

    def measure(self, result: Result) -> None:
        """Measure a finished result."""
        scene, reconstruction = self._session.scene, result.reconstruction
        if scene is None or not isinstance(reconstruction, Reconstruction):
            return
        result.metrics, result.metric_state = None, MetricState.WAITING
        self._engine.submit(
            Measure(scene.number, scene.path, result.rate, reconstruction, self._allow_download)
        )

    def _on_started(self, job: Job) -> None:
        result = self._result_of(job)
        if result is not None:
            result.metric_state = MetricState.RUNNING
            self._session.figures_changed.emit(result.rate)

    def _on_done(self, job: Job, value: object) -> None:
        if isinstance(value, MetricSet):
            self._set(job, value)

    def _on_failed(self, job: Job, failure: Failure) -> None:
        self._set(job, MetricSet(notes=dict.fromkeys(SLOW_METRICS, failure.message)))

    def _on_cancelled(self, job: Job) -> None:
        words = "Cancelled before it was computed."
        self._set(job, MetricSet(notes=dict.fromkeys(SLOW_METRICS, words)))

    def _result_of(self, job: Job) -> Result | None:
        if not isinstance(job, Measure) or not self._session.is_current(job.scene):
            return None
        return self._session.results.get(job.rate)

    def _set(self, job: Job, metrics: MetricSet) -> None:
        result = self._result_of(job)
        if result is not None and isinstance(job, Measure) and result.reconstruction is job.reconstruction:
            result.metrics, result.metric_state = metrics, MetricState.DONE
            self._session.figures_changed.emit(result.rate)
