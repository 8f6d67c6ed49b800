"""Judging of tiles: what the network made of one against what other ways make of it in the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.codec.ways import PlainTile, PlainWays
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.options import RATE_POINTS
from fdegc.raster.mapping import peak_value, to_unit, valid_samples
from fdegc.types import Samples

#: JPEG 2000 has to be better by this share of the squared error, so that tiles do not change for nothing.
_MARGIN = 0.03
#: Sizes of JPEG 2000 that are tried where it is better, as shares of what the network took.
_SIZES = (0.6, 0.8, 1.25, 1.6)
#: What a lossless tile may take by a first look, as a share of what the network took, to be tried.
_HOPE = 2.0


@dataclass(frozen=True, slots=True)
class _Cost:
    """Bytes and squared error of a tile, and what both amount to at the rate in question."""

    bytes: int
    squared_error: float
    total: float


class Judge:
    """Judge of the tiles of one compression; for any number of threads at once.

    Parameters
    ----------
    header : StreamHeader
    capped : bool
        Whether no tile may become larger than the network made it, as where a size was asked for.
    """

    def __init__(self, header: StreamHeader, *, capped: bool = False) -> None:
        self._capped = capped
        self._mapping = mapping_of(header)
        self.ways = PlainWays(header)
        # As the training loss weighs them: bits a pixel + λ · mean squared error of three channels in [0, 1].
        self._weight = 1 / (3 * peak_value(self._mapping) ** 2)

    def better(
        self,
        samples: Samples,
        known: npt.NDArray[np.bool_] | None,
        pixels: npt.NDArray[np.generic],
        size: int,
        quality: float,
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
        """
        mask = valid_samples(samples)
        lmbda = RATE_POINTS[0].lmbda * 2.0 ** (quality - 1)

        def cost(found: npt.NDArray[np.generic], count: int) -> _Cost:
            error = _squared_error(samples.pixels, found, mask)
            return _Cost(count, error, 8 * count + lmbda * self._weight * error)

        best, chosen = cost(pixels, size), None
        for tile in self._others(samples, known, size, best):
            assert tile.pixels is not None
            own = cost(tile.pixels, len(tile.payload))
            if self._capped and (own.bytes > size or own.squared_error > best.squared_error):
                continue
            if own.total < best.total:
                best, chosen = own, tile
        return chosen

    def _others(
        self, samples: Samples, known: npt.NDArray[np.bool_] | None, size: int, ours: _Cost
    ) -> Iterator[PlainTile]:
        """What other ways make of a tile, as far as they may be better."""
        yield from self.ways.exact_if(samples.pixels, known, _HOPE * size)
        unit = to_unit(samples, self._mapping)
        same = self.ways.jpeg2000(unit, size)
        assert same.pixels is not None
        error = _squared_error(samples.pixels, same.pixels, valid_samples(samples))
        if len(same.payload) > size or error > (1 - _MARGIN) * ours.squared_error:
            return
        yield same
        for share in _SIZES:
            if share < 1 or not self._capped:
                yield self.ways.jpeg2000(unit, round(share * size))


def _squared_error(
    reference: npt.NDArray[np.generic], other: npt.NDArray[np.generic], mask: npt.NDArray[np.bool_] | None
) -> float:
    """Sum of squared differences of the samples that are valid."""
    kind = np.float32 if reference.dtype.itemsize <= 2 else np.float64
    difference = reference.astype(kind) - other.astype(kind)
    if mask is not None:
        difference = np.where(mask, difference, 0)
    return float(np.sum(np.square(difference), dtype=np.float64))
