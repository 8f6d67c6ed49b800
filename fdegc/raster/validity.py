"""Nodata, and which samples and pixels are valid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]

_TOLERANCE = 2 * float(np.finfo(np.float32).eps)


def nodata_fits(nodata: float | None, dtype: str) -> bool:
    """Whether a sample of ``dtype`` can hold ``nodata`` at all; False if there is none."""
    if nodata is None:
        return False
    if np.dtype(dtype).kind == "f":
        return True
    limits = np.iinfo(dtype)
    return bool(np.isfinite(nodata)) and nodata == round(nodata) and limits.min <= nodata <= limits.max


def nodata_sample(nodata: float, dtype: str) -> np.generic:
    """Nodata value ``nodata`` as a sample of ``dtype``; it must fit."""
    with np.errstate(over="ignore"):
        sample: np.generic = np.dtype(dtype).type(nodata)
    return sample


def is_nodata(band: Pixels, nodata: float) -> Mask:
    """Mask of samples that count as a nodata value they can hold; floats near it do too, as GDAL has it.

    GDAL's ``ARE_REAL_EQUAL`` allows a few units in the last place of a float32, for both float types.
    """
    value: Any = nodata_sample(nodata, band.dtype.name)
    equal: Mask = band == value
    if band.dtype.kind == "f" and np.isfinite(value):
        numbers: Any = band
        with np.errstate(over="ignore", invalid="ignore"):
            equal |= np.abs(numbers - value) < band.dtype.type(_TOLERANCE) * np.abs(numbers + value)
    return equal


def sample_validity(
    pixels: Pixels, nodata: Sequence[float | None], mask: Mask | None = None
) -> tuple[Mask, Mask | None]:
    """Validity of pixels, and which of their samples are missing nevertheless.

    A sample is missing where it is its band's nodata value or not finite.  A pixel is invalid where the
    mask says so, or all of its samples are missing: GDAL's rule, so that dark colours stay valid where
    nodata is 0.

    Parameters
    ----------
    pixels : ndarray, shape (bands, height, width)
    nodata : sequence of (float or None)
        One value a band; None, or one that the samples cannot hold, marks nothing.  None of them counts
        if there is a mask.
    mask : ndarray of bool, shape (height, width) or (bands, height, width), optional
        Of all bands together, or of each.

    Returns
    -------
    valid : ndarray of bool, shape (height, width)
    missing : ndarray of bool, shape (bands, height, width), or None
        None if no sample of a valid pixel is missing.
    """
    good = np.isfinite(pixels) if pixels.dtype.kind == "f" else np.ones(pixels.shape, np.bool_)
    if mask is None:
        for plane, band, value in zip(good, pixels, nodata, strict=True):
            if value is not None and nodata_fits(value, pixels.dtype.name):
                plane &= ~is_nodata(band, value)
    elif mask.ndim == 3:
        good &= mask
    valid: Mask = good.any(axis=0)
    if mask is not None and mask.ndim == 2:
        valid &= mask
    missing = valid & ~good
    return valid, missing if bool(missing.any()) else None
