"""Adaptive binary models: counters of bits, their logistic mixing, and how a bit is coded.

After Mahoney, "Adaptive weighing of context models for lossless data compression" (2005): each context
keeps the probability that its next bit is 1; the probabilities are stretched, ln(p / (1 − p)), weighed
and squashed back, and the weights follow the gradient of the coding cost.  All of it in integers, so
that encoder and decoder agree on every machine.  The same functions encode and decode.
"""

from __future__ import annotations

import decimal
import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fdegc.coding.compiling import njit
from fdegc.coding.laplace_tables import TOTAL_BITS
from fdegc.coding.range_coder import State, Words, put, reaches, take

#: Counters hold a probability of 22 bits above a number of observations of 10 bits.
COUNT_BITS, COUNT_MASK = 10, 1023
#: Probability ½, nothing observed.
FRESH = np.uint32(1 << 31)
#: Probabilities that are coded have 16 bits.
PROBABILITY_BITS = 16
#: Stretched probabilities are multiples of 2^-STRETCH_BITS nats within ±STRETCH_LIMIT.
STRETCH_BITS = 8
STRETCH_LIMIT = 2815
#: Weight 1 of a mixer.
ONE = 1 << 16

_STEP = 22 - PROBABILITY_BITS
_TO_TOTAL = TOTAL_BITS - PROBABILITY_BITS
_TOTAL = 1 << TOTAL_BITS
_MOST = (1 << PROBABILITY_BITS) - 1

# For type checkers: numba's integers are of 64 bits.
_wide: Any = np.int64

Counters = npt.NDArray[np.uint32]
Weights = npt.NDArray[np.int32]


class Tables(NamedTuple):
    """Constants of all models.

    Attributes
    ----------
    stretch : ndarray of int16, shape (4096,)
        ln(p / (1 − p)) of the upper 12 bits of a counter's probability.
    squash : ndarray of uint16, shape (2 · STRETCH_LIMIT + 1,)
        Probabilities, of 16 bits and neither 0 nor 1, of stretched ones from -STRETCH_LIMIT on.
    pace : ndarray of int32, shape (1024,)
        Share, of 65536, by which a counter moves after so many observations.
    """

    stretch: npt.NDArray[np.int16]
    squash: npt.NDArray[np.uint16]
    pace: npt.NDArray[np.int32]


@functools.cache
def tables() -> Tables:
    """Tables, computed in decimal arithmetic, which rounds alike everywhere."""
    context = decimal.Context(prec=30)
    unit = decimal.Decimal(1 << STRETCH_BITS)

    def logit(place: int) -> int:
        odds = context.divide(decimal.Decimal(2 * place + 1), decimal.Decimal(8191 - 2 * place))
        return int((context.ln(odds) * unit).to_integral_value(decimal.ROUND_HALF_EVEN))

    def logistic(place: int) -> int:
        power = context.exp(-decimal.Decimal(place) / unit)
        share = context.divide(decimal.Decimal(1 << PROBABILITY_BITS), 1 + power)
        return min(max(int(share.to_integral_value(decimal.ROUND_HALF_EVEN)), 1), _MOST)

    return Tables(
        np.array([logit(place) for place in range(4096)], np.int16),
        np.array([logistic(place) for place in range(-STRETCH_LIMIT, STRETCH_LIMIT + 1)], np.uint16),
        np.array([(2 << 16) // (2 * count + 3) for count in range(COUNT_MASK + 1)], np.int32),
    )


@njit(cache=True, nogil=True, counting=False)
def code(state: State, words: Words, decoding: bool, one: int, bit: int) -> int:
    """Coding of one bit whose probability of being 1 is ``one`` of 2^16; ``bit`` counts in encoding only."""
    split = one << _TO_TOTAL
    if decoding:
        bit = 0 if reaches(state, split) else 1
        if bit:
            take(state, words, 0, split)
        else:
            take(state, words, split, _TOTAL - split)
    elif bit:
        put(state, words, 0, split)
    else:
        put(state, words, split, _TOTAL - split)
    return bit


@njit(cache=True, nogil=True, counting=False)
def learn(counters: Counters, place: int, bit: int, most: int, pace: npt.NDArray[np.int32]) -> None:
    """Move of a counter towards a bit; ``most`` observations are remembered."""
    value = _wide(counters[place])
    count = value & COUNT_MASK
    share = value >> COUNT_BITS
    share += (((bit << 22) - bit - share) * _wide(pace[count])) >> 16
    counters[place] = np.uint32((share << COUNT_BITS) | min(count + 1, most))


@njit(cache=True, nogil=True, counting=False)
def chance(counters: Counters, place: int) -> int:
    """Probability of 16 bits, neither 0 nor 1, that a counter's next bit is 1."""
    one: int = max(_wide(counters[place]) >> (COUNT_BITS + _STEP), 1)
    return one


@njit(cache=True, nogil=True, counting=False)
def code_alone(
    state: State,
    words: Words,
    decoding: bool,
    counters: Counters,
    place: int,
    bit: int,
    most: int,
    known: Tables,
) -> int:
    """Coding of a bit by one counter, without mixing."""
    bit = code(state, words, decoding, chance(counters, place), bit)
    learn(counters, place, bit, most, known.pace)
    return bit


@njit(cache=True, nogil=True, counting=False)
def code_mixed(
    state: State,
    words: Words,
    decoding: bool,
    counters: Counters,
    places: npt.NDArray[np.int64],
    inputs: npt.NDArray[np.int64],
    weights: Weights,
    start: int,
    count: int,
    bit: int,
    most: int,
    speed: int,
    known: Tables,
) -> int:
    """Coding of a bit by ``count`` counters, mixed.

    Parameters
    ----------
    places : ndarray of int64, shape (≥ count,)
        Which counters.
    inputs : ndarray of int64, shape (≥ count,)
        Room for what they say.
    weights : ndarray of int32
        ``count`` of them from ``start`` on are used, and trained at ``speed``.
    """
    total = 0
    for i in range(count):
        inputs[i] = known.stretch[counters[places[i]] >> np.uint32(20)]
        total += inputs[i] * weights[start + i]
    total = min(max(total >> 16, -STRETCH_LIMIT), STRETCH_LIMIT)
    one = _wide(known.squash[total + STRETCH_LIMIT])
    bit = code(state, words, decoding, one, bit)
    error = ((bit << 16) - one) * speed
    for i in range(count):
        weights[start + i] += np.int32((inputs[i] * error + (1 << 19)) >> 20)
        learn(counters, places[i], bit, most, known.pace)
    return bit


@njit(cache=True, nogil=True, counting=False)
def code_number(
    state: State, words: Words, decoding: bool, counters: Counters, first: int, value: int, known: Tables
) -> int:
    """Coding of an integer from 0 to 2^63 − 2 by Elias' gamma code with 128 counters from ``first`` on."""
    length = 0
    value += 1 if not decoding else 0
    while length < 62:
        more = code_alone(
            state, words, decoding, counters, first + length, 1 if value >> (length + 1) else 0, 255, known
        )
        if not more:
            break
        length += 1
    result = 1
    for place in range(length - 1, -1, -1):
        bit = (value >> place) & 1
        # Only the bit after the leading one has a shape worth learning.
        if place == length - 1:
            bit = code_alone(state, words, decoding, counters, first + 64 + length, bit, 255, known)
        else:
            bit = code(state, words, decoding, 1 << 15, bit)
        result = (result << 1) | bit
    return result - 1


@njit(cache=True, nogil=True, counting=False)
def sureness(counters: Counters, place: int) -> int:
    """How much a counter has seen: 0 nothing, 1 little, 2 enough."""
    count = _wide(counters[place]) & COUNT_MASK
    return 0 if count == 0 else (1 if count < 3 else 2)
