"""Where a box or polygons on the ground lie in a raster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as transform_points

from fdegc.errors import InvalidOption
from fdegc.raster.antimeridian import continuous, long_edge
from fdegc.raster.gdal import GDAL_ERRORS
from fdegc.raster.vectors import Points, Rings, crs_of, read_polygons
from fdegc.raster_info import RasterInfo, Window

#: A polygon: its outer ring, then its holes.
Polygon = tuple[tuple[tuple[float, float], ...], ...]

#: Straight lines of one CRS bend in another: so many pieces of each are projected.
_PIECES = 21
#: Pixels by which a border may reach into a pixel before that counts: rounding, and lines that bend.
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class Area:
    """Area of polygons in a raster.

    Attributes
    ----------
    window : Window
        The smallest that holds them, as far as the raster goes.
    polygons : tuple of Polygon
        In columns and rows of the raster; pixel (0, 0) spans 0 to 1 in both.
    outside : int
        How many polygons more the file has, which lie outside of the raster.
    long_edge : tuple of 2 floats, or None
        Longitudes between which an edge was taken across the antimeridian, where that can be doubted.
    """

    window: Window
    polygons: tuple[Polygon, ...]
    outside: int = 0
    long_edge: tuple[float, float] | None = None


def find_box(info: RasterInfo, box: Sequence[float], crs: str | None = None) -> Window:
    """Window of the pixels that a box touches.

    Parameters
    ----------
    info : RasterInfo
        Its transform may be rotated.
    box : sequence of 4 floats
        West, south, east, north; in degrees a box whose west is greater than its east lies across the
        antimeridian (RFC 7946, 5.2).
    crs : str or None
        Of the box, as PROJ understands it ("EPSG:4326"; x and y in the order of a map); None for that of the
        raster.

    Raises
    ------
    InvalidOption
        If there is no such box, the raster has no placement, or the box lies outside of it.
    """
    west, south, east, north = box
    known = crs_of(crs) if crs else None
    degrees = _in_degrees(known or _own_crs(info))
    if not (all(map(math.isfinite, box)) and (west < east or (degrees and west != east)) and south < north):
        raise InvalidOption(
            "A box is given as west,south,east,north with west below east and south below north; "
            f"{west:g},{south:g},{east:g},{north:g} is not one."
        )
    found = [
        _placed(info, copy)
        for left, right in (_halves(west, east) if degrees else [(west, east)])
        for copy in _copies(
            info,
            _projected(
                info,
                [[(left, south), (right, south), (right, north), (left, north), (left, south)]],
                known,
                "box",
            ),
        )
    ]
    return _union(info, found, "box")[0]


def _halves(west: float, east: float) -> list[tuple[float, float]]:
    """Longitudes of a box, cut at the antimeridian."""
    if west > east:
        east += 360
    if east - west >= 360:
        return [(-180, 180)]
    turns = 360 * math.floor((west + 180) / 360)
    west, east = west - turns, east - turns
    return [(west, east)] if east <= 180 else [(west, 180), (-180, east - 360)]


def read_area(path: Path, info: RasterInfo) -> Area:
    """Area of a file's polygons, as of :func:`~fdegc.raster.vectors.read_polygons`.

    Raises
    ------
    InvalidOption
        If it holds no polygons, the raster has no placement, or they lie outside of it.
    """
    shapes, crs = read_polygons(path)
    if not shapes:
        raise InvalidOption(f"The area “{path}” holds no polygon; it needs one, or several.")
    _check_degrees(path, shapes, crs)
    doubtful = None
    if _in_degrees(crs):
        doubtful = long_edge(shapes)
        turn = 2 * math.pi / float(crs.units_factor[1])
        shapes = [continuous(rings, turn, pole=turn / 4) for rings in shapes]
    name = f"area “{path}”"
    groups = [
        [_placed(info, copy) for copy in _copies(info, _projected(info, rings, crs, name))]
        for rings in shapes
    ]
    window, inside = _union(info, [copy for group in groups for copy in group], name)
    outside = sum(not any(copy in inside for copy in group) for group in groups)
    return Area(window, tuple(tuple(tuple(ring) for ring in rings) for rings in inside), outside, doubtful)


def _check_degrees(path: Path, shapes: Sequence[Rings], crs: CRS) -> None:
    """Refusal of numbers that are no longitudes and latitudes, where the file must mean that."""
    if not _in_degrees(crs):
        return
    for x, y in (point for rings in shapes for ring in rings for point in ring):
        if not (abs(x) <= 540 and abs(y) <= 90.001):
            raise InvalidOption(
                f"The area “{path}” has the position {x:.10g}, {y:.10g}, which is no longitude and latitude. "
                "GeoJSON that does not say otherwise is in degrees (WGS 84): write it so, or give it a crs "
                "member."
            )


def _in_degrees(crs: CRS | None) -> bool:
    return crs is not None and bool(crs.is_geographic)


def _own_crs(info: RasterInfo) -> CRS | None:
    try:
        return CRS.from_wkt(info.crs_wkt) if info.crs_wkt else None
    except (CRSError, *GDAL_ERRORS):
        return None


def _copies(info: RasterInfo, rings: Rings) -> list[Rings]:
    """Rings in the raster's CRS, where they are and once around the Earth in both directions.

    A scene may lie across the antimeridian, or count its degrees from 0 to 360.
    """
    around = _around(_own_crs(info))
    return [[[(x + turn, y) for x, y in ring] for ring in rings] for turn in {0.0: 0, around: 0, -around: 0}]


def _around(crs: CRS | None) -> float:
    """What x grows by once around the Earth; 0 where that depends on the place, or is not so."""
    if crs is None:
        return 0.0
    if crs.is_geographic:
        return 2 * math.pi / float(crs.units_factor[1])
    try:
        xs, _ = transform_points(
            CRS.from_user_input("OGC:CRS84"), crs, [-180, 180, -180, 180], [0, 0, 60, 60]
        )
    except (CRSError, *GDAL_ERRORS):
        return 0.0
    width = float(xs[1] - xs[0])
    steady = math.isfinite(width) and math.isclose(width, float(xs[3] - xs[2]), rel_tol=1e-9)
    return width if steady and width > 1 else 0.0


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
    turn = _around(own)
    # PROJ brings longitudes back to 180° and less, on whichever side of the map that is.
    return continuous(found, turn) if turn else found


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


def _union(info: RasterInfo, shapes: Sequence[Rings], name: str) -> tuple[Window, list[Rings]]:
    """The smallest window that holds all shapes as far as the raster goes, and the shapes that do."""
    windows = [_window(info, rings) for rings in shapes]
    found = [(w, rings) for w, rings in zip(windows, shapes, strict=True) if w is not None]
    if not found:
        columns = [column for column, _ in shapes[0][0]]
        rows = [row for _, row in shapes[0][0]]
        raise InvalidOption(
            f"The {name} lies outside of “{info.path}”: it would cover columns {min(columns):.0f} to "
            f"{max(columns):.0f} and rows {min(rows):.0f} to {max(rows):.0f} of {info.width}×{info.height}."
        )
    left, top = min(w.x for w, _ in found), min(w.y for w, _ in found)
    right, bottom = max(w.x + w.width for w, _ in found), max(w.y + w.height for w, _ in found)
    return Window(left, top, right - left, bottom - top), [rings for _, rings in found]


def _window(info: RasterInfo, rings: Rings) -> Window | None:
    """The pixels that rings touch; None if they lie outside."""
    columns = [column for ring in rings for column, _ in ring]
    rows = [row for ring in rings for _, row in ring]
    left, top = max(min(columns) + _ROUNDING, 0.0), max(min(rows) + _ROUNDING, 0.0)
    right, bottom = min(max(columns) - _ROUNDING, info.width), min(max(rows) - _ROUNDING, info.height)
    if not (left < right and top < bottom):
        return None
    x, y = math.floor(left), math.floor(top)
    return Window(x, y, math.ceil(right) - x, math.ceil(bottom) - y)
