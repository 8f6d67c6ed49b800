"""Work for a device: on a GPU launched by one thread, and captured as graphs where it is repeated."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fdegc.model.graphs import Capture, CudaCapture, Repeats

#: Functions and shapes of batches that a GPU keeps as graphs.
GRAPHS = 24

#: Function of a batch on the device.
Work = Callable[[Tensor], Tensor]


def stacked(arrays: Sequence[npt.NDArray[Any]], device: torch.device) -> Tensor:
    """Arrays of equal shape as one tensor of the host, from which a GPU copies by itself."""
    if len(arrays) == 1:
        tensor = torch.from_numpy(np.ascontiguousarray(arrays[0]))[None]
    else:
        tensor = torch.from_numpy(np.stack(arrays))
    return tensor.pin_memory() if device.type == "cuda" else tensor


class Launching:
    """Way of giving a device work, for any number of threads at once.

    On a GPU one thread launches what all others need; they wait for their results.  Threads that launch
    kernels themselves wait for one lock of the driver and for Python's, hundreds of times a batch, and each
    of them has cuDNN plan every convolution anew, for it keeps its plans by thread: sixteen kept an H100 busy
    for an eighth of the time, whether they took turns or not.  What is repeated is captured as a graph there,
    and launched as one.

    Parameters
    ----------
    device : torch.device
    apart : bool, optional
        Whether a thread of its own launches; by default on a GPU.
    capture : Capture, optional
        How that thread captures what is repeated; by default as a CUDA graph on a GPU, else not at all.

    Attributes
    ----------
    turn : context manager
        Entered for as long as anybody gives a GPU work; nobody waits for it elsewhere.
    repeats : Repeats or None
        What is captured.
    """

    def __init__(
        self, device: torch.device, *, apart: bool | None = None, capture: Capture | None = None
    ) -> None:
        self.device = device
        self._is_gpu = device.type == "cuda"
        self.turn: contextlib.AbstractContextManager[Any] = (
            _turn(device.index or 0) if self._is_gpu else contextlib.nullcontext()
        )
        if capture is None and self._is_gpu:
            capture = CudaCapture(device, shared=True)
        self.repeats = None if capture is None else Repeats(capture, GRAPHS)
        self._thread: ThreadPoolExecutor | None = None
        if self._is_gpu if apart is None else apart:
            self._thread = ThreadPoolExecutor(1, "fdegc-launch", initializer=self._prepare)

    def _prepare(self) -> None:
        if self._is_gpu:
            torch.cuda.set_device(self.device)
            torch.cuda.set_stream(torch.cuda.Stream(self.device))  # type: ignore[no-untyped-call]

    def run(self, name: Hashable, work: Work, x: Tensor, before: Work = Tensor.detach) -> npt.NDArray[Any]:
        """Result of a function on the device, as an array of the host.

        Parameters
        ----------
        name : hashable
            Says which function it is: what ``work`` does may depend on nothing else but its argument.
        work : callable
        x : Tensor
            On the host, as of :func:`stacked`.
        before : callable
            What is done to it on the device first, of which nothing is asked.
        """
        if self._thread is None:
            return np.asarray(work(before(x.to(self.device))).numpy(force=True))
        staged, wait = self._thread.submit(self._launch, name, work, x, before).result()
        wait()
        return staged.numpy().copy()  # what is pinned is wanted again

    def _launch(
        self, name: Hashable, work: Work, x: Tensor, before: Work
    ) -> tuple[Tensor, Callable[[], Any]]:
        """Launch a function of a batch; where its result will be, and what waits for it."""
        with self.turn, torch.inference_mode():
            x = before(x.to(self.device, non_blocking=True))
            result = self._result(name, work, x)
            staged = torch.empty(result.shape, dtype=result.dtype, pin_memory=self._is_gpu)
            staged.copy_(result, non_blocking=True)
            if not self._is_gpu:
                return staged, _nothing
            done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            done.record()
        return staged, done.synchronize

    def _result(self, name: Hashable, work: Work, x: Tensor) -> Tensor:
        """Result of a function by its graph; plainly without one, and from when memory has run out."""
        if self.repeats is not None:
            # Suppressed, not handled: an exception at hand would keep what the failed call had in memory.
            with contextlib.suppress(torch.OutOfMemoryError):
                return self.repeats(name, work, x)
            self.repeats = None  # memory that graphs hold serves nothing else
            torch.cuda.empty_cache()
        return work(x)


@functools.cache
def _turn(_index: int) -> contextlib.AbstractContextManager[Any]:
    """Lock of a GPU, for all networks on it.

    Torch's streams are few: what one thread launches while another captures on the same one would be part of
    that graph.
    """
    return threading.Lock()


def _nothing() -> None:
    """What waits for nothing."""
