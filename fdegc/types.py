"""Frozen values that cross the borders between the rooms; numpy and the stdlib only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from fdegc.errors import InvalidOption
from fdegc.options import Target, ValueRange
from fdegc.placement import Domains, GroundControlPoint, Transform, part_domains, part_points, part_transform

#: Quality is stored in steps of 1/256 (``docs/format.md``).
QUALITY_STEPS = 256
QUALITY_MIN = 1.0
QUALITY_MAX = 6.0
#: Pixels of a latent position along each axis.
STRIDE = 16
#: Pixels of neighbouring tiles that g_a sees, and of whose latents g_s sees (``docs/format.md``).
HALO = 16


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One of the six trained operating points.

    Attributes
    ----------
    index : int
        1 (smallest file) to 6 (best quality).
    lmbda : float
        λ of the training loss ``λ·MSE + bpp``, MSE on pixels in [0, 1].
    """

    index: int
    lmbda: float


RATE_POINTS: tuple[RatePoint, ...] = tuple(RatePoint(i + 1, 128.0 * 2**i) for i in range(6))


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels: ``x``, ``y`` of its upper left corner, ``width``, ``height`` ≥ 1."""

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
        """Raise InvalidOption unless it is not empty and lies inside a raster of this size."""
        right, bottom = self.x + self.width, self.y + self.height
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1 or right > width or bottom > height:
            raise InvalidOption(
                f"The window {self.width}×{self.height} at column {self.x}, row {self.y} "
                f"does not lie inside the scene of {width}×{height}; choose one that does."
            )

    def intersection(self, other: Window) -> Window | None:
        """The pixels that both have; None if there are none."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        return Window(left, top, right - left, bottom - top) if left < right and top < bottom else None

    def relative_to(self, frame: Window) -> Window:
        """The same pixels, counted from the upper left corner of ``frame``."""
        return Window(self.x - frame.x, self.y - frame.y, self.width, self.height)


@dataclass(frozen=True, slots=True)
class AlphaBand:
    """What there is to know of an alpha band apart from its samples.

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
    """What a raster is, apart from its pixels.  "One a band" means the coded bands; empty means none known.

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
        numpy name of the samples' type: uint8, int8, uint16, int16, uint32, int32, float32, float64.
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

    def part(self, window: Window) -> RasterInfo:
        """What a window of it is: its size, and transform, GCPs and RPCs that keep it in its place."""
        x, y = window.x, window.y
        return replace(
            self,
            width=window.width,
            height=window.height,
            transform=None if self.transform is None else part_transform(self.transform, x, y),
            gcps=part_points(self.gcps, x, y),
            domains=part_domains(self.domains, x, y),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pixels of one window.

    Attributes
    ----------
    pixels : ndarray, shape (bands, height, width), the raster's dtype
    valid : ndarray of bool, shape (height, width), or None
        False where no band has a sample (nodata, not finite) or the mask says so; None when everything
        is valid.
    alpha : ndarray, shape (height, width), the raster's dtype, or None
    missing : ndarray of bool, shape (bands, height, width), or None
        True where a pixel that is valid lacks the sample of a band; None when none is lacking.
    """

    pixels: npt.NDArray[np.generic]
    valid: npt.NDArray[np.bool_] | None = None
    alpha: npt.NDArray[np.generic] | None = None
    missing: npt.NDArray[np.bool_] | None = None

    def picked(self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Samples:
        """Those where some rows and columns cross, copied."""
        at = np.ix_(rows, columns)
        return Samples(
            self.pixels[:, at[0], at[1]],
            None if self.valid is None else self.valid[at],
            None if self.alpha is None else self.alpha[at],
            None if self.missing is None else self.missing[:, at[0], at[1]],
        )

    def part(self, window: Window) -> Samples:
        """Views of a window of them."""
        at = (window.rows, window.cols)
        return Samples(
            self.pixels[:, window.rows, window.cols],
            None if self.valid is None else self.valid[at],
            None if self.alpha is None else self.alpha[at],
            None if self.missing is None else self.missing[:, window.rows, window.cols],
        )


@dataclass(frozen=True, slots=True)
class BandMapping:
    """Recorded affine mapping of one band to the network's range: value = offset + scale · t, t ∈ [0, 1]."""

    offset: float
    scale: float


#: All values of 8 bits.
IDENTITY = BandMapping(0.0, 255.0)


@dataclass(frozen=True, slots=True)
class BandStatistics:
    """Values of one band's usable pixels, in source units.

    ``minimum`` and ``maximum``; ``low`` and ``high``, the 2nd and 98th percentile.
    """

    minimum: float
    maximum: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RasterStatistics:
    """What has to be known of samples to show them.

    Attributes
    ----------
    bands : tuple of BandStatistics
        One a coded band.
    opaque : float or None
        Value of alpha that means opaque; None without alpha.
    """

    bands: tuple[BandStatistics, ...]
    opaque: float | None = None


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How to compress.

    Attributes
    ----------
    quality : float
        1.0 to 6.0; integers are the trained rate points, between them gains are interpolated.
    tile_size : int
        Side of a tile in pixels: a multiple of 64, 64 to 2048.
    ranges : tuple of ValueRange
        Values to keep, one range for all bands or one a band; samples beyond are clipped.  Without any,
        all of uint8's, and of other types the smallest to the largest valid value of each band.
    target : Target or None
        What to reach; then ``quality`` does not count, and the best one is searched.
    """

    quality: float = 4.0
    tile_size: int = 512
    ranges: tuple[ValueRange, ...] = ()
    target: Target | None = None

    def __post_init__(self) -> None:
        if not QUALITY_MIN <= self.quality <= QUALITY_MAX:
            raise InvalidOption(f"Quality must lie between 1.0 and 6.0, not {self.quality:g}.")
        if self.tile_size % 64 or not 64 <= self.tile_size <= 2048:
            raise InvalidOption(
                f"The tile size must be a multiple of 64 between 64 and 2048, not {self.tile_size}."
            )

    @property
    def quality_steps(self) -> int:
        """Quality in 1/256 steps, as it is stored (256 to 1536)."""
        return round(self.quality * QUALITY_STEPS)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: ``fraction`` in [0, 1], seconds elapsed, seconds left or None if unknown."""

    stage: str
    fraction: float
    elapsed: float
    remaining: float | None
