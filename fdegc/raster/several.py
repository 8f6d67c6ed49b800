"""Files of several rasters: which there are, their names for GDAL, and the file that a name is about."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdegc.errors import SeveralRasters
from fdegc.raster.stacks import stack_size
from fdegc.raster.tiff_tags import (
    BITS,
    COLOR_FILTER_ARRAY,
    DESCRIPTION,
    DNG_VERSION,
    PHOTOMETRIC,
    SAMPLE_FORMAT,
    SAMPLES,
    Directory,
    directories,
)

#: What GDAL calls a part of a file: driver, the file (in quotes or not), the part.
_NAME = re.compile(r"(netcdf|hdf5|sentinel2_l\w+|bag|nitf_im|gtiff_dir|gpkg):.+", re.IGNORECASE | re.DOTALL)
_DRIVERS = {
    "netcdf": "netCDF", "hdf5": "HDF5Image", "bag": "BAG", "nitf_im": "NITF", "gtiff_dir": "GTiff",
    "gpkg": "GPKG",
}  # fmt: skip
_TIFF_NAME = re.compile(r"gtiff_dir:((?:off:)?\d+):(.+)", re.IGNORECASE | re.DOTALL)
_NITF_NAME = re.compile(r"nitf_im:\d+:(.+)", re.IGNORECASE | re.DOTALL)
#: What we call a picture of an animation, or of a stack that has one directory; GDAL has no name for these.
_FRAME_NAME = re.compile(r"frame:(\d+):(.+)", re.IGNORECASE | re.DOTALL)
#: Drivers of which the file itself has bands although it holds several rasters.
_FIRST_ONLY = frozenset({"GTiff", "NITF"})
_TOLD = 6
#: What GDAL says of a part: extents, slowest first, words, and the type of samples.
_DESCRIBED = re.compile(r"\[(?:(\d+(?:x\d+)*)x)?(\d+)x(\d+)\].*?(?:\(([^()]+)\))?", re.DOTALL)
#: What samples of a TIFF are, by the number that says so.
_SAMPLES_ARE = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex", 6: "complex floating-point"}


@dataclass(frozen=True, slots=True)
class RasterPart:
    """One of several rasters in a file.

    Attributes
    ----------
    name : str
        By which GDAL opens it.
    title : str
        What it is, in a few words; empty if nothing is known of it.
    details : str
        What else is known of it: bands, type, and its size where the title does not say that.
    """

    name: str
    title: str = ""
    details: str = ""


def driver_of_part(name: str) -> str | None:
    """GDAL's driver for what looks like the name of a part of a file; None if it does not."""
    match = _NAME.fullmatch(name)
    return None if match is None else _DRIVERS.get(match[1].lower(), "SENTINEL2")


def file_of_part(name: str) -> str | None:
    """File that the name of a picture of a TIFF or NITF is about; None for other names."""
    match = _TIFF_NAME.fullmatch(name) or _NITF_NAME.fullmatch(name)
    return None if match is None else match[match.lastindex or 0]


def frame_name(path: Path, number: int) -> str:
    """Name of a picture of an animation or of a stack, by its number from 1."""
    return f"FRAME:{number}:{path}"


def frame_of_part(name: str) -> tuple[Path, int] | None:
    """File and number of a picture of an animation or a stack; None for other names."""
    match = _FRAME_NAME.fullmatch(name)
    return None if match is None else (Path(match[2]), int(match[1]))


def is_part(name: str) -> bool:
    """Whether something looks like the name of one of several rasters in a file."""
    return driver_of_part(name) is not None or frame_of_part(name) is not None


def directory_of_part(name: str) -> Directory | None:
    """Directory of the TIFF that the name of a part is about; None for parts of other files."""
    match = _TIFF_NAME.fullmatch(name)
    if match is None:
        return None
    found = directories(Path(match[2]))
    number = int(match[1].rpartition(":")[2])
    if ":" in match[1]:
        return next((entry for entry in found if entry.offset == number), None)
    row = [entry for entry in found if not entry.inner]
    return row[number - 1] if 1 <= number <= len(row) else None


def gdal_name(name: str) -> str:
    """Name of a part as GDAL wants it, with what a path loses of it."""
    # HDF5's names have two slashes, of which a path keeps one.
    return re.sub(r":/(?=[^/:][^:]*$)", "://", name) if name.lower().startswith("hdf5:") else name


def tiff_parts(path: Path) -> tuple[RasterPart, ...]:
    """Pictures of a TIFF that are neither masks nor smaller copies; empty if there is but one.

    A thumbnail that is the file's first picture counts, as that is what all programs open.
    """
    found = [entry for entry in directories(path) if all(entry.size) and not entry.is_mask]
    pictures = [entry for entry in found[1:] if not entry.is_reduced]
    if not pictures:
        return ()
    row = [entry.offset for entry in directories(path) if not entry.inner]
    return tuple(
        RasterPart(
            f"GTIFF_DIR:off:{entry.offset}:{path}"
            if entry.inner
            else f"GTIFF_DIR:{row.index(entry.offset) + 1}:{path}",
            *_title(entry),
        )
        for entry in (found[0], *pictures)
    )


def _title(entry: Directory) -> tuple[str, str]:
    """Title of a picture of a TIFF, and details."""
    width, height = entry.size
    kind = ", a thumbnail" if entry.is_reduced else ""
    if entry.number(PHOTOMETRIC) == COLOR_FILTER_ARRAY:
        kind = ", unprocessed sensor data"
    samples = f"{entry.number(BITS, 1)}-bit {_SAMPLES_ARE.get(entry.number(SAMPLE_FORMAT, 1), '')}".strip()
    return f"{width}×{height}{kind}", _in_words(entry.number(SAMPLES, 1), samples)


def _told(words: str) -> str:
    """Details of a part from GDAL's description of it; empty if that says no size."""
    match = _DESCRIBED.fullmatch(words)
    if match is None:
        return ""
    bands = math.prod(int(extent) for extent in (match[1] or "1").split("x"))
    return f"{match[3]}×{match[2]}, {_in_words(bands, match[4] or '')}"


def _in_words(bands: int, samples: str) -> str:
    """Bands of a raster, and the type of its samples."""
    return ", ".join(filter(None, (f"{bands} band{'s' if bands != 1 else ''}", samples)))


def dataset_parts(dataset: Any, path: Path) -> tuple[RasterPart, ...]:
    """Rasters of an open rasterio dataset of a whole file; empty if it is the only one."""
    if dataset.driver == "GTiff" and path.is_file():
        return tiff_parts(path) or _stack_parts(dataset, path)
    # rasterio's own list leaves out quotation marks.
    items = dataset.tags(ns="SUBDATASETS")
    names = [name for number in range(1, len(items) + 1) if (name := items.get(f"SUBDATASET_{number}_NAME"))]
    said = [items.get(f"SUBDATASET_{number}_DESC", "") for number in range(1, len(names) + 1)]
    parts = tuple(RasterPart(_plain(name), "", _told(words)) for name, words in zip(names, said, strict=True))
    if dataset.count and (dataset.driver not in _FIRST_ONLY or len(parts) < 2):
        return ()
    return parts


def _stack_parts(dataset: Any, path: Path) -> tuple[RasterPart, ...]:
    """Pictures of a stack of which a TIFF describes only the first; empty if it is none."""
    try:
        text = dataset.tags().get(DESCRIPTION, "")
    except UnicodeDecodeError:
        return ()
    count = stack_size(path, text)
    said = f"{dataset.width}×{dataset.height}", _in_words(dataset.count, dataset.dtypes[0])
    return tuple(RasterPart(frame_name(path, n), *said) for n in range(1, count + 1)) if count > 1 else ()


def _plain(name: str) -> str:
    """A name without quotation marks, where GDAL understands it without them."""
    match = re.fullmatch(r'(netcdf|hdf5):"([^":,;\s]+)":(.+)', name, re.IGNORECASE | re.DOTALL)
    return name if match is None or os.name == "nt" else f"{match[1].lower()}:{match[2]}:{match[3]}"


def several(path: Path, parts: Sequence[RasterPart]) -> SeveralRasters:
    """Error for a file of which nobody has said what part of it is meant."""
    shown = [f"{typed(part.name)}{f' ({part.title})' if part.title else ''}" for part in parts[:_TOLD]]
    more = f" (and {len(parts) - _TOLD} more)" if len(parts) > _TOLD else ""
    raw = ""
    if path.is_file() and (first := next(iter(directories(path)), None)) and DNG_VERSION in first.values:
        raw = " It is a raw photograph (DNG); to compress what it shows, develop it to a TIFF first."
    return SeveralRasters(
        f"“{path}” holds {len(parts)} rasters; open one of its parts, by its name or by its number in this "
        f"list (--page 1 to {len(parts)}): {', '.join(shown)}{more}.{raw}",
        tuple(part.name for part in parts),
        tuple(", ".join(filter(None, (part.title, part.details))) for part in parts),
    )


def typed(name: str) -> str:
    """A name as it has to be typed in a shell, where that makes a difference."""
    return (
        name if os.name == "nt" else shlex.quote(name) if re.search(r"[\s\"'&;$`()*?<>|!\\]", name) else name
    )
