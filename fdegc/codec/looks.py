"""Looks at what JPEG 2000 makes of a tile at many sizes at once, without coding it at any."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fdegc.codec.comparing import Candidate, Comparison
from fdegc.codec.forms import Form
from fdegc.codec.ways import PlainWays

#: JPEG 2000 has to be better by this share of the squared error, so that tiles do not change for nothing.
MARGIN = 0.03
#: Smaller steps around the best size, up and down: error falls unevenly where a bit of all samples ends.
_FINE_STEP, _FINE = 1.03, 8
#: How far beyond the network's size, as a factor and in bytes, one still is as large.
_ABOUT, _FEW = 1.03, 20
#: Where JPEG 2000 is no better at the same size, it may still be at another one if it comes as near as this.
_NEAR = 1.1


class Looks:
    """Looks at a form of JPEG 2000 of a tile, each made when it is asked for.

    Parameters
    ----------
    ways : PlainWays
    comparison : Comparison
        Of the tile.
    sizes : sequence of int
        Bytes that are wanted, growing.
    form : Form
    seen : list of tuple
        To which the total and the bytes of each look are added.
    dropped : int
        Bits that samples lack, so that looks are quick.
    coarse : float
        Squared error a pixel that comes of that, and does not count.

    Attributes
    ----------
    sizes : tuple of int
        Bytes that there are.
    """

    def __init__(
        self,
        ways: PlainWays,
        comparison: Comparison,
        sizes: Sequence[int],
        form: Form,
        seen: list[tuple[float, int]],
        dropped: int = 0,
        coarse: float = 0.0,
    ) -> None:
        self._comparison, self._seen, self._spared = comparison, seen, coarse * comparison.count
        self._rungs = ways.rungs(comparison.unit, sizes, dropped, form)
        self.sizes = self._rungs.sizes
        self._found: dict[int, Candidate] = {}

    def at(self, number: int) -> Candidate:
        """Look at one of the sizes."""
        if number not in self._found:
            pixels, size = self._rungs.pixels(number), self.sizes[number]
            found = self._comparison.of(pixels, size, None, self._spared)
            self._seen.append((found.total, found.bytes))
            self._found[number] = found
        return self._found[number]

    def best(self, ours: Candidate, limit: float) -> Candidate | None:
        """Look at about whose size JPEG 2000 is worth coding; None if it serves no better.

        Parameters
        ----------
        ours : Candidate
            What the network made of the tile.
        limit : float
            Total of a look from which on it is not worth coding at another size.
        """
        standard, sizes = self._comparison.standard, self.sizes
        start = min(range(len(sizes)), key=lambda number: abs(sizes[number] - ours.bytes))
        same = self.at(start)
        # Where no layer ends near the size, as of tiles of a few bytes, those around it have to say.
        exact = abs(same.bytes - ours.bytes) <= (_ABOUT - 1) * ours.bytes
        near = [start] if exact else range(max(start - 1, 0), min(start + 2, len(sizes)))
        # Sizes of looks are right to within a few bytes.
        fits = same.bytes <= _ABOUT * ours.bytes + _FEW
        better = fits and same.squared_error < (1 - MARGIN) * ours.squared_error
        if standard.fills:
            return same if better else None
        # Latents get too few bytes of what they were not trained on, such as noise.
        if not better and (standard.capped or all(self.at(n).total >= _NEAR * ours.total for n in near)):
            return None
        lowest = self._descended(start)
        return lowest if better or lowest.total < limit else None

    def _descended(self, start: int) -> Candidate:
        """Look from which totals grow both ways, by steps from another one."""
        best = start
        for step in (1, -1):
            while 0 <= best + step < len(self.sizes) and self.at(best + step).total < self.at(best).total:
                best += step
            if best != start:
                break
        return self.at(best)

    def least(self) -> Candidate:
        """Look of the least total at any of the sizes."""
        return min(map(self.at, range(len(self.sizes))), key=lambda found: found.total)

    def lowest(self, ours: Candidate) -> int:
        """Size at which the total is least, of those that a target leaves.

        Parameters
        ----------
        ours : Candidate
            As for :meth:`best`.
        """

        def total(number: int) -> float:
            found = self.at(number)
            within = found.bytes <= ours.bytes and found.squared_error <= ours.squared_error
            return found.total if within or not self._comparison.standard.capped else math.inf

        count, reach = len(self.sizes), _FINE // 4
        best = min(range(0, count, _FINE // 2), key=total)
        while reach:
            best = min((n for n in (best, best - reach, best + reach) if 0 <= n < count), key=total)
            reach //= 2
        return self.sizes[best]


def sizes_around(about: int) -> list[int]:
    """Sizes at small steps around another one, of which :meth:`Looks.lowest` finds the best."""
    return steps_of(about, _FINE_STEP, range(-_FINE, _FINE + 1))


def steps_of(size: int, step: float, exponents: Sequence[int]) -> list[int]:
    """Sizes that are so many steps from another one, at least 1."""
    return [max(round(size * step**exponent), 1) for exponent in exponents]
