"""Raster turned as its EXIF orientation says, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fdegc.raster.source import RasterSource
from fdegc.raster_info import Window
from fdegc.types import Samples

#: Orientation (EXIF 2.32, tag 274) → whether the stored picture is to be transposed first, then mirrored
#: from left to right, then from top to bottom.
_STEPS = {
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


class TurnedSource(RasterSource):
    """Raster whose rows and columns are stored in another order than they are to be seen.

    Parameters
    ----------
    stored : RasterSource
        Without any placement on the ground, which would have to be turned too.  Closed with this one.
    orientation : int
        2 to 8.
    """

    def __init__(self, stored: RasterSource, orientation: int) -> None:
        self._stored, self.has_palette, self.pictures = stored, stored.has_palette, stored.pictures
        self.colour_space = stored.colour_space
        self._transposed, self._left, self._up = _STEPS[orientation]
        info = stored.info
        tags = {key: value for key, value in info.tags.items() if key != "EXIF_Orientation"}
        size = (info.height, info.width) if self._transposed else (info.width, info.height)
        self.info = replace(info, width=size[0], height=size[1], tags=tags)

    def _turn(self, plane: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Stored samples as they are to be seen; shape (…, height, width)."""
        if self._transposed:
            plane = np.swapaxes(plane, -2, -1)
        if self._left:
            plane = plane[..., ::-1]
        if self._up:
            plane = plane[..., ::-1, :]
        return np.ascontiguousarray(plane)

    def _read(self, window: Window) -> Samples:
        x, y = window.x, window.y
        if self._left:
            x = self.info.width - x - window.width
        if self._up:
            y = self.info.height - y - window.height
        if self._transposed:
            return self._stored.read(Window(y, x, window.height, window.width)).map(self._turn)
        return self._stored.read(Window(x, y, window.width, window.height)).map(self._turn)

    def _read_decimated(self, width: int, height: int) -> Samples:
        if self._transposed:
            width, height = height, width
        return self._stored._read_decimated(width, height).map(self._turn)

    def scan(self) -> Iterator[Window]:
        """Windows that cover the raster once."""
        yield from self._grid(self.info.width <= 2048 and not self._transposed)

    def close(self) -> None:
        """Closing of the file."""
        self._stored.close()
