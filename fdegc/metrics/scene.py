"""All quality figures of a scene at once, with a sentence for each that is missing or special."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.control import CancelToken
from fdegc.errors import InvalidOption, MetricUnavailable
from fdegc.metrics.checks import Array, Mask, check_shapes
from fdegc.metrics.fidelity import PsnrAccumulator
from fdegc.metrics.information import vifp_terms, vifp_value
from fdegc.metrics.perceptual import lpips
from fdegc.metrics.structural import ms_ssim, ms_ssim_db
from fdegc.metrics.windows import BLOCK, blocks
from fdegc.types import MetricSet, RasterInfo, Samples, Window

#: What :func:`compute` can compute.
METRIC_NAMES = ("psnr", "ms_ssim", "vifp", "lpips")
#: Scenes of more pixels are gone through in blocks.
WHOLE_PIXELS = 4_000_000
#: Rows of PSNR between two looks at the cancel token.
_ROWS = 512

Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Scene:
    """Two rasters to compare; `valid` is None if every pixel counts."""

    reference: Array
    other: Array
    valid: Mask | None
    peak: float
    offset: npt.NDArray[np.float64]
    cancel: CancelToken

    @property
    def windows(self) -> list[Window]:
        """The whole scene as one window, or blocks of a large one."""
        height, width = self.reference.shape[1:]
        return [Window(0, 0, width, height)] if width * height <= WHOLE_PIXELS else blocks(width, height)

    def pairs(self) -> Iterator[tuple[Image, Image, int]]:
        """Both images on 0–255 and the number of valid pixels, window by window; empty ones are left out."""
        for window in self.windows:
            self.cancel.check()
            valid = None if self.valid is None else self.valid[window.rows, window.cols]
            count = window.pixels if valid is None else int(valid.sum())
            if count:
                reference = self._scaled(self.reference, window)
                other = self._scaled(self.other, window)
                if valid is not None:
                    _fill(reference, other, valid)
                yield reference, other, count
        self.cancel.check()

    def _scaled(self, image: Array, window: Window) -> Image:
        """First three bands of a window on 0–255, float32 (bands, height, width)."""
        part = image[:3, window.rows, window.cols]
        if image.dtype == np.uint8:
            return part.astype(np.float32)
        factor = 255.0 / self.peak
        scaled = [(band.astype(np.float64) - o) * factor for band, o in zip(part, self.offset, strict=False)]
        return np.stack(scaled).astype(np.float32)


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
    """Compare a raster with its reconstruction.

    PSNR counts valid pixels only: inside the mask, alpha above zero, finite in the reference.  For
    the other metrics invalid pixels are made equal in both images; of more than three bands the
    first three are compared, as red, green and blue; and types other than uint8 are scaled to
    0–255.  Scenes above 4 Mpx are compared in blocks of 1024 px: MS-SSIM and LPIPS are averages
    weighted with the blocks' valid areas, VIFp is the ratio of sums over all blocks.

    Parameters
    ----------
    reference, other : Samples
        Original and reconstruction, of equal shape; mask and alpha are taken from the original.
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
    unknown = sorted(set(names) - set(METRIC_NAMES))
    if unknown:
        raise InvalidOption(f"Unknown metric {unknown[0]}; there are {', '.join(METRIC_NAMES)}.")
    scene = _scene(reference, other, peak, offset, cancel or CancelToken())
    functions = {
        "psnr": lambda: _psnr(scene),
        "ms_ssim": lambda: _average(scene, "ms_ssim", False),
        "vifp": lambda: _vifp(scene),
        "lpips": lambda: _average(scene, "lpips", allow_download),
    }
    values: dict[str, float] = {}
    notes: dict[str, str] = {}
    for name in METRIC_NAMES:
        if name not in names:
            continue
        try:
            values[name] = functions[name]()
            note = _note(name, scene, info)
        except MetricUnavailable as error:
            note = str(error)
        if note:
            notes[name] = note
    similarity = values.get("ms_ssim")
    if similarity is None and "ms_ssim" in notes:
        notes["ms_ssim_db"] = notes["ms_ssim"]
    in_db = None if similarity is None else ms_ssim_db(similarity)
    return MetricSet(**values, ms_ssim_db=in_db, notes=notes)


def _scene(
    reference: Samples, other: Samples, peak: float, offset: Sequence[float] | float, cancel: CancelToken
) -> _Scene:
    """Check the arguments of :func:`compute` and find the valid pixels."""
    check_shapes(reference.pixels, other.pixels)
    if not (np.isfinite(peak) and peak > 0.0):
        raise InvalidOption(f"The peak of the samples must be a positive number, not {peak:g}.")
    bands = reference.pixels.shape[0]
    offsets = np.asarray(offset, np.float64)
    if offsets.shape not in ((), (bands,)):
        raise InvalidOption(f"There must be one offset, or one for each of the {bands} bands.")
    return _Scene(
        reference.pixels,
        other.pixels,
        _validity(reference),
        float(peak),
        np.broadcast_to(offsets, (bands,)),
        cancel,
    )


def _validity(samples: Samples) -> Mask | None:
    """Pixels that count, bool (height, width): in the mask, not transparent, finite; None if all do."""
    valid = np.ones(samples.pixels.shape[1:], np.bool_)
    if samples.valid is not None:
        valid &= samples.valid
    if samples.alpha is not None:
        valid &= np.greater(samples.alpha, 0)
    if np.issubdtype(samples.pixels.dtype, np.floating):
        for band in samples.pixels:
            valid &= np.isfinite(band)
    return None if valid.all() else valid


def _fill(reference: Image, other: Image, valid: Mask) -> None:
    """Give invalid pixels one value in both images: the valid ones' mean, which makes the mildest edges."""
    for band, band_other in zip(reference, other, strict=True):
        band[~valid] = band_other[~valid] = band[valid].mean(dtype=np.float64)


def _psnr(scene: _Scene) -> float:
    """PSNR of the scene, dB."""
    total = PsnrAccumulator()
    for top in range(0, scene.reference.shape[1], _ROWS):
        scene.cancel.check()
        rows = slice(top, top + _ROWS)
        valid = None if scene.valid is None else scene.valid[rows]
        total.add(scene.reference[:, rows], scene.other[:, rows], valid)
    return total.value(scene.peak)


def _average(scene: _Scene, name: str, allow_download: bool) -> float:
    """MS-SSIM or LPIPS, averaged over the scene's windows with the number of valid pixels as weight."""
    total = 0.0
    pixels = 0
    for reference, other, count in scene.pairs():
        if name == "ms_ssim":
            value = ms_ssim(reference, other)
        else:
            value = lpips(reference, other, allow_download=allow_download)
        total += value * count
        pixels += count
    return _finite(total / pixels if pixels else None)


def _vifp(scene: _Scene) -> float:
    """VIFp of the scene: sums of information, as blocks without texture have no value of their own."""
    terms = [vifp_terms(reference, other) for reference, other, _ in scene.pairs()]
    return _finite(vifp_value(np.sum(terms, axis=0)) if terms else None)


def _finite(value: float | None) -> float:
    """Return the value if there is one; None stands for a scene without valid pixels."""
    if value is None:
        raise MetricUnavailable("It is undefined because the image has no valid pixel.")
    if not np.isfinite(value):
        raise MetricUnavailable("It is undefined because valid pixels hold values that are not finite.")
    return value


def _note(name: str, scene: _Scene, info: RasterInfo) -> str:
    """What is special about a metric that was computed; empty if nothing is."""
    if name == "psnr":
        return "" if scene.valid is None else "Over valid pixels only."
    sentences = []
    if scene.reference.shape[0] > 3:
        sentences.append(f"Of the first three of {scene.reference.shape[0]} bands.")
    if scene.reference.dtype != np.uint8:
        sentences.append(f"Samples ({info.dtype}) scaled to 0–255: (value − offset) / {scene.peak:g} × 255.")
    if scene.valid is not None:
        sentences.append("Invalid pixels were set equal in both images, so they contribute no error.")
    count = len(scene.windows)
    if count > 1:
        how = "Ratio of sums" if name == "vifp" else "Average weighted by area"
        sentences.append(f"{how} over {count} blocks of about {BLOCK} px.")
    return " ".join(sentences)
