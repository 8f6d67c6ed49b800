"""Progress and cancellation: plain callables and one flag, no signals, no threads."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from fdegc.errors import Cancelled
from fdegc.types import Progress

#: Share of all work that sums of many parts may be off by.
_ROUNDING = 1e-9

ProgressCallback = Callable[[Progress], None]
#: Cancellation check: raises if the work should stop.
Check = Callable[[], None]


def never() -> None:
    """Cancellation check that never cancels."""


class CancelToken:
    """Cancellation flag that one thread sets and another checks at every tile and every coding step."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Request that the work stop; safe from any thread, any number of times."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` has been called."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Pause until cancellation, at most so long; returns :attr:`cancelled`."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Cancellation check: raises :class:`~fdegc.errors.Cancelled` if the work should stop."""
        if self._event.is_set():
            raise Cancelled("Cancelled.")


class ProgressMeter:
    """Progress of one stage: counts finished units, reports them with an estimate of the time left.

    Parameters
    ----------
    stage : str
        What is being done, shown to the user ("encode", "decode", ...).
    total : float
        Units of work in all, for example pixels; must be positive.
    callback : callable or None
        Receives a :class:`~fdegc.types.Progress`, on the working thread.
    """

    def __init__(self, stage: str, total: float, callback: ProgressCallback | None) -> None:
        self._stage = stage
        self._total = max(float(total), 1e-9)
        self._done = 0.0
        self._callback = callback
        self._start = time.perf_counter()
        self._first: tuple[float, float] | None = None
        self.report()

    def advance(self, amount: float) -> None:
        """Addition of finished work to the progress, with a report."""
        self._done += amount
        # Parts of a unit do not add up to the last digit.
        if self._done >= self._total * (1 - _ROUNDING):
            self._done = self._total
        self.report()

    def report(self) -> None:
        """Report of the current progress to the callback."""
        if self._callback is None:
            return
        elapsed = time.perf_counter() - self._start
        fraction = self._done / self._total
        self._callback(Progress(self._stage, fraction, elapsed, self._remaining(elapsed, fraction)))

    def _remaining(self, elapsed: float, fraction: float) -> float | None:
        """Seconds left, between what the pace from the beginning and that since the first unit say.

        The first unit waits for what is done once, as long as that takes, so the former is too long.  Units
        that are finished together come at once, so the latter is too short.  With many units both are right,
        with one there is nothing to tell by.
        """
        if fraction <= 0.0:
            return None
        if self._first is None:
            self._first = elapsed, fraction
        at, first = self._first
        if fraction == first:
            return 0.0 if fraction == 1.0 else None
        most = elapsed * (1.0 - fraction) / fraction
        return math.sqrt(most * (elapsed - at) * (1.0 - fraction) / (fraction - first))
