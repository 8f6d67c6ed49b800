"""Source of PNG, JPEG, WebP and BMP, read through Pillow, whole, into memory."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from fdegc.errors import FdegcError, UnsupportedRaster
from fdegc.memory import check_free
from fdegc.raster.facts import CONVERTED, SceneFacts, exif_of
from fdegc.raster.gdal import WARNINGS_LOCK
from fdegc.raster.palettes import BLACK_AND_WHITE, Table, table_of
from fdegc.raster.source import ArraySource
from fdegc.raster.validity import Pixels
from fdegc.raster_info import Palette, RasterInfo, default_colors

_STRIP = 512
_XMP = "xml:XMP"
Channels = np.ndarray[tuple[int, ...], np.dtype[np.generic]]

# Bytes a pixel while a file is opened: a copy of Pillow's and one of ours, and in between what an image
# that has to be turned, the coefficients of a progressive JPEG, or colours that are counted, take.
_GREY_PIXEL, _COLOR_PIXEL, _GIF_PIXEL = 4, 10, 32


class TooLarge(UnsupportedRaster):
    """Picture of more pixels than Pillow decodes."""


def open_pillow(
    path: Path, kind: str, facts: SceneFacts, palette: str = "colours", frame: int = 1
) -> ArraySource:
    """Raster of an image file that Pillow decodes completely.

    Parameters
    ----------
    path : Path
    kind : str
        Pillow's name of the only format to try: PNG, JPEG, WEBP, BMP, GIF.
    facts : dict
        What GDAL says of it.
    palette : str
        As :func:`fdegc.raster.open_raster` takes it.
    frame : int
        Which picture of an animation, from 1: as it is seen, with what stays of those before.

    Returns
    -------
    ArraySource
        uint8 grey or RGB with or without alpha, uint8 indices, or uint16 grey; turned as its EXIF data says.

    Raises
    ------
    UnsupportedRaster
        If the file is damaged or truncated; :class:`TooLarge` if it has more pixels than Pillow reads.
    OutOfMemory
    """
    try:
        with _opened(path, kind) as image:
            _require_memory(path, kind, image)
            if frame > 1:
                image.seek(frame - 1)
            image.load()
            turned = ImageOps.exif_transpose(image) if _orientation(image) != 1 else image
            source = _to_source(path, kind, turned, palette == "indices")
            source.info = _with_facts(source.info, facts, turned, turned is not image)
            return source
    except (Image.DecompressionBombError, MemoryError) as error:
        raise TooLarge(
            f"“{path}” is too large to be read as {kind}; convert it to a tiled GeoTIFF first."
        ) from error
    except FdegcError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly every kind of exception for bad data
        raise UnsupportedRaster(
            f"“{path}” is damaged or incomplete and cannot be read as {kind}; copy or download it again."
        ) from error


def header_of(path: Path, kind: str) -> tuple[int, bytes | None]:
    """EXIF orientation (1 to 8) and EXIF data of a picture that is not decoded; (1, None) if unreadable."""
    try:
        with _opened(path, kind, bounded=False) as image:
            return _orientation(image), exif_of(image)
    except Exception:  # what the pixels are read with will tell what is wrong
        return 1, None


def frames_of(path: Path, kind: str) -> int:
    """How many pictures a file shows one after the other; 1 if that cannot be read."""
    try:
        with _opened(path, kind, bounded=False) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # what the pixels are read with will tell what is wrong
        return 1


@contextlib.contextmanager
def _opened(path: Path, kind: str, *, bounded: bool = True) -> Iterator[Image.Image]:
    """Open a picture; its size does not matter if it is not ``bounded``, as nothing is decoded then."""
    with WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bound = Image.MAX_IMAGE_PIXELS
        try:
            Image.MAX_IMAGE_PIXELS = bound if bounded else None
            with Image.open(path, formats=[kind]) as image:
                yield image
        finally:
            Image.MAX_IMAGE_PIXELS = bound


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _with_facts(info: RasterInfo, facts: SceneFacts, image: Image.Image, turned: bool) -> RasterInfo:
    """Add what GDAL and Pillow say; the pixels are turned, so nothing may say so any more."""
    info = replace(info, exif=exif_of(image), **facts)
    # GDAL does not know all that may be in WebP.
    icc, xmp = image.info.get("icc_profile"), image.info.get("xmp")
    if info.icc is None and isinstance(icc, bytes) and icc:
        info = replace(info, icc=icc)
    if _XMP not in info.domains and isinstance(xmp, bytes):
        packet = xmp.decode(errors="replace").strip("\0")
        info = replace(info, domains={**info.domains, _XMP: {_XMP: packet}})
    if not turned:
        return info
    return replace(info, tags={key: value for key, value in info.tags.items() if key != "EXIF_Orientation"})


def _require_memory(path: Path, kind: str, image: Image.Image) -> None:
    grey = image.mode in ("1", "L") or image.mode.startswith("I;16")
    pixel = _GIF_PIXEL if kind == "GIF" else _GREY_PIXEL if grey else _COLOR_PIXEL
    check_free(
        image.width * image.height * pixel,
        f"Reading “{path}”, which as {kind} can only be read as a whole,",
        "convert it to a tiled GeoTIFF on a machine that has more",
    )


def _to_planes(image: Image.Image, convert: Callable[[Image.Image], Channels]) -> Pixels:
    """All channels, (channels, height, width), by strips: Pillow's own conversion makes two more copies."""
    planes: Pixels | None = None
    for y in range(0, image.height, _STRIP):
        strip = convert(image.crop((0, y, image.width, min(y + _STRIP, image.height))))
        strip = np.atleast_3d(strip)
        if planes is None:
            planes = np.empty((strip.shape[2], image.height, image.width), strip.dtype)
        planes[:, y : y + len(strip)] = np.moveaxis(strip, 2, 0)
    assert planes is not None
    return planes


def _to_source(path: Path, kind: str, image: Image.Image, as_indices: bool) -> ArraySource:
    if kind == "GIF" and image.mode in ("RGB", "RGBA"):
        image = _with_palette(image)
    convert: Callable[[Image.Image], Channels] = _to_array
    palette: Palette = ()
    indexed = False
    if entries := _palette_of(image):
        indexed = True
        convert = _to_indices if as_indices else _expander(table_of(entries))
        palette = entries if as_indices else ()
    planes = _to_planes(image, convert)
    alpha = planes[-1] if planes.shape[0] in (2, 4) else None
    pixels = planes if alpha is None else planes[:-1]
    bands, height, width = pixels.shape
    info = RasterInfo(
        path=str(path),
        format=kind,
        width=width,
        height=height,
        bands=bands,
        dtype=pixels.dtype.name,
        color_interpretation=("palette",) if palette else default_colors(bands),
        palette=palette,
    )
    source = ArraySource(pixels, alpha=alpha, info=info)
    source.has_palette, source.colour_space = indexed, CONVERTED.get(image.mode, "")
    return source


def _with_palette(image: Image.Image) -> Image.Image:
    """A later picture of a GIF with a palette, as the first has; unchanged if it has over 256 colours."""
    packed = np.asarray(image.convert("RGBA")).view("<u4")[..., 0]
    colors, indices = np.unique(packed, return_inverse=True)
    if len(colors) > 256:
        return image
    entries = colors.astype("<u4").view(np.uint8).reshape(-1, 4)
    indexed = Image.fromarray(indices.reshape(packed.shape).astype(np.uint8), "P")
    indexed.putpalette(entries[:, :3].tobytes())
    if (entries[:, 3] < 255).any():
        indexed.info["transparency"] = entries[:, 3].tobytes()
    return indexed


def _palette_of(image: Image.Image) -> Palette:
    """Palette of an image of indices, as many entries as the file has, or of bits; empty for others."""
    if image.mode == "1" and "transparency" not in image.info:
        return BLACK_AND_WHITE
    if image.mode != "P":
        return ()
    values = image.getpalette("RGB") or []
    said = image.info.get("transparency")
    alpha = list(said) if isinstance(said, bytes) else []
    if isinstance(said, int):
        alpha = [255] * said + [0]
    colors = [(values[i], values[i + 1], values[i + 2]) for i in range(0, len(values) - 2, 3)]
    alpha += [255] * (len(colors) - len(alpha))
    return tuple((*color, opacity) for color, opacity in zip(colors, alpha, strict=False))


def _expander(table: Table) -> Callable[[Image.Image], Channels]:
    """Conversion of indices to colours; indices beyond the palette stand for its last entry."""
    full = np.concatenate([table, np.repeat(table[-1:], 256 - len(table), axis=0)])
    return lambda image: full[_to_indices(image)]


def _to_indices(image: Image.Image) -> Channels:
    return np.asarray(image).astype(np.uint8, copy=False)


def _to_array(image: Image.Image) -> Channels:
    """Return uint8 or uint16 (height, width) or (height, width, 2 to 4) of any of Pillow's modes."""
    mode = image.mode
    if mode.startswith("I"):
        # 16-bit grey; some versions widen it to 32 bits, but no format read here has more than 16.
        return np.asarray(image).astype(np.uint16)
    transparent = "transparency" in image.info or mode in ("PA", "La", "RGBa")
    if mode in ("1", "L", "La"):
        target = "LA" if transparent else "L"
    elif mode in ("LA", "RGBA"):
        target = mode
    else:
        target = "RGBA" if transparent else "RGB"
    return np.asarray(image if mode == target else image.convert(target))
