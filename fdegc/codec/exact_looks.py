"""Looks at the samples of a tile that tell, before anything is coded, what coding without loss may take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]

#: Pixels that are looked at, and the share of them that may differ, before a tile is tried by its colours.
_LOOKED_AT, _FEW = 4096, 0.1


def may_be_classes(pixels: Pixels) -> bool:
    """Whether a look at some pixels of a tile, (bands, height, width), finds few distinct ones."""
    some = pixels.reshape(len(pixels), -1)[:, :: max(pixels[0].size // _LOOKED_AT, 1)]
    return len(np.unique(some, axis=1).T) <= _FEW * some.shape[1]


def few_ranks(pixels: Pixels, known: Mask | None) -> npt.NDArray[np.uint16] | None:
    """Numbers of floats' values in their bands, in order; None if they are more than a few, or float64's.

    Parameters
    ----------
    pixels : ndarray of floats, shape (bands, height, width)
    known : ndarray of bool, of that shape, or None
        Samples that count; None for all.
    """
    ranks = np.zeros(pixels.shape, np.uint16)
    for number, band in enumerate(pixels):
        values = band.ravel() if known is None else band[known[number]]
        some = values[:: max(values.size // _LOOKED_AT, 1)]
        if len(np.unique(some)) > _FEW * some.size:
            return None
        found, order = np.unique(values, return_inverse=True)
        # Of those that single precision does not hold no values are listed.
        with np.errstate(over="ignore"):
            single = found.astype(np.float32)
        if len(found) > min(_FEW * values.size, 1 << 16) or (found != single).any():
            return None
        ranks[number][... if known is None else known[number]] = order.reshape(
            band.shape if known is None else -1
        )
    return ranks


def smoothness_bytes(pixels: Pixels, known: Mask | None) -> float:
    """Bytes of a tile of integers if differences between neighbours were coded one by one: roughly the most.

    Of each band these are the differences along the rows, or between those of rows that follow each other,
    which are zero but for corners where there are areas.

    Parameters
    ----------
    pixels : ndarray, shape (bands, height, width)
    known : ndarray of bool, of that shape, or None
        Samples that count; None for all.
    """
    total = 0.0
    for number, band in enumerate(pixels):
        steps = np.diff(band.astype(np.int64), axis=1)
        bends = np.diff(steps, axis=0)
        if known is not None:
            pairs = known[number, :, 1:] & known[number, :, :-1]
            steps, bends = steps[pairs], bends[pairs[1:] & pairs[:-1]]
        total += min(_entropy_bytes(steps.ravel()), _entropy_bytes(bends.ravel()))
    return total


def _entropy_bytes(values: npt.NDArray[np.int64]) -> float:
    """Bytes of whole numbers by how often each occurs."""
    if not values.size:
        return 0.0
    least = int(values.min())
    if int(values.max()) - least < 1 << 19:  # counting is ten times as fast as sorting
        counts = np.bincount(values - least)
        counts = counts[counts > 0]
    else:
        counts = np.unique(values, return_counts=True)[1]
    return float(counts @ np.log2(values.size / counts)) / 8
