"""Entropies of planes and of their details, which say quickly what transforms may be worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

#: Least step, as a share of the range, that planes are rounded to.
_LEAST_STEP = 1 / 4095


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


def _entropy(values: npt.NDArray[np.int32]) -> float:
    counts = np.bincount(values.ravel())
    shares = counts[counts > 0] / values.size
    return float(-(shares @ np.log2(shares)))
