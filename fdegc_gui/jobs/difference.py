"""Job of the difference lane: the map of differences of what is in view."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import Window
from fdegc.types import Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.reduction import aligned
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

    def run(self, context: Context[Difference]) -> Difference:
        if self.known is not None:
            return self._painted(self.known.map, True)
        a, b = open_origin(self.a, context), open_origin(self.b, context)
        info, factor = a.info, self.factor
        window = aligned(self.window, factor, info.width, info.height)
        shape = -(-window.height // factor), -(-window.width // factor)
        values = np.full(shape, np.nan, np.float32)
        if self.style.similar:
            return self._similarity(a, b, window, values, context)
        rows = max(1, _CHUNK_PIXELS // window.width, a.block_shape[0] if factor > 1 else 1)
        rows = -(-rows // factor) * factor
        last = time.perf_counter()
        for y in range(window.y, window.y + window.height, rows):
            context.cancel.check()
            part = Window(window.x, y, window.width, min(rows, window.y + window.height - y))
            first = (y - window.y) // factor
            means = mean_difference(a.read(part), b.read(part), self.style.signed, self.style.band, factor)
            values[first : first + len(means)] = means
            if time.perf_counter() - last > _PART_SECONDS and y + rows < window.y + window.height:
                context.part(self._painted(self._map(window, values.copy()), False))
                last = time.perf_counter()
        return self._painted(self._map(window, values), True)

    def _similarity(
        self,
        a: Source,
        b: Source,
        window: Window,
        values: npt.NDArray[np.float32],
        context: Context[Difference],
    ) -> Difference:
        """Local SSIM of both at the scale that is seen, strip by strip."""
        info, factor, last = a.info, self.factor, time.perf_counter()
        rows = max(4 * REACH, _CHUNK_PIXELS // (window.width * factor)) * factor
        for y in range(window.y, window.y + window.height, rows):
            context.cancel.check()
            part = Window(window.x, y, window.width, min(rows, window.y + window.height - y))
            around = grown(part, REACH * factor, info)
            found = similarity(
                a.read(around), b.read(around), self.style.band, factor, self.black, self.span,
                context.cancel.check,
            )  # fmt: skip
            first, count = (y - window.y) // factor, -(-part.height // factor)
            above, left = (y - around.y) // factor, (window.x - around.x) // factor
            values[first : first + count] = 1 - found[above : above + count, left : left + values.shape[1]]
            if time.perf_counter() - last > _PART_SECONDS and y + rows < window.y + window.height:
                context.part(self._painted(self._map(window, values.copy()), False))
                last = time.perf_counter()
        return self._painted(self._map(window, values), True)

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
        sides = (np.minimum(factor, side - np.arange(0, side, factor)) for side in total.shape)
        counts = np.multiply.outer(*sides) * len(apart)
        return np.asarray(_sums(total, factor) / counts, np.float32)
    known = np.broadcast_to(known, apart.shape)
    total = np.where(known, apart, 0).sum(axis=0, dtype=np.float32)
    sums, weights = _sums(total, factor), _sums(known.sum(axis=0, dtype=np.float32), factor)
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


def _sums(plane: npt.NDArray[np.float32], factor: int) -> npt.NDArray[np.float32]:
    """Sums over blocks: first of whole rows, then of columns that lie apart, both in one go for numpy."""
    if factor == 1:
        return plane
    height, width = plane.shape
    if height % factor or width % factor:
        plane = np.pad(plane, ((0, -height % factor), (0, -width % factor)))
    rows = plane.reshape(plane.shape[0] // factor, factor, plane.shape[1]).sum(axis=1)
    if factor > 16:
        wide: npt.NDArray[np.float32] = rows.reshape(len(rows), -1, factor).sum(axis=-1)
        return wide
    out: npt.NDArray[np.float32] = rows[:, ::factor].copy()
    for first in range(1, factor):
        out += rows[:, first::factor]
    return out
