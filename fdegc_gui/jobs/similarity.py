"""Local SSIM of two pictures of a part of the scene, at the scale at which it is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.reduction import block_counts, plane_sums
from fdegc_gui.jobs.sources import known_samples

#: Of a band: sums of both pictures over blocks, and how many samples each sum is of.
_Planes = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float32]]

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
    bands = range(len(a.pixels)) if band is None else range(band, band + 1)
    height, width = a.pixels.shape[1:]
    # Of what may be large it is what lies above the least sample that is summed: sums keep their digits.
    small = a.pixels.dtype.kind in "iu" and a.pixels.dtype.itemsize <= 2

    def planes() -> Iterator[_Planes]:
        for number in bands:
            check()
            known = known_samples(a, b, slice(number, number + 1))
            good = None if known is None else known.reshape(height, width)
            weights = block_counts(height, width, factor) if good is None else plane_sums(good, factor)
            sums = []
            for one in (a, b):
                plane: npt.NDArray[Any] = one.pixels[number]
                if not small:
                    plane = np.subtract(plane, black, dtype=np.float64).astype(np.float32)
                sums.append(plane_sums(plane if good is None else np.where(good, plane, 0), factor))
            yield sums[0], sums[1], weights

    return mean_ssim(planes(), black if small else 0.0, span)


def mean_ssim(planes: Iterable[_Planes], black: float, span: float) -> npt.NDArray[np.float32]:
    """Local SSIM of means over blocks, the mean over bands.

    Parameters
    ----------
    planes : iterable of (ndarray, ndarray, ndarray), each of shape (rows, columns)
        Of every band the sums of both pictures over blocks, and how many samples each sum is of.
    black, span : float
        Least of the samples that were summed, and range of the samples.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        Not a number where no band has samples.
    """
    from fdegc.metrics import ssim_map

    total: npt.NDArray[np.float32] | None = None
    for first, second, weights in planes:
        found = ssim_map(*(_scaled(sums, weights, black, span) for sums in (first, second)))
        there = weights > 0
        if total is None:
            total, counts = np.zeros_like(found), np.zeros_like(found)
        total += np.where(there, found, 0)
        counts += there
    if total is None:
        raise ValueError("There are no bands to take the mean of.")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(counts > 0, total / counts, np.nan), np.float32)


def _scaled(
    sums: npt.NDArray[Any], weights: npt.NDArray[np.float32], black: float, span: float
) -> npt.NDArray[np.float32]:
    """Means over blocks in 0 to 255, continued beyond the edges; 0 where there are none."""
    means = (sums / np.maximum(weights, 1) - np.float32(black)) * np.float32(255 / span)
    means[weights == 0] = 0
    rows, columns = means.shape
    while min(means.shape) <= REACH:  # mirrored more than once
        means = np.pad(means, [(0, side if side <= REACH else 0) for side in means.shape], "symmetric")
    return np.pad(means, REACH, "reflect")[: rows + 2 * REACH, : columns + 2 * REACH]
