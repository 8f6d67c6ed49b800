"""Job of the probe lane: samples, longitude and latitude of one pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Never

from fdegc.raster_info import RasterInfo, Window
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.models.probe import PixelValues, Reading
from fdegc_gui.models.sample_store import SampleStore


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe(Job[Reading, Never]):
    """Values and place of one pixel; a newer request supersedes a pending one.

    Attributes
    ----------
    path : Path or None
        The original's; None if there is none.
    store : SampleStore or None
        The reconstruction's, if it has come to this pixel.
    info : RasterInfo
    pixel : (int, int)
        Column and row.
    key : int
        Of the result.
    """

    path: Path | None
    store: SampleStore | None
    info: RasterInfo
    pixel: tuple[int, int]
    key: int

    def run(self, context: Context[Never]) -> Reading:
        from fdegc.raster import Geolocator

        x, y = self.pixel
        original = reconstruction = None
        if self.path is not None:
            opened = context.rasters.get(self.path)
            original = PixelValues.of(opened.pixel(x, y))
            locator = opened.locator
        else:
            locator = Geolocator(self.info)
        if self.store is not None:
            reconstruction = PixelValues.of(self.store.read(Window(x, y, 1, 1)))
        return Reading(self.pixel, self.key, original, reconstruction, locator.lonlat(x + 0.5, y + 0.5))
