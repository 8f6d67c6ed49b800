"""What can be asked of a compression and of what is written; the stdlib only."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from enum import Enum

from fdegc.errors import InvalidOption

#: Quality is stored in steps of 1/256 (``docs/format.md``).
QUALITY_STEPS = 256
QUALITY_MIN = 1.0
QUALITY_MAX = 6.0
#: Side of tiles unless somebody asks for another one, and the largest that very smooth, and thin scenes get
#: then.
TILE_SIZE = 512
SMOOTH_TILE_SIZE = 1536
LONGEST_TILE_SIZE = 2048
#: Steps in which latents are refined at each effort (``docs/choosing.md``).
EFFORT_STEPS = (0, 8, 16, 32, 64)
#: Tails of the values, in per cent on either side, whose cut may be advised; the mildest first.
TAILS = (0.01, 0.1, 1.0)

#: Metrics that compare two rasters, in the order in which they are shown, and how people call them.
METRIC_LABELS = {"psnr": "PSNR", "ms_ssim": "MS-SSIM", "vifp": "VIFp", "lpips": "LPIPS"}
METRIC_NAMES = tuple(METRIC_LABELS)
#: Those that are not sums over samples, so that they wait for the whole scene and take long.
SLOW_METRICS = tuple(name for name in METRIC_NAMES if name != "psnr")
#: Their figures, as :class:`~fdegc.results.MetricSet` has them: MS-SSIM is also given in dB.
METRIC_FIGURES = ("psnr", "ms_ssim", "ms_ssim_db", "vifp", "lpips")

#: Kinds of raster files that are written: the endings of their names, and what people call them.
KINDS = {
    "geotiff": ((".tif", ".tiff"), "GeoTIFF"),
    "cog": ((".tif", ".tiff"), "COG"),
    "png": ((".png",), "PNG"),
    "jp2": ((".jp2",), "JPEG 2000"),
}
#: Those of them that may be compressed in several ways, and how; always without loss.
TIFF_KINDS = ("geotiff", "cog")
COMPRESSIONS = ("deflate", "zstd", "none")
#: What the names of rasters usually end in; they are read by their contents, whatever their names.
RASTER_SUFFIXES = (
    *(".tif", ".tiff", ".jp2", ".j2k", ".vrt", ".png", ".jpg", ".jpeg", ".webp", ".bmp"),
    *(".img", ".ntf", ".nc"),
)


@dataclass(frozen=True, slots=True)
class RatePoint:
    """Rate point: one of the six trained operating points.

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
class ValueRange:
    """Range of values of a band that the network's range is to cover.

    Attributes
    ----------
    low, high : float
        In source units, or in per cent of the band's valid values; low < high.
    percent : bool

    Raises
    ------
    InvalidOption
    """

    low: float
    high: float
    percent: bool = False

    def __post_init__(self) -> None:
        largest = sys.float_info.max
        limits = (0.0, 100.0) if self.percent else (-largest, largest)
        if not limits[0] <= self.low < self.high <= limits[1]:
            unit = "%" if self.percent else ""
            within = " within 0% to 100%" if self.percent else ""
            raise InvalidOption(
                f"A range must go from a smaller to a larger value{within}, not from {self.low:g}{unit} "
                f"to {self.high:g}{unit}."
            )


class TargetKind(Enum):
    """Kind of a target: what it is about."""

    SIZE = "bytes"
    BPP = "bpp"
    PSNR = "dB"


@dataclass(frozen=True, slots=True)
class Target:
    """Target that a file is to reach, by the choice of its quality.

    Attributes
    ----------
    kind : TargetKind
        SIZE and BPP: the best quality whose file is not larger.  PSNR: the smallest quality that is not
        worse, against the span of the mapping (``EncodeResult.psnr``).
    value : float
        Bytes of the file, its bits per pixel, or dB; > 0.

    Raises
    ------
    InvalidOption
    """

    kind: TargetKind
    value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise InvalidOption(f"A target must be a positive number, not {self.value:g}.")

    def bytes(self, pixels: int) -> int | None:
        """Largest size of the file of a scene of so many pixels; None for a PSNR."""
        if self.kind is TargetKind.PSNR:
            return None
        size = self.value if self.kind is TargetKind.SIZE else self.value * pixels / 8
        # Bits a pixel of so many bytes may be a little less than these, as a float.
        return math.floor(size + 4 * math.ulp(size))


@dataclass(frozen=True, slots=True)
class QualityRegion:
    """Region of a scene with a quality of its own, by whole tiles: all that it touches.

    Attributes
    ----------
    polygons : tuple
        Each an outer ring and then its holes, rings of (column, row) in pixels of the scene; pixel (0, 0)
        spans 0 to 1 in both.
    quality : float
        1.0 to 6.0, kept to 1/32.

    Raises
    ------
    InvalidOption
    """

    polygons: tuple[tuple[tuple[tuple[float, float], ...], ...], ...]
    quality: float

    def __post_init__(self) -> None:
        check_quality(self.quality)


def check_quality(quality: float) -> None:
    """Check of a quality: InvalidOption if it is not on the scale."""
    if not QUALITY_MIN <= quality <= QUALITY_MAX:
        raise InvalidOption(f"Quality must lie between 1.0 and 6.0, not {quality:g}.")


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """Options of a compression.

    Attributes
    ----------
    quality : float
        1.0 to 6.0; integers are the trained rate points, between them gains are interpolated.
    tile_size : int
        Side of a tile in pixels: a multiple of 64, 64 to 2048.  Very smooth scenes get tiles of up to 1536
        in place of the default ones.
    ranges : tuple of ValueRange
        Values to keep, one range for all bands or one a band; samples beyond are clipped.  Without any,
        all of uint8's, and of other types the smallest to the largest valid value of each band but
        for outliers, which are kept exactly.
    target : Target or None
        What to reach; then ``quality`` does not count, and the best one is searched.
    check : bool
        Whether each tile is decoded again and kept another way where that is better: nothing comes out
        worse than JPEG 2000 would make it in the same bytes, and the file says how good each tile is.
    max_error : float or None
        Largest error of any valid sample, in the samples' units; 0: lossless; None: what the quality gives.
    band_weights : tuple of float
        How much errors of each band count beside each other, > 0, one a band; none: all alike.
    region : QualityRegion or None
        Where another quality counts.
    lossy : bool
        Whether palettes and classes are compressed with losses, too, which else are not.
    effort : int
        0 to 4: how long the encoder looks for better latents than the rounded ones, tile by tile.  It counts
        for nothing with a target or a largest error.

    Raises
    ------
    InvalidOption
    """

    quality: float = 4.0
    tile_size: int = TILE_SIZE
    ranges: tuple[ValueRange, ...] = ()
    target: Target | None = None
    check: bool = True
    max_error: float | None = None
    band_weights: tuple[float, ...] = ()
    region: QualityRegion | None = None
    lossy: bool = False
    effort: int = 0

    def __post_init__(self) -> None:
        if self.max_error is not None:
            if not (math.isfinite(self.max_error) and self.max_error >= 0):
                raise InvalidOption(f"A largest error must be 0 or more, not {self.max_error:g}.")
            if self.target is not None:
                raise InvalidOption(
                    "A largest error and a target exclude each other: what a bound takes is what it takes."
                )
            if self.ranges:
                raise InvalidOption(
                    "A largest error and a range exclude each other: what a range leaves out is off by more."
                )
        if not all(math.isfinite(weight) and weight > 0 for weight in self.band_weights):
            raise InvalidOption("Weights of bands must be positive numbers.")
        check_quality(self.quality)
        if not 0 <= self.effort < len(EFFORT_STEPS):
            raise InvalidOption(
                f"The effort must lie between 0 and {len(EFFORT_STEPS) - 1}, not {self.effort}."
            )
        if self.tile_size % 64 or not 64 <= self.tile_size <= 2048:
            raise InvalidOption(
                f"The tile size must be a multiple of 64 between 64 and 2048, not {self.tile_size}."
            )

    @property
    def refinement(self) -> int:
        """Steps in which latents are refined, 0 where the effort does not count."""
        return 0 if self.target is not None or self.max_error is not None else EFFORT_STEPS[self.effort]

    @property
    def quality_steps(self) -> int:
        """Quality in 1/256 steps, as it is stored (256 to 1536)."""
        return round(self.quality * QUALITY_STEPS)
