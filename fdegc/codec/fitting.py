"""Fitting of JPEG 2000 to a squared error that a tile may have: what size of it keeps to that."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from fdegc.codec.ways import PlainTile

#: How near it comes to that error, as a share, and how often it is coded for it.
_NEAR, _TRIES = 0.985, 7
#: Share of its bytes below which no size of it is looked for any more.
_FINE = 0.002


def smallest(found: Sequence[tuple[PlainTile, float]], limit: float) -> tuple[PlainTile, float]:
    """Smallest of tiles whose squared error is no larger than a limit; if there is none, the best."""
    return min(found, key=lambda pair: (max(pair[1] / max(limit, 1e-300), 1.0), len(pair[0].payload)))


def fit_size(
    made: Callable[[int], tuple[PlainTile, float]],
    first: tuple[PlainTile, float],
    limit: float,
    samples: int,
) -> tuple[PlainTile, float]:
    """Smallest tile of a form whose squared error is no larger than a limit; if none is found, the best.

    Parameters
    ----------
    made : callable
        Tile of so many bytes, and its squared error.
    first : tuple
        One that there is.
    limit : float
    samples : int
        Of the tile.
    """
    # Squared errors fall to a quarter with one bit a sample.
    slope = 8 * math.log(4) / samples
    goal = math.log(max(_NEAR * limit, 1e-300))
    found, size = [first], len(first[0].payload)
    # Bytes that were asked for and are too few, or enough, with the errors' logarithms.
    low: tuple[int, float] | None = None
    high: tuple[int, float] | None = None
    while len(found) <= _TRIES:
        error = found[-1][1]
        level = math.log(max(error, 1e-300))
        if error > limit:
            low = size, level
        else:
            high = size, level
        if _NEAR * limit <= error <= limit or (low and high and high[0] - low[0] <= _FINE * high[0]):
            break
        if low is None or high is None:
            size = max(size + round((level - goal) / slope), 1)
        else:
            # Sizes come in leaps: what lies between must not be left out by a line that hardly changes.
            share = 0.5 if len(found) % 3 == 0 else (low[1] - goal) / max(low[1] - high[1], 1e-9)
            size = low[0] + round(min(max(share, 0.1), 0.9) * (high[0] - low[0]))
        found.append(made(size))
    return smallest(found, limit)
