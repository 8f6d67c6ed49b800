"""What a raster is besides its pixels, and what a part of it is: size, type, metadata, place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from fdegc.errors import InvalidOption

#: Types of samples that can be compressed, as numpy names them; a file stores the number in this order.
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
#: Limits of what can be compressed.
MAX_SIDE = 1_000_000
MAX_PIXELS = 1 << 40
MAX_BANDS = 64

#: Affine coefficients (a, b, c, d, e, f): x = a·col + b·row + c, y = d·col + e·row + f.
Transform = tuple[float, float, float, float, float, float]
#: Red, green, blue and alpha, 0 to 255, of every index, from 0.
Palette = tuple[tuple[int, int, int, int], ...]
#: Metadata domain → key → value, as GDAL keeps them.
Domains = Mapping[str, Mapping[str, str]]

#: Keys that count pixels from the raster's corner, by domain: columns, rows.
_COUNTED = {"RPC": ("SAMP_OFF", "LINE_OFF"), "GEOLOCATION": ("PIXEL_OFFSET", "LINE_OFFSET")}


@dataclass(frozen=True, slots=True)
class GroundControlPoint:
    """Ground control point: a pixel whose place on the ground is known.

    Attributes
    ----------
    row, col : float
        Pixels from the outer corner of the upper left pixel.
    x, y, z : float
        In the CRS of the points.
    id, info : str
    """

    row: float
    col: float
    x: float
    y: float
    z: float = 0.0
    id: str = ""
    info: str = ""


def part_transform(transform: Transform, x: int, y: int) -> Transform:
    """Transform of a part of a raster whose upper left corner is at column ``x``, row ``y``."""
    a, b, c, d, e, f = transform
    return a, b, a * x + b * y + c, d, e, d * x + e * y + f


def part_points(points: tuple[GroundControlPoint, ...], x: int, y: int) -> tuple[GroundControlPoint, ...]:
    """Control points counted from column ``x``, row ``y``; they may lie outside of the part."""
    return tuple(replace(point, col=point.col - x, row=point.row - y) for point in points)


def part_domains(domains: Domains, x: int, y: int) -> Domains:
    """Metadata domains of a part; RPCs and geolocation arrays count from its corner, the rest is the same.

    A value that is not a number stays as it is.
    """
    moved = dict(domains)
    for domain, keys in _COUNTED.items():
        if domain not in moved:
            continue
        items = dict(moved[domain])
        for key, distance in zip(keys, (x, y), strict=True):
            value, separator, unit = items.get(key, "").strip().partition(" ")
            try:
                items[key] = f"{float(value) - distance!r}{separator}{unit}"
            except ValueError:
                continue
        moved[domain] = items
    return moved


@dataclass(frozen=True, slots=True)
class Window:
    """Window of pixels: a rectangle, ``x``, ``y`` of its upper left corner, ``width``, ``height`` ≥ 1."""

    x: int
    y: int
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def rows(self) -> slice:
        """Rows as a slice."""
        return slice(self.y, self.y + self.height)

    @property
    def cols(self) -> slice:
        """Columns as a slice."""
        return slice(self.x, self.x + self.width)

    def check_inside(self, width: int, height: int) -> None:
        """Check of the window: InvalidOption if it is empty or not inside a raster of this size."""
        right, bottom = self.x + self.width, self.y + self.height
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1 or right > width or bottom > height:
            raise InvalidOption(
                f"The window {self.width}×{self.height} at column {self.x}, row {self.y} "
                f"does not lie inside the scene of {width}×{height}; choose one that does."
            )

    def intersection(self, other: Window) -> Window | None:
        """Intersection of two windows: the pixels that both have; None if there are none."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        return Window(left, top, right - left, bottom - top) if left < right and top < bottom else None

    def outside(self, other: Window) -> list[Window]:
        """Parts of a window that lie outside of another one, which lies within it: above, below, beside."""
        right, bottom = other.x + other.width, other.y + other.height
        found = (
            Window(self.x, self.y, self.width, other.y - self.y),
            Window(self.x, bottom, self.width, self.y + self.height - bottom),
            Window(self.x, other.y, other.x - self.x, other.height),
            Window(right, other.y, self.x + self.width - right, other.height),
        )
        return [part for part in found if part.width and part.height]

    def relative_to(self, frame: Window) -> Window:
        """Window of the same pixels, counted from the upper left corner of ``frame``."""
        return Window(self.x - frame.x, self.y - frame.y, self.width, self.height)


@dataclass(frozen=True, slots=True)
class AlphaBand:
    """Description of an alpha band, apart from its samples.

    Attributes
    ----------
    position : int
        Its number among all bands of the raster, from 0.
    name : str or None
        Description.
    tags : mapping
        Metadata of the band.
    """

    position: int
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RasterInfo:
    """Description of a raster, without pixels.  "One a band" means the coded bands; empty means none known.

    Attributes
    ----------
    path : str
        Where it was read from; empty for one that was never a file.
    format : str
        GDAL or Pillow short name ("GTiff", "PNG", "FDEGC" ...).
    width, height : int
        Size in pixels, ≥ 1.
    bands : int
        Bands that are coded; an alpha band is not counted among them.
    dtype : str
        numpy name of the samples' type, one of :data:`DTYPES`.
    band_names : tuple of (str or None)
        One description a band.
    color_interpretation : tuple of str
        One name a band, as rasterio's ``ColorInterp`` ("red", "gray", "undefined" ...).
    crs_wkt : str or None
        Coordinate reference system as WKT2.
    transform : tuple of 6 floats or None
        Affine coefficients (a, b, c, d, e, f): x = a·col + b·row + c, y = d·col + e·row + f.
    nodata : float or None
        Sample value that marks missing samples; that of the first band, where bands differ.
    has_alpha : bool
        Whether there is an alpha band (coded losslessly).
    has_mask : bool
        Whether validity comes with the raster (nodata or mask; coded losslessly).
    tags : mapping
        Dataset-level metadata that is kept verbatim.
    band_nodata : tuple of (float or None)
        One value a band, where they differ.
    has_band_masks : bool
        Whether single samples of valid pixels may be missing (nodata in one band only).
    mask_band : bool
        Whether validity is a mask of its own although there is a nodata value too.
    scales, offsets : tuple of float
        One a band: what is measured = sample · scale + offset.
    units : tuple of (str or None)
        One a band: of what is measured.
    band_tags : tuple of mapping
        Metadata, one mapping a band.
    domains : mapping
        Metadata of other domains by name: RPC, xml:XMP, IMAGERY ...
    gcps : tuple of GroundControlPoint
    gcp_crs_wkt : str or None
        Their coordinate reference system as WKT2.
    alpha_band : AlphaBand or None
        None if there is none, or it is the last band and has neither name nor tags.
    icc, exif : bytes or None
        Colour profile; EXIF data from the TIFF header on, with the pixels already turned.
    palette : tuple of (int, int, int, int)
        Red, green, blue and alpha of every index, if the samples (one band, uint8 or uint16) are indices.
    """

    path: str
    format: str
    width: int
    height: int
    bands: int
    dtype: str
    band_names: tuple[str | None, ...] = ()
    color_interpretation: tuple[str, ...] = ()
    crs_wkt: str | None = None
    transform: Transform | None = None
    nodata: float | None = None
    has_alpha: bool = False
    has_mask: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    band_nodata: tuple[float | None, ...] = ()
    has_band_masks: bool = False
    mask_band: bool = False
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    units: tuple[str | None, ...] = ()
    band_tags: tuple[Mapping[str, str], ...] = ()
    domains: Domains = field(default_factory=dict)
    gcps: tuple[GroundControlPoint, ...] = ()
    gcp_crs_wkt: str | None = None
    alpha_band: AlphaBand | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    palette: Palette = ()

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def raw_bytes(self) -> int:
        """Bytes of the uncompressed samples, alpha included."""
        return self.pixels * (self.bands + int(self.has_alpha)) * np.dtype(self.dtype).itemsize

    @property
    def nodata_values(self) -> tuple[float | None, ...]:
        """Nodata value of every band."""
        return self.band_nodata or (self.nodata,) * self.bands

    @property
    def white_is_zero(self) -> bool:
        """Whether the smallest sample is white and the largest black (a TIFF of that kind)."""
        return self.domains.get("IMAGE_STRUCTURE", {}).get("MINISWHITE") == "YES"

    @property
    def premultiplied(self) -> bool:
        """Whether the colours are multiplied with alpha already (a TIFF with associated alpha)."""
        return self.domains.get("IMAGE_STRUCTURE", {}).get("ALPHA") == "PREMULTIPLIED"

    def part(self, window: Window) -> RasterInfo:
        """Description of a window of it: its size, and transform, GCPs and RPCs that keep it in its place."""
        x, y = window.x, window.y
        return replace(
            self,
            width=window.width,
            height=window.height,
            transform=None if self.transform is None else part_transform(self.transform, x, y),
            gcps=part_points(self.gcps, x, y),
            domains=part_domains(self.domains, x, y),
        )


def fits_kind(info: RasterInfo, kind: str) -> bool:
    """Whether a kind of raster file can hold a raster's samples, or the colours of its palette.

    Parameters
    ----------
    info : RasterInfo
    kind : str
        One of :data:`~fdegc.options.KINDS`.
    """
    if kind == "png":
        return bool(info.palette) or (info.dtype in ("uint8", "uint16") and info.bands in (1, 3))
    return kind != "jp2" or bool(info.palette) or info.dtype in ("uint8", "int16", "uint16")


def default_colors(bands: int) -> tuple[str, ...]:
    """Colour interpretation of bands nobody has described."""
    if bands == 3:
        return ("red", "green", "blue")
    return ("gray", *["undefined"] * (bands - 1))
