"""Worker threads: tiles in parallel, with operations that stay on one thread.

Threads inside an operation meet at its end, hundreds of times a tile.  Where another program holds one
core for a moment, all the others wait there, and on many cores a small convolution does not divide well
anyway.  Threads that each have a tile of their own meet once a tile.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

import torch
from typing_extensions import Self

from fdegc.codec.devices import Share, memory_errors
from fdegc.control import CancelToken, never
from fdegc.errors import Cancelled

T = TypeVar("T")
R = TypeVar("R")

#: Pieces that wait besides those at work, so that no worker waits for the next one to be read.
WAITING = 2
#: Seconds after which a thread that waits for a result looks whether somebody cancelled.
PATIENCE = 0.1
#: Of the thread that works beside the others: where all cores are taken, a tenth of what one of those gets.
_NICENESS = 10

#: Where torch keeps the libraries that divide an operation among threads, and what sets their number for
#: the calling thread alone: torch's own function does so for every thread that has not used torch yet, too.
_LIBRARIES = ("libtorch_cpu.so", "libtorch_cpu.dylib", "libiomp5md.dll", "torch_cpu.dll")
_SETTERS = ("omp_set_num_threads", "MKL_Set_Num_Threads_Local")


@functools.cache
def _setters() -> tuple[Callable[[int], object], ...]:
    """What sets the calling thread's number of threads in OpenMP and MKL, as far as torch has them."""
    found: dict[str, Callable[[int], object]] = {}
    for name in _LIBRARIES:
        path = Path(torch.__file__).parent / "lib" / name
        if not path.is_file():
            continue
        library = ctypes.CDLL(str(path))  # loaded already; what it depends on is looked through too
        for setter in _SETTERS:
            with contextlib.suppress(AttributeError):
                found.setdefault(setter, getattr(library, setter))
    return tuple(found.values())


def keep_to_one_thread() -> None:
    """Limit of one thread for torch's operations that this thread starts; others keep their number."""
    torch.get_num_threads()  # the first use of torch on a thread gives it the process's number
    for setter in _setters():
        setter(1)


@functools.cache
def _stream(device: torch.device, _number: int) -> Any:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Items by so many at a time; the last ones may be fewer."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class Workers:
    """Worker threads of one run; leaving the context ends them, unfinished work included.

    Work gets what it needs and returns what it makes: it opens, reads and writes nothing.

    Parameters
    ----------
    share : Share
        How many threads, and how much each of them takes at a time.
    cancel : CancelToken
    device : torch.device, optional
        On a GPU each thread gives its work to a stream of its own.
    """

    def __init__(self, share: Share, cancel: CancelToken, device: torch.device | None = None) -> None:
        self.share = share
        self._cancel = cancel
        self._device = device
        self._leaving = threading.Event()
        # The same streams in every run: what torch keeps of a stream's memory serves that stream alone.
        self._streams: SimpleQueue[Any] = SimpleQueue()
        if device is not None and device.type == "cuda":
            with memory_errors(device):
                for number in range(share.workers):
                    self._streams.put(_stream(device, number))
        self._pool = ThreadPoolExecutor(share.workers, "fdegc-worker", initializer=self._prepare)
        self._side: ThreadPoolExecutor | None = None
        self._aside: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()
        #: Called now and then on the thread that waits for results.
        self.while_waiting: Callable[[], None] = never

    def _prepare(self) -> None:
        keep_to_one_thread()
        if self._device is not None and self._device.type == "cuda":
            torch.cuda.set_device(self._device)
            torch.cuda.set_stream(self._streams.get())

    def _prepare_side(self) -> None:
        self._prepare()
        if sys.platform == "linux":  # where each thread has a priority of its own
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)

    def check(self) -> None:
        """Cancellation check: raises if somebody cancels or the work failed elsewhere.

        Raises
        ------
        Cancelled
        """
        self._cancel.check()
        if self._leaving.is_set():
            raise Cancelled("The work ended.")

    def ordered(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results of pieces of work, in their order.

        Parameters
        ----------
        work : callable
            Runs on one of the threads; calls :meth:`check` now and then.
        items : iterable
            Gone through on the calling thread, a few items ahead of the results, so that it may read a file.

        Raises
        ------
        Cancelled
        Exception
            What ``work`` or ``items`` raised.
        """
        at_work: deque[Future[R]] = deque()
        for item in items:
            self.check()
            at_work.append(self._pool.submit(work, item))
            while at_work and (len(at_work) >= self.share.workers + WAITING or at_work[0].done()):
                yield self._first(at_work)
        while at_work:
            yield self._first(at_work)

    def beside(self, work: Callable[[], R], answer: Callable[[R], None]) -> None:
        """Piece of work on a thread of its own, for which nothing waits.

        Parameters
        ----------
        work : callable
            Calls :meth:`check` now and then.  What it raises is dropped.
        answer : callable
            Gets the result on the thread that waits for those of :meth:`ordered`, if it is there before them.
        """
        if self._side is None:
            if self._device is not None and self._device.type == "cuda":
                self._streams.put(_stream(self._device, self.share.workers))
            self._side = ThreadPoolExecutor(1, "fdegc-beside", initializer=self._prepare_side)
        self._aside.append((self._side.submit(work), answer))

    def _first(self, at_work: deque[Future[R]]) -> R:
        future = at_work.popleft()
        while not wait([future], PATIENCE).done:
            self.check()
            self._answer()
            self.while_waiting()
        result = future.result()
        self.check()  # whoever cancelled is to see nothing more happen
        self._answer()
        return result

    def _answer(self) -> None:
        """Hand on what was done beside."""
        while self._aside and self._aside[0][0].done():
            future, answer = self._aside.popleft()
            if future.exception() is None:
                answer(future.result())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        # Whoever cancels does not wait for the operations that threads are at, seconds for the largest tiles
        # on a busy machine: they have arrays of their own, touch no file, and end at their next check.
        if self._side is not None:
            self._side.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=not self._cancel.cancelled, cancel_futures=True)
