"""Local SSIM of two pictures of a part of the scene, at the scale at which it is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.sources import known_samples
from fdegc_gui.models.sample_store import block_sums

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
    rows, columns = (np.arange(0, side, factor) for side in a.pixels.shape[1:])
    total = np.zeros((len(rows), len(columns)), np.float32)
    counts = np.zeros((len(rows), len(columns)), np.float32)
    for number in bands:
        check()
        known = known_samples(a, b, slice(number, number + 1))
        good = np.ones(a.pixels.shape[1:], np.bool_) if known is None else known.reshape(a.pixels.shape[1:])
        weights = block_sums(good, rows, columns)
        both = [_scaled(one.pixels[number], good, weights, rows, columns, black, span) for one in (a, b)]
        total += np.where(weights > 0, ssim_map(*both), 0)
        counts += weights > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(counts > 0, total / counts, np.nan), np.float32)


def _scaled(
    plane: npt.NDArray[Any],
    good: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64],
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    black: float,
    span: float,
) -> npt.NDArray[np.float32]:
    """Means over blocks in 0 to 255, continued beyond the edges; 0 where there are none."""
    sums = block_sums(np.where(good, plane, 0), rows, columns)
    means = np.where(weights > 0, (sums / np.maximum(weights, 1) - black) * (255 / span), 0)
    while min(means.shape) <= REACH:  # mirrored more than once
        means = np.pad(means, [(0, side if side <= REACH else 0) for side in means.shape], "symmetric")
    return np.pad(means, REACH, "reflect").astype(np.float32)[
        : len(rows) + 2 * REACH, : len(columns) + 2 * REACH
    ]
