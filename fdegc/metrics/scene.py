"""All quality figures of a scene at once, with a sentence for each that is missing or special."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fdegc.control import CancelToken
from fdegc.errors import InvalidOption, MetricUnavailable
from fdegc.metrics.differences import ErrorAccumulator
from fdegc.metrics.information import Terms, vifp_terms, vifp_value
from fdegc.metrics.inputs import Array, Mask, check_shapes
from fdegc.metrics.perceptual import lpips
from fdegc.metrics.structural import ms_ssim, ms_ssim_db
from fdegc.metrics.windows import BLOCK, blocks
from fdegc.options import METRIC_NAMES
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import MetricSet
from fdegc.types import BandMapping, Samples

#: What :func:`compute` can compute.
#: Scenes of more pixels are gone through in blocks.
WHOLE_PIXELS = 4_000_000

Image = npt.NDArray[np.float32]


class PixelReader(Protocol):
    """Reader of what can be compared: a raster source, or samples in memory."""

    def read(self, window: Window, /) -> Samples:
        """Pixels of a window."""
        ...


@dataclass(frozen=True)
class _InMemory:
    """A whole scene at hand."""

    samples: Samples

    def read(self, window: Window, /) -> Samples:
        """Pixels of a window."""
        return self.samples.part(window)


def compute(
    reference: Samples,
    other: Samples,
    info: RasterInfo,
    peak: float,
    *,
    offset: Sequence[float] | float = 0.0,
    names: Collection[str] = METRIC_NAMES,
    allow_download: bool = False,
    cancel: CancelToken | None = None,
) -> MetricSet:
    """Metrics of a reconstruction against its raster.

    PSNR counts pixels only that are valid in both: inside the mask, alpha above zero, finite.  For
    the other metrics invalid pixels are made equal in both images; of more than three bands the
    first three are compared, as red, green and blue; and types other than uint8 are scaled to
    0–255.  Scenes above 4 Mpx are compared in blocks of 1024 px: MS-SSIM and LPIPS are averages
    weighted with the blocks' valid areas, VIFp is the ratio of sums over all blocks.

    Parameters
    ----------
    reference, other : Samples
        Original and reconstruction, of equal shape.
    info : RasterInfo
        Of the original; its dtype decides about scaling.
    peak : float
        Largest sample value, or span of the values, in sample units, > 0.
    offset : float or sequence of float
        Sample value that is black, for all bands or one a band, in sample units; not for uint8.
    names : collection of str
        Which of ``METRIC_NAMES`` to compute; the others stay None without a note.
    allow_download : bool
        Whether LPIPS may download its backbone.
    cancel : CancelToken or None
        Looked at between blocks.

    Returns
    -------
    MetricSet
        Figures that are undefined here are None, and their note says why; notes of the others say
        how they depart from the plain definition.

    Raises
    ------
    InvalidOption
        If the shapes differ, a name is unknown, or peak or offset do not fit.
    Cancelled
        If `cancel` was set.
    """
    check_shapes(reference.pixels, other.pixels)
    bands = reference.pixels.shape[0]
    if not (np.isfinite(peak) and peak > 0.0):
        raise InvalidOption(f"The peak of the samples must be a positive number, not {peak:g}.")
    offsets = np.asarray(offset, np.float64)
    if offsets.shape not in ((), (bands,)):
        raise InvalidOption(f"There must be one offset, or one for each of the {bands} bands.")
    height, width = reference.pixels.shape[1:]
    info = replace(info, width=width, height=height, bands=bands, dtype=reference.pixels.dtype.name)
    mapping = [BandMapping(float(value), float(peak)) for value in np.broadcast_to(offsets, (bands,))]
    return compare(
        _InMemory(reference),
        _InMemory(other),
        info,
        mapping,
        names=names,
        allow_download=allow_download,
        cancel=cancel,
    )


def compare(
    reference: PixelReader,
    other: PixelReader,
    info: RasterInfo,
    mapping: Sequence[BandMapping],
    *,
    names: Collection[str] = METRIC_NAMES,
    allow_download: bool = False,
    cancel: CancelToken | None = None,
) -> MetricSet:
    """Metrics of two scenes of any size, as of :func:`compute`, each read once, by windows.

    Parameters
    ----------
    reference, other : RasterSource, or anything else with its ``read``
    info : RasterInfo
        Of the reference.
    mapping : sequence of BandMapping
        One a band: the peaks of PSNR are their spans, and types other than uint8 are scaled by the widest.
    names, allow_download, cancel
        As of :func:`compute`.

    Raises
    ------
    InvalidOption, Cancelled
        As :func:`compute` does.
    UnsupportedRaster
        If one of them cannot be read.
    """
    unknown = sorted(set(names) - set(METRIC_NAMES))
    if unknown:
        raise InvalidOption(f"Unknown metric {unknown[0]}; there are {', '.join(METRIC_NAMES)}.")
    cancel = cancel or CancelToken()
    whole = info.pixels <= WHOLE_PIXELS
    windows = [Window(0, 0, info.width, info.height)] if whole else blocks(info.width, info.height, BLOCK)
    tallies: dict[str, _Tally] = {
        "ms_ssim": _Average(ms_ssim),
        "vifp": _Vifp(),
        "lpips": _Average(partial(lpips, allow_download=allow_download)),
    }
    tallies = {name: tally for name, tally in tallies.items() if name in names}
    errors, apart = ErrorAccumulator(info.bands), _Apart()
    masked = False
    for window in windows:
        cancel.check()
        a, b = reference.read(window), other.read(window)
        valid = apart.add(a, b)
        masked |= valid is not None
        if "psnr" in names:
            errors.add(a.pixels, b.pixels, valid)
        seen = valid if valid is None or valid.ndim == 2 else valid[:3].all(axis=0)
        _tally(tallies, a.pixels, b.pixels, seen, mapping, cancel)
    cancel.check()
    facts = _Facts(info, max(entry.scale for entry in mapping) or 1.0, masked, len(windows))
    found = _result(names, tallies, errors, mapping, facts)
    return replace(found, missing=apart.missing, extra=apart.extra, remarks=apart.remarks(info))


class _Apart:
    """What one scene has and the other has not, besides values."""

    def __init__(self) -> None:
        self.missing, self.extra, self.total = 0, 0, 0
        self._alpha, self._lone = 0, ""

    def add(self, reference: Samples, other: Samples) -> Mask | None:
        """Samples of a window that both have, as of :func:`_validity`."""
        valid, theirs = _validity(reference), _validity(other)
        shape = reference.pixels.shape
        self.total += reference.pixels.size
        if reference.alpha is not None and other.alpha is not None:
            self._alpha += int(np.count_nonzero(reference.alpha != other.alpha))
        elif reference.alpha is not None or other.alpha is not None:
            self._lone = "other" if reference.alpha is None else "original"
        if valid is None and theirs is None:
            return None
        everywhere = np.ones(shape[1:], np.bool_)
        first, second = (everywhere if mask is None else mask for mask in (valid, theirs))
        self.missing += int(np.count_nonzero(np.broadcast_to(first & ~second, shape)))
        self.extra += int(np.count_nonzero(np.broadcast_to(second & ~first, shape)))
        both: Mask = first & second
        return both

    def remarks(self, info: RasterInfo) -> tuple[str, ...]:
        """A sentence for everything that is different."""
        said = []
        for count, has, lacks in (
            (self.missing, "original", "other"),
            (self.extra, "other", "original"),
        ):
            if count:
                share = 100 * count / self.total
                said.append(
                    f"{count} valid samples of the {has} ({share:.3g} % of all) are missing in the {lacks}; "
                    "the figures are of what both have."
                )
        if self._lone:
            said.append(f"Only the {self._lone} has an alpha band.")
        if self._alpha:
            share = 100 * self._alpha / info.pixels
            said.append(f"Alpha differs in {self._alpha} pixels ({share:.3g} %).")
        return tuple(said)


class _Tally:
    """A figure in the making; ``problem`` says why there will be none."""

    problem = ""

    def add(self, reference: Image, other: Image, count: int) -> None:
        """Addition of a window with ``count`` valid pixels, on 0–255."""
        raise NotImplementedError

    def value(self) -> float | None:
        """Figure of all windows; None if there was none with a valid pixel."""
        raise NotImplementedError


class _Average(_Tally):
    """Average over the windows with the number of valid pixels as weight."""

    def __init__(self, function: Callable[[Image, Image], float]) -> None:
        self._function = function
        self._total, self._count = 0.0, 0

    def add(self, reference: Image, other: Image, count: int) -> None:
        """Addition of a window."""
        self._total += self._function(reference, other) * count
        self._count += count

    def value(self) -> float | None:
        """Average of the windows, weighted with their valid pixels."""
        return self._total / self._count if self._count else None


class _Vifp(_Tally):
    """Sums of information, as blocks without texture have no value of their own."""

    def __init__(self) -> None:
        self._terms: list[Terms] = []

    def add(self, reference: Image, other: Image, count: int) -> None:
        """Addition of a window."""
        self._terms.append(vifp_terms(reference, other))

    def value(self) -> float | None:
        """Ratio of the sums."""
        return vifp_value(np.sum(self._terms, axis=0)) if self._terms else None


def _tally(
    tallies: Mapping[str, _Tally],
    reference: Array,
    other: Array,
    valid: Mask | None,
    mapping: Sequence[BandMapping],
    cancel: CancelToken,
) -> None:
    """Add a window to all figures that are still possible."""
    count = reference[0].size if valid is None else int(valid.sum())
    possible = [tally for tally in tallies.values() if not tally.problem]
    if not (count and possible):
        return
    images = _scaled(reference, mapping), _scaled(other, mapping)
    if valid is not None:
        _fill(*images, valid)
    for tally in possible:
        cancel.check()
        try:
            tally.add(*images, count)
        except MetricUnavailable as error:
            tally.problem = str(error)


def _scaled(image: Array, mapping: Sequence[BandMapping]) -> Image:
    """First three bands on 0–255, float32 (bands, height, width)."""
    part = image[:3]
    if image.dtype == np.uint8:
        return part.astype(np.float32)
    factor = 255.0 / (max(entry.scale for entry in mapping) or 1.0)
    scaled = [(band.astype(np.float64) - m.offset) * factor for band, m in zip(part, mapping, strict=False)]
    return np.stack(scaled).astype(np.float32)


def _validity(samples: Samples) -> Mask | None:
    """Samples that count: in the mask, not transparent, not missing, finite; None if all do.

    Returns
    -------
    ndarray of bool, shape (height, width), or (bands, height, width) where bands differ, or None
    """
    valid = np.ones(samples.pixels.shape[1:], np.bool_)
    if samples.valid is not None:
        valid &= samples.valid
    if samples.alpha is not None:
        valid &= np.greater(samples.alpha, 0)
    known = None if samples.missing is None else ~samples.missing
    if samples.pixels.dtype.kind == "f":
        finite = np.isfinite(samples.pixels)
        known = finite if known is None else known & finite
    if known is not None and not known.all():
        return valid & known
    return None if valid.all() else valid


def _fill(reference: Image, other: Image, valid: Mask) -> None:
    """Give invalid pixels one value in both images: the valid ones' mean, which makes the mildest edges."""
    for band, band_other in zip(reference, other, strict=True):
        band[~valid] = band_other[~valid] = band[valid].mean(dtype=np.float64)


def _result(
    names: Collection[str],
    tallies: Mapping[str, _Tally],
    errors: ErrorAccumulator,
    mapping: Sequence[BandMapping],
    facts: _Facts,
) -> MetricSet:
    values: dict[str, float] = {}
    notes: dict[str, str] = {}
    figures = None
    if "psnr" in names:
        try:
            figures = errors.figures([entry.scale for entry in mapping], facts.info.dtype)
            values["psnr"] = figures.psnr
            notes["psnr"] = facts.note("psnr")
        except MetricUnavailable as error:
            notes["psnr"] = str(error)
    for name, tally in tallies.items():
        try:
            if tally.problem:
                raise MetricUnavailable(tally.problem)
            values[name] = _finite(tally.value())
            notes[name] = facts.note(name)
        except MetricUnavailable as error:
            notes[name] = str(error)
    similarity = values.get("ms_ssim")
    if similarity is None and "ms_ssim" in notes:
        notes["ms_ssim_db"] = notes["ms_ssim"]
    in_db = None if similarity is None else ms_ssim_db(similarity)
    notes = {name: note for name, note in notes.items() if note}
    return MetricSet(
        psnr=values.get("psnr"),
        ms_ssim=similarity,
        ms_ssim_db=in_db,
        vifp=values.get("vifp"),
        lpips=values.get("lpips"),
        errors=figures,
        notes=notes,
    )


def _finite(value: float | None) -> float:
    """Return the value if there is one; None stands for a scene without valid pixels."""
    if value is None:
        raise MetricUnavailable("It is undefined because the image has no valid pixel.")
    if not np.isfinite(value):
        raise MetricUnavailable("It is undefined because valid pixels hold values that are not finite.")
    return value


@dataclass(frozen=True)
class _Facts:
    """What is special about a comparison."""

    info: RasterInfo
    peak: float
    masked: bool
    windows: int

    def note(self, name: str) -> str:
        """Note on what is special about a metric that was computed; empty if nothing is."""
        if name == "psnr":
            return "Over valid pixels only." if self.masked else ""
        sentences = []
        info = self.info
        if info.bands > 3:
            sentences.append(f"Of the first three of {info.bands} bands.")
        if info.dtype != "uint8":
            sentences.append(
                f"Samples ({info.dtype}) scaled to 0–255: (value − offset) / {self.peak:g} × 255."
            )
        if self.masked:
            sentences.append("Invalid pixels were set equal in both images, so they contribute no error.")
        if self.windows > 1:
            how = "Ratio of sums" if name == "vifp" else "Average weighted by area"
            sentences.append(f"{how} over {self.windows} blocks of about {BLOCK} px.")
        return " ".join(sentences)
