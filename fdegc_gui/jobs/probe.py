"""Jobs of the probe lane: samples and place of one pixel; samples of all that are seen singly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Never

from fdegc.raster_info import RasterInfo, Window
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.sources import Origin, open_origin
from fdegc_gui.models.probe import Block, Cells, PixelValues, Reading, cell_texts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe(Job[Reading, Never]):
    """Values and place of one pixel; a newer request supersedes a pending one.

    Attributes
    ----------
    path : Path or None
        The original's; None if there is none.
    origins : tuple of (Path, SampleStore or None)
        Of pictures A and B; None for one that has not come to this pixel.
    info : RasterInfo
    pixel : (int, int)
        Column and row.
    keys : (int, int)
        Of the pictures.
    """

    path: Path | None
    origins: tuple[Origin | None, Origin | None]
    info: RasterInfo
    pixel: tuple[int, int]
    keys: tuple[int, int]

    def run(self, context: Context[Never]) -> Reading:
        from fdegc.raster import Geolocator

        locator = Geolocator(self.info) if self.path is None else context.rasters.get(self.path).locator
        x, y = self.pixel
        a, b = (self._values(origin, context) for origin in self.origins)
        return Reading(self.pixel, self.keys, a, b, locator.lonlat(x + 0.5, y + 0.5))

    def _values(self, origin: Origin | None, context: Context[Never]) -> PixelValues | None:
        if origin is None:
            return None
        x, y = self.pixel
        if isinstance(origin, Path):
            return PixelValues.of(context.rasters.get(origin).pixel(x, y))
        return PixelValues.of(origin.read(Window(x, y, 1, 1)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadBlock(Job[Block, Never]):
    """Values of a few pixels of both pictures, as they are to be written into them.

    Attributes
    ----------
    origins : tuple of (Path, SampleStore or None)
        Of pictures A and B.
    window : Window
    keys : (int, int)
        Of the pictures.
    bands, apart : tuple of int
        Indices from 0: of the values, and of the differences.
    """

    origins: tuple[Origin | None, Origin | None]
    window: Window
    keys: tuple[int, int]
    bands: tuple[int, ...]
    apart: tuple[int, ...]

    def run(self, context: Context[Never]) -> Block:
        a, b = (
            None if origin is None else open_origin(origin, context).read(self.window)
            for origin in self.origins
        )
        apart = None if a is None or b is None else Cells(self.window, cell_texts(b, self.apart, a))
        one, other = (
            None if samples is None else Cells(self.window, cell_texts(samples, self.bands))
            for samples in (a, b)
        )
        return Block(self.window, self.keys, one, other, apart)
