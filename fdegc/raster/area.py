"""Where a box or polygons on the ground lie in a raster."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as transform_points

from fdegc.errors import InvalidOption
from fdegc.raster.gdal import GDAL_ERRORS
from fdegc.raster_info import RasterInfo, Window

Points = list[tuple[float, float]]
#: A polygon: its outer ring, then its holes.
Polygon = tuple[tuple[tuple[float, float], ...], ...]

#: Straight lines of one CRS bend in another: so many pieces of each are projected.
_PIECES = 21
#: Pixels by which a border may reach into a pixel before that counts: rounding, and lines that bend.
_ROUNDING = 1e-3
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Area:
    """Area of polygons in a raster.

    Attributes
    ----------
    window : Window
        The smallest that holds them, as far as the raster goes.
    polygons : tuple of Polygon
        In columns and rows of the raster; pixel (0, 0) spans 0 to 1 in both.
    """

    window: Window
    polygons: tuple[Polygon, ...]


def find_box(info: RasterInfo, box: Sequence[float], crs: str | None = None) -> Window:
    """Window of the pixels that a box touches.

    Parameters
    ----------
    info : RasterInfo
        Its transform may be rotated.
    box : sequence of 4 floats
        West, south, east, north.
    crs : str or None
        Of the box, as PROJ understands it ("EPSG:4326"; x and y in the order of a map); None for that of the
        raster.

    Raises
    ------
    InvalidOption
        If there is no such box, the raster has no placement, or the box lies outside of it.
    """
    west, south, east, north = box
    if not (all(map(math.isfinite, box)) and west < east and south < north):
        raise InvalidOption(
            "A box is given as west,south,east,north with west below east and south below north; "
            f"{west:g},{south:g},{east:g},{north:g} is not one."
        )
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    placed = _placed(info, _projected(info, [ring], _crs(crs) if crs else None, "box"))
    return _window(info, placed, "box")


def read_area(path: Path, info: RasterInfo) -> Area:
    """Area of a GeoJSON file's polygons (RFC 7946: WGS 84, unless a ``crs`` member of 2008 says otherwise).

    Raises
    ------
    InvalidOption
        If it holds no polygons, the raster has no placement, or they lie outside of it.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise InvalidOption(f"The area “{path}” cannot be read: {why}.") from error
    crs = _crs_of(document, path)
    try:
        shapes = [
            [[(float(p[0]), float(p[1])) for p in ring] for ring in polygon]
            for polygon in _polygons(document)
        ]
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise InvalidOption(f"The area “{path}” is malformed: a ring is not a list of positions.") from error
    if not shapes or not all(polygon and all(len(r) >= 4 for r in polygon) for polygon in shapes):
        raise InvalidOption(
            f"The area “{path}” holds no polygon; it must be GeoJSON with Polygon or MultiPolygon."
        )
    name = f"area “{path}”"
    placed = [_placed(info, _projected(info, rings, crs, name)) for rings in shapes]
    window = _window(info, [ring for rings in placed for ring in rings], name)
    return Area(window, tuple(tuple(tuple(ring) for ring in rings) for rings in placed))


def _crs(text: str) -> CRS:
    try:
        return CRS.from_user_input(text)
    except (CRSError, *GDAL_ERRORS) as error:
        raise InvalidOption(f"“{text}” is not a coordinate reference system; EPSG:4326 is one.") from error


def _crs_of(document: Any, path: Path) -> CRS:
    member = document.get("crs") if isinstance(document, dict) else None
    if member is None:
        return CRS.from_user_input("OGC:CRS84")
    try:
        name = member["properties"]["name"]
    except (TypeError, KeyError) as error:
        raise InvalidOption(f"The area “{path}” has a crs member without a name.") from error
    return _crs(str(name))


def _polygons(thing: Any, depth: int = 0) -> Iterator[Any]:
    """Coordinates of all polygons of a GeoJSON object."""
    if thing is None or depth > _DEEPEST:
        return
    kind = thing["type"]
    if kind == "Polygon":
        yield thing["coordinates"]
    elif kind == "MultiPolygon":
        yield from thing["coordinates"]
    elif kind == "Feature":
        yield from _polygons(thing["geometry"], depth + 1)
    else:
        for part in thing.get("features") or thing.get("geometries") or ():
            yield from _polygons(part, depth + 1)


def _projected(info: RasterInfo, rings: Sequence[Points], crs: CRS | None, name: str) -> list[Points]:
    """Rings in the raster's CRS."""
    if info.transform is None:
        raise InvalidOption(
            f"“{info.path}” has no place on the ground, so no {name} can be found in it; choose its pixels "
            "by --window."
        )
    if crs is None:
        return list(rings)
    if info.crs_wkt is None:
        raise InvalidOption(
            f"“{info.path}” has no coordinate reference system, so no {name} can be found in it; give a "
            "--bbox in its own coordinates, or choose its pixels by --window."
        )
    try:
        own = CRS.from_wkt(info.crs_wkt)
        if own == crs:
            return list(rings)
        found = [_transformed(_bent(ring), crs, own) for ring in rings]
    except (CRSError, *GDAL_ERRORS) as error:
        raise InvalidOption(
            f"The {name} cannot be transformed to the coordinates of “{info.path}”."
        ) from error
    if not all(math.isfinite(value) for ring in found for point in ring for value in point):
        raise InvalidOption(f"The {name} lies where the coordinates of “{info.path}” do not reach.")
    return found


def _transformed(ring: Points, crs: CRS, own: CRS) -> Points:
    xs, ys = transform_points(crs, own, [p[0] for p in ring], [p[1] for p in ring])
    return list(zip(map(float, xs), map(float, ys), strict=True))


def _bent(ring: Points) -> Points:
    """A ring with points between its corners."""
    points = [
        (x0 + (x1 - x0) * i / _PIECES, y0 + (y1 - y0) * i / _PIECES)
        for (x0, y0), (x1, y1) in pairwise(ring)
        for i in range(_PIECES)
    ]
    return [*points, ring[-1]]


def _placed(info: RasterInfo, rings: Sequence[Points]) -> list[Points]:
    """Rings in columns and rows."""
    assert info.transform is not None
    transform = Affine(*info.transform)
    if transform.is_degenerate:
        raise InvalidOption(f"The transform of “{info.path}” has no inverse; choose pixels by --window.")
    a, b, c, d, e, f = tuple(~transform)[:6]
    return [[(a * x + b * y + c, d * x + e * y + f) for x, y in ring] for ring in rings]


def _window(info: RasterInfo, rings: Sequence[Points], name: str) -> Window:
    columns = [column for ring in rings for column, _ in ring]
    rows = [row for ring in rings for _, row in ring]
    left, top = max(min(columns) + _ROUNDING, 0.0), max(min(rows) + _ROUNDING, 0.0)
    right, bottom = min(max(columns) - _ROUNDING, info.width), min(max(rows) - _ROUNDING, info.height)
    if not (left < right and top < bottom):
        raise InvalidOption(
            f"The {name} lies outside of “{info.path}”: it would cover columns {min(columns):.0f} to "
            f"{max(columns):.0f} and rows {min(rows):.0f} to {max(rows):.0f} of {info.width}×{info.height}."
        )
    x, y = math.floor(left), math.floor(top)
    return Window(x, y, math.ceil(right) - x, math.ceil(bottom) - y)
