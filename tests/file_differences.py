"""Compares two raster files field by field, as ``rio info`` and ``gdalinfo`` show them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning
from rasterio.windows import Window as RioWindow

from fdegc.raster.facts import alpha_index
from fdegc.raster.gdal import WARNINGS_LOCK
from fdegc.raster.holding import close, same_crs, same_items

#: Metadata domains that tell how a file is laid out.
_LAYOUT = frozenset(
    {"IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "TILING_SCHEME", "rio_creation_kwds", "rio_overview"}
)
_ROWS = 512


@dataclass(frozen=True)
class Difference:
    """A field in which two files differ.

    Attributes
    ----------
    field : str
        Its name.
    first, second : str
        What the files say, in short.
    """

    field: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.field}: {self.first} → {self.second}"


def file_differences(first: Path, second: Path) -> list[Difference]:
    """Fields in which two raster files differ, other than those that must after a lossy compression.

    Compared are size, bands, sample types, CRS, transform, GCPs, nodata, masks and alpha sample by sample,
    palettes, colour interpretation, descriptions, scales, offsets, units and all metadata domains of the
    dataset and its bands (numbers up to rounding).  Not compared are the values of valid pixels, statistics
    of them, and how a file is laid out: compression, blocks, overviews.

    Parameters
    ----------
    first, second : Path
        Files that GDAL opens.

    Raises
    ------
    rasterio.errors.RasterioError
        If one of them cannot be read.
    """
    with WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        warnings.simplefilter("ignore", NodataShadowWarning)
        with rasterio.open(Path(first).absolute()) as a, rasterio.open(Path(second).absolute()) as b:
            return [*_fields(a, b), *_domains(a, b), *_planes(a, b)]


def _fields(a: Any, b: Any) -> Iterator[Difference]:
    for name, one, two in (
        ("size", (a.width, a.height), (b.width, b.height)),
        ("number of bands", a.count, b.count),
        ("sample types", a.dtypes, b.dtypes),
        ("colour interpretation", _colors(a), _colors(b)),
        ("palette", _has_palette(a), _has_palette(b)),
        ("descriptions", _bands(a, a.descriptions), _bands(b, b.descriptions)),
        ("units", _bands(a, a.units), _bands(b, b.units)),
        ("kind of mask", _mask_flags(a), _mask_flags(b)),
    ):
        if one != two:
            yield Difference(name, _short(one), _short(two))
    for name, first, second in (("CRS", a.crs, b.crs), ("CRS of the GCPs", _gcp_crs(a), _gcp_crs(b))):
        if not same_crs(first.to_wkt() if first else None, second.to_wkt() if second else None):
            yield Difference(name, _short(first), _short(second))
    if not close(_numbers(a), _numbers(b)):
        yield Difference("nodata", _short(a.nodatavals), _short(b.nodatavals))
    numbers: tuple[tuple[str, Sequence[float], Sequence[float]], ...] = (
        ("transform", tuple(a.transform)[:6], tuple(b.transform)[:6]),
        ("scales", _bands(a, a.scales), _bands(b, b.scales)),
        ("offsets", _bands(a, a.offsets), _bands(b, b.offsets)),
        ("GCPs", _points(a), _points(b)),
    )
    for name, ones, others in numbers:
        if not close(ones, others):
            yield Difference(name, _short(ones), _short(others))


def _domains(a: Any, b: Any) -> Iterator[Difference]:
    names = dict.fromkeys(["", *a.tag_namespaces(), *b.tag_namespaces()])
    for name in names:
        if name not in _LAYOUT:
            yield from _items(f"domain {name}" if name else "tags", _tags(a, ns=name), _tags(b, ns=name))
    for band in range(1, min(a.count, b.count) + 1):
        yield from _items(f"tags of band {band}", _tags(a, band), _tags(b, band))


def _items(field: str, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Difference]:
    for key in sorted({*a, *b}):
        one = {key: a[key]} if key in a else {}
        two = {key: b[key]} if key in b else {}
        if one.keys() != two.keys() or not same_items(one, two):
            yield Difference(f"{field}: {key}", _short(a.get(key)), _short(b.get(key)))


def _planes(a: Any, b: Any) -> Iterator[Difference]:
    """Masks and alpha, strip by strip."""
    if (a.width, a.height) != (b.width, b.height):
        return
    alphas = alpha_index(a), alpha_index(b)
    masks, alpha = 0, 0
    for y in range(0, a.height, _ROWS):
        window = RioWindow(0, y, a.width, min(_ROWS, a.height - y))
        if a.count == b.count:
            masks += int((a.read_masks(window=window) != b.read_masks(window=window)).sum())
        else:  # a palette has become colours
            masks += int((a.dataset_mask(window=window) != b.dataset_mask(window=window)).sum())
        if None not in alphas:
            planes = a.read(alphas[0], window=window), b.read(alphas[1], window=window)
            alpha += int((planes[0] != planes[1]).sum())
    if masks:
        yield Difference("validity", "", f"{masks} samples differ")
    if alpha:
        yield Difference("alpha", "", f"{alpha} samples differ")


def _colors(dataset: Any) -> tuple[str, ...]:
    return tuple(color.name for color in dataset.colorinterp)


def _has_palette(dataset: Any) -> bool:
    return ColorInterp.palette in dataset.colorinterp


def _mask_flags(dataset: Any) -> tuple[tuple[str, ...], ...]:
    return _bands(dataset, [tuple(flag.name for flag in flags) for flags in dataset.mask_flag_enums])


def _bands(dataset: Any, values: Any) -> tuple[Any, ...]:
    """One value a band; of a palette one for each colour that it stands for."""
    found = tuple(value or None if isinstance(value, str) else value for value in values)
    return found * 3 if _has_palette(dataset) and len(found) == 1 else found


def _gcp_crs(dataset: Any) -> Any:
    points, crs = dataset.gcps
    return crs if points else None


def _numbers(dataset: Any) -> tuple[float, ...]:
    return tuple(-np.inf if v is None else float(v) for v in _bands(dataset, dataset.nodatavals))


def _points(dataset: Any) -> tuple[float, ...]:
    return tuple(float(number or 0.0) for p in dataset.gcps[0] for number in (p.row, p.col, p.x, p.y, p.z))


def _tags(dataset: Any, band: int = 0, ns: str | None = None) -> dict[str, str]:
    tags = dataset.tags(band, ns=ns or None)
    return {key: value for key, value in tags.items() if not key.startswith("STATISTICS_")}


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
