"""Reads parts of a scene as finely as a screen shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples

#: Pixels of the scene that are read between two looks at the cancel token.
_CHUNK_PIXELS = 4_000_000
_CHUNK_ROWS = 1024


class Reducible(Protocol):
    """What can be read in part and reduced: a raster source or a stored reconstruction."""

    @property
    def info(self) -> RasterInfo:
        """What it is."""

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of the least that a read decodes."""

    @property
    def has_overviews(self) -> bool:
        """Whether reduced reads are cheap."""

    def read_reduced(self, window: Window, width: int, height: int) -> Samples:
        """Return a window's samples at a smaller size."""


def aligned(window: Window, factor: int, width: int, height: int) -> Window:
    """Widen a window to whole blocks of ``factor`` pixels a side, within a scene."""
    left, top = window.x // factor * factor, window.y // factor * factor
    right = min(width, -(-(window.x + window.width) // factor) * factor)
    bottom = min(height, -(-(window.y + window.height) // factor) * factor)
    return Window(left, top, right - left, bottom - top)


def chunks(source: Reducible, window: Window, factor: int) -> Iterator[tuple[Window, Samples]]:
    """Read a window in rows from top to bottom, one pixel for ``factor`` × ``factor``.

    Parameters
    ----------
    source : Reducible
    window : Window
        As :func:`aligned` makes it.
    factor : int

    Yields
    ------
    (Window, Samples)
        Whole rows of the window, and what was read there.
    """
    rows = max(1, _CHUNK_PIXELS // window.width)
    if source.has_overviews:
        rows = max(rows, _CHUNK_ROWS * factor)
    rows = -(-max(rows, source.block_shape[0]) // factor) * factor
    bottom = window.y + window.height
    for y in range(window.y, bottom, rows):
        part = Window(window.x, y, window.width, min(rows, bottom - y))
        yield part, source.read_reduced(part, -(-part.width // factor), -(-part.height // factor))


def block_means(samples: Samples, factor: int) -> Samples:
    """Average blocks of pixels.

    Parameters
    ----------
    samples : Samples
    factor : int
        Pixels a block's side; blocks at the right and lower edge may be smaller.

    Returns
    -------
    Samples
        Means of the valid samples; valid where a block has any.
    """
    rows, columns = (np.arange(0, side, factor) for side in samples.pixels.shape[1:])
    valid, gaps = samples.valid, samples.missing
    good = np.ones(samples.pixels.shape[1:], np.bool_) if valid is None else valid
    if gaps is not None:
        good = good & ~gaps
    counts = _sums(good, rows, columns)
    pixels = samples.pixels if valid is None and gaps is None else np.where(good, samples.pixels, 0)
    means = _typed(_sums(pixels, rows, columns) / np.maximum(counts, 1), samples.pixels.dtype)
    missing = None
    if gaps is not None:
        missing, counts = counts == 0, counts.max(axis=0)
        missing &= counts > 0
    alpha = None
    if samples.alpha is not None:
        everything = _sums(np.ones(samples.alpha.shape), rows, columns)
        alpha = _typed(_sums(samples.alpha, rows, columns) / everything, samples.alpha.dtype)
    return Samples(means, None if valid is None else counts > 0, alpha, missing)


def _sums(array: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.add.reduceat(np.add.reduceat(array, rows, axis=-2, dtype=np.float64), columns, axis=-1)


def _typed(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)
