"""Tiling of a scene: windows of tiles, their halos and their neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import STRIDE

#: Scenes are padded to multiples of this, the pixels of one latent sample.  The two further halvings
#: in h_a need no more pixels: latents that show nothing are not worth their bits.
ALIGNMENT = STRIDE


def align(size: int) -> int:
    """Smallest multiple of 16 that is not below ``size``."""
    return -(-size // ALIGNMENT) * ALIGNMENT


class TilePlan:
    """Tiles of a scene in raster order.

    Parameters
    ----------
    width, height : int
        Size of the scene in pixels, ≥ 1.
    tile_size : int
        Side of a tile, a multiple of 64; tiles at the right and lower edge are cut to what is left.
    halo : int
        Pixels of neighbouring tiles that a transform sees, a multiple of 16, at most ``tile_size``.
    """

    def __init__(self, width: int, height: int, tile_size: int, halo: int) -> None:
        self.width, self.height = width, height
        self.padded_width, self.padded_height = align(width), align(height)
        self.tile_size, self.halo = tile_size, halo
        self.columns = -(-width // tile_size)
        self.rows = -(-height // tile_size)

    def __len__(self) -> int:
        return self.columns * self.rows

    def _origin(self, index: int) -> tuple[int, int]:
        row, column = divmod(index, self.columns)
        return column * self.tile_size, row * self.tile_size

    def window(self, index: int) -> Window:
        """Window of a tile, clipped to the scene."""
        x, y = self._origin(index)
        return Window(x, y, min(self.tile_size, self.width - x), min(self.tile_size, self.height - y))

    def padded_window(self, index: int) -> Window:
        """Window of a tile, clipped to the padded scene; all numbers are multiples of 16."""
        x, y = self._origin(index)
        return Window(
            x, y, min(self.tile_size, self.padded_width - x), min(self.tile_size, self.padded_height - y)
        )

    def context_window(self, index: int) -> Window:
        """Window of a tile with its halo, clipped to the padded scene; all numbers are multiples of 16."""
        tile = self.padded_window(index)
        left, top = max(tile.x - self.halo, 0), max(tile.y - self.halo, 0)
        right = min(tile.x + tile.width + self.halo, self.padded_width)
        bottom = min(tile.y + tile.height + self.halo, self.padded_height)
        return Window(left, top, right - left, bottom - top)

    def neighbours(self, index: int) -> list[int]:
        """A tile and those that touch it, corners included, in raster order."""
        row, column = divmod(index, self.columns)
        return [
            r * self.columns + c
            for r in range(max(row - 1, 0), min(row + 2, self.rows))
            for c in range(max(column - 1, 0), min(column + 2, self.columns))
        ]

    def touching(self, window: Window) -> list[int]:
        """Tiles that share pixels with a window, in raster order."""
        first_row, last_row = window.y // self.tile_size, (window.y + window.height - 1) // self.tile_size
        first, last = window.x // self.tile_size, (window.x + window.width - 1) // self.tile_size
        return [r * self.columns + c for r in range(first_row, last_row + 1) for c in range(first, last + 1)]

    def needed(self, tiles: list[int]) -> list[int]:
        """Tiles whose payload must be decoded to synthesise ``tiles``, in raster order."""
        return sorted({n for index in tiles for n in self.neighbours(index)})


def reflect_pad(array: npt.NDArray[np.generic], height: int, width: int) -> npt.NDArray[np.generic]:
    """Reflection padding of (…, h, w) on the right and below, as often as needed.

    Parameters
    ----------
    array : ndarray, shape (…, h, w)
    height, width : int
        Size to reach, not below the array's.

    Returns
    -------
    ndarray, shape (…, height, width)
    """
    if array.shape[-2:] == (height, width):
        return array
    rows = _reflected(array.shape[-2], height)
    cols = _reflected(array.shape[-1], width)
    return array[..., rows[:, None], cols[None, :]]


def _reflected(size: int, target: int) -> npt.NDArray[np.intp]:
    if size == 1:
        return np.zeros(target, np.intp)
    period = 2 * (size - 1)
    position = np.arange(target) % period
    return np.where(position < size, position, period - position)


def sample_windows(info: RasterInfo, side: int, count: int) -> list[Window]:
    """Windows on a scene's diagonal by which it is judged, fewer where they would coincide.

    Parameters
    ----------
    info : RasterInfo
    side : int
        Of a window in pixels; those of a smaller scene are as large as it is.
    count : int
    """
    width, height = min(side, info.width), min(side, info.height)
    places = [(i + 0.5) / count for i in range(count)]
    windows = {
        Window(round((info.width - width) * p), round((info.height - height) * p), width, height)
        for p in places
    }
    return sorted(windows, key=lambda w: (w.x, w.y))
