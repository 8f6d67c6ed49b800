"""Search for the bounds on every error of one tile that lose about as much as a target allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.codec.exact_looks import smoothness_bytes
from fdegc.codec.ways import PlainWays
from fdegc.control import Check

#: A bound, the bytes of the payload, and its squared errors: as they count, and without weights of bands.
Bounded = tuple[float, int, float, float]

#: Bounds that are tried of one tile at most.
_TRIES = 3
#: What floats take in steps, as a share of what differences of neighbours say of them.
_FLOATS = 0.9
#: Share of the squared error that is allowed from which a bound of floats is near enough to it.
_NEAR = 0.95
#: Steps that numbers are looked at in; more of them are far from any target.
_MOST = float(1 << 31)


@dataclass(frozen=True, slots=True, eq=False)
class BoundSearch:
    """Search among bounds on every error of one tile.

    Errors up to E are spread evenly where nothing is known of them: those of floats have a square of E² / 3
    in the mean, those of integers of E (E + 1) / 3.

    Attributes
    ----------
    ways : PlainWays
    pixels : ndarray, shape (bands, height, width)
    known : ndarray of bool, of that shape, or None
        Samples that the decoder knows to be there; None for all.
    check : callable
        Called now and then; raises to cancel.
    """

    ways: PlainWays
    pixels: npt.NDArray[np.generic]
    known: npt.NDArray[np.bool_] | None
    check: Check

    def run(
        self,
        deviation: float,
        allowed: float,
        others: tuple[int, float],
        lost: Callable[[npt.NDArray[np.generic]], tuple[float, float]],
    ) -> list[Bounded]:
        """Bounds that are about right, unless an estimate says that they take more than JPEG 2000.

        Parameters
        ----------
        deviation : float
            Root of the mean squared error that is allowed, in source units.
        allowed : float
            Squared error without weights that is allowed.
        others : tuple
            Bytes of the tile without loss, and of JPEG 2000 that loses as much as is allowed.
        lost : callable
            Squared errors of pixels.
        """
        whole = self.pixels.dtype.kind in "iu"
        bound = math.sqrt(3) * deviation
        if whole:
            bound = max(math.floor((math.sqrt(1 + 4 * bound**2) - 1) / 2), 1)
        found: list[Bounded] = []
        while len(found) < _TRIES and self._estimate(bound, others[0]) <= others[1]:
            tile = self.ways.exact(self.pixels, self.known, bound, self.check)
            assert tile.pixels is not None
            errors = lost(tile.pixels)
            share = errors[1] / allowed
            if share <= 0:  # which is no loss, of few values at a bound, too
                break
            found.append((bound, len(tile.payload), *errors))
            if share > 1 if whole else _NEAR <= share <= 1:
                break
            bound = bound + 1 if whole else bound * math.sqrt((1 + _NEAR) / 2 / share)
        return found

    def _estimate(self, bound: float, exact: int) -> float:
        """Bytes with a bound, by differences of neighbours in steps of twice as much."""
        pixels, known = self.pixels, self.known
        if pixels.dtype.kind in "iu":
            step = 2 * int(bound) + 1
            share = exact / max(smoothness_bytes(pixels, known), 1.0)
            return share * smoothness_bytes(np.floor_divide(pixels.astype(np.int64), step), known)
        values = pixels.astype(np.float64) if known is None else np.where(known, pixels, 0.0)
        if not np.isfinite(values).all() or np.abs(values).max(initial=0.0) >= bound * _MOST:
            return math.inf
        return _FLOATS * smoothness_bytes(np.rint(values / (2 * bound)).astype(np.int64), known)
