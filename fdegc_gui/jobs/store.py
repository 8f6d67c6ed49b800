"""Reconstructions in the source's own type, on disk for as long as the program runs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fdegc.errors import OutputFailed
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.reduction import block_means

#: Left free on the disk of the temporary folder.
_RESERVE = 64 * 2**20


@dataclass(frozen=True)
class Reconstruction:
    """A reconstruction, finished or as far as it has come; behaves as a raster source.

    Attributes
    ----------
    folder : Path
        Holds raw ``pixels``, and ``valid``, ``alpha`` and ``missing`` where there are such.
    info : RasterInfo
    """

    folder: Path
    info: RasterInfo

    def _open(self, name: str, dtype: str, bands: int) -> npt.NDArray[np.generic] | None:
        path = self.folder / name
        if not path.exists():
            return None
        shape = (bands, self.info.height, self.info.width)
        return np.memmap(path, dtype=dtype, mode="r", shape=shape)

    def read(self, window: Window) -> Samples:
        """Return the samples of a window."""
        return self._take(window.rows, window.cols)

    def read_every(self, step: int) -> Samples:
        """Return every ``step``-th pixel of every ``step``-th row, from the middle of the first step on."""
        info = self.info
        at = min(step // 2, info.height - 1), min(step // 2, info.width - 1)
        return self._take(slice(at[0], None, step), slice(at[1], None, step))

    def read_reduced(self, window: Window, width: int, height: int) -> Samples:
        """Return the samples of a window at a smaller size: means over blocks of valid pixels."""
        factor = max(-(-window.width // width), -(-window.height // height))
        samples = self.read(window)
        return samples if factor == 1 else block_means(samples, factor)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Any pixel can be read by itself."""
        return 1, 1

    @property
    def has_overviews(self) -> bool:
        """There are none."""
        return False

    def _take(self, rows: slice, columns: slice) -> Samples:
        pixels = self._open("pixels", self.info.dtype, self.info.bands)
        if pixels is None:
            raise OutputFailed("The reconstruction is no longer there; its temporary file was removed.")
        valid = self._open("valid", "bool", 1)
        alpha = self._open("alpha", self.info.dtype, 1)
        missing = self._open("missing", "bool", self.info.bands)
        at = (slice(None), rows, columns)
        return Samples(
            np.array(pixels[at]),
            None if valid is None else np.array(valid[at][0], dtype=np.bool_),
            None if alpha is None else np.array(alpha[at][0]),
            None if missing is None else np.array(missing[at], dtype=np.bool_),
        )

    def close(self) -> None:
        """Nothing is kept open."""


class ReconstructionWriter:
    """Takes tiles in any order.

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
        self._maps: dict[str, np.memmap] = {}
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
        """Store a tile."""
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
        """Let go of the files and return what can be read and exported."""
        self._maps.clear()
        return Reconstruction(self._folder, self._info)

    def discard(self) -> None:
        """Remove everything."""
        self._maps.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
