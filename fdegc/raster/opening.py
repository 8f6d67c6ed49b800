"""Opens a raster file by what it contains, whatever its name says."""

from __future__ import annotations

import os
from pathlib import Path

from fdegc.errors import UnsupportedRaster
from fdegc.raster.gdal_source import GdalSource
from fdegc.raster.pillow_source import open_pillow
from fdegc.raster.source import RasterSource

_HEAD = 1024
_KINDS = "Use a TIFF, GeoTIFF, JPEG 2000, VRT, PNG, JPEG, WebP or BMP file"


def open_raster(path: str | Path) -> RasterSource:
    """Open a raster file for reading.

    Parameters
    ----------
    path : str or Path
        TIFF (GeoTIFF, COG), JPEG 2000 and VRT are read through GDAL by windows; PNG, JPEG, WebP and
        BMP are decoded into memory.

    Returns
    -------
    RasterSource
        A context manager; close it after use.

    Raises
    ------
    UnsupportedRaster
        Whatever is wrong with the file; the message is a sentence that names it.
    OutOfMemory
        If it can only be read as a whole, and that would not fit.
    """
    path = Path(path)
    head = _read_head(path)
    try:
        kind = _kind(head)
        if kind is None:
            raise UnsupportedRaster(f"“{path}” is not an image of a known kind. {_KINDS}.")
        if kind in ("PNG", "JPEG", "WEBP", "BMP") and not _is_deep_png(head):
            return open_pillow(path, kind)
        return GdalSource(path, kind)
    except MemoryError as error:
        raise UnsupportedRaster(
            f"“{path}” needs more memory than there is; cut it into parts or convert it to a tiled GeoTIFF."
        ) from error
    except (OSError, ValueError) as error:
        raise UnsupportedRaster(
            f"“{path}” cannot be read; check that it is complete and opens in another program."
        ) from error


def _read_head(path: Path) -> bytes:
    """Return the first bytes of a file, or say why there are none."""
    try:
        if path.is_dir():
            raise UnsupportedRaster(f"“{path}” is a folder; choose an image file in it.")
        if not path.exists():
            raise UnsupportedRaster(f"“{path}” does not exist; check its name and folder.")
        if not path.is_file():
            raise UnsupportedRaster(f"“{path}” is not an ordinary file; choose an image file.")
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except (OSError, ValueError) as error:
        raise UnsupportedRaster(
            f"“{path}” cannot be opened ({_reason(error)}); check its permissions."
        ) from error
    if not head:
        raise UnsupportedRaster(f"“{path}” is empty; copy or download it again.")
    return head


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error)


def _kind(head: bytes) -> str | None:
    """GDAL's name of the driver for a file that starts with ``head``, None if unknown."""
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "GTiff"
    if head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")):
        return "JP2OpenJPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM"):
        return "BMP"
    if b"<VRTDataset" in head and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "VRT"
    return None


def _is_deep_png(head: bytes) -> bool:
    # Pillow drops the lower byte of 16-bit colour without a word; only 16-bit grey survives it.
    return head.startswith(b"\x89PNG") and len(head) > 25 and head[24] == 16 and head[25] != 0
