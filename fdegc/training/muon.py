"""Muon: momentum orthogonalised by Newton–Schulz steps, for convolution kernels of any kind.

Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.  A kernel is taken
as a matrix of its first dimension by all others: out × (in·k·k), of a transposed convolution
in × (out·k·k).  The candidates of a dynamic convolution are a stack of such matrices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

#: Quintic coefficients of Jordan et al.: steep at 0, so that small singular values rise in few steps.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(stack: Tensor, steps: int = 5) -> Tensor:
    """Matrices of a stack (n, rows, cols) with their singular values moved close to 1."""
    a, b, c = COEFFICIENTS
    x = stack.to(torch.bfloat16)
    transposed = x.shape[1] > x.shape[2]
    if transposed:
        x = x.transpose(1, 2).contiguous()
    x = x / (x.float().flatten(1).norm(dim=1)[:, None, None] + 1e-7).to(x.dtype)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if transposed else x


def is_kernel(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a matrix-like kernel that Muon should handle.

    Vectors, gains, GDN's γ, the factorised prior and depth-wise kernels stay with Adam.
    """
    if parameter.ndim < 4 or "hyper_prior" in name:
        return False
    rows, cols = matrix_shape(parameter)
    return rows > 4 and cols > 9


def matrix_shape(parameter: Tensor) -> tuple[int, int]:
    """Rows and columns of a kernel's matrix, or of each of its candidates'."""
    return parameter.shape[-4], parameter[0].numel() if parameter.ndim == 4 else parameter[0, 0].numel()


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Kernels of one matrix shape.

    Attributes
    ----------
    params : list of Parameter
    counts : list of int
        Matrices of each of them.
    momentum : Tensor, shape (n, rows, cols)
        Of all; the state of a single parameter is a view of it.
    """

    params: list[nn.Parameter]
    counts: list[int]
    momentum: Tensor


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum on kernels of 4 or 5 dimensions.

    All kernels of one matrix shape are updated as one stack, by a few operations whatever their number.

    Parameters
    ----------
    params : iterable of Parameter
    lr : float or Tensor
        Scaled by √max(1, rows / cols) for each matrix.
    momentum : float

    Attributes
    ----------
    found_inf : Tensor or None
        1.0 if a step must change nothing, else 0.0; on the device, as torch's fused Adam has it, so that
        nobody waits for it.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float | Tensor, momentum: float = 0.95) -> None:
        self.found_inf: Tensor | None = None
        self._stacks: dict[int, tuple[list[nn.Parameter], list[_Stack]]] = {}
        super().__init__(params, {"lr": lr, "momentum": momentum})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Momentum of each parameter, taken over from a state; stacks are made anew of it."""
        super().load_state_dict(state_dict)
        self._stacks.clear()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update of all kernels that have a gradient."""
        for number, group in enumerate(self.param_groups):
            members = [p for p in group["params"] if p.grad is not None]
            before, stacks = self._stacks.get(number, ([], []))
            if len(members) != len(before) or any(a is not b for a, b in zip(members, before, strict=True)):
                stacks = self._stack(members)
                self._stacks[number] = members, stacks
            skip, rate = None, group["lr"]
            if self.found_inf is not None:
                skip, rate = self.found_inf > 0, rate * (1.0 - self.found_inf)
            for stack in stacks:
                self._update(stack, rate, group["momentum"], skip)

    def _stack(self, members: list[nn.Parameter]) -> list[_Stack]:
        shapes: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
        for p in members:
            shapes[matrix_shape(p)].append(p)
        stacks = []
        for (rows, cols), params in shapes.items():
            counts = [p.numel() // (rows * cols) for p in params]
            momentum = torch.zeros(sum(counts), rows, cols, dtype=params[0].dtype, device=params[0].device)
            for p, part in zip(params, momentum.split(counts), strict=True):
                if "momentum" in self.state[p]:
                    part.copy_(self.state[p]["momentum"].reshape(part.shape))
                self.state[p]["momentum"] = part.view(p.shape)
            stacks.append(_Stack(params, counts, momentum))
        return stacks

    def _update(self, stack: _Stack, rate: float | Tensor, momentum: float, skip: Tensor | None) -> None:
        rows, cols = stack.momentum.shape[1:]
        gradients = [p.grad for p in stack.params if p.grad is not None]
        gradient = torch.cat([g.reshape(-1, rows, cols) for g in gradients])
        if skip is not None:  # a gradient that is the momentum leaves it as it is; the rate is 0 then
            gradient = torch.where(skip, stack.momentum, gradient)
        stack.momentum.lerp_(gradient, 1 - momentum)
        update = orthogonalise(gradient.lerp_(stack.momentum, momentum))
        change = update.to(stack.momentum.dtype) * (rate * -(max(1.0, rows / cols) ** 0.5))
        parts = [part.view(p.shape) for p, part in zip(stack.params, change.split(stack.counts), strict=True)]
        torch._foreach_add_([p.data for p in stack.params], parts)
