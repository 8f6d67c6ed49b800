"""Local SSIM after Wang, Bovik, Sheikh and Simoncelli (2004), compiled."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.metrics.inputs import Array
from fdegc.metrics.structural import C1, C2, SIGMA, WINDOW
from fdegc.metrics.windows import gaussian

_Plane = npt.NDArray[np.float32]


def ssim_map(reference: Array, other: Array) -> _Plane:
    """Local structural similarity of one band: SSIM in the window of :func:`ms_ssim` around every pixel.

    Parameters
    ----------
    reference, other : ndarray, shape (height, width), real, in 0–255
        At least 11 px a side.

    Returns
    -------
    ndarray of float32, shape (height − 10, width − 10)
        1 where both are equal; without the pixels whose window would reach beyond the edge.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE Transactions on Image Processing 13 (4), 2004.
    """
    height, width = (side - WINDOW + 1 for side in reference.shape)
    out = np.empty((height, width), np.float32)
    _compiled()(
        np.ascontiguousarray(reference, np.float32),
        np.ascontiguousarray(other, np.float32),
        np.array(gaussian(WINDOW, SIGMA), np.float32),
        np.float32(C1),
        np.float32(C2),
        out,
    )
    return out


@functools.cache
def _compiled() -> Callable[..., None]:
    """Kernel as machine code, which is kept for the next process where there is a place for it."""
    import numba

    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}}
    try:
        kernel: Callable[..., None] = numba.njit(cache=True, **options)(_fill)
    except RuntimeError:  # "no locator available": neither the package nor the user's cache can be written
        kernel = numba.njit(**options)(_fill)
    return kernel


def _fill(
    x: _Plane, y: _Plane, taps: _Plane, c1: np.float32, c2: np.float32, out: _Plane
) -> None:  # pragma: no cover - compiled
    """SSIM of every row: the four means that it takes, down first, and then across.

    Of the two variances only the sum counts.  All inner loops go along rows, so that they become vectors.
    """
    height, width = out.shape
    wide = x.shape[1]
    down = np.empty((4, wide), np.float32)
    mean = np.empty((4, width), np.float32)
    for row in range(height):
        down[:] = 0
        mean[:] = 0
        for tap in range(len(taps)):
            weight = taps[tap]
            for column in range(wide):
                a, b = x[row + tap, column], y[row + tap, column]
                wa, wb = weight * a, weight * b
                down[0, column] += wa
                down[1, column] += wb
                down[2, column] += wa * a + wb * b
                down[3, column] += wa * b
        for which in range(4):
            for tap in range(len(taps)):
                weight = taps[tap]
                for column in range(width):
                    mean[which, column] += weight * down[which, column + tap]
        for column in range(width):
            product = mean[0, column] * mean[1, column]
            squares = mean[0, column] ** 2 + mean[1, column] ** 2
            luminance = (2 * product + c1) / (squares + c1)
            contrast = (2 * (mean[3, column] - product) + c2) / (mean[2, column] - squares + c2)
            out[row, column] = luminance * contrast
