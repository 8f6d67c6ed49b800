"""Everything that files say about a raster apart from its pixels, as GDAL and Pillow tell it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.errors import CRSError

from fdegc.raster.epoch import EPOCH, epoch_of
from fdegc.raster.several import directory_of_part
from fdegc.raster.tiff_tags import (
    ASSOCIATED_ALPHA,
    DESCRIPTION,
    EXTRA_SAMPLES,
    SAMPLES,
    Directory,
    first_directory,
)
from fdegc.raster_info import AlphaBand, Domains, GroundControlPoint, Transform

#: Metadata domains that tell of the file, not of the raster.
_STRUCTURAL = frozenset(
    {
        "IMAGE_STRUCTURE",  # but for one item
        "DERIVED_SUBDATASETS",
        "SUBDATASETS",
        "TILING_SCHEME",
        "COLOR_PROFILE",
        "rio_creation_kwds",
        "rio_overview",
        "xml:VRT",
        "xml:gml.root-instance",
    }
)
#: What GDAL and Pillow call colours that they give as red, green and blue, and what people do; luminance and
#: colour differences of JPEG are no more than a way to store those.
CONVERTED = {"CMYK": "CMYK", "CIELAB": "CIE L*a*b*", "LAB": "CIE L*a*b*"}
_MIN_IS_WHITE = "MINISWHITE"
_STRUCTURE = "IMAGE_STRUCTURE"
_OME = re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<OME\b", re.DOTALL)
_ICC = "SOURCE_ICC_PROFILE"
_TIFF_TEXTS = tuple(
    f"TIFFTAG_{name}"
    for name in ("DOCUMENTNAME", "IMAGEDESCRIPTION", "SOFTWARE", "ARTIST", "HOSTCOMPUTER", "COPYRIGHT")
)
_IDENTITY: Transform = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class SceneFacts(TypedDict, total=False):
    """Arguments of ``RasterInfo`` that hold for the whole raster."""

    crs_wkt: str | None
    transform: Transform | None
    tags: Mapping[str, str]
    domains: Domains
    gcps: tuple[GroundControlPoint, ...]
    gcp_crs_wkt: str | None
    icc: bytes | None


class BandFacts(TypedDict, total=False):
    """Arguments of ``RasterInfo`` that have one entry a band."""

    color_interpretation: tuple[str, ...]
    band_names: tuple[str | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    units: tuple[str | None, ...]
    band_tags: tuple[Mapping[str, str], ...]


def scene_facts(dataset: Any) -> SceneFacts:
    """Facts that an open rasterio dataset tells of the raster as a whole."""
    points, crs = dataset.gcps
    domains, icc = _domains(dataset)
    return SceneFacts(
        crs_wkt=_wkt(dataset.crs),
        transform=_transform(dataset),
        tags=_lasting({**_latin_tags(dataset), **dataset.tags()}),
        domains=domains,
        gcps=tuple(_point(point) for point in points),
        gcp_crs_wkt=_wkt(crs) if points else None,
        icc=icc,
    )


def band_facts(dataset: Any, bands: Sequence[int]) -> BandFacts:
    """Facts that an open rasterio dataset tells of bands, numbered from 1; the usual is left out."""
    scales = tuple(float(dataset.scales[i - 1]) for i in bands)
    offsets = tuple(float(dataset.offsets[i - 1]) for i in bands)
    scaled = any(scale != 1.0 for scale in scales) or any(offsets)
    units = _texts(dataset, "units", bands)
    tags = tuple(_lasting(dataset.tags(i)) for i in bands)
    return BandFacts(
        color_interpretation=tuple(_color(dataset, i) for i in bands),
        band_names=_texts(dataset, "descriptions", bands),
        scales=scales if scaled else (),
        offsets=offsets if scaled else (),
        units=units if any(units) else (),
        band_tags=tags if any(tags) else (),
    )


def is_min_is_white(dataset: Any) -> bool:
    """Whether zero is white in an open rasterio dataset; GDAL makes a palette from white to black of that."""
    return bool(dataset.tags(ns=_STRUCTURE).get(_MIN_IS_WHITE) == "YES")


def _is_premultiplied(dataset: Any) -> bool:
    """Whether colours are multiplied with alpha in an open rasterio dataset."""
    alpha, directory = alpha_index(dataset), _directory(dataset)
    if alpha is None or directory is None:
        return False
    extra = directory.values.get(EXTRA_SAMPLES, ())
    place = alpha - 1 - (directory.number(SAMPLES, 1) - len(extra))
    return 0 <= place < len(extra) and extra[place] == ASSOCIATED_ALPHA


def _directory(dataset: Any) -> Directory | None:
    """Directory of the TIFF that an open rasterio dataset is of; None for other files."""
    if dataset.driver != "GTiff":
        return None
    return directory_of_part(dataset.name) or first_directory(Path(dataset.name))


def _color(dataset: Any, band: int) -> str:
    color = dataset.colorinterp[band - 1]
    return "gray" if color == ColorInterp.palette and is_min_is_white(dataset) else str(color.name)


def alpha_facts(dataset: Any, band: int) -> AlphaBand | None:
    """Facts that an open rasterio dataset tells of its alpha band; None if nothing unusual."""
    name, tags = _texts(dataset, "descriptions", [band])[0], _lasting(dataset.tags(band))
    if band == dataset.count and name is None and not tags:
        return None
    return AlphaBand(band - 1, name, tags)


def alpha_index(dataset: Any) -> int | None:
    """Number of the alpha band of an open rasterio dataset, from 1; None if there is none."""
    if dataset.count == 1:
        return None
    return next((i for i, color in enumerate(dataset.colorinterp, 1) if color == ColorInterp.alpha), None)


def exif_of(image: Image.Image) -> bytes | None:
    """EXIF data of a Pillow image from the TIFF header on; None if there are none."""
    data = image.info.get("exif")
    if not isinstance(data, bytes) or not data:
        return None
    return data.removeprefix(b"Exif\0\0") or None


def _texts(dataset: Any, attribute: str, bands: Sequence[int]) -> tuple[str | None, ...]:
    """Texts of bands; none if one of them is not UTF-8, which rasterio does not get over."""
    try:
        texts = getattr(dataset, attribute)
    except UnicodeDecodeError:
        return (None,) * len(bands)
    return tuple(texts[i - 1] or None for i in bands)


def _latin_tags(dataset: Any) -> dict[str, str]:
    """TIFF's own tags that are not UTF-8, which rasterio leaves out: most probably they are Latin-1."""
    found = {}
    for key in _TIFF_TEXTS if dataset.driver == "GTiff" else ():
        try:
            dataset.get_tag_item(key)
        except UnicodeDecodeError as error:
            found[key] = error.object.decode("latin-1")
    return found


def _lasting(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that hold for a lossy reconstruction: without statistics, and texts about the file's layout."""
    kept = {key: value for key, value in tags.items() if not key.startswith("STATISTICS_")}
    if DESCRIPTION in kept:
        text = _without_layout(kept.pop(DESCRIPTION))
        kept |= {DESCRIPTION: text} if text else {}
    return kept


def _without_layout(text: str) -> str:
    """A TIFF's description without what tells a program how its pages are stored: it would believe that.

    ImageJ writes such texts, tifffile (a JSON object with a shape), and microscopes (OME-XML).
    """
    if text.startswith("ImageJ=") or re.match(
        r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<OME\b", text, re.DOTALL
    ):
        return ""
    if not text.startswith("{"):
        return text
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if "shape" not in told:
        return text
    rest = {key: value for key, value in told.items() if key not in ("shape", "axes", "truncated")}
    return json.dumps(rest) if rest else ""


def _without_folder(text: str) -> str:
    """A name without the folder, if that is one of this machine."""
    match = re.fullmatch(r'((?:\w+:)?"?)(/|[A-Za-z]:[\\/]|\\\\)(.*[\\/])?([^\\/]+)', text, re.DOTALL)
    return text if match is None else match[1] + match[4]


def _domains(dataset: Any) -> tuple[Domains, bytes | None]:
    domains: dict[str, dict[str, str]] = {}
    for name in dataset.tag_namespaces():
        if name and name not in _STRUCTURAL and not name.startswith("xml:BOX"):
            items = dict(dataset.tags(ns=name))
            if items:
                domains[name] = items
    if is_min_is_white(dataset):  # it says what the samples mean, not how they are stored
        domains[_STRUCTURE] = {_MIN_IS_WHITE: "YES"}
    if _is_premultiplied(dataset):  # of which GDAL does not tell
        domains[_STRUCTURE] = {**domains.get(_STRUCTURE, {}), "ALPHA": "PREMULTIPLIED"}
    directory = _directory(dataset)
    epoch = None if directory is None else epoch_of(directory)
    if epoch is not None and dataset.crs:
        domains[EPOCH] = {EPOCH: f"{epoch:.17g}"}
    if "GEOLOCATION" in domains:
        domains["GEOLOCATION"] = {key: _without_folder(text) for key, text in domains["GEOLOCATION"].items()}
    profile = dict(dataset.tags(ns="COLOR_PROFILE"))
    icc = None
    with contextlib.suppress(binascii.Error, ValueError):
        icc = base64.b64decode(profile.pop(_ICC, "")) or None
    return domains, icc


def _point(point: Any) -> GroundControlPoint:
    return GroundControlPoint(
        float(point.row),
        float(point.col),
        float(point.x),
        float(point.y),
        float(point.z or 0.0),
        str(point.id or ""),
        str(point.info or ""),
    )


def _wkt(crs: Any) -> str | None:
    if not crs:
        return None
    try:
        return str(crs.to_wkt(version="WKT2_2019"))
    except CRSError:
        return str(crs.to_wkt())  # an engineering CRS that WKT2 cannot say


def _transform(dataset: Any) -> Transform | None:
    a, b, c, d, e, f = (float(v) for v in tuple(dataset.transform)[:6])
    if (a, b, c, d, e, f) == _IDENTITY and (not dataset.crs or dataset.gcps[0]):
        return None
    return a, b, c, d, e, f
