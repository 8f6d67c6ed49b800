"""Search among forms of JPEG 2000: levels of wavelets, and bands as they are or mixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fdegc.codec.forms import Form
from fdegc.codec.ways import PlainWays
from fdegc.coding import jpeg2000

#: Entropy of samples as a share of that of differences up to which fewer levels of wavelets may pay, and
#: where JPEG 2000 serves better than the network in any case.
_FLAT, _PERHAPS_FLAT = 1.05, 1.6
#: Bytes a pixel up to which one level of wavelets more may pay.
SPARSE = 1 / 12
#: Of as few pixels it may pay at any size, or of a tile so many times as long as it is wide.
SMALL, _THIN = 1 << 13, 4


def depths_of(size: int, height: int, width: int) -> list[int]:
    """Levels of wavelets that are tried in any case of so many bytes: the usual ones, and at times all."""
    shorter, longer = sorted((height, width))
    few = size <= SPARSE * height * width or height * width <= SMALL or longer >= _THIN * shorter
    usual, every = jpeg2000.usual_levels(height, width), jpeg2000.all_levels(height, width)
    return [usual, every] if few and every != usual else [usual]


@dataclass(frozen=True, slots=True, eq=False)
class FormSearch:
    """Search among forms with fewer levels of wavelets, and with bands that are not mixed, for one tile.

    Attributes
    ----------
    ways : PlainWays
    unit : ndarray
        As for :meth:`~fdegc.codec.ways.PlainWays.jpeg2000`.
    weights : sequence of float
        Of the bands' errors; the largest is 1.
    error : float
        Squared error a pixel that is expected, in units of the peak.
    looked, coded, scanned : callable
        Look at a form, at one of few code-blocks, where layers say little, and at one that may serve at any
        size; what is to be small.
    """

    ways: PlainWays
    unit: npt.NDArray[np.float32]
    weights: Sequence[float]
    error: float
    looked: Callable[[Form], float]
    coded: Callable[[Form], float]
    scanned: Callable[[Form], float]

    def run(self, totals: Sequence[tuple[float, Form]], serves: bool) -> None:
        """Looks at those of these forms that may pay.

        Parameters
        ----------
        totals : sequence of tuple
            What is to be small of the forms that were looked at, and these.
        serves : bool
            Whether JPEG 2000 serves better than the network in any case.
        """
        hints, found = self.ways.hints(self.unit, self.error / len(self.unit)), list(totals)
        if hints.halved:
            found += [(self.scanned(form), form) for form in map(Form, range(1, self._usual))]
        if hints.apart:
            unmixed = [replace(form, colours=False) for _, form in totals if form.transform is None]
            found += [(self.looked(form), form) for form in unmixed]
        if hints.share > (_PERHAPS_FLAT if serves else _FLAT):
            return
        total, form = min(found, key=lambda pair: pair[0])
        known = [other.levels for _, other in found if other.levels is not None]
        last = self._with_fewer_levels(form, total, known)
        if hints.share > _FLAT and last > total:
            return
        self._without_wavelets(form, [other for _, other in found])

    @property
    def _usual(self) -> int:
        """Levels where nothing is said of them."""
        return jpeg2000.usual_levels(*self.unit.shape[1:])

    def _with_fewer_levels(self, form: Form, total: float, known: Sequence[int]) -> float:
        """What is to be small of a form with the fewest levels that were tried, from one with more."""
        small = self.unit[0].size <= SMALL
        levels = min(known, default=self._usual)
        while levels > 1:
            levels -= 1
            last, total = total, (self.coded if small else self.looked)(replace(form, levels=levels))
            if total >= last and not small:
                break
        return total

    def _without_wavelets(self, form: Form, others: Sequence[Form]) -> None:
        """Forms without wavelets, which may be best where one level less is worse."""
        self.coded(replace(form, levels=0))
        if form.transform is not None:  # whose bytes may be more than it saves
            self.coded(Form(0))
        for axes in dict.fromkeys([None, *(other.transform for other in others)]):
            self.coded(Form(0, self.ways.centred(self.unit, self.weights, self.error, axes)))
