"""Coder of rows of integer bands: prediction by least squares, and what is left bit by bit.

Compiled as a whole; ``lossless`` says what it codes and what comes before it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fdegc.coding.bits import FRESH, ONE, Counters, Tables, Weights, code, code_mixed, code_number, sureness
from fdegc.coding.compiling import njit
from fdegc.coding.range_coder import State, Words

Mask = npt.NDArray[np.bool_]
Planes = npt.NDArray[np.int64]

#: Rows above and below, and columns beside a band, that predictions reach into.
EDGE = 3
#: Samples whose differences to the base enter the prediction: 8 of the band, 7 of the band before it, 5
#: of the one before that; as (row, column) offsets.
_OWN = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-1, -2))
_NEXT = ((0, 0), (0, -1), (-1, 0), (0, 1), (1, 0), (-1, -1), (-1, 1))
_FAR = ((0, 0), (0, -1), (-1, 0), (0, 1), (1, 0))
_TAPS = len(_OWN) + len(_NEXT) + len(_FAR)
#: Columns that share weights.
_BLOCK = 32
#: Weights are multiples of 2^-_WEIGHT_BITS within ±_WEIGHT_LIMIT.
_WEIGHT_BITS = 16
_WEIGHT_LIMIT = 4 << _WEIGHT_BITS
#: Samples are shifted to this many bits before their differences are taken, which are clamped.
_DIFFERENCE_BITS = 15
_DIFFERENCE_LIMIT = (1 << 17) - 1
#: Bits of the greatest element of the normal equations.
_SUM_BITS = 40
#: Predictions are multiples of 2^-_FRACTION_BITS.
_FRACTION_BITS = 4
#: Sweeps over the normal equations for a block of a row.
_SWEEPS = 4

#: More than any rest; what a damaged stream says is clamped to it.
_MOST_REST = 1 << 34
#: Counters mixed for a bit.
_VIEWS = 8
#: How often 2^scale goes into a rest before a number follows.
_UNARY = 24
#: Sets of weights for mixing.
_SETS = 24 * 3
#: Observations that counters remember, and speed at which weights learn.
_MEMORY, _LONG = 255, 1023
_SPEED = 6
_FACTOR = 0x2545F4914F6CDD1D
_SALT = 0x1B873593CC9E2D51
#: Places of counters that are not hashed: of escapes, heads, gaps between values, and repetition.
_ESCAPE = 0
HEADS = _ESCAPE + 128
GAPS = HEADS + 128
_EQUAL = GAPS + 128
_HASHED = _EQUAL + 512


class RowModel(NamedTuple):
    """All that the coder of a tile learns.

    Attributes
    ----------
    counters : ndarray of uint32
    mask : int
        Of a hash: what is left of it is a place behind ``_HASHED``.
    mixers : ndarray of int32
    sums : ndarray of int64, shape (blocks + 2, taps, taps + 1)
        Products of differences, and of them with the sample's, of each block of columns; older rows less.
    weights : ndarray of int64, shape (blocks, taps)
    bias : ndarray of int64, shape (contexts, 2)
        Sum and number of errors by context.
    difference, system, views, places, inputs : ndarray
        Room for what is known of one sample, or block.
    """

    counters: Counters
    mask: int
    mixers: Weights
    sums: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64]
    difference: npt.NDArray[np.int32]
    system: npt.NDArray[np.int64]
    views: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    inputs: npt.NDArray[np.int64]


def new_model(shape: tuple[int, int, int]) -> RowModel:
    """Model of a tile of (bands, rows, columns) that has seen nothing."""
    bits = min(max((16 * shape[0] * shape[1] * shape[2]).bit_length(), 14), 19)
    blocks = -(-shape[2] // _BLOCK)
    return RowModel(
        np.full(_HASHED + (1 << bits), FRESH, np.uint32),
        (1 << bits) - 1,
        np.full(_SETS * _VIEWS + 4, ONE // 4, np.int32),
        np.zeros((blocks + 2, _TAPS, _TAPS + 1), np.int64),
        np.zeros((blocks, _TAPS), np.int64),
        np.zeros((1 << 10, 2), np.int64),
        np.zeros(_TAPS, np.int32),
        np.zeros((_TAPS, _TAPS + 1), np.int64),
        np.zeros(_VIEWS, np.int64),
        np.zeros(_VIEWS, np.int64),
        np.zeros(_VIEWS, np.int64),
    )


@njit(cache=True, nogil=True, counting=False)
def _log(value: int) -> int:
    """Number of bits of a value ≥ 0."""
    bits = 0
    for step in (32, 16, 8, 4, 2, 1):
        if value >> step:
            value >>= step
            bits += step
    return bits + value


@njit(cache=True, nogil=True, counting=False)
def _level(value: int) -> int:
    """Logarithm of a value ≥ 0 in steps of half a bit."""
    if value < 2:
        return value
    bits = _log(value)
    return 2 * bits - 2 + ((value >> (bits - 2)) & 1)


@njit(cache=True, nogil=True, counting=False)
def _signed_level(value: int, most: int) -> int:
    """Level of a difference: 0 … 2 · most."""
    if value < 0:
        return most - min(_level(-value), most)
    return most + min(_level(value), most)


@njit(cache=True, nogil=True, counting=False)
def _clamp(value: int, limit: int) -> int:
    return min(max(value, -limit), limit)


@njit(cache=True, nogil=True, counting=False)
def _hash(context: int, value: int) -> int:
    """Context extended by a value, modulo 2^64."""
    mixed = (context + value + 1) * _FACTOR
    return mixed ^ (mixed >> 29)


@njit(cache=True, nogil=True, counting=False)
def _solve(model: RowModel, block: int, taps: int, system: npt.NDArray[np.int64]) -> None:
    """Gauss and Seidel's steps towards a block's weights, from those of the row above."""
    sums, weights = model.sums, model.weights[block]
    top = 0
    for i in range(taps):
        for j in range(i + 1):
            system[i, j] = sums[block, i, j] + sums[block + 1, i, j] + sums[block + 2, i, j]
        system[i, taps] = sums[block, i, taps] + sums[block + 1, i, taps] + sums[block + 2, i, taps]
        top = max(top, system[i, i])
    shift = max(_log(top) - _SUM_BITS, 0)
    for i in range(taps):
        for j in range(i + 1):
            system[i, j] >>= shift
            system[j, i] = system[i, j]
        system[i, taps] >>= shift
    for _ in range(_SWEEPS):
        for i in range(taps):
            rest = system[i, taps] << _WEIGHT_BITS
            for j in range(taps):
                rest -= system[i, j] * weights[j]
            step = rest // (system[i, i] + (system[i, i] >> 7) + 16)
            weights[i] = min(max(weights[i] + step, -_WEIGHT_LIMIT), _WEIGHT_LIMIT)


@njit(cache=True, nogil=True, counting=False)
def _code_rest(
    state: State,
    words: Words,
    decoding: bool,
    model: RowModel,
    rest: int,
    scale: int,
    views: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    inputs: npt.NDArray[np.int64],
    known: Tables,
) -> int:
    """Coding of a quantised rest: how often 2^scale goes into it, its lower bits, its sign."""
    size = abs(rest)
    upper = size >> scale
    node = min(scale, 15) << 6
    told = 0
    while told < _UNARY:
        bit = _view(
            state, words, decoding, model, node + told, views, places, inputs,
            min(told, 7), 1 if upper > told else 0, known,
        )  # fmt: skip
        if not bit:
            break
        told += 1
    if told == _UNARY:
        told += code_number(state, words, decoding, model.counters, _ESCAPE, upper - told, known)
        told = min(told, _MOST_REST >> scale)
    found = told
    for level in range(scale - 1, -1, -1):
        bit = (size >> level) & 1
        done = scale - 1 - level
        if done < 3 and told < _UNARY:
            path = (found & ((1 << done) - 1)) | (1 << done)
            bit = _view(
                state, words, decoding, model, node + 32 + min(told, 2) * 8 + path, views, places, inputs,
                8 + path, bit, known,
            )  # fmt: skip
        else:
            bit = code(state, words, decoding, 1 << 15, bit)
        found = (found << 1) | bit
    if found:
        extent = min(_level(found << 1 >> scale), 7)
        negative = _view(
            state, words, decoding, model, node + 56 + extent, views, places, inputs, 16 + extent,
            1 if rest < 0 else 0, known,
        )  # fmt: skip
        if negative:
            found = -found
    return found


@njit(cache=True, nogil=True, counting=False)
def _view(
    state: State,
    words: Words,
    decoding: bool,
    model: RowModel,
    node: int,
    views: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    inputs: npt.NDArray[np.int64],
    chosen: int,
    bit: int,
    known: Tables,
) -> int:
    """Coding of a bit of a rest, ``node`` says which, with the weights of a ``chosen`` set."""
    salt = node * _SALT
    for i in range(_VIEWS):
        places[i] = _HASHED + (((views[i] + salt) * _FACTOR >> 30) & model.mask)
    chosen = chosen * 3 + sureness(model.counters, places[0])
    return code_mixed(
        state, words, decoding, model.counters, places, inputs, model.mixers, chosen * _VIEWS, _VIEWS, bit,
        _MEMORY, _SPEED, known,
    )  # fmt: skip


@njit(cache=True, nogil=True, counting=False)
def code_rows(
    state: State,
    words: Words,
    decoding: bool,
    band: int,
    links: npt.NDArray[np.int64],
    row: int,
    rows: int,
    room: int,
    top: int,
    error: int,
    planes: Planes,
    rests: Planes,
    valid: npt.NDArray[np.bool_],
    offsets: npt.NDArray[np.int64],
    model: RowModel,
    known: Tables,
) -> int:
    """Coding of a band's rows from ``row`` on while ``room`` words are left; returns the next row."""
    width = planes.shape[2]
    columns = width - 2 * EDGE
    cells = planes[band].reshape(-1)
    left = rests[band].reshape(-1)
    before = planes[links[0]].reshape(-1)
    before_left = rests[links[0]].reshape(-1)
    far = planes[links[1]].reshape(-1)
    far_left = rests[links[1]].reshape(-1)
    gain = links[2]
    own = len(_OWN)
    taps = own + (len(_NEXT) if band > 0 else 0) + (len(_FAR) if band > 1 else 0)
    step = 2 * error + 1
    narrow = max(_log(top) - _DIFFERENCE_BITS, 0)
    difference, system = model.difference, model.system
    views, places, inputs = model.views, model.places, model.inputs
    half = 1 << (_WEIGHT_BITS - _FRACTION_BITS - 1)
    while row < rows and (decoding or words.size - np.int64(state[2]) >= room):
        first = (row + EDGE) * width + EDGE
        for i in range(1, EDGE + 1):
            cells[first - i] = cells[first - width]
        for column in range(columns):
            here = first + column
            block = column // _BLOCK
            if column % _BLOCK == 0:
                _solve(model, block, taps, system)
                # What comes in here counts for more than what was there.
                for i in range(taps):
                    for j in range(taps + 1):
                        model.sums[block + 1, i, j] -= model.sums[block + 1, i, j] >> 2
            w, n = cells[here - 1], cells[here - width]
            if not valid[row, column]:
                cells[here] = w if column else n
                continue
            nw, ww, nn = cells[here - width - 1], cells[here - 2], cells[here - 2 * width]
            aside = n == nw and nn == cells[here - 2 * width - 1]
            if aside or (w == nw and ww == cells[here - width - 2]):
                # Columns or rows that repeat, as in what is flat or was enlarged.
                other = w if aside else n
                pattern = (
                    aside
                    | (w == nw) << 1
                    | (ww == w) << 2
                    | (cells[here - width + 1] == n) << 3
                    | (nn == n) << 4
                    | (cells[here - width - 2] == ww) << 5
                    | (cells[here - width + 2] == n) << 6
                )
                if band > 0:
                    pattern |= (before[here] == before[here - 1 if aside else here - width]) << 7
                    pattern |= (far[here] == far[here - 1 if aside else here - width]) << 8
                places[0] = _EQUAL + pattern
                places[1] = _HASHED + (_hash(_hash(10, aside), column) * _FACTOR >> 30 & model.mask)
                places[2] = _HASHED + (_hash(_hash(11, aside), row) * _FACTOR >> 30 & model.mask)
                places[3] = _HASHED + (_hash(_hash(12, pattern), other) * _FACTOR >> 30 & model.mask)
                same = 1 if abs(cells[here] - other) <= error else 0
                if code_mixed(
                    state, words, decoding, model.counters, places, inputs, model.mixers, _SETS * _VIEWS, 4,
                    same, _LONG, _SPEED, known,
                ):  # fmt: skip
                    cells[here] = other
                    left[here] = 0
                    continue
            # What samples of this band would be here, if the difference to the band before were theirs.
            level = gain * before[here]
            w += level - gain * before[here - 1]
            n += level - gain * before[here - width]
            base = (w + n) >> 1
            level -= base
            for i in range(own):
                place = here + offsets[i]
                difference[i] = _clamp(
                    (cells[place] - gain * before[place] + level) >> narrow, _DIFFERENCE_LIMIT
                )
            nw = base + (difference[2] << narrow)
            ne = base + (difference[3] << narrow)
            ww = base + (difference[4] << narrow)
            nn = base + (difference[5] << narrow)
            if band > 0:
                other = (before[here - 1] + before[here - width]) >> 1
                for i in range(own, own + len(_NEXT)):
                    difference[i] = _clamp((before[here + offsets[i]] - other) >> narrow, _DIFFERENCE_LIMIT)
            if band > 1:
                other = (far[here - 1] + far[here - width]) >> 1
                for i in range(own + len(_NEXT), taps):
                    difference[i] = _clamp((far[here + offsets[i]] - other) >> narrow, _DIFFERENCE_LIMIT)
            total = 0
            weights = model.weights[block]
            for i in range(taps):
                total += np.int64(difference[i]) * weights[i]
            fine = (base << _FRACTION_BITS) + (((total + half) >> (_WEIGHT_BITS - _FRACTION_BITS)) << narrow)
            fine = min(max(fine, 0), top << _FRACTION_BITS)

            ew, en = left[here - 1], left[here - width]
            enw, ene = left[here - width - 1], left[here - width + 1]
            mine = (
                2 * abs(ew)
                + 2 * abs(en)
                + abs(enw)
                + abs(ene)
                + abs(left[here - 2])
                + abs(left[here - 2 * width])
            )
            theirs = 0
            told = 0
            if band > 0:
                told = before_left[here]
                theirs = (
                    4 * abs(told) + abs(before_left[here - 1]) + abs(before_left[here + 1])
                    + abs(before_left[here - width]) + abs(before_left[here + width])
                )  # fmt: skip
            both = (mine + theirs) >> 1 if band > 0 else mine
            scale = max(_log(both) - 4, 0)

            straight = min(max(w + n - nw, min(w, n)), max(w, n)) << _FRACTION_BITS
            pattern = (
                (w << _FRACTION_BITS > fine)
                | (n << _FRACTION_BITS > fine) << 1
                | (nw << _FRACTION_BITS > fine) << 2
                | (ne << _FRACTION_BITS > fine) << 3
                | ((2 * w - ww) << _FRACTION_BITS > fine) << 4
                | ((2 * n - nn) << _FRACTION_BITS > fine) << 5
            )
            slot = pattern | min(_level(both) >> 1, 15) << 6
            seen = model.bias[slot, 1]
            corrected = fine
            if seen > 0:
                corrected += model.bias[slot, 0] // seen
            corrected = min(max(corrected, 0), top << _FRACTION_BITS)
            predicted = (corrected + (1 << (_FRACTION_BITS - 1))) >> _FRACTION_BITS
            fraction = (corrected - (predicted << _FRACTION_BITS)) >> 2  # -2 … 1
            small = scale + _FRACTION_BITS - 1
            level = _level(both)
            a = _signed_level((straight - fine) >> small, 5)
            b = _signed_level(((w << _FRACTION_BITS) - fine) >> small, 5)
            c = _signed_level(((n << _FRACTION_BITS) - fine) >> small, 5)
            d = _signed_level((told << 1) >> scale, 7)
            if scale > 1:
                fraction = 0
            views[0] = _hash(1, level * 4 + fraction)
            views[1] = _hash(_hash(2, _level(abs(ew))), _level(abs(en)))
            views[2] = _hash(_hash(3, _level(mine)), _level(theirs))
            views[3] = _hash(_hash(4, a), d)
            views[4] = _hash(_hash(5, b), c)
            views[5] = _hash(
                _hash(6, d), _signed_level((ew << 1) >> scale, 5) * 16 + _signed_level((en << 1) >> scale, 5)
            )
            views[6] = _hash(_hash(7, pattern), fraction)
            views[7] = _hash(_hash(8, _level(abs(ene))), _level(abs(enw)))
            if band > 1:
                views[7] = _hash(9, _signed_level((far_left[here] << 1) >> scale, 7) * 16 + d)
            rest = 0
            if not decoding:
                rest = cells[here] - predicted
                rest = (rest + error) // step if rest >= 0 else -((error - rest) // step)
            rest = _code_rest(state, words, decoding, model, rest, scale, views, places, inputs, known)
            value = min(max(predicted + rest * step, 0), top)
            cells[here] = value
            left[here] = rest
            off = (value << _FRACTION_BITS) - fine
            model.bias[slot, 0] += off
            model.bias[slot, 1] = seen + 1
            if seen == 63:
                model.bias[slot, 0] >>= 1
                model.bias[slot, 1] >>= 1
            target = _clamp((value - base) >> narrow, _DIFFERENCE_LIMIT)
            sums = model.sums[block + 1]
            for i in range(taps):
                left_factor = difference[i]
                for j in range(i + 1):
                    sums[i, j] += np.int64(left_factor) * np.int64(difference[j])
                sums[i, taps] += np.int64(left_factor) * target
        for i in range(EDGE):
            cells[first + columns + i] = cells[first + columns - 1]
        if row == rows - 1:
            for i in range(EDGE):
                for j in range(width):
                    cells[first - EDGE + width * (i + 1) + j] = cells[first - EDGE + j]
        row += 1
    return row


def padded_planes(shape: tuple[int, int, int]) -> Planes:
    """Zeros for the samples of (bands, rows, columns), with what predictions reach into around them."""
    return np.zeros((shape[0], shape[1] + 2 * EDGE, shape[2] + 2 * EDGE), np.int64)


def tap_offsets(shape: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    """Distances in memory to the samples whose differences enter a prediction."""
    width = shape[2] + 2 * EDGE
    return np.array([row * width + column for row, column in (*_OWN, *_NEXT, *_FAR)], np.int64)


def forget(model: RowModel) -> None:
    """Start of a band: nothing is known of how it goes with others."""
    model.sums[:] = 0
    model.weights[:] = 0
    model.bias[:] = 0
