"""A coarse picture of a huge raster at once, from a few of its blocks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fdegc.raster.display import raster_statistics
from fdegc.raster.mapping import usable_samples
from fdegc.raster.source import RasterSource
from fdegc.raster_info import Window
from fdegc.types import RasterStatistics, Samples

#: Bytes of samples that a glance decodes: about a quarter of a second's worth.
BUDGET = 32 << 20
#: Reduced reads of rasters up to this many bytes are quick even if everything has to be decoded.
QUICK_BYTES = 96 << 20

#: Pixels a side of a block that go into the statistics.
_KEPT = 64
#: Blocks looked at at most (those of a VRT are small, but not what it takes to read them), and pieces that
#: one as wide as the raster is cut into.
_MOST_BLOCKS, _PIECES = 128, 64


def is_quick(source: RasterSource) -> bool:
    """Whether an overview of a raster can be read within about half a second."""
    return source.has_overviews or source.info.raw_bytes <= QUICK_BYTES


def glance(source: RasterSource, budget: int = BUDGET) -> tuple[Samples, RasterStatistics]:
    """Glance at a raster: samples and statistics of evenly spaced blocks instead of all.

    Parameters
    ----------
    source : RasterSource
    budget : int
        Bytes of samples to decode.

    Returns
    -------
    samples : Samples
        One pixel a block looked at, or a row of pixels if blocks are as wide as the raster: means over
        the usable pixels.  To be stretched over the raster.
    statistics : RasterStatistics
        Of pixels of these blocks.

    Raises
    ------
    UnsupportedRaster
        If the file turns out to be damaged.
    """
    info = source.info
    rows, columns = _grid(source, budget)
    height, width = source.block_shape
    pieces = min(_PIECES, width) if width == info.width else 1
    pixels = np.zeros((info.bands, rows, columns * pieces), info.dtype)
    valid = np.zeros((rows, columns * pieces), np.bool_)
    kept: list[Samples] = []
    for row in range(rows):
        for column in range(columns):
            y = _start(row, rows, info.height, height)
            x = _start(column, columns, info.width, width)
            window = Window(x, y, min(width, info.width - x), min(height, info.height - y))
            block = source.read(window)
            means, found = _means(block, pieces)
            at = slice(column * pieces, column * pieces + pieces)
            pixels[:, row, at], valid[row, at] = means, found
            kept.append(_thinned(block))
    statistics = raster_statistics(Samples.concatenate(kept, axis=-1))
    return Samples(pixels, None if valid.all() else valid), statistics


def _grid(source: RasterSource, budget: int) -> tuple[int, int]:
    """How many rows and columns of blocks to look at, in the raster's proportions."""
    info, (height, width) = source.info, source.block_shape
    down, across = -(-info.height // height), -(-info.width // width)
    fitting = budget * info.pixels // (info.raw_bytes * height * width)
    count = min(_MOST_BLOCKS, max(1, fitting))
    columns = min(across, max(1, round(math.sqrt(count * info.width / info.height))))
    rows = min(down, max(1, count // columns))
    return rows, min(across, max(1, count // rows))


def _start(index: int, count: int, size: int, block: int) -> int:
    """Where the block begins that holds the middle of a part of a side."""
    return (2 * index + 1) * size // (2 * count) // block * block


def _means(block: Samples, pieces: int) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]:
    """Means of each band's usable samples over pieces beside each other, and where there are any."""
    usable = usable_samples(block)
    good = np.stack([np.ones(block.pixels.shape[1:], np.bool_) if g is None else g for g in usable])
    values = block.pixels if all(g is None for g in usable) else np.where(good, block.pixels, 0)
    edges = block.pixels.shape[2] * np.arange(pieces) // pieces
    counts = np.add.reduceat(good.sum(axis=1), edges, axis=1)
    sums = np.add.reduceat(values.sum(axis=1, dtype=np.float64), edges, axis=1)
    means = sums / np.maximum(counts, 1)
    if block.pixels.dtype.kind != "f":
        means = np.rint(means)
    return means.astype(block.pixels.dtype), (counts > 0).any(axis=0)


def _thinned(block: Samples) -> Samples:
    """Evenly spaced pixels of a block, in one row."""
    steps = tuple(max(1, side // _KEPT) for side in block.pixels.shape[1:])
    return block.map(lambda array: array[..., :: steps[0], :: steps[1]].reshape(*array.shape[:-2], 1, -1))
