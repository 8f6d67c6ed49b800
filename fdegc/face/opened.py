"""Opened files, and what they say of themselves."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fdegc.control import CancelToken, ProgressCallback
from fdegc.errors import InvalidOption
from fdegc.face.given import Array, Name, Part, as_path, as_window, make_codec
from fdegc.format import is_stream
from fdegc.format.info import read_info
from fdegc.format.reader import ContainerReader
from fdegc.memory import check_free
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import StreamInfo
from fdegc.types import Samples

if TYPE_CHECKING:
    from fdegc.codec import Codec


def open(path: Name, *, device: str = "auto", threads: int | None = None) -> FdegcFile:
    """Opened ``.fdegc`` file, to look at it and read windows of it.

    Parameters
    ----------
    path : str or path
    device, threads
        As of :func:`compress`.

    Returns
    -------
    FdegcFile

    Raises
    ------
    CorruptStream, UnsupportedStream
    """
    return FdegcFile(path, device=device, threads=threads)


class FdegcFile:
    """Opened ``.fdegc`` file; the network is loaded when pixels are first read.  Not for two threads at once.

    Parameters
    ----------
    path, device, threads
        As of :func:`open`.

    Attributes
    ----------
    path : Path
    info : StreamInfo
        ``quality``, ``bpp`` and the like; ``info.raster`` has width, height, bands, dtype, crs_wkt,
        transform, nodata ...

    Raises
    ------
    CorruptStream, UnsupportedStream
    """

    def __init__(self, path: Name, *, device: str = "auto", threads: int | None = None) -> None:
        self.path = as_path(path, "path")
        self.info: StreamInfo = read_info(self.path)
        self._device, self._threads = device, threads
        self._codec: Codec | None = None
        self._closed = False

    def __repr__(self) -> str:
        bands, height, width = self.shape
        return f"<FdegcFile {self.path}: {width}×{height}, {bands} bands of {self.dtype}>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of what :meth:`read` gives of the whole: bands (without alpha), height, width."""
        return self.info.raster.bands, self.info.raster.height, self.info.raster.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        return np.dtype(self.info.raster.dtype)

    def read(
        self,
        window: Part | None = None,
        *,
        masked: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Array:
        """Pixels of a window, or of the whole scene.

        Parameters
        ----------
        window : Window or tuple of int, optional
            x and y of the upper left pixel, width, height.
        masked : bool
            Whether to return a masked array.
        progress, cancel
            As of :func:`compress`.

        Returns
        -------
        ndarray or MaskedArray, shape (bands, height, width), of the source's dtype
            What is missing in it is as :func:`decompress` says.

        Raises
        ------
        CorruptStream
            Also if a tile of the window or beside it is damaged.
        InvalidOption
            If the window does not lie inside the scene, or the file was closed.
        WeightsMissing, OutOfMemory, Cancelled, DeviceUnavailable
        """
        from fdegc.raster.sink import mark_invalid
        from fdegc.raster.validity import nodata_fits

        samples = self.samples(window, progress=progress, cancel=cancel)
        pixels = mark_invalid(samples, self.info.raster)
        if not masked:
            return pixels
        lacking = np.zeros(pixels.shape, bool)
        if samples.valid is not None:
            lacking |= ~samples.valid
        if samples.missing is not None:
            lacking |= samples.missing
        nodata = self.info.raster.nodata
        fill = nodata if nodata_fits(nodata, self.dtype.name) else None
        found: Array = np.ma.MaskedArray(pixels, lacking, fill_value=fill)  # type: ignore[no-untyped-call]
        return found

    def samples(
        self,
        window: Part | None = None,
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Samples:
        """Pixels of a window, with validity and alpha of their own; parameters and errors of :meth:`read`."""
        self._check_open()
        raster = self.info.raster
        place = as_window(window) or Window(0, 0, raster.width, raster.height)
        place.check_inside(raster.width, raster.height)
        check_free(
            raster.part(place).raw_bytes, "The array", "read smaller windows, or decompress into a file"
        )
        if self._codec is None:
            self._codec = make_codec(self._device, self._threads)
        return self._codec.decode_window(self.path, place, on_progress=progress, cancel=cancel)

    def overview(self) -> npt.NDArray[np.uint8] | None:
        """Overview of the scene: a small picture in the file, which needs no network; None if there is none.

        Returns
        -------
        ndarray of uint8, or None
            Of shape (height, width, 3) or, of fewer than three bands without a palette, (height, width).
            At most 1024 pixels a side, stretched for display.  Scenes of less than 512 pixels have none.

        Raises
        ------
        CorruptStream
        """
        from fdegc.format.overview import read_overview

        self._check_open()
        with ContainerReader(self.path) as reader:
            return read_overview(reader)

    def close(self) -> None:
        """Release of the network; safe to call twice."""
        self._codec, self._closed = None, True

    def __enter__(self) -> FdegcFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidOption(f"“{self.path}” was closed; open it again to read from it.")


def info(path: Name) -> StreamInfo | RasterInfo:
    """Facts of a file, as ``fdegc info`` says them; no network is loaded.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    StreamInfo
        Of a ``.fdegc`` file; its ``raster`` is what was compressed.
    RasterInfo
        Of any other raster.

    Raises
    ------
    CorruptStream, UnsupportedStream, UnsupportedRaster
    """
    name = as_path(path, "path")
    if is_stream(name):
        return read_info(name)
    from fdegc.raster import open_raster

    with open_raster(name, alpha="auto", palette="indices") as source:
        return source.info
