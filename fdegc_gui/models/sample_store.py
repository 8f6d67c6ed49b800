"""Decoded samples in the source's own type, kept on disk, and block means of them."""

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

#: Folder within a store that has the indices of a palette, where the store has their colours.
INDICES = "indices"


@dataclass(frozen=True, slots=True)
class SampleStore:
    """Store of a reconstruction's samples, of all or as far as they have come; behaves as a raster source.

    Attributes
    ----------
    folder : Path
        Holds raw ``pixels``, and ``valid``, ``alpha`` and ``missing`` where there are such.
    info : RasterInfo
    """

    folder: Path
    info: RasterInfo

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
        missing = self._open("missing", "bool", self.info.bands)
        valid, alpha = self._open("valid", "bool"), self._open("alpha", self.info.dtype)
        stored = Samples(pixels, valid, alpha, missing)
        return stored.map(lambda array: np.array(array[..., rows, columns]))

    def _open(self, name: str, dtype: str, bands: int | None = None) -> _Array | None:
        path = self.folder / name
        if not path.exists():
            return None
        return np.memmap(path, dtype=dtype, mode="r", shape=plane_shape(self.info, bands))

    def close(self) -> None:
        """No-op: nothing is kept open."""


def plane_shape(info: RasterInfo, bands: int | None) -> tuple[int, ...]:
    """Shape of what is stored: of samples of so many bands, or of a plane that all bands share."""
    return (info.height, info.width) if bands is None else (bands, info.height, info.width)


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
    counts = block_sums(good, rows, columns)
    pixels = samples.pixels if valid is None and gaps is None else np.where(good, samples.pixels, 0)
    means = _typed(block_sums(pixels, rows, columns) / np.maximum(counts, 1), samples.pixels.dtype)
    missing = None
    if gaps is not None:
        missing, counts = counts == 0, counts.max(axis=0)
        missing &= counts > 0
    alpha = None
    if samples.alpha is not None:
        everything = block_sums(np.ones(samples.alpha.shape), rows, columns)
        alpha = _typed(block_sums(samples.alpha, rows, columns) / everything, samples.alpha.dtype)
    return Samples(means, None if valid is None else counts > 0, alpha, missing)


def block_sums(array: _Array, rows: _Array, columns: _Array) -> npt.NDArray[np.float64]:
    """Sums over blocks that begin at these rows and columns, of the last two axes."""
    sums: npt.NDArray[np.float64] = np.add.reduceat(
        np.add.reduceat(array, rows, axis=-2, dtype=np.float64), columns, axis=-1
    )
    return sums


def _typed(values: npt.NDArray[np.float64], dtype: np.dtype[np.generic]) -> _Array:
    return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)
