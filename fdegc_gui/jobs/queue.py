"""Queue of a lane: pending requests, the most urgent first."""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar


class _Ranked(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def priority(self) -> int: ...


Entry = TypeVar("Entry", bound=_Ranked)


class JobQueue(Generic[Entry]):
    """Requests ordered by priority, then by age; thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._pending: list[Entry] = []
        self._closed = False

    def put(self, entry: Entry) -> list[Entry]:
        """Addition of a request; the pending ones of its kind, which it supersedes, are returned."""
        with self._condition:
            superseded = [other for other in self._pending if other.kind == entry.kind]
            self._pending = [other for other in self._pending if other.kind != entry.kind]
            if not self._closed:
                self._pending.append(entry)
                self._condition.notify()
            return superseded

    def put_back(self, entry: Entry) -> bool:
        """Requeueing of an interrupted request at the front; False if a newer one of its kind waits."""
        with self._condition:
            if self._closed or any(other.kind == entry.kind for other in self._pending):
                return False
            self._pending.insert(0, entry)
            self._condition.notify()
            return True

    def remove(self, entry: Entry) -> bool:
        """Removal of a pending request; whether it was there."""
        with self._condition:
            if not any(other is entry for other in self._pending):
                return False
            self._pending = [other for other in self._pending if other is not entry]
            return True

    def get(self) -> Entry | None:
        """Most urgent request, waited for; None once the queue is closed."""
        with self._condition:
            while not self._pending and not self._closed:
                self._condition.wait()
            if self._closed:
                return None
            entry = max(
                self._pending, key=lambda pending: pending.priority
            )  # the first of equals: the oldest
            self._pending.remove(entry)
            return entry

    def close(self) -> None:
        """Closing of the queue: further requests refused, pending ones dropped, the waiting thread woken."""
        with self._condition:
            self._closed = True
            self._pending = []
            self._condition.notify_all()
