"""Names of rasters that are no files of their own: in archives, on servers, or a header beside the data."""

from __future__ import annotations

import contextlib
import os
import re
import zipfile
from pathlib import Path

from fdegc.errors import UnsupportedRaster

#: What a .zip begins with.
ZIP = b"PK\3\4"
#: Names that people give to what GDAL reaches by a file system of its own.
_PREFIXES = {
    "s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/", "http": "/vsicurl/http://", "https": "/vsicurl/https://",
}  # fmt: skip
#: A path has lost one of the two slashes.
_URL = re.compile(r"(s3|gs|az|https?):/{1,2}(.+)", re.IGNORECASE | re.DOTALL)
_INNER_URL = re.compile(r"(https?|ftp):/+")
_ARCHIVE = re.compile(r"(/vsi(?:zip|tar|gzip|7z|rar)/)((?!/|\{)[^/].*?)(?:/.*|)", re.DOTALL)
_ENDINGS = frozenset(
    {
        ".tif", ".tiff", ".jp2", ".j2k", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".vrt", ".img", ".ntf",
        ".dat", ".bil", ".bip", ".bsq", ".flt", ".asc", ".hgt", ".pix", ".rst", ".sdat", ".grb", ".grb2",
        ".gif", ".ppm", ".pgm", ".dem", ".dt0", ".dt1", ".dt2", ".ers", ".gpkg",
    }
)  # fmt: skip
#: What data are called whose header is beside them; without an ending, too.
_DATA = ("", ".dat", ".img", ".bin", ".raw", ".bil", ".bip", ".bsq", ".flt", ".envi")


def virtual_name(name: str) -> str | None:
    """Name for GDAL of what is in an archive or on a server; None for ordinary paths."""
    if os.path.exists(name):
        return None
    if name.startswith("/vsi"):
        name = _INNER_URL.sub(r"\1://", name)
        match = _ARCHIVE.fullmatch(name)
        first = "" if match is None else match[2]
        # The first folder tells whether the archive's path was absolute, and lost its slash.
        lost = first[:3] == "vsi" or (not os.path.exists(first) and os.path.exists(f"/{first}"))
        return name if match is None or not lost else f"{match[1]}/{name[len(match[1]) :]}"
    match = _URL.fullmatch(name)
    return None if match is None else f"{_PREFIXES[match[1].lower()]}{match[2]}"


def rasters_in(path: Path) -> list[str] | None:
    """GDAL's names of the files in a .zip that are called like rasters; None if it is no .zip."""
    with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if Path(name).suffix.lower() in _ENDINGS]
        hidden = ("__MACOSX/", ".")
        return [f"/vsizip/{path.absolute()}/{name}" for name in names if not name.startswith(hidden)]
    return None


def described_data(path: Path) -> Path:
    """Data that a header of ENVI or Esri describes; other paths as they are.

    Raises
    ------
    UnsupportedRaster
        If there are none beside it.
    """
    if path.suffix.lower() != ".hdr" or not path.is_file():
        return path
    with contextlib.suppress(OSError), path.open("rb") as file:
        head = file.read(4096).lstrip().upper()
        if not head.startswith(b"ENVI") and not (b"NROWS" in head and b"NCOLS" in head):
            return path
    for ending in _DATA:
        for found in (path.with_suffix(ending), path.with_suffix(ending.upper())):
            if found != path and found.is_file():
                return found
    raise UnsupportedRaster(
        f"“{path}” only describes a raster, and there are no data of its name beside it; put them there, or "
        "name them."
    )
