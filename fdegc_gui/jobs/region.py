"""Jobs that measure a region: errors on a lane of their own, MS-SSIM on the engine's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from typing_extensions import Never

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import BandMapping, Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.peaks import peak_and_offset_of
from fdegc_gui.jobs.sources import Origin, Source, known_samples, open_origin
from fdegc_gui.models.region import Histogram, RegionFigures

#: MS-SSIM is computed for regions between these.
SIMILARITY_SIDE, SIMILARITY_PIXELS = 161, 16_000_000

_BINS = 64
#: Samples that histograms are made of at most.
_KEPT = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasureRegion(Job[RegionFigures, Never]):
    """Errors of one picture against another in a region, and histograms of values and errors.

    Attributes
    ----------
    path : Path
        The scene's.
    a, b : Path or SampleStore
    names : (str, str)
        Of the two.
    window : Window
    peak : float or None
        For PSNR, in sample units; looked up if it is None.
    """

    path: Path
    a: Origin
    b: Origin
    names: tuple[str, str]
    window: Window
    peak: float | None

    foreground: ClassVar[bool] = True

    def run(self, context: Context[Never]) -> RegionFigures:
        from fdegc.metrics import compare

        a, b = open_origin(self.a, context), open_origin(self.b, context)
        peak = self.peak
        if peak is None:
            peak = peak_and_offset_of(self.path, context)[0]
        info = replace(a.info, width=self.window.width, height=self.window.height)
        spread = _Spread(info)
        readers = RegionReader(a, self.window, spread.first), RegionReader(b, self.window, spread.second)
        mapping = [BandMapping(0.0, peak)] * info.bands
        found = compare(*readers, info, mapping, names=("psnr",), cancel=context.cancel)
        values, differences = spread.histograms()
        return RegionFigures(
            self.window, *self.names, found.errors, found.notes.get("psnr", ""), found.missing,
            values, differences,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasureSimilarity(Job[tuple[float | None, str], Never]):
    """MS-SSIM of a region, or why there is none.

    Attributes
    ----------
    path, a, b, window, peak
        As of :class:`MeasureRegion`.
    """

    path: Path
    a: Origin
    b: Origin
    window: Window
    peak: float | None

    preemptible: ClassVar[bool] = True
    priority: ClassVar[int] = 2
    foreground: ClassVar[bool] = True

    def run(self, context: Context[Never]) -> tuple[float | None, str]:
        a, b = open_origin(self.a, context), open_origin(self.b, context)
        info = replace(a.info, width=self.window.width, height=self.window.height)
        peak, offset = self.peak, 0.0
        band_offsets: tuple[float, ...] | float = offset
        if info.dtype != "uint8":
            peak, band_offsets = peak_and_offset_of(self.path, context)
        try:
            found = context.engine.engine.measure(
                a.read(self.window),
                b.read(self.window),
                info,
                peak if peak is not None else 255.0,
                offset=band_offsets,
                names=("ms_ssim",),
                cancel=context.cancel,
            )
        finally:
            context.rasters.release()
        return found.ms_ssim, found.notes.get("ms_ssim", "")


class RegionReader:
    """Reader of a region as if it were a scene; what it reads is shown to somebody."""

    def __init__(
        self, source: Source, region: Window, show: Callable[[Samples], None] = lambda samples: None
    ) -> None:
        self._source, self._region, self._show = source, region, show

    def read(self, window: Window, /) -> Samples:
        moved = Window(window.x + self._region.x, window.y + self._region.y, window.width, window.height)
        samples = self._source.read(moved)
        self._show(samples)
        return samples


class _Spread:
    """Spread of values and errors, from evenly spaced pixels."""

    def __init__(self, info: RasterInfo) -> None:
        self._step = max(1, int(np.ceil(np.sqrt(info.pixels * info.bands / _KEPT))))
        self._whole = np.dtype(info.dtype).kind in "iu"
        self._first: Samples | None = None
        self._pairs: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []

    def first(self, samples: Samples) -> None:
        self._first = self._thinned(samples)

    def second(self, samples: Samples) -> None:
        other, first = self._thinned(samples), self._first
        if first is None:
            return
        known = known_samples(first, other, slice(None))
        x, y = first.pixels.astype(np.float64), other.pixels.astype(np.float64)
        if known is not None:
            known = np.broadcast_to(known, x.shape)
            x, y = x[known], y[known]
        self._pairs.append((x.ravel(), y.ravel()))

    def _thinned(self, samples: Samples) -> Samples:
        step = self._step
        return samples if step == 1 else samples.map(lambda array: array[..., ::step, ::step])

    def histograms(self) -> tuple[Histogram | None, Histogram | None]:
        if not self._pairs:
            return None, None
        x, y = (np.concatenate(parts) for parts in zip(*self._pairs, strict=True))
        if not x.size:
            return None, None
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        edges = self._edges(low, high)
        apart = y - x
        reach = max(float(np.abs(apart).max()), 1.0 if self._whole else 1e-12)
        around = self._around_zero(reach)
        values = Histogram(low, high, edges, (np.histogram(x, edges)[0], np.histogram(y, edges)[0]))
        return values, Histogram(-reach, reach, around, (np.histogram(apart, around)[0],))

    def _edges(self, low: float, high: float) -> npt.NDArray[np.float64]:
        """Edges of bins; of whole numbers, bins hold equally many of them."""
        if not self._whole:
            return np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
        width = int(np.ceil((high - low + 1) / _BINS))
        edges: npt.NDArray[np.float64] = low - 0.5 + width * np.arange(np.ceil((high - low + 1) / width) + 1)
        return edges

    def _around_zero(self, reach: float) -> npt.NDArray[np.float64]:
        """Edges of bins of which the middle one is around zero."""
        width = (2 * reach + (1 if self._whole else 0)) / (_BINS - 1)
        if self._whole:
            width = 2 * np.ceil((width - 1) / 2) + 1
        bins = 2 * np.ceil((reach - width / 2) / width) + 1
        edges: npt.NDArray[np.float64] = (np.arange(bins + 1) - bins / 2) * width
        return edges
