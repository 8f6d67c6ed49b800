"""A batch on this machine, one file after the other."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

from fdegc.batch.listing import Job
from fdegc.batch.rows import FileRow
from fdegc.batch.work import Work, attempt, standing
from fdegc.control import CancelToken, ProgressCallback
from fdegc.types import Progress

RowCallback = Callable[[FileRow], None]
#: Gets the number of the file, from 1, how many there are, and the file.
FileCallback = Callable[[int, int, Job], None]


class BatchMeter:
    """Progress of all files together, judged by the bytes of their sources.

    Parameters
    ----------
    jobs : sequence of Job
        Those that there is work for.
    callback : callable or None
        Receives a :class:`~fdegc.types.Progress` of the stage "batch".
    """

    def __init__(self, jobs: Sequence[Job], callback: ProgressCallback | None) -> None:
        # A constant share a file: opening and closing take their time, too.
        self._total = float(sum(job.size for job in jobs) + _FILE_BYTES * len(jobs)) or 1.0
        self._done = 0.0
        self._callback = callback
        self._start = time.perf_counter()

    def within(self, job: Job, fraction: float) -> None:
        """Progress after so much of a file, reported."""
        if self._callback is None:
            return
        elapsed = time.perf_counter() - self._start
        done = min((self._done + fraction * _share(job)) / self._total, 1.0)
        self._callback(Progress("batch", done, elapsed, elapsed * (1 - done) / done if done else None))

    def finished(self, job: Job) -> None:
        """Progress after a file that is done, reported."""
        self._done += _share(job)
        self.within(job, 0.0)


_FILE_BYTES = 1 << 16


def _share(job: Job) -> float:
    return float(job.size + _FILE_BYTES)


def split(jobs: Sequence[Job], work: Work, on_row: RowCallback) -> list[Job]:
    """Files that remain to be done; those that are finished or must not be touched are reported."""
    todo = []
    for job in jobs:
        row = standing(job, work)
        if row is None:
            todo.append(job)
        else:
            on_row(row)
    return todo


def run_here(
    jobs: Sequence[Job],
    work: Work,
    *,
    on_row: RowCallback,
    on_file: FileCallback | None = None,
    on_progress: ProgressCallback | None = None,
    fail_fast: bool = False,
    cancel: CancelToken,
) -> None:
    """Coding of the files one after the other; the network is loaded once, when the first file needs it.

    Parameters
    ----------
    jobs : sequence of Job
    work : Work
    on_row : callable
        Gets one row a file; "pending" ones for those that were not reached.
    on_file : callable, optional
        Told of a file that is begun.
    on_progress : callable, optional
        Gets the progress of the file at hand and, as the stage "batch", of all together.
    fail_fast : bool
        Whether the first file that fails ends the work.
    cancel : CancelToken
    """
    codec = functools.cache(work.codec)
    meter = BatchMeter(jobs, on_progress)
    stopped = False
    for number, job in enumerate(jobs, 1):
        if stopped or cancel.cancelled:
            on_row(FileRow(str(job.source), str(job.output), "pending", "It was not begun."))
            continue
        if on_file is not None:
            on_file(number, len(jobs), job)

        def show(progress: Progress, job: Job = job) -> None:
            if on_progress is not None:
                on_progress(progress)
            meter.within(job, progress.fraction)

        row = attempt(job, work, codec, on_progress=show, cancel=cancel)
        on_row(row)
        meter.finished(job)
        stopped = fail_fast and row.status == "failed"
