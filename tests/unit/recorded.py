"""A stand-in for CUDA graphs on the CPU: records the operations of a step and does them again.

What Python decides or computes while it is recorded is not seen by replays, as with a real graph; so a step
that gives the same numbers this way depends on nothing but its tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: What makes the host wait for a device.
WAITS = ("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "unique2")


def tensors(values: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))


class Recording(TorchDispatchMode):
    """The operations below autograd, with their arguments and results."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.names: list[str] = []
        self._own: set[int] = set()
        self._before: dict[int, tuple[Any, Any]] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = function.overloadpacket.__name__
        assert name not in WAITS, f"{name} waits for the device"
        for argument, value in zip(function._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                for tensor in tensors(value):
                    self._keep(tensor)
        if name == "native_batch_norm":  # whose schema does not say that it writes running statistics
            for tensor in tensors(args[3:5]):
                self._keep(tensor)
        out = function(*args, **kwargs)
        self.names.append(name)
        self.operations.append((function, args, kwargs, out))
        seen = {t.untyped_storage()._cdata for t in tensors((args, kwargs))}
        self._own |= {t.untyped_storage()._cdata for t in tensors(out)} - seen
        return out

    def _keep(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._own and storage._cdata not in self._before:
            self._before[storage._cdata] = storage, storage.clone()

    def undo(self) -> None:
        """Restore what was there before: a graph that is captured computes nothing."""
        for storage, before in self._before.values():
            storage.copy_(before)

    @torch.no_grad()
    def replay(self) -> None:
        for function, args, kwargs, out in self.operations:
            again = function(*args, **kwargs)
            for old, new in zip(tensors(out), tensors(again), strict=True):
                if old.untyped_storage()._cdata != new.untyped_storage()._cdata:
                    old.copy_(new)


class RecordedCapture:
    """Captures by :class:`Recording`."""

    def __init__(self) -> None:
        self.warmed = self.captured = self.replayed = 0

    def warm(self, function: Callable[[], Tensor]) -> Tensor:
        self.warmed += 1
        return function()

    def capture(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.captured += 1
        with Recording() as recording:
            out = function()
        recording.undo()

        def replay() -> Tensor:
            self.replayed += 1
            recording.replay()
            return out

        return replay
