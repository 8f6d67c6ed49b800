"""Spread of values: histograms of the bands that are shown, and what their black and white may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc_gui.models.display import Limits

BINS = 128
_PERCENTILES = (2.0, 98.0)
#: How much further than these percentiles a histogram reaches, as a part of their distance.
_BEYOND = 0.5


@dataclass(frozen=True, eq=False)
class Spread:
    """Spread of the values of some bands.

    Attributes
    ----------
    bands : tuple of int
        Indices from 0.
    limits : tuple of (float, float)
        2nd and 98th percentile of each, in source units.
    low, high : float
        Ends of the histograms; what lies further out is left out.
    counts : ndarray of int64, shape (bands, BINS)
    """

    bands: tuple[int, ...]
    limits: Limits
    low: float
    high: float
    counts: npt.NDArray[np.int64]


def spread_of(bands: Sequence[int], values: Mapping[int, npt.NDArray[np.float64]]) -> Spread | None:
    """Spread of the values of bands; None where a band has none.

    Parameters
    ----------
    bands : sequence of int
        One may be there twice.
    values : mapping
        Of every band, its valid samples in source units, shape (n,).
    """
    if not all(values[band].size for band in bands):
        return None
    limits = {}
    ends = []
    for band in set(bands):
        low, high = (float(end) for end in np.percentile(values[band], _PERCENTILES))
        limits[band] = low, high
        beyond = _BEYOND * (high - low)
        ends.append(
            (max(float(values[band].min()), low - beyond), min(float(values[band].max()), high + beyond))
        )
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if low >= high:
        low, high = low - 0.5, high + 0.5
    counts = np.stack([np.histogram(values[band], BINS, (low, high))[0] for band in bands])
    return Spread(tuple(bands), tuple(limits[band] for band in bands), low, high, counts.astype(np.int64))
