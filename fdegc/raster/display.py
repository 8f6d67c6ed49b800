"""Turns samples of any type into something a screen can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fdegc.raster.mapping import usable_pixels
from fdegc.types import RasterInfo, Samples

Limits = tuple[tuple[float, float], ...]

_PERCENTILES = (2.0, 98.0)
_MAX_VALUES = 1 << 20


def _displayed(bands: int) -> int:
    return 3 if bands >= 3 else 1


def display_limits(samples: Samples) -> Limits:
    """Values to show as black and white.

    Parameters
    ----------
    samples : Samples
        An overview or a window.

    Returns
    -------
    tuple of (float, float)
        2nd and 98th percentile of the usable pixels, in source units, of each displayed band (one for
        1 and 2 bands, else three); (0, 1) if no pixel is usable.
    """
    usable = usable_pixels(samples)
    limits: list[tuple[float, float]] = []
    for band in samples.pixels[: _displayed(len(samples.pixels))]:
        values = (band.ravel() if usable is None else band[usable]).astype(np.float64)
        if not values.size:
            limits.append((0.0, 1.0))
            continue
        step = -(-values.size // _MAX_VALUES)
        low, high = np.percentile(values[::step], _PERCENTILES)
        limits.append((float(low), float(high)))
    return tuple(limits)


def to_rgb8(
    samples: Samples, info: RasterInfo, limits: Sequence[tuple[float, float]] | None = None
) -> npt.NDArray[np.uint8]:
    """Make an RGBA picture of samples.

    Parameters
    ----------
    samples : Samples
        ``pixels`` (bands, height, width).
    info : RasterInfo
        Of the raster the samples belong to; its ``dtype`` decides whether to stretch.
    limits : sequence of (float, float), optional
        Values to show as black and white, one pair a displayed band.  Without them uint8 is shown as
        it is and other types by :func:`display_limits`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        Grey of the first of 1 or 2 bands, else the first three as red, green and blue; transparent
        where pixels are invalid.

    Raises
    ------
    ValueError
        If the number of limits is not that of the displayed bands.
    """
    bands = samples.pixels[: _displayed(len(samples.pixels))]
    if limits is None and info.dtype != "uint8":
        limits = display_limits(samples)
    picture = np.empty((*samples.pixels.shape[1:], 4), dtype=np.uint8)
    if limits is None:
        picture[..., :3] = np.moveaxis(bands, 0, 2)
    else:
        stretched = [_stretch(band, *pair) for band, pair in zip(bands, limits, strict=True)]
        picture[..., :3] = np.stack(stretched, axis=2)
    picture[..., 3] = 255 if samples.alpha is None else _alpha8(samples.alpha)
    usable = usable_pixels(samples)
    if usable is not None:
        picture[~usable] = 0
    return picture


def _stretch(band: npt.NDArray[np.generic], low: float, high: float) -> npt.NDArray[np.uint8]:
    values = band.astype(np.float64)
    if high <= low:
        # A constant band has no black and white; mid grey shows at least that something is there.
        grey = np.where(values < low, 0, np.where(values > high, 255, 128))
        return grey.astype(np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.nan_to_num((values - low) / (high - low) * 255.0, nan=0.0)
    shown: npt.NDArray[np.uint8] = np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)
    return shown


def _alpha8(alpha: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    if alpha.dtype == np.uint8:
        return alpha.astype(np.uint8)
    values = np.nan_to_num(alpha.astype(np.float64), nan=0.0)
    if alpha.dtype.kind != "f":
        full = float(np.iinfo(alpha.dtype.name).max)
    else:
        # Files with float alpha use 0 to 1 or 0 to 255; nothing says which.
        full = 1.0 if values.max(initial=0.0) <= 1.0 else 255.0
    shown: npt.NDArray[np.uint8] = np.rint(np.clip(values / full, 0.0, 1.0) * 255.0).astype(np.uint8)
    return shown
