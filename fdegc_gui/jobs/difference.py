"""Jobs of the difference lane: the map of differences of what is in view, and sums that maps are made of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from typing_extensions import Never

from fdegc.raster_info import Window
from fdegc.types import Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.block_sums import BlockSums
from fdegc_gui.jobs.reduction import aligned, block_counts, plane_sums
from fdegc_gui.jobs.similarity import REACH, grown, similarity
from fdegc_gui.jobs.sources import Origin, Source, known_samples, open_origin
from fdegc_gui.models.difference import (
    Difference,
    DifferenceMap,
    DifferenceStyle,
    colored,
    fitting_limit,
)
from fdegc_gui.models.pyramid import Patch

_Array = npt.NDArray[Any]

#: Pixels of the scene between two looks at the cancel token.
_CHUNK_PIXELS = 400_000
#: What has been computed is handed over this often.
_PART_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintDifference(Job[Difference, Difference]):
    """Difference of two pictures in a part of the scene; what there is of it is handed over on the way.

    Attributes
    ----------
    a, b : Path or SampleStore
    window : Window
    factor : int
        Pixels of the scene a side that one of the map is the mean difference of.
    pair : tuple
        Names of the two, in this scene.
    style : DifferenceStyle
    span, black : float
        Range of the samples, and the least of them.
    seen : Window
        Part that an automatic scale is to fit.
    known : Difference or None
        One that needs other colours only, if any.
    before : DifferenceMap or None
        One of another view, of which what lies in this one is taken over.
    sums : BlockSums or None
        Of both pictures; what is missing of them is added where the map is coarse enough to be made of them.
    """

    a: Origin
    b: Origin
    window: Window
    factor: int
    pair: tuple[object, ...]
    style: DifferenceStyle
    span: float
    black: float
    seen: Window
    known: Difference | None = None
    before: DifferenceMap | None = None
    sums: BlockSums | None = None

    def run(self, context: Context[Difference]) -> Difference:
        if self.known is not None:
            return self._painted(self.known.map, True)
        a, b = open_origin(self.a, context), open_origin(self.b, context)
        info, factor = a.info, self.factor
        window = aligned(self.window, factor, info.width, info.height)
        values = np.full((-(-window.height // factor), -(-window.width // factor)), np.nan, np.float32)
        rest = self._take_over(window, values)
        if self.sums is not None and factor >= self.sums.factor:
            return self._summed(self.sums, a, b, window, values, rest, context)
        last = time.perf_counter()
        for part in self._strips(rest, a):
            context.cancel.check()
            _within(values, part, window, factor)[:] = (
                self._unlike(a, b, part, context)
                if self.style.similar
                else mean_difference(a.read(part), b.read(part), self.style.signed, self.style.band, factor)
            )
            if time.perf_counter() - last > _PART_SECONDS:
                context.part(self._painted(self._map(window, values.copy()), False))
                last = time.perf_counter()
        return self._painted(self._map(window, values), True)

    def _summed(
        self,
        sums: BlockSums,
        a: Source,
        b: Source,
        window: Window,
        values: npt.NDArray[np.float32],
        rest: list[Window],
        context: Context[Difference],
    ) -> Difference:
        """Map of which the rest is made of sums over blocks, those in the middle of the view first."""
        style, factor = self.style, self.factor
        reach = REACH * factor if style.similar else 0
        around = [aligned(grown(part, reach, a.info), factor, a.info.width, a.info.height) for part in rest]

        def fill() -> None:
            for part, near in zip(rest, around, strict=True):
                context.cancel.check()
                if style.similar:
                    found = 1 - sums.similarity(
                        near, factor, style.band, self.black, self.span, REACH, context.cancel.check
                    )
                else:
                    found = sums.differences(near, factor, style.signed, style.band)
                _within(values, part, window, factor)[:] = _within(found, part, near, factor)

        start, pause = time.perf_counter(), _PART_SECONDS
        for cell in (cell for near in around for cell in sums.missing(near)):
            context.cancel.check()
            sums.add(cell, a.read(cell), b.read(cell))
            begin = time.perf_counter()
            if begin - start > pause:
                fill()
                context.part(self._painted(self._map(window, values.copy()), False))
                start = time.perf_counter()
                pause = max(
                    _PART_SECONDS, 2 * (start - begin)
                )  # a third of the time at most is for showing it
        fill()
        return self._painted(self._map(window, values), True)

    def _take_over(self, window: Window, values: npt.NDArray[np.float32]) -> list[Window]:
        """Parts of a window that an earlier map does not have; what it has is put into the new one."""
        before = self.before
        if before is None or before.factor != self.factor or not before.shows(self.pair, self.style):
            return [window]
        common = window.intersection(before.window)
        if common is None:
            return [window]
        new = _within(values, common, window, self.factor)
        new[:] = _within(before.values, common, before.window, self.factor)
        return window.outside(common)

    def _strips(self, parts: list[Window], source: Source) -> Iterator[Window]:
        """Parts, cut into strips of whole blocks between which the cancel token is looked at."""
        factor = self.factor
        for part in parts:
            if self.style.similar:
                # What a strip has to read beyond its own rows is to be little beside them.
                rows = max(8 * REACH, _CHUNK_PIXELS // (part.width * factor)) * factor
            else:
                rows = max(1, _CHUNK_PIXELS // part.width, source.block_shape[0] if factor > 1 else 1)
                rows = -(-rows // factor) * factor
            for y in range(part.y, part.y + part.height, rows):
                yield Window(part.x, y, part.width, min(rows, part.y + part.height - y))

    def _unlike(
        self, a: Source, b: Source, part: Window, context: Context[Difference]
    ) -> npt.NDArray[np.float32]:
        """1 − local SSIM of both in a part of the scene, at the scale that is seen."""
        around = grown(part, REACH * self.factor, a.info)
        found = similarity(
            a.read(around), b.read(around), self.style.band, self.factor, self.black, self.span,
            context.cancel.check,
        )  # fmt: skip
        return 1 - _within(found, part, around, self.factor)

    def _map(self, window: Window, values: npt.NDArray[np.float32]) -> DifferenceMap:
        return DifferenceMap(
            window, self.factor, values, self.pair, self.style.signed, self.style.band, self.style.similar
        )

    def _painted(self, found: DifferenceMap, complete: bool) -> Difference:
        style, known = self.style, self.known
        reach = 1.0 if style.similar else self.span
        limit = reach / style.gain if style.gain else fitting_limit(found.part(self.seen), reach)
        if known is not None and (known.limit, known.style.colors) == (limit, style.colors):
            return replace(known, style=style, seen=self.seen)
        bgra = colored(found.values, limit, style.signed, style.colors)
        patch = Patch(found.window, found.factor, bgra, None)
        return Difference(found, patch, limit, style, self.seen, complete)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FillSums(Job[None, Never]):
    """Sums over blocks of all of two pictures, so that maps of them need not wait for the files.

    Attributes
    ----------
    a, b : Path or SampleStore
    sums : BlockSums
    """

    priority: ClassVar[int] = -1
    preemptible: ClassVar[bool] = True

    a: Origin
    b: Origin
    sums: BlockSums

    def run(self, context: Context[Never]) -> None:
        a, b = open_origin(self.a, context), open_origin(self.b, context)
        for cell in self.sums.missing(Window(0, 0, a.info.width, a.info.height)):
            context.cancel.check()
            self.sums.add(cell, a.read(cell), b.read(cell))


def _within(
    values: npt.NDArray[np.float32], part: Window, window: Window, factor: int
) -> npt.NDArray[np.float32]:
    """View of the values of a part of a window, both of whole blocks."""
    at = part.relative_to(window)
    rows = slice(at.y // factor, -(-(at.y + at.height) // factor))
    return values[rows, at.x // factor : -(-(at.x + at.width) // factor)]


def mean_difference(
    a: Samples, b: Samples, signed: bool, band: int | None, factor: int
) -> npt.NDArray[np.float32]:
    """Mean differences of two pictures, over bands and blocks of pixels.

    Parameters
    ----------
    a, b : Samples
        Of the same window.
    signed : bool
        Whether to average B − A rather than its size.
    band : int or None
        Index from 0; None for all.
    factor : int
        Pixels a block's side; blocks at the right and lower edge may be smaller.

    Returns
    -------
    ndarray of float32, shape (rows, columns) of blocks
        Not a number where neither has valid samples.
    """
    bands = slice(None) if band is None else slice(band, band + 1)
    apart = _differences(a.pixels[bands], b.pixels[bands], signed)
    known = known_samples(a, b, bands)
    if known is None:
        total = apart.sum(axis=0, dtype=np.float32) if len(apart) > 1 else apart[0].astype(np.float32)
        if factor == 1:
            return np.asarray(total / np.float32(len(apart)), np.float32)
        height, width = total.shape
        counts = block_counts(height, width, factor) * len(apart)
        return np.asarray(plane_sums(total, factor) / counts, np.float32)
    known = np.broadcast_to(known, apart.shape)
    total = np.where(known, apart, 0).sum(axis=0, dtype=np.float32)
    sums, weights = plane_sums(total, factor), plane_sums(known.sum(axis=0, dtype=np.float32), factor)
    out = np.where(weights > 0, sums / np.maximum(weights, 1), np.nan)
    return np.asarray(out, np.float32)


def _differences(a: _Array, b: _Array, signed: bool) -> _Array:
    """B − A, or its size, in a type that holds it."""
    if not signed and a.dtype.kind == "u":
        apart: _Array = np.maximum(a, b)
        apart -= np.minimum(a, b)
        return apart
    small = a.dtype.kind in "iu" and a.dtype.itemsize <= 2
    kind: type[np.generic] = np.float64 if not small else np.int16 if a.dtype.itemsize == 1 else np.int32
    apart = np.subtract(b, a, dtype=kind)
    return apart if signed else np.abs(apart, out=apart)
