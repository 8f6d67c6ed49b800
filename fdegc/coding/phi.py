"""Entropy features φ snapped to a grid, so that every machine sees the same integers.

φ is computed in float64, where two machines differ by about 1e-14.  The encoder shifts the grid by
k/256 of a step until no value lies close enough to a rounding boundary for that to matter, and
stores k.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fdegc.coding.compiling import njit
from fdegc.errors import DecoderMismatch

#: Grid step of φ is 1 / PHI_STEPS.
PHI_STEPS = 64
#: Smallest allowed distance from a rounding boundary, in grid steps.
MARGIN = 1e-7
#: Offsets that fit the byte in which the dither is stored.
DITHERS = 256
#: Clamp of |φ| in grid steps (512.0), far outside of what training produces; bounds the sums that use it.
LIMIT = 1 << 15


def choose_dither(phi: npt.NDArray[np.float64]) -> int:
    """First dither that keeps every value clear of rounding boundaries.

    Parameters
    ----------
    phi : ndarray of float64, any shape

    Raises
    ------
    DecoderMismatch
        If no dither does; practically impossible below 10⁷ values.
    """
    flat = np.ascontiguousarray(phi).ravel()
    for dither in range(DITHERS):
        if _is_safe(flat, dither / DITHERS):
            return dither
    raise DecoderMismatch("No dither makes this tile safe to decode elsewhere; use smaller tiles.")


@njit(cache=True, nogil=True)
def _is_safe(phi: npt.NDArray[np.float64], shift: float) -> bool:
    """Whether no value lies close to a rounding boundary of the shifted grid."""
    for value in phi:
        shifted = value * PHI_STEPS + shift
        # Written so that NaN is not safe.
        if not abs(shifted - np.floor(shifted) - 0.5) >= MARGIN:
            return False
    return True


def snap(phi: npt.NDArray[np.float64], dither: int) -> npt.NDArray[np.int32]:
    """Snapped φ: rounded to integers on the dithered grid, and clamped to ±LIMIT.

    Parameters
    ----------
    phi : ndarray of float64, any shape
    dither : int
        0 to 255.
    """
    flat = np.ascontiguousarray(phi).ravel()
    out = np.empty(flat.shape, np.int32)
    _snap(flat, dither / DITHERS, out)
    return out.reshape(phi.shape)


@njit(cache=True, nogil=True)
def _snap(phi: npt.NDArray[np.float64], shift: float, out: npt.NDArray[np.int32]) -> None:
    for i in range(phi.size):
        out[i] = int(min(max(np.rint(phi[i] * PHI_STEPS + shift), -LIMIT), LIMIT))
