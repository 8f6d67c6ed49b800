"""Metadata blocks of a ``.fdegc`` file: everything about a raster that is not pixels (``docs/format.md``)."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from fdegc.errors import CorruptStream, OutputFailed, UnsupportedStream
from fdegc.format.header import StreamHeader
from fdegc.raster_info import (
    AlphaBand,
    GroundControlPoint,
    Palette,
    RasterInfo,
    Transform,
    default_colors,
)

#: Block tags; upper case first letter: a reader must understand it.
CRS = b"cRSW"
TRANSFORM = b"aFFN"
POINTS = b"gCPS"
NODATA = b"nODA"
BAND_NODATA = b"bNOD"
MASK_BAND = b"mBND"
BAND_NAMES = b"bNAM"
INTERPRETATION = b"cINT"
SCALES = b"sCAL"
UNITS = b"uNIT"
TAGS = b"tAGS"
BAND_TAGS = b"bTAG"
DOMAINS = b"dOMN"
ALPHA_BAND = b"aLPB"
ICC = b"iCCP"
EXIF = b"eXIF"
PALETTE = b"pALT"
MASK = b"MASK"
ALPHA = b"ALPH"
MISSING = b"MISS"
OUTLIERS = b"OUTL"
OVERVIEW = b"oVRW"
_KNOWN = {MASK, ALPHA, MISSING, OUTLIERS}
#: What the blocks hold, in words.
WORDS = {
    CRS: "coordinate reference system",
    TRANSFORM: "transform",
    POINTS: "ground control points",
    NODATA: "nodata value",
    BAND_NODATA: "nodata values of single bands",
    MASK_BAND: "kind of the mask",
    BAND_NAMES: "band names",
    INTERPRETATION: "colour interpretation",
    SCALES: "scales and offsets",
    UNITS: "units",
    TAGS: "tags",
    BAND_TAGS: "tags of bands",
    DOMAINS: "RPCs and other metadata domains",
    ALPHA_BAND: "place and name of the alpha band",
    ICC: "colour profile",
    EXIF: "EXIF data",
    PALETTE: "palette",
    MASK: "validity mask",
    ALPHA: "alpha band",
    MISSING: "masks of single bands",
    OUTLIERS: "outliers",
}

#: Bytes that a metadata block may unpack to.
_MAX_TEXT = 16 << 20
_AFFINE = struct.Struct("<6d")
_NODATA = struct.Struct("<d")
_BAND_NODATA = struct.Struct("<?d")
_SCALE = struct.Struct("<dd")
_POINT_NUMBERS = 5
#: Types of indices, and how many entries their palettes may have.
_ENTRIES = {"uint8": 1 << 8, "uint16": 1 << 16}
_MALFORMED = "A metadata block of the file is malformed."


# ------------------------------------------------------------------------------ writing


def metadata_blocks(info: RasterInfo) -> dict[bytes, bytes]:
    """Blocks for everything about a raster that is not pixels; absent facts take no bytes.

    Raises
    ------
    OutputFailed
        If one of them is larger than the format allows.
    """
    blocks: dict[bytes, bytes] = {}
    if info.crs_wkt:
        blocks[CRS] = _pack(CRS, info.crs_wkt.encode())
    if info.transform:
        blocks[TRANSFORM] = _AFFINE.pack(*info.transform)
    if info.gcps:
        points = [[p.row, p.col, p.x, p.y, p.z, p.id, p.info] for p in info.gcps]
        blocks[POINTS] = _pack_json(POINTS, {"crs": info.gcp_crs_wkt, "points": points})
    if info.nodata is not None:
        blocks[NODATA] = _NODATA.pack(info.nodata)
    if info.band_nodata:
        values = info.band_nodata
        blocks[BAND_NODATA] = b"".join(_BAND_NODATA.pack(v is not None, v or 0.0) for v in values)
    if info.mask_band:
        blocks[MASK_BAND] = b""
    if any(info.band_names):
        blocks[BAND_NAMES] = _pack_json(BAND_NAMES, list(info.band_names))
    if info.color_interpretation and info.color_interpretation != default_colors(info.bands):
        blocks[INTERPRETATION] = _pack_json(INTERPRETATION, list(info.color_interpretation))
    if info.scales or info.offsets:
        pairs = zip(info.scales or (1.0,) * info.bands, info.offsets or (0.0,) * info.bands, strict=True)
        blocks[SCALES] = b"".join(_SCALE.pack(*pair) for pair in pairs)
    if any(info.units):
        blocks[UNITS] = _pack_json(UNITS, list(info.units))
    if info.tags:
        blocks[TAGS] = _pack_json(TAGS, dict(info.tags))
    if any(info.band_tags):
        blocks[BAND_TAGS] = _pack_json(BAND_TAGS, [dict(tags) for tags in info.band_tags])
    if info.domains:
        blocks[DOMAINS] = _pack_json(DOMAINS, {name: dict(items) for name, items in info.domains.items()})
    if (alpha := info.alpha_band) is not None:
        facts = {"position": alpha.position, "name": alpha.name, "tags": dict(alpha.tags)}
        blocks[ALPHA_BAND] = _pack_json(ALPHA_BAND, facts)
    for tag, data in ((ICC, info.icc), (EXIF, info.exif)):
        if data:
            blocks[tag] = _pack(tag, data)
    if info.palette:
        blocks[PALETTE] = _pack(PALETTE, bytes(value for entry in info.palette for value in entry))
    return blocks


def _pack(tag: bytes, data: bytes) -> bytes:
    if len(data) > _MAX_TEXT:
        raise OutputFailed(
            f"The raster's {WORDS[tag]} take more than {_MAX_TEXT >> 20} MiB, which is what a file may "
            "hold of them: remove some from it."
        )
    return zlib.compress(data, 9)


def _pack_json(tag: bytes, value: object) -> bytes:
    return _pack(tag, json.dumps(value, separators=(",", ":")).encode())


# ------------------------------------------------------------------------------ reading


class _Facts(TypedDict, total=False):
    """Arguments of ``RasterInfo`` that come from blocks."""

    crs_wkt: str | None
    transform: Transform | None
    gcps: tuple[GroundControlPoint, ...]
    gcp_crs_wkt: str | None
    nodata: float | None
    band_nodata: tuple[float | None, ...]
    mask_band: bool
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    units: tuple[str | None, ...]
    tags: Mapping[str, str]
    band_tags: tuple[Mapping[str, str], ...]
    domains: Mapping[str, Mapping[str, str]]
    alpha_band: AlphaBand | None
    icc: bytes | None
    exif: bytes | None
    palette: Palette


def raster_info(path: Path, header: StreamHeader, blocks: Mapping[bytes, bytes]) -> RasterInfo:
    """Raster description from a stream's header and metadata blocks.

    Raises
    ------
    CorruptStream, UnsupportedStream
    """
    for tag in blocks:
        if tag[:1].isupper() and tag not in _KNOWN:
            raise UnsupportedStream(
                f"“{path.name}” needs a feature this program does not know "
                f"({tag.decode('latin-1')}): update FDEGC."
            )
    bands = header.bands
    names: tuple[str | None, ...] = (None,) * bands
    colors = default_colors(bands)
    if (data := blocks.get(BAND_NAMES)) is not None:
        names = tuple(_unpack_list(data, bands))
    if (data := blocks.get(INTERPRETATION)) is not None:
        colors = tuple(color or "undefined" for color in _unpack_list(data, bands))
    try:
        facts = _scene_facts(blocks) | _band_facts(blocks, bands)
    except (struct.error, UnicodeDecodeError) as error:
        raise CorruptStream(f"A metadata block of “{path.name}” is malformed.") from error
    if (data := blocks.get(PALETTE)) is not None:
        facts["palette"] = _unpack_palette(data, header)
    return RasterInfo(
        path=str(path),
        format="FDEGC",
        width=header.width,
        height=header.height,
        bands=bands,
        dtype=header.dtype,
        band_names=names,
        color_interpretation=colors,
        has_alpha=header.has_alpha,
        has_mask=header.has_mask,
        has_band_masks=header.has_band_masks,
        **facts,
    )


def _scene_facts(blocks: Mapping[bytes, bytes]) -> _Facts:
    facts = _Facts(mask_band=MASK_BAND in blocks)
    if (data := blocks.get(CRS)) is not None:
        facts["crs_wkt"] = _inflate(data).decode()
    if (data := blocks.get(TRANSFORM)) is not None:
        facts["transform"] = _unpack_transform(data)
    if (data := blocks.get(POINTS)) is not None:
        facts["gcps"], facts["gcp_crs_wkt"] = _unpack_points(data)
    if (data := blocks.get(TAGS)) is not None:
        facts["tags"] = _tags(_unpack_json(data))
    if (data := blocks.get(DOMAINS)) is not None:
        domains = _unpack_json(data)
        if not isinstance(domains, dict) or not all(map(_is_text, domains)):
            raise CorruptStream(_MALFORMED)
        facts["domains"] = {name: _tags(items) for name, items in domains.items()}
    if (data := blocks.get(ICC)) is not None:
        facts["icc"] = _inflate(data)
    if (data := blocks.get(EXIF)) is not None:
        facts["exif"] = _inflate(data)
    return facts


def _band_facts(blocks: Mapping[bytes, bytes], bands: int) -> _Facts:
    facts = _Facts()
    if (data := blocks.get(NODATA)) is not None:
        facts["nodata"] = _NODATA.unpack(data)[0]
    if (data := blocks.get(BAND_NODATA)) is not None:
        entries = list(_BAND_NODATA.iter_unpack(data))
        if len(entries) != bands:
            raise CorruptStream(_MALFORMED)
        facts["band_nodata"] = tuple(value if known else None for known, value in entries)
    if (data := blocks.get(SCALES)) is not None:
        pairs = list(_SCALE.iter_unpack(data))
        if len(pairs) != bands or not all(math.isfinite(number) for pair in pairs for number in pair):
            raise CorruptStream(_MALFORMED)
        facts["scales"], facts["offsets"] = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    if (data := blocks.get(UNITS)) is not None:
        facts["units"] = tuple(_unpack_list(data, bands))
    if (data := blocks.get(BAND_TAGS)) is not None:
        lists = _unpack_json(data)
        if not isinstance(lists, list) or len(lists) != bands:
            raise CorruptStream(_MALFORMED)
        facts["band_tags"] = tuple(map(_tags, lists))
    if (data := blocks.get(ALPHA_BAND)) is not None:
        facts["alpha_band"] = _unpack_alpha(data, bands)
    return facts


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        out = inflater.decompress(data, _MAX_TEXT + 1)
    except zlib.error as error:
        raise CorruptStream("A block of the file is malformed.") from error
    if len(out) > _MAX_TEXT:
        raise CorruptStream("A block of the file is larger than its contents can be.")
    if not inflater.eof:
        raise CorruptStream("A block of the file is malformed.")
    return out


def _unpack_json(data: bytes) -> object:
    text = _inflate(data)
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptStream(_MALFORMED) from error
    return value


def _is_text(value: object) -> bool:
    """Whether a value of JSON is a string that can be written: half a surrogate pair cannot."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _is_number(value: object) -> bool:
    """Whether a value of JSON is a number that float64 holds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**1023
    return isinstance(value, float) and math.isfinite(value)


def _unpack_list(data: bytes, bands: int) -> list[str | None]:
    """One string or null a band."""
    value = _unpack_json(data)
    if not isinstance(value, list) or len(value) != bands or not all(v is None or _is_text(v) for v in value):
        raise CorruptStream(_MALFORMED)
    return value


def _tags(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(_is_text(k) and _is_text(v) for k, v in value.items()):
        raise CorruptStream(_MALFORMED)
    return value


def _unpack_transform(data: bytes) -> Transform:
    a, b, c, d, e, f = _AFFINE.unpack(data)
    if not all(map(math.isfinite, (a, b, c, d, e, f))):
        raise CorruptStream("The transform of the file is malformed.")
    return a, b, c, d, e, f


def _unpack_palette(data: bytes, header: StreamHeader) -> Palette:
    values = _inflate(data)
    most = _ENTRIES.get(header.dtype, 0) if header.bands == 1 else 0
    if not values or len(values) % 4 or len(values) // 4 > most:
        raise CorruptStream(_MALFORMED)
    r, g, b, a = (values[i::4] for i in range(4))
    return tuple(zip(r, g, b, a, strict=True))


def _unpack_points(data: bytes) -> tuple[tuple[GroundControlPoint, ...], str | None]:
    value = _unpack_json(data)
    if not isinstance(value, dict) or set(value) != {"crs", "points"}:
        raise CorruptStream(_MALFORMED)
    crs, points = value["crs"], value["points"]
    if not (crs is None or _is_text(crs)) or not isinstance(points, list):
        raise CorruptStream(_MALFORMED)
    return tuple(map(_point, points)), crs


def _point(value: object) -> GroundControlPoint:
    sound = (
        isinstance(value, list)
        and len(value) == _POINT_NUMBERS + 2
        and all(map(_is_number, value[:_POINT_NUMBERS]))
        and all(map(_is_text, value[_POINT_NUMBERS:]))
    )
    if not sound:
        raise CorruptStream(_MALFORMED)
    assert isinstance(value, list)
    row, col, x, y, z = map(float, value[:_POINT_NUMBERS])
    return GroundControlPoint(row, col, x, y, z, *value[_POINT_NUMBERS:])


def _unpack_alpha(data: bytes, bands: int) -> AlphaBand:
    value = _unpack_json(data)
    if not isinstance(value, dict) or set(value) != {"position", "name", "tags"}:
        raise CorruptStream(_MALFORMED)
    position, name = value["position"], value["name"]
    if type(position) is not int or not 0 <= position <= bands or not (name is None or _is_text(name)):
        raise CorruptStream(_MALFORMED)
    return AlphaBand(position, name, _tags(value["tags"]))
