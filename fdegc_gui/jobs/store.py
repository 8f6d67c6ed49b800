"""Writing of reconstructions to disk, where they stay for as long as the program runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from fdegc.errors import OutputFailed
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.models.reconstruction import Reconstruction

#: Left free on the disk of the temporary folder.
_RESERVE = 64 * 2**20


class ReconstructionWriter:
    """Writer of a reconstruction, tile by tile in any order.

    Space is reserved before the first tile: writing through a mapping on a full disk would kill
    the process instead of raising an error.

    Parameters
    ----------
    folder : Path
        Made anew; what was in it is removed.
    info : RasterInfo
    """

    def __init__(self, folder: Path, info: RasterInfo) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._info = info
        self._maps: dict[str, np.memmap[Any, np.dtype[Any]]] = {}
        self._add("pixels", info.dtype, info.bands)

    def _add(self, name: str, dtype: str, bands: int, fill: int | None = None) -> None:
        info = self._info
        size = bands * info.pixels * np.dtype(dtype).itemsize
        if shutil.disk_usage(self._folder).free < size + _RESERVE:
            raise OutputFailed(
                f"The temporary folder {self._folder.parent} has no room for the reconstruction "
                f"({size / 1e6:.0f} MB). Free some space or set TMPDIR to another disk."
            )
        path = self._folder / name
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        mapped = np.memmap(path, dtype=dtype, mode="r+", shape=(bands, info.height, info.width))
        if fill is not None:
            mapped[:] = fill
        self._maps[name] = mapped

    def write(self, window: Window, samples: Samples) -> None:
        """Storage of a tile."""
        at = (slice(None), window.rows, window.cols)
        self._maps["pixels"][at] = samples.pixels
        if samples.valid is not None:
            if "valid" not in self._maps:
                self._add("valid", "bool", 1, fill=1)
            self._maps["valid"][at] = samples.valid
        if samples.alpha is not None:
            if "alpha" not in self._maps:
                self._add("alpha", self._info.dtype, 1)
            self._maps["alpha"][at] = samples.alpha
        if samples.missing is not None:
            if "missing" not in self._maps:
                self._add("missing", "bool", self._info.bands, fill=0)
            self._maps["missing"][at] = samples.missing

    def finish(self) -> Reconstruction:
        """Reconstruction that can be read and exported, once the writer has let go of the files."""
        self._maps.clear()
        return Reconstruction(self._folder, self._info)

    def discard(self) -> None:
        """Removal of everything that was written."""
        self._maps.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
