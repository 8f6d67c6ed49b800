"""Networks whose parameters are about to be read from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

_DRAWS = frozenset({Tensor.normal_, Tensor.uniform_})


class Uninitialised(TorchFunctionMode):
    """Context in which modules are built without drawing their random parameters.

    Drawing ten million numbers takes five times as long as building the modules.  Parameters hold
    whatever was in memory, so all of them have to be loaded.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Result of a function; a tensor as it is where it would be drawn."""
        if func in _DRAWS or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))
