"""Entropies of planes and of their details, and what few tones leave of them, before any is coded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

#: Least step, as a share of the range, that planes are rounded to.
_LEAST_STEP = 1 / 4095
#: Tones that a plane may have, and steps of its range in which they are looked for.
_TONES, _BINS = 8, 64


def plane_entropies(plane: Float32Array, step: float) -> tuple[float, float]:
    """Bits a sample of a plane that is rounded to a step, and those of its details.

    The details are differences of neighbours along the rows or the columns, whichever say less: about what
    one level of wavelets makes of it.  Both are entropies of single samples.

    Parameters
    ----------
    plane : ndarray of float32, shape (height, width)
        In about [−1, 1].
    step : float
    """
    rounded = np.floor(plane / np.float32(max(step, _LEAST_STEP)) + np.float32(0.5)).astype(np.int32)
    rounded -= rounded.min()
    above = int(rounded.max()) + 1
    details = [np.diff(rounded, axis=axis) + above for axis in (0, 1) if rounded.shape[axis] > 1]
    return _entropy(rounded), min(map(_entropy, details), default=0.0)


def tone_errors(plane: Float32Array) -> tuple[float, float]:
    """Mean squared error of a plane in its eight best tones, and in its best one, which is its variance.

    The tones are those of least error, found for a histogram of 64 steps by dynamic programming.

    Parameters
    ----------
    plane : ndarray of float32, shape (height, width)
    """
    low, high = float(plane.min()), float(plane.max())
    if not high > low:
        return 0.0, 0.0
    step = (high - low) / _BINS
    places = np.minimum(((plane - low) / step).astype(np.int32), _BINS - 1)
    shares = np.bincount(places.ravel(), minlength=_BINS) / plane.size
    middles = (np.arange(_BINS) + 0.5) * step
    # Sums of the shares, values and squares of the steps from the first of them up to before each.
    sums = [np.concatenate(([0.0], np.cumsum(shares * middles**power))) for power in (0, 1, 2)]
    share, value, square = (some[None] - some[:, None] for some in sums)
    # Error of steps i up to before j in one tone.
    error = np.maximum(square - value**2 / np.where(share > 0, share, 1), 0)
    error[np.tri(_BINS + 1, k=-1, dtype=bool)] = np.inf
    least = error[0]
    for _ in range(_TONES - 1):
        least = (least[:, None] + error).min(axis=0)
    within = step**2 / 12
    return float(least[-1]) + within, float(error[0, -1]) + within


def _entropy(values: npt.NDArray[np.int32]) -> float:
    counts = np.bincount(values.ravel())
    shares = counts[counts > 0] / values.size
    return float(-(shares @ np.log2(shares)))
