"""MS-SSIM after Wang, Simoncelli and Bovik (2003)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fdegc.metrics.inputs import Array, check_shapes, check_side
from fdegc.metrics.windows import blur, gaussian

if TYPE_CHECKING:
    import torch

#: Exponents of the scales, finest first (Wang et al. 2003, section 3.2).
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = 11
SIGMA = 1.5
#: The window has to fit into the coarsest of five scales: (11 − 1) · 2⁴ + 1.
MS_SSIM_MIN_SIDE = 161
#: Constants that keep the quotients finite.
C1 = (0.01 * 255.0) ** 2
C2 = (0.03 * 255.0) ** 2


def ms_ssim(reference: Array, other: Array) -> float:
    """Multi-scale structural similarity, mean over the bands.

    Five scales, Gaussian window of 11 px and σ 1.5, valid convolution, data range 255; between
    scales a 2 × 2 mean.  Contrast terms below zero count as zero, as is usual.

    Parameters
    ----------
    reference, other : ndarray, shape (bands, height, width), real, in 0–255

    Returns
    -------
    float
        0 to 1; 1 for equal images.

    Raises
    ------
    InvalidOption
        If the shapes differ.
    MetricUnavailable
        Below 161 px a side.

    References
    ----------
    Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale structural similarity for image quality
    assessment", Asilomar Conference on Signals, Systems and Computers, 2003.
    """
    import torch

    check_shapes(reference, other)
    check_side(reference, MS_SSIM_MIN_SIDE, "MS-SSIM")
    # float32 suffices here: rounding of the variances (some 1e-3) is far below C2 = 58.5.
    # One band at a time keeps the maps in the processor's cache.
    with torch.inference_mode():
        values = [
            _one_band(torch.from_numpy(np.stack([x, y]).astype(np.float32, copy=False)))
            for x, y in zip(reference, other, strict=True)
        ]
    return float(np.mean(values))


def ms_ssim_db(v: float) -> float:
    """MS-SSIM `v` in dB, −10·log10(1 − v); ``inf`` for 1, where differences are easier to see than near 1."""
    return math.inf if v >= 1.0 else -10.0 * math.log10(1.0 - v)


def _one_band(images: torch.Tensor) -> float:
    """MS-SSIM of images[0] and images[1], float32 (2, height, width) in 0–255."""
    import torch.nn.functional as F

    result = 1.0
    for scale, weight in enumerate(WEIGHTS):
        luminance, contrast = _terms(images)
        last = scale == len(WEIGHTS) - 1
        term = (luminance * contrast).mean() if last else contrast.mean()
        # clamp_min, unlike max, hands on values that are not finite.
        result *= float(term.clamp_min(0.0)) ** weight
        if not last:
            padding = [side % 2 for side in images.shape[1:]]
            images = F.avg_pool2d(images, 2, padding=padding)
    return result


def _terms(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Luminance and contrast-structure maps, each (h − 10, w − 10), of images (2, h, w)."""
    import torch

    x, y = images[0], images[1]
    mu_x, mu_y, xx, yy, xy = blur(torch.stack([x, y, x * x, y * y, x * y]), gaussian(WINDOW, SIGMA))
    mean_product = mu_x * mu_y
    mean_squares = mu_x.square_().add_(mu_y.square_())
    variances = xx.add_(yy).sub_(mean_squares)
    covariance = xy.sub_(mean_product)
    contrast = covariance.mul_(2.0).add_(C2).div_(variances.add_(C2))
    luminance = mean_product.mul_(2.0).add_(C1).div_(mean_squares.add_(C1))
    return luminance, contrast
