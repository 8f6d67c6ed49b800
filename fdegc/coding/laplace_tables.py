"""Integer tables that are constants of the format: exponentials and Laplace tails.

They are computed once a process with Python's integers and correctly rounded decimals, so that no
machine's ``exp()`` decides over a bit of them.
"""

from __future__ import annotations

import decimal
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

#: Means lie on a grid of 1 / MEAN_STEPS; so do the edges between symbols, at odd multiples of half a symbol.
MEAN_STEPS = 16
#: Logits lie on a grid of 1 / LOGIT_STEPS.
LOGIT_STEPS = 64
#: Mixture weights are multiples of 1 / WEIGHT_SUM.
WEIGHT_SUM = 256
#: Scale k = 8·(e − SCALE_MIN_LOG2) + j stands for all scales from 2^e · (1 + j/8) to 2^e · (1 + (j+1)/8).
SCALE_MIN_LOG2 = -6
SCALE_OCTAVES = 14
SCALE_COUNT = 8 * SCALE_OCTAVES
#: Tails are tabulated to distances of CDF_REACH / MEAN_STEPS and constant beyond.
CDF_REACH = 4096
#: Bits of a tabulated cumulative probability.
CDF_BITS = 16
#: Bits of the frequencies that the range coder sees; WEIGHT_SUM · 2**CDF_BITS is their sum.
TOTAL_BITS = 24
#: Part of every symbol's frequency that does not depend on the network, so that everything can be coded.
FREQUENCY_FLOOR = 16

_FRACTION_BITS = 192


def _decaying(rate: decimal.Decimal, start: int, limit: int) -> list[int]:
    """``round(start · exp(−rate · n))`` for n = 0, 1, …, up to ``limit`` values or the first zero."""
    one = 1 << _FRACTION_BITS
    with decimal.localcontext() as context:
        context.prec = 80
        factor = int((-rate).exp() * one)
    value, out = start * one, []
    for _ in range(limit):
        out.append((value + one // 2) >> _FRACTION_BITS)
        if not out[-1]:
            break
        value = (value * factor) >> _FRACTION_BITS
    return out


@functools.cache
def laplace_tails() -> npt.NDArray[np.uint16]:
    """Tails of the Laplace distribution.

    Returns
    -------
    ndarray of uint16, shape (SCALE_COUNT, CDF_REACH + 1)
        [k, d] is 2**CDF_BITS times the probability of lying more than d / MEAN_STEPS above the mean,
        for the scale in the middle of bin k; 2**15 to 0.
    """
    table = np.zeros((SCALE_COUNT, CDF_REACH + 1), np.uint16)
    for k in range(SCALE_COUNT):
        octave, part = divmod(k, 8)
        # 1 / (MEAN_STEPS · scale), where scale = 2^e · (17 + 2·part) / 16
        with decimal.localcontext() as context:
            context.prec = 80
            power = decimal.Decimal(2) ** -(octave + SCALE_MIN_LOG2)
            rate = 16 * power / (MEAN_STEPS * (17 + 2 * part))
        row = _decaying(rate, 1 << (CDF_BITS - 1), CDF_REACH + 1)
        table[k, : len(row)] = row
    return table


@functools.cache
def exponentials() -> npt.NDArray[np.int64]:
    """Exponentials ``round(2¹⁶ · exp(−n / LOGIT_STEPS))`` for n = 0, 1, …; the last entry is 0."""
    with decimal.localcontext() as context:
        context.prec = 80
        rate = decimal.Decimal(1) / LOGIT_STEPS
    return np.array(_decaying(rate, 1 << 16, 1 << 16), np.int64)


def frequencies(shares: npt.NDArray[np.floating[Any]], total_bits: int) -> npt.NDArray[np.int64]:
    """Integers ≥ 1 in proportion to ``shares``.

    Parameters
    ----------
    shares : ndarray, shape (…, n), ≥ 0, not all 0
    total_bits : int
        They sum to ``2**total_bits`` along the last axis.
    """
    total = 1 << total_bits
    count = shares.shape[-1]
    scaled = np.floor(shares / shares.sum(-1, keepdims=True) * (total - count)).astype(np.int64) + 1
    rest = total - scaled.sum(-1, keepdims=True)
    # What rounding left goes to the likeliest.
    scaled += rest * (np.arange(count) == scaled.argmax(-1)[..., None])
    return scaled


def cumulative(table: npt.NDArray[np.integer[Any]], total_bits: int) -> npt.NDArray[np.int64]:
    """Cumulative frequencies, scaled to ``2**TOTAL_BITS``.

    Parameters
    ----------
    table : ndarray of int, shape (…, n)
        Frequencies that sum to ``2**total_bits``.
    total_bits : int

    Returns
    -------
    ndarray of int64, shape (…, n + 1)
    """
    sums = np.cumsum(table, axis=-1, dtype=np.int64) << (TOTAL_BITS - total_bits)
    return np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)
