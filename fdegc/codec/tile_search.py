"""Search among the ways of one tile for the one that serves it best: what is looked at, coded, and chosen."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fdegc.codec.comparing import Candidate, Comparison
from fdegc.codec.form_search import SMALL, SPARSE, FormSearch, depths_of
from fdegc.codec.forms import Form
from fdegc.codec.looks import MARGIN, Looks, sizes_around, steps_of
from fdegc.codec.ways import PlainTile, PlainWays
from fdegc.coding import jpeg2000
from fdegc.format.kinds import UnitKind

#: Sizes at which JPEG 2000 is looked at: so many steps up and down from what the network took.
_STEP, _RUNGS = 1.3, 8
#: Share of the network's squared error that looks at JPEG 2000 may be wrong by.
_COARSE = 0.02
#: Where samples have few values, looks without their last bits are worse than that accounts for, by as much.
_ROUGH = 1.1
#: Looks at tiles of few bytes are up to a tenth too bad, as layers take bytes that count there: such a tile
#: is coded even where JPEG 2000 looks as much worse as this.
_LOOKED = 1.03
#: Looks at forms are right to within about as much: one that is worse by more is not coded.
_CLOSE = 1.05
#: Sizes around the best look that are coded then.
_TRY_STEP, _TRIES = 1.08, range(-4, 7)
#: Sizes around the best look at which forms of few code-blocks are coded.
_CLIMB_STEP, _CLIMB = 1.13, range(-14, 15)
#: Those of them that are tried first, of which all are every second one up to so many pixels, and what share
#: of the least total so far the best of them must not exceed for the others to be tried.
_STARTS, _FEW_PIXELS, _FAR = (-4, -2, 0, 2, 4), 2048, 1.15
#: Bytes of latents or pixels up to which sizes are coded without a look: so many steps down and up, and then
#: between.
_TINY, _SPECK, _SWEEP_STEP, _SWEEP, _AROUND = 512, 1024, 1.25, range(-8, 3), (-2, -1, 1, 2)
#: What such looks may be too bad by: bytes that layers take, and a share of the network's total.
_LAYERS, _HOPELESS = 32, 1.1
#: What a lossless tile may take by a first look, as a share of what the network took, to be tried.
_HOPE = 2.0
#: Drawings without loss are worth as many times what they cost with some, in the forms that are for them,
#: and take no more than this share of their samples then, which noise does.
_EXACT_WORTH, _DRAWN = 1.6, 0.4


class TileSearch:
    """Search among the ways of one tile for what serves it better than the network did.

    Looks say of which forms of JPEG 2000, and at about which sizes, something may be hoped; these are coded,
    and the best of what was coded is chosen.  Where looks say little, of few bytes or code-blocks, more is
    coded.

    Parameters
    ----------
    ways : PlainWays
    comparison : Comparison
        Of the tile.
    pixels : ndarray, shape (bands, height, width)
        What the network's latents decode to.
    size : int
        Bytes of those latents, with what else they cost.
    """

    def __init__(
        self, ways: PlainWays, comparison: Comparison, pixels: npt.NDArray[np.generic], size: int
    ) -> None:
        self._ways, self._comparison, self._standard = ways, comparison, comparison.standard
        self._unit, self._size = comparison.unit, size
        self._ours = comparison.of(pixels, size, None)
        # Of a pixel.
        self._error = self._ours.squared_error / max(comparison.count, 1)
        self._height, self._width = pixels.shape[1:]
        area = self._height * self._width
        self._depths = depths_of(size, self._height, self._width)
        # Of so few bytes layers take too many for looks at them to say anything, and coding is quick.
        self._tiny = (size <= _TINY or area <= _SPECK) and not self._standard.fills
        self._limit = (_LOOKED if size <= SPARSE * area else 1 - MARGIN) * self._ours.total
        fills, capped = self._standard.fills, self._standard.capped
        exponents = range(-_RUNGS if not fills else 0, _RUNGS + 1 if not capped else 1)
        self._wanted = steps_of(size, _STEP, exponents)
        self._dropped, self._coarse = ways.bits_to_drop(self._standard.counts, _COARSE * self._error)
        # Totals and bytes of looks; forms that they speak for, with the look that does; and what was coded.
        self._seen: list[tuple[float, int]] = []
        self._hopes: list[tuple[Form, Candidate]] = []
        self._coded: list[Candidate] = []
        # The same by forms and sizes that were wanted, and between which sizes forms were coded at many.
        self._made: dict[Form, dict[int, Candidate]] = {}
        self._swept: dict[Form, range] = {}

    def better(
        self, samples: npt.NDArray[np.generic], known: npt.NDArray[np.bool_] | None
    ) -> PlainTile | None:
        """Way that serves the tile better than the network did; None if there is none.

        Parameters
        ----------
        samples : ndarray, shape (bands, height, width)
            The tile as it was read.
        known : ndarray of bool, of that shape, or None
            Samples that the decoder knows to be there; None for all.
        """
        with jpeg2000.environment():
            self._code_in_forms()
        self._code_without_loss(samples, known)
        tile = self._chosen()
        return tile and self._ways.decoded(tile, self._height, self._width, known, self._comparison.check)

    def _code_in_forms(self) -> None:
        """Looks at JPEG 2000 in its forms, and coding of what they speak for."""
        totals = self._look_at_usual_forms()
        self._look_further(totals)
        self._code_hopes()
        if self._is_stated and not self._standard.fills:
            # At a size that the network is far from, forms that did not serve near it may serve better.
            for _, form in totals:
                self._climb(form)

    # ------------------------------------------------------------------ what is looked at

    def _look_at_usual_forms(self) -> list[tuple[float, Form]]:
        """Totals of forms that are looked at in any case, and these."""
        transform, saved = self._ways.transform(self._unit, self._standard.weights, self._error)
        of_bands = [Form(levels) for levels in self._depths]
        own = [] if transform is None else [Form(levels, transform) for levels in self._depths]
        # Three bands have a transform in any case, which their own is not always better than.
        if not self._ways.has_colours:
            return [(self._look(form), form) for form in own + of_bands]
        totals = [(self._look(form), form) for form in of_bands]
        if not (own and self._are_idle(saved)):
            totals += [(self._look(form), form) for form in own]
        return totals

    def _are_idle(self, saved: float) -> bool:
        """Whether forms would not serve better than the network that save so many bits of what was seen."""
        if self._hopes or self._tiny or not math.isfinite(saved):
            return False
        # Where bytes are given, totals are errors.
        return not (self._standard.fills or self._least_seen - saved <= self._ours.total)

    def _look(self, form: Form) -> float:
        """Least total of a form, by looks."""
        before = len(self._seen)
        found = self._hoped(form)
        self._hopes.extend([] if found is None else [(form, found)])
        least = min(self._seen[before:])[0]
        if self._tiny and least - 8 * _LAYERS <= _HOPELESS * self._ours.total:
            return self._sweep(form)
        return least

    def _hoped(self, form: Form) -> Candidate | None:
        """Look at about whose size a form is worth coding."""
        if form.transform is None and self._dropped:
            rough = self._looks(self._wanted, form, self._dropped, self._coarse)
            if rough.best(self._ours, _ROUGH * self._limit) is None:
                return None
        # What is better than the network without some bits may need them.
        return self._looks(self._wanted, form).best(self._ours, self._limit)

    def _scan(self, form: Form) -> float:
        """Least total of a form that may serve far from the network's size alone."""
        if self._standard.fills:
            return self._look(form)
        found = self._looks(self._wanted, form).least()
        self._hopes.append((form, found))
        return found.total

    def _looks(self, sizes: list[int], form: Form, dropped: int = 0, coarse: float = 0.0) -> Looks:
        return Looks(self._ways, self._comparison, sizes, form, self._seen, dropped, coarse)

    def _look_further(self, totals: list[tuple[float, Form]]) -> None:
        """Looks at forms that may pay after these."""
        serves = self._least_seen < self._ours.total
        weights = self._standard.weights
        further = FormSearch(
            self._ways, self._unit, weights, self._error, self._look, self._climb, self._scan
        )
        further.run(totals, serves)

    @property
    def _least_seen(self) -> float:
        return min(self._seen)[0]

    # ------------------------------------------------------------------ what is coded

    def _code(self, form: Form, size: int) -> Candidate:
        """Form at a size, which is coded once."""
        made, size = self._made.setdefault(form, {}), max(size, 1)
        if size not in made:
            made[size] = self._comparison.of_plain(self._ways.jpeg2000(self._unit, size, form))
        return made[size]

    def _sweep(self, form: Form) -> float:
        """Least total of a form, coded at many sizes up to the network's."""
        sizes = steps_of(self._size, _SWEEP_STEP, _SWEEP)
        self._swept[form] = range(sizes[0], sizes[-1] + 1)
        swept = [self._code(form, size) for size in sizes]
        about = min(zip(sizes, swept, strict=True), key=lambda found: found[1].total)[0]
        self._coded += swept
        self._coded += [self._code(form, size) for size in steps_of(about, _TRY_STEP, _AROUND)]
        return min(found.total for found in swept)

    def _climb(self, form: Form) -> float:
        """Least total of a form, coded at sizes around the best of those before."""
        if self._standard.fills:
            self._coded.append(self._code(form, self._size))
            return self._coded[-1].total
        about, found = min(self._seen)[1], dict[int, Candidate]()

        def total(exponent: int) -> float:
            if exponent not in found:
                found[exponent] = self._code(form, round(about * _CLIMB_STEP**exponent))
            return found[exponent].total

        # Of few code-blocks there are few sizes, and totals jump.
        area = self._height * self._width
        starts = _CLIMB[::2] if area <= _FEW_PIXELS else _STARTS if area <= SMALL else [0]
        best = min(starts, key=total)
        # What is far behind at all of these is so at sizes between.
        steps = (2, -2, 1, -1) if len(starts) == 1 or total(best) <= _FAR * self._least_seen else ()
        for step in steps:
            while best + step in _CLIMB and total(best + step) < total(best):
                best += step
        self._coded += found.values()
        self._seen.append((total(best), found[best].bytes))
        return total(best)

    def _code_hopes(self) -> None:
        """Coding of the forms that looks speak for."""
        least = min((found.total for _, found in self._hopes), default=0.0)
        for form, found in self._hopes:
            usual = len(self._depths) > 1 and form.levels in self._depths and form.colours
            if self._standard.capped or usual or found.total <= _CLOSE * least:
                # What was coded says more than looks do; only a target leaves few sizes of it.
                known = () if self._standard.capped else self._swept.get(form, ())
                sizes = [size for size in self._sizes_of(form, found.bytes) if size not in known]
                self._coded += [self._code(form, size) for size in sizes]

    def _sizes_of(self, form: Form, about: int) -> Iterator[int]:
        """Sizes at which a form is coded of which a look at some size speaks for it."""
        if self._standard.capped:
            yield self._size
        if self._standard.fills:
            return
        if form.levels != self._depths[0] and len(self._depths) > 1:
            # Of so few bytes what layers take is too much for looks to be right, and coding is quick.
            yield from steps_of(about, _TRY_STEP, _TRIES)
        else:
            yield self._looks(sizes_around(about), form).lowest(self._ours)

    def _code_without_loss(
        self, samples: npt.NDArray[np.generic], known: npt.NDArray[np.bool_] | None
    ) -> None:
        """Coding without loss, where it may serve better than all before."""
        capped, fills = self._standard.capped, self._standard.fills
        # Whoever saves bytes for a target must not take more of them.
        favour = _EXACT_WORTH if self._is_stated and not capped else 1.0
        cost = self._best.total / 8
        most = self._size if capped else max(cost, min(favour * cost, _DRAWN * samples.nbytes))
        for tile in self._ways.exact_if(samples, known, _HOPE * self._size, most, self._comparison.check):
            size = len(tile.payload)
            worth = favour if size <= _DRAWN * samples.nbytes else 1.0
            self._coded.append(Candidate(tile, size, 0.0, 0.0 if fills else 8 * size / worth))

    # ------------------------------------------------------------------ what is chosen

    @property
    def _best(self) -> Candidate:
        """Best of what was coded so far and the network's."""
        return min([self._ours, *self._coded], key=lambda candidate: candidate.total)

    @property
    def _is_stated(self) -> bool:
        """Whether that is of a form that says what it is, as those for drawings."""
        tile = self._best.tile
        return tile is not None and tile.kind == UnitKind.STATED

    def _chosen(self) -> PlainTile | None:
        """Best of all, of those that a target leaves; None for the network's."""
        ours = self._ours
        if self._standard.capped:
            self._coded = [
                found
                for found in self._coded
                if found.bytes <= ours.bytes and found.squared_error <= ours.squared_error
            ]
        return self._best.tile
