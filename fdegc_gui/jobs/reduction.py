"""Reduced reading: parts of a scene as fine as a screen shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples

#: Pixels of the scene that are read between two looks at the cancel token.
_CHUNK_PIXELS = 4_000_000
_CHUNK_ROWS = 1024


class Reducible(Protocol):
    """Source of reduced samples: a raster source or a stored reconstruction."""

    @property
    def info(self) -> RasterInfo:
        """Size, type and bands of the raster."""

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of the least that a read decodes."""

    @property
    def has_overviews(self) -> bool:
        """Whether reduced reads are cheap."""

    def read_reduced(self, window: Window, width: int, height: int) -> Samples:
        """Samples of a window at a smaller size."""


def aligned(window: Window, factor: int, width: int, height: int) -> Window:
    """Window widened to whole blocks of ``factor`` pixels a side, within a scene."""
    left, top = window.x // factor * factor, window.y // factor * factor
    right = min(width, -(-(window.x + window.width) // factor) * factor)
    bottom = min(height, -(-(window.y + window.height) // factor) * factor)
    return Window(left, top, right - left, bottom - top)


def chunks(source: Reducible, window: Window, factor: int) -> Iterator[tuple[Window, Samples]]:
    """Rows of a window, read from top to bottom, one pixel for ``factor`` × ``factor``.

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


def plane_sums(plane: npt.NDArray[Any], factor: int, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Sums over blocks of pixels: first of whole rows, then of columns that lie apart, each at one go.

    Parameters
    ----------
    plane : ndarray, shape (height, width)
    factor : int
        Pixels a block's side; blocks at the right and lower edge may be smaller.
    dtype : dtype
        Of the sums.

    Returns
    -------
    ndarray, shape (rows, columns) of blocks
    """
    if factor == 1:
        return plane.astype(dtype, copy=False)
    height, width = plane.shape
    if height % factor or width % factor:
        plane = np.pad(plane, ((0, -height % factor), (0, -width % factor)))
    rows = plane.reshape(plane.shape[0] // factor, factor, plane.shape[1]).sum(axis=1, dtype=dtype)
    if factor > 16:
        wide: npt.NDArray[Any] = rows.reshape(len(rows), -1, factor).sum(axis=-1, dtype=dtype)
        return wide
    out: npt.NDArray[Any] = rows[:, ::factor].copy()
    for first in range(1, factor):
        out += rows[:, first::factor]
    return out


def block_counts(height: int, width: int, factor: int) -> npt.NDArray[np.float32]:
    """Pixels of every block of a plane, fewer at the right and lower edge; see :func:`plane_sums`."""
    sides = (np.minimum(factor, side - np.arange(0, side, factor)) for side in (height, width))
    counts: npt.NDArray[np.float32] = np.multiply.outer(*sides).astype(np.float32)
    return counts
