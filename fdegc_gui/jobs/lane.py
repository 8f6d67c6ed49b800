"""One thread that runs requests one after another."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QThread, Signal

from fdegc.control import CancelToken
from fdegc.errors import Cancelled
from fdegc_gui.jobs.base import Context, Failure, Job
from fdegc_gui.jobs.engine import Engine, EngineHost
from fdegc_gui.jobs.queue import JobQueue
from fdegc_gui.jobs.rasters import Rasters

log = logging.getLogger(__name__)

#: How much the engine's threads step back behind the window's (Linux nice levels).
_NICE = 5


class _Thread(QThread):
    """A QThread around a function."""

    def __init__(self, name: str, function: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._function = function

    def run(self) -> None:
        self._function()


class Lane(QObject):
    """Runs requests on its own thread and answers by signals, delivered on the GUI thread.

    Connect bound methods of objects that live on the GUI thread, nothing else: only then does Qt
    queue the delivery across threads.

    Parameters
    ----------
    name : str
        Of the thread.
    engine : Engine, optional
        How to load the codec; None for a lane that needs none.
    rasters : Rasters, optional
        Open files, shared with other lanes.

    Signals
    -------
    job_started(Job), job_progress(Job, Progress), job_partial(Job, object), job_done(Job, object),
    job_failed(Job, Failure), job_cancelled(Job)
        A superseded request counts as cancelled.
    stopped()
        The thread has ended.
    """

    job_started = Signal(object)
    job_progress = Signal(object, object)
    job_partial = Signal(object, object)
    job_done = Signal(object, object)
    job_failed = Signal(object, object)
    job_cancelled = Signal(object)
    stopped = Signal()

    def __init__(
        self,
        name: str,
        engine: Engine | None = None,
        parent: QObject | None = None,
        rasters: Rasters | None = None,
    ) -> None:
        super().__init__(parent)
        self._engine = engine
        self._rasters = rasters if rasters is not None else Rasters()
        self._queue = JobQueue()
        self._lock = threading.Lock()
        self._running: Job | None = None
        self._token = CancelToken()
        self._preempted = False
        self._thread = _Thread(name, self._loop, self)
        self._thread.finished.connect(self.stopped)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a request; it may supersede a pending one or interrupt a preemptible one."""
        for old in self._queue.put(job):
            self.job_cancelled.emit(old)
        with self._lock:
            running = self._running
            if running is not None and running.preemptible and job.priority > running.priority:
                self._preempted = True
                self._token.cancel()

    def cancel(self, matches: Callable[[Job], bool] = lambda job: True) -> bool:
        """Cancel pending and running requests that match; whether there were any."""
        removed = self._queue.remove(matches)
        for job in removed:
            self.job_cancelled.emit(job)
        with self._lock:
            hit = self._running is not None and matches(self._running)
            if hit:
                self._preempted = False
                self._token.cancel()
        return hit or bool(removed)

    def stop(self) -> None:
        """Cancel everything and let the thread end; returns at once, see ``stopped``."""
        self._queue.close()
        with self._lock:
            self._preempted = False
            self._token.cancel()

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.isRunning()

    def wait(self, milliseconds: int) -> bool:
        """Block until the thread has ended; for shutdown after ``stop`` only."""
        return self._thread.wait(milliseconds)

    # ------------------------------------------------------------------ on the lane's thread

    def _loop(self) -> None:
        host = None
        if self._engine is not None:
            _step_back()
            host = EngineHost(self._engine)
        while (job := self._queue.get()) is not None:
            self._run_one(job, host)
        self._rasters.release()
        if host is not None:
            host.release()

    def _run_one(self, job: Job, host: EngineHost | None) -> None:
        token = CancelToken()
        with self._lock:
            self._running, self._token, self._preempted = job, token, False
        self.job_started.emit(job)
        context = Context(
            token,
            host,
            self._rasters,
            lambda progress: self.job_progress.emit(job, progress),
            lambda value: self.job_partial.emit(job, value),
        )
        outcome: tuple[str, object]
        try:
            result = job.run(context)
            outcome = ("done", result)
        except Cancelled:
            outcome = ("cancelled", None)
        except BaseException as error:  # whatever it is, the lane must live on
            log.exception("%s failed", job.kind)
            outcome = ("failed", Failure.of(error))
            del error
        with self._lock:
            preempted, self._running, self._preempted = self._preempted, None, False
        self._answer(job, outcome, preempted)

    def _answer(self, job: Job, outcome: tuple[str, object], preempted: bool) -> None:
        word, value = outcome
        if word == "done":
            self.job_done.emit(job, value)
        elif word == "failed":
            self.job_failed.emit(job, value)
        elif not (preempted and self._queue.put_back(job)):
            self.job_cancelled.emit(job)


def _step_back() -> None:
    """Give the window's thread the right of way over this one and the threads it will start.

    On Linux a nice level belongs to a thread and is inherited by those it creates: torch's pool,
    made after this, steps back as well.
    """
    if sys.platform.startswith("linux"):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        except OSError as error:  # a container may forbid it; then the window is a little less smooth
            log.info("could not lower the engine's priority: %s", error)
