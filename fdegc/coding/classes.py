"""Lossless coding of rasters with few distinct values: classes, masks, palettes, drawings, charts.

The distinct values are listed, then each sample is coded: whether it is what its western neighbour is, and
if not, its index bit by bit.  Each bit is predicted by a mix of counters, each for another view of the
surroundings, one of them for what followed when these were last seen.
"""

from __future__ import annotations

import math
import zlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fdegc.coding.bits import (
    FRESH,
    ONE,
    Counters,
    Tables,
    Weights,
    code_alone,
    code_mixed,
    code_number,
    sureness,
    tables,
)
from fdegc.coding.compiling import njit
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

#: Most distinct values.
MOST_VALUES = 1 << 16

Samples = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

#: Rows above and columns beside a tile that the surroundings reach into; they hold index 0.
_ABOVE, _BESIDE = 2, 3
_PATTERNS = 1 << 12
#: Counters mixed for an answer, and for a bit of a value that is spelt.
_VIEWS, _SPELLING = 8, 8
_SETS = 9  # of weights for an answer
_DEPTH = 16  # bits of a spelt value

#: Places of the counters that are not hashed.
_CALM = 0
_PATTERN = _CALM + 32
_FOLLOWED = _PATTERN + _PATTERNS
_NODE = _FOLLOWED + 32
_FOLLOWED_NODE = _NODE + (1 << _DEPTH)
_HASHED = _FOLLOWED_NODE + 64
_SPELT_WEIGHTS = _SETS * _VIEWS

#: Observations that counters remember.
_LONG, _SHORT = 1023, 255
#: Speed at which weights learn.
_SPEED = 12
_CHECK_BITS = 16
#: Room that the encoder adds at a time, in words.
_PIECE = 1 << 16
#: Rows between two looks at what they took, and the share of a raster after which what all of it takes is
#: foreseen, to within a factor.
_LOOK_ROWS, _LOOK_SHARE, _LOOK_SLACK = 16, 0.125, 1.3
_LENGTHS = 128  # counters of a gamma code

_FACTOR = 0x2545F4914F6CDD1D
_SALT = 0x1B873593CC9E2D51


class _Model(NamedTuple):
    """All that a tile's coder learns.

    Attributes
    ----------
    counters : ndarray of uint32
    mask : int
        Of a hash: what is left of it is a place behind ``_HASHED``.
    weights : ndarray of int32
    last : ndarray of int64
        Where surroundings with a hash were seen last, as an index into the padded samples; 0 is nowhere.
    match : ndarray of int64, shape (3,)
        Where what was seen last goes on, for how long it has foretold the samples, and for how long
        nothing has been going on.
    views, places, inputs : ndarray of int64
        Room for what is known of one sample.
    """

    counters: Counters
    mask: int
    weights: Weights
    last: npt.NDArray[np.int64]
    match: npt.NDArray[np.int64]
    views: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    inputs: npt.NDArray[np.int64]


def _model(samples: int) -> _Model:
    bits = min(max((8 * samples).bit_length(), 12), 22)
    weights = np.full(_SPELT_WEIGHTS + _DEPTH * 2 * _SPELLING, ONE * 3 // 10, np.int32)
    return _Model(
        np.full(_HASHED + (1 << bits), FRESH, np.uint32),
        (1 << bits) - 1,
        weights,
        np.zeros(1 << min(max(samples.bit_length(), 8), 18), np.int64),
        np.zeros(3, np.int64),
        np.zeros(6, np.int64),
        np.zeros(_VIEWS, np.int64),
        np.zeros(_VIEWS, np.int64),
    )


@njit(cache=True, nogil=True, counting=False)
def _hash(context: int, value: int) -> int:
    """Context extended by a value, modulo 2^64."""
    mixed = (context + value + 1) * _FACTOR
    return mixed ^ (mixed >> 29)


@njit(cache=True, nogil=True, counting=False)
def _spell(
    state: State,
    words: Words,
    decoding: bool,
    model: _Model,
    value: int,
    values: int,
    west: int,
    guess: int,
    views: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    inputs: npt.NDArray[np.int64],
    known: Tables,
) -> int:
    """Coding of a value that is not ``west``, bit by bit; bits that this implies cost nothing."""
    depth = 0
    while (1 << depth) < values:
        depth += 1
    low = 0
    node = 1
    guessing = guess >= 0
    for level in range(depth - 1, -1, -1):
        middle = low + (1 << level)
        zeros = min(middle, values) - low
        ones = max(min(middle + (1 << level), values) - middle, 0)
        if low <= west < middle:
            zeros -= 1
        elif middle <= west < middle + (1 << level):
            ones -= 1
        bit = (value >> level) & 1
        if ones == 0:
            bit = 0
        elif zeros == 0:
            bit = 1
        else:
            places[0] = _NODE + node
            for i in range(6):
                places[1 + i] = _HASHED + (((views[i] + node * _SALT) * _FACTOR >> 30) & model.mask)
            places[7] = _FOLLOWED_NODE
            if guessing:
                places[7] += level * 2 + 2 + ((guess >> level) & 1)
            chosen = level * 2 + (1 if sureness(model.counters, places[2]) else 0)
            bit = code_mixed(
                state, words, decoding, model.counters, places, inputs, model.weights,
                _SPELT_WEIGHTS + chosen * _SPELLING, _SPELLING, bit, _SHORT, _SPEED, known,
            )  # fmt: skip
        if bit:
            low = middle
        node = (node << 1) | bit
        guessing = guessing and (guess >> level) & 1 == bit
    return low


@njit(cache=True, nogil=True, counting=False)
def _code_rows(
    state: State,
    words: Words,
    decoding: bool,
    row: int,
    rows: int,
    room: int,
    values: int,
    field: Indices,
    valid: npt.NDArray[np.bool_],
    model: _Model,
    known: Tables,
) -> int:
    """Coding of rows from ``row`` on while ``room`` words are left; returns the next row."""
    counters, mask, last = model.counters, model.mask, model.last
    width = field.shape[1]
    columns = width - 2 * _BESIDE
    cells = field.reshape(-1)
    views, places, inputs = model.views, model.places, model.inputs
    pointer, length, calm = model.match[0], model.match[1], model.match[2]
    while row < rows and (decoding or words.size - np.int64(state[2]) >= room):
        first = (row + _ABOVE) * width + _BESIDE
        for column in range(columns):
            here = first + column
            w = cells[here - 1]
            n = cells[here - width]
            if not valid[row, column]:
                cells[here] = w if column else n
                continue
            value = cells[here]
            nw = cells[here - width - 1]
            ne = cells[here - width + 1]
            ww = cells[here - 2]
            nn = cells[here - 2 * width]
            nww = cells[here - width - 2]
            nee = cells[here - width + 2]
            nne = cells[here - 2 * width + 1]
            nnw = cells[here - 2 * width - 1]
            pattern = (
                (n == w)
                | (nw == w) << 1
                | (ne == w) << 2
                | (ww == w) << 3
                | (nn == w) << 4
                | (nww == w) << 5
                | (nee == w) << 6
                | (nne == w) << 7
                | (nnw == w) << 8
                | (nw == n) << 9
                | (ne == n) << 10
                | (nn == n) << 11
            )
            denied = False
            if pattern == _PATTERNS - 1 and cells[here - 3] == w and cells[here - width + 3] == w:
                # Nothing going on: one counter says it all.
                run = 0
                while run < 31 and calm >> run:
                    run += 1
                same = 1 if value == w else 0
                if code_alone(state, words, decoding, counters, _CALM + run, same, _LONG, known):
                    cells[here] = w
                    calm += 1
                    length = 0
                    continue
                denied = True
            calm = 0
            views[0] = _hash(_hash(1, w), n)
            views[1] = _hash(_hash(views[0], nw), ne)
            views[2] = _hash(_hash(views[1], ww), nn)
            views[3] = _hash(_hash(_hash(_hash(views[2], nww), nee), nne), nnw)
            views[4] = _hash(5, w)
            views[5] = _hash(6, n)
            shape = _hash(_hash(3, pattern), w)
            north = _hash(_hash(_hash(4, n), ne), nee)
            slot = (views[3] >> 24) & (last.size - 1)
            if length == 0 and last[slot]:
                pointer = last[slot]
                length = 1
            guess = cells[pointer] if length else -1
            last[slot] = here
            found = w
            if not denied:
                for i in range(4):
                    places[i] = _HASHED + ((views[i] * _FACTOR >> 30) & mask)
                places[4] = _HASHED + ((shape * _FACTOR >> 30) & mask)
                places[5] = _HASHED + ((north * _FACTOR >> 30) & mask)
                places[6] = _PATTERN + pattern
                places[7] = _FOLLOWED
                if length:
                    places[7] += min(length, 15) * 2 + (guess == w)
                chosen = sureness(counters, places[3]) * 3 + sureness(counters, places[2])
                same = 1 if value == w else 0
                denied = not code_mixed(
                    state, words, decoding, counters, places, inputs, model.weights, chosen * _VIEWS, _VIEWS,
                    same, _LONG, _SPEED, known,
                )  # fmt: skip
            if denied:
                found = _spell(
                    state, words, decoding, model, value, values, w, guess, views, places, inputs, known
                )
            cells[here] = found
            if length:
                if guess == found:
                    length += 1
                    pointer += 1
                else:
                    length = 0
        row += 1
    model.match[0], model.match[1], model.match[2] = pointer, length, calm
    return row


def encode(samples: Samples, valid: Mask | None = None, check: Check | None = None) -> bytes:
    """Bytes of a raster of few distinct values; parameters and exception as of :func:`encode_within`."""
    data = encode_within(samples, math.inf, valid, check)
    assert data is not None
    return data


def encode_within(
    samples: Samples, most: float, valid: Mask | None = None, check: Check | None = None
) -> bytes | None:
    """Bytes of a raster of few distinct values; None as soon as they are foreseen to be too many.

    Parameters
    ----------
    samples : ndarray of integers or bool, shape (rows, columns)
        At most :data:`MOST_VALUES` different ones where they are valid.
    most : float
        Bytes that are of use.
    valid : ndarray of bool, same shape, optional
        Samples that matter; the others decode to something.
    check : callable, optional
        Called now and then; raises to cancel.

    Raises
    ------
    InvalidOption
        If there are too many distinct values.
    """
    valid = np.ones(samples.shape, np.bool_) if valid is None else np.ascontiguousarray(valid)
    values, indices = _ranks(samples[valid])
    if len(values) > MOST_VALUES:
        raise InvalidOption(f"There are {len(values)} distinct values, more than {MOST_VALUES}.")
    if len(values) == 0:
        return b""
    rows, columns = samples.shape
    field = _field((rows, columns))
    field[_ABOVE:, _BESIDE:-_BESIDE][valid] = indices
    known = tables()
    state = new_encoder()
    words = np.zeros(_PIECE + 64 * len(values), np.uint32)
    _put_values(state, words, values, known)
    if len(values) > 1:
        model = _model(samples.size)
        room = columns * (_DEPTH + 2) + 4
        changes = np.cumsum(_changes(field, valid)) if most < math.inf else None
        row = 0
        while row < rows:
            if check is not None:
                check()
            if words.size - int(state[WORDS]) < room:
                words = np.concatenate([words[: int(state[WORDS])], np.zeros(_PIECE + room, np.uint32)])
            stop = rows if changes is None else min(row + _LOOK_ROWS, rows)
            row = _code_rows(state, words, False, row, stop, room, len(values), field, valid, model, known)
            if changes is not None and _too_many(words[: int(state[WORDS])].nbytes, changes, row, most):
                return None
    put_bits(state, words, _digest(indices), _CHECK_BITS)
    return finish(state, words)


def _ranks(samples: Samples) -> tuple[Samples, Samples]:
    """Distinct values, ascending, and which of them each sample is."""
    if samples.dtype == np.bool_ and samples.any() and not samples.all():
        return np.array([False, True]), samples.view(np.uint8)  # what sorting takes longer to find
    values, indices = np.unique(samples, return_inverse=True)
    return values, indices


def _changes(field: Indices, valid: Mask) -> npt.NDArray[np.intp]:
    """Samples of each row that are not what their western neighbour is, and one more."""
    own = field[_ABOVE:, _BESIDE:-_BESIDE]
    return 1 + np.sum((own != field[_ABOVE:, _BESIDE - 1 : -_BESIDE - 1]) & valid, axis=1)


def _too_many(count: int, changes: npt.NDArray[np.intp], row: int, most: float) -> bool:
    """Whether bytes of the rows before ``row`` are more than of use, or let foresee that all will be.

    It is the changes that take them, which may lie anywhere; and models that have seen little take more.
    """
    done, total = int(changes[row - 1]), int(changes[-1])
    enough = row >= _LOOK_SHARE * len(changes) and done >= _LOOK_SHARE * total
    return count > most or (enough and count * total > _LOOK_SLACK * most * done)


def decode(
    data: bytes,
    shape: tuple[int, int],
    dtype: npt.DTypeLike,
    valid: Mask | None = None,
    check: Check | None = None,
) -> Samples:
    """Raster of few distinct values from its bytes.

    Parameters
    ----------
    data : bytes
    shape : (rows, columns)
    dtype : dtype
        As they were encoded.
    valid, check
        As in :func:`encode`.

    Raises
    ------
    CorruptStream
        If the bytes are damaged.
    """
    dtype = np.dtype(dtype)
    valid = np.ones(shape, np.bool_) if valid is None else np.ascontiguousarray(valid)
    count = int(valid.sum())
    if count == 0:
        return np.zeros(shape, dtype)
    known = tables()
    words = words_of(data)
    state = new_encoder()
    start(state, words)
    values = _take_values(state, words, min(count, MOST_VALUES), dtype, known)
    field = _field(shape)
    model = _model(valid.size)
    step = max(_PIECE // max(shape[1], 1), 1)
    for row in range(0, shape[0] if len(values) > 1 else 0, step):
        if check is not None:
            check()
        stop = min(row + step, shape[0])
        _code_rows(state, words, True, row, stop, 0, len(values), field, valid, model, known)
    indices = field[_ABOVE:, _BESIDE:-_BESIDE]
    told = 0
    for _ in range(_CHECK_BITS):
        told = told << 1 | take_bit(state, words)
    if told != _digest(indices[valid]):
        raise CorruptStream("A tile's classes are damaged.")
    return values[indices]


def _field(shape: tuple[int, int]) -> Indices:
    return np.zeros((shape[0] + _ABOVE, shape[1] + 2 * _BESIDE), np.int64)


def _digest(indices: Samples) -> int:
    """Lower 16 bits of the CRC-32 of the valid samples' indices, as little-endian int32."""
    return zlib.crc32(np.ascontiguousarray(indices, "<i4").tobytes()) & ((1 << _CHECK_BITS) - 1)


def _least(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).min) if dtype.kind in "iu" else 0


def _put_values(state: State, words: Words, values: Samples, known: Tables) -> None:
    """Number of values, then the gaps between them."""
    counters = np.full(2 * _LENGTHS, FRESH, np.uint32)
    code_number(state, words, False, counters, 0, len(values) - 1, known)
    last = _least(values.dtype) - 1
    for value in values.tolist():
        gap = int(value) - last - 1
        # In halves of 32 bits, since a gap may need 64.
        code_number(state, words, False, counters, _LENGTHS, gap >> 32, known)
        code_number(state, words, False, counters, _LENGTHS, gap & 0xFFFFFFFF, known)
        last = int(value)


def _take_values(state: State, words: Words, most: int, dtype: np.dtype[Any], known: Tables) -> Samples:
    counters = np.full(2 * _LENGTHS, FRESH, np.uint32)
    count = code_number(state, words, True, counters, 0, 0, known) + 1
    greatest = int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1
    if count > most:
        raise CorruptStream("A tile's list of classes is too long.")
    values = np.empty(count, dtype)
    last = _least(dtype) - 1
    for i in range(count):
        high = code_number(state, words, True, counters, _LENGTHS, 0, known)
        last += 1 + (high << 32) + code_number(state, words, True, counters, _LENGTHS, 0, known)
        if last > greatest:
            raise CorruptStream("A tile's list of classes holds an impossible value.")
        values[i] = last
    return values
