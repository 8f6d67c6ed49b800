"""Scene: the opened file, and how finely it is kept for display."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from fdegc.raster_info import RasterInfo
from fdegc.results import StreamInfo
from fdegc_gui.models.pyramid import Pyramid
from fdegc_gui.text import part_name, part_of

#: Key of the only result of an opened ``.fdegc`` file; rate points are 1 to 6.
STREAM = 0

#: Scenes up to this many pixels are shown and kept at full resolution.
FULL_DETAIL_PIXELS = 40_000_000
#: Longest side that is kept of larger ones.
OVERVIEW_SIDE = 8192


def unpainted(info: RasterInfo) -> Pyramid:
    """Picture of a scene before anything of it is painted, as fine as the app holds one."""
    return Pyramid(info.width, info.height, display_base(info.width, info.height))


def display_base(width: int, height: int) -> int:
    """Finest pyramid level that a scene of this size is kept at (0: full resolution)."""
    if width * height <= FULL_DETAIL_PIXELS:
        return 0
    return max(0, math.ceil(math.log2(max(width, height) / OVERVIEW_SIDE)))


@dataclass(frozen=True, slots=True)
class Scene:
    """Opened file.

    Attributes
    ----------
    number : int
        Counts up with every scene, so that late answers about an earlier one can be told apart.
    path : Path
        Of the file, or the name by which GDAL opens one of several rasters in it.
    info : RasterInfo
    stream : StreamInfo or None
        Set if it is a ``.fdegc`` file; then there is no original.
    bands : tuple of int
        Bands to show where the user has not chosen.
    file_bytes : int or None
        Size of the file on disk; None where it has none of its own, as one of several rasters in a file.
    peak : float or None
        Peak value for PSNR, in source units; None until it is known.
    colours : str
        What reading has made of colours that are stored otherwise than as RGB, in words; empty for others.
    guess : str
        Which bands are taken for red, green and blue although nothing says so, in words; empty if it is said.
    """

    number: int
    path: Path
    info: RasterInfo
    stream: StreamInfo | None = None
    bands: tuple[int, ...] = (0,)
    file_bytes: int | None = None
    peak: float | None = None
    colours: str = ""
    guess: str = ""

    @property
    def file(self) -> Path:
        """File that it is in."""
        found = part_of(self.path)
        return self.path if found is None else found[0]

    @property
    def part(self) -> str:
        """Which of several rasters in its file it is, in words; empty where it is the only one."""
        found = part_of(self.path)
        return "" if found is None else found[1]

    @property
    def name(self) -> str:
        """Name for people: of the file, with the part."""
        return part_name(self.file.name, self.part)

    @property
    def base(self) -> int:
        """Pyramid level of the finest resolution kept for display."""
        return display_base(self.info.width, self.info.height)
