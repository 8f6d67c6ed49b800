"""Start of writing a raster file of the kind that its name, or the user, says."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fdegc.control import CancelToken
from fdegc.errors import OutputFailed
from fdegc.options import KINDS, TIFF_KINDS
from fdegc.raster.copy_sink import CogSink, ColouredSink, Jp2Sink, PalettePngSink, PngSink
from fdegc.raster.gdal import GDAL_ERRORS, open_dataset
from fdegc.raster.palettes import coloured_info
from fdegc.raster.sink import RasterSink, exists, failed
from fdegc.raster.tiff_sink import TiffSink
from fdegc.raster_info import RasterInfo


def kind_of(path: Path, kind: str | None = None) -> str:
    """Kind of file that a name stands for.

    Parameters
    ----------
    path : Path
    kind : str, optional
        One of :data:`~fdegc.options.KINDS` that was asked for.

    Raises
    ------
    OutputFailed
        If the ending of the name is unknown, or not one of that kind.
    """
    suffix = path.suffix.lower()
    if kind is None:
        kind = next((name for name, (endings, _) in KINDS.items() if suffix in endings), None)
        if kind is None:
            *known, last = dict.fromkeys(ending for endings, _ in KINDS.values() for ending in endings)
            raise OutputFailed(
                f"“{path}” cannot be written: its name must end in {', '.join(known)} or {last}."
            )
    endings, title = KINDS[kind]
    if suffix not in endings:
        raise OutputFailed(
            f"“{path}” cannot be written as {title}: its name must end in {' or '.join(endings)}."
        )
    return kind


def is_cog(path: Path) -> bool:
    """Whether a TIFF that is there says that it is laid out as a COG."""
    with contextlib.suppress(*GDAL_ERRORS), open_dataset(os.path.abspath(path), "GTiff") as dataset:
        return bool(dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG")
    return False


def open_sink(
    path: str | Path,
    info: RasterInfo,
    *,
    overwrite: bool = False,
    kind: str | None = None,
    compression: str = "deflate",
    sparse: bool = False,
    palette: str = "indices",
    cancel: CancelToken | None = None,
) -> RasterSink:
    """Raster file, opened for writing.

    Parameters
    ----------
    path : str or Path
        ``.tif`` or ``.tiff`` (everything), ``.png`` (uint8 and uint16, grey or RGB), ``.jp2`` (uint8,
        uint16 and int16, lossless).
    info : RasterInfo
        What will be written; indices, if it has a palette.
    overwrite : bool
        Whether to replace a file that exists.
    kind : str, optional
        One of :data:`~fdegc.options.KINDS`; by default what the name ends in, GeoTIFF for ``.tif``.
    compression : str
        One of :data:`~fdegc.options.COMPRESSIONS`, for GeoTIFF and COG.
    sparse : bool
        Whether tiles of a GeoTIFF or COG in which nothing is valid, or everything is 0, are left out: to GDAL
        they read the same, but most other readers refuse such files.
    palette : str
        "indices" keeps a palette where the kind of file can; "colours" writes what its indices stand for.
    cancel : CancelToken, optional
        Of the caller, so that completing a large file, which may take half a minute, can be cancelled, too.

    Returns
    -------
    RasterSink
        A context manager: leaving it normally puts the file in place, an exception leaves nothing.
        Its ``unsupported_metadata`` then says what the file cannot hold of ``info``.

    Raises
    ------
    OutputExists
        If the file exists and ``overwrite`` is False.
    OutputFailed
        If it cannot be created, or its kind cannot hold such a raster.
    """
    path = Path(path)
    kind = kind_of(path, kind)
    try:
        if path.is_dir():
            raise OutputFailed(f"“{path}” is a folder; choose the name of a file in it.")
        if not path.parent.is_dir():
            raise OutputFailed(f"“{path}” cannot be written: its folder does not exist; create it first.")
        if path.exists() and not overwrite:
            raise exists(path)
    except OSError as error:
        raise failed(path, error) from error
    sink = _sink(path, info, overwrite, kind, compression, sparse, palette)
    sink.cancel = cancel
    return sink


def _sink(
    path: Path, info: RasterInfo, overwrite: bool, kind: str, compression: str, sparse: bool, palette: str
) -> RasterSink:
    if info.palette and (palette == "colours" or not _holds_palette(kind, info)):
        colours = _sink(path, coloured_info(info), overwrite, kind, compression, sparse, palette)
        return ColouredSink(colours, info)
    if kind == "geotiff":
        return TiffSink(path, info, overwrite, compression, sparse)
    if kind == "cog":
        return CogSink(path, info, overwrite, compression, sparse)
    if kind == "png":
        return PalettePngSink(path, info, overwrite) if info.palette else PngSink(path, info, overwrite)
    return Jp2Sink(path, info, overwrite)


def _holds_palette(kind: str, info: RasterInfo) -> bool:
    """Whether a kind of file can hold a raster's indices and its palette."""
    return kind in TIFF_KINDS or (kind == "png" and PalettePngSink.fits(info))
