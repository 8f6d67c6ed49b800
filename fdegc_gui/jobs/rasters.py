"""Open raster files that several jobs look at, one handle a thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fdegc.atomic import identity
from fdegc.raster_info import Window
from fdegc.types import Samples
from fdegc_gui.text import part_of

if TYPE_CHECKING:
    from fdegc.raster import Geolocator, RasterSource

_Key = tuple[Path, bytes | None]
#: Side of the squares that are kept for looking at single pixels.
_SQUARE = 128


@dataclass
class OpenRaster:
    """Raster file that is open, and what was found out with it.

    Attributes
    ----------
    source : RasterSource
    locator : Geolocator
    """

    source: RasterSource
    locator: Geolocator
    _square: tuple[Window, Samples] | None = field(default=None)

    def pixel(self, x: int, y: int) -> Samples:
        """Samples of one pixel; its neighbours are kept for the next time."""
        place = Window(x, y, 1, 1)
        if self._square is None or self._square[0].intersection(place) is None:
            info = self.source.info
            left, top = x // _SQUARE * _SQUARE, y // _SQUARE * _SQUARE
            square = Window(left, top, min(_SQUARE, info.width - left), min(_SQUARE, info.height - top))
            self._square = square, self.source.read(square)
        window, samples = self._square
        return samples.part(place.relative_to(window))


class Rasters:
    """Cache of open raster files; the same one again costs nothing unless it has changed.

    GDAL's handles belong to one thread each.  Pixels in memory (PNG, JPEG) can be read by all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_memory: tuple[_Key, RasterSource] | None = None
        self._local = threading.local()

    def get(self, path: Path) -> OpenRaster:
        """Raster file, open for use on the calling thread.

        Raises
        ------
        UnsupportedRaster, OutOfMemory
        """
        from fdegc.raster import Geolocator

        key = _key(path)
        entry: tuple[_Key, OpenRaster] | None = getattr(self._local, "entry", None)
        if entry is not None and entry[0] == key:
            return entry[1]
        self.release()
        source = self._open(path, key)
        opened = OpenRaster(source, Geolocator(source.info))
        self._local.entry = key, opened
        return opened

    def _open(self, path: Path, key: _Key) -> RasterSource:
        from fdegc.raster import ArraySource, open_raster

        with self._lock:  # a large PNG is not to be decoded by three threads at once
            if self._in_memory is not None and self._in_memory[0] == key:
                return self._in_memory[1]
            source = open_raster(path, look_for_gaps=False, alpha="auto")
            self._in_memory = (key, source) if isinstance(source, ArraySource) else None
            return source

    def release(self) -> None:
        """Closing of the files that the calling thread has open."""
        entry: tuple[_Key, OpenRaster] | None = getattr(self._local, "entry", None)
        if entry is not None:
            del self._local.entry
            entry[1].source.close()
            with self._lock:
                if self._in_memory is not None and self._in_memory[1] is entry[1].source:
                    self._in_memory = None


def _key(path: Path) -> _Key:
    """Name and identity of a file, or of the one that it is a part of; opening says if it is missing."""
    part = part_of(path)
    return path, identity(path if part is None else part[0])
