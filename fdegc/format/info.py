"""Description of a ``.fdegc`` file's raster: header, lossless planes, facts; no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from fdegc.errors import CorruptStream, UnsupportedRaster
from fdegc.format.band_masks import BandMasksReader
from fdegc.format.header import MAX_UNITS, StreamHeader
from fdegc.format.kinds import unpack_fidelity, ways_of
from fdegc.format.metadata import ALPHA, MASK, MISSING, OUTLIERS, OVERVIEW, WORDS, raster_info
from fdegc.format.outliers import unpack_outliers
from fdegc.format.planes import PlaneReader
from fdegc.format.reader import ContainerReader
from fdegc.options import QUALITY_STEPS
from fdegc.raster_info import DTYPES, MAX_BANDS, RasterInfo
from fdegc.results import REST, StreamInfo
from fdegc.types import IDENTITY, BandMapping, Components, Outliers

#: Tells what a file was made from; of no use to a decoder.
ORIGIN = b"oRGN"
#: What a file cannot be decoded without, as :func:`lost_metadata` names it.
INDISPENSABLE = (WORDS[MASK], WORDS[ALPHA], WORDS[MISSING], WORDS[OUTLIERS])


def header_for(
    info: RasterInfo,
    mapping: Sequence[BandMapping],
    *,
    tile_size: int,
    halo: int,
    quality_steps: int,
    weights_hash: bytes,
    profile: str,
    components: Components | None = None,
    bound: float | None = None,
    whole: bool = False,
    has_outliers: bool = False,
) -> StreamHeader:
    """Header of the stream of a raster.

    Raises
    ------
    UnsupportedRaster
        If the raster lies outside the limits of the format.
    """
    name = f"“{info.path}”" if info.path else "The raster"
    if info.bands > MAX_BANDS or info.dtype not in DTYPES:
        raise UnsupportedRaster(
            f"{name} has {info.bands} bands of type {info.dtype}; "
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
        mapping=() if info.dtype == "uint8" and set(mapping) == {IDENTITY} else tuple(mapping),
        has_mask=info.has_mask,
        has_alpha=info.has_alpha,
        has_band_masks=info.has_band_masks,
        components=components,
        bound=bound,
        whole=whole,
        has_outliers=has_outliers,
    )
    if header.units > MAX_UNITS:
        raise UnsupportedRaster(f"{name} has too many tiles of {tile_size} pixels: choose larger tiles.")
    return header


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


def band_masks(reader: ContainerReader) -> BandMasksReader | None:
    """Masks of single bands, to be read by windows; None if there are none.

    Raises
    ------
    CorruptStream
        If the file should hold them and they are missing or damaged.
    """
    header = reader.header
    if not header.has_band_masks:
        return None
    data = _block(reader, MISSING)
    size = (header.width, header.height, header.tile_size)
    return BandMasksReader(data, header.bands, *size, contexts=header.contexts)


def outliers(reader: ContainerReader) -> Outliers | None:
    """Outliers of the scene; None if there are none.

    Raises
    ------
    CorruptStream
        If the file should hold them and they are missing or damaged.
    """
    header = reader.header
    if not header.has_outliers:
        return None
    return unpack_outliers(_block(reader, OUTLIERS), header.width, header.height, header.bands, header.dtype)


def _plane(reader: ContainerReader, tag: bytes, dtype: str) -> PlaneReader:
    header = reader.header
    size = (header.width, header.height, header.tile_size)
    return PlaneReader(_block(reader, tag), *size, dtype, contexts=header.contexts)


def _block(reader: ContainerReader, tag: bytes) -> bytes:
    data = reader.blocks.get(tag)
    if data is None:
        verb = "are" if tag in (MISSING, OUTLIERS) else "is"
        raise CorruptStream(f"The {WORDS[tag]} of “{reader.path.name}” {verb} missing or damaged.")
    return data


def mapping_of(header: StreamHeader) -> tuple[BandMapping, ...]:
    """Mapping of every band; uint8 without a stored one keeps all its values."""
    return header.mapping or (IDENTITY,) * header.bands


def lost_metadata(reader: ContainerReader) -> tuple[str, ...]:
    """Metadata of a file that damage took, in words.

    A damaged copy at the end takes nothing, nor does an overview, which is made from the pixels, or
    what tells a file's origin.
    """
    lost = [
        WORDS[tag] if tag in WORDS else "something unknown"
        for tag in reader.damaged_blocks
        if tag not in (b"TAIL", OVERVIEW, ORIGIN)
    ]
    if reader.chain_broken:
        lost.append(REST)
    header = reader.header
    needed = {
        MASK: header.has_mask,
        ALPHA: header.has_alpha,
        MISSING: header.has_band_masks,
        OUTLIERS: header.has_outliers,
    }
    # What a file was cut off before is damaged nowhere.
    gone = [WORDS[tag] for tag, wanted in needed.items() if wanted and tag not in reader.blocks]
    return (*lost, *(word for word in gone if word not in lost))


def describe(reader: ContainerReader) -> StreamInfo:
    """Facts of an open file."""
    raster = raster_info(reader.path, reader.header, reader.blocks)
    header = reader.header
    return StreamInfo(
        raster=raster,
        bytes=reader.size,
        bpp=reader.size * 8 / raster.pixels,
        ratio=raster.raw_bytes / reader.size,
        version=header.version,
        quality=header.quality_steps / QUALITY_STEPS,
        profile=header.profile,
        weights_hash=header.weights_hash.hex(),
        tile_size=header.tile_size,
        tiles=header.tiles,
        lost=lost_metadata(reader),
        halo=header.halo,
        mapping=mapping_of(header),
        ways=ways_of(reader.entries.kinds[:: header.groups].tolist()),
        bound=header.bound,
        outliers=_count_outliers(reader),
        **_fidelity(reader),
    )


def _count_outliers(reader: ContainerReader) -> int:
    try:
        found = outliers(reader)
    except CorruptStream:  # which whoever needs them is told
        return 0
    return 0 if found is None else sum(found.counts)


def _fidelity(reader: ContainerReader) -> dict[str, float | None]:
    """PSNR of the scene and of its worst tile, of what the index says of every tile."""
    header = reader.header
    stored = reader.entries.fidelities[:: header.groups].tolist()
    found = [value for value in map(unpack_fidelity, stored) if value is not None]
    if not found:
        return {"psnr": None, "worst": None}
    tile, columns = header.tile_size, -(-header.width // header.tile_size)
    errors = pixels = 0.0
    for index, value in enumerate(stored):
        psnr = unpack_fidelity(value)
        if psnr is None:
            continue
        y, x = divmod(index, columns)
        area = min(tile, header.width - x * tile) * min(tile, header.height - y * tile)
        # A third of a decibel is what is stored, rounded down.
        errors += 0.0 if math.isinf(psnr) else area * 10 ** (-(psnr + 1 / 6) / 10)
        pixels += area
    return {"psnr": math.inf if errors == 0 else -10 * math.log10(errors / pixels), "worst": min(found)}


def read_info(path: Path) -> StreamInfo:
    """Facts of a ``.fdegc`` file.

    Raises
    ------
    CorruptStream, UnsupportedStream
    """
    with ContainerReader(Path(path)) as reader:
        return describe(reader)
