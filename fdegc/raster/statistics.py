"""Percentiles of values that come piece by piece and would not fit in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from fdegc.raster.validity import Pixels

#: Goes through all values once: for each piece, those of each band.
Values = Callable[[], Iterable[Sequence[Pixels]]]

#: Bits of a sort key that one pass over the raster resolves.
_BITS = 16


def percentiles(values: Values, dtype: str, shares: Sequence[Sequence[float]]) -> list[list[float]]:
    """Percentiles of every band, in memory that does not depend on the number of values.

    The nearest-rank definition (Hyndman & Fan 1996, type 1): the smallest value that at least the share
    of the values does not exceed.  Found by radix selection, 16 bits a pass.

    Parameters
    ----------
    values : callable
        Called once (8 and 16 bits) or twice; gives one-dimensional arrays of ``dtype``, finite.
    dtype : str
        numpy name.
    shares : sequence of sequences of float
        For each band percentages, 0 to 100.

    Returns
    -------
    list of lists of float
        Exact, but for float64, where they are up to one part in a million (2⁻²⁰) below; NaN where a band
        has no value.
    """
    kind = np.dtype(dtype)
    width = min(8 * kind.itemsize, 32)
    first = _histograms(values, width, [[None]] * len(shares))
    places = [[_rank(counts[0], share) for share in own] for counts, own in zip(first, shares, strict=True)]
    keys = [[place for place, _ in own] for own in places]
    if width > _BITS:
        second = _histograms(values, width, keys)
        keys = [
            [
                (place << _BITS) + int(np.searchsorted(np.cumsum(counts), rank))
                for counts, (place, rank) in zip(histograms, own, strict=True)
            ]
            for histograms, own in zip(second, places, strict=True)
        ]
    return [
        [_value(key, kind) if counts[0].any() else math.nan for key in own]
        for counts, own in zip(first, keys, strict=True)
    ]


def _rank(counts: npt.NDArray[np.int64], share: float) -> tuple[int, int]:
    """Bin of a percentile, and its rank (from 1) among the values of that bin."""
    sums = np.cumsum(counts)
    rank = max(math.ceil(share / 100 * int(sums[-1])), 1)
    place = int(np.searchsorted(sums, rank))
    return min(place, len(counts) - 1), rank - int(sums[place - 1] if place else 0)


def _histograms(
    values: Values, width: int, prefixes: Sequence[Sequence[int | None]]
) -> list[list[npt.NDArray[np.int64]]]:
    """For each band and prefix: how often each next 16 bits follow it in the keys of ``width`` bits."""
    bits = min(width, _BITS)
    counts = [[np.zeros(1 << bits, np.int64) for _ in own] for own in prefixes]
    for bands in values():
        for band, own, totals in zip(bands, prefixes, counts, strict=True):
            keys = _keys(band)
            for prefix, total in zip(own, totals, strict=True):
                part = keys >> (width - bits) if prefix is None else keys[keys >> _BITS == prefix] & 0xFFFF
                total += np.bincount(part, minlength=len(total))
    return counts


def _keys(values: Pixels) -> npt.NDArray[np.int64]:
    """Whole numbers of up to 32 bits in the order of the values; of float64 the upper half only."""
    dtype = values.dtype
    bits = 8 * dtype.itemsize
    if dtype.kind != "f":
        low = int(np.iinfo(dtype.name).min)
        integers: npt.NDArray[np.int64] = values.astype(np.int64) - low
        return integers
    raw = values.view(f"u{dtype.itemsize}")
    # IEEE 754 numbers sort as sign and magnitude.
    sign = raw.dtype.type(1 << (bits - 1))
    ordered = np.where(raw & sign, ~raw, raw | sign)
    upper: npt.NDArray[np.int64] = (ordered >> raw.dtype.type(bits - 32)).astype(np.int64)
    return upper


def _value(key: int, dtype: np.dtype[np.generic]) -> float:
    """The value that has a key."""
    if dtype.kind != "f":
        return float(key + int(np.iinfo(dtype.name).min))
    bits = 8 * dtype.itemsize
    raw = key << (bits - 32)
    sign = 1 << (bits - 1)
    raw = raw ^ sign if raw & sign else ~raw & ((1 << bits) - 1)
    return float(np.array([raw], f"u{dtype.itemsize}").view(dtype)[0])
