"""Linear correction of three planes by their 3 × 3 neighbourhoods, as the decoder applies it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fdegc.coding.compiling import njit

Float32Array = npt.NDArray[np.float32]

#: Neighbours of a sample, in its own plane and in the other two.
TAPS = 27
#: Numbers are stored as multiples of 1 / WEIGHT_STEPS, biases as those of 1 / BIAS_STEPS.
WEIGHT_STEPS, BIAS_STEPS = 2048, 32768


def neighbours(planes: Float32Array) -> Float32Array:
    """Terms of the correction: (3, h, w) to (28, h, w), a one, then plane, row, column of neighbours."""
    _, height, width = planes.shape
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    terms = np.empty((TAPS + 1, height, width), np.float32)
    terms[0] = 1
    for tap in range(TAPS):
        plane, row, column = tap // 9, tap // 3 % 3, tap % 3
        terms[tap + 1] = padded[plane, row : row + height, column : column + width]
    return terms


def corrected(planes: Float32Array, steps: Sequence[int]) -> Float32Array:
    """Planes with a correction added.

    Parameters
    ----------
    planes : ndarray of float32, shape (3, h, w)
        Repeated beyond their edges.  Not changed.
    steps : sequence of 84 int
        Of each output plane the bias and 27 weights, in steps of 1 / BIAS_STEPS and 1 / WEIGHT_STEPS.
    """
    if not any(steps):
        return planes
    numbers = np.array(steps, np.float32).reshape(3, TAPS + 1)
    numbers[:, 0] /= BIAS_STEPS
    numbers[:, 1:] /= WEIGHT_STEPS
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    out = np.array(planes, np.float32, order="C")
    _add(padded, numbers, out)
    return out


@njit(cache=True, nogil=True)
def _add(padded: Float32Array, numbers: Float32Array, out: Float32Array) -> None:
    _, height, width = out.shape
    for target in range(3):
        for y in range(height):
            row = out[target, y]
            row += numbers[target, 0]
            for tap in range(27):
                weight = numbers[target, tap + 1]
                if weight != 0:
                    source = padded[tap // 9, y + tap // 3 % 3]
                    shift = tap % 3
                    for x in range(width):
                        row[x] += weight * source[x + shift]
