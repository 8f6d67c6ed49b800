"""Lossless and near-lossless coding of bands of 32-bit floating point, as integers.

Without error, samples that are decimal fractions, as heights in centimetres are, become their numerators;
others become their bits, in an order that goes up with the value.  With an error they become multiples of
a step, which is tried out: no sample is off by more, the last rounding to 32 bits included.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.coding import lossless
from fdegc.control import Check
from fdegc.errors import CorruptStream, InvalidOption

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

#: Ways in which samples are integers: by their bits, as numerators over a denominator, in steps.
_BITS, _FRACTIONS, _STEPS = 0, 1, 2
_DENOMINATORS = (1, 10, 100, 1000, 10_000)
#: Steps that are tried, in units of the greatest one that may do; each leaves more room for rounding.
_SHARES = (1.0, 1 - 2**-10, 1 - 2**-5, 0.75, 0.5)
_MOST = (1 << 31) - 1


def encode(
    samples: Floats, max_error: float = 0.0, valid: Mask | None = None, check: Check | None = None
) -> bytes:
    """Bytes of bands of float32.

    Parameters
    ----------
    samples : ndarray of float32, shape (bands, rows, columns)
    max_error : float
        How far a decoded sample may be off; with 0 all bits come back, also where samples are not finite.
        They come back as well if there are valid samples that are not finite, or the error is less than
        what they are rounded by.
    valid, check
        As in :func:`fdegc.coding.lossless.encode`.

    Raises
    ------
    InvalidOption
        If the error is negative or not finite.
    """
    if not 0 <= max_error < np.inf:
        raise InvalidOption(f"An error of {max_error} is not one of 0 or more.")
    which = np.broadcast_to(True if valid is None else valid, samples.shape)
    chosen = samples[which]
    head, integers = bytes([_BITS]), _ordered(chosen)
    if chosen.size and np.isfinite(chosen).all():
        found = _in_steps(chosen, max_error) if max_error > 0 else _as_fractions(chosen)
        if found is not None:
            head, integers = found
    whole = np.zeros(samples.shape, np.int32)
    whole[which] = integers
    return head + lossless.encode(whole, 0, valid, check)


def decode(
    data: bytes, shape: tuple[int, int, int], valid: Mask | None = None, check: Check | None = None
) -> Floats:
    """Bands of float32 from their bytes.

    Parameters
    ----------
    data : bytes
    shape : (bands, rows, columns)
    valid, check
        As in :func:`encode`.

    Raises
    ------
    CorruptStream
        If the bytes are damaged.
    """
    way, used = data[0] if data else -1, {_BITS: 1, _FRACTIONS: 2, _STEPS: 17}
    if way not in used or len(data) < used[way]:
        raise CorruptStream("A tile of floating point is damaged.")
    body = data[used[way] :]
    if way == _FRACTIONS and data[1] >= len(_DENOMINATORS):
        raise CorruptStream("A tile of floating point has an impossible denominator.")
    least, step = struct.unpack("<dd", data[1:17]) if way == _STEPS else (0.0, 1.0)
    if not (np.isfinite(least) and np.isfinite(step)):
        raise CorruptStream("A tile of floating point has impossible steps.")
    integers = lossless.decode(body, shape, np.int32, 0, valid, check)
    if way == _FRACTIONS:
        return _fractions(integers, _DENOMINATORS[data[1]])
    return _steps(integers, least, step) if way == _STEPS else _unordered(integers)


def _ordered(samples: Floats) -> Integers:
    """Bits of floats as integers that go up with them: those of negative ones turned around."""
    bits = np.ascontiguousarray(samples, np.float32).view(np.int32)
    return np.where(bits < 0, bits ^ np.int32(_MOST), bits)


def _unordered(integers: Integers) -> Floats:
    return np.where(integers < 0, integers ^ np.int32(_MOST), integers).view(np.float32)


def _fractions(numerators: Integers, denominator: int) -> Floats:
    return (numerators.astype(np.float64) / denominator).astype(np.float32)


def _as_fractions(samples: Floats) -> tuple[bytes, Integers] | None:
    """Numerators over the least denominator with which all bits come back."""
    for i, denominator in enumerate(_DENOMINATORS):
        scaled = np.rint(samples.astype(np.float64) * denominator)
        if np.abs(scaled).max() > _MOST:
            return None
        numerators = scaled.astype(np.int32)
        if np.array_equal(_fractions(numerators, denominator).view(np.int32), samples.view(np.int32)):
            return bytes([_FRACTIONS, i]), numerators
    return None


def _steps(integers: Integers, least: float, step: float) -> Floats:
    with np.errstate(all="ignore"):
        values: npt.NDArray[Any] = least + integers.astype(np.float64) * step
        return values.astype(np.float32)


def _in_steps(samples: Floats, max_error: float) -> tuple[bytes, Integers] | None:
    """Multiples of the greatest step with which no sample is off by more, above the least sample."""
    least = float(samples.min())
    above = samples.astype(np.float64) - least
    for share in _SHARES:
        step = 2 * max_error * share
        if not np.isfinite(step) or above.max() / _MOST >= step:
            continue
        integers = np.rint(above / step).astype(np.int32)
        off = np.abs(_steps(integers, least, step).astype(np.float64) - samples)
        if off.max() <= max_error:
            return struct.pack("<Bdd", _STEPS, least, step), integers
    return None
