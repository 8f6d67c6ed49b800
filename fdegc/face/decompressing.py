"""Decompression into files and arrays."""

from __future__ import annotations

import warnings
from typing import Literal, overload

from fdegc.control import CancelToken, ProgressCallback
from fdegc.errors import InvalidOption
from fdegc.face.given import Array, Name, Part, as_path, as_window, make_codec
from fdegc.face.opened import FdegcFile
from fdegc.format.info import read_info
from fdegc.options import COMPRESSIONS, KINDS, TIFF_KINDS
from fdegc.results import DecodeResult
from fdegc.text import damage_text


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
        with FdegcFile(path, device=device, threads=threads) as file:
            return file.read(window, masked=masked, progress=progress, cancel=cancel)
    from fdegc.raster import open_sink
    from fdegc.raster.saving import kind_of

    if masked:
        raise InvalidOption("masked is for arrays; a file has its own ways to say what is missing.")
    if format is not None and format not in KINDS:
        raise InvalidOption(f"The format must be one of {', '.join(KINDS)}, not {format}.")
    source, out, place = as_path(path, "path"), as_path(output, "output"), as_window(window)
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
    with open_sink(
        out, raster, overwrite=overwrite, kind=kind, compression=how, sparse=sparse, cancel=cancel
    ) as sink:
        codec = make_codec(device, threads)
        result = codec.decode(source, sink, window=place, on_progress=progress, cancel=cancel)
    problem = damage_text(source, out, result)
    if problem:
        warnings.warn(problem, stacklevel=2)
    return result
