"""Looking up what lies under the pointer: samples as they are, longitude and latitude."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fdegc.raster_info import RasterInfo, Window
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.store import Reconstruction
from fdegc_gui.models.probe import PixelValues, Reading


@dataclass(frozen=True, eq=False)
class Probe(Job):
    """Read one pixel; a newer request supersedes a pending one.

    Attributes
    ----------
    path : Path or None
        The original's.
    store : Reconstruction or None
        The reconstruction's, if it has come to this pixel.
    info : RasterInfo
    pixel : (int, int)
        Column and row.
    key : int
        Of the result.
    """

    path: Path | None = None
    store: Reconstruction | None = None
    info: RasterInfo | None = None
    pixel: tuple[int, int] = (0, 0)
    key: int = 0

    kind: ClassVar[str] = "probe"

    def run(self, context: Context) -> Reading:
        from fdegc.raster import Geolocator

        assert self.info is not None
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
