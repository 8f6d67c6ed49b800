"""Autoregressive context and the Laplace mixture that codes the latent."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fdegc.model.fusing import fused
from fdegc.model.layers import CausalConv2d
from fdegc.model.transforms import SLOPE

#: Components of the mixture.
COMPONENTS = 3
#: Likelihood floor of the training loss.
LIKELIHOOD_FLOOR = 1e-10
#: Smallest scale; below it a component is a step and its gradient vanishes.
SCALE_FLOOR = 1e-4


class Mixture(NamedTuple):
    """Parameters of a three-component Laplace mixture, each of shape (B, 3, M, h, w).

    ``weights`` sum to 1 over dimension 1; ``scales`` are ≥ 0.
    """

    weights: Tensor
    means: Tensor
    scales: Tensor


class ContextModel(nn.Module):
    """Causal 5×5 context (type A) and the 1×1 network that turns it and φ into a mixture.

    Parameters
    ----------
    latent : int
        M.
    hidden : int
        Width of the two hidden 1×1 layers.
    """

    def __init__(self, latent: int, hidden: int) -> None:
        super().__init__()
        self.latent = latent
        self.masked = CausalConv2d(latent, 2 * latent, 5)
        self.parameters_net = nn.Sequential(
            nn.Conv2d(4 * latent, hidden, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(hidden, hidden, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(hidden, 3 * COMPONENTS * latent, 1, bias=False),
        )

    def forward(self, y_hat: Tensor, phi: Tensor) -> Mixture:
        """Mixture of every latent given its causal neighbours.

        Parameters
        ----------
        y_hat : Tensor, shape (B, M, h, w)
            Quantised latent.
        phi : Tensor, shape (B, 2M, h, w)
        """
        return split_mixture(self.raw(y_hat, phi))

    def raw(self, y_hat: Tensor, phi: Tensor) -> Tensor:
        """Raw outputs that :func:`split_mixture` makes a mixture of, shape (B, 9M, h, w)."""
        raw: Tensor = self.parameters_net(torch.cat((self.masked(y_hat), phi), 1))
        return raw


def split_mixture(raw: Tensor) -> Mixture:
    """Mixture in raw outputs (B, 9M, h, w), blocks w0 m0 s0 w1 m1 s1 w2 m2 s2 of M channels."""
    batch, channels = raw.shape[:2]
    blocks = raw.view(batch, COMPONENTS, 3, channels // (3 * COMPONENTS), *raw.shape[2:])
    return Mixture(torch.softmax(blocks[:, :, 0], 1), blocks[:, :, 1], blocks[:, :, 2].abs())


def laplace_cdf(x: Tensor) -> Tensor:
    """Cumulative distribution of the standard Laplace distribution."""
    return 0.5 - 0.5 * torch.sign(x) * torch.expm1(-x.abs())


def mixture_likelihood(y: Tensor, mixture: Mixture) -> Tensor:
    """Probability of [y − ½, y + ½] under the mixture, floored at 1e-10.

    Parameters
    ----------
    y : Tensor, shape (B, M, h, w)
        Rounded latent, or latent with uniform noise in training.
    """
    centred = y.unsqueeze(1) - mixture.means
    inverse = 1.0 / mixture.scales.clamp(min=SCALE_FLOOR)
    mass = laplace_cdf((centred + 0.5) * inverse) - laplace_cdf((centred - 0.5) * inverse)
    return (mixture.weights * mass).sum(1).clamp(min=LIKELIHOOD_FLOOR)


def raw_likelihood(y: Tensor, raw: Tensor) -> Tensor:
    """Likelihood (:func:`mixture_likelihood`) of raw outputs (B, 9M, h, w), in float32.

    Forward and gradient are a dozen operations each, written out, where splitting, softmax and two
    cumulative distributions take forty and as many intermediate tensors of three times the latent's size.

    Parameters
    ----------
    y : Tensor, shape (B, M, h, w)
    raw : Tensor, shape (B, 9M, h, w)
    """
    if not torch.is_grad_enabled():
        return _likelihood(y.float(), raw.float())[0]
    likelihood: Tensor = _RawLikelihood.apply(y.float(), raw.float())
    return likelihood


class _RawLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, raw: Tensor) -> Tensor:
        likelihood, *kept = _fused_likelihood(y, raw)
        ctx.save_for_backward(raw, *kept)
        return likelihood

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        return _likelihood_gradient(grads[0], *ctx.saved_tensors)


def _blocks(raw: Tensor) -> Tensor:
    return raw.reshape(raw.shape[0], COMPONENTS, 3, raw.shape[1] // (3 * COMPONENTS), *raw.shape[2:])


def _likelihood(y: Tensor, raw: Tensor) -> tuple[Tensor, ...]:
    """Likelihood, and what its gradient needs.

    With t = |y − μ|, near = exp(−|t − ½|/s) and far = exp(−(t + ½)/s), the mass of [y − ½, y + ½] is
    1 − ½ (near + far) where t < ½, and ½ near (1 − exp(−1/s)) beyond, which is exact in the tails too.
    """
    blocks = _blocks(raw)
    weights = torch.softmax(blocks[:, :, 0], 1)
    distance = y.unsqueeze(1) - blocks[:, :, 1]
    inverse = blocks[:, :, 2].abs().clamp(min=SCALE_FLOOR).reciprocal()
    size = distance.abs()
    near = torch.exp((size - 0.5).abs() * -inverse)
    far = torch.exp((size + 0.5) * -inverse)
    mass = torch.where(size < 0.5, 1.0 - 0.5 * (near + far), -0.5 * near * torch.expm1(-inverse))
    total = (weights * mass).sum(1)
    return total.clamp(min=LIKELIHOOD_FLOOR), weights, distance, inverse, near, far, mass, total


_fused_likelihood = fused(_likelihood)


@fused
def _likelihood_gradient(
    grad: Tensor,
    raw: Tensor,
    weights: Tensor,
    distance: Tensor,
    inverse: Tensor,
    near: Tensor,
    far: Tensor,
    mass: Tensor,
    total: Tensor,
) -> tuple[Tensor, Tensor]:
    """Gradients of y and raw; densities at the interval's ends are ½ near/s and ½ far/s."""
    grad = (grad * (total >= LIKELIHOOD_FLOOR)).unsqueeze(1)
    weighted = grad * weights
    logits = weighted * (mass - total.unsqueeze(1))
    half = 0.5 * weighted * inverse
    moved = half * (far - near) * torch.sign(distance)
    size = distance.abs()
    scales = _blocks(raw)[:, :, 2]
    spread = half * inverse * (near * (size - 0.5) - far * (size + 0.5))
    spread = spread * torch.sign(scales) * (scales.abs() >= SCALE_FLOOR)
    return moved.sum(1), torch.stack((logits, -moved, spread), 2).reshape(raw.shape)
