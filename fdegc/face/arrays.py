"""Arrays as rasters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fdegc.errors import InvalidOption, UnsupportedRaster
from fdegc.face.given import Array
from fdegc.raster_info import DTYPES, MAX_BANDS, RasterInfo, Transform, default_colors

if TYPE_CHECKING:
    from fdegc.raster import RasterSource


def array_source(
    array: Array, nodata: float | None, crs: Any, transform: Sequence[float] | None
) -> RasterSource:
    """Source of an array's samples, with what else is said of them.

    Parameters
    ----------
    array : ndarray, shape (bands, height, width) or (height, width)
        Perhaps masked.
    nodata, crs, transform
        As of :func:`fdegc.compress`.

    Raises
    ------
    InvalidOption, UnsupportedRaster
    """
    from fdegc.raster import ArraySource
    from fdegc.raster.validity import nodata_fits

    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InvalidOption(
            f"An array must be (bands, height, width), or (height, width) for one band, not {array.shape}."
        )
    dtype = array.dtype.name
    if dtype not in DTYPES:
        raise UnsupportedRaster(
            f"An array of type {dtype} cannot be compressed; convert it to {', '.join(DTYPES[:-1])} or "
            f"{DTYPES[-1]}."
        )
    planes = array[None] if array.ndim == 2 else array
    bands, height, width = planes.shape
    if bands > MAX_BANDS:
        last = width <= MAX_BANDS
        remedy = ": bands come first; numpy.moveaxis(array, -1, 0) puts them there." if last else "."
        raise InvalidOption(
            f"An array of shape {array.shape} would have {bands} bands, and there may be {MAX_BANDS}{remedy}"
        )
    if nodata is not None and not nodata_fits(nodata, dtype):
        raise InvalidOption(f"No sample of type {dtype} can be {nodata:g}; choose another nodata.")
    info = RasterInfo(
        "",
        "MEM",
        width,
        height,
        bands,
        dtype,
        color_interpretation=default_colors(bands),
        crs_wkt=None if crs is None else _wkt(crs),
        transform=None if transform is None else _affine(transform),
        nodata=nodata,
    )
    pixels = np.asarray(planes).astype(planes.dtype.newbyteorder("="), copy=False)
    return ArraySource(pixels, _valid(planes), info=info)


def _valid(planes: Array) -> npt.NDArray[np.bool_] | None:
    """Where a masked array has samples; None if it has them everywhere."""
    if not isinstance(planes, np.ma.MaskedArray) or planes.mask is np.ma.nomask or not planes.mask.any():
        return None
    masks = np.asarray(planes.mask)
    if not (masks == masks[0]).all():
        raise InvalidOption(
            "The bands of a masked array must have the same mask; where they differ, give "
            "array.filled(VALUE) and nodata=VALUE, with a value that no sample has."
        )
    valid: npt.NDArray[np.bool_] = ~masks[0]
    return valid


def _wkt(crs: Any) -> str:
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return str(CRS.from_user_input(crs).to_wkt(version="WKT2_2019"))
    except (CRSError, TypeError, ValueError) as error:
        raise InvalidOption(f"“{crs}” is no coordinate reference system; EPSG:32633 would be one.") from error


def _affine(transform: Sequence[float]) -> Transform:
    try:
        a, b, c, d, e, f = (float(value) for value in tuple(transform)[:6])
    except (TypeError, ValueError) as error:
        raise InvalidOption(
            f"A transform has six numbers (a, b, c, d, e, f), as rasterio's has them, not {transform}."
        ) from error
    return a, b, c, d, e, f
