"""Small building blocks: generalised divisive normalisation, causal convolution, factorised prior.

compressai has all three; ours exist because importing it takes longer than compressing a small scene.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Added under the square root of GDN's parameters, so that their gradients do not vanish at zero.
PEDESTAL = 2.0**-36
#: Smallest β of GDN.
BETA_MIN = 1e-6
#: Widths of the hidden layers of the factorised prior.
PRIOR_WIDTHS = (3, 3, 3, 3)
#: Range of values that the factorised prior covers when training starts.
PRIOR_SCALE = 10.0


class _LowerBound(torch.autograd.Function):
    """``max(x, bound)`` whose gradient still pulls values below the bound upwards."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound  # type: ignore[attr-defined]
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        passes = (x >= ctx.bound) | (grads[0] < 0)  # type: ignore[attr-defined]
        return grads[0] * passes, None


def _non_negative(x: Tensor, minimum: float) -> Tensor:
    """Parameter from its square root, at least ``minimum``."""
    bounded: Tensor = _LowerBound.apply(x, math.sqrt(minimum + PEDESTAL))
    return bounded.square() - PEDESTAL


class GDN(nn.Module):
    """Generalised divisive normalisation (Ballé, Laparra, Simoncelli, ICLR 2016) or its inverse.

    ``y = x / √(β + γ·x²)``, or ``x · √(β + γ·x²)``, across channels at each position.  β and γ are
    stored as square roots, as in compressai.

    Parameters
    ----------
    channels : int
    inverse : bool
    """

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta = nn.Parameter(torch.sqrt(torch.ones(channels) + PEDESTAL))
        self.gamma = nn.Parameter(torch.sqrt(0.1 * torch.eye(channels) + PEDESTAL))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised features: (B, N, H, W) to the same shape."""
        beta, gamma = self.constants()
        norm = F.conv2d(x.square(), gamma[:, :, None, None], beta)
        return x * (norm.sqrt() if self.inverse else norm.rsqrt())

    def constants(self) -> tuple[Tensor, Tensor]:
        """β of shape (N,) and γ of shape (N, N), which are not below zero."""
        return _non_negative(self.beta, BETA_MIN), _non_negative(self.gamma, 0.0)


class CausalConv2d(nn.Conv2d):
    """Convolution that sees only positions above, and to the left in the same row (mask of type A).

    van den Oord et al., "Conditional image generation with PixelCNN decoders", NeurIPS 2016.
    """

    mask: Tensor
    bias: nn.Parameter

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        mask = torch.ones(kernel_size, kernel_size)
        mask[kernel_size // 2, kernel_size // 2 :] = 0
        mask[kernel_size // 2 + 1 :] = 0
        self.register_buffer("mask", mask, persistent=False)

    @property
    def causal_weight(self) -> Tensor:
        """Kernel of the convolution, zero where it must not look."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Causal convolution of features: (B, in, H, W) to (B, out, H, W)."""
        return F.conv2d(x, self.causal_weight, self.bias, padding=self.padding)


class FactorisedPrior(nn.Module):
    """Univariate density of each channel (Ballé et al., ICLR 2018, appendix 6.1).

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (1, *PRIOR_WIDTHS, 1)
        layers = len(widths) - 1
        scale = PRIOR_SCALE ** (1 / layers)
        self.matrices, self.biases, self.factors = (nn.ParameterList() for _ in range(3))
        for before, after in itertools.pairwise(widths):
            start = math.log(math.expm1(1 / scale / after))
            self.matrices.append(nn.Parameter(torch.full((channels, after, before), start)))
            self.biases.append(nn.Parameter(torch.empty(channels, after, 1).uniform_(-0.5, 0.5)))
        for width in PRIOR_WIDTHS:
            self.factors.append(nn.Parameter(torch.zeros(channels, width, 1)))

    def _logits(self, x: Tensor) -> Tensor:
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = F.softplus(matrix) @ x + bias
            if i < len(self.factors):
                x = x + torch.tanh(self.factors[i]) * torch.tanh(x)
        return x

    def forward(self, values: Tensor) -> Tensor:
        """Probability of [v − ½, v + ½]: (channels, 1, n) to the same shape."""
        lower, upper = self._logits(torch.cat((values - 0.5, values + 0.5), 2)).chunk(2, 2)
        # On the side where the sigmoid is not saturated.
        sign = -torch.sign(lower + upper).detach()
        return (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs()
