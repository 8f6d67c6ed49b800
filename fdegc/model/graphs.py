"""A function of tensors that stay where they are, captured once as a CUDA graph and replayed.

A step is thousands of kernels of a few microseconds; launching each from Python takes longer than they run.
A graph is launched as one.  What is captured is the plain function, so that without a graph (on the CPU, with
several processes, if capturing fails) the same numbers come of the same code.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from typing import Protocol

import torch
from torch import Tensor

#: What is captured: reads and writes tensors that exist already, and returns one.
Function = Callable[[], Tensor]
#: Plain calls before a function is captured: libraries choose algorithms, optimisers make their state.
WARM_UP = 3


class Capture(Protocol):
    """Way of capturing functions: :class:`CudaCapture`, or what a test has in its place."""

    def warm(self, function: Function) -> Tensor:
        """Plain call of a function, before it is captured."""

    def capture(self, function: Function) -> Function:
        """Function that does the same from now on, and may or may not run the original itself."""


class CudaCapture:
    """CUDA graphs of one device.

    Parameters
    ----------
    device : str or torch.device
    shared : bool
        Whether all graphs work in one piece of memory.  Then no two may run at the same time, and what one
        returned is to be copied before the next one runs.
    """

    def __init__(self, device: str | torch.device, *, shared: bool = False) -> None:
        self.device = torch.device(device)
        self._stream = torch.cuda.Stream(self.device)
        self._pool = torch.cuda.graph_pool_handle() if shared else None

    def warm(self, function: Function) -> Tensor:
        """Plain call of a function on a stream of its own, as capturing does."""
        current = torch.cuda.current_stream(self.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            out = function()
        current.wait_stream(self._stream)
        return out

    def capture(self, function: Function) -> Function:
        """CUDA graph of a function's kernels, recorded; nothing is computed yet.

        Raises
        ------
        Exception
            If it cannot be captured; the stream, the allocator and the random numbers are as they were then.
        """
        graph, pool = torch.cuda.CUDAGraph(), self._pool or torch.cuda.graph_pool_handle()
        current = torch.cuda.current_stream(self.device)
        try:
            # Other threads may ask for memory meanwhile, which is an error in the default mode.
            mode = "thread_local"
            with torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode=mode):
                out = function()
        except Exception:
            # What a capture that fails leaves behind: its stream as the current one, an allocator that waits
            # for its end, and a generator that refuses to draw outside of a graph.
            torch.cuda.set_stream(current)
            with contextlib.suppress(RuntimeError, AttributeError):  # it has ended, or torch has no such name
                torch._C._cuda_endAllocateToPool(current.device_index, pool)
            generator = torch.cuda.default_generators[current.device_index]
            generator.graphsafe_set_state(generator.clone_state())
            if self._pool is not None:
                self._pool = torch.cuda.graph_pool_handle()  # the other may count as being recorded for ever
            raise

        def replay() -> Tensor:
            graph.replay()
            return out

        return replay


class Repeated:
    """Function that is called again and again: plainly at first, then captured.

    Parameters
    ----------
    function : callable
    capture : Capture, optional
        Without it the function is always called plainly.

    Attributes
    ----------
    failure : str or None
        Why capturing failed; the function is called plainly since.
    """

    def __init__(self, function: Function, capture: Capture | None = None) -> None:
        self.function = function
        self.failure: str | None = None
        self._capture = capture
        self._warm = WARM_UP
        self._replay: Function | None = None

    @property
    def captured(self) -> bool:
        """Whether calls are replays by now."""
        return self._replay is not None

    def __call__(self) -> Tensor:
        """Result of one call of the function; the tensor is overwritten by the next call."""
        if self._capture is None:
            return self.function()
        if self._replay is None and self._warm > 0:
            self._warm -= 1
            return self._capture.warm(self.function)
        if self._replay is None:
            try:
                self._replay = self._capture.capture(self.function)
            except Exception as error:  # whatever it is: the plain function is always right
                self.failure, self._capture = _cause(error), None
                return self.function()
        return self._replay()


class Repeats:
    """Functions of a tensor that are called again and again, captured for each shape that they get.

    One call at a time, and all by one thread: cuDNN prepares for each thread anew, which cannot be captured.

    Parameters
    ----------
    capture : Capture
    limit : int
        Functions and shapes that are captured at most; others are called plainly.

    Attributes
    ----------
    failures : list of str
        Why capturing failed, where it did.
    """

    def __init__(self, capture: Capture, limit: int) -> None:
        self._capture, self._limit = capture, limit
        self._known: dict[Hashable, tuple[Tensor, Repeated]] = {}

    @property
    def failures(self) -> list[str]:
        """First lines of what went wrong."""
        return [repeated.failure for _, repeated in self._known.values() if repeated.failure]

    @property
    def captured(self) -> int:
        """How many functions and shapes are captured by now."""
        return sum(repeated.captured for _, repeated in self._known.values())

    def __call__(self, name: Hashable, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Result of a function; it is to be copied before the next call.

        Parameters
        ----------
        name : hashable
            Says which function it is: what it does must not depend on anything else.
        function : callable
        x : Tensor
        """
        key = name, x.shape, x.dtype
        if key not in self._known:
            if len(self._known) >= self._limit:
                return function(x)
            place = torch.empty_like(x)
            self._known[key] = place, Repeated(lambda: function(place), self._capture)
        place, repeated = self._known[key]
        place.copy_(x)
        return repeated()


def _cause(error: BaseException) -> str:
    """First line of what went wrong first: ending a capture that failed raises another error."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return (str(error).strip() or type(error).__name__).splitlines()[0]
