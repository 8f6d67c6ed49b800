"""Rings that go across the antimeridian, or around a pole, made continuous."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from fdegc.raster.vectors import Points, Rings

#: Longitudes on both sides of the map: an edge between them is all of a circle of latitude, not a jump.
_WHOLE_TURN = 360.0


def long_edge(shapes: Sequence[Rings]) -> tuple[float, float] | None:
    """Longitudes of the first edge of rings in degrees that is longer than half a turn; None if none is.

    Such an edge has two meanings: the long way, which its numbers say, or the short one, across the
    antimeridian, by whoever has not cut the polygon there (as RFC 7946, 3.1.9, wants it).  The whole turn
    from 180 degrees west to 180 degrees east has one.
    """
    for rings in shapes:
        for ring in rings:
            for (first, _), (second, _) in pairwise(ring):
                if _WHOLE_TURN / 2 < abs(second - first) < _WHOLE_TURN:
                    return first, second
    return None


def continuous(rings: Rings, turn: float, *, pole: float | None = None) -> Rings:
    """Rings whose edges all go the shorter way around the Earth.

    Parameters
    ----------
    rings : list
        A polygon's outer ring and its holes.
    turn : float
        What x grows by once around the Earth.
    pole : float, optional
        What y is there; rings that go around are closed by way of the nearer one.

    Returns
    -------
    list
        Rings whose x may lie beyond the limits of the map; as they were if no edge was that long.
    """
    found = [_unwrapped(ring, turn) for ring in rings]
    if all(new is old for new, old in zip(found, rings, strict=True)):
        return rings
    if pole is not None:
        found = [_closed(ring, pole) for ring in found]
    return [found[0], *(_beside(ring, found[0], turn) for ring in found[1:])]


def _unwrapped(ring: Points, turn: float) -> Points:
    """A ring without jumps by a turn; itself if there are none."""
    shift, points = 0.0, ring[:1]
    for (before, _), (x, y) in pairwise(ring):
        step = x - before
        if turn / 2 < abs(step) < turn:
            shift -= turn if step > 0 else -turn
        points.append((x + shift, y))
    return ring if points == ring else points


def _closed(ring: Points, pole: float) -> Points:
    """A ring that may have gone around a pole, which it then holds."""
    if ring[0] == ring[-1]:
        return ring
    nearer = pole if sum(y for _, y in ring) > 0 else -pole
    return [*ring, (ring[-1][0], nearer), (ring[0][0], nearer), ring[0]]


def _beside(ring: Points, outer: Points, turn: float) -> Points:
    """A ring moved by whole turns to where another one is."""
    distance = _middle(outer) - _middle(ring)
    shift = turn * round(distance / turn)
    return [(x + shift, y) for x, y in ring] if shift else ring


def _middle(ring: Points) -> float:
    return (min(x for x, _ in ring) + max(x for x, _ in ring)) / 2
