"""Map of a figure of every tile: its bytes, or its PSNR."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import RasterInfo, Window
from fdegc_gui.models.colormaps import SEQUENTIAL, table
from fdegc_gui.models.pyramid import Bgra
from fdegc_gui.text import NONE, decibels, human_bytes

#: Colours: the last one is where most bytes a pixel went, or most of the error is.
COLORS = SEQUENTIAL[0]
#: dB that all colours are at least: twice the error.  Less would be told as if it were much.
_LEAST_SPAN = 6.0


class TileFigure(enum.Enum):
    """Figure of a tile."""

    BYTES = "bytes"
    PSNR = "psnr"


@dataclass(frozen=True, slots=True)
class ByteShare:
    """Bytes that a region takes of a compressed file, by its tiles, and their part of all tiles' bytes."""

    bytes: float
    part: float

    @property
    def row(self) -> tuple[str, str]:
        """Name and value in words."""
        percent = 100 * self.part
        return (
            "Bytes, by its tiles",
            f"≈ {human_bytes(round(self.bytes))}, {percent:.{1 if percent < 9.95 else 0}f} %",
        )


@dataclass(frozen=True, eq=False)
class TileMap:
    """Map of a figure of every tile.

    Attributes
    ----------
    figure : TileFigure
    tile_size : int
        Side of a tile in pixels.
    values : ndarray of float64, shape (rows, columns)
        Bytes, or dB: infinite without an error; not a number where nothing is known.
    size : (int, int)
        Width and height of the scene.
    """

    figure: TileFigure
    tile_size: int
    values: npt.NDArray[np.float64]
    size: tuple[int, int]

    @classmethod
    def of(
        cls, figure: TileFigure, tile_size: int, values: npt.NDArray[np.float64], info: RasterInfo
    ) -> TileMap:
        """Map from the values of a scene's tiles in raster order."""
        columns = -(-info.width // tile_size)
        return cls(figure, tile_size, values.reshape(-1, columns), (info.width, info.height))

    def window(self, row: int, column: int) -> Window:
        """Window of a tile."""
        x, y, side = column * self.tile_size, row * self.tile_size, self.tile_size
        return Window(x, y, min(side, self.size[0] - x), min(side, self.size[1] - y))

    def share(self, window: Window) -> ByteShare:
        """Bytes of the tiles that a window meets, each as far as it lies in the window."""
        parts = []
        for first, length, size in (
            (window.y, window.height, self.size[1]),
            (window.x, window.width, self.size[0]),
        ):
            starts = np.arange(0, size, self.tile_size)
            ends = np.minimum(starts + self.tile_size, size)
            inside = np.minimum(ends, first + length) - np.maximum(starts, first)
            parts.append(inside.clip(0) / (ends - starts))
        inside = parts[0] @ self.values @ parts[1]
        return ByteShare(float(inside), float(inside / self.values.sum()))

    @property
    def levels(self) -> npt.NDArray[np.float64]:
        """What tiles are compared by: bits a pixel, for those at the edge are smaller than others; or dB."""
        if self.figure is TileFigure.PSNR:
            return self.values
        heights, widths = (
            np.minimum(self.tile_size, size - self.tile_size * np.arange(count))
            for size, count in zip(self.size[::-1], self.values.shape, strict=True)
        )
        return 8 * self.values / np.outer(heights, widths)

    def words(self, row: int, column: int) -> str:
        """Value of a tile in words."""
        value = float(self.values[row, column])
        if math.isnan(value):
            return NONE
        if self.figure is TileFigure.PSNR:
            return decibels(value)
        return f"{human_bytes(round(value))} · {self.label(row, column)}"

    def label(self, row: int, column: int) -> str:
        """Level of a tile in words that are as short as they can be."""
        level = float(self.levels[row, column])
        return NONE if math.isnan(level) else self.level_words(level)

    def level_words(self, level: float) -> str:
        """One of `levels` in words."""
        return decibels(level) if self.figure is TileFigure.PSNR else f"{level:.2f} bpp"

    def worst(self, count: int) -> list[tuple[int, int]]:
        """Rows and columns of the tiles that took most bits a pixel, or that are kept worst, these first."""
        flat = self.levels.ravel()
        order = np.argsort(-flat if self.figure is TileFigure.BYTES else flat, kind="stable")
        known = order[np.isfinite(flat[order])][:count]
        return [(int(at) // self.values.shape[1], int(at) % self.values.shape[1]) for at in known]

    @property
    def ends(self) -> tuple[float, float] | None:
        """Levels of the first and of the last colour; None if no tile has a finite one.

        Bits a pixel begin at none, and decibels span a doubling of the error at least, so that tiles that are
        nearly alike look so.
        """
        levels = self.levels
        found = levels[np.isfinite(levels)]
        if not found.size:
            return None
        low, high = float(found.min()), float(found.max())
        if self.figure is TileFigure.BYTES:
            return 0.0, high
        missing = max(_LEAST_SPAN - (high - low), 0.0) / 2
        return high + missing, low - missing

    def picture(self) -> Bgra:
        """Picture with a pixel a tile, transparent where nothing is known.

        Returns
        -------
        ndarray of uint8, shape (rows, columns, 4)
        """
        levels = self.levels
        out = np.zeros((*levels.shape, 4), np.uint8)
        first, last = self.ends or (0.0, 0.0)
        span = last - first
        clean = np.where(np.isposinf(levels), first, levels)
        part = (clean - first) / span if span else np.zeros_like(clean)
        known = ~np.isnan(clean)
        steps = np.rint(np.where(known, part, 0.0).clip(0, 1) * 255).astype(np.uint8)
        out[..., 2::-1] = table(COLORS)[steps]
        out[..., 3] = 255
        out[~known] = 0
        return out
