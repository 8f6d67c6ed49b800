"""Tiles of few distinct pixels, as of classes, palettes and drawings: a list of colours, and each pixel's."""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np
import numpy.typing as npt

from fdegc.coding import classes
from fdegc.control import Check
from fdegc.errors import CorruptStream

Pixels = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]

#: Most distinct pixels of a tile that is coded in this way.
MOST_COLOURS = 4096
_HEAD = struct.Struct("<HI")


def encode(pixels: Pixels, known: Mask | None, check: Check, most: float = math.inf) -> bytes | None:
    """Bytes of a tile of integers; None if it has too many distinct pixels, or bands lack different samples.

    Also None as soon as more bytes are foreseen than are of use.

    Parameters
    ----------
    pixels : ndarray of integers, shape (bands, height, width)
    known : ndarray of bool, shape (bands, height, width), or None
        Samples that count; the others come back as anything.
    check : callable
        Called now and then; raises to cancel.
    most : float
        Bytes that are of use.
    """
    valid = None if known is None else known[0]
    if known is not None and not (known == valid).all():
        return None
    flat = pixels.reshape(len(pixels), -1)
    chosen = flat if valid is None else flat[:, valid.ravel()]
    if not chosen.size:
        return None
    found, places = _distinct(chosen)
    if found.shape[1] > MOST_COLOURS:
        return None
    table = zlib.compress(np.diff(found, axis=1, prepend=np.zeros_like(found[:, :1])).tobytes(), 9)
    indices = np.zeros(flat.shape[1], np.uint16)
    if valid is None:
        indices[:] = places
    else:
        indices[valid.ravel()] = places
    head = _HEAD.pack(found.shape[1], len(table))
    head = head + table
    coded = classes.encode_within(indices.reshape(pixels.shape[1:]), most - len(head), valid, check)
    return None if coded is None else head + coded


def _distinct(chosen: Pixels) -> tuple[Pixels, npt.NDArray[np.intp]]:
    """Distinct columns, sorted, and which of them each column is."""
    if len(chosen) == 1:
        values, places = np.unique(chosen[0], return_inverse=True)
        return values[None], places
    if len(chosen) * chosen.dtype.itemsize <= 8:
        # Pixels as single numbers sort much faster than as columns.
        packed = np.zeros(chosen.shape[1], np.uint64)
        bits = np.uint64(8 * chosen.dtype.itemsize)
        unsigned = chosen.view(f"u{chosen.dtype.itemsize}")
        for band in unsigned:
            packed = packed << bits | band
        _, first, places = np.unique(packed, return_index=True, return_inverse=True)
        return chosen[:, first], places
    values, places = np.unique(chosen, axis=1, return_inverse=True)
    return values, places.reshape(-1)


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
    kind, bands = np.dtype(dtype), shape[0]
    if len(payload) < _HEAD.size:
        raise CorruptStream("The colours of a tile are missing.")
    count, length = _HEAD.unpack_from(payload)
    size = count * bands * kind.itemsize
    if not 1 <= count <= MOST_COLOURS or kind.kind not in "iu":
        raise CorruptStream("A tile has an impossible number of colours.")
    unpacker = zlib.decompressobj()
    try:
        table = unpacker.decompress(payload[_HEAD.size : _HEAD.size + length], size + 1)
    except zlib.error as error:
        raise CorruptStream("The colours of a tile are damaged.") from error
    if len(table) != size:
        raise CorruptStream("The colours of a tile are damaged.")
    colours = np.cumsum(np.frombuffer(table, kind).reshape(bands, count), axis=1, dtype=kind)
    valid = None if known is None else known[0]
    indices = classes.decode(payload[_HEAD.size + length :], (shape[1], shape[2]), np.uint16, valid, check)
    if int(indices.max(initial=0)) >= count:
        raise CorruptStream("A tile has colours that are not listed.")
    return np.ascontiguousarray(colours[:, indices])
