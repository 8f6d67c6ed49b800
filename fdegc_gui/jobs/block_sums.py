"""Sums over blocks of two pictures: what every map of their differences that is zoomed out is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.reduction import block_counts, plane_sums
from fdegc_gui.jobs.similarity import mean_ssim
from fdegc_gui.jobs.sources import known_samples

_Array = npt.NDArray[Any]

#: What the sums of one pair may take; the blocks are as small as that allows.
_BYTES = 128 * 2**20
#: Side of the squares of the scene that are read at a time; a multiple of any block's side.
_CELL = 1024
_LARGEST_BLOCK = 128


class BlockSums:
    """Sums of two pictures and of the sizes of their differences, over blocks, filled square by square.

    One reading of both gives the maps of every kind and band, of any part, as coarse as the blocks or
    coarser: sums of sums are what reading everything again would give.  For one thread at a time.

    Parameters
    ----------
    info : RasterInfo
        Of the scene that both pictures show.
    black : float
        Least sample.

    Attributes
    ----------
    factor : int
        Pixels a block's side, a power of two, 2 to 128; at the right and lower edge it may be smaller.
    """

    def __init__(self, info: RasterInfo, black: float) -> None:
        self._info = info
        dtype = np.dtype(info.dtype)
        self._small = dtype.kind in "iu" and dtype.itemsize <= 2
        # Of small integers sums are exact.  Of others they are of what lies above the least sample: sums of
        # large numbers would lose the digits in which the pictures differ.
        self._black = 0.0 if self._small else black
        self.factor = 2
        while self._bytes() > _BYTES and self.factor < _LARGEST_BLOCK:
            self.factor *= 2
        self._planes: tuple[_Array, _Array, _Array] | None = None
        self._counts: npt.NDArray[np.uint16] | None = None
        rows, columns = -(-info.height // _CELL), -(-info.width // _CELL)
        self._filled = np.zeros((rows, columns), np.bool_)

    def _types(self) -> tuple[np.dtype[Any], np.dtype[Any]]:
        """Types of the sums of samples and of the sums of sizes of differences."""
        dtype = np.dtype(self._info.dtype)
        if not self._small:
            return np.dtype(np.float64), np.dtype(np.float64)
        if dtype.itemsize == 1 and self.factor**2 * 255 < 2**16 and dtype.kind == "u":
            return np.dtype(np.uint16), np.dtype(np.uint16)
        return np.dtype(np.uint32 if dtype.kind == "u" else np.int32), np.dtype(np.uint32)

    def _bytes(self) -> int:
        rows, columns = self._shape()
        samples, sizes = self._types()
        return rows * columns * (self._info.bands * (2 * samples.itemsize + sizes.itemsize) + 2)

    def _shape(self) -> tuple[int, int]:
        return -(-self._info.height // self.factor), -(-self._info.width // self.factor)

    # ------------------------------------------------------------------ filling

    def missing(self, part: Window) -> list[Window]:
        """Squares of the scene that meet a part of it and have not been added, those in its middle first.

        Rows of them follow on each other, since files are read fastest so.
        """
        info = self._info
        middle = (part.y + part.height / 2) / _CELL - 0.5
        rows = range(part.y // _CELL, -(-(part.y + part.height) // _CELL))
        columns = range(part.x // _CELL, -(-(part.x + part.width) // _CELL))
        return [
            Window(
                column * _CELL, row * _CELL,
                min(_CELL, info.width - column * _CELL), min(_CELL, info.height - row * _CELL),
            )
            for row in sorted(rows, key=lambda row: abs(row - middle))
            for column in columns
            if not self._filled[row, column]
        ]  # fmt: skip

    def add(self, cell: Window, a: Samples, b: Samples) -> None:
        """Sums of one of the squares that :meth:`missing` gives, from the samples of both pictures in it."""
        info, factor = self._info, self.factor
        kind, sizes = self._types()
        if self._planes is None:
            shape = (info.bands, *self._shape())
            self._planes = np.zeros(shape, kind), np.zeros(shape, kind), np.zeros(shape, sizes)
        at = self._blocks(cell, factor)
        known = known_samples(a, b, slice(None))
        self._count(at, cell, known)
        for number in range(info.bands):
            x, y = a.pixels[number], b.pixels[number]
            if not self._small:
                x, y = (np.subtract(plane, self._black, dtype=np.float64) for plane in (x, y))
            apart = np.maximum(x, y)
            # The size of it fits the unsigned type of as many bits.
            apart = np.subtract(apart, np.minimum(x, y), out=apart)
            if apart.dtype.kind == "i":
                apart = apart.view(apart.dtype.str.replace("i", "u"))
            good = None if known is None else known[number] if known.ndim == 3 else known
            for plane, out in zip((x, y, apart), self._planes, strict=True):
                usable = plane if good is None else np.where(good, plane, 0)
                out[number][at] = plane_sums(usable, factor, out.dtype)
        self._filled[cell.y // _CELL, cell.x // _CELL] = True

    def _count(self, at: tuple[slice, slice], cell: Window, known: npt.NDArray[np.bool_] | None) -> None:
        """Numbers of samples that both have in the blocks of a square, once there is one without some."""
        info, factor = self._info, self.factor
        if known is None and self._counts is None:
            return
        if self._counts is None:
            self._counts = block_counts(info.height, info.width, factor).astype(np.uint16)[np.newaxis]
        if known is None:
            for there in self._counts:
                there[at] = block_counts(cell.height, cell.width, factor)
            return
        planes = known.reshape(-1, *known.shape[-2:])
        if len(planes) > len(self._counts):
            self._counts = np.repeat(self._counts, len(planes), axis=0)
        for number, plane in enumerate(planes):
            for there in self._counts[number : number + 1] if len(planes) > 1 else self._counts:
                there[at] = plane_sums(plane, factor)

    # ------------------------------------------------------------------ maps

    def differences(
        self, part: Window, factor: int, signed: bool, band: int | None
    ) -> npt.NDArray[np.float32]:
        """Mean differences over blocks; see :func:`~fdegc_gui.jobs.difference.mean_difference`.

        Parameters
        ----------
        part : Window
            Whole blocks of ``factor`` pixels.
        factor : int
            A multiple of that of the sums.
        signed : bool
        band : int or None

        Returns
        -------
        ndarray of float32, shape (rows, columns) of blocks
            Not a number where neither has valid samples, and in squares that have not been added.
        """
        total: npt.NDArray[np.float32] | None = None
        for number in self._bands(band):
            a, b, apart = self._part(number, part)
            plane = np.subtract(b, a, dtype=np.int32 if self._small else np.float64) if signed else apart
            sums = plane_sums(plane, factor // self.factor)
            total = sums if total is None else np.add(total, sums, out=total)
        if total is None:
            raise ValueError("There are no bands to take the mean of.")
        weights = self._weights(band, part, factor)
        if self._counts is None:
            total /= weights
        else:
            total = np.where(weights > 0, total / np.maximum(weights, 1), np.float32(np.nan))
        return self._without_missing(total, part, factor, 0)

    def similarity(
        self, part: Window, factor: int, band: int | None, black: float, span: float, reach: int,
        check: Callable[[], None],
    ) -> npt.NDArray[np.float32]:  # fmt: skip
        """Local SSIM of the means over blocks; see :func:`~fdegc_gui.jobs.similarity.similarity`.

        Parameters
        ----------
        part : Window
            Whole blocks of ``factor`` pixels.
        factor : int
            A multiple of that of the sums.
        band : int or None
        black, span : float
            Least sample, and range of the samples.
        reach : int
            Blocks around squares that have not been added of which nothing is to be said.
        check : callable
            Called for every band; raises to cancel.

        Returns
        -------
        ndarray of float32, shape (rows, columns) of blocks
        """
        alike = self._counts is None or len(self._counts) == 1
        shared = self._weights(0, part, factor) if alike else None

        def planes() -> Iterator[tuple[_Array, _Array, npt.NDArray[np.float32]]]:
            for number in self._bands(band):
                check()
                a, b, _ = self._part(number, part)
                first, second = (plane_sums(plane, factor // self.factor) for plane in (a, b))
                yield first, second, shared if shared is not None else self._weights(number, part, factor)

        found = mean_ssim(planes(), black - self._black, span)
        return self._without_missing(found, part, factor, reach)

    def _bands(self, band: int | None) -> range:
        return range(self._info.bands) if band is None else range(band, band + 1)

    def _blocks(self, part: Window, factor: int) -> tuple[slice, slice]:
        """Rows and columns of the blocks of ``factor`` pixels that a part consists of."""
        bottom, right = part.y + part.height, part.x + part.width
        return (
            slice(part.y // factor, -(-bottom // factor)),
            slice(part.x // factor, -(-right // factor)),
        )

    def _part(self, number: int, part: Window) -> tuple[_Array, _Array, _Array]:
        """Sums of a band in a part of the scene."""
        if self._planes is None:
            raise ValueError("Nothing has been added to the sums.")
        at = self._blocks(part, self.factor)
        a, b, apart = (plane[number][at] for plane in self._planes)
        return a, b, apart

    def _weights(self, band: int | None, part: Window, factor: int) -> npt.NDArray[np.float32]:
        """Samples that both have in each block of a part of the scene: of a band, or of all together."""
        counts, bands = self._counts, len(self._bands(band))
        if counts is None:
            return block_counts(part.height, part.width, factor) * np.float32(bands)
        at = self._blocks(part, self.factor)
        if len(counts) == 1:
            return plane_sums(counts[0][at], factor // self.factor) * np.float32(bands)
        chosen = [counts[number][at] for number in self._bands(band)]
        return plane_sums(np.sum(chosen, axis=0, dtype=np.float32), factor // self.factor)

    def _without_missing(
        self, values: npt.NDArray[np.float32], part: Window, factor: int, reach: int
    ) -> npt.NDArray[np.float32]:
        """Values of a part of the scene, not a number in and around the squares that have not been added."""
        for cell in self.missing(part):
            rows, columns = self._blocks(cell, factor)
            top, left = part.y // factor, part.x // factor
            values[
                max(0, rows.start - reach - top) : max(0, rows.stop + reach - top),
                max(0, columns.start - reach - left) : max(0, columns.stop + reach - left),
            ] = np.nan
        return values
