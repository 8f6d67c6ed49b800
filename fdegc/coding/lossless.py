"""Lossless and near-lossless coding of integer bands; floating point by a map to integers.

Each sample is predicted from samples around it, in its band and in the bands before it, by weights that
least squares found for the samples above and to the left, as in Meyer and Tischer's TMW and GLICBAWLS.
What is left is coded bit by bit, each bit predicted by a mix of counters.  With a ``max_error`` of E the
rest is divided by 2E + 1 and rounded, inside of the loop, so that no sample is off by more than E.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fdegc.coding.bits import Counters, Tables, code_number, tables
from fdegc.coding.compiling import njit
from fdegc.coding.lossless_rows import (
    EDGE,
    GAPS,
    HEADS,
    Mask,
    Planes,
    RowModel,
    code_rows,
    forget,
    new_model,
    padded_planes,
    tap_offsets,
)
from fdegc.coding.range_coder import (
    WORDS,
    State,
    Words,
    finish,
    new_encoder,
    put_bits,
    start,
    take_bit,
    words_of,
)
from fdegc.control import Check
from fdegc.errors import CorruptStream, InvalidOption

Samples = npt.NDArray[Any]
_CHECK_BITS = 16
_PIECE = 1 << 16
#: Most values that are listed, and how many of those between them there must be for it not to pay.
_MOST_VALUES = 1 << 16
_DENSE = 0.75


def encode(
    samples: Samples, max_error: int = 0, valid: Mask | None = None, check: Check | None = None
) -> bytes:
    """Bytes of integer bands.

    Parameters
    ----------
    samples : ndarray of integers, shape (bands, rows, columns)
        Of at most 32 bits.
    max_error : int
        How far a decoded sample may be off; 0 is lossless.
    valid : ndarray of bool, shape (bands, rows, columns) or (rows, columns), optional
        Samples that matter; the others decode to something.
    check : callable, optional
        Called now and then; raises to cancel.

    Raises
    ------
    InvalidOption
        If the samples have more than 32 bits, or ``max_error`` is negative or has more than 31.
    """
    _allowed(samples.dtype, max_error)
    shape = (samples.shape[0], samples.shape[1], samples.shape[2])
    valid = _masks(valid, shape)
    if not valid.any():
        return b""
    known = tables()
    model = new_model(shape)
    state = new_encoder()
    words = np.zeros(0, np.uint32)
    planes, rests = padded_planes(shape), padded_planes(shape)
    inner = planes[:, EDGE:-EDGE, EDGE:-EDGE]
    room = shape[2] * 100 + 4
    for band in range(shape[0]):
        head, ranks = _head(samples[band][valid[band]].astype(np.int64) - _least(samples.dtype), max_error)
        inner[band][valid[band]] = ranks
        head = head._replace(links=_links(inner[: band + 1], head.top))
        words = _more(state, words, 128 * (len(head.values) + 8))
        _code_head(state, words, False, model, band, head, known)
        row = shape[1] if head.top == 0 else 0
        forget(model)
        while row < shape[1]:
            if check is not None:
                check()
            words = _more(state, words, _PIECE + room)
            row = code_rows(
                state, words, False, band, head.links, row, shape[1], room, head.top, head.error(max_error),
                planes, rests, valid[band], tap_offsets(shape), model, known,
            )  # fmt: skip
    words = _more(state, words, 64)
    put_bits(state, words, _digest(inner[valid]), _CHECK_BITS)
    return finish(state, words)


def decode(
    data: bytes,
    shape: tuple[int, int, int],
    dtype: npt.DTypeLike,
    max_error: int = 0,
    valid: Mask | None = None,
    check: Check | None = None,
) -> Samples:
    """Integer bands from their bytes.

    Parameters
    ----------
    data : bytes
    shape : (bands, rows, columns)
    dtype : dtype
    max_error, valid
        As they were encoded.
    check : callable, optional
        As in :func:`encode`.

    Raises
    ------
    CorruptStream
        If the bytes are damaged.
    """
    dtype = np.dtype(dtype)
    _allowed(dtype, max_error)
    valid = _masks(valid, shape)
    if not valid.any():
        return np.zeros(shape, dtype)
    known = tables()
    model = new_model(shape)
    words = words_of(data)
    state = new_encoder()
    start(state, words)
    planes, rests = padded_planes(shape), padded_planes(shape)
    inner = planes[:, EDGE:-EDGE, EDGE:-EDGE]
    out = np.empty(shape, dtype)
    step = max(_PIECE // max(shape[2], 1), 1)
    for band in range(shape[0]):
        head = _code_head(state, words, True, model, band, _Head(0, 0, _NOTHING, _NONE), known)
        _plausible(head, band, dtype)
        forget(model)
        for row in range(0, shape[1] if head.top else 0, step):
            if check is not None:
                check()
            code_rows(
                state, words, True, band, head.links, row, min(row + step, shape[1]), 0, head.top,
                head.error(max_error), planes, rests, valid[band], tap_offsets(shape), model, known,
            )  # fmt: skip
        values = head.values[inner[band]] if len(head.values) else inner[band]
        out[band] = (values + (head.least + _least(dtype))).astype(dtype)
    told = 0
    for _ in range(_CHECK_BITS):
        told = told << 1 | take_bit(state, words)
    if told != _digest(inner[valid]):
        raise CorruptStream("A tile's samples are damaged.")
    return out


class _Head(NamedTuple):
    """What comes before the samples of a band.

    Attributes
    ----------
    least : int
        Least sample, counted from the least of the type.
    top : int
        Greatest number that is coded.
    values : ndarray of int64
        What the numbers stand for, above the least sample; empty if for themselves.
    links : ndarray of int64, shape (3,)
        The band before it, for the prediction, and the one before that; whether the first is subtracted.
    """

    least: int
    top: int
    values: npt.NDArray[np.int64]
    links: npt.NDArray[np.int64]

    def error(self, most: int) -> int:
        """How far a number may be off: what is listed comes back as it is."""
        return 0 if len(self.values) else most


_NOTHING = np.zeros(0, np.int64)
_NONE = np.zeros(3, np.int64)


def _head(samples: npt.NDArray[np.int64], max_error: int) -> tuple[_Head, npt.NDArray[np.int64]]:
    """Head of a band but for its links, and the numbers to code for its valid samples."""
    if samples.size == 0:
        return _Head(0, 0, _NOTHING, _NONE), samples
    least = int(samples.min())
    ranks = samples - least
    top = int(ranks.max())
    values, numbers, counts = np.unique(ranks, return_inverse=True, return_counts=True)
    if 1 < len(values) <= _MOST_VALUES:
        # Gaps between what most samples are, as a stretched contrast leaves them, count; rare samples do not.
        share = np.cumsum(counts) / samples.size
        body = values[(share > 0.02) & (share < 0.98)]
        dense = len(body) / float(body[-1] - body[0] + 1) * (2 * max_error + 1) if len(body) > 1 else 1.0
        bits = len(values) * (np.log2((top + 1) / len(values)) + 2)
        if dense < _DENSE and 2 * bits < -samples.size * np.log2(dense):
            return _Head(least, len(values) - 1, values, _NONE), numbers.astype(np.int64)
    return _Head(least, top, _NOTHING, _NONE), ranks


def _links(planes: Planes, top: int) -> npt.NDArray[np.int64]:
    """Links of the last one of some bands: to those whose differences between columns go with its own."""
    band = len(planes) - 1
    steps = np.diff(planes.astype(np.float64), axis=2).reshape(band + 1, -1)
    if band == 0 or top == 0 or steps.size == 0:
        return np.zeros(3, np.int64)
    length = np.sqrt((steps**2).sum(axis=1)) + 1e-9
    likeness = np.abs(steps[:band] @ steps[band]) / (length[:band] * length[band])
    order = np.argsort(-likeness, kind="stable")
    gain = np.abs(steps[band] - steps[order[0]]).sum() < np.abs(steps[band]).sum()
    return np.array([order[0], order[min(1, band - 1)], gain], np.int64)


def _code_head(
    state: State, words: Words, decoding: bool, model: RowModel, band: int, head: _Head, known: Tables
) -> _Head:
    def number(value: int) -> int:
        return int(code_number(state, words, decoding, model.counters, HEADS, value, known))

    least, top, listed = number(head.least), number(head.top), number(1 if len(head.values) else 0)
    if max(least, top) >= 1 << 32 or listed > 1 or (listed and top >= _MOST_VALUES):
        raise CorruptStream("A tile's samples have impossible limits.")
    values = head.values
    if listed:
        values = values.copy() if len(values) else np.zeros(top + 1, np.int64)
        _code_values(state, words, decoding, model.counters, values, known)
    links = np.array([number(link) if band else 0 for link in head.links.tolist()], np.int64)
    return _Head(least, top, values, links)


@njit(cache=True, nogil=True, counting=False)
def _code_values(
    state: State,
    words: Words,
    decoding: bool,
    counters: Counters,
    values: npt.NDArray[np.int64],
    known: Tables,
) -> None:
    """Coding of ascending values, the first of them 0, by what lies between them."""
    for i in range(1, values.size):
        gap = code_number(state, words, decoding, counters, GAPS, values[i] - values[i - 1] - 1, known)
        values[i] = min(values[i - 1] + gap + 1, 1 << 32)


def _plausible(head: _Head, band: int, dtype: np.dtype[Any]) -> None:
    most = int(head.values[-1]) if len(head.values) else head.top
    if head.least + most + _least(dtype) > np.iinfo(dtype).max:
        raise CorruptStream("A tile's samples have impossible limits.")
    if head.links[2] > 1 or (band and head.links[:2].max() >= band):
        raise CorruptStream("A tile's bands have impossible links.")


def _more(state: State, words: Words, room: int) -> Words:
    return np.concatenate([words[: int(state[WORDS])], np.zeros(room, np.uint32)])


def _allowed(dtype: np.dtype[Any], max_error: int) -> None:
    if dtype.kind not in "iu" or dtype.itemsize > 4:
        raise InvalidOption(f"Samples of type {dtype} are none of integers of up to 32 bits.")
    if not 0 <= max_error < 1 << 31:
        raise InvalidOption(f"An error of {max_error} is outside of 0 to 2147483647.")


def _masks(valid: Mask | None, shape: tuple[int, int, int]) -> Mask:
    if valid is None:
        return np.ones(shape, np.bool_)
    # A copy: of an array that cannot be written, everything would be compiled once more.
    return np.array(np.broadcast_to(valid, shape), np.bool_)


def _digest(values: Samples) -> int:
    """Lower 16 bits of the CRC-32 of valid samples less the least, as little-endian int64."""
    return zlib.crc32(np.ascontiguousarray(values, "<i8").tobytes()) & ((1 << _CHECK_BITS) - 1)


def _least(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).min)
