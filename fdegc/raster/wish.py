"""What of a raster is asked for: which one of its file, which bands, which part of the ground."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fdegc.errors import InvalidOption
from fdegc.raster.area import find_box, read_area
from fdegc.raster.opening import open_raster
from fdegc.raster.part import PartSource
from fdegc.raster.source import RasterSource
from fdegc.raster_info import RasterInfo, Window


@dataclass(frozen=True, slots=True)
class RasterWish:
    """Part of a raster that is asked for; values only, so that it can be sent to other machines.

    Attributes
    ----------
    page : int or None
    alpha : str
        As of :func:`~fdegc.raster.open_raster`.
    window : Window or None
        In pixels.
    box : tuple of 4 floats, or None
        West, south, east, north.
    box_crs : str or None
        Of the box; None for the raster's.
    area : Path or None
        File of polygons.
    """

    page: int | None = None
    alpha: str = "auto"
    window: Window | None = None
    box: tuple[float, float, float, float] | None = None
    box_crs: str | None = None
    area: Path | None = None

    def find(self, info: RasterInfo) -> Window | None:
        """Window that is asked for by pixels or a box; None for everything.

        Raises
        ------
        InvalidOption
            If it does not lie in the raster.
        """
        if self.box is not None:
            return find_box(info, self.box, self.box_crs)
        if self.box_crs is not None:
            raise InvalidOption("--bbox-crs says what the numbers of --bbox mean; give that too.")
        if self.window is not None:
            self.window.check_inside(info.width, info.height)
        return self.window

    def open(self, path: Path, palette: str = "colours") -> RasterSource:
        """The part that is asked for, of a file; a palette as :func:`~fdegc.raster.open_raster` takes it.

        Raises
        ------
        InvalidOption, UnsupportedRaster, OutOfMemory
        """
        source = open_raster(path, page=self.page, alpha=self.alpha, palette=palette)
        try:
            window = self.find(source.info)
            if self.area is not None:
                area = read_area(self.area, source.info)
                return PartSource(
                    source, area.window, area.polygons, outside=area.outside, long_edge=area.long_edge
                )
            return source if window is None else PartSource(source, window)
        except BaseException:
            source.close()
            raise
