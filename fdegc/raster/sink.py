"""What every raster sink does: the file appears under its name only when it is complete."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from fdegc.atomic import beside, put
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, FdegcError, OutputExists, OutputFailed
from fdegc.raster.gdal import GDAL_ERRORS
from fdegc.raster.validity import is_nodata, nodata_fits, nodata_sample
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples

_Sink = TypeVar("_Sink", bound="RasterSink")
#: Relative distance that keeps a float off nodata; GDAL takes anything within 5e-7 for it.
_STEP = 1e-6


class RasterSink(ABC):
    """Raster file being written; a context manager that commits on success and aborts on error.

    Attributes
    ----------
    path : Path
        Where the file will appear.
    info : RasterInfo
        What it is to hold.
    unsupported_metadata : tuple of str
        What of that it cannot hold, in words; known after :meth:`commit`.
    cancel : CancelToken or None
        Ends a :meth:`commit` that takes long.
    """

    cancel: CancelToken | None = None

    def __init__(self, path: Path, info: RasterInfo, overwrite: bool) -> None:
        self.path = path
        self.info = info
        self.unsupported_metadata: tuple[str, ...] = ()
        self._overwrite = overwrite
        self._temporary = beside(path, f".part{path.suffix.lower()}")
        self._done = False

    @abstractmethod
    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        """Write prepared pixels; anything in ``GDAL_ERRORS`` may be raised."""

    @abstractmethod
    def _finish(self) -> None:
        """Complete the temporary file; anything in ``GDAL_ERRORS`` may be raised."""

    @abstractmethod
    def _drop(self) -> None:
        """Let go of the temporary file."""

    def write(self, window: Window, samples: Samples) -> None:
        """Writing of one window.

        Parameters
        ----------
        window : Window
            Where the samples belong.
        samples : Samples
            ``pixels`` (bands, height, width) of ``info.dtype``.  Where ``valid`` is False, nodata is
            written in their place if the raster has one.

        Raises
        ------
        OutputFailed
            If it cannot be written (full disk, lost folder), or the samples do not fit the raster.
        """
        expected = (self.info.bands, window.height, window.width)
        if samples.pixels.shape != expected or samples.pixels.dtype.name != self.info.dtype:
            raise OutputFailed(
                f"“{self.path}” cannot take samples of {samples.pixels.dtype.name} "
                f"{samples.pixels.shape} where {self.info.dtype} {expected} belong; report this fault."
            )
        try:
            self._write(window, mark_invalid(samples, self.info), samples)
        except (*GDAL_ERRORS, MemoryError) as error:
            raise failed(self.path, error) from error

    def commit(self) -> None:
        """Completion of the file, which is put in place.

        Raises
        ------
        OutputExists
            If another file has appeared there meanwhile.
        OutputFailed
            If it cannot be completed.  Nothing is left behind then.
        Cancelled
        """
        if self._done:
            return
        try:
            self._finish()
            put(self._temporary, self.path, overwrite=self._overwrite)
            self._done = True
        except (OutputExists, Cancelled):
            raise
        except (*GDAL_ERRORS, FdegcError, MemoryError) as error:
            raise failed(self.path, error) from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Deletion of what was written so far; harmless after :meth:`commit`."""
        if self._done:
            return
        self._done = True
        with contextlib.suppress(*GDAL_ERRORS):
            self._drop()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def __enter__(self: _Sink) -> _Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()


def mark_invalid(samples: Samples, info: RasterInfo) -> npt.NDArray[np.generic]:
    """Pixels as they are stored: (bands, height, width) of ``info.dtype``, missing samples marked.

    Missing samples become their band's nodata, or NaN in float rasters without nodata.  Others that
    happen to be nodata move by the smallest safe step, or they would be lost: each of them where the
    raster has masks of single bands, else the first band of pixels that are nodata in every band.
    """
    pixels, valid, missing = samples.pixels, samples.valid, samples.missing
    if not info.has_mask:
        return pixels
    pixels = pixels.copy()
    marks = [value if nodata_fits(value, info.dtype) else None for value in info.nodata_values]
    if not info.mask_band:
        for index, clash in _clashes(pixels, marks, info):
            if valid is not None:
                clash &= valid
            if missing is not None:
                clash &= ~missing[index]
            if clash.any():
                pixels[index, clash] = _beside(marks[index], info.dtype)
    for index, (band, mark) in enumerate(zip(pixels, marks, strict=True)):
        if mark is None and band.dtype.kind != "f":
            continue
        fill = np.nan if mark is None else nodata_sample(mark, info.dtype)
        if valid is not None:
            band[~valid] = fill
        if missing is not None:
            band[missing[index]] = fill
    return pixels


def _clashes(
    pixels: npt.NDArray[np.generic], marks: Sequence[float | None], info: RasterInfo
) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """Bands of which samples that are nodata have to move, and where they are."""
    bands = [(i, is_nodata(pixels[i], mark)) for i, mark in enumerate(marks) if mark is not None]
    if info.has_band_masks or info.bands == 1:
        yield from bands
    elif len(bands) == info.bands:
        yield 0, np.logical_and.reduce([clash for _, clash in bands])


def _beside(nodata: float | None, dtype: str) -> Any:
    """A sample that is next to nodata, but not for GDAL."""
    assert nodata is not None
    if np.dtype(dtype).kind != "f":
        return int(nodata) - 1 if int(nodata) == np.iinfo(dtype).max else int(nodata) + 1
    value: Any = nodata_sample(nodata, dtype)
    step = value - value * value.dtype.type(_STEP) if value else 16 * np.finfo(dtype).tiny
    # Near the largest floats GDAL's comparison overflows.
    near = bool(is_nodata(np.array([step], dtype), nodata)[0])
    return value.dtype.type(0) if near else step


def alpha_of(samples: Samples) -> npt.NDArray[np.generic]:
    """Alpha of samples, shape (height, width); opaque if they have none."""
    if samples.alpha is not None:
        return samples.alpha
    dtype = samples.pixels.dtype
    opaque = 1 if dtype.kind == "f" else np.iinfo(dtype.name).max
    return np.full(samples.pixels.shape[1:], opaque, dtype=dtype)


def exists(path: Path) -> OutputExists:
    """Error for a file that must not be overwritten."""
    return OutputExists(f"“{path}” exists already; choose another name or allow it to be overwritten.")


def failed(path: Path, error: BaseException) -> OutputFailed:
    """Error for a file that could not be written, whatever was raised."""
    if isinstance(error, OutputFailed):
        return error
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
    return OutputFailed(
        f"“{path}” cannot be written{f' ({reason})' if reason else ''}; "
        "check the free space and the permissions of its folder."
    )
