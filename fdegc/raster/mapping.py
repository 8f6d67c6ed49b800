"""Recorded affine mapping between a raster's samples and the network's range [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fdegc.raster.source import Mask, RasterSource
from fdegc.types import BandMapping, Samples

UnitPixels = npt.NDArray[np.float32]


def usable_pixels(samples: Samples) -> Mask | None:
    """Where pixels mean something: bool (height, width), None if everywhere.

    A pixel is unusable where ``valid`` is False, ``alpha`` is 0 or no band is finite.
    """
    usable = samples.valid
    if samples.alpha is not None:
        opaque: Mask = samples.alpha != 0
        usable = opaque if usable is None else usable & opaque
    if samples.pixels.dtype.kind == "f":
        finite: Mask = np.isfinite(samples.pixels).any(axis=0)
        usable = finite if usable is None else usable & finite
    if usable is None or bool(usable.all()):
        return None
    return usable


def usable_samples(samples: Samples) -> tuple[Mask | None, ...]:
    """Where the samples of each band mean something: bool (height, width), None if everywhere.

    In usable pixels, those that are neither ``missing`` nor not finite.
    """
    usable = usable_pixels(samples)
    found = []
    for index, band in enumerate(samples.pixels):
        here = usable
        gaps = None if samples.missing is None else samples.missing[index]
        if band.dtype.kind == "f":
            odd = ~np.isfinite(band)
            gaps = odd if gaps is None else gaps | odd
        if gaps is not None and bool(gaps.any()):
            here = ~gaps if here is None else here & ~gaps
        found.append(here)
    return tuple(found)


def plan_mapping(source: RasterSource) -> tuple[BandMapping, ...]:
    """Choose the mapping of every band.

    Parameters
    ----------
    source : RasterSource
        Read once, by blocks; not at all if it is uint8.

    Returns
    -------
    tuple of BandMapping
        uint8: 0 to 255.  Other types: smallest to largest usable value of the band, in source units;
        scale 0 for a constant band, offset and scale 0 if no pixel is usable.

    Raises
    ------
    UnsupportedRaster
        If the source cannot be read.
    """
    bands = source.info.bands
    if source.info.dtype == "uint8":
        return (BandMapping(0.0, 255.0),) * bands
    low, high = np.full(bands, np.inf), np.full(bands, -np.inf)
    for window in source.scan():
        samples = source.read(window)
        for index, (band, usable) in enumerate(zip(samples.pixels, usable_samples(samples), strict=True)):
            values = band if usable is None else band[usable]
            if values.size:
                low[index] = min(low[index], float(values.min()))
                high[index] = max(high[index], float(values.max()))
    return tuple(_span(float(a), float(b)) for a, b in zip(low, high, strict=True))


def _span(low: float, high: float) -> BandMapping:
    if low > high:
        return BandMapping(0.0, 0.0)
    # Two halves of float64's range make a span beyond it.
    return BandMapping(low, min(high - low, float(np.finfo(np.float64).max)))


def to_unit(samples: Samples, mapping: Sequence[BandMapping]) -> UnitPixels:
    """Map samples to the network's range.

    Parameters
    ----------
    samples : Samples
        ``pixels`` (bands, height, width) of any codable type.
    mapping : sequence of BandMapping
        One a band.

    Returns
    -------
    ndarray of float32, shape (bands, height, width)
        In [0, 1]; unusable samples hold the mean of the band's usable ones (0.5 if there are none),
        which costs the fewest bits.

    Raises
    ------
    ValueError
        If there is not one mapping a band.
    """
    unit = np.empty(samples.pixels.shape, dtype=np.float32)
    for plane, band, entry, usable in zip(
        unit, samples.pixels, mapping, usable_samples(samples), strict=True
    ):
        if entry.scale == 0.0:
            plane[...] = 0.0
        else:
            # float64, as float32 cannot tell neighbouring values of the 32-bit types apart
            with np.errstate(over="ignore", invalid="ignore"):
                plane[...] = np.clip((band.astype(np.float64) - entry.offset) / entry.scale, 0.0, 1.0)
        if usable is not None:
            good = plane[usable]
            plane[~usable] = good.mean(dtype=np.float64) if good.size else 0.5
    return unit


def from_unit(unit: UnitPixels, mapping: Sequence[BandMapping], dtype: str) -> npt.NDArray[np.generic]:
    """Map the network's range back to samples.

    Parameters
    ----------
    unit : ndarray of float32, shape (bands, height, width)
        Clipped to [0, 1]; NaN counts as 0.
    mapping : sequence of BandMapping
        One a band.
    dtype : str
        numpy name of the samples' type; integers are rounded to the nearest.

    Returns
    -------
    ndarray of ``dtype``, shape (bands, height, width)
        In source units, clipped to the range of ``dtype``.

    Raises
    ------
    ValueError
        If there is not one mapping a band.
    """
    kind = np.dtype(dtype)
    result: npt.NDArray[np.generic] = np.empty(unit.shape, dtype=kind)
    limits = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    for plane, band, entry in zip(result, unit, mapping, strict=True):
        t = np.clip(np.nan_to_num(band.astype(np.float64), nan=0.0), 0.0, 1.0)
        with np.errstate(over="ignore"):
            value = entry.offset + entry.scale * t
        if kind.kind != "f":
            value = np.rint(value)
        plane[...] = np.clip(value, float(limits.min), float(limits.max)).astype(kind)
    return result


def band_groups(bands: int) -> tuple[tuple[int, int, int], ...]:
    """Split bands (numbered from 0) into threes; the last group repeats its last band to be full.

    Raises
    ------
    ValueError
        If ``bands`` is less than 1.
    """
    if bands < 1:
        raise ValueError("a raster has at least one band")
    last = bands - 1
    return tuple((i, min(i + 1, last), min(i + 2, last)) for i in range(0, bands, 3))


def peak_value(dtype: str, mapping: Sequence[BandMapping]) -> float:
    """Peak of PSNR in source units: 255 for uint8, else the widest span (1 if all bands are constant)."""
    if dtype == "uint8":
        return 255.0
    return max((entry.scale for entry in mapping), default=0.0) or 1.0
