"""GDAL as everything here uses it: its errors, opening, files that were cut off."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from fdegc.errors import UnsupportedRaster

#: rasterio lets GDAL's own exceptions out in places; their base has no public name.
GDAL_ERRORS = (RasterioError, OSError, ValueError, RuntimeError, CPLE_BaseError)
#: ``warnings.catch_warnings`` changes the process; one thread at a time.
WARNINGS_LOCK = threading.Lock()
_MAX_CHECKED_BLOCKS = 1 << 18
#: Bytes that a block may take beyond twice its samples' own.
_SLACK = 1 << 16


def open_dataset(name: str, driver: str) -> Any:
    """Rasterio dataset of an absolute path, or of GDAL's name of a part of a file, opened with one driver.

    Raises
    ------
    Anything in :data:`GDAL_ERRORS`
        If the driver cannot open it.
    """
    with WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.Env():
            return rasterio.open(name, driver=driver)


def require_complete(dataset: Any, path: Path) -> None:
    """Completeness check of a TIFF: every block lies within the file; none is read.

    Parameters
    ----------
    dataset : rasterio dataset
        Open GeoTIFF.
    path : Path
        Its file.

    Raises
    ------
    UnsupportedRaster
        If a block lies beyond the end: the file was cut off.
    """
    if not path.is_file():
        return  # in an archive, on a server: reading will tell
    size = path.stat().st_size
    height, width = dataset.block_shapes[0]
    columns, rows = -(-dataset.width // width), -(-dataset.height // height)
    planar = str(dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE", "")) == "BAND"
    bands = range(1, dataset.count + 1 if planar else 2)
    if columns * rows * len(bands) > _MAX_CHECKED_BLOCKS:
        return  # reading will tell
    # Nobody asks how long blocks are that begin well before the end: there can be a quarter of a million.
    near = size - 2 * height * width * sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes) - _SLACK
    item = dataset.get_tag_item
    for band in bands:
        for y in range(rows):
            for x in range(columns):
                offset = int(item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=band) or 0)
                if offset > near and offset + int(item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=band) or 0) > size:
                    raise UnsupportedRaster(
                        f"“{path}” is incomplete: it ends before its last pixels; copy or download it again."
                    )
