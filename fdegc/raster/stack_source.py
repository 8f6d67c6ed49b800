"""Source of one picture of a stack of which the TIFF describes only the first."""

from __future__ import annotations

from pathlib import Path

from rasterio import MemoryFile

from fdegc.raster.gdal import open_dataset
from fdegc.raster.gdal_source import GdalSource
from fdegc.raster.stacks import composed_file


class StackSource(GdalSource):
    """One picture of a stack, read through a file that is put together of parts of the real one.

    Parameters
    ----------
    name : Path
        What the picture is called.
    path, number
        As :func:`~fdegc.raster.stacks.composed_file` takes them.
    look_for_gaps, alpha, palette
        As of :class:`~fdegc.raster.gdal_source.GdalSource`.

    Raises
    ------
    UnsupportedRaster, anything in ``GDAL_ERRORS``
        If it cannot be read.
    """

    def __init__(
        self, name: Path, path: Path, number: int, look_for_gaps: bool, alpha: str, palette: str
    ) -> None:
        self._composed = MemoryFile(composed_file(path, number).encode(), ext=".xml")
        try:
            dataset = open_dataset(f"/vsisparse/{self._composed.name}", "GTiff")
            super().__init__(name, "GTiff", dataset, look_for_gaps, alpha, palette)
        except BaseException:
            self._composed.close()
            raise

    def close(self) -> None:
        """Closing of the file."""
        super().close()
        self._composed.close()
