"""Tiles of any type of samples without loss, or with a bound on every error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.coding import floats, lossless
from fdegc.control import Check
from fdegc.errors import CorruptStream

Pixels = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]

# The first byte: whole numbers, which are followed by their bound, float32, or halves of float64's bits.
_WHOLE, _FLOAT32, _HALVES = 0, 1, 2
_BOUND_BYTES = 4
_MOST_BOUND = (1 << 31) - 1


def encode(pixels: Pixels, bound: float, known: Mask | None, check: Check) -> bytes:
    """Bytes of a tile.

    Parameters
    ----------
    pixels : ndarray, shape (bands, height, width)
        Of any type that rasters have.
    bound : float
        Largest error, in the samples' units; 0 for none.
    known : ndarray of bool, shape (bands, height, width), or None
        Samples that count; the others come back as anything.
    check : callable
        Called now and then; raises to cancel.
    """
    if pixels.dtype.kind in "iu":
        most = min(math.floor(bound), _MOST_BOUND)
        head = bytes([_WHOLE]) + most.to_bytes(_BOUND_BYTES, "little")
        return head + lossless.encode(pixels, most, known, check)
    if pixels.dtype == np.float64:
        double = np.asarray(pixels, np.float64)
        counted = True if known is None else known
        # Numbers beyond float32's, and what is none, are off by what is not finite.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            single = double.astype(np.float32)
            off = np.abs(single.astype(np.float64) - double, where=counted, out=np.zeros(pixels.shape))
            if not (np.isfinite(off).all() and off.max(initial=0.0) <= bound / 2):
                return bytes([_HALVES]) + lossless.encode(_halves(double), 0, _twice(known), check)
        bound = bound - float(off.max(initial=0.0))
        pixels = single
    return bytes([_FLOAT32]) + floats.encode(pixels.astype(np.float32), bound, known, check)


def decode(
    payload: bytes, shape: tuple[int, ...], dtype: npt.DTypeLike, known: Mask | None, check: Check
) -> Pixels:
    """Pixels that :func:`encode` made bytes of.

    Parameters
    ----------
    payload : bytes
    shape : (bands, height, width)
    dtype : dtype
    known, check
        As they were encoded.

    Raises
    ------
    CorruptStream
    """
    bands, height, width = shape
    kind = np.dtype(dtype)
    way = payload[0] if payload else -1
    if kind.kind in "iu" and way == _WHOLE and len(payload) > _BOUND_BYTES:
        most = int.from_bytes(payload[1 : 1 + _BOUND_BYTES], "little")
        if most > _MOST_BOUND:
            raise CorruptStream("A tile has an impossible bound.")
        body: Any = lossless.decode(
            payload[1 + _BOUND_BYTES :], (bands, height, width), kind, most, known, check
        )
        return np.asarray(body, kind)
    if kind.kind == "f" and way == _FLOAT32:
        return floats.decode(payload[1:], (bands, height, width), known, check).astype(kind)
    if kind == np.float64 and way == _HALVES:
        halves = lossless.decode(payload[1:], (2 * bands, height, width), np.int32, 0, _twice(known), check)
        return _whole(np.asarray(halves, np.int32))
    raise CorruptStream("A tile is of another type than its raster.")


def _halves(pixels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Upper halves of float64's bits, then the lower ones, as int32."""
    bits = np.ascontiguousarray(pixels, np.float64).view(np.int64)
    lower = (bits & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    return np.concatenate([(bits >> 32).astype(np.int32), lower])


def _whole(halves: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    upper, lower = np.split(halves, 2)
    bits = upper.astype(np.int64) << 32 | lower.view(np.uint32).astype(np.int64)
    return bits.view(np.float64)


def _twice(known: Mask | None) -> Mask | None:
    return None if known is None else np.concatenate([known, known])
