"""Muon: momentum orthogonalised by Newton–Schulz steps, for convolution kernels of any kind.

Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.  A kernel is taken
as a matrix of its first dimension by all others: out × (in·k·k), of a transposed convolution
in × (out·k·k).  The candidates of a dynamic convolution are a stack of such matrices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

#: Quintic coefficients of Jordan et al.: steep at 0, so that small singular values rise in few steps.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(stack: Tensor, steps: int = 5) -> Tensor:
    """Move the singular values of each matrix of a stack (n, rows, cols) close to 1."""
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
    rows, cols = parameter.shape[-4], parameter[0].numel() if parameter.ndim == 4 else 0
    if parameter.ndim == 5:
        cols = parameter[0, 0].numel()
    return rows > 4 and cols > 9


class Muon(torch.optim.Optimizer):
    """Orthogonalised Nesterov momentum on kernels of 4 or 5 dimensions.

    Parameters
    ----------
    params : iterable of Parameter
    lr : float
        Scaled by √max(1, rows / cols) for each matrix.
    momentum : float
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all kernels; those of equal shape are orthogonalised as one stack."""
        for group in self.param_groups:
            stacks: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                buffer = state["momentum"]
                buffer.lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(buffer, group["momentum"])
                matrices = update.view(-1, p.shape[-4], p[0].numel() if p.ndim == 4 else p[0, 0].numel())
                stacks[matrices.shape[1], matrices.shape[2]].append((p, matrices))
            for (rows, cols), members in stacks.items():
                stacked = orthogonalise(torch.cat([m for _, m in members]))
                lr = group["lr"] * max(1.0, rows / cols) ** 0.5
                start = 0
                for p, matrices in members:
                    count = matrices.shape[0]
                    p.add_(stacked[start : start + count].reshape(p.shape).to(p.dtype), alpha=-lr)
                    start += count
