"""Lanes: the order of requests, and who is told what becomes of them."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from typing import ClassVar

import pytest
from pytestqt.qtbot import QtBot
from typing_extensions import Never

from fdegc.errors import UnsupportedRaster
from fdegc.types import Progress
from fdegc_gui.jobs import Failure, Job, Lane
from fdegc_gui.jobs.base import Context
from fdegc_gui.jobs.engine import Engine
from fdegc_gui.jobs.queue import JobQueue

TIMEOUT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Wait(Job[str, Never]):
    gate: threading.Event

    preemptible: ClassVar[bool] = True

    def run(self, context: Context[Never]) -> str:
        while not self.gate.wait(0.002):
            context.cancel.check()
        return "waited"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Urgent(Job[str, Never]):
    priority: ClassVar[int] = 5

    def run(self, context: Context[Never]) -> str:
        return "urgent"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block(Job[str, Never]):
    gate: threading.Event

    def run(self, context: Context[Never]) -> str:
        while not self.gate.wait(0.002):
            context.cancel.check()
        return "blocked"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Parts(Job[str, int]):
    def run(self, context: Context[int]) -> str:
        context.part(1)
        context.part(2)
        raise KeyError("part")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Niceness(Job[int, Never]):
    def run(self, context: Context[Never]) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fail(Job[str, Never]):
    error: Exception

    def run(self, context: Context[Never]) -> str:
        raise self.error


@pytest.mark.parametrize(
    ("error", "defect"), [(UnsupportedRaster("It has no band."), False), (KeyError("band"), True)]
)
def test_only_defects_leave_a_traceback(
    qtbot: QtBot, caplog: pytest.LogCaptureFixture, error: Exception, defect: bool
) -> None:
    lane = Lane("test")
    failures: list[Failure] = []
    lane.start()
    with caplog.at_level("INFO"):
        lane.submit(_Fail(error=error), failed=failures.append)
        qtbot.waitUntil(lambda: len(failures) == 1, timeout=TIMEOUT)
    assert failures[0].expected != defect
    (record,) = [record for record in caplog.records if record.name == "fdegc_gui.jobs.lane"]
    assert (record.exc_info is not None) == defect
    assert (record.levelname == "ERROR") == defect
    with qtbot.waitSignal(lane.stopped, timeout=TIMEOUT):
        lane.stop()


def test_queue_orders_by_priority_and_supersedes_by_kind() -> None:
    queue: JobQueue[Job[str, Never]] = JobQueue()
    gate = threading.Event()
    first, second, urgent = _Wait(gate=gate), _Wait(gate=gate), _Urgent()
    queue.put(first)
    assert queue.put(second) == [first]
    queue.put(urgent)
    assert queue.get() is urgent
    assert not queue.put_back(first), "a newer request waits"
    assert queue.get() is second
    queue.close()
    assert queue.get() is None


def test_urgent_work_interrupts_and_the_interrupted_starts_over(qtbot: QtBot) -> None:
    lane, gate = Lane("test"), threading.Event()
    order: list[str] = []
    cancelled: list[bool] = []
    started: list[bool] = []
    lane.start()
    lane.submit(
        _Wait(gate=gate),
        started=lambda: started.append(True),
        done=order.append,
        cancelled=lambda: cancelled.append(True),
    )
    qtbot.waitUntil(lambda: bool(started), timeout=TIMEOUT)
    lane.submit(_Urgent(), done=order.append, cancelled=lambda: cancelled.append(True))
    qtbot.waitUntil(lambda: order == ["urgent"], timeout=TIMEOUT)
    gate.set()
    qtbot.waitUntil(lambda: order == ["urgent", "waited"], timeout=TIMEOUT)
    assert cancelled == [] and len(started) == 2
    with qtbot.waitSignal(lane.stopped, timeout=TIMEOUT):
        lane.stop()
    assert lane.wait(1000)


def test_stopping_a_lane_cancels_its_work(qtbot: QtBot) -> None:
    lane = Lane("test")
    lane.start()
    started: list[bool] = []
    lane.submit(_Wait(gate=threading.Event()), started=lambda: started.append(True))
    qtbot.waitUntil(lambda: bool(started), timeout=TIMEOUT)
    with qtbot.waitSignal(lane.stopped, timeout=1000):
        lane.stop()
    assert lane.wait(1000)


class _Log:
    """Watch that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self) -> None:
        self.heard.append("started")

    def progress(self, progress: Progress) -> None:
        self.heard.append("progress")

    def cancelling(self) -> None:
        self.heard.append("cancelling")

    def ended(self) -> None:
        self.heard.append("ended")


@pytest.mark.parametrize("pending", [False, True])
def test_who_cancels_is_told_and_who_drops_is_not(qtbot: QtBot, pending: bool) -> None:
    lane, told = Lane("test"), []
    lane.start()
    if pending:  # something else holds the lane
        other = lane.submit(_Block(gate=threading.Event()))
    log = _Log()
    request = lane.submit(
        _Wait(gate=threading.Event()), done=told.append, cancelled=lambda: told.append("cancelled"), watch=log
    )
    if not pending:
        qtbot.waitUntil(lambda: log.heard == ["started"], timeout=TIMEOUT)
    request.cancel()
    qtbot.waitUntil(lambda: not request.is_open, timeout=1000)
    assert told == ["cancelled"] and log.heard[-2:] == ["cancelling", "ended"]
    dropped, quiet = _Log(), lane.submit(_Urgent(), done=told.append)
    quiet.drop()
    silent = lane.submit(
        _Wait(gate=threading.Event()), cancelled=lambda: told.append("dropped"), watch=dropped
    )
    silent.drop()
    if pending:
        other.drop()
    qtbot.waitUntil(lambda: not (silent.is_open or quiet.is_open), timeout=1000)
    assert told == ["cancelled"] and dropped.heard[-1] == "ended" and "cancelling" not in dropped.heard
    with qtbot.waitSignal(lane.stopped, timeout=1000):
        lane.stop()
    assert lane.wait(1000)


def test_a_failure_and_parts_go_to_who_asked(qtbot: QtBot) -> None:
    lane = Lane("test")
    lane.start()
    parts: list[int] = []
    failures: list[Failure] = []
    lane.submit(_Parts(), part=parts.append, failed=failures.append)
    qtbot.waitUntil(lambda: bool(failures), timeout=TIMEOUT)
    assert parts == [1, 2] and "KeyError" in failures[0].message and not failures[0].expected
    with qtbot.waitSignal(lane.stopped, timeout=1000):
        lane.stop()
    assert lane.wait(1000)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
def test_work_is_not_pushed_aside_by_other_programs(qtbot: QtBot) -> None:
    """At a lower priority than theirs it took four to eight times as long beside them, not twice."""
    lane = Lane("test", Engine(load=pytest.fail, devices=list))
    found: list[int] = []
    lane.start()
    lane.submit(_Niceness(), done=found.append)
    qtbot.waitUntil(lambda: len(found) == 1, timeout=TIMEOUT)
    assert found == [os.getpriority(os.PRIO_PROCESS, threading.get_native_id())]
    with qtbot.waitSignal(lane.stopped, timeout=TIMEOUT):
        lane.stop()
