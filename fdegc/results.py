"""Frozen outcomes: what was written, read, verified and measured, and how far it is from its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import BandMapping, Samples


@dataclass(frozen=True, slots=True)
class BandErrors:
    """Errors of one band over its valid samples.

    Attributes
    ----------
    psnr : float
        dB against the span of the band's own mapping; ``inf`` if lossless.
    psnr_dtype : float or None
        dB against the range of the sample type; None for floating point, which has none to speak of.
    max_error, rmse : float
        Largest absolute error and root of the mean squared error.
    mean_error : float
        Mean of reconstruction − source: the bias.
    """

    psnr: float
    psnr_dtype: float | None
    max_error: float
    rmse: float
    mean_error: float


@dataclass(frozen=True, slots=True)
class ErrorFigures:
    """Errors of a scene over all its valid samples.

    Attributes
    ----------
    psnr : float
        dB over all bands jointly, against the widest span of the bands' mappings.
    psnr_dtype, max_error, rmse, mean_error
        As in :class:`BandErrors`, over all bands jointly.
    sam : float or None
        Mean spectral angle in degrees over the valid pixels where neither spectrum is zero; None for one
        band, or if there is no such pixel.
    bands : tuple of (BandErrors or None)
        One a band; None where it has no valid sample.
    """

    psnr: float
    psnr_dtype: float | None
    max_error: float
    rmse: float
    mean_error: float
    sam: float | None
    bands: tuple[BandErrors | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TileResult:
    """Result of one finished tile.

    Attributes
    ----------
    window : Window
        Where it lies in the scene.
    samples : Samples
        The reconstruction, in the source's dtype.
    bytes_so_far : int
        Bytes of payload of all tiles finished so far (encoding) or read so far (decoding).
    squared_error : float or None
        Sum of squared errors over the valid samples of this tile in source units; None when decoding.
    sample_count : int
        Number of samples behind ``squared_error``.
    """

    window: Window
    samples: Samples
    bytes_so_far: int
    squared_error: float | None = None
    sample_count: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimate of a compression's cost: bytes of the file, seconds, peak bytes of memory."""

    bytes: int
    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class EncodeResult:
    """Result of a compression.

    Attributes
    ----------
    path : Path
    bytes : int
        Size of the whole file.
    bpp : float
        bytes × 8 / (width × height).
    ratio : float
        Bytes of the uncompressed samples / bytes of the file.
    encode_seconds, reconstruct_seconds : float
        Wall-clock seconds from the first look at the raster to the file, and of g_s for the preview: both
        go on at the same time, so the time of both is divided as that of the workers was.
    psnr : float or None
        ``errors.psnr``: dB over all valid samples jointly, peak: the mapping's span; ``inf`` if lossless.
    quality : float
    device : str
    tiles : int
    resumed_tiles, clipped : int
        Tiles that an interrupted run had finished already; valid samples outside of the ranges that were
        asked for, which come back as the nearest limit.
    errors : ErrorFigures or None
        None if no reconstruction was made or nothing is valid.
    estimate : Estimate or None
        What was expected before the work started.
    note : str
        Where a target was met without being reached: why.
    ways : mapping of str to int
        Tiles by the way they were coded: "network", "jpeg2000", "exact", "classes".
    worst : float or None
        PSNR of the worst tile in dB; None if it was not measured.
    advice : tuple of str
        Sentences on a result that would disappoint.
    tile_size : int
        Side of the tiles in pixels, which may be another one than was asked for.
    max_error : float or None
        Largest error that the file promises, 0 if it is lossless; None if it promises none.
    outliers : str
        Sentence on samples that are kept exactly, beside the picture; empty without any.
    """

    path: Path
    bytes: int
    bpp: float
    ratio: float
    encode_seconds: float
    reconstruct_seconds: float
    psnr: float | None
    quality: float
    device: str
    tiles: int
    resumed_tiles: int = 0
    clipped: int = 0
    errors: ErrorFigures | None = None
    estimate: Estimate | None = None
    note: str = ""
    ways: Mapping[str, int] = field(default_factory=dict)
    worst: float | None = None
    advice: tuple[str, ...] = ()
    tile_size: int = 0
    max_error: float | None = None
    outliers: str = ""


#: What is lost of a file that ends early, or that cannot be followed from some place on.
REST = "everything after a damaged place"


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Facts of a ``.fdegc`` file, read without the network.

    ``bpp`` and ``ratio`` are those of the whole file; ``profile`` and ``weights_hash`` (16 hex
    digits) name the network it needs.  ``lost`` names metadata (in words) that the file held and that
    damage made unreadable; empty for an intact file.  ``halo``: pixels that tiles see of each other;
    ``mapping``: of every band.  ``ways``: tiles by the way they were coded, as in :class:`EncodeResult`;
    ``psnr`` and ``worst``: of the scene and of its worst tile in dB as the encoder measured them, to a
    third of a decibel, ``inf`` without loss, None where the file does not say; ``bound``: the largest error
    that the file promises, 0 if it is lossless, None if it promises none.  ``outliers``: samples outside
    of the mapping that are kept exactly.
    """

    raster: RasterInfo
    bytes: int
    bpp: float
    ratio: float
    version: int
    quality: float
    profile: str
    weights_hash: str
    tile_size: int
    tiles: int
    lost: tuple[str, ...] = ()
    halo: int = 0
    mapping: tuple[BandMapping, ...] = ()
    ways: Mapping[str, int] = field(default_factory=dict)
    psnr: float | None = None
    worst: float | None = None
    bound: float | None = None
    outliers: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether ``bytes``, ``bpp`` and ``ratio`` are those of all that was compressed."""
        return REST not in self.lost


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """Result of a decompression.

    ``damaged`` lists windows that were filled, not decoded; up to ``info.halo`` pixels around them are
    visibly inexact, and the rest of the tiles beside them by a few grey levels (7 at most in
    the tests, with tiles of 64).
    """

    info: StreamInfo
    seconds: float
    device: str
    damaged: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Result of checking a file.

    Attributes
    ----------
    info : StreamInfo
    problems : tuple of str
        One sentence each; empty for a sound file.
    digest : str or None
        SHA-256 of all latents (int32, little-endian, by tile, band group, channel, row, column) in
        hexadecimal digits; None if a tile could not be decoded.
    seconds : float
    """

    info: StreamInfo
    problems: tuple[str, ...]
    digest: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class MetricSet:
    """Quality figures; None where one is undefined, and then ``notes`` says why, by metric name.

    Attributes
    ----------
    psnr : float or None
        dB; see ``fdegc.metrics.DEFINITIONS`` for every definition.
    ms_ssim, ms_ssim_db, vifp, lpips : float or None
    errors : ErrorFigures or None
        The differences behind ``psnr`` in source units; None if it was not asked for or is undefined.
    notes : mapping
        Metric name → a sentence.
    missing, extra : int
        Samples that are valid in the original only, and in the other only; no figure counts them.
    remarks : tuple of str
        What else is different between the two rasters, a sentence each.
    """

    psnr: float | None = None
    ms_ssim: float | None = None
    ms_ssim_db: float | None = None
    vifp: float | None = None
    lpips: float | None = None
    errors: ErrorFigures | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    missing: int = 0
    extra: int = 0
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroundExtent:
    """Extent of a part of a raster on the ground.

    Attributes
    ----------
    width, height : float
        Metres along its middle row and its middle column.
    diagonal : float
        Metres from its upper left to its lower right corner, along the line that is straight in the raster.
    area : float
        Square metres.
    """

    width: float
    height: float
    diagonal: float
    area: float
