"""Compression of files and arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fdegc.control import CancelToken, ProgressCallback
from fdegc.errors import InvalidOption, OutputExists
from fdegc.face.arrays import array_source
from fdegc.face.given import Array, Name, as_path, make_codec
from fdegc.format import SUFFIX
from fdegc.options import QUALITY_MAX, EncodeOptions, QualityRegion, Target, ValueRange
from fdegc.raster_info import RasterInfo
from fdegc.results import EncodeResult

if TYPE_CHECKING:
    from fdegc.raster import RasterSource


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
    max_error: float | None = None,
    lossy: bool = False,
    check: bool = True,
    band_weights: Sequence[float] = (),
    roi: Name | None = None,
    roi_quality: float = QUALITY_MAX,
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
        of other types the smallest to the largest valid value of each band but for outliers, which are kept
        exactly.
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
    max_error : float, optional
        Largest error of any valid sample, in the samples' units; 0: without loss.  No quality applies then.
    lossy : bool
        Whether palettes and bands of classes are compressed with losses, too.  Without it, and without a
        target or ranges, they come back exactly, whatever the quality, a palette with them; ``advice`` of the
        result says so.
    check : bool
        Whether each tile is decoded again and kept another way where that is better, so that nothing comes
        out worse than JPEG 2000 would make it in the same bytes, and the file says how good each tile is.
    band_weights : sequence of float
        How much errors of each band count beside the others, one number a band; by default all alike.
    roi : str or path, optional
        GeoJSON, GeoPackage or Shapefile with polygons where ``roi_quality`` counts, by whole tiles.
    roi_quality : float
        1.0 to 6.0.
    effort : int
        0 to 4: how long to look for better latents; it takes minutes a megapixel, and files of the same size
        show more.  Without meaning with a target or a largest error.
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

    options = EncodeOptions(
        quality,
        tile_size,
        tuple(ranges),
        target,
        check=check,
        max_error=max_error,
        band_weights=tuple(band_weights),
        lossy=lossy,
        effort=effort,
    )
    out = as_path(path, "path")
    if out.suffix.lower() != SUFFIX:
        raise InvalidOption(f"The output of compress must be named *{SUFFIX}, not “{out.name}”.")
    with _source(source, nodata, crs, transform, palette_way(options)) as raster:
        if out.exists():
            if raster.info.path and os.path.exists(raster.info.path) and out.samefile(raster.info.path):
                raise InvalidOption(f"“{out}” is the input itself; choose another name for the output.")
            if not overwrite:
                raise OutputExists(f"“{out}” exists already; choose another name or allow overwriting.")
        codec = make_codec(device, threads, profile)
        said = []
        if roi is not None:
            region, doubt = _region(as_path(roi, "roi"), roi_quality, raster.info)
            options = replace(options, region=region)
            said.append(doubt)
        options, kept = settle(raster, options, "lossy=True")
        said.append(kept)
        result = codec.encode(raster, out, options, on_progress=progress, cancel=cancel, overwrite=overwrite)
        return replace(result, advice=(*filter(None, said), *result.advice))


def _region(polygons: Path, quality: float, info: RasterInfo) -> tuple[QualityRegion, str | None]:
    """Region with a quality of its own, and what is to be said of it."""
    from fdegc.raster.advice import crossing_advice
    from fdegc.raster.area import read_area

    area = read_area(polygons, info)
    return QualityRegion(area.polygons, quality), crossing_advice(area.long_edge)


def _source(
    source: Any, nodata: float | None, crs: Any, transform: Sequence[float] | None, palette: str
) -> RasterSource:
    from fdegc.raster import open_raster

    if isinstance(source, np.ndarray):
        return array_source(source, nodata, crs, transform)
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidOption(
            f"What is compressed must be the name of a file or a numpy array, not a {type(source).__name__}."
        )
    if any(given is not None for given in (nodata, crs, transform)):
        raise InvalidOption("nodata, crs and transform are for arrays; a file has its own.")
    return open_raster(as_path(source, "source"), alpha="auto", palette=palette)
