"""Pending requests of one lane."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fdegc_gui.jobs.base import Job


class JobQueue:
    """Requests ordered by priority, then by age; thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._pending: list[Job] = []
        self._closed = False

    def put(self, job: Job) -> list[Job]:
        """Add a request and return the pending ones of its kind, which it supersedes."""
        with self._condition:
            superseded = [other for other in self._pending if other.kind == job.kind]
            self._pending = [other for other in self._pending if other.kind != job.kind]
            if not self._closed:
                self._pending.append(job)
                self._condition.notify()
            return superseded

    def put_back(self, job: Job) -> bool:
        """Return an interrupted request to the front; False if a newer one of its kind waits."""
        with self._condition:
            if self._closed or any(other.kind == job.kind for other in self._pending):
                return False
            self._pending.insert(0, job)
            self._condition.notify()
            return True

    def remove(self, matches: Callable[[Job], bool]) -> list[Job]:
        """Take out and return the pending requests that match."""
        with self._condition:
            removed = [job for job in self._pending if matches(job)]
            self._pending = [job for job in self._pending if not matches(job)]
            return removed

    def get(self) -> Job | None:
        """Wait for the most urgent request; None once the queue is closed."""
        with self._condition:
            while not self._pending and not self._closed:
                self._condition.wait()
            if self._closed:
                return None
            job = max(self._pending, key=lambda pending: pending.priority)  # the first of equals: the oldest
            self._pending.remove(job)
            return job

    def close(self) -> list[Job]:
        """Refuse further requests, wake the waiting thread, and return what was pending."""
        with self._condition:
            self._closed = True
            dropped, self._pending = self._pending, []
            self._condition.notify_all()
            return dropped

    def __len__(self) -> int:
        with self._condition:
            return len(self._pending)
