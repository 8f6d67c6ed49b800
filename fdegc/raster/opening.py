"""Opening of a raster file by what it contains, whatever its name says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fdegc.errors import FdegcError, InvalidOption, SeveralRasters, UnsupportedRaster
from fdegc.raster.alpha import Likeness, changed, likeness
from fdegc.raster.facts import SceneFacts, scene_facts
from fdegc.raster.gdal import GDAL_ERRORS, open_dataset
from fdegc.raster.gdal_source import GdalSource
from fdegc.raster.palettes import opaque
from fdegc.raster.pillow_source import TooLarge, frames_of, header_of, open_pillow
from fdegc.raster.several import (
    RasterPart,
    dataset_parts,
    directory_of_part,
    driver_of_part,
    frame_name,
    frame_of_part,
    gdal_name,
    several,
)
from fdegc.raster.source import ArraySource, RasterSource
from fdegc.raster.stack_source import StackSource
from fdegc.raster.tiff_tags import ORIENTATION, Directory, first_directory
from fdegc.raster.turned import TurnedSource
from fdegc.raster.virtual import ZIP, described_data, rasters_in, virtual_name

_HEAD = 1024
_KINDS = (
    "Use a TIFF, GeoTIFF, JPEG 2000, VRT, PNG, JPEG, WebP or BMP file, or one of the rasters that GDAL "
    "knows, such as ENVI, Erdas Imagine, NITF or netCDF"
)
_USUAL = ("GTiff", "JP2OpenJPEG", "PNG", "JPEG", "WEBP", "BMP", "VRT")
_GIF = ("GIF", "BIGGIF")
_ANIMATED = ("PNG", "WEBP", "GIF")
_PICTURES = ("PNG", "JPEG", "WEBP", "BMP")

# GDAL's drivers for rasters in local files, to be tried in this order on a file that starts like none of
# the usual ones.  Not among them: what asks servers, opens databases or vectors, or takes any text.
_OTHERS = (
    "HFA", "NITF", "GIF", "BIGGIF", "netCDF", "HDF5", "HDF5Image", "PCIDSK", "SGI", "PNM", "BAG",
    "GRIB", "ERS", "VICAR", "PDS4", "PDS", "ISIS3", "ISIS2", "ENVI", "EHdr", "RST", "SAGA", "ILWIS",
    "RMF", "PCRaster", "AAIGrid", "GRASSASCIIGrid", "AIG", "DTED", "SRTMHGT", "USGSDEM", "SDTS", "GSAG",
    "GSBG", "GS7BG", "BT", "GXF", "HF2", "SIGDEM", "Terragen", "Leveller", "NWT_GRD", "NWT_GRC", "BYN",
    "GTX", "KRO", "RRASTER", "ROI_PAC", "ISCE", "GenBin", "DIMAP", "TSX", "COSAR", "SAFE", "SENTINEL2",
    "RS2", "ESAT", "SAR_CEOS", "CEOS", "JAXAPALSAR", "AirSAR", "L1B", "MSGN", "FAST", "DOQ1", "DOQ2",
    "NDF", "TIL", "LAN", "ELAS", "MFF", "PAux", "FIT", "CALS", "BSB", "ADRG", "SRP", "XPM", "TGA", "GPKG",
)  # fmt: skip


def open_raster(
    path: str | Path,
    *,
    page: int | None = None,
    look_for_gaps: bool = True,
    alpha: str = "as-alpha",
    palette: str = "colours",
) -> RasterSource:
    """Raster file, opened for reading.

    Parameters
    ----------
    path : str or Path
        TIFF (GeoTIFF, COG), JPEG 2000, VRT and whatever else is a raster in a file to GDAL are read by
        windows; PNG, JPEG, WebP and BMP are decoded into memory, unless they are too large or files
        beside them say where they lie.  One raster of a file that holds several has the name that GDAL
        gives it, for example ``netcdf:a.nc:snow`` or ``GTIFF_DIR:2:a.tif``, or ``FRAME:2:a.gif`` (a picture
        of an animation, or of a stack that has one directory).  A raster in an archive or on
        a server has a name that begins with ``/vsi``, or ``s3://``, ``https://`` and the like; a .zip with
        one raster is opened as that, and an ENVI header as its data.
    page : int, optional
        Number of one of several rasters in a file, from 1, in the order in which :class:`SeveralRasters`
        names them.  Without it an animation is its first picture, and ``pictures`` of the source says so.
    look_for_gaps : bool
        Whether to read all of a raster of floating-point samples without nodata, to know if any of them
        is not finite.  If not, such a raster is taken for one that has a mask, and opens at once.
    alpha : str
        What a band that is called alpha is taken for: "as-alpha" (kept without loss), "as-data" (a band like
        the others), "none" (left out), or "auto": as data if its values are those of data
        (:func:`~fdegc.raster.alpha.likeness`), which ``alpha_is_data`` of the source then says.
    palette : str
        What a raster with a palette is: "colours" (grey, or red, green and blue, with alpha if any entry is
        transparent) or "indices" (the band as it is stored, with ``info.palette``).

    Returns
    -------
    RasterSource
        A context manager; close it after use.

    Raises
    ------
    UnsupportedRaster
        Whatever is wrong with the file; the message is a sentence that names it.
    SeveralRasters
        If the file holds several and none is chosen.
    InvalidOption
        If it has no raster of this number.
    OutOfMemory
        If it can only be read as a whole, and that would not fit.
    """
    if alpha == "auto":
        return _by_values(
            lambda alpha: open_raster(
                path, page=page, look_for_gaps=look_for_gaps, alpha=alpha, palette=palette
            )
        )
    try:
        source = _open(path, look_for_gaps, alpha, palette)
    except SeveralRasters as error:
        if page is None and len(error.parts) > 1:
            raise
        source = _open(_chosen(path, error.parts, page or 1), look_for_gaps, alpha, palette)
    else:
        if page is not None:
            source = _picture_of(source, path, page, lambda name: _open(name, look_for_gaps, alpha, palette))
    if alpha == "none" and source.info.palette:
        source.info = replace(source.info, palette=opaque(source.info.palette))
    return source


def _by_values(open_as: Callable[[str], RasterSource]) -> RasterSource:
    """Raster whose alpha band, if it has one, is taken for what its values look like."""
    source = open_as("as-alpha")
    is_data = False
    if source.info.has_alpha:
        with contextlib.suppress(FdegcError):  # reading will say what is wrong
            is_data = likeness(source) is Likeness.DATA
    if is_data:
        source.close()
        source = open_as("as-data")
        source.alpha_is_data = True
    return source


def _chosen(path: str | Path, parts: Sequence[str], page: int) -> str:
    if not 1 <= page <= len(parts):
        raise InvalidOption(f"“{path}” holds {len(parts)} rasters; there is no number {page}.")
    return parts[page - 1]


def _picture_of(
    source: RasterSource, path: str | Path, page: int, open_name: Callable[[str], RasterSource]
) -> RasterSource:
    """One picture of a file of which the first is open."""
    count, source.pictures = source.pictures, 1
    if page == 1:
        return source
    source.close()
    if count == 1:
        raise InvalidOption(f"“{path}” is a single raster; it has no number {page}, leave --page out.")
    return open_name(_chosen(path, [frame_name(Path(path), n) for n in range(1, count + 1)], page))


def _open(path: str | Path, look_for_gaps: bool, alpha: str, palette: str) -> RasterSource:
    """Open a file that holds one raster, or one raster of a file by its name."""
    try:
        driver = driver_of_part(str(path))
        if driver is not None and not os.path.exists(path):
            return _open_part(Path(path), driver, look_for_gaps, alpha, palette)
        frame = frame_of_part(str(path))
        if frame is not None and not os.path.exists(path):
            return _open_frame(Path(path), *frame, look_for_gaps, alpha, palette)
        virtual = virtual_name(str(path))
        if virtual is not None:
            return _open_virtual(virtual, look_for_gaps, alpha, palette)
        path = described_data(Path(path))
        head = _read_head(path)
        kind = _kind(head)
        if kind is None and head.startswith(ZIP):
            return _open_archive(path, look_for_gaps, alpha, palette)
        if kind is None:
            return _open_other(path, look_for_gaps, alpha, palette)
        if kind in _PICTURES:
            picture = _open_picture(path, kind, _is_deep_png(head), alpha, palette)
            picture.pictures = frames_of(path, kind) if kind in _ANIMATED else 1
            return picture
        source = GdalSource(path, kind, look_for_gaps=look_for_gaps, alpha=alpha, palette=palette)
        return _turned(source, first_directory(path) if kind == "GTiff" else None)
    except MemoryError as error:
        raise UnsupportedRaster(
            f"“{path}” needs more memory than there is; cut it into parts or convert it to a tiled GeoTIFF."
        ) from error
    except (OSError, ValueError) as error:
        raise UnsupportedRaster(
            f"“{path}” cannot be read; check that it is complete and opens in another program."
        ) from error


def _turned(source: GdalSource, directory: Directory | None) -> RasterSource:
    """A picture of a TIFF, turned as it says unless it has a place on the ground; GDAL does not tell that."""
    orientation = 1 if directory is None else directory.number(ORIENTATION, 1)
    placed = source.info.transform or source.info.crs_wkt or source.info.gcps
    return source if placed or not 2 <= orientation <= 8 else TurnedSource(source, orientation)


def _open_picture(path: Path, kind: str, deep: bool, alpha: str, palette: str) -> RasterSource:
    """Open a PNG, JPEG, WebP or BMP, which GDAL and Pillow know different things about."""
    facts: SceneFacts = {}
    neighbours = False
    with contextlib.suppress(*GDAL_ERRORS), open_dataset(os.path.abspath(path), kind) as dataset:
        facts = scene_facts(dataset)
        neighbours = len(dataset.files) > 1  # a world file, a mask, metadata
    if not (deep or neighbours):
        with contextlib.suppress(TooLarge):
            picture = open_pillow(path, kind, facts, palette)
            return picture if alpha == "as-alpha" or not picture.info.has_alpha else changed(picture, alpha)
    source = GdalSource(path, kind, alpha=alpha, palette=palette)
    orientation, exif = header_of(path, kind)
    placed = source.info.transform or source.info.crs_wkt or source.info.gcps
    if placed or orientation == 1:
        source.add_exif(exif)
        return source
    return TurnedSource(source, orientation)


def _open_other(path: Path, look_for_gaps: bool, alpha: str, palette: str) -> RasterSource:
    """Let GDAL try its drivers on a file of none of the usual kinds."""
    dataset = _opened_by_any(path)
    if dataset is None:
        raise UnsupportedRaster(f"“{path}” is not an image of a known kind. {_KINDS}.")
    pictures = frames_of(path, "GIF") if dataset.driver in _GIF else 1
    if pictures == 1:
        return GdalSource(path, dataset.driver, dataset, look_for_gaps, alpha, palette)
    with dataset:  # in which GDAL takes the indices of each picture for a band
        picture = _frame(path, "GIF", dataset, 1, alpha, palette)
    picture.pictures = pictures
    return picture


def _open_frame(
    name: Path, path: Path, number: int, look_for_gaps: bool, alpha: str, palette: str
) -> RasterSource:
    """Open a picture of an animation, or of a stack that a TIFF has in one directory."""
    head = _read_head(path)
    kind = _kind(head) or ("GIF" if head.startswith(b"GIF8") else None)
    with contextlib.ExitStack() as stack:
        if kind == "GTiff":
            dataset = stack.enter_context(open_dataset(os.path.abspath(path), kind))
            parts = [part.name for part in dataset_parts(dataset, path)]
            if 1 <= number <= len(parts) and frame_of_part(parts[number - 1]):
                source = StackSource(name, path, number, look_for_gaps, alpha, palette)
                return _turned(source, first_directory(path))
        elif kind in _ANIMATED and 1 <= number <= frames_of(path, kind):
            if _is_deep_png(head):
                raise UnsupportedRaster(
                    f"“{path}” is an animation of 16-bit colours, of which only the first picture can be "
                    "read; convert the others to files of their own."
                )
            dataset = stack.enter_context(open_dataset(os.path.abspath(path), kind))
            picture = _frame(path, kind, dataset, number, alpha, palette)
            picture.info = replace(picture.info, path=str(name))
            return picture
    raise UnsupportedRaster(f"“{path}” has no picture {number} of an animation or a stack; check its name.")


def _frame(path: Path, kind: str, dataset: Any, number: int, alpha: str, palette: str) -> ArraySource:
    """Picture of an animation as it is seen, of which GDAL has the file open."""
    picture = open_pillow(path, kind, scene_facts(dataset), palette, number)
    return picture if alpha == "as-alpha" or not picture.info.has_alpha else changed(picture, alpha)


def _opened_by_any(path: Path) -> Any:
    """Rasterio dataset of a file of none of the usual kinds; None if no driver knows it."""
    # Any table of numbers may be a raster to GDAL's driver for XYZ.
    for driver in (*_OTHERS, "XYZ") if path.suffix.lower() == ".xyz" else _OTHERS:
        with contextlib.suppress(*GDAL_ERRORS):
            return open_dataset(os.path.abspath(path), driver)
    return None


def _open_virtual(name: str, look_for_gaps: bool, alpha: str, palette: str) -> RasterSource:
    """Open what one of GDAL's file systems has: in archives, on servers."""
    for driver in (*_USUAL, *_OTHERS):
        with contextlib.suppress(*GDAL_ERRORS):
            dataset = open_dataset(name, driver)
            if driver in _GIF and dataset.count > 1:  # each the indices of a picture's own palette
                dataset.close()
                raise UnsupportedRaster(
                    f"“{name}” is an animation, of which no picture can be read where it is; copy it to a "
                    "file of its own first."
                )
            source = GdalSource(Path(name), driver, dataset, look_for_gaps, alpha, palette)
            text = source.info.tags.get("EXIF_Orientation", "1")
            placed = source.info.transform or source.info.crs_wkt or source.info.gcps
            turned = text in "2345678" and not placed
            return TurnedSource(source, int(text)) if turned else source
    raise UnsupportedRaster(
        f"“{name}” cannot be opened: check the name, that it can be reached, and that it is a raster."
    )


def _open_archive(path: Path, look_for_gaps: bool, alpha: str, palette: str) -> RasterSource:
    """Open the raster in a .zip."""
    names = rasters_in(path)
    if names is None:
        return _open_other(path, look_for_gaps, alpha, palette)
    if not names:
        raise UnsupportedRaster(
            f"“{path}” is an archive without a file that is called like a raster. {_KINDS}."
        )
    if len(names) > 1:
        raise several(path, [RasterPart(name) for name in names])
    return _open_virtual(names[0], look_for_gaps, alpha, palette)


def _open_part(name: Path, driver: str, look_for_gaps: bool, alpha: str, palette: str) -> RasterSource:
    """Open one of several rasters in a file."""
    try:
        dataset = open_dataset(gdal_name(str(name)), driver)
    except GDAL_ERRORS as error:
        raise UnsupportedRaster(
            f"“{name}” cannot be opened: check the name of the file and that of the part of it."
        ) from error
    source = GdalSource(name, driver, dataset, look_for_gaps, alpha, palette)
    return _turned(source, directory_of_part(str(name)))


def looks_like_raster(path: Path) -> bool:
    """Whether a file is of a kind that :func:`open_raster` knows: by its first bytes, or as GDAL sees it."""
    try:
        if _kind(_read_head(path)) is not None:
            return True
    except UnsupportedRaster:
        return False
    if path.suffix.lower() == ".zip" and rasters_in(path):  # others, of texts say, hold pictures, too
        return True
    dataset = _opened_by_any(path)
    if dataset is not None:
        dataset.close()
    return dataset is not None


def _read_head(path: Path) -> bytes:
    """Return the first bytes of a file, or say why there are none."""
    try:
        if path.is_dir():
            raise UnsupportedRaster(f"“{path}” is a folder; choose an image file in it.")
        if not path.exists():
            raise UnsupportedRaster(f"“{path}” does not exist; check its name and folder.")
        if not path.is_file():
            raise UnsupportedRaster(f"“{path}” is not an ordinary file; choose an image file.")
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except (OSError, ValueError) as error:
        raise UnsupportedRaster(
            f"“{path}” cannot be opened ({_reason(error)}); check its permissions."
        ) from error
    if not head:
        raise UnsupportedRaster(f"“{path}” is empty; copy or download it again.")
    return head


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error)


def _kind(head: bytes) -> str | None:
    """GDAL's name of the driver for a file that starts with ``head``, None if unknown."""
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "GTiff"
    if head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")):
        return "JP2OpenJPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"BM"):
        return "BMP"
    if b"<VRTDataset" in head and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "VRT"
    return None


def _is_deep_png(head: bytes) -> bool:
    # Pillow drops the lower byte of 16-bit colour without a word; only 16-bit grey survives it.
    return head.startswith(b"\x89PNG") and len(head) > 25 and head[24] == 16 and head[25] != 0
