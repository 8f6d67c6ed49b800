"""Reads PNG, JPEG, WebP and BMP through Pillow, whole, into memory."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from fdegc.errors import UnsupportedRaster
from fdegc.raster.source import ArraySource, default_colors
from fdegc.types import RasterInfo

#: ``warnings.catch_warnings`` changes the process; one thread at a time.
WARNINGS_LOCK = threading.Lock()

_DIRECT = ("L", "LA", "RGB", "RGBA")


def open_pillow(path: Path, kind: str) -> ArraySource:
    """Decode an image file completely.

    Parameters
    ----------
    path : Path
    kind : str
        Pillow's name of the only format to try: PNG, JPEG, WEBP, BMP.

    Returns
    -------
    ArraySource
        uint8 grey or RGB with or without alpha, or uint16 grey; turned as its EXIF data says.

    Raises
    ------
    UnsupportedRaster
        If the file is damaged, truncated or too large to hold in memory.
    """
    try:
        with WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=[kind]) as image:
                image.load()
                return _to_source(path, kind, ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, MemoryError) as error:
        raise UnsupportedRaster(
            f"“{path}” is too large to be read as {kind}; convert it to a tiled GeoTIFF first."
        ) from error
    except UnsupportedRaster:
        raise
    except Exception as error:  # Pillow's decoders raise nearly every kind of exception for bad data
        raise UnsupportedRaster(
            f"“{path}” is damaged or incomplete and cannot be read as {kind}; copy or download it again."
        ) from error


def _to_source(path: Path, kind: str, image: Image.Image) -> ArraySource:
    array = _to_array(image)
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    planes = np.ascontiguousarray(np.moveaxis(array, 2, 0))
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
        color_interpretation=default_colors(bands),
    )
    return ArraySource(pixels, alpha=alpha, info=info)


def _to_array(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
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
