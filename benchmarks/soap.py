"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner, for comparison with Muon (``recipes.py``).

Source: Vyas et al., "SOAP: improving and stabilizing Shampoo using Adam", ICLR 2025.  Kernels are
preconditioned over their output and input channels; taps are left as they are, and candidates of a dynamic
convolution are kernels of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

#: Steps from one refresh of the eigenbases to the next.
REFRESH = 10


class Soap(torch.optim.Optimizer):
    """Adam on rotated gradients of kernels of 4 or 5 dimensions.

    Parameters
    ----------
    params : iterable of Parameter
    lr : float
    betas : tuple of 3 floats
        Of momentum, second moment and preconditioners.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float, float] = (0.95, 0.95, 0.95),
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update all kernels; the first step only sets up the bases."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group["lr"], *group["betas"])

    def _update(self, p: nn.Parameter, lr: float, beta1: float, beta2: float, beta3: float) -> None:
        assert p.grad is not None
        shape = (-1, p.shape[-4], p.shape[-3], p.shape[-2] * p.shape[-1])
        gradient = p.grad.reshape(shape)
        outer = torch.einsum("noit,npit->nop", gradient, gradient)
        inner = torch.einsum("noit,nojt->nij", gradient, gradient)
        state = self.state[p]
        if not state:
            state |= {"step": 0, "outer": outer, "inner": inner}
            state |= {"left": _basis(outer), "right": _basis(inner)}
            state |= {"mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
            return
        state["step"] += 1
        state["mean"].lerp_(gradient, 1 - beta1)
        rotated = _rotate(gradient, state["left"], state["right"])
        state["square"].lerp_(rotated.square(), 1 - beta2)
        mean = _rotate(state["mean"], state["left"], state["right"]) / (1 - beta1 ** state["step"])
        scale = (state["square"] / (1 - beta2 ** state["step"])).sqrt() + 1e-8
        back = _rotate(mean / scale, state["left"].mT, state["right"].mT)
        p.add_(back.reshape(p.shape), alpha=-lr)
        state["outer"].lerp_(outer, 1 - beta3)
        state["inner"].lerp_(inner, 1 - beta3)
        if state["step"] % REFRESH == 0:
            for moment, basis in (("outer", "left"), ("inner", "right")):
                state[basis] = torch.linalg.qr(state[moment] @ state[basis])[0]  # a step of power iteration


def _basis(moments: Tensor) -> Tensor:
    """Eigenvectors of a stack of second moments, whatever their size."""
    scale = moments.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=1e-30)[:, None, None]
    jitter = 1e-9 * torch.eye(moments.shape[-1], dtype=torch.float64)
    return torch.linalg.eigh(moments.double() / scale + jitter)[1].float()


def _rotate(x: Tensor, left: Tensor, right: Tensor) -> Tensor:
    return torch.einsum("npit,npo->noit", torch.einsum("npjt,nji->npit", x, right), left)
