"""Reconstructions in the source's own type, kept on disk, and block means of their samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.errors import OutputFailed
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples

_Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Reconstruction, finished or as far as it has come; behaves as a raster source.

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
        """Samples of a window."""
        return self._take(window.rows, window.cols)

    def read_every(self, step: int) -> Samples:
        """Every ``step``-th pixel of every ``step``-th row, from the middle of the first step on."""
        info = self.info
        at = min(step // 2, info.height - 1), min(step // 2, info.width - 1)
        return self._take(slice(at[0], None, step), slice(at[1], None, step))

    def read_reduced(self, window: Window, width: int, height: int) -> Samples:
        """Samples of a window at a smaller size: means over blocks of valid pixels."""
        factor = max(-(-window.width // width), -(-window.height // height))
        samples = self.read(window)
        return samples if factor == 1 else block_means(samples, factor)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of the least that a read takes: any pixel can be read by itself."""
        return 1, 1

    @property
    def has_overviews(self) -> bool:
        """Existence of overviews: there are none."""
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
        """No-op: nothing is kept open."""


def block_means(samples: Samples, factor: int) -> Samples:
    """Averages of blocks of pixels.

    Parameters
    ----------
    samples : Samples
    factor : int
        Pixels a block's side; blocks at the right and lower edge may be smaller.

    Returns
    -------
    Samples
        Means of the valid samples; valid where a block has any.
    """
    rows, columns = (np.arange(0, side, factor) for side in samples.pixels.shape[1:])
    valid, gaps = samples.valid, samples.missing
    good = np.ones(samples.pixels.shape[1:], np.bool_) if valid is None else valid
    if gaps is not None:
        good = good & ~gaps
    counts = _sums(good, rows, columns)
    pixels = samples.pixels if valid is None and gaps is None else np.where(good, samples.pixels, 0)
    means = _typed(_sums(pixels, rows, columns) / np.maximum(counts, 1), samples.pixels.dtype)
    missing = None
    if gaps is not None:
        missing, counts = counts == 0, counts.max(axis=0)
        missing &= counts > 0
    alpha = None
    if samples.alpha is not None:
        everything = _sums(np.ones(samples.alpha.shape), rows, columns)
        alpha = _typed(_sums(samples.alpha, rows, columns) / everything, samples.alpha.dtype)
    return Samples(means, None if valid is None else counts > 0, alpha, missing)


def _sums(array: _Array, rows: _Array, columns: _Array) -> npt.NDArray[np.float64]:
    sums: npt.NDArray[np.float64] = np.add.reduceat(
        np.add.reduceat(array, rows, axis=-2, dtype=np.float64), columns, axis=-1
    )
    return sums


def _typed(values: npt.NDArray[np.float64], dtype: np.dtype[np.generic]) -> _Array:
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)
