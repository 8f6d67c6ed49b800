"""Requests: a submitted job, who is told its answer, and how to call it off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from fdegc.types import Progress
from fdegc_gui.jobs.base import Answer, Failure, Job, Part


class Watch(Protocol):
    """Onlooker of a request, who is told what becomes of it even if nobody wants the answer any more."""

    def started(self) -> None:
        """Notification that it runs, perhaps not for the first time."""

    def progress(self, progress: Progress) -> None:
        """Notification of how far it is."""

    def cancelling(self) -> None:
        """Notification that it was cancelled, and may take a moment to end."""

    def ended(self) -> None:
        """Notification that it is over, started or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks(Generic[Answer, Part]):
    """Callables of whoever asked, all of them called on the GUI thread.

    Attributes
    ----------
    started : callable or None
        A request that was interrupted starts more than once.
    progress : callable or None
    part : callable or None
    done, failed, cancelled : callable or None
        One of them is called, once, and last.
    """

    started: Callable[[], object] | None
    progress: Callable[[Progress], object] | None
    part: Callable[[Part], object] | None
    done: Callable[[Answer], object] | None
    failed: Callable[[Failure], object] | None
    cancelled: Callable[[], object] | None


class Request(Generic[Answer, Part]):
    """Handle of a job that was submitted to a lane; for the GUI thread.

    Parameters
    ----------
    job : Job
    callbacks : Callbacks
    watch : Watch or None
    stop : callable
        Takes the request off its lane.

    Attributes
    ----------
    job : Job
    called_off : bool
        Whether it is to end without an answer; the lane's thread reads it as well.
    is_open : bool
        Whether an answer is still to come.
    """

    def __init__(
        self,
        job: Job[Answer, Part],
        callbacks: Callbacks[Answer, Part],
        watch: Watch | None,
        stop: Callable[[Request[Answer, Part]], None],
    ) -> None:
        self.job = job
        self.called_off = False
        self.is_open = True
        self._callbacks: Callbacks[Answer, Part] | None = callbacks
        self._watch = watch
        self._stop = stop

    @property
    def kind(self) -> str:
        """Kind of its job."""
        return self.job.kind

    @property
    def priority(self) -> int:
        """Priority of its job."""
        return self.job.priority

    def cancel(self) -> None:
        """Cancellation, soon; ``cancelled`` is called then, unless it was finished already."""
        if self.is_open:
            if self._watch is not None:
                self._watch.cancelling()
            self._stop(self)

    def drop(self) -> None:
        """Cancellation without an answer, soon; none of the callbacks is called any more."""
        self._callbacks = None
        if self.is_open:
            self._stop(self)

    # ------------------------------------------------------------------ for the lane

    def tell_started(self) -> None:
        """Notification that it runs."""
        if self._callbacks is not None and self._callbacks.started is not None:
            self._callbacks.started()
        if self._watch is not None:
            self._watch.started()

    def tell_progress(self, progress: Progress) -> None:
        """Notification of how far it is."""
        if self._callbacks is not None and self._callbacks.progress is not None:
            self._callbacks.progress(progress)
        if self._watch is not None:
            self._watch.progress(progress)

    def tell_part(self, part: Part) -> None:
        """Delivery of a part."""
        if self._callbacks is not None and self._callbacks.part is not None:
            self._callbacks.part(part)

    def tell_done(self, answer: Answer) -> None:
        """Delivery of the answer."""
        callbacks = self._end()
        if callbacks is not None and callbacks.done is not None:
            callbacks.done(answer)

    def tell_failed(self, failure: Failure) -> None:
        """Notification of failure: why there is no answer."""
        callbacks = self._end()
        if callbacks is not None and callbacks.failed is not None:
            callbacks.failed(failure)

    def tell_cancelled(self) -> None:
        """Notification that it was called off or superseded."""
        callbacks = self._end()
        if callbacks is not None and callbacks.cancelled is not None:
            callbacks.cancelled()

    def _end(self) -> Callbacks[Answer, Part] | None:
        callbacks, self._callbacks, self.is_open = self._callbacks, None, False
        if self._watch is not None:
            self._watch.ended()
        return callbacks


class Requests:
    """Requests about one thing, dropped together."""

    def __init__(self) -> None:
        self._requests: list[Request[Any, Any]] = []

    def add(self, request: Request[Answer, Part]) -> None:
        """Addition of a request, kept for as long as it is open."""
        self._requests = [*self.still_open(), request]

    def still_open(self) -> list[Request[Any, Any]]:
        """Requests whose answer is still to come."""
        return [request for request in self._requests if request.is_open]

    def drop(self) -> None:
        """Dropping of all the requests."""
        for request in self.still_open():
            request.drop()
        self._requests = []
