"""Range of values that is coded of every band, and the outliers that would make it wide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fdegc.errors import InvalidOption
from fdegc.options import ValueRange
from fdegc.raster.mapping import usable_samples
from fdegc.raster.source import RasterSource
from fdegc.raster.statistics import percentiles
from fdegc.raster.validity import Mask, Pixels
from fdegc.types import IDENTITY, BandMapping, Outliers, Samples

#: Up to where numbers are tried in single precision, and how much wider a range may get by that.
_SINGLE_MOST, _SINGLE_WIDER = 1e38, 1e-6
#: Values of a band that are looked at for outliers, and the share of them, on either side, that may be some.
_LOOKED_AT, _FEW = 1 << 16, 1e-3
#: How many times as wide outliers must make a range: by two bits.
_WIDER = 4.0
#: Runs of outliers of all bands together, at most (24 bytes of memory each).
_MOST_RUNS = 1 << 20
#: Samples of which one may begin a run that is not like the one before it (of one or two values in all, and
#: of more), and how many may in any scene.
_SAMPLES_A_RUN, _LEAST_RUNS = (256, 1024), 16
#: Samples that may be outliers, for one that is none.
_FAR = 19

Runs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Pixels]


class CodedRange(NamedTuple):
    """Mapping of every band, and what is kept beside it.

    Attributes
    ----------
    mapping : tuple of BandMapping
    outliers : Outliers or None
        Usable samples outside of it that are not to be cut off; None where there are none.
    """

    mapping: tuple[BandMapping, ...]
    outliers: Outliers | None = None


def plan_mapping(source: RasterSource, ranges: Sequence[ValueRange] = ()) -> tuple[BandMapping, ...]:
    """Mapping of every band to the network's range, chosen; as of :func:`coded_range`."""
    return coded_range(source, ranges).mapping


def coded_range(source: RasterSource, ranges: Sequence[ValueRange] = ()) -> CodedRange:
    """Range of values that is coded of every band.

    Parameters
    ----------
    source : RasterSource
        Read by blocks, once or twice; not at all if it is uint8 or all limits are given.
    ranges : sequence of ValueRange
        Limits that are asked for: none, one for all bands, or one a band.

    Returns
    -------
    CodedRange
        Without ``ranges``: uint8: 0 to 255; other types: smallest to largest usable value of the band but
        for outliers, in source units, or up to a millionth wider, so that single precision holds it; scale 0
        for a constant band, offset and scale 0 if no pixel is usable.  With them: no outliers.

    Raises
    ------
    InvalidOption
        If there is another number of ranges than of bands.
    UnsupportedRaster
        If the source cannot be read.
    """
    bands = source.info.bands
    if not ranges:
        return CodedRange((IDENTITY,) * bands) if source.info.dtype == "uint8" else _found(source)
    if len(ranges) not in (1, bands):
        raise InvalidOption(
            f"{len(ranges)} ranges were given for {bands} bands; give one for all, or one a band."
        )
    wanted = list(ranges) * (bands if len(ranges) == 1 else 1)
    limits = [(entry.low, entry.high) for entry in wanted]
    if any(entry.percent for entry in wanted):
        shares = [pair if entry.percent else () for entry, pair in zip(wanted, limits, strict=True)]
        found = percentiles(lambda: _usable_values(source), source.info.dtype, shares)
        limits = [(own[0], own[1]) if own else pair for own, pair in zip(found, limits, strict=True)]
    return CodedRange(tuple(_span(low, high) for low, high in limits))


def _usable_values(source: RasterSource) -> Iterator[list[Pixels]]:
    """Usable samples of each band, window by window."""
    for window in source.scan():
        yield _usable(source.read(window))


def _usable(samples: Samples) -> list[Pixels]:
    return [
        band.ravel() if usable is None else band[usable]
        for band, usable in zip(samples.pixels, usable_samples(samples), strict=True)
    ]


def _found(source: RasterSource) -> CodedRange:
    """Range of the values that there are, and outliers."""
    info = source.info
    limits = [(math.inf, -math.inf)] * info.bands
    seen: list[list[Pixels]] = [[] for _ in limits]
    # An odd step, or it might meet the same columns again and again.
    step = info.pixels // _LOOKED_AT | 1
    for bands in _usable_values(source):
        for index, values in enumerate(bands):
            if values.size:
                low, high = limits[index]
                limits[index] = min(low, float(values.min())), max(high, float(values.max()))
                seen[index].append(values[::step].copy())
    fences = [_fence(values, *pair) for values, pair in zip(seen, limits, strict=True)]
    mapping = [_span(*pair) for pair in limits]
    outliers = _outliers(source, fences, mapping)
    return CodedRange(tuple(map(_single, mapping)), outliers)


def _outliers(
    source: RasterSource, fences: Sequence[tuple[float, float] | None], mapping: list[BandMapping]
) -> Outliers | None:
    """Outliers of all bands; the mapping of bands that have some becomes that of their other samples."""
    if all(fence is None for fence in fences):
        return None
    info = source.info
    most = _MOST_RUNS // info.bands
    finders = [None if fence is None else _Finder(*fence, info.width, most) for fence in fences]
    for window in source.scan():
        samples = source.read(window)
        for finder, band, usable in zip(finders, samples.pixels, usable_samples(samples), strict=True):
            if finder is not None:
                finder.add(band, usable, window.x, window.y)
    runs = []
    for index, finder in enumerate(finders):
        found = None if finder is None else finder.worth(mapping[index].scale)
        if finder is not None and found is not None:
            mapping[index] = _span(finder.low, finder.high)
        runs.append(found or _no_runs(info.dtype))
    starts, lengths, values = zip(*runs, strict=True)
    return Outliers(info.width, starts, lengths, values) if any(map(len, starts)) else None


def _fence(seen: Sequence[Pixels], low: float, high: float) -> tuple[float, float] | None:
    """Limits beyond which values may be outliers: those of nearly all, and as much again on both sides.

    None if they are not far enough from each other for outliers to matter.
    """
    if not low < high:
        return None
    values = np.sort(np.concatenate(seen)).astype(np.float64)
    # What stands for missing samples is often one value, which any number of samples may have.
    inner = values[(values != low) & (values != high)]
    few = max(round(_FEW * inner.size), min(_LEAST_RUNS, inner.size // 64), 1)
    if inner.size > 8 * few:
        least, most = float(inner[few]), float(inner[-1 - few])
        width = most - least
        if width * _WIDER <= high - low:
            return least - width, most + width
    # All others may be one value, too.
    for value in (low, high):
        if 2 * np.count_nonzero(values == value) > values.size:
            return value, value
    return None


class _Finder:
    """Collection of a band's outliers.

    Parameters
    ----------
    least, most : float
        Limits beyond which values are outliers.
    width : int
        Pixels of the scene's rows.
    runs : int
        Largest number of runs that is collected.

    Attributes
    ----------
    low, high : float
        Smallest and largest of the other values.
    """

    def __init__(self, least: float, most: float, width: int, runs: int) -> None:
        self._least, self._most, self._width, self._most_runs = least, most, width, runs
        self.low, self.high = math.inf, -math.inf
        self._others = self._far = self._count = 0
        self._parts: list[Runs] = []

    def add(self, band: Pixels, usable: Mask | None, x: int, y: int) -> None:
        """Look at a window of the band, whose upper left sample lies at column x and row y."""
        numbers = band.astype(np.float64)
        far = (numbers < self._least) | (numbers > self._most)
        if usable is not None:
            far &= usable
        others = numbers[~far if usable is None else usable & ~far]
        if others.size:
            self.low, self.high = min(self.low, float(others.min())), max(self.high, float(others.max()))
        self._others += others.size
        if self._count > self._most_runs or not far.any():
            return
        rows, columns = np.nonzero(far)
        part = _joined((rows + y) * self._width + columns + x, np.ones(rows.size, np.int64), band[far])
        self._far += rows.size
        self._count += part[0].size
        self._parts.append(part)

    def worth(self, scale: float) -> Runs | None:
        """Starts, lengths and values of runs, in order; None if they are not worth what they take.

        Parameters
        ----------
        scale : float
            Span of all values.
        """
        narrow, total = self.high - self.low, self._far + self._others
        if not (0 < self._count <= self._most_runs and self._far <= _FAR * self._others):
            return None
        if not 0 <= narrow * _WIDER <= scale:
            return None
        # Beside a constant, areas of other values are a drawing.
        if narrow == 0 and self._far > max(total // _SAMPLES_A_RUN[1], _LEAST_RUNS):
            return None
        columns = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
        order = np.argsort(columns[0])
        starts, lengths, values = _joined(*(column[order] for column in columns))
        # Runs as far from each other, as long and of the same value as those before take next to nothing.
        gaps = np.diff(starts, prepend=0)
        new = (np.diff(gaps) != 0) | (np.diff(lengths) != 0) | _differ(values)
        few = max(total // _SAMPLES_A_RUN[len(np.unique(values)) > 2], _LEAST_RUNS)
        return (starts, lengths, values) if np.count_nonzero(new) < few else None


def _joined(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], values: Pixels) -> Runs:
    """Runs of which those that touch, and have one value, are one."""
    goes_on = (starts[1:] == starts[:-1] + lengths[:-1]) & ~_differ(values)
    first = np.flatnonzero(np.concatenate(([True], ~goes_on)))
    return starts[first], np.add.reduceat(lengths, first), values[first]


def _differ(values: Pixels) -> Mask:
    """Whether each value but the first has other bytes than the one before it, as 0 and −0 have."""
    raw = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    different: Mask = raw[1:] != raw[:-1]
    return different


def _no_runs(dtype: str) -> Runs:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, dtype)


def _single(exact: BandMapping) -> BandMapping:
    """Mapping as single precision holds it, if next to nothing wider: files store that in half the bytes."""
    numbers = exact.offset, exact.scale
    if not exact.scale or max(map(abs, numbers)) > _SINGLE_MOST:
        return exact
    offset = np.float32(exact.offset)
    if offset > exact.offset:
        offset = np.nextafter(offset, np.float32(-np.inf))
    needed = exact.scale + (exact.offset - float(offset))
    scale = np.float32(needed)
    if scale < needed:
        scale = np.nextafter(scale, np.float32(np.inf))
    wider = float(scale) - exact.scale
    return BandMapping(float(offset), float(scale)) if wider <= _SINGLE_WIDER * exact.scale else exact


def _span(low: float, high: float) -> BandMapping:
    if not low <= high:  # no usable pixel: (inf, -inf) or NaN
        return BandMapping(0.0, 0.0)
    # Two halves of float64's range make a span beyond it.
    return BandMapping(float(low), min(float(high - low), float(np.finfo(np.float64).max)))
