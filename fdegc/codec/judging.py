"""Judging of tiles: what the network made of one against what other ways make of it in the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.codec.ways import PlainTile, PlainWays
from fdegc.control import Check
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.options import RATE_POINTS, EncodeOptions, TargetKind
from fdegc.raster.mapping import peak_value, to_unit, valid_samples
from fdegc.types import Samples

#: JPEG 2000 has to be better by this share of the squared error, so that tiles do not change for nothing.
_MARGIN = 0.03
#: Steps of size that are tried where JPEG 2000 is better, up or down from what the network took.
_STEPS, _MOST_STEPS = (1.25, 1.12, 1.06, 1.03, 1.015), 8
#: Where JPEG 2000 is no better at the same size, it may still be at another one if it comes as near as this.
_NEAR = 1.1
#: What a lossless tile may take by a first look, as a share of what the network took, to be tried.
_HOPE = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A way to keep a tile (None: the latents), its bytes, its squared error, and what is to be small."""

    tile: PlainTile | None
    bytes: int
    squared_error: float
    total: float


class Judge:
    """Judge of the tiles of one compression; for any number of threads at once.

    Parameters
    ----------
    header : StreamHeader
    options : EncodeOptions
        With a target, no tile may become larger than the network made it, and with one of size each is as
        good as these bytes allow; errors of bands count by weights.
    """

    def __init__(self, header: StreamHeader, options: EncodeOptions) -> None:
        self._capped = options.target is not None
        # The bytes are there to be used: who saved some would miss the size that was asked for.
        self._fills = options.target is not None and options.target.kind is not TargetKind.PSNR
        weights = options.band_weights or (1.0,) * header.bands
        # As where the way into the network is chosen, the largest is 1.
        self._weights = [weight / max(weights) for weight in weights]
        self._mapping = mapping_of(header)
        self.ways = PlainWays(header)
        self._peak = peak_value(self._mapping)
        # A single band enters the network three times, and three times its errors count in training.
        self._channels = 1 if header.bands == 1 else 3

    def better(
        self,
        samples: Samples,
        known: npt.NDArray[np.bool_] | None,
        pixels: npt.NDArray[np.generic],
        size: int,
        quality: float,
        check: Check,
    ) -> PlainTile | None:
        """Way that serves a tile better than the network did; None if there is none.

        Parameters
        ----------
        samples : Samples
            The tile as it was read.
        known : ndarray of bool, shape (bands, height, width), or None
            Samples that the decoder knows to be there; None for all.
        pixels : ndarray, shape (bands, height, width)
            What the network's latents decode to.
        size : int
            Bytes of those latents.
        quality : float
            At which they were coded.
        check : callable
            Called now and then; raises to cancel.
        """
        mask = valid_samples(samples)
        # As the training loss weighs them: bits a pixel + λ · mean squared error of three channels in [0, 1].
        worth = RATE_POINTS[0].lmbda * 2.0 ** (quality - 1) / self._channels

        def judged(found: npt.NDArray[np.generic], count: int, tile: PlainTile | None) -> _Candidate:
            check()
            error = _squared_error(samples.pixels, found, mask, self._peak, self._weights)
            return _Candidate(tile, count, error, error if self._fills else 8 * count + worth * error)

        def plain(tile: PlainTile) -> _Candidate:
            assert tile.pixels is not None
            return judged(tile.pixels, len(tile.payload), tile)

        ours = judged(pixels, size, None)
        others = [plain(tile) for tile in self.ways.exact_if(samples.pixels, known, _HOPE * size, check)]
        unit = to_unit(samples, self._mapping)
        same = plain(self.ways.jpeg2000(unit, size))
        better = same.bytes <= size and same.squared_error < (1 - _MARGIN) * ours.squared_error
        if self._fills:
            others += [same] if better else []
        elif better or (same.total < _NEAR * ours.total and not self._capped):
            goal = math.inf if better else (1 - _MARGIN) * ours.total
            found = [same, *self._resized(same, lambda count: plain(self.ways.jpeg2000(unit, count)), goal)]
            # Latents get too few bytes of what they were not trained on, such as noise.
            others += [o for o in found if better or o.total < (1 - _MARGIN) * ours.total]
        if self._capped:
            others = [o for o in others if o.bytes <= size and o.squared_error <= ours.squared_error]
        return min([ours, *others], key=lambda candidate: candidate.total).tile

    def _resized(
        self, start: _Candidate, code: Callable[[int], _Candidate], goal: float
    ) -> Iterator[_Candidate]:
        """JPEG 2000 at larger sizes, else at smaller ones, as long as each is better than the one before.

        Then by ever smaller steps around the best: a scene is worse than it might be where tiles have other
        slopes of error over bytes than their neighbours.  Not so if the first steps lead to no less than
        ``goal``.
        """
        best = start
        for step in _STEPS:
            if step != _STEPS[0] and best.total >= goal:
                return
            for factor in (1 / step,) if self._capped else (step, 1 / step):
                before = best
                for _ in range(_MOST_STEPS if step == _STEPS[0] else 1):
                    other = code(round(best.bytes * factor))
                    if other.total >= best.total:
                        break
                    yield other
                    best = other
                if best is not before:
                    break


def _squared_error(
    reference: npt.NDArray[np.generic],
    other: npt.NDArray[np.generic],
    mask: npt.NDArray[np.bool_] | None,
    peak: float,
    weights: Sequence[float],
) -> float:
    """Sum of squared differences of the samples that are valid, in units of the peak, weighted by band."""
    kind = np.float32 if reference.dtype.itemsize <= 2 else np.float64
    with np.errstate(over="ignore", invalid="ignore"):
        difference = reference.astype(kind) - other.astype(kind)
        if mask is not None:
            difference = np.where(mask, difference, 0)
        # Squares of float64's largest and smallest numbers are none.
        errors = np.sum(np.square(difference / kind(peak)), axis=(1, 2), dtype=np.float64)
    return float(errors @ np.square(weights))
