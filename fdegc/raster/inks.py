"""Scenes in printing inks (CMYK), and what reading makes of them."""

from __future__ import annotations

from pathlib import Path

import rasterio
from PIL import Image
from rasterio.enums import PhotometricInterp
from rasterio.errors import RasterioError

from fdegc.raster_info import RasterInfo

_INKS = ("cyan", "magenta", "yellow", "black")


def ink_text(path: Path, info: RasterInfo) -> str:
    """Words for a file whose colours are inks; empty for any other.

    Parameters
    ----------
    path : Path
    info : RasterInfo
        As it was read: GDAL and Pillow make red, green and blue of 8-bit inks.
    """
    if info.color_interpretation[:4] == _INKS:
        return "CMYK, as four bands of ink"
    return "CMYK, read and kept as RGB" if info.bands == 3 and _is_cmyk(path, info.format) else ""


def _is_cmyk(path: Path, kind: str) -> bool:
    try:
        if kind in ("JPEG", "MPO"):
            with Image.open(path) as picture:
                return str(picture.mode) == "CMYK"
        if kind in ("GTiff", "COG"):
            with rasterio.open(path) as dataset:
                return bool(dataset.photometric == PhotometricInterp.cmyk)
    except (OSError, RasterioError, ValueError):  # what it was read as has been said by whoever read it
        pass
    return False
