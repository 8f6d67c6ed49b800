"""Independent parts of a function side by side, on CUDA streams of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

R = TypeVar("R")


class Lanes:
    """CUDA streams for parts of a function that do not depend on each other; on the CPU there are none.

    A small kernel leaves most of a GPU idle for as long as a large one takes to be launched.  Captured as a
    graph (:mod:`fdegc.model.graphs`), the lanes are branches of it.

    Parameters
    ----------
    device : str or torch.device
    count : int
        Streams at most.
    """

    def __init__(self, device: str | torch.device, count: int) -> None:
        self.device, self.count = torch.device(device), count
        self._streams: list[torch.cuda.Stream] = []

    def run(self, parts: Sequence[Callable[[], R]]) -> list[R]:
        """Results of all parts, which the caller's stream may use; part i runs on lane i mod count.

        Parameters
        ----------
        parts : sequence of callable
            What they read exists before; what they return is not kept beyond the next time.
        """
        if self.device.type != "cuda" or self.count < 2 or len(parts) < 2:
            return [part() for part in parts]
        if not self._streams:
            self._streams = [torch.cuda.Stream(self.device) for _ in range(self.count)]
        caller = torch.cuda.current_stream(self.device)
        used = self._streams[: len(parts)]
        for lane in used:
            lane.wait_stream(caller)
        results = []
        for number, part in enumerate(parts):
            with torch.cuda.stream(used[number % len(used)]):
                results.append(part())
        for lane in used:
            caller.wait_stream(lane)
        return results
