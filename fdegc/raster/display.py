"""Display of samples of any type on a screen: bands, limits, RGBA pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fdegc.raster.alpha import straight
from fdegc.raster.mapping import usable_samples
from fdegc.raster.palettes import coloured, coloured_info, info_table
from fdegc.raster_info import RasterInfo
from fdegc.types import BandStatistics, RasterStatistics, Samples

Limits = tuple[tuple[float, float], ...]

_PERCENTILES = (2.0, 98.0)
_MAX_VALUES = 1 << 18


def raster_statistics(samples: Samples) -> RasterStatistics:
    """Range of every band's usable pixels, and of alpha.

    Parameters
    ----------
    samples : Samples
        An overview or a window.

    Returns
    -------
    RasterStatistics
        In source units; minimum 0 and maximum 1 if no pixel is usable.  The percentiles are those of at
        most about a quarter of a million evenly spaced pixels.
    """
    usable = usable_samples(samples)
    bands = tuple(_statistics(band, good) for band, good in zip(samples.pixels, usable, strict=True))
    return RasterStatistics(bands, None if samples.alpha is None else _opaque(samples.alpha))


def _statistics(band: npt.NDArray[np.generic], usable: npt.NDArray[np.bool_] | None) -> BandStatistics:
    values = band.ravel() if usable is None else band[usable]
    if not values.size:
        return BandStatistics(0.0, 1.0, 0.0, 1.0)
    step = -(-values.size // _MAX_VALUES)
    low, high = np.percentile(values[::step].astype(np.float64), _PERCENTILES)
    return BandStatistics(float(values.min()), float(values.max()), float(low), float(high))


def _displayed(bands: int) -> tuple[int, ...]:
    return (0, 1, 2) if bands >= 3 else (0,)


def display_limits(samples: Samples) -> Limits:
    """Limits of display: values to show as black and white.

    Parameters
    ----------
    samples : Samples
        An overview or a window.

    Returns
    -------
    tuple of (float, float)
        2nd and 98th percentile of the usable pixels, in source units, of the first of 1 or 2 bands,
        else of each of the first three; (0, 1) if no pixel is usable.
    """
    usable = usable_samples(samples)
    shown = _displayed(len(samples.pixels))
    ranges = [_statistics(samples.pixels[index], usable[index]) for index in shown]
    return tuple((band.low, band.high) for band in ranges)


def to_rgb8(
    samples: Samples,
    info: RasterInfo,
    limits: Sequence[tuple[float, float]] | None = None,
    bands: Sequence[int] | None = None,
    opaque: float | None = None,
    gamma: float = 1.0,
) -> npt.NDArray[np.uint8]:
    """RGBA picture of samples.

    Parameters
    ----------
    samples : Samples
        ``pixels`` (bands, height, width).
    info : RasterInfo
        Of the raster the samples belong to; its ``dtype`` decides whether to stretch.
    limits : sequence of (float, float), optional
        Values to show as black and white, one pair a displayed band.  Without them uint8 is shown as
        it is and other types by :func:`display_limits`.
    bands : sequence of int, optional
        Indices from 0 of the band to show as grey, or of three as red, green and blue.  Without them
        the first of 1 or 2 bands, else the first three.
    opaque : float, optional
        Value of alpha that means opaque; without it, as these samples suggest.
    gamma : float, optional
        What is between black and white is raised to the power 1 / gamma: above 1, it is brighter.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        Transparent where none of the displayed samples is valid; where only some are, the others are dark.
        Of a raster with a palette its colours, whatever limits, bands and gamma.

    Raises
    ------
    ValueError
        If there is not one pair of limits for each displayed band.
    """
    painted = bool(info.palette)
    if painted:
        samples, info, limits, bands = coloured(samples, info_table(info)), coloured_info(info), None, None
    chosen = list(_displayed(len(samples.pixels)) if bands is None else bands)
    missing = None if samples.missing is None else samples.missing[chosen]
    seen = Samples(samples.pixels[chosen], samples.valid, samples.alpha, missing)
    shown, usable = seen.pixels, usable_samples(seen)
    if info.premultiplied and samples.alpha is not None:
        shown = straight(shown, samples.alpha)
    if limits is None and info.dtype != "uint8":
        limits = display_limits(seen)
    elif limits is None and gamma != 1.0 and not painted:
        limits = ((0.0, 255.0),) * len(shown)
    picture = np.empty((*samples.pixels.shape[1:], 4), dtype=np.uint8)
    if limits is None:
        picture[..., :3] = np.moveaxis(shown, 0, 2)
    else:
        for channel, (band, pair) in enumerate(zip(shown, limits, strict=True)):
            picture[..., channel] = _stretch(band, *pair, gamma)
        if len(shown) == 1:
            picture[..., 1] = picture[..., 2] = picture[..., 0]
    if info.white_is_zero:
        np.subtract(255, picture[..., :3], out=picture[..., :3])
    picture[..., 3] = 255 if samples.alpha is None else _alpha8(samples.alpha, opaque)
    gaps = [np.zeros(shown.shape[1:], np.bool_) if good is None else ~good for good in usable]
    for channel in range(3):
        picture[gaps[channel % len(gaps)], channel] = 0
    picture[np.logical_and.reduce(gaps)] = 0
    return picture


def _stretch(band: npt.NDArray[np.generic], low: float, high: float, gamma: float) -> npt.NDArray[np.uint8]:
    if band.dtype.itemsize > 2:
        return _levels(band, low, high, gamma)
    # Small integers have few values: looking them up is several times as fast as computing.
    unsigned = np.dtype(f"u{band.dtype.itemsize}")
    values = np.arange(np.iinfo(unsigned).max + 1, dtype=unsigned).view(band.dtype)
    table = _levels(values, low, high, gamma)
    shown: npt.NDArray[np.uint8] = table[np.ascontiguousarray(band).view(unsigned)]
    return shown


def _levels(band: npt.NDArray[np.generic], low: float, high: float, gamma: float) -> npt.NDArray[np.uint8]:
    values = band.astype(np.float64)
    if high <= low:
        # A constant band has no black and white; mid grey shows at least that something is there.
        grey = np.where(values < low, 0, np.where(values > high, 255, 128))
        return grey.astype(np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.nan_to_num((values - low) / (high - low) * 255.0, nan=0.0)
    scaled = np.clip(scaled, 0.0, 255.0)
    if gamma != 1.0:
        scaled = (scaled / 255.0) ** (1.0 / gamma) * 255.0
    shown: npt.NDArray[np.uint8] = np.rint(scaled).astype(np.uint8)
    return shown


def _opaque(alpha: npt.NDArray[np.generic]) -> float:
    """Value that means opaque: nothing in a file says so, and many keep 8-bit alpha in wider types."""
    if alpha.dtype == np.uint8:
        return 255.0
    largest = float(np.nan_to_num(alpha.astype(np.float64), nan=0.0).max(initial=0.0))
    if alpha.dtype.kind == "f":
        return 1.0 if largest <= 1.0 else 255.0
    return 255.0 if 1.0 < largest <= 255.0 else float(np.iinfo(alpha.dtype.name).max)


def _alpha8(alpha: npt.NDArray[np.generic], opaque: float | None) -> npt.NDArray[np.uint8]:
    if alpha.dtype == np.uint8:
        return alpha.astype(np.uint8)
    values = np.nan_to_num(alpha.astype(np.float64), nan=0.0)
    full = _opaque(alpha) if opaque is None else opaque
    shown: npt.NDArray[np.uint8] = np.rint(np.clip(values / full, 0.0, 1.0) * 255.0).astype(np.uint8)
    return shown
