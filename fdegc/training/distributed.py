"""One run on several devices or machines: what its processes have to agree on.

Started by ``torchrun``, which tells each process its place by environment variables.  Gradients are
averaged by DistributedDataParallel; everything else that must be equal everywhere (whether to go on,
the clock, a checkpoint that was read) goes through :class:`Group`, over gloo and the CPU, so that no
GPU waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import nn

from fdegc.codec.devices import resolve_device
from fdegc.errors import InvalidOption

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group:
    """Processes of one training run; by default there is one.

    Attributes
    ----------
    rank : int
        This process, from 0; 0 writes what is written.
    size : int
        Number of processes.
    device : str
        Where this process computes, as torch names it.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def agree(self, stop: bool, fraction: float) -> tuple[bool, float]:
        """Whether any process wants to stop, and how far the run is by the main one's clock.

        Clocks differ and a signal may reach one process only; one that stopped alone would leave the
        others waiting for its gradients for ever, and learning rates must be equal.
        """
        stops, fraction = self.sum(np.array([float(stop), fraction if self.main else 0.0]))
        return bool(stops), float(fraction)

    def sum(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum over all processes, the same everywhere."""
        if self.size == 1:
            return values
        tensor = torch.from_numpy(values.copy())
        dist.all_reduce(tensor)
        return tensor.numpy()

    def share(self, value: T) -> T:
        """Value of the main process, everywhere (files need only exist there)."""
        if self.size == 1:
            return value
        box = [value if self.main else None]
        dist.broadcast_object_list(box, src=0)
        return box[0]  # type: ignore[return-value]

    def synchronise(self, net: nn.Module) -> None:
        """Broadcast of the main process's buffers, BatchNorm's statistics, to all processes."""
        if self.size > 1:
            for buffer in net.buffers():
                dist.broadcast(buffer, src=0)

    def wait(self) -> None:
        """Barrier until all processes are here."""
        self.sum(np.zeros(1))

    def parallel(self, net: nn.Module) -> nn.Module:
        """Network with gradients averaged over the group and parameters of the main process."""
        if self.size == 1:
            return net
        ids = [torch.device(self.device)] if self.device.startswith("cuda") else None
        return nn.parallel.DistributedDataParallel(net, device_ids=ids)


@contextmanager
def process_group(device: str = "auto") -> Iterator[Group]:
    """Group of the processes that ``torchrun`` started, joined by this one, or this one alone.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps"; with CUDA each process takes the GPU of its local rank.

    Raises
    ------
    InvalidOption
        If torch was built without distributed training, or a machine has fewer GPUs than processes.
    DeviceUnavailable
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    name = resolve_device(device)[0]
    if size == 1:
        yield Group(device=name)
        return
    if not dist.is_available():
        raise InvalidOption("This PyTorch has no distributed training; start one process without torchrun.")
    if name.startswith("cuda"):
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise InvalidOption(
                f"This machine has {torch.cuda.device_count()} GPUs and more processes than that; "
                "start as many with --nproc-per-node as there are GPUs."
            )
        torch.cuda.set_device(local)
        name = f"cuda:{local}"
    dist.init_process_group("cpu:gloo,cuda:nccl" if name.startswith("cuda") else "gloo")
    try:
        yield Group(dist.get_rank(), size, name)
    finally:
        dist.destroy_process_group()
