"""Decision on what is coded without loss although nobody asked: palettes, and bands of classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fdegc.options import EncodeOptions
from fdegc.raster.mapping import usable_pixels
from fdegc.raster.source import RasterSource
from fdegc.raster_info import RasterInfo, Window

#: Most distinct values of a band of classes.
MOST_CLASSES = 64
#: Least share of neighbours that are equal, and of the unequal ones that have another value in between.
#: A photograph of few grey levels steps from each to the next; classes lie beside any other.
_EQUAL, _APART = 0.75, 0.25
#: The latter of three values; fewer are no photograph.
_APART_OF_THREE = 0.02

#: Rasters of up to so many pixels are looked at whole, of larger ones windows along each side.
_WHOLE, _PIECE = 4_000_000, 512
_WINDOWS, _SIDE = 8, 256

_PALETTE = (
    "This raster has a palette, which is kept: its indices are coded without loss, whatever the rate; "
    "{switch} has its colours coded with losses."
)
_CLASSES = (
    "This band has {count}: it is coded without loss, as classes, whatever the rate; {switch} has it coded "
    "with losses."
)


def palette_way(options: EncodeOptions) -> str:
    """What a raster with a palette is to be opened as for a compression, one of ``PALETTES``.

    Colours are coded where losses are asked for, or what makes sense only with them: a target, a range,
    weights of bands.
    """
    return "colours" if _wants_losses(options) else "indices"


def _wants_losses(options: EncodeOptions) -> bool:
    return bool(options.lossy or options.target or options.ranges or options.band_weights)


def settle(
    source: RasterSource, options: EncodeOptions, switch: str = "--lossy"
) -> tuple[EncodeOptions, str | None]:
    """Options that a raster is compressed with: without loss, if it has a palette or is a band of classes.

    Parameters
    ----------
    source : RasterSource
        Opened as :func:`palette_way` says.
    options : EncodeOptions
        What was asked for.
    switch : str
        What asks for losses all the same, as the user knows it.

    Returns
    -------
    options : EncodeOptions
    notice : str or None
        A sentence if they are others than those that were asked for.

    Raises
    ------
    UnsupportedRaster
        If the file turns out to be damaged.
    """
    if _wants_losses(options) or options.max_error == 0:
        return options, None
    if source.has_palette:
        return replace(options, max_error=0.0), _PALETTE.format(switch=switch)
    count = None if options.max_error is not None else class_count(source)
    if count is None:
        return options, None
    said = "one value only" if count == 1 else f"{count} distinct values in large areas"
    return replace(options, max_error=0.0), _CLASSES.format(count=said, switch=switch)


def class_count(source: RasterSource) -> int | None:
    """Number of distinct values of a band of classes, as far as it is looked at; None for anything else.

    Classes are a single band of integers that has few values in large areas, and areas that do not step from
    one value to the next as those of a smooth picture do.  Values that are not valid do not count.

    Raises
    ------
    UnsupportedRaster
        If the file turns out to be damaged.
    """
    info = source.info
    if info.bands != 1 or np.dtype(info.dtype).kind not in "iu":
        return None
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]] = []
    values: npt.NDArray[np.int64] = np.empty(0, np.int64)
    for window in _windows(info):
        samples = source.read(window)
        band, usable = samples.pixels[0].astype(np.int64), usable_pixels(samples)
        values = np.union1d(values, band if usable is None else band[usable])
        if len(values) > MOST_CLASSES:
            return None
        parts.append((band, usable))
    if len(values) <= 2:
        return len(values) or None
    # What fills the surroundings of a picture, or most of it, says nothing about the rest.
    counts = np.zeros(len(values), np.int64)
    for band, usable in parts:
        ranks = np.searchsorted(values, (band if usable is None else band[usable]).ravel())
        counts += np.bincount(ranks, minlength=len(values))
    most = int(np.argmax(counts))
    pairs = equal = apart = 0
    for band, usable in parts:
        ranks = np.searchsorted(values, band)
        for axis in (0, 1):
            steps = np.abs(np.diff(ranks, axis=axis))
            counting = ~_both(ranks == most, axis)
            if usable is not None:
                counting &= _both(usable, axis)
            steps = steps[counting]
            pairs += steps.size
            equal += int((steps == 0).sum())
            apart += int((steps > 1).sum())
    least = _APART_OF_THREE if len(values) == 3 else _APART
    calm = equal >= _EQUAL * pairs and apart >= least * (pairs - equal)
    return len(values) if calm else None


def _both(mask: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    """Where a mask holds for a pixel and for the next one."""
    return mask[1:] & mask[:-1] if axis == 0 else mask[:, 1:] & mask[:, :-1]


def _windows(info: RasterInfo) -> Iterator[Window]:
    if info.pixels <= _WHOLE:
        for y in range(0, info.height, _PIECE):
            for x in range(0, info.width, _PIECE):
                yield Window(x, y, min(_PIECE, info.width - x), min(_PIECE, info.height - y))
        return
    width, height = min(_SIDE, info.width), min(_SIDE, info.height)
    for row in range(_WINDOWS):
        for column in range(_WINDOWS):
            x, y = (info.width - width) * column, (info.height - height) * row
            yield Window(x // (_WINDOWS - 1), y // (_WINDOWS - 1), width, height)
