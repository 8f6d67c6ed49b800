"""A range coder with 64 bits of state and 24-bit frequencies, as compiled functions.

After Martin, "Range encoding: an algorithm for removing redundancy from a digitised message"
(1979), in the form with carry propagation.  ``low`` and ``range`` are 64-bit integers; whenever
``range`` falls below 2³², the upper 32 bits of ``low`` are final but for a carry and leave as a word.

The state of a coder is one row of three uint64: encoder low, range, words written; decoder code
(what the stream holds minus low), range, words read.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fdegc.coding.compiling import njit
from fdegc.coding.laplace_tables import TOTAL_BITS

#: Places in a coder's state.
LOW, RANGE, WORDS = 0, 1, 2

_TOTAL_BITS = np.uint64(TOTAL_BITS)
_WORD = np.uint64(32)
_LOW_WORD = np.uint64(0xFFFFFFFF)
_SMALL = np.uint64(1 << 32)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)

State = npt.NDArray[np.uint64]
Words = npt.NDArray[np.uint32]


def new_encoder() -> State:
    """State of an encoder that has written nothing."""
    return np.array([0, _ALL, 0], np.uint64)


@njit(cache=True, nogil=True, counting=False, inline="always")
def put(state: State, words: Words, cumulative: int, frequency: int) -> None:
    """Encoding of the symbol that covers [cumulative, cumulative + frequency) of 2^24; frequency ≥ 1."""
    unit = state[1] >> _TOTAL_BITS
    low = state[0]
    added = low + unit * np.uint64(cumulative)
    if added < low:  # a carry runs through the words already written
        i = np.int64(state[2]) - 1
        while words[i] == np.uint32(0xFFFFFFFF):
            words[i] = np.uint32(0)
            i -= 1
        words[i] += np.uint32(1)
    size = unit * np.uint64(frequency)
    if size < _SMALL:
        words[state[2]] = np.uint32(added >> _WORD)
        state[2] += _ONE
        added <<= _WORD
        size <<= _WORD
    state[0] = added
    state[1] = size


@njit(cache=True, nogil=True, counting=False)
def _finish(state: State, words: Words) -> None:
    """Write as much of ``low`` as tells the final interval from all others."""
    low = state[0]
    # A multiple of 2^k inside [low, low + range), for the largest k that surely has one.
    bits = np.uint64(0)
    while bits < np.uint64(63) and (_ONE << (bits + _ONE)) <= state[1]:
        bits += _ONE
    step = _ONE << bits
    rounded = (low + (step - _ONE)) & ~(step - _ONE)
    state[1] = _ALL
    # Adding the difference as a symbol would, so that a carry is handled in one place.
    if rounded < low:
        i = np.int64(state[2]) - 1
        while words[i] == np.uint32(0xFFFFFFFF):
            words[i] = np.uint32(0)
            i -= 1
        words[i] += np.uint32(1)
    words[state[2]] = np.uint32(rounded >> _WORD)
    words[state[2] + _ONE] = np.uint32(rounded & _LOW_WORD)
    state[2] += np.uint64(2)


def finish(state: State, words: Words) -> bytes:
    """Bytes of everything encoded: big-endian words without trailing zero bytes.

    Parameters
    ----------
    state : ndarray of uint64, shape (3,)
    words : ndarray of uint32
        With room for two more words.
    """
    _finish(state, words)
    return words[: int(state[WORDS])].astype(">u4").tobytes().rstrip(b"\0")


def words_of(data: bytes) -> Words:
    """Words of an encoder's bytes; a decoder reads zeros beyond their end."""
    padded = data + bytes(-len(data) % 4)
    return np.frombuffer(padded, ">u4").astype(np.uint32)


@njit(cache=True, nogil=True, counting=False, inline="always")
def _next_word(state: State, words: Words) -> np.uint64:
    place = state[2]
    state[2] = place + _ONE
    return np.uint64(words[place]) if place < np.uint64(words.size) else np.uint64(0)


@njit(cache=True, nogil=True, counting=False)
def start(state: State, words: Words) -> None:
    """Initial state of a decoder at the start of its words, set in place."""
    state[2] = np.uint64(0)
    first = _next_word(state, words)
    state[0] = (first << _WORD) | _next_word(state, words)
    state[1] = _ALL


@njit(cache=True, nogil=True, counting=False, inline="always")
def reaches(state: State, cumulative: int) -> bool:
    """Whether the coded symbol lies at or above a cumulative frequency."""
    return state[0] >= (state[1] >> _TOTAL_BITS) * np.uint64(cumulative)


@njit(cache=True, nogil=True, counting=False, inline="always")
def take(state: State, words: Words, cumulative: int, frequency: int) -> None:
    """Removal of the symbol that covers [cumulative, cumulative + frequency) of 2^24, by the decoder."""
    unit = state[1] >> _TOTAL_BITS
    code = state[0] - unit * np.uint64(cumulative)
    size = unit * np.uint64(frequency)
    if size < _SMALL:
        code = (code << _WORD) | _next_word(state, words)
        size <<= _WORD
    state[0] = code
    state[1] = size


# ------------------------------------------------------------------------------ fixed tables


@njit(cache=True, nogil=True, counting=False)
def encode_table(
    state: State, words: Words, symbols: npt.NDArray[np.int32], tables: npt.NDArray[np.int64]
) -> None:
    """Encoding of symbols (rows, n), each row with its own cumulative frequencies (rows, symbols + 1)."""
    for row in range(symbols.shape[0]):
        table = tables[row]
        for symbol in symbols[row]:
            put(state, words, table[symbol], table[symbol + 1] - table[symbol])


@njit(cache=True, nogil=True, counting=False)
def decode_table(
    state: State, words: Words, symbols: npt.NDArray[np.int32], tables: npt.NDArray[np.int64]
) -> None:
    """Decoding of what :func:`encode_table` encoded, into ``symbols``."""
    last = tables.shape[1] - 2
    for row in range(symbols.shape[0]):
        table = tables[row]
        for column in range(symbols.shape[1]):
            below, above = 0, last  # the symbol lies in below … above
            while below < above:
                middle = (below + above + 1) >> 1
                if reaches(state, table[middle]):
                    below = middle
                else:
                    above = middle - 1
            take(state, words, table[below], table[below + 1] - table[below])
            symbols[row, column] = below


@njit(cache=True, nogil=True, counting=False)
def put_bits(state: State, words: Words, value: int, count: int) -> None:
    """Encoding of ``count`` equiprobable bits, most significant first."""
    half = 1 << (TOTAL_BITS - 1)
    for place in range(count - 1, -1, -1):
        put(state, words, half * ((value >> place) & 1), half)


@njit(cache=True, nogil=True, counting=False)
def take_bit(state: State, words: Words) -> int:
    """Decoding of one equiprobable bit."""
    half = 1 << (TOTAL_BITS - 1)
    bit = 1 if reaches(state, half) else 0
    take(state, words, half * bit, half)
    return bit
