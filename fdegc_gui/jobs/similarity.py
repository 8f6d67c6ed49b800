"""Local SSIM of two pictures of a part of the scene, at the scale at which it is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.reduction import block_counts, plane_sums
from fdegc_gui.jobs.sources import known_samples

#: Pixels that a window of SSIM reaches beyond the one in its middle.
REACH = 5


def grown(part: Window, by: int, info: RasterInfo) -> Window:
    """Part of a scene with so many pixels more on every side, as far as the scene goes."""
    x, y = max(0, part.x - by), max(0, part.y - by)
    right = min(info.width, part.x + part.width + by)
    return Window(x, y, right - x, min(info.height, part.y + part.height + by) - y)


def similarity(
    a: Samples,
    b: Samples,
    band: int | None,
    factor: int,
    black: float,
    span: float,
    check: Callable[[], None],
) -> npt.NDArray[np.float32]:
    """Local SSIM of two pictures, the mean over bands.

    Parameters
    ----------
    a, b : Samples
        Of the same window.
    band : int or None
        Index from 0; None for all.
    factor : int
        Pixels a side of the blocks whose means are compared; those at two edges may be smaller.
    black, span : float
        Least sample, and range of the samples.
    check : callable
        Called for every band; raises to cancel.

    Returns
    -------
    ndarray of float32, shape (rows, columns) of blocks
        Not a number where neither has valid samples; at the edges pictures are continued by mirroring them.
    """
    from fdegc.metrics import ssim_map

    bands = range(len(a.pixels)) if band is None else (band,)
    height, width = a.pixels.shape[1:]
    shape = -(-height // factor), -(-width // factor)
    total, counts = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for number in bands:
        check()
        known = known_samples(a, b, slice(number, number + 1))
        good = None if known is None else known.reshape(height, width)
        weights = block_counts(height, width, factor) if good is None else plane_sums(good, factor)
        both = [_scaled(one.pixels[number], good, weights, factor, black, span) for one in (a, b)]
        found = ssim_map(*both)
        total += found if good is None else np.where(weights > 0, found, 0)
        counts += weights > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(counts > 0, total / counts, np.nan), np.float32)


def _scaled(
    plane: npt.NDArray[Any],
    good: npt.NDArray[np.bool_] | None,
    weights: npt.NDArray[np.float32],
    factor: int,
    black: float,
    span: float,
) -> npt.NDArray[np.float32]:
    """Means over blocks in 0 to 255, continued beyond the edges; 0 where there are none."""
    if plane.dtype.kind not in "iu" or plane.dtype.itemsize > 2:
        # Beside the least sample, so that the sums of large ones keep their digits.
        plane, black = np.subtract(plane, black, dtype=np.float64).astype(np.float32), 0.0
    sums = plane_sums(plane if good is None else np.where(good, plane, 0), factor)
    means = (sums / np.maximum(weights, 1) - np.float32(black)) * np.float32(255 / span)
    if good is not None:
        means[weights == 0] = 0
    rows, columns = means.shape
    while min(means.shape) <= REACH:  # mirrored more than once
        means = np.pad(means, [(0, side if side <= REACH else 0) for side in means.shape], "symmetric")
    return np.pad(means, REACH, "reflect")[: rows + 2 * REACH, : columns + 2 * REACH]
