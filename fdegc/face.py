"""What ``import fdegc`` offers: files and arrays to ``.fdegc`` files and back, in one call each.

For many files in a row make one :class:`~fdegc.codec.Codec` and use that: it reads the weights once.
"""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from fdegc.control import CancelToken, ProgressCallback
from fdegc.errors import InvalidOption, OutputExists, UnsupportedRaster
from fdegc.format import SUFFIX, is_stream
from fdegc.format.info import read_info
from fdegc.format.reader import ContainerReader
from fdegc.memory import check_free
from fdegc.options import COMPRESSIONS, KINDS, TIFF_KINDS, EncodeOptions, Target, ValueRange
from fdegc.raster_info import DTYPES, MAX_BANDS, RasterInfo, Transform, Window, default_colors
from fdegc.results import DecodeResult, EncodeResult, StreamInfo
from fdegc.text import damage_text
from fdegc.types import Samples

if TYPE_CHECKING:
    from fdegc.codec import Codec
    from fdegc.raster import RasterSource

#: Name of a file.
Name: TypeAlias = "str | os.PathLike[str]"
Array: TypeAlias = npt.NDArray[Any]
#: A window, or its x, y, width, height in pixels, as ``fdegc decompress --window`` has them.
Part: TypeAlias = "Window | tuple[int, int, int, int]"

# ------------------------------------------------------------------------------ in


def compress(
    source: Name | Array,
    path: Name,
    quality: float = 4.0,
    *,
    tile_size: int = 512,
    ranges: Sequence[ValueRange] = (),
    target: Target | None = None,
    nodata: float | None = None,
    crs: Any = None,
    transform: Sequence[float] | None = None,
    profile: str | None = None,
    lossy: bool = False,
    effort: int = 0,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> EncodeResult:
    """Compression of a raster file or an array into a ``.fdegc`` file.

    Parameters
    ----------
    source : str, path or ndarray
        Name of a raster file: all that it says besides its pixels is kept.  Or an array of shape
        (bands, height, width), as rasterio reads it, or (height, width) for one band; 1 to 64 bands of
        uint8, int8, uint16, int16, uint32, int32, float32 or float64.  Three bands are red, green and blue.
        Where a masked array is masked in all bands, and where floats are not finite, nothing is valid.
    path : str or path
        Must end in ``.fdegc``.
    quality : float
        1.0 (smallest file) to 6.0 (best picture).
    tile_size : int
        Pixels; a multiple of 64, 64 to 2048.  With the default, very smooth scenes get larger ones.
    ranges : sequence of ValueRange
        Values to keep, for all bands or one a band; the others are clipped.  Without any, all of 8 bits and
        of other types the smallest to the largest valid value of each band.
    target : Target, optional
        Size, bits per pixel or PSNR to reach; then ``quality`` does not count.
    nodata : float, optional
        For arrays: value of samples that mean nothing; they come back exactly.
    crs : optional
        For arrays: coordinate reference system, in any form that rasterio takes: "EPSG:32633", a
        number, WKT.
    transform : sequence of float, optional
        For arrays: six affine coefficients (a, b, c, d, e, f), or what rasterio calls a transform:
        x = a·col + b·row + c, y = d·col + e·row + f.
    profile : str, optional
        Weights to compress with.
    lossy : bool
        Whether palettes and bands of classes are compressed with losses, too.  Without it, and without a
        target or ranges, they come back exactly, whatever the quality, a palette with them; ``advice`` of the
        result says so.
    effort : int
        0 to 4: how long to look for better latents; it takes minutes a megapixel, and files of the same size
        show more.  Without meaning with a target.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    threads : int, optional
        Tiles in work at a time; by default as many as there are cores.
    overwrite : bool
        Whether to replace a file that exists.
    progress : callable, optional
        Gets a :class:`~fdegc.types.Progress` now and then, on this thread.
    cancel : CancelToken, optional
        Its ``cancel()``, from another thread, ends the work with :class:`~fdegc.errors.Cancelled`.

    Returns
    -------
    EncodeResult

    Raises
    ------
    InvalidOption
        If a parameter is outside its range, or an array has another shape.
    UnsupportedRaster
        If the file cannot be read, or the array is of another type.
    OutputExists, OutputFailed, OutputBusy, TargetMissed, OutOfMemory, Cancelled
    DeviceUnavailable, WeightsMissing, WeightsInvalid
        All of them are :class:`~fdegc.errors.FdegcError` s.
    """
    from fdegc.raster.classes import palette_way, settle

    options = EncodeOptions(quality, tile_size, tuple(ranges), target, lossy=lossy, effort=effort)
    out = _path(path, "path")
    if out.suffix.lower() != SUFFIX:
        raise InvalidOption(f"The output of compress must be named *{SUFFIX}, not “{out.name}”.")
    with _source(source, nodata, crs, transform, palette_way(options)) as raster:
        if out.exists():
            if raster.info.path and os.path.exists(raster.info.path) and out.samefile(raster.info.path):
                raise InvalidOption(f"“{out}” is the input itself; choose another name for the output.")
            if not overwrite:
                raise OutputExists(f"“{out}” exists already; choose another name or allow overwriting.")
        codec = _codec(device, threads, profile)
        options, kept = settle(raster, options)
        result = codec.encode(raster, out, options, on_progress=progress, cancel=cancel, overwrite=overwrite)
        return replace(result, advice=(kept, *result.advice)) if kept else result


def _source(
    source: Any, nodata: float | None, crs: Any, transform: Sequence[float] | None, palette: str
) -> RasterSource:
    from fdegc.raster import open_raster

    if isinstance(source, np.ndarray):
        return _array_source(source, nodata, crs, transform)
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidOption(
            f"What is compressed must be the name of a file or a numpy array, not a {type(source).__name__}."
        )
    if any(given is not None for given in (nodata, crs, transform)):
        raise InvalidOption("nodata, crs and transform are for arrays; a file has its own.")
    return open_raster(_path(source, "source"), palette=palette)


def _array_source(
    array: Array, nodata: float | None, crs: Any, transform: Sequence[float] | None
) -> RasterSource:
    from fdegc.raster import ArraySource
    from fdegc.raster.validity import nodata_fits

    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InvalidOption(
            f"An array must be (bands, height, width), or (height, width) for one band, not {array.shape}."
        )
    dtype = array.dtype.name
    if dtype not in DTYPES:
        raise UnsupportedRaster(
            f"An array of type {dtype} cannot be compressed; convert it to {', '.join(DTYPES[:-1])} or "
            f"{DTYPES[-1]}."
        )
    planes = array[None] if array.ndim == 2 else array
    bands, height, width = planes.shape
    if bands > MAX_BANDS:
        last = width <= MAX_BANDS
        remedy = ": bands come first; numpy.moveaxis(array, -1, 0) puts them there." if last else "."
        raise InvalidOption(
            f"An array of shape {array.shape} would have {bands} bands, and there may be {MAX_BANDS}{remedy}"
        )
    if nodata is not None and not nodata_fits(nodata, dtype):
        raise InvalidOption(f"No sample of type {dtype} can be {nodata:g}; choose another nodata.")
    info = RasterInfo(
        "",
        "MEM",
        width,
        height,
        bands,
        dtype,
        color_interpretation=default_colors(bands),
        crs_wkt=None if crs is None else _wkt(crs),
        transform=None if transform is None else _affine(transform),
        nodata=nodata,
    )
    pixels = np.asarray(planes).astype(planes.dtype.newbyteorder("="), copy=False)
    return ArraySource(pixels, _valid(planes), info=info)


def _valid(planes: Array) -> npt.NDArray[np.bool_] | None:
    """Where a masked array has samples; None if it has them everywhere."""
    if not isinstance(planes, np.ma.MaskedArray) or planes.mask is np.ma.nomask or not planes.mask.any():
        return None
    masks = np.asarray(planes.mask)
    if not (masks == masks[0]).all():
        raise InvalidOption(
            "The bands of a masked array must have the same mask; where they differ, give "
            "array.filled(VALUE) and nodata=VALUE, with a value that no sample has."
        )
    valid: npt.NDArray[np.bool_] = ~masks[0]
    return valid


def _wkt(crs: Any) -> str:
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return str(CRS.from_user_input(crs).to_wkt(version="WKT2_2019"))
    except (CRSError, TypeError, ValueError) as error:
        raise InvalidOption(f"“{crs}” is no coordinate reference system; EPSG:32633 would be one.") from error


def _affine(transform: Sequence[float]) -> Transform:
    try:
        a, b, c, d, e, f = (float(value) for value in tuple(transform)[:6])
    except (TypeError, ValueError) as error:
        raise InvalidOption(
            f"A transform has six numbers (a, b, c, d, e, f), as rasterio's has them, not {transform}."
        ) from error
    return a, b, c, d, e, f


# ------------------------------------------------------------------------------ out


@overload
def decompress(
    path: Name,
    output: None = None,
    *,
    window: Part | None = None,
    masked: bool = False,
    device: str = "auto",
    threads: int | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Array: ...


@overload
def decompress(
    path: Name,
    output: Name,
    *,
    window: Part | None = None,
    format: Literal["geotiff", "cog", "png", "jp2"] | None = None,
    compression: Literal["deflate", "zstd", "none"] | None = None,
    sparse: bool = False,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> DecodeResult: ...


def decompress(
    path: Name,
    output: Name | None = None,
    *,
    window: Part | None = None,
    masked: bool = False,
    format: str | None = None,
    compression: str | None = None,
    sparse: bool = False,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Array | DecodeResult:
    """Decompression of a ``.fdegc`` file, or a window of it, into an array or a raster file.

    Parameters
    ----------
    path : str or path
    output : str or path, optional
        Raster file to write, tile by tile; without it the pixels are returned.
    window : Window or tuple of int, optional
        x and y of the upper left pixel, width, height; only what it needs is decoded.
    masked : bool
        For arrays: whether to return a masked array.
    format : str, optional
        "geotiff", "cog", "png" or "jp2"; by default what the name of the output ends in.
    compression : str, optional
        "deflate" (by default), "zstd" or "none", for GeoTIFF and COG.
    sparse : bool
        Whether to leave out the tiles of a GeoTIFF or COG in which nothing is valid: to GDAL they read the
        same, but most other readers refuse such files.
    device, threads, overwrite, progress, cancel
        As of :func:`compress`.

    Returns
    -------
    ndarray or MaskedArray, shape (bands, height, width), of the source's dtype
        Without ``output``.  Samples that are missing have the value of nodata, or are NaN in floats
        without nodata, or 0; with ``masked`` they are masked, too.  Of a raster with a palette they are its
        indices, and ``info(path).raster.palette`` says what they stand for.  An alpha band is not among the
        bands: :meth:`FdegcFile.samples` has it.
    DecodeResult
        With ``output``.  If parts of the file are damaged, the rest is written, ``damaged`` says which, and
        there is a UserWarning.

    Raises
    ------
    CorruptStream
        If the file is none, or what is asked for as an array is damaged.
    InvalidOption
        If the window does not lie inside the scene, or a parameter has no meaning here.
    OutputExists, OutputFailed, UnsupportedStream, WeightsMissing, OutOfMemory, Cancelled, DeviceUnavailable
        All of them are :class:`~fdegc.errors.FdegcError` s.
    """
    if output is None:
        if format is not None or compression is not None or sparse or overwrite:
            raise InvalidOption(
                "format, compression, sparse and overwrite are for files; give an output, too."
            )
        with open(path, device=device, threads=threads) as file:
            return file.read(window, masked=masked, progress=progress, cancel=cancel)
    from fdegc.raster import open_sink
    from fdegc.raster.saving import kind_of

    if masked:
        raise InvalidOption("masked is for arrays; a file has its own ways to say what is missing.")
    if format is not None and format not in KINDS:
        raise InvalidOption(f"The format must be one of {', '.join(KINDS)}, not {format}.")
    source, out, place = _path(path, "path"), _path(output, "output"), _window(window)
    kind = kind_of(out, format)
    if compression is not None and kind not in TIFF_KINDS:
        raise InvalidOption(f"compression is for GeoTIFF and COG; {KINDS[kind][1]} has its own.")
    if compression is not None and compression not in COMPRESSIONS:
        raise InvalidOption(f"The compression must be one of {', '.join(COMPRESSIONS)}, not {compression}.")
    if sparse and kind not in TIFF_KINDS:
        raise InvalidOption(f"sparse is for GeoTIFF and COG; {KINDS[kind][1]} has no tiles to leave out.")
    raster = read_info(source).raster
    if place is not None:
        place.check_inside(raster.width, raster.height)
        raster = raster.part(place)
    how = compression or "deflate"
    with open_sink(out, raster, overwrite=overwrite, kind=kind, compression=how, sparse=sparse) as sink:
        codec = _codec(device, threads)
        result = codec.decode(source, sink, window=place, on_progress=progress, cancel=cancel)
    problem = damage_text(source, out, result)
    if problem:
        warnings.warn(problem, stacklevel=2)
    return result


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
        self.path = _path(path, "path")
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
        place = _window(window) or Window(0, 0, raster.width, raster.height)
        place.check_inside(raster.width, raster.height)
        check_free(
            raster.part(place).raw_bytes, "The array", "read smaller windows, or decompress into a file"
        )
        if self._codec is None:
            self._codec = _codec(self._device, self._threads)
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
    name = _path(path, "path")
    if is_stream(name):
        return read_info(name)
    from fdegc.raster import open_raster

    with open_raster(name, palette="indices") as source:
        return source.info


# ------------------------------------------------------------------------------ both


def _path(name: Any, what: str) -> Path:
    if not isinstance(name, (str, os.PathLike)):
        raise InvalidOption(f"{what} must be the name of a file, not a {type(name).__name__}.")
    return Path(name)


def _window(window: Part | None) -> Window | None:
    if window is None or isinstance(window, Window):
        return window
    try:
        x, y, width, height = (operator.index(value) for value in window)
    except (TypeError, ValueError) as error:
        raise InvalidOption(f"A window is x, y, width and height in pixels, not {window}.") from error
    return Window(x, y, width, height)


def _codec(device: str, threads: int | None, profile: str | None = None) -> Codec:
    from fdegc.codec import Codec

    return Codec(device=device, threads=threads, profile=profile)
