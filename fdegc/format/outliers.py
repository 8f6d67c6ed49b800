"""Lossless coding of outliers, run by run (``docs/format.md``)."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from fdegc.errors import CorruptStream, OutputFailed
from fdegc.types import Outliers

#: Runs of all bands together, what they may unpack to, and bytes of a number.
MAX_RUNS = 1 << 20
_MOST_BYTES, _DIGITS = 32 << 20, 9

Numbers = npt.NDArray[np.int64]


def pack_outliers(outliers: Outliers) -> bytes:
    """Data of the block.

    Raises
    ------
    OutputFailed
        If they are more than it may hold.
    """
    if sum(map(len, outliers.starts)) > MAX_RUNS:
        raise OutputFailed("There are more outliers than a file may hold: give a range with --range.")
    parts = []
    for starts, lengths, values in zip(outliers.starts, outliers.lengths, outliers.values, strict=True):
        gaps = np.diff(starts, prepend=0) - np.concatenate(([0], lengths[:-1]))[: len(starts)]
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        numbers = np.concatenate(([len(starts)], gaps, lengths - 1))
        parts += [_pack_numbers(numbers.astype(np.int64)), little.tobytes()]
    return zlib.compress(b"".join(parts), 9)


def unpack_outliers(data: bytes, width: int, height: int, bands: int, dtype: str) -> Outliers:
    """Outliers of a scene from the data of their block.

    Raises
    ------
    CorruptStream
        If they are malformed, or lie outside of the scene.
    """
    malformed = CorruptStream("The outliers of the file are malformed.")
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, _MOST_BYTES + 1)
    except zlib.error as error:
        raise malformed from error
    if len(raw) > _MOST_BYTES or not inflater.eof or inflater.unused_data:
        raise malformed
    kind = np.dtype(dtype).newbyteorder("<")
    found: list[tuple[Numbers, Numbers, npt.NDArray[np.generic]]] = []
    at, left = 0, MAX_RUNS
    for _ in range(bands):
        counts, at = _take_numbers(raw, at, 1)
        if counts is None or counts[0] > left:
            raise malformed
        count = int(counts[0])
        left -= count
        numbers, at = _take_numbers(raw, at, 2 * count)
        if numbers is None or len(raw) - at < count * kind.itemsize:
            raise malformed
        gaps, lengths = numbers[:count], numbers[count:] + 1
        # In floating point first, which such sums do not overflow.
        if float(numbers.sum(dtype=np.float64)) + count > 2.0 * width * height:
            raise malformed
        ends = np.cumsum(gaps + lengths)
        if count and int(ends[-1]) > width * height:
            raise malformed
        values = np.frombuffer(raw, kind, count, at).astype(dtype)
        at += count * kind.itemsize
        found.append((ends - lengths, lengths, values))
    if at != len(raw):
        raise malformed
    starts, sizes, samples = zip(*found, strict=True)
    return Outliers(width, starts, sizes, samples)


def _pack_numbers(numbers: Numbers) -> bytes:
    """Numbers as :func:`fdegc.format.header.pack_number` packs each, many at a time."""
    digits = numbers[:, None] >> (7 * np.arange(_DIGITS))
    there = digits > 0
    there[:, 0] = True
    more = np.concatenate([there[:, 1:], np.zeros((len(numbers), 1), bool)], axis=1)
    packed: bytes = ((digits & 0x7F) | (more << 7)).astype(np.uint8)[there].tobytes()
    return packed


def _take_numbers(data: bytes, at: int, count: int) -> tuple[Numbers | None, int]:
    """So many numbers from a place on, and the place behind them; None if they are malformed."""
    if count == 0:
        return np.zeros(0, np.int64), at
    digits = np.frombuffer(data, np.uint8, min(len(data) - at, count * _DIGITS), at)
    last = np.flatnonzero(digits < 0x80)[:count]
    if len(last) < count:
        return None, at
    digits = digits[: last[-1] + 1]
    first = np.concatenate(([0], last[:-1] + 1))
    sizes = last - first + 1
    if sizes.max() > _DIGITS or bool(((digits[last] == 0) & (sizes > 1)).any()):
        return None, at
    places = np.arange(digits.size) - np.repeat(first, sizes)
    shifted = (digits & 0x7F).astype(np.int64) << (7 * places)
    return np.add.reduceat(shifted, first), at + digits.size
