"""Strips of lossless planes, coded by contexts in pieces of columns (``docs/format.md``, "Plane").

Pieces are coded each by itself: memory does not grow with the width of a scene, several threads code a
strip, and a window is decoded from the pieces around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from fdegc.control import Check
from fdegc.errors import CorruptStream
from fdegc.format.header import pack_number, unpack_number
from fdegc.memory import usable_cores

Bytes2d = npt.NDArray[np.uint8]
Samples = npt.NDArray[Any]

T = TypeVar("T")
R = TypeVar("R")

#: First byte of a strip in pieces; deflated data never begin so.
PIECES = 1
#: Samples of a piece, at most: as a file may have them, and as they are written.  More would save a per cent
#: or two, and take some 30 bytes a sample on each of the threads.
MOST_SAMPLES, _SAMPLES = 1 << 20, 1 << 19
#: First byte of a piece that is not constant.
_CLASSES, _INTEGERS = 1, 2
#: Threads that code the pieces of a strip.
_THREADS = 4
#: Neighbouring pieces that are decoded together.
_TOGETHER = 4


def can_code(dtype: np.dtype[Any]) -> bool:
    """Whether a plane of such samples may have strips in pieces."""
    return dtype.kind in "biu" and dtype.itemsize <= 4


def encode(strip: Bytes2d, width: int, dtype: np.dtype[Any], most: int, check: Check) -> bytes | None:
    """Bytes of a strip in pieces; None if they are not fewer than ``most``.

    Parameters
    ----------
    strip : ndarray of uint8, shape (rows, bytes of a row)
        Little-endian samples; of a mask, bits.
    width : int
        Samples of a row.
    dtype : dtype
        One that :func:`can_code`.
    most : int
    check : callable
        Called on several threads; raises to cancel.
    """
    count = -(-width * len(strip) // _SAMPLES)
    columns = 8 * -(-width // (8 * count))
    places = [(start, min(start + columns, width)) for start in range(0, width, columns)]

    def code(place: tuple[int, int]) -> bytes:
        return _encode_piece(_samples(strip, *place, dtype), check)

    pieces = _in_parallel(code, places)
    head = bytes([PIECES]) + b"".join(map(pack_number, [columns // 8, *map(len, pieces[:-1])]))
    out = _unlike_a_sample(head + b"".join(pieces), dtype)
    return out if len(out) < most else None


class PieceReader:
    """Reader of a strip in pieces.

    Parameters
    ----------
    stream : memoryview
        Data of the strip.
    rows, width : int
        Of the strip.
    dtype : dtype

    Raises
    ------
    CorruptStream
        If it is malformed.
    """

    def __init__(self, stream: memoryview, rows: int, width: int, dtype: np.dtype[Any]) -> None:
        if not can_code(dtype):
            raise CorruptStream("A strip of such samples cannot be in pieces.")
        self._width, self._dtype = width, dtype
        data = bytes(stream)
        try:
            eighths, at = unpack_number(data, 1)
            self._columns = columns = 8 * eighths
            if columns == 0 or columns * rows > MOST_SAMPLES:
                raise CorruptStream("The pieces of a strip are of an impossible size.")
            lengths = []
            for _ in range(-(-width // columns) - 1):
                length, at = unpack_number(data, at)
                lengths.append(length)
        except (IndexError, ValueError) as error:
            raise CorruptStream("The lengths of a strip's pieces are wrong.") from error
        rest = len(data) - at - sum(lengths)
        if rest < 0:
            raise CorruptStream("The lengths of a strip's pieces are wrong.")
        self._pieces: list[bytes | None] = []
        for length in (*lengths, rest):
            self._pieces.append(data[at : at + length])
            at += length
        stride = -(-width // 8) if dtype == np.bool_ else width * dtype.itemsize
        self._rows = np.zeros((rows, stride), np.uint8)

    def rows(self, first: int, last: int, check: Check) -> Bytes2d:
        """Bytes of the strip, of which those of the columns from ``first`` up to ``last`` are decoded.

        Raises
        ------
        CorruptStream
            If one of their pieces, or of those that are decoded with them, is damaged.
        """
        low = first // self._columns // _TOGETHER * _TOGETHER
        high = -(-last // self._columns)
        high = -(-high // _TOGETHER) * _TOGETHER
        wanted = [number for number, piece in enumerate(self._pieces[low:high], low) if piece is not None]
        _in_parallel(lambda number: self._decode(number, check), wanted)
        return self._rows

    def _decode(self, number: int, check: Check) -> None:
        piece, start = self._pieces[number], number * self._columns
        assert piece is not None
        width = min(self._columns, self._width - start)
        samples = _decode_piece(piece, (len(self._rows), width), self._dtype, check)
        if self._dtype == np.bool_:
            self._rows[:, start // 8 : -(-(start + width) // 8)] = np.packbits(samples, axis=1)
        else:
            little = np.ascontiguousarray(samples, self._dtype.newbyteorder("<"))
            size = self._dtype.itemsize
            self._rows[:, start * size : (start + width) * size] = little.view(np.uint8)
        self._pieces[number] = None


def _samples(strip: Bytes2d, start: int, stop: int, dtype: np.dtype[Any]) -> Samples:
    if dtype == np.bool_:
        bits = np.unpackbits(strip[:, start // 8 : -(-stop // 8)], axis=1)
        return np.ascontiguousarray(bits[:, : stop - start]).view(np.bool_)
    own = np.ascontiguousarray(strip[:, start * dtype.itemsize : stop * dtype.itemsize])
    return own.view(dtype.newbyteorder("<")).astype(dtype, copy=False)


def _encode_piece(samples: Samples, check: Check) -> bytes:
    # Only here, as numba takes longer to import than a file to describe.
    from fdegc.coding import classes, lossless

    check()
    first = samples[0, 0]
    if (samples == first).all():
        return np.array(first, samples.dtype.newbyteorder("<")).tobytes()
    if samples.dtype == np.bool_:
        best = bytes([_CLASSES]) + classes.encode(samples, check=check)
    else:
        best = bytes([_INTEGERS]) + lossless.encode(samples[np.newaxis], check=check)
        if samples.dtype.itemsize <= 2:  # or there may be too many classes
            fewer = classes.encode_within(samples, len(best) - 2, check=check)
            best = best if fewer is None or len(fewer) + 1 >= len(best) else bytes([_CLASSES]) + fewer
    return _unlike_a_sample(best, samples.dtype)


def _decode_piece(piece: bytes, shape: tuple[int, int], dtype: np.dtype[Any], check: Check) -> Samples:
    from fdegc.coding import classes, lossless

    check()
    if len(piece) == dtype.itemsize:
        if dtype == np.bool_ and piece[0] > 1:
            raise CorruptStream("A piece of a mask is neither valid nor invalid.")
        return np.full(shape, np.frombuffer(piece, dtype.newbyteorder("<"))[0], dtype)
    way = piece[0] if len(piece) else 0
    if way == _CLASSES:
        return classes.decode(piece[1:], shape, dtype, check=check)
    if way == _INTEGERS and dtype != np.bool_:
        return lossless.decode(piece[1:], (1, *shape), dtype, check=check).reshape(shape)
    raise CorruptStream("A piece of a strip is coded in an unknown way.")


def _unlike_a_sample(data: bytes, dtype: np.dtype[Any]) -> bytes:
    """Data that nobody takes for a sample, as they are not as long; coders read zeros beyond their end."""
    return data + b"\0" if len(data) == dtype.itemsize else data


def _in_parallel(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Results of work, in order, on a few threads."""
    threads = min(len(items), _THREADS, usable_cores())
    if threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads, "fdegc-strip") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
