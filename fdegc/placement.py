"""Where the pixels of a raster lie, for rasters and for parts of them: transform, GCPs, RPCs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

#: Affine coefficients (a, b, c, d, e, f): x = a·col + b·row + c, y = d·col + e·row + f.
Transform = tuple[float, float, float, float, float, float]
#: Metadata domain → key → value, as GDAL keeps them.
Domains = Mapping[str, Mapping[str, str]]

#: Keys that count pixels from the raster's corner, by domain: columns, rows.
_COUNTED = {"RPC": ("SAMP_OFF", "LINE_OFF"), "GEOLOCATION": ("PIXEL_OFFSET", "LINE_OFFSET")}


@dataclass(frozen=True, slots=True)
class GroundControlPoint:
    """A pixel whose place on the ground is known.

    Attributes
    ----------
    row, col : float
        Pixels from the outer corner of the upper left pixel.
    x, y, z : float
        In the CRS of the points.
    id, info : str
    """

    row: float
    col: float
    x: float
    y: float
    z: float = 0.0
    id: str = ""
    info: str = ""


def part_transform(transform: Transform, x: int, y: int) -> Transform:
    """Transform of a part of a raster whose upper left corner is at column ``x``, row ``y``."""
    a, b, c, d, e, f = transform
    return a, b, a * x + b * y + c, d, e, d * x + e * y + f


def part_points(points: tuple[GroundControlPoint, ...], x: int, y: int) -> tuple[GroundControlPoint, ...]:
    """Control points counted from column ``x``, row ``y``; they may lie outside of the part."""
    return tuple(replace(point, col=point.col - x, row=point.row - y) for point in points)


def part_domains(domains: Domains, x: int, y: int) -> Domains:
    """Metadata domains of a part; RPCs and geolocation arrays count from its corner, the rest is the same.

    A value that is not a number stays as it is.
    """
    moved = dict(domains)
    for domain, keys in _COUNTED.items():
        if domain not in moved:
            continue
        items = dict(moved[domain])
        for key, distance in zip(keys, (x, y), strict=True):
            value, separator, unit = items.get(key, "").strip().partition(" ")
            try:
                items[key] = f"{float(value) - distance!r}{separator}{unit}"
            except ValueError:
                continue
        moved[domain] = items
    return moved
