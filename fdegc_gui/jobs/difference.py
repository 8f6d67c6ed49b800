"""Job of the difference lane: the map of differences of what is in view."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import Window
from fdegc.types import Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.reduction import aligned
from fdegc_gui.jobs.sources import Origin, known_samples, open_origin
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
_CHUNK_PIXELS = 1_000_000
#: What has been computed is handed over this often.
_PART_SECONDS = 0.15


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
    span : float
        Range of the samples.
    known : DifferenceMap or None
        A map that needs other colours only.
    """

    a: Origin
    b: Origin
    window: Window
    factor: int
    pair: tuple[object, ...]
    style: DifferenceStyle
    span: float
    known: DifferenceMap | None = None

    def run(self, context: Context[Difference]) -> Difference:
        if self.known is not None:
            return self._painted(self.known, True)
        a, b = open_origin(self.a, context), open_origin(self.b, context)
        info, factor = a.info, self.factor
        window = aligned(self.window, factor, info.width, info.height)
        shape = -(-window.height // factor), -(-window.width // factor)
        values = np.full(shape, np.nan, np.float32)
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

    def _map(self, window: Window, values: npt.NDArray[np.float32]) -> DifferenceMap:
        return DifferenceMap(window, self.factor, values, self.pair, self.style.signed, self.style.band)

    def _painted(self, found: DifferenceMap, complete: bool) -> Difference:
        style = self.style
        limit = fitting_limit(found.values, self.span) if style.gain is None else self.span / style.gain
        bgra = colored(found.values, limit, style.signed, style.colors)
        return Difference(found, Patch(found.window, found.factor, bgra, None), limit, style, complete)


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
    one, other = a.pixels[bands], b.pixels[bands]
    small = one.dtype.itemsize <= 2 and one.dtype.kind in "iu"
    kind: type[np.generic] = np.int32 if small else np.float64
    if one.dtype == np.uint8:
        kind = np.int16
    apart: _Array = np.subtract(other, one, dtype=kind)
    if not signed:
        np.abs(apart, out=apart)
    known = known_samples(a, b, bands)
    if known is None:
        mean = apart.sum(axis=0, dtype=np.float32) if len(apart) > 1 else apart[0].astype(np.float32)
        if len(apart) > 1:
            mean /= np.float32(len(apart))
        if factor == 1:
            return mean
        weight = np.ones(mean.shape, np.float32)
    else:
        total = np.where(known, apart, 0).sum(axis=0, dtype=np.float64)
        counts = np.broadcast_to(known, apart.shape).sum(axis=0)
        mean = (total / np.maximum(counts, 1)).astype(np.float32)
        weight = (counts > 0).astype(np.float32)
    sums, weights = _sums(mean * weight, factor), _sums(weight, factor)
    out = np.where(weights > 0, sums / np.maximum(weights, 1), np.nan)
    return np.asarray(out, np.float32)


def _sums(plane: npt.NDArray[np.float32], factor: int) -> npt.NDArray[np.float32]:
    if factor == 1:
        return plane
    height, width = plane.shape
    plane = np.pad(plane, ((0, -height % factor), (0, -width % factor)))
    blocks = plane.reshape(plane.shape[0] // factor, factor, plane.shape[1] // factor, factor)
    # Rows first: numpy adds whole rows quickly, and columns slowly.
    out: npt.NDArray[np.float32] = blocks.sum(axis=1).sum(axis=-1)
    return out
