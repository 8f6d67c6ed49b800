"""A part of a raster as a raster of its own: a window, and polygons outside of which nothing is valid."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from affine import Affine
from rasterio.features import rasterize

from fdegc.errors import InvalidOption
from fdegc.raster.area import Polygon
from fdegc.raster.source import RasterSource
from fdegc.raster.validity import Mask
from fdegc.raster_info import Window
from fdegc.types import Samples


class PartSource(RasterSource):
    """Window of a raster, as a raster of its own.

    Parameters
    ----------
    whole : RasterSource
        Closed with this one.
    window : Window
    polygons : sequence of Polygon
        In columns and rows of ``whole``; pixels whose centre lies in none of them become invalid: transparent
        where there is an alpha band and no mask, else masked.  None of them leaves everything as it is.
    outside : int
        How many polygons more there are, which lie outside of the raster.
    long_edge : tuple of 2 floats, or None
        As of :class:`~fdegc.raster.area.Area`.

    Raises
    ------
    InvalidOption
        If the window does not lie inside the raster, or no pixel's centre inside the polygons.
    """

    def __init__(
        self,
        whole: RasterSource,
        window: Window,
        polygons: Sequence[Polygon] = (),
        *,
        outside: int = 0,
        long_edge: tuple[float, float] | None = None,
    ) -> None:
        window.check_inside(whole.info.width, whole.info.height)
        self._whole, self._window = whole, window
        self.outside, self.long_edge = outside, long_edge
        self.has_palette, self.pictures = whole.has_palette, whole.pictures
        self.colour_space, self.alpha_is_data = whole.colour_space, whole.alpha_is_data
        # Every polygon is drawn by itself: rings of several would cancel each other out where they overlap.
        self._shapes = [{"type": "Polygon", "coordinates": polygon} for polygon in polygons]
        info = whole.info.part(window)
        if self._shapes and not info.has_alpha:
            info = replace(info, has_mask=True)
        self.info = info
        self.part = f"\0{window}{hashlib.sha256(repr(polygons).encode()).hexdigest()}"
        frames = (
            Window(0, y, window.width, min(512, window.height - y)) for y in range(0, window.height, 512)
        )
        if self._shapes and not any(self._inside(f, f.width, f.height).any() for f in frames):
            raise InvalidOption(
                f"The area holds the centre of no pixel of “{info.path}”; it is smaller than one, or beside "
                "it."
            )

    def _inside(self, window: Window, width: int, height: int) -> Mask:
        """Where polygons are, in a window of this part at some size."""
        place = self._in_whole(window)
        across, down = window.width / width, window.height / height
        drawn = rasterize(
            self._shapes,
            out_shape=(height, width),
            transform=Affine(across, 0.0, place.x, 0.0, down, place.y),
            dtype="uint8",
        )
        inside: Mask = drawn.astype(np.bool_)
        return inside

    def _in_whole(self, window: Window) -> Window:
        return Window(window.x + self._window.x, window.y + self._window.y, window.width, window.height)

    def _masked(self, samples: Samples, window: Window) -> Samples:
        if not self._shapes:
            return samples
        height, width = samples.pixels.shape[1:]
        inside = self._inside(window, width, height)
        valid, alpha = samples.valid, samples.alpha
        if self.info.has_mask:
            valid = inside if valid is None else valid & inside
        elif alpha is not None:
            alpha = np.where(inside, alpha, np.zeros_like(alpha))
        missing = None if samples.missing is None else samples.missing & inside
        return Samples(samples.pixels, valid, alpha, missing)

    def _read(self, window: Window) -> Samples:
        return self._masked(self._whole.read(self._in_whole(window)), window)

    def _read_decimated(self, width: int, height: int) -> Samples:
        return self._read_part(Window(0, 0, self.info.width, self.info.height), width, height)

    def _read_part(self, window: Window, width: int, height: int) -> Samples:
        return self._masked(self._whole.read_reduced(self._in_whole(window), width, height), window)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of a block, as of the whole raster."""
        return self._whole.block_shape

    @property
    def has_overviews(self) -> bool:
        """Whether reduced reads are cheap, as of the whole raster."""
        return self._whole.has_overviews

    def close(self) -> None:
        """Closing of the raster that it is a part of."""
        self._whole.close()
