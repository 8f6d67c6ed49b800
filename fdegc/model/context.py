"""Autoregressive context and the Laplace mixture that codes the latent."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

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
        raw = self.parameters_net(torch.cat((self.masked(y_hat), phi), 1))
        return split_mixture(raw)


def split_mixture(raw: Tensor) -> Mixture:
    """Split (B, 9M, h, w), blocks w0 m0 s0 w1 m1 s1 w2 m2 s2 of M channels, into a mixture."""
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
