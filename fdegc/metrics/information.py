"""VIF in the pixel domain, after Sheikh and Bovik (2006)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fdegc.errors import MetricUnavailable
from fdegc.metrics.inputs import Array, check_shapes, check_side
from fdegc.metrics.windows import blur, gaussian

if TYPE_CHECKING:
    import torch

#: Red, green and blue in luma (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)
SCALES = 4
#: Variance of the visual noise, for data on 0–255.
NOISE = 2.0
#: Below this the coarsest scale is smaller than its window.
VIFP_MIN_SIDE = 41
_TINY = 1e-10

Terms = npt.NDArray[np.float64]


def vifp(reference: Array, other: Array) -> float:
    """Visual information fidelity, pixel-domain version.

    Four scales with Gaussian windows of N = 17, 9, 5, 3 px and σ = N/5, valid convolution, noise
    variance 2.  Of three or more bands the BT.601 luma of the first three is compared; one or two
    bands are compared each by itself and averaged.

    Parameters
    ----------
    reference, other : ndarray, shape (bands, height, width), real, in 0–255
        The order matters: information is lost from `reference` to `other`.

    Returns
    -------
    float
        ≥ 0; 1 for equal images; above 1 if contrast was enhanced.

    Raises
    ------
    InvalidOption
        If the shapes differ.
    MetricUnavailable
        Below 41 px a side, or if the reference is flat and so holds no information.

    References
    ----------
    H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE Transactions on Image
    Processing 15(2), 2006; the authors' ``vifp_mscale``.
    """
    return vifp_value(vifp_terms(reference, other))


def vifp_terms(reference: Array, other: Array) -> Terms:
    """Information of both images, which adds up over blocks of a scene.

    Parameters
    ----------
    reference, other : ndarray, shape (bands, height, width), real, in 0–255

    Returns
    -------
    ndarray of float64, shape (2, channels)
        What `other` keeps of the reference's information, and that information (log₁₀ units);
        one channel, the luma, for three or more bands.

    Raises
    ------
    InvalidOption
        If the shapes differ.
    MetricUnavailable
        Below 41 px a side.
    """
    import torch

    check_shapes(reference, other)
    check_side(reference, VIFP_MIN_SIDE, "VIFp")
    with torch.inference_mode():
        terms = [
            _one_channel(torch.from_numpy(np.stack([x, y])))
            for x, y in zip(_channels(reference), _channels(other), strict=True)
        ]
    return np.array(terms, np.float64).T


def vifp_value(terms: Terms) -> float:
    """VIFp from the (sum of) `terms` of :func:`vifp_terms`; MetricUnavailable if the reference is flat."""
    kept, whole = terms
    if not (whole > 0.0).all():
        raise MetricUnavailable("VIFp is undefined because the reference has no texture.")
    return float((kept / whole).mean())


def _channels(image: Array) -> list[npt.NDArray[np.float64]]:
    """Luma of the first three bands, or each of fewer bands, float64."""
    bands = [np.asarray(band, np.float64) for band in image[:3]]
    if len(bands) < 3:
        return bands
    return [LUMA[0] * bands[0] + LUMA[1] * bands[1] + LUMA[2] * bands[2]]


def _one_channel(images: torch.Tensor) -> tuple[float, float]:
    """Kept and whole information of images[0] → images[1], float64 (2, height, width)."""
    kept = whole = 0.0
    for scale in range(SCALES):
        size = 2 ** (SCALES - scale) + 1
        window = gaussian(size, size / 5.0)
        if scale:
            images = blur(images, window)[:, ::2, ::2].contiguous()
        kept_here, whole_here = _information(images, window)
        kept += kept_here
        whole += whole_here
    return kept, whole


def _information(images: torch.Tensor, window: list[float]) -> tuple[float, float]:
    """Kept and whole information at one scale."""
    import torch

    x, y = images[0], images[1]
    # E[x²] − E[x]² loses about 5 digits to cancellation: only float64 has them to spare.
    mu_x, mu_y, xx, yy, xy = blur(torch.stack([x, y, x * x, y * y, x * y]), window)
    var_x = (xx - mu_x * mu_x).clamp_min_(0.0)
    var_y = (yy - mu_y * mu_y).clamp_min_(0.0)
    covariance = xy - mu_x * mu_y
    gain = covariance / (var_x + _TINY)
    residual = var_y - gain * covariance
    # Where an image is flat nothing is carried over; a negative gain is distortion, not information.
    flat_x, flat_y = var_x < _TINY, var_y < _TINY
    gain.masked_fill_(flat_x | flat_y, 0.0)
    residual = torch.where(flat_x, var_y, residual).masked_fill_(flat_y, 0.0)
    var_x.masked_fill_(flat_x, 0.0)
    residual = torch.where(gain < 0.0, var_y, residual).clamp_min_(_TINY)
    gain.clamp_min_(0.0)
    kept = torch.log10(1.0 + gain * gain * var_x / (residual + NOISE)).sum()
    whole = torch.log10(1.0 + var_x / NOISE).sum()
    return float(kept), float(whole)
