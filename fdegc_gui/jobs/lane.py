"""Lanes: threads that run requests one after another."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from fdegc.control import CancelToken
from fdegc.errors import Cancelled
from fdegc.types import Progress
from fdegc_gui.jobs.base import Answer, Context, Failure, Job, Part
from fdegc_gui.jobs.engine import Engine, EngineHost
from fdegc_gui.jobs.queue import JobQueue
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.request import Callbacks, Request, Requests, Watch

log = logging.getLogger(__name__)


class _Thread(QThread):
    """QThread around a function."""

    def __init__(self, name: str, function: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._function = function

    def run(self) -> None:
        self._function()


class Lane(QObject):
    """Thread that runs requests one after another and answers each on the GUI thread.

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
    stopped()
        The thread has ended.
    """

    stopped = Signal()
    #: Carries a callable to the GUI thread: Qt queues it, as its slot is a method of an object living there.
    _posted = Signal(object)

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
        self._queue: JobQueue[Request[Any, Any]] = JobQueue()
        self._requests = Requests()
        self._lock = threading.Lock()
        self._running: Request[Any, Any] | None = None
        self._token = CancelToken()
        self._preempted = False
        self._stopping = False
        self._posted.connect(self._call)
        self._thread = _Thread(name, self._loop, self)
        self._thread.finished.connect(self.stopped)

    def start(self) -> None:
        """Thread of the lane, started."""
        self._thread.start()

    def submit(
        self,
        job: Job[Answer, Part],
        *,
        done: Callable[[Answer], object] | None = None,
        failed: Callable[[Failure], object] | None = None,
        cancelled: Callable[[], object] | None = None,
        started: Callable[[], object] | None = None,
        progress: Callable[[Progress], object] | None = None,
        part: Callable[[Part], object] | None = None,
        watch: Watch | None = None,
    ) -> Request[Answer, Part]:
        """Request for a job, queued; it may supersede a pending one or interrupt a preemptible one.

        Parameters
        ----------
        job : Job
        done, failed, cancelled : callable, optional
            One of them is called, once, on the GUI thread.  A superseded request counts as cancelled.
        started, progress, part : callable, optional
            Called on the GUI thread before that.
        watch : Watch, optional

        Returns
        -------
        Request
        """
        callbacks = Callbacks(
            started=started, progress=progress, part=part, done=done, failed=failed, cancelled=cancelled
        )
        request = Request(job, callbacks, watch, self._stop_one)
        self._requests.add(request)
        for old in self._queue.put(request):
            old.tell_cancelled()
        with self._lock:
            running = self._running
            if running is not None and running.job.preemptible and job.priority > running.priority:
                self._preempted = True
                self._token.cancel()
        return request

    def cancel_foreground(self) -> None:
        """Cancellation of what the user waits for."""
        for request in self._requests.still_open():
            if request.job.foreground:
                request.cancel()

    def drop(self) -> None:
        """Dropping of every request."""
        self._requests.drop()

    def stop(self) -> None:
        """Shutdown of the lane: everything called off, nobody answered any more; returns at once."""
        self._stopping = True
        self._queue.close()
        with self._lock:
            self._token.cancel()

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.isRunning()

    def wait(self, milliseconds: int) -> bool:
        """Blocking wait until the thread has ended; for shutdown after ``stop`` only."""
        return self._thread.wait(milliseconds)

    def _stop_one(self, request: Request[Any, Any]) -> None:
        with self._lock:
            request.called_off = True
            if self._running is request:
                self._token.cancel()
        if self._queue.remove(request):
            request.tell_cancelled()

    def _call(self, function: Callable[[], None]) -> None:
        if not self._stopping:
            function()

    # ------------------------------------------------------------------ on the lane's thread

    def _loop(self) -> None:
        host = None
        if self._engine is not None:
            # At the priority of the window: a thread that stood back behind other programs would keep
            # Python's lock while it waits for a core, and the window would wait with it.
            host = EngineHost(self._engine)
        while (request := self._queue.get()) is not None:
            self._run_one(request, host)
        self._rasters.release()
        if host is not None:
            host.release()

    def _run_one(self, request: Request[Answer, Part], host: EngineHost | None) -> None:
        token = CancelToken()
        with self._lock:
            self._running, self._token, self._preempted = request, token, False
            if request.called_off or self._stopping:
                token.cancel()
        self._posted.emit(request.tell_started)
        context: Context[Part] = Context(
            cancel=token,
            engine=host,
            rasters=self._rasters,
            on_progress=lambda progress: self._posted.emit(
                functools.partial(request.tell_progress, progress)
            ),
            on_part=lambda part: self._posted.emit(functools.partial(request.tell_part, part)),
        )
        tell: Callable[[], None]
        interrupted = False
        try:
            token.check()
            answer = request.job.run(context)
            tell = functools.partial(request.tell_done, answer)
        except Cancelled:
            tell, interrupted = request.tell_cancelled, True
        except BaseException as error:  # whatever it is, the lane must live on
            failure = Failure.of(error)
            if failure.expected:  # the window says it; a traceback in the terminal would look like a defect
                log.info("%s failed: %s", request.kind, failure.message)
            else:
                log.exception("%s failed", request.kind)
            tell = functools.partial(request.tell_failed, failure)
        with self._lock:
            again = interrupted and self._preempted and not request.called_off
            self._running = None
        if not (again and self._queue.put_back(request)):
            self._posted.emit(tell)
