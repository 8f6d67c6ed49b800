"""Where within its rounding interval a latent is expected to lie, given its mixture."""

from __future__ import annotations

import torch
from torch import Tensor

from fdegc.model.context import SCALE_FLOOR, Mixture, laplace_cdf


def centroid(y_hat: Tensor, mixture: Mixture) -> Tensor:
    """Mean of y − ŷ over [−½, ½] under a mixture of Laplace distributions.

    Parameters
    ----------
    y_hat : Tensor, shape (B, M, h, w)
        Rounded latent.
    mixture : Mixture

    Returns
    -------
    Tensor, shape (B, M, h, w)
        Within ±½; 0 where the interval has next to no probability.
    """
    scales = mixture.scales.clamp(min=SCALE_FLOOR)
    offset = mixture.means - y_hat.unsqueeze(1)
    lower, upper = -0.5 - offset, 0.5 - offset
    mass = laplace_cdf(upper / scales) - laplace_cdf(lower / scales)
    moment = _moment(upper, scales) - _moment(lower, scales)
    total = (mixture.weights * mass).sum(1)
    mean = (mixture.weights * (offset * mass + moment)).sum(1) / total.clamp(min=1e-9)
    return torch.where(total > 1e-6, mean.clamp(-0.5, 0.5), 0.0)


def _moment(t: Tensor, scale: Tensor) -> Tensor:
    """Antiderivative of t · exp(−|t| / s) / 2s."""
    size = t.abs()
    return -0.5 * (size + scale) * torch.exp(-size / scale)
