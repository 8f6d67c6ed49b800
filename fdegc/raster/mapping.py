"""Recorded affine mapping between a raster's samples and the network's range [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fdegc.raster.fill import fill_unknown
from fdegc.raster.validity import Mask
from fdegc.types import IDENTITY, BandMapping, Samples

UnitPixels = npt.NDArray[np.float32]


def usable_pixels(samples: Samples) -> Mask | None:
    """Mask of pixels that mean something: bool (height, width), None if everywhere.

    A pixel is unusable where ``valid`` is False, ``alpha`` is 0, or no band is finite or has a sample.
    """
    usable = samples.valid
    if samples.alpha is not None:
        opaque: Mask = samples.alpha != 0
        usable = opaque if usable is None else usable & opaque
    if samples.pixels.dtype.kind == "f":
        finite: Mask = np.isfinite(samples.pixels).any(axis=0)
        usable = finite if usable is None else usable & finite
    if samples.missing is not None and bool((nothing := samples.missing.all(axis=0)).any()):
        usable = ~nothing if usable is None else usable & ~nothing
    if usable is None or bool(usable.all()):
        return None
    return usable


def usable_samples(samples: Samples) -> tuple[Mask | None, ...]:
    """Mask of each band's samples that mean something: bool (height, width), None if everywhere.

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


def valid_samples(samples: Samples) -> Mask | None:
    """Mask as :func:`usable_samples`, one array: (height, width); (bands, height, width) if bands differ."""
    masks = usable_samples(samples)
    if all(mask is masks[0] for mask in masks):
        return masks[0]
    everywhere = np.ones(samples.pixels.shape[1:], np.bool_)
    return np.stack([everywhere if mask is None else mask for mask in masks])


def count_clipped(samples: Samples, mapping: Sequence[BandMapping]) -> int:
    """Number of usable samples that a mapping cannot tell from its limits."""
    count = 0
    for band, usable, entry in zip(samples.pixels, usable_samples(samples), mapping, strict=True):
        if band.dtype == np.uint8 and entry == IDENTITY:
            continue  # holds every value there is
        values = band if usable is None else band[usable]
        count += int(np.count_nonzero((values < entry.offset) | (values > entry.offset + entry.scale)))
    return count


def to_unit(samples: Samples, mapping: Sequence[BandMapping]) -> UnitPixels:
    """Samples mapped to the network's range.

    Parameters
    ----------
    samples : Samples
        ``pixels`` (bands, height, width) of any codable type.
    mapping : sequence of BandMapping
        One a band.

    Returns
    -------
    ndarray of float32, shape (bands, height, width)
        In [0, 1]; usable samples are continued into the others (:func:`~fdegc.raster.fill.fill_unknown`).

    Raises
    ------
    ValueError
        If there is not one mapping a band.
    """
    unit = np.empty(samples.pixels.shape, dtype=np.float32)
    for plane, band, entry in zip(unit, samples.pixels, mapping, strict=True):
        if entry.scale == 0.0:
            plane[...] = 0.0
        elif band.dtype.itemsize == 1:
            # Every value there is, once; taken by its bytes as an index.
            values = np.arange(256, dtype=np.uint8).view(band.dtype)
            np.take(_unit_values(values, entry), band.view(np.uint8), out=plane, mode="clip")
        else:
            plane[...] = _unit_values(band, entry)
    _fill(unit, usable_samples(samples))
    return unit


def _unit_values(values: npt.NDArray[np.generic], entry: BandMapping) -> UnitPixels:
    # float64, as float32 cannot tell neighbouring values of the 32-bit types apart
    with np.errstate(over="ignore", invalid="ignore"):
        unit = np.clip((values.astype(np.float64) - entry.offset) / entry.scale, 0.0, 1.0)
    return unit.astype(np.float32)


def _fill(unit: UnitPixels, usable: Sequence[Mask | None]) -> None:
    """Fill every band where it is unusable; bands that share their mask together."""
    done = 0
    while done < len(usable):
        known, first = usable[done], done
        while done < len(usable) and usable[done] is known:
            done += 1
        if known is not None:
            fill_unknown(unit[first:done], known)


def from_unit(unit: UnitPixels, mapping: Sequence[BandMapping], dtype: str) -> npt.NDArray[np.generic]:
    """Samples mapped back from the network's range.

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
        value = band.astype(np.float64)
        np.fmin(np.fmax(value, 0.0, out=value), 1.0, out=value)  # fmax takes the other one for NaN
        with np.errstate(over="ignore"):
            value *= entry.scale
            value += entry.offset
        if kind.kind != "f":
            np.rint(value, out=value)
        plane[...] = np.clip(value, float(limits.min), float(limits.max), out=value).astype(kind)
    return result


def band_groups(bands: int) -> tuple[tuple[int, int, int], ...]:
    """Groups of three bands (numbered from 0); the last group repeats its last band to be full.

    Raises
    ------
    ValueError
        If ``bands`` is less than 1.
    """
    if bands < 1:
        raise ValueError("a raster has at least one band")
    last = bands - 1
    return tuple((i, min(i + 1, last), min(i + 2, last)) for i in range(0, bands, 3))


def peak_value(mapping: Sequence[BandMapping]) -> float:
    """Peak of PSNR in source units: the widest span of the bands (1 if all are constant)."""
    return max((entry.scale for entry in mapping), default=0.0) or 1.0
