"""Polygons of a file and their coordinate reference system: GeoJSON, its lines, GeoPackage, Shapefile."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rasterio.crs import CRS
from rasterio.errors import CRSError

from fdegc.errors import InvalidOption
from fdegc.raster.gdal import GDAL_ERRORS

Points = list[tuple[float, float]]
#: A polygon's rings: the outer one, then its holes; in a Shapefile any number of outer ones.
Rings = list[Points]

_DEEPEST = 8
_KINDS = "GeoJSON (or one object a line), a GeoPackage or a Shapefile (.shp)"
#: Shapes of Esri's Shapefile Technical Description (1998): polygons, with Z, with M.
_POLYGON_SHAPES = frozenset({5, 15, 25})
_ENVELOPES = (0, 32, 48, 48, 64)
_POLYGON, _COLLECTIONS = 3, frozenset({6, 7})
_GEOJSON = frozenset(
    {
        "FeatureCollection", "Feature", "GeometryCollection", "Point", "MultiPoint", "LineString",
        "MultiLineString", "Polygon", "MultiPolygon",
    }
)  # fmt: skip


def read_polygons(path: Path) -> tuple[list[Rings], CRS]:
    """Polygons of a file, empty ones left out.

    Parameters
    ----------
    path : Path
        GeoJSON (RFC 7946; a ``crs`` member of 2008 is heeded), one such object a line (RFC 8142 and without
        its separators), the tables of a GeoPackage, a Shapefile with its ``.prj``.

    Returns
    -------
    polygons : list
    crs : CRS
        x before y.

    Raises
    ------
    InvalidOption
        If it is no such file, or malformed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidOption(f"The area “{path}” cannot be read: {error.strerror or error}.") from error
    try:
        if data.startswith(b"SQLite format 3\0"):
            return _geopackage(path)
        if data[:4] == b"\0\0\x27\x0a":
            return list(_shapefile(data)), _projection(path)
        document = _document(data, path)
        return list(_polygons(document)), _crs_member(document, path)
    except (TypeError, ValueError, KeyError, IndexError, struct.error, sqlite3.Error) as error:
        raise InvalidOption(
            f"The area “{path}” is malformed: a ring is not a list of four positions or more."
        ) from error


def crs_of(text: str) -> CRS:
    """Coordinate reference system of a text that PROJ understands.

    Raises
    ------
    InvalidOption
    """
    try:
        return CRS.from_user_input(text)
    except (CRSError, *GDAL_ERRORS) as error:
        raise InvalidOption(f"“{text}” is not a coordinate reference system; EPSG:4326 is one.") from error


# ------------------------------------------------------------------------------ GeoJSON


def _document(data: bytes, path: Path) -> Any:
    """A GeoJSON object; the features of a file of lines as one collection."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        lines = [line.strip(b"\x1e \t\r") for line in data.split(b"\n")]
        try:
            document = {"type": "FeatureCollection", "features": [json.loads(line) for line in lines if line]}
        except (ValueError, RecursionError):
            raise InvalidOption(
                f"The area “{path}” cannot be read: it is not JSON. It must be {_KINDS}."
            ) from error
    if not (isinstance(document, dict) and document.get("type") in _GEOJSON):
        raise InvalidOption(f"The area “{path}” is JSON, but not GeoJSON. It must be {_KINDS}.")
    return document


def _crs_member(document: Any, path: Path) -> CRS:
    first = next(iter(document.get("features") or ()), None) or {}
    member = document.get("crs", first.get("crs"))
    if member is None:
        return CRS.from_user_input("OGC:CRS84")
    try:
        name = member["properties"]["name"]
    except (TypeError, KeyError) as error:
        raise InvalidOption(f"The area “{path}” has a crs member without a name.") from error
    return crs_of(str(name))


def _polygons(thing: Any, depth: int = 0) -> Iterator[Rings]:
    """Polygons of a GeoJSON object."""
    if thing is None or depth > _DEEPEST:
        return
    kind = thing["type"]
    if kind == "Polygon":
        yield from _rings(thing["coordinates"])
    elif kind == "MultiPolygon":
        for polygon in thing["coordinates"]:
            yield from _rings(polygon)
    elif kind == "Feature":
        yield from _polygons(thing["geometry"], depth + 1)
    else:
        for part in thing.get("features") or thing.get("geometries") or ():
            yield from _polygons(part, depth + 1)


def _rings(polygon: Any) -> Iterator[Rings]:
    """A polygon as it is to be, unless it is empty (RFC 7946, 3.1)."""
    rings = [[(float(p[0]), float(p[1])) for p in ring] for ring in polygon or ()]
    rings = [ring for ring in rings if ring]
    if any(len(ring) < 4 for ring in rings):
        raise ValueError("a ring has four positions at least")
    if rings:
        yield rings


# ------------------------------------------------------------------------------ GeoPackage


def _geopackage(path: Path) -> tuple[list[Rings], CRS]:
    """Polygons of a GeoPackage's tables (OGC 12-128r19, 2.1.3)."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as base:
        try:
            tables = base.execute(
                "SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns"
            ).fetchall()
        except sqlite3.Error as error:
            raise InvalidOption(
                f"The area “{path}” is a database without a table of geometries. It must be {_KINDS}."
            ) from error
        found: dict[int, list[Rings]] = {}
        for table, column, system in tables:
            # Names cannot be parameters; in quotes they can be anything.
            names = [str(name).replace('"', '""') for name in (column, table)]
            for (blob,) in base.execute(f'SELECT "{names[0]}" FROM "{names[1]}"'):
                if isinstance(blob, bytes):
                    found.setdefault(system, []).extend(_blob(blob))
        found = {system: polygons for system, polygons in found.items() if polygons}
        if not found:
            return [], CRS.from_user_input("OGC:CRS84")
        if len(found) > 1:
            raise InvalidOption(f"The tables of the area “{path}” have several coordinate reference systems.")
        system = next(iter(found))
        row = base.execute(
            "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys "
            "WHERE srs_id = ?",
            (system,),
        ).fetchone()
    if row is None or system in (-1, 0):
        raise InvalidOption(f"The area “{path}” does not say in which coordinate reference system it is.")
    with contextlib.suppress(InvalidOption):
        return found[system], crs_of(f"{row[0]}:{row[1]}")
    return found[system], crs_of(str(row[2]))


def _blob(blob: bytes) -> Iterator[Rings]:
    """Polygons of a geometry of a GeoPackage: a header, an envelope, WKB."""
    if blob[:2] != b"GP":
        raise ValueError("no geometry of a GeoPackage")
    if not blob[3] & 0x10:  # which says that it is empty
        yield from _wkb(blob, 8 + _ENVELOPES[blob[3] >> 1 & 7])[0]


def _wkb(data: bytes, at: int, depth: int = 0) -> tuple[list[Rings], int]:
    """Polygons of a geometry in well-known binary (OGC 06-103r4, 8.2), and where it ends."""
    order = "<" if data[at] else ">"
    kind = struct.unpack_from(f"{order}I", data, at + 1)[0]
    dimensions = 2 + (2 if kind % 10000 >= 3000 else 1 if kind % 10000 >= 1000 else 0)
    dimensions = max(dimensions, 2 + bool(kind & 0x80000000) + bool(kind & 0x40000000))
    kind = (kind & 0xFFFFFFF) % 1000
    at += 5
    found: list[Rings] = []
    if kind == _POLYGON:
        (count,) = struct.unpack_from(f"{order}I", data, at)
        at += 4
        rings: Rings = []
        for _ in range(count):
            (size,) = struct.unpack_from(f"{order}I", data, at)
            numbers = struct.unpack_from(f"{order}{size * dimensions}d", data, at + 4)
            rings.append(list(zip(numbers[::dimensions], numbers[1::dimensions], strict=True)))
            at += 4 + 8 * size * dimensions
        found.extend(_rings(rings))
    elif kind in _COLLECTIONS and depth < _DEEPEST:
        (count,) = struct.unpack_from(f"{order}I", data, at)
        at += 4
        for _ in range(count):
            part, at = _wkb(data, at, depth + 1)
            found += part
    elif depth:
        raise ValueError("a collection of other things than polygons")
    return found, at


# ------------------------------------------------------------------------------ Shapefile


def _shapefile(data: bytes) -> Iterator[Rings]:
    """Polygons of a Shapefile, one a record."""
    at = 100
    while at + 12 <= len(data):
        size = 2 * struct.unpack_from(">i", data, at + 4)[0]
        at += 8
        (kind,) = struct.unpack_from("<i", data, at)
        if kind in _POLYGON_SHAPES:
            parts, points = struct.unpack_from("<2i", data, at + 36)
            starts = [*struct.unpack_from(f"<{parts}i", data, at + 44), points]
            numbers = struct.unpack_from(f"<{2 * points}d", data, at + 44 + 4 * parts)
            pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
            yield from _rings([pairs[starts[i] : starts[i + 1]] for i in range(parts)])
        at += size


def _projection(path: Path) -> CRS:
    """What the ``.prj`` beside a Shapefile says."""
    for ending in (".prj", ".PRJ"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = path.with_suffix(ending).read_text(encoding="utf-8")
            with contextlib.suppress(CRSError, *GDAL_ERRORS):
                return CRS.from_wkt(text, morph_from_esri_dialect=True)
            return crs_of(text.strip()[:40])
    raise InvalidOption(
        f"The area “{path}” does not say in which coordinate reference system it is: there is no "
        f"“{path.with_suffix('.prj').name}” beside it; copy that, too."
    )
