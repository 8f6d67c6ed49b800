"""Coding of latents with a mixture of three Laplace distributions, in integers, as compiled functions.

The parameter network's exact outputs go in, symbols come out; a distribution is looked at only
where the coder needs it (a few points a symbol), never tabulated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.coding.compiling import njit
from fdegc.coding.integers import OUTPUT_BITS
from fdegc.coding.laplace_tables import (
    CDF_BITS,
    CDF_REACH,
    FREQUENCY_FLOOR,
    LOGIT_STEPS,
    MEAN_STEPS,
    SCALE_COUNT,
    SCALE_MIN_LOG2,
    TOTAL_BITS,
    WEIGHT_SUM,
    exponentials,
    laplace_tails,
)
from fdegc.coding.range_coder import State, Words, put, put_bits, reaches, take, take_bit

#: |ŷ| is bounded, so that a damaged stream cannot make the decoder count for ever.
LATENT_LIMIT = 32767

_LOGIT_SHIFT = OUTPUT_BITS - (LOGIT_STEPS.bit_length() - 1)
_MEAN_SHIFT = OUTPUT_BITS - (MEAN_STEPS.bit_length() - 1)
_MEAN_HALF = 1 << (_MEAN_SHIFT - 1)
_HALF_STEP = MEAN_STEPS // 2
_WHOLE = 1 << CDF_BITS
_TOTAL = 1 << TOTAL_BITS
# The exponent and the first three bits of the mantissa of a float64 are the logarithm to base 2
# on a grid of eighths of an octave; this is where scale 0 starts on it.
_LOG_SHIFT = 52 - 3
_LOG_START = (1023 + OUTPUT_BITS + SCALE_MIN_LOG2) << 3

#: Exact outputs of the parameter network, and the same bytes seen as int64.
Outputs = npt.NDArray[np.float64]
Bits = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int64]
Tables = tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]]


def tables() -> Tables:
    """Tables of constants that the functions below are given."""
    return laplace_tails(), exponentials()


@njit(cache=True, nogil=True, inline="always")
def _parameters(raw: Outputs, bits: Bits, row: int, column: int, stride: int, exps: Any, out: Ints) -> None:
    """Mixture of one latent: ``out`` gets three weights, three means, three scale indices, the best mean."""
    a = np.int64(raw[row, column]) >> _LOGIT_SHIFT
    b = np.int64(raw[row, column + 3 * stride]) >> _LOGIT_SHIFT
    c = np.int64(raw[row, column + 6 * stride]) >> _LOGIT_SHIFT
    best, top = 0, a
    if b > top:
        best, top = 1, b
    if c > top:
        best, top = 2, c
    reach = exps.size - 1
    ea, eb, ec = exps[min(top - a, reach)], exps[min(top - b, reach)], exps[min(top - c, reach)]
    total = ea + eb + ec
    half = total >> 1
    out[0] = (ea * WEIGHT_SUM + half) // total
    out[1] = (eb * WEIGHT_SUM + half) // total
    out[2] = (ec * WEIGHT_SUM + half) // total
    out[best] += WEIGHT_SUM - out[0] - out[1] - out[2]
    for i in range(3):
        mean = (np.int64(raw[row, column + (3 * i + 1) * stride]) + _MEAN_HALF) >> _MEAN_SHIFT
        out[3 + i] = min(max(mean, -CDF_REACH), CDF_REACH)
        log = ((bits[row, column + (3 * i + 2) * stride] & 0x7FFFFFFFFFFFFFFF) >> _LOG_SHIFT) - _LOG_START
        out[6 + i] = min(max(log, 0), SCALE_COUNT - 1)
    out[9] = out[3 + best]


@njit(cache=True, nogil=True, inline="always")
def _below(out: Ints, tails: Any, index: int, radius: int) -> int:
    """Cumulative frequency below the symbol with this index (0 for −radius, 2·radius for radius)."""
    if index <= 0:
        return 0
    count = 2 * radius + 1
    if index >= count:
        return _TOTAL
    edge = (index - radius) * MEAN_STEPS - _HALF_STEP
    mass = 0
    for i in range(3):
        distance = edge - out[3 + i]
        if distance < 0:
            mass += out[i] * np.int64(tails[out[6 + i], min(-distance, CDF_REACH)])
        else:
            mass += out[i] * (_WHOLE - np.int64(tails[out[6 + i], min(distance, CDF_REACH)]))
    return ((mass * (_TOTAL - count * FREQUENCY_FLOOR)) >> TOTAL_BITS) + index * FREQUENCY_FLOOR


@njit(cache=True, nogil=True)
def _put_escape(state: State, words: Words, excess: int) -> None:
    """Exp-Golomb code of order 0."""
    value, length = excess + 1, 0
    while value >> (length + 1):
        length += 1
    put_bits(state, words, 0, length)
    put_bits(state, words, value, length + 1)


@njit(cache=True, nogil=True)
def _take_escape(state: State, words: Words) -> int:
    """Undo :func:`_put_escape`; −1 for a value that no encoder writes."""
    zeros = 0
    while take_bit(state, words) == 0:
        zeros += 1
        if zeros > 15:
            return -1
    value = 1
    for _ in range(zeros):
        value = 2 * value + take_bit(state, words)
    return value - 1


@njit(cache=True, nogil=True)
def encode(
    state: State,
    words: Words,
    raw: Outputs,
    values: npt.NDArray[np.int32],
    radius: int,
    tails: Any,
    exps: Any,
) -> None:
    """Encoding of latents in order.

    Parameters
    ----------
    state, words
        Of the range encoder.
    raw : ndarray of float64, shape (positions, 9 · channels)
        Exact outputs of the parameter network, blocks w0 m0 s0 w1 m1 s1 w2 m2 s2.
    values : ndarray of int32, shape (positions, channels)
    radius : int
        1 to 127; a latent of that magnitude or more is followed by an escape.
    tails, exps
        :func:`tables`.
    """
    bits = raw.view(np.int64)
    channels = values.shape[1]
    out = np.empty(10, np.int64)
    for row in range(values.shape[0]):
        for channel in range(channels):
            _parameters(raw, bits, row, channel, channels, exps, out)
            value = int(values[row, channel])
            index = min(max(value, -radius), radius) + radius
            low = _below(out, tails, index, radius)
            put(state, words, low, _below(out, tails, index + 1, radius) - low)
            if index == 0 or index == 2 * radius:
                _put_escape(state, words, abs(value) - radius)


@njit(cache=True, nogil=True)
def decode(
    states: npt.NDArray[np.uint64],
    words: Words,
    starts: Ints,
    unit_of: Ints,
    raw: Outputs,
    channels: Ints,
    channel_starts: Ints,
    radii: Ints,
    values: npt.NDArray[np.int32],
    ids: Ints,
    broken: npt.NDArray[np.bool_],
    tails: Any,
    exps: Any,
) -> None:
    """Decoding of the latents of some positions, of any number of units.

    Parameters
    ----------
    states : ndarray of uint64, shape (units, 3)
        Of the range decoders.
    words : ndarray of uint32
        All units' words, one after the other.
    starts : ndarray of int64, shape (units + 1,)
        Where each unit's words start.
    unit_of : ndarray of int64, shape (positions,)
    raw : ndarray of float64, shape (positions, 9 · columns)
    channels : ndarray of int64
        Columns of ``raw`` that each unit codes, one unit after the other.
    channel_starts : ndarray of int64, shape (units + 1,)
    radii : ndarray of int64, shape (units,)
    values : ndarray of int32, shape (positions, M)
        Filled; channels that are not coded are left alone.
    ids : ndarray of int64, shape (columns,)
        Channel of each column.
    broken : ndarray of bool, shape (units,)
        Set where a stream holds what no encoder writes.
    tails, exps
        :func:`tables`.
    """
    bits = raw.view(np.int64)
    stride = ids.size
    out = np.empty(10, np.int64)
    for row in range(unit_of.size):
        unit = unit_of[row]
        state = states[unit]
        mine = words[starts[unit] : starts[unit + 1]]
        radius = radii[unit]
        for place in range(channel_starts[unit], channel_starts[unit + 1]):
            column = channels[place]
            _parameters(raw, bits, row, column, stride, exps, out)
            # Most symbols are the mean's nearest; from there, look in steps that double, then bisect.
            index = min(max((out[9] + _HALF_STEP) // MEAN_STEPS + radius, 0), 2 * radius)
            low = _below(out, tails, index, radius)
            step = 1
            if reaches(state, low):
                high_index = index + 1
                high = _below(out, tails, high_index, radius)
                while high_index <= 2 * radius and reaches(state, high):
                    index, low = high_index, high
                    high_index = min(high_index + step, 2 * radius + 1)
                    high = _below(out, tails, high_index, radius)
                    step *= 2
            else:
                high_index, high = index, low
                index -= 1
                low = _below(out, tails, index, radius)
                while index > 0 and not reaches(state, low):
                    high_index, high = index, low
                    index = max(index - 2 * step, 0)
                    low = _below(out, tails, index, radius)
                    step *= 2
            while high_index - index > 1:
                middle = (index + high_index) >> 1
                mass = _below(out, tails, middle, radius)
                if reaches(state, mass):
                    index, low = middle, mass
                else:
                    high_index, high = middle, mass
            take(state, mine, low, high - low)
            value = index - radius
            if index == 0 or index == 2 * radius:
                excess = _take_escape(state, mine)
                if excess < 0 or excess + radius > LATENT_LIMIT:
                    broken[unit] = True
                    excess = 0
                value += excess if value > 0 else -excess
            values[row, ids[column]] = value
