"""What a ``.fdegc`` file says about its raster: metadata blocks, validity, facts; no network."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from fdegc.container import ContainerReader
from fdegc.errors import CorruptStream, UnsupportedRaster, UnsupportedStream
from fdegc.header import DTYPES, MAX_BANDS, MAX_UNITS, VERSION, StreamHeader
from fdegc.planes import PlaneReader
from fdegc.types import QUALITY_STEPS, BandMapping, RasterInfo, StreamInfo

#: Block tags; upper case first letter: a reader must understand it.
CRS = b"cRSW"
TRANSFORM = b"aFFN"
NODATA = b"nODA"
BAND_NAMES = b"bNAM"
INTERPRETATION = b"cINT"
TAGS = b"tAGS"
MASK = b"MASK"
ALPHA = b"ALPH"
OVERVIEW = b"oVRW"
_KNOWN = {MASK, ALPHA}
_WORDS = {
    CRS: "coordinate reference system",
    TRANSFORM: "transform",
    NODATA: "nodata value",
    BAND_NAMES: "band names",
    INTERPRETATION: "colour interpretation",
    TAGS: "tags",
    MASK: "validity mask",
    ALPHA: "alpha band",
}
#: What a file cannot be decoded without, as :func:`lost_metadata` names it.
INDISPENSABLE = (_WORDS[MASK], _WORDS[ALPHA])
_AFFINE = struct.Struct("<6d")
_NODATA = struct.Struct("<d")


def header_for(
    info: RasterInfo,
    mapping: Sequence[BandMapping],
    *,
    tile_size: int,
    halo: int,
    quality_steps: int,
    weights_hash: bytes,
    profile: str,
) -> StreamHeader:
    """Header of the stream of a raster.

    Raises
    ------
    UnsupportedRaster
        If the raster lies outside the limits of the format.
    """
    if info.bands > MAX_BANDS or info.dtype not in DTYPES:
        raise UnsupportedRaster(
            f"{info.path or 'The raster'} has {info.bands} bands of type {info.dtype}; "
            f"up to {MAX_BANDS} bands of {', '.join(DTYPES)} can be compressed."
        )
    header = StreamHeader(
        width=info.width,
        height=info.height,
        bands=info.bands,
        dtype=info.dtype,
        tile_size=tile_size,
        halo=halo,
        quality_steps=quality_steps,
        weights_hash=weights_hash,
        profile=profile,
        mapping=() if info.dtype == "uint8" else tuple(mapping),
        has_mask=info.has_mask,
        has_alpha=info.has_alpha,
    )
    if header.units > MAX_UNITS:
        raise UnsupportedRaster(
            f"{info.path or 'The raster'} has too many tiles of {tile_size} pixels: choose larger tiles."
        )
    return header


def metadata_blocks(info: RasterInfo) -> dict[bytes, bytes]:
    """Blocks for everything about a raster that is not pixels; absent facts take no bytes."""
    blocks: dict[bytes, bytes] = {}
    if info.crs_wkt:
        blocks[CRS] = zlib.compress(info.crs_wkt.encode(), 9)
    if info.transform:
        blocks[TRANSFORM] = _AFFINE.pack(*info.transform)
    if info.nodata is not None:
        blocks[NODATA] = _NODATA.pack(info.nodata)
    if any(info.band_names):
        blocks[BAND_NAMES] = _pack_json(list(info.band_names))
    usual = ("red", "green", "blue") if info.bands == 3 else ("gray",)
    if info.color_interpretation and info.color_interpretation != usual:
        blocks[INTERPRETATION] = _pack_json(list(info.color_interpretation))
    if info.tags:
        blocks[TAGS] = _pack_json(dict(info.tags))
    return blocks


def _pack_json(value: object) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 9)


#: Bytes that a metadata block may unpack to.
_MAX_TEXT = 16 << 20


def _inflate(data: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        out = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise CorruptStream("A block of the file is malformed.") from error
    if len(out) > limit:
        raise CorruptStream("A block of the file is larger than its contents can be.")
    if not inflater.eof:
        raise CorruptStream("A block of the file is malformed.")
    return out


def _unpack_json(data: bytes) -> object:
    text = _inflate(data, _MAX_TEXT)
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptStream("A metadata block of the file is malformed.") from error
    return value


def _is_text(value: object) -> bool:
    """Whether a value of JSON is a string that can be written: half a surrogate pair cannot."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _unpack_list(data: bytes, bands: int) -> list[str | None]:
    """One string or null a band."""
    value = _unpack_json(data)
    if not isinstance(value, list) or len(value) != bands or not all(v is None or _is_text(v) for v in value):
        raise CorruptStream("A metadata block of the file is malformed.")
    return value


def _unpack_tags(data: bytes) -> dict[str, str]:
    value = _unpack_json(data)
    if not isinstance(value, dict) or not all(_is_text(k) and _is_text(v) for k, v in value.items()):
        raise CorruptStream("A metadata block of the file is malformed.")
    return value


def _unpack_transform(data: bytes) -> tuple[float, float, float, float, float, float]:
    a, b, c, d, e, f = _AFFINE.unpack(data)
    if not all(map(math.isfinite, (a, b, c, d, e, f))):
        raise CorruptStream("The transform of the file is malformed.")
    return a, b, c, d, e, f


def raster_info(path: Path, header: StreamHeader, blocks: Mapping[bytes, bytes]) -> RasterInfo:
    """What the raster in a stream is.

    Raises
    ------
    CorruptStream, UnsupportedStream
    """
    for tag in blocks:
        if tag[:1].isupper() and tag not in _KNOWN:
            raise UnsupportedStream(
                f"{path.name} needs a feature this program does not know "
                f"({tag.decode('latin-1')}): update FDEGC."
            )
    names: tuple[str | None, ...] = (None,) * header.bands
    usual = {1: ("gray",), 3: ("red", "green", "blue")}
    colors: tuple[str, ...] = usual.get(header.bands, ("undefined",) * header.bands)
    tags: dict[str, str] = {}
    if (data := blocks.get(BAND_NAMES)) is not None:
        names = tuple(_unpack_list(data, header.bands))
    if (data := blocks.get(INTERPRETATION)) is not None:
        colors = tuple(color or "undefined" for color in _unpack_list(data, header.bands))
    if (data := blocks.get(TAGS)) is not None:
        tags = _unpack_tags(data)
    try:
        crs = None if (data := blocks.get(CRS)) is None else _inflate(data, _MAX_TEXT).decode()
        transform = None if (data := blocks.get(TRANSFORM)) is None else _unpack_transform(data)
        nodata = None if (data := blocks.get(NODATA)) is None else _NODATA.unpack(data)[0]
    except (struct.error, UnicodeDecodeError) as error:
        raise CorruptStream(f"A metadata block of {path.name} is malformed.") from error
    return RasterInfo(
        path=str(path),
        format="FDEGC",
        width=header.width,
        height=header.height,
        bands=header.bands,
        dtype=header.dtype,
        band_names=names,
        color_interpretation=colors,
        crs_wkt=crs,
        transform=transform,
        nodata=nodata,
        has_alpha=header.has_alpha,
        has_mask=header.has_mask,
        tags=tags,
    )


def mask_plane(reader: ContainerReader) -> PlaneReader | None:
    """Validity of the scene, to be read by windows; None if everything is valid.

    Raises
    ------
    CorruptStream
        If the file should hold a mask and it is missing or damaged: without it, invalid pixels
        would pass for measurements.
    """
    return _plane(reader, MASK, "bool") if reader.header.has_mask else None


def alpha_plane(reader: ContainerReader) -> PlaneReader | None:
    """Alpha band of the scene, to be read by windows; None if there is none.

    Raises
    ------
    CorruptStream
        If the file should hold an alpha band and it is missing or damaged.
    """
    return _plane(reader, ALPHA, reader.header.dtype) if reader.header.has_alpha else None


def _plane(reader: ContainerReader, tag: bytes, dtype: str) -> PlaneReader:
    header = reader.header
    data = reader.blocks.get(tag)
    if data is None:
        raise CorruptStream(f"The {_WORDS[tag]} of {reader.path.name} is missing or damaged.")
    return PlaneReader(data, header.width, header.height, header.tile_size, dtype)


def mapping_of(header: StreamHeader) -> tuple[BandMapping, ...]:
    """Mapping of every band; uint8 without a stored one has the identity."""
    return header.mapping or (BandMapping(0.0, 255.0),) * header.bands


def lost_metadata(reader: ContainerReader) -> tuple[str, ...]:
    """What damage took from a file's metadata, in words.

    A damaged copy at the end takes nothing, nor does an overview, which is made from the pixels.
    """
    lost = [
        _WORDS[tag] if tag in _WORDS else "something unknown"
        for tag in reader.damaged_blocks
        if tag not in (b"TAIL", OVERVIEW)
    ]
    if reader.chain_broken:
        lost.append("everything after a damaged place")
    return tuple(lost)


def describe(reader: ContainerReader) -> StreamInfo:
    """Facts of an open file."""
    raster = raster_info(reader.path, reader.header, reader.blocks)
    header = reader.header
    return StreamInfo(
        raster=raster,
        bytes=reader.size,
        bpp=reader.size * 8 / raster.pixels,
        ratio=raster.raw_bytes / reader.size,
        version=VERSION,
        quality=header.quality_steps / QUALITY_STEPS,
        profile=header.profile,
        weights_hash=header.weights_hash.hex(),
        tile_size=header.tile_size,
        tiles=header.tiles,
        lost=lost_metadata(reader),
        halo=header.halo,
    )


def read_info(path: Path) -> StreamInfo:
    """Facts of a ``.fdegc`` file.

    Raises
    ------
    CorruptStream, UnsupportedStream
    """
    with ContainerReader(Path(path)) as reader:
        return describe(reader)
