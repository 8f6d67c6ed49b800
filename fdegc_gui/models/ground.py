"""Size of a region on the ground, in words."""

from __future__ import annotations

import math

from fdegc.results import GroundExtent


def _digits(value: float) -> str:
    """Number with four digits, none of them after the point that is not needed."""
    places = max(0, 3 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{min(places, 6)}f}".replace(",", " ")


def length_words(metres: float) -> str:
    """Length as people read it: ``150.2 m``, ``12.35 km``."""
    if metres < 1:
        return f"{_digits(metres * 100)} cm"
    return f"{_digits(metres)} m" if metres < 1000 else f"{_digits(metres / 1000)} km"


def area_words(square_metres: float) -> str:
    """Area as people read it: ``940.1 m²``, ``1.488 ha``, ``25.00 km²``."""
    if square_metres < 10_000:
        return f"{_digits(square_metres)} m²"
    if square_metres < 1e6:
        return f"{_digits(square_metres / 1e4)} ha"
    return f"{_digits(square_metres / 1e6)} km²"


def ground_rows(ground: GroundExtent) -> tuple[tuple[str, str], ...]:
    """Names and values of an extent in words."""
    return (
        ("On the ground", f"{length_words(ground.width)} × {length_words(ground.height)}"),
        ("Diagonal", length_words(ground.diagonal)),
        ("Area", area_words(ground.area)),
    )
