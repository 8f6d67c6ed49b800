"""Raster metadata that a written file does not hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rasterio.crs import CRS
from rasterio.errors import CRSError

from fdegc.raster.epoch import EPOCH
from fdegc.raster.facts import SceneFacts, alpha_index, band_facts, scene_facts
from fdegc.raster.palettes import palette_of
from fdegc.raster.validity import nodata_fits
from fdegc.raster_info import GroundControlPoint, Palette, RasterInfo

_DOMAINS = {"RPC": "RPCs", "xml:XMP": "XMP", "EXIF": "EXIF tags", EPOCH: "coordinate epoch"}
_STRUCTURE = {"MINISWHITE": "that zero is white", "ALPHA": "that colours are multiplied with alpha"}
_TOLD_TAGS = 4
#: Colour interpretations of bands of which nobody has said what they are.
_NOTHING_SAID = {"gray", "undefined"}
_RELATIVE = 1e-9


def unsupported_metadata(info: RasterInfo, dataset: Any, exif: bytes | None = None) -> tuple[str, ...]:
    """Raster metadata that an output format cannot store, in words.

    Parameters
    ----------
    info : RasterInfo
        What was to be written.
    dataset : rasterio dataset
        The file, open.
    exif : bytes, optional
        EXIF data that are in it.
    """
    facts = scene_facts(dataset)
    # First what asks GDAL: a text that is no CRS leaves an error behind, which the next question would meet.
    bands = tuple(_bands(info, dataset))
    return (*_scene(info, facts, exif), *bands)


def same_crs(a: str | None, b: str | None) -> bool:
    """Whether two WKT texts say the same coordinate reference system."""
    if a is None or b is None or a == b:
        return a == b
    try:
        return bool(CRS.from_wkt(a) == CRS.from_wkt(b))
    except CRSError:
        return False


def close(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether numbers are the same but for how files round them."""
    return len(a) == len(b) and all(
        x == y or math.isclose(x, y, rel_tol=_RELATIVE, abs_tol=1e-12) or (math.isnan(x) and math.isnan(y))
        for x, y in zip(a, b, strict=True)
    )


def _scene(info: RasterInfo, facts: SceneFacts, exif: bytes | None) -> Iterator[str]:
    if info.crs_wkt is not None and not same_crs(info.crs_wkt, facts["crs_wkt"]):
        yield "coordinate reference system"
    placed = info.transform is not None and close(info.transform, facts["transform"] or ())
    if info.transform is not None and not placed:
        yield "transform"
    if info.gcps:
        if not same_points(info.gcps, facts["gcps"]) or not same_crs(info.gcp_crs_wkt, facts["gcp_crs_wkt"]):
            yield "ground control points"
        elif [(p.id, p.info) for p in info.gcps] != [(p.id, p.info) for p in facts["gcps"]]:
            yield "names of ground control points"
    lost = [
        key
        for key, value in info.tags.items()
        if facts["tags"].get(key) != value and (key != "AREA_OR_POINT" or (placed and value != "Area"))
    ]
    if lost:
        more = ", …" if len(lost) > _TOLD_TAGS else ""
        yield f"tags ({', '.join(lost[:_TOLD_TAGS])}{more})"
    meaning = facts["domains"].get("IMAGE_STRUCTURE", {})
    for key, value in info.domains.get("IMAGE_STRUCTURE", {}).items():
        if meaning.get(key) != value:
            yield _STRUCTURE.get(key, key)
    for name, items in info.domains.items():
        if name == "IMAGE_STRUCTURE":
            continue
        if not same_items(items, facts["domains"].get(name, {})):
            yield _DOMAINS.get(name, f"metadata domain {name}")
    if info.icc is not None and facts["icc"] != info.icc:
        yield "colour profile"
    if info.exif is not None and exif != info.exif:
        as_tags = any(key.startswith("EXIF_") for key in facts["tags"])
        yield "EXIF data other than as tags" if as_tags else "EXIF data"


def _bands(info: RasterInfo, dataset: Any) -> Iterator[str]:
    alpha = alpha_index(dataset) if info.has_alpha or info.has_mask else None
    numbers = [i for i in range(1, dataset.count + 1) if i != alpha]
    if len(numbers) != info.bands:
        yield "the number of bands"
        return
    wanted = [value if nodata_fits(value, info.dtype) else None for value in info.nodata_values]
    found = [dataset.nodatavals[i - 1] for i in numbers]
    if not _same_nodata(wanted, found):
        different = info.band_nodata and not any(value is not None for value in found)
        yield "nodata values that differ between bands" if different else "nodata"
        if info.has_band_masks and info.dtype[0] != "f":
            yield "validity of single bands"
    facts = band_facts(dataset, numbers)
    if any(info.band_names) and info.band_names != facts["band_names"]:
        yield "band names"
    if set(info.color_interpretation) - _NOTHING_SAID and (
        info.color_interpretation != facts["color_interpretation"]
    ):
        yield "colour interpretation"
    if info.palette:
        yield from _palette(info, palette_of(dataset.colormap(numbers[0])))
    ones, zeros = (1.0,) * info.bands, (0.0,) * info.bands
    if not (
        close(info.scales or ones, facts["scales"] or ones)
        and close(info.offsets or zeros, facts["offsets"] or zeros)
    ):
        yield "scales and offsets"
    if any(info.units) and info.units != facts["units"]:
        yield "units"
    there = facts["band_tags"] or ({},) * info.bands
    if any(not same_items(a, b) for a, b in zip(info.band_tags, there, strict=False)):
        yield "tags of bands"
    if info.alpha_band is not None and alpha != info.alpha_band.position + 1:
        yield "position of the alpha band"


def _palette(info: RasterInfo, found: Palette) -> Iterator[str]:
    """What a file does not hold of a palette; it may have more entries, and its own word for nodata."""
    there = found + ((0, 0, 0, 255),) * (len(info.palette) - len(found))
    pairs = list(enumerate(zip(info.palette, there, strict=False)))
    if any(wanted[:3] != entry[:3] for _, (wanted, entry) in pairs):
        yield "palette"
    if any(wanted[3] != entry[3] for index, (wanted, entry) in pairs if index != info.nodata):
        yield "transparency of the palette's colours"


def _same_nodata(a: Sequence[float | None], b: Sequence[float | None]) -> bool:
    return all(
        (x is None) == (y is None) and (x is None or y is None or close((x,), (y,)))
        for x, y in zip(a, b, strict=True)
    )


def same_points(a: Sequence[GroundControlPoint], b: Sequence[GroundControlPoint]) -> bool:
    """Whether control points are at the same places, whatever they are called."""
    return len(a) == len(b) and all(
        close((p.row, p.col, p.x, p.y, p.z), (q.row, q.col, q.x, q.y, q.z)) for p, q in zip(a, b, strict=True)
    )


def same_items(a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    """Whether ``b`` has all that ``a`` has; numbers may be written in another way."""
    return all(key in b and _same_text(value, b[key]) for key, value in a.items())


def _same_text(a: str, b: str) -> bool:
    if a.strip() == b.strip():
        return True
    try:
        return close([float(word) for word in a.split()], [float(word) for word in b.split()])
    except ValueError:
        return False
