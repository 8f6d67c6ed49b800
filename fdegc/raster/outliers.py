"""Raster whose outliers are set apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fdegc.raster.source import RasterSource
from fdegc.raster_info import Window
from fdegc.types import Outliers, Samples


class OutlierSource(RasterSource):
    """Raster of which outliers count as missing samples, so that nothing is coded or measured there.

    Parameters
    ----------
    whole : RasterSource
        Closed with this one.
    outliers : Outliers
        Usable samples of it.
    """

    def __init__(self, whole: RasterSource, outliers: Outliers) -> None:
        self._whole, self._outliers = whole, outliers
        self.info, self.part = whole.info, whole.part
        self.has_palette, self.pictures = whole.has_palette, whole.pictures
        self.colour_space, self.alpha_is_data = whole.colour_space, whole.alpha_is_data

    def _read(self, window: Window) -> Samples:
        samples = self._whole.read(window)
        return replace(samples, missing=self._outliers.added(window, samples.missing))

    def _read_decimated(self, width: int, height: int) -> Samples:
        return self._whole._read_decimated(width, height)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of a block, as of the whole raster."""
        return self._whole.block_shape

    def scan(self) -> Iterator[Window]:
        """Windows that cover the raster once, as of the whole raster."""
        return self._whole.scan()

    def close(self) -> None:
        """Closing of the whole raster."""
        self._whole.close()
