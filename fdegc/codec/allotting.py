"""Allotment of bytes to tiles, where a target is to be reached by other ways than latents alone.

What a tile loses at what size is looked at once, of all the ways it has; which of these all tiles take
together then follows by arithmetic, from one exchange of errors for bits (Lagrange's multiplier) for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from fdegc.format.kinds import UnitKind

Float64Array = npt.NDArray[np.float64]

#: Steps between the sizes that follow from those that were looked at.
_STEP = 1.02
#: Exchanges of errors for bits, as powers of two, between which that of a scene is looked for.
_ENDS = (-40.0, 100.0)
_HALVINGS = 50


@dataclass(frozen=True, slots=True)
class Share:
    """What a tile gets: the kind of its payload, PACKETS for JPEG 2000 and EXACT for no loss, and bytes.

    Attributes
    ----------
    kind : UnitKind
    size : int
    bound : float
        Largest error of EXACT, in source units.
    limit : float or None
        Squared error without weights that PACKETS are to keep to, whatever they take; None: the bytes count.
    """

    kind: UnitKind
    size: int
    bound: float = 0.0
    limit: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TileChoices:
    """Ways in which a tile can be kept.

    Attributes
    ----------
    kinds : tuple of UnitKind
        LATENTS, PACKETS or EXACT.
    sizes : ndarray of float64
        Bytes of the payloads.
    errors : ndarray of float64
        Squared errors, as they count (:class:`~fdegc.codec.judging.Judge`).
    plain : ndarray of float64
        Squared errors without weights of bands.
    bounds : ndarray of float64
        Largest errors of EXACT, in source units.
    count : int
        Samples that count.
    """

    kinds: tuple[UnitKind, ...]
    sizes: Float64Array
    errors: Float64Array
    plain: Float64Array
    bounds: Float64Array
    count: int

    @classmethod
    def of(
        cls,
        count: int,
        latents: tuple[int, float, float] | None,
        looks: Sequence[tuple[int, float, float]],
        exact: int | None,
        bounded: Sequence[tuple[float, int, float, float]] = (),
    ) -> Self:
        """Choices of a tile, from sizes, errors and errors without weights.

        Parameters
        ----------
        count : int
        latents : tuple or None
            None if they are no choice.
        looks : sequence of tuple
            Of growing sizes; what lies between them is interpolated.
        exact : int or None
            Bytes without loss, where that is a choice.
        bounded : sequence of tuple
            With bounds on every error: these, and the same three.
        """
        between = _between(np.array(looks, np.float64).reshape(-1, 3))
        kinds = [UnitKind.PACKETS] * len(between) + [UnitKind.EXACT] * len(bounded)
        rows = [between, *(np.array([row[1:]], np.float64) for row in bounded)]
        if latents is not None:
            kinds.append(UnitKind.LATENTS)
            rows.append(np.array([latents], np.float64))
        if exact is not None:
            kinds.append(UnitKind.EXACT)
            rows.append(np.array([(exact, 0.0, 0.0)]))
        sizes, errors, plain = np.concatenate(rows).T
        bounds = np.zeros(len(kinds))
        bounds[len(between) : len(between) + len(bounded)] = [row[0] for row in bounded]
        return cls(tuple(kinds), sizes, errors, plain, bounds, count)

    def without(self, kind: UnitKind) -> Self:
        """Those of the choices that are of another kind."""
        return self._some(lambda own: own != kind)

    def like(self, kind: UnitKind) -> Self:
        """Those of the choices that are of the same kind as a payload: without loss, or as JPEG 2000."""
        wanted = UnitKind.EXACT if kind in (UnitKind.EXACT, UnitKind.CLASSES) else UnitKind.PACKETS
        return self._some(lambda own: own == wanted)

    def _some(self, wanted: Callable[[UnitKind], bool]) -> Self:
        some = [number for number, own in enumerate(self.kinds) if wanted(own)]
        kinds = tuple(self.kinds[number] for number in some)
        sizes, bounds = self.sizes[some], self.bounds[some]
        return type(self)(kinds, sizes, self.errors[some], self.plain[some], bounds, self.count)

    def better(self) -> UnitKind | None:
        """Kind of the way that loses least of those that take and lose less than latents; None for none."""
        if UnitKind.LATENTS not in self.kinds:
            return None
        latents = self.kinds.index(UnitKind.LATENTS)
        less = (self.sizes < self.sizes[latents]) & (self.errors < self.errors[latents])
        return self.kinds[int(np.argmin(np.where(less, self.errors, np.inf)))] if less.any() else None

    def best(self, worth: float) -> int:
        """Number of the way that costs least, if so many bits are as good as a unit of squared error."""
        return int(np.argmin(8 * self.sizes + worth * self.errors))

    def bytes(self, number: int) -> int:
        """Bytes of the tile in one of the ways."""
        return round(float(self.sizes[number]))

    def share(self, number: int, size: int | None = None, limit: float | None = None) -> Share:
        """What the tile gets in one of the ways, with other bytes, or with an error to keep to, if it may."""
        kind, own = self.kinds[number], self.bytes(number) if size is None else size
        return Share(kind, own, float(self.bounds[number]), limit if kind == UnitKind.PACKETS else None)

    def size_for(self, plain: float) -> float:
        """Bytes of JPEG 2000 whose error without weights is at most so much; infinite if there are none."""
        some = [number for number, kind in enumerate(self.kinds) if kind == UnitKind.PACKETS]
        sizes, errors = self.sizes[some], np.log(np.maximum(self.plain[some], 1e-300))
        if not some or self.plain[some].min() > plain:
            return math.inf
        wanted = math.log(max(plain, 1e-300))
        # Errors fall with size; what is interpolated has to grow.
        return math.ceil(float(np.interp(-wanted, -errors, sizes)))


def _between(looks: Float64Array) -> Float64Array:
    """Sizes and errors with steps of :data:`_STEP` between those that were looked at."""
    if len(looks) < 2:
        return looks
    looks = looks.copy()
    looks[:, 1:] = np.minimum.accumulate(looks[:, 1:], axis=0)
    logs = np.log(np.maximum(looks, 1e-300))
    places = np.arange(logs[0, 0], logs[-1, 0], math.log(_STEP))
    columns = [places, *(np.interp(places, logs[:, 0], logs[:, column]) for column in (1, 2))]
    found: Float64Array = np.concatenate([np.exp(np.stack(columns, axis=1)), looks[-1:]])
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Allotment:
    """Shares of tiles, and whether no more bytes serve any of them, or none has fewer."""

    shares: Mapping[int, Share]
    end: bool = False


class _Sums:
    """Ways of all tiles, by their numbers, with sums of their bytes and errors that changes keep up."""

    def __init__(self, choices: Mapping[int, TileChoices], exponent: float) -> None:
        self._choices = choices
        self.ways = {index: choice.best(2.0**exponent) for index, choice in choices.items()}
        self.size = sum(choices[index].bytes(number) for index, number in self.ways.items())
        self.plain = math.fsum(float(choices[index].plain[number]) for index, number in self.ways.items())

    def after(self, index: int, number: int) -> tuple[int, float]:
        """Bytes and errors if a tile went another way."""
        choice, old = self._choices[index], self.ways[index]
        size = self.size + choice.bytes(number) - choice.bytes(old)
        return size, self.plain + float(choice.plain[number] - choice.plain[old])

    def change(self, index: int, number: int) -> None:
        """Another way for a tile."""
        self.size, self.plain = self.after(index, number)
        self.ways[index] = number

    def improve(self, size: int) -> None:
        """Less error, where what is left of so many bytes allows it: not all ways lie on their hull."""
        for index in sorted(self.ways, key=lambda index: -self._choices[index].errors[self.ways[index]]):
            choice, old = self._choices[index], self.ways[index]
            fitting = choice.sizes <= choice.bytes(old) + size - self.size
            errors = np.where(fitting, choice.errors, np.inf)
            if errors.min() < choice.errors[old]:
                self.change(index, int(np.argmin(errors)))

    def economise(self, plain: float) -> None:
        """Fewer bytes, where so much error without weights allows it."""
        for index in sorted(self.ways, key=lambda index: -self._choices[index].bytes(self.ways[index])):
            choice, old = self._choices[index], self.ways[index]
            sizes = np.where(choice.plain <= choice.plain[old] + plain - self.plain, choice.sizes, np.inf)
            if sizes.min() < choice.sizes[old]:
                self.change(index, int(np.argmin(sizes)))

    def largest(self) -> int | None:
        """Tile of the largest JPEG 2000; None without any."""
        some = [i for i, n in self.ways.items() if self._choices[i].kinds[n] == UnitKind.PACKETS]
        return max(some, key=lambda index: self._choices[index].bytes(self.ways[index]), default=None)

    def allotment(
        self, sizes: Mapping[int, int] | None = None, spare: float | None = None, *, end: bool = False
    ) -> Allotment:
        """What these ways are, with sizes of JPEG 2000 that are no step's.

        Where there is error to spare, 0 or more, JPEG 2000 is to keep to what it has, the largest of it with
        what is spared.
        """
        shares = {}
        largest = None if spare is None else self.largest()
        for index, number in self.ways.items():
            choice, limit = self._choices[index], None
            if spare is not None:
                limit = float(choice.plain[number]) + (spare if index == largest else 0.0)
            shares[index] = choice.share(number, (sizes or {}).get(index), limit)
        return Allotment(shares, end)


def _exchange(
    choices: Mapping[int, TileChoices], enough: Callable[[_Sums], bool]
) -> tuple[_Sums | None, _Sums | None]:
    """Ways just before, and just from, the exchange of errors for bits at which they are enough.

    The first is None if the cheapest are, the second if the dearest are not.
    """
    low, high = _ENDS
    before, since = _Sums(choices, low), _Sums(choices, high)
    if enough(before):
        return None, before
    if not enough(since):
        return since, None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        sums = _Sums(choices, middle)
        if enough(sums):
            high, since = middle, sums
        else:
            low, before = middle, sums
    return before, since


def allot_bytes(choices: Mapping[int, TileChoices], size: int) -> Allotment | None:
    """Allotment with the least error of those that take at most so many bytes; None if there is none."""
    found, more = _exchange(choices, lambda sums: sums.size > size)
    if found is None:
        return None
    if more is None:
        return found.allotment(end=True)
    for index, number in more.ways.items():
        if found.after(index, number)[0] <= size:
            found.change(index, number)
    found.improve(size)
    largest, rest = found.largest(), size - found.size
    sizes = {} if largest is None else {largest: choices[largest].bytes(found.ways[largest]) + rest}
    return found.allotment(sizes)


def allot_error(choices: Mapping[int, TileChoices], plain: float) -> Allotment | None:
    """Allotment of the fewest bytes with at most so much squared error without weights; None for none."""
    less, found = _exchange(choices, lambda sums: sums.plain <= plain)
    if found is None:
        return None
    if less is None:
        return found.allotment(spare=max(plain - found.plain, 0.0), end=True)
    for index, number in less.ways.items():
        if found.after(index, number)[1] <= plain:
            found.change(index, number)
    found.economise(plain)
    largest = found.largest()
    if largest is None:
        return found.allotment()
    choice, number = choices[largest], found.ways[largest]
    size = choice.size_for(float(choice.plain[number]) + plain - found.plain)
    return found.allotment({largest: round(min(size, choice.bytes(number)))}, max(plain - found.plain, 0.0))
