"""Overview: a small picture of the scene in the file, opened without the network (``docs/format.md``).

It is a simple lossy WebP of at most 1024 pixels a side, made of block means while the scene is coded.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import (
    Image,
    WebPImagePlugin,  # noqa: F401 - or the first save would import all formats that Pillow knows
)

from fdegc.errors import CorruptStream
from fdegc.format.metadata import OVERVIEW, PALETTE
from fdegc.format.reader import ContainerReader
from fdegc.raster_info import Window

#: Pixels a side.
MAX_SIDE = 1024
#: Scenes below this need no overview.
MIN_SCENE = 512

_SIDES = (1024, 512, 256, 128)
_QUALITIES = (30, 45, 60)
_STRETCH = (2.0, 98.0)
_GREY = 128
# RIFF, size, WEBP, "VP8 ", size, frame tag, start code, width, height
_WEBP = struct.Struct("<4sI4s4sI3s3sHH")
_START_CODE = b"\x9d\x01\x2a"


@dataclass(frozen=True, slots=True, eq=False)
class OverviewPart:
    """Overview sums over the blocks that a tile touches, and how many pixels they are of.

    Attributes
    ----------
    top, left : int
        Number of the first block.
    sums : ndarray of float32, shape (bands, rows, columns)
    counts : ndarray of float32, shape (rows, columns)
    """

    top: int
    left: int
    sums: npt.NDArray[np.float32]
    counts: npt.NDArray[np.float32]


class OverviewBuilder:
    """Builder of the overview: means of square blocks of pixels, tile by tile.

    Parameters
    ----------
    width, height : int
        Pixels of the scene.
    bands : sequence of int
        Indices of the bands that are shown: three as red, green and blue, or one as grey.
    """

    def __init__(self, width: int, height: int, bands: Sequence[int]) -> None:
        self._scene = max(width, height)
        #: Pixels of a block's side.
        self._factor = -(-self._scene // MAX_SIDE)
        self._bands = list(bands)
        shape = (-(-height // self._factor), -(-width // self._factor))
        self._sums = np.zeros((len(self._bands), *shape), np.float32)
        self._counts = np.zeros(shape, np.float32)

    def part(
        self, window: Window, unit: npt.NDArray[np.float32], usable: npt.NDArray[np.bool_] | None
    ) -> OverviewPart:
        """Overview part of a tile's pixels, on any thread.

        Parameters
        ----------
        window : Window
            Where they lie.
        unit : ndarray of float32, shape (bands, window.height, window.width)
            Samples mapped to [0, 1].
        usable : ndarray of bool, shape (window.height, window.width), or None
            Pixels that count; None for all.
        """
        pixels = unit[self._bands]
        if usable is not None:
            pixels = np.where(usable, pixels, np.float32(0))
        rows, top = self._cuts(window.y, window.height)
        columns, left = self._cuts(window.x, window.width)
        sums = _block_sums(pixels, rows, columns)
        if usable is None:
            sides = np.diff([*rows, window.height]), np.diff([*columns, window.width])
            counts = np.outer(*sides).astype(np.float32)
        else:
            counts = _block_sums(usable, rows, columns)
        # Sums of a tile's pixels are taken in float64; few tiles share a block.
        return OverviewPart(top, left, sums, counts)

    def add(self, part: OverviewPart) -> None:
        """Addition of a tile's part; each once, and in the same order for the same bytes."""
        rows, columns = part.counts.shape
        place = (..., slice(part.top, part.top + rows), slice(part.left, part.left + columns))
        self._sums[place] += part.sums
        self._counts[place] += part.counts

    def _cuts(self, start: int, length: int) -> tuple[npt.NDArray[np.intp], int]:
        """Where blocks begin in a tile's rows or columns, and the number of the first block."""
        first = start // self._factor
        last = (start + length - 1) // self._factor
        return np.maximum(np.arange(first, last + 1) * self._factor - start, 0), first

    def finish(self, budget: int, *, stretch: bool = False, invert: bool = False) -> bytes | None:
        """Coded overview, as large as the budget allows.

        Parameters
        ----------
        budget : int
            Bytes it may take.
        stretch : bool
            Spread the values between the 2nd and the 98th percentile of each band over the grey
            levels, for samples whose range was not chosen for the eye.
        invert : bool
            Show what is low as bright, for scenes in which zero is white.

        Returns
        -------
        bytes or None
            A simple lossy WebP; None if the scene is small, nothing in it is usable, or the smallest
            picture does not fit.
        """
        if self._scene < MIN_SCENE or not self._counts.any():
            return None
        picture = Image.fromarray(self._levels(stretch, invert))
        longest = max(picture.size)
        best: bytes | None = None
        for side in sorted({min(side, longest) for side in _SIDES}):
            # Twice the side takes at least twice the bytes, so most sizes need not be tried.
            if best is not None and 2 * len(best) > budget:
                break
            scaled = _scaled(picture, side)
            for quality in _QUALITIES:
                data = _webp(scaled, quality)
                if len(data) > budget:
                    break
                best = data
            if best is None:  # nor will a larger one fit
                break
        return best

    def _levels(self, stretch: bool, invert: bool = False) -> npt.NDArray[np.uint8]:
        """The picture, shape (height, width, 3) or (height, width)."""
        seen = self._counts > 0
        mean = self._sums / np.maximum(self._counts, 1)
        if stretch:
            for band in mean:
                low, high = np.percentile(band[seen], _STRETCH)
                band[:] = (band - low) / (high - low) if high > low else 0.5
        if invert:
            mean = 1 - mean
        levels = np.where(seen, np.rint(np.clip(mean, 0, 1) * 255), _GREY).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(1, 2, 0)) if len(self._bands) == 3 else levels[0]


def _block_sums(
    array: npt.NDArray[np.generic], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    if len(rows) == array.shape[-2] and len(columns) == array.shape[-1]:
        return array.astype(np.float32, copy=False)  # every block is one pixel
    sums = np.add.reduceat(np.add.reduceat(array, rows, axis=-2, dtype=np.float64), columns, axis=-1)
    return sums.astype(np.float32)


def _scaled(picture: Image.Image, side: int) -> Image.Image:
    longest = max(picture.size)
    if side == longest:
        return picture
    width, height = (max(round(size * side / longest), 1) for size in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)


def _webp(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


def read_overview(reader: ContainerReader) -> npt.NDArray[np.uint8] | None:
    """Overview of the scene, decoded.

    Returns
    -------
    ndarray of uint8
        Of shape (height, width, 3) or, of fewer than three bands without a palette, (height, width).
        None if the file has none or it is damaged.

    Raises
    ------
    CorruptStream
        If it is not a simple lossy WebP of at most 1024 pixels a side.
    """
    data = reader.blocks.get(OVERVIEW)
    if data is None:
        return None
    refused = CorruptStream(f"The overview in “{reader.path.name}” is malformed or too large.")
    # The size is read here, because a WebP decoder allocates the canvas as soon as it is opened.
    if len(data) < _WEBP.size:
        raise refused
    riff, _, webp, chunk, _, _, start, width, height = _WEBP.unpack_from(data)
    if (riff, webp, chunk, start) != (b"RIFF", b"WEBP", b"VP8 ", _START_CODE):
        raise refused
    # The upper two bits of each say how to scale up for display.
    if not (1 <= width & 0x3FFF <= MAX_SIDE and 1 <= height & 0x3FFF <= MAX_SIDE):
        raise refused
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            if max(image.size) > MAX_SIDE:
                raise refused
            colours = reader.header.bands >= 3 or PALETTE in reader.blocks
            return np.asarray(image.convert("RGB" if colours else "L"))
    except (OSError, SyntaxError, ValueError) as error:
        raise refused from error
