"""Writing of decoded samples to disk, where they stay for as long as the program runs."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.errors import OutputFailed
from fdegc.raster_info import RasterInfo, Window
from fdegc.text import bytes_text
from fdegc.types import Samples
from fdegc_gui.models.sample_store import SampleStore, plane_shape

_Array = npt.NDArray[Any]

#: Left free on the disk of the temporary folder.
_RESERVE = 64 * 2**20


class SampleWriter:
    """Writer of a reconstruction's samples, tile by tile in any order.

    Space is reserved before the first tile: writing through a mapping on a full disk would kill
    the process instead of raising an error.

    Parameters
    ----------
    folder : Path
        Made anew; what was in it is removed.
    info : RasterInfo
    covered : bool
        Whether what is never written counts as valid.
    """

    def __init__(self, folder: Path, info: RasterInfo, covered: bool = True) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._info, self._covered = info, covered
        self._stored: Samples | None = Samples(self._plane("pixels", info.dtype, info.bands))

    def _plane(self, name: str, dtype: str, bands: int | None = None, fill: int | None = None) -> _Array:
        shape = plane_shape(self._info, bands)
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if shutil.disk_usage(self._folder).free < size + _RESERVE:
            raise OutputFailed(
                f"The temporary folder “{self._folder.parent}” has no room for the reconstruction "
                f"({bytes_text(size)}). Free some space or set TMPDIR to another disk."
            )
        path = self._folder / name
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        mapped = np.memmap(path, dtype=dtype, mode="r+", shape=shape)
        if fill is not None:
            mapped[:] = fill
        return mapped

    def write(self, window: Window, samples: Samples) -> None:
        """Storage of a tile."""
        stored, info = self._stored, self._info
        if stored is None:
            raise ValueError("the writer has let go of the files")
        if samples.valid is not None and stored.valid is None:
            stored = replace(stored, valid=self._plane("valid", "bool", fill=int(self._covered)))
        if samples.alpha is not None and stored.alpha is None:
            stored = replace(stored, alpha=self._plane("alpha", info.dtype))
        if samples.missing is not None and stored.missing is None:
            stored = replace(stored, missing=self._plane("missing", "bool", info.bands, fill=0))
        self._stored = stored
        stored.paste(window, samples)

    def finish(self) -> SampleStore:
        """Store of the samples, to be read and exported, once the writer has let go of the files."""
        self._stored = None
        return SampleStore(self._folder, self._info)

    def discard(self) -> None:
        """Removal of everything that was written."""
        self._stored = None
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def stored(folder: Path, info: RasterInfo, covered: bool = True) -> Iterator[SampleWriter]:
    """Context of a writer whose files go away if the work does not succeed; parameters of the writer."""
    writer = SampleWriter(folder, info, covered)
    try:
        yield writer
    except BaseException:
        writer.discard()
        raise
