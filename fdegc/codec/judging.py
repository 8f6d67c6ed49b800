"""Judging of tiles: what the network made of one against what other ways make of it in the same bytes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fdegc.codec.allotting import Share, TileChoices
from fdegc.codec.ways import Form, PlainTile, PlainWays
from fdegc.coding import jpeg2000
from fdegc.coding.component_transform import are_quantities
from fdegc.control import Check
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.format.kinds import UnitKind
from fdegc.format.layout import file_size
from fdegc.options import RATE_POINTS, EncodeOptions, TargetKind
from fdegc.raster.mapping import peak_value, to_unit, valid_samples
from fdegc.types import Samples

#: JPEG 2000 has to be better by this share of the squared error, so that tiles do not change for nothing.
_MARGIN = 0.03
#: Sizes at which JPEG 2000 is looked at: so many steps up and down from what the network took.
_STEP, _RUNGS = 1.3, 8
#: Smaller steps around the best of these: error falls unevenly where a bit of all samples ends.
_FINE_STEP, _FINE = 1.03, 8
_ABOUT, _FEW = 1.03, 20
#: Share of the network's squared error that looks at JPEG 2000 may be wrong by.
_COARSE = 0.02
#: Where JPEG 2000 is no better at the same size, it may still be at another one if it comes as near as this.
_NEAR = 1.1
#: Looks at forms are right to within about as much: one that is worse by more is not coded.
_CLOSE = 1.05
#: Drawings without loss are worth as many times what they cost with some, in the forms that are for them.
_EXACT_WORTH = 1.6
#: Entropy of samples as a share of that of differences up to which fewer levels of wavelets may pay, and
#: where JPEG 2000 serves better than the network in any case.
_FLAT, _PERHAPS_FLAT = 1.05, 1.6
#: Where samples have few values, looks without their last bits are worse than that accounts for, by as much.
_ROUGH = 1.1
#: Looks at tiles of few bytes are up to a tenth too bad, as layers take bytes that count there: such a tile
#: is coded even where JPEG 2000 looks as much worse as this.
_LOOKED = 1.03
#: What a lossless tile may take by a first look, as a share of what the network took, to be tried.
_HOPE = 2.0
#: Bytes a pixel up to which one level of wavelets more may pay; of few pixels, or of a tile so much longer
#: than it is wide, it may at any size.
_SPARSE, _SMALL, _THIN = 1 / 12, 1 << 13, 4
#: Steps between the sizes at which JPEG 2000 is looked at for a target, and the least of them.
_CHOICE_STEP, _LEAST = 1.4, 16
#: How far beyond the size of latents such looks go where they need not go further.
_CHOICE_REACH = 4.0
#: Share of the network's error that such looks are to resolve.
_FINER = 1 / 100
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
        self._counts = self._weights
        spans = np.array([entry.scale for entry in self._mapping])
        # A PSNR that is asked for is one of all bands in the same units.
        if options.target is None and are_quantities(spans, np.dtype(header.dtype).kind in "iu"):
            own = spans.max() / np.where(spans > 0, spans, spans.max())
            self._counts = (own * self._weights).tolist()
        # What the file of a single tile takes for the network, it does not take without latents.
        alone = header.tiles == 1 and not self._capped
        self._network = file_size(header, 0, {}) - file_size(header.without_network, 0, {}) if alone else 0
        self.ways = PlainWays(header)
        self._peak = peak_value(self._mapping)
        self._bands = header.bands

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
        worth = worth_of(quality, self._bands)
        size += self._network

        def judged(found: npt.NDArray[np.generic], count: int, tile: PlainTile | None) -> _Candidate:
            check()
            error = _squared_error(samples.pixels, found, mask, self._peak, self._counts)
            return _Candidate(tile, count, error, error if self._fills else 8 * count + worth * error)

        def plain(tile: PlainTile) -> _Candidate:
            assert tile.pixels is not None
            return judged(tile.pixels, len(tile.payload), tile)

        ours = judged(pixels, size, None)
        seen: list[tuple[float, int]] = []
        unit = to_unit(samples, self._mapping)
        count = pixels[0].size if mask is None else float(mask.sum()) / (mask.size / pixels[0].size)

        def looks(
            wanted: Sequence[int], form: Form, dropped: int = 0, coarse: float = 0.0
        ) -> tuple[tuple[int, ...], Callable[[int], _Candidate]]:
            """Sizes, and what JPEG 2000 makes of samples without some bits, which are off by so much more."""
            rungs = self.ways.rungs(unit, wanted, dropped, form)

            def look(number: int) -> _Candidate:
                found = judged(rungs.pixels(number), rungs.sizes[number], None)
                error = max(found.squared_error - coarse * count, 0.0)
                total = error if self._fills else 8 * found.bytes + worth * error
                seen.append((total, found.bytes))
                return replace(found, squared_error=error, total=total)

            return rungs.sizes, functools.cache(look)

        exponents = range(-_RUNGS if not self._fills else 0, _RUNGS + 1 if not self._capped else 1)
        wanted = [max(round(size * _STEP**exponent), 1) for exponent in exponents]
        dropped, coarse = self.ways.bits_to_drop(self._counts, _COARSE * ours.squared_error / max(count, 1))

        def hoped(form: Form) -> _Candidate | None:
            """Look at about whose size JPEG 2000 is worth coding."""
            drops = form.transform is None and dropped > 0
            rough = looks(wanted, form, dropped, coarse) if drops else looks(wanted, form)
            found = self._best(*rough, ours, _ROUGH * limit if drops else limit)
            if found is not None and drops:  # what is better than the network may need them
                found = self._best(*looks(wanted, form), ours, limit)
            return found

        def sizes_of(form: Form, about: int) -> Iterator[int]:
            """Sizes that are coded."""
            if self._capped:
                yield size
            if form.levels != usual and len(depths) > 1 and not self._fills:
                # Of so few bytes what layers take is too much for looks to be right, and coding is quick.
                yield from (max(round(about * _TRY_STEP**exponent), 1) for exponent in _TRIES)
            elif not self._fills:
                fine = [max(round(about * _FINE_STEP**exponent), 1) for exponent in range(-_FINE, _FINE + 1)]
                sizes, look = looks(fine, form)
                yield sizes[self._lowest(look, len(sizes), ours)]

        height, width = pixels.shape[1:]
        limit = (_LOOKED if size <= _SPARSE * height * width else 1 - _MARGIN) * ours.total
        transform, saved = self.ways.transform(unit, self._weights, ours.squared_error / max(count, 1))
        # Three bands have a transform in any case, which their own is not always better than.
        colours = self.ways.has_colours
        depths = _depths(size, height, width)
        usual = depths[0]
        of_bands = [Form(levels) for levels in depths]
        own = [] if transform is None else [Form(levels, transform) for levels in depths]
        # Of so few bytes layers take too many for looks at them to say anything, and coding is quick.
        tiny = (size <= _TINY or height * width <= _SPECK) and not self._fills

        def code(form: Form, number: int) -> _Candidate:
            return plain(self.ways.jpeg2000(unit, max(number, 1), form))

        hopes: list[tuple[Form, _Candidate]] = []
        others: list[_Candidate] = []

        def looked(form: Form) -> float:
            """Least total of a form, by looks."""
            before = len(seen)
            found = hoped(form)
            hopes.extend([] if found is None else [(form, found)])
            least = min(seen[before:])[0]
            if tiny and least - 8 * _LAYERS <= _HOPELESS * ours.total:
                coded = functools.partial(code, form)
                sizes = [round(size * _SWEEP_STEP**exponent) for exponent in _SWEEP]
                swept = list(map(coded, sizes))
                about = min(zip(sizes, swept, strict=True), key=lambda found: found[1].total)[0]
                others.extend(swept + [coded(round(about * _TRY_STEP**exponent)) for exponent in _AROUND])
                return min(found.total for found in swept)
            return least

        def climbed(form: Form) -> float:
            """Least total of a form, coded at sizes around the best of those before."""
            if self._fills:
                others.append(code(form, size))
                return others[-1].total
            about, found = min(seen, default=(0.0, size))[1], dict[int, _Candidate]()

            def total(exponent: int) -> float:
                if exponent not in found:
                    found[exponent] = code(form, round(about * _CLIMB_STEP**exponent))
                return found[exponent].total

            # Of few code-blocks there are few sizes, and totals jump.
            pixels_there = height * width
            starts = (
                _CLIMB[::2] if pixels_there <= _FEW_PIXELS else _STARTS if pixels_there <= _SMALL else [0]
            )
            best = min(starts, key=total)
            # What is far behind at all of these is so at sizes between.
            steps = (2, -2, 1, -1) if len(starts) == 1 or total(best) <= _FAR * min(seen)[0] else ()
            for step in steps:
                while best + step in _CLIMB and total(best + step) < total(best):
                    best += step
            others.extend(found.values())
            seen.append((total(best), found[best].bytes))
            return total(best)

        first, second = (of_bands, own) if colours else (own, of_bands)
        totals: list[tuple[float, Form]] = []
        for form in first + second:
            if own and form is own[0] and colours and not hopes and not tiny and math.isfinite(saved):
                # Nor would these serve better than the network; where bytes are given, totals are errors.
                if not (self._fills or min(seen, default=(0.0, 0))[0] - saved <= ours.total):
                    break
            totals.append((looked(form), form))
        serves = min(seen, default=(math.inf, 0))[0] < ours.total
        self._look_further(unit, ours.squared_error / max(count, 1), totals, looked, climbed, serves)
        least = min((found.total for _, found in hopes), default=0.0)
        for form, found in hopes:
            always = self._capped or (len(depths) > 1 and form.levels in depths and form.colours)
            if always or found.total <= _CLOSE * least:
                others += (code(form, number) for number in sizes_of(form, found.bytes))
        best = min([ours, *others], key=lambda candidate: candidate.total)
        stated = best.tile is not None and best.tile.kind == UnitKind.STATED
        if stated and not self._fills:
            # At a size that the network is far from, forms that did not serve near it may serve better.
            for _, form in totals:
                climbed(form)
            best = min([best, *others], key=lambda candidate: candidate.total)
            stated = best.tile is not None and best.tile.kind == UnitKind.STATED
        # Whoever saves bytes for a target must not take more of them.
        favour = _EXACT_WORTH if stated and not (self._capped or self._fills) else 1.0
        most = size if self._capped else favour * best.total / 8
        others += [
            _Candidate(tile, len(tile.payload), 0.0, 0.0 if self._fills else 8 * len(tile.payload) / favour)
            for tile in self.ways.exact_if(samples.pixels, known, _HOPE * size, most, check)
        ]
        if self._capped:
            others = [o for o in others if o.bytes <= size and o.squared_error <= ours.squared_error]
        tile = min([ours, *others], key=lambda candidate: candidate.total).tile
        return tile and self.ways.decoded(tile, height, width, known, check)

    def choices(
        self,
        samples: Samples,
        known: npt.NDArray[np.bool_] | None,
        latents: tuple[int, npt.NDArray[np.generic]],
        reach: bool | None,
        check: Check,
    ) -> TileChoices:
        """Ways of a tile, for a target: its latents, JPEG 2000 at many sizes, and no loss.

        Parameters
        ----------
        samples, known, check
            As in :meth:`better`.
        latents : tuple
            Bytes of the latents, and pixels that they decode to.
        reach : bool or None
            Whether to look up to the largest size; None: at latents alone.
        """
        mask = valid_samples(samples)
        size, pixels = latents

        def lost(found: npt.NDArray[np.generic]) -> tuple[float, float]:
            check()
            every = [1.0] * len(self._weights)
            plain = _squared_error(samples.pixels, found, mask, self._peak, every)
            if self._weights == every:
                return plain, plain
            return _squared_error(samples.pixels, found, mask, self._peak, self._weights), plain

        ours = (size, *lost(pixels))
        count = pixels.size if mask is None else int(mask.sum()) * (pixels.size // mask.size)
        if reach is None or not count:
            return TileChoices.of(count, ours, (), None)
        unit = to_unit(samples, self._mapping)
        own = unit.size * min(samples.pixels.dtype.itemsize, 2)
        most = max(own if reach else min(_CHOICE_REACH * size, own), 2 * _LEAST)
        steps = math.ceil(math.log(most / _LEAST, _CHOICE_STEP))
        # Larger sizes are to be as good as they can be.
        error = _FINER * ours[1] * self._bands / count
        transform = None if self.ways.has_colours else self.ways.transform(unit, self._weights, error)[0]
        sizes = [round(_LEAST * _CHOICE_STEP**n) for n in range(steps + 1)]
        looks: list[tuple[int, float, float]] = []

        def looked(form: Form) -> float:
            """Least error of a form at any of the sizes, as shares of what others lose there."""
            rungs = self.ways.rungs(unit, sizes, 0, form)
            found = [(max(rungs.sizes[n], 1), *lost(rungs.pixels(n))) for n in range(len(rungs.sizes))]
            looks.extend(found)
            return sum(math.log(max(error, 1e-30)) for _, error, _ in found) / len(found)

        form = Form(transform=transform)
        self._look_further(unit, ours[1] * self._bands / count, [(looked(form), form)], looked, looked, False)
        looks.sort()
        exact = len(self.ways.exact(samples.pixels, known, 0.0, check).payload)
        return TileChoices.of(count, ours, looks, exact)

    def allotted(
        self, samples: Samples, known: npt.NDArray[np.bool_] | None, share: Share, check: Check
    ) -> PlainTile:
        """A tile as its share says, of which it is no latents.

        Parameters
        ----------
        samples, known, check
            As in :meth:`better`.
        share : Share
        """
        if share.kind == UnitKind.EXACT:
            return self.ways.exact(samples.pixels, known, 0.0, check)
        unit, mask = to_unit(samples, self._mapping), valid_samples(samples)
        height, width = unit.shape[1:]
        depths = _depths(share.size, height, width)

        def lost(tile: PlainTile) -> float:
            assert tile.pixels is not None
            return _squared_error(samples.pixels, tile.pixels, mask, self._peak, self._weights)

        tiles: list[PlainTile] = []

        def coded(form: Form) -> float:
            tiles.append(self.ways.jpeg2000(unit, share.size, form))
            return lost(tiles[-1])

        totals = [(coded(form), form) for form in map(Form, depths)]
        error = min(total for total, _ in totals) / (height * width)
        transform, _ = self.ways.transform(unit, self._weights, _FINER * error)
        if transform is not None:
            totals += [(coded(form), form) for form in (Form(levels, transform) for levels in depths)]
        self._look_further(unit, error, totals, coded, coded, False)
        return min(tiles, key=lost)

    def _look_further(
        self,
        unit: npt.NDArray[np.float32],
        error: float,
        totals: Sequence[tuple[float, Form]],
        looked: Callable[[Form], float],
        coded: Callable[[Form], float],
        serves: bool,
    ) -> None:
        """Look at forms with fewer levels of wavelets, and with bands that are not mixed, where they may pay.

        Parameters
        ----------
        unit
            As for :meth:`~fdegc.codec.ways.PlainWays.jpeg2000`.
        error : float
            Squared error a pixel that is expected, in units of the peak.
        totals : sequence of tuple
            What is to be small of the forms that were looked at, and these.
        looked, coded : callable
            Look at a form, and at one of few code-blocks, where layers say little; what is to be small.
        serves : bool
            Whether JPEG 2000 serves better than the network in any case.
        """
        share, apart = self.ways.hints(unit, error / self._bands)
        found = list(totals)
        if apart:
            unmixed = [replace(other, colours=False) for _, other in totals if other.transform is None]
            found += [(looked(form), form) for form in unmixed]
        if share > (_PERHAPS_FLAT if serves else _FLAT):
            return
        small = unit[0].size <= _SMALL
        total, form = min(found, key=lambda pair: pair[0])
        known = [other.levels for _, other in found if other.levels is not None]
        levels = min(known, default=jpeg2000.usual_levels(*unit.shape[1:]))
        least = total
        while levels > 1:
            levels -= 1
            last, total = total, (coded if small else looked)(replace(form, levels=levels))
            if total >= last and not small:
                break
        if share > _FLAT and total > least:
            return
        # None at all may be best where one level less is worse.
        coded(replace(form, levels=0))
        if form.transform is not None:  # whose bytes may be more than it saves
            coded(Form(0))
        for axes in dict.fromkeys([None, *(form.transform for _, form in found)]):
            coded(Form(0, self.ways.centred(unit, self._weights, error, axes)))

    def _best(
        self, sizes: Sequence[int], look: Callable[[int], _Candidate], ours: _Candidate, limit: float
    ) -> _Candidate | None:
        """Look at about whose size JPEG 2000 is worth coding; None if it serves no better.

        Parameters
        ----------
        sizes : sequence of int
            Growing.
        look : callable
            What JPEG 2000 makes of the tile at one of them.
        ours : _Candidate
            What the network made of it.
        limit : float
            Total of a look from which on it is not worth coding at another size.
        """
        start = min(range(len(sizes)), key=lambda number: abs(sizes[number] - ours.bytes))
        same = look(start)
        # Where no layer ends near the size, as of tiles of a few bytes, those around it have to say.
        exact = abs(same.bytes - ours.bytes) <= (_ABOUT - 1) * ours.bytes
        near = [start] if exact else range(max(start - 1, 0), min(start + 2, len(sizes)))
        # Sizes of looks are right to within a few bytes.
        fits = same.bytes <= _ABOUT * ours.bytes + _FEW
        better = fits and same.squared_error < (1 - _MARGIN) * ours.squared_error
        if self._fills:
            return same if better else None
        # Latents get too few bytes of what they were not trained on, such as noise.
        if not better and (self._capped or all(look(n).total >= _NEAR * ours.total for n in near)):
            return None
        best = start
        for step in (1, -1):
            while 0 <= best + step < len(sizes) and look(best + step).total < look(best).total:
                best += step
            if best != start:
                break
        return look(best) if better or look(best).total < limit else None

    def _lowest(self, look: Callable[[int], _Candidate], count: int, ours: _Candidate) -> int:
        """Number of the look at which the total is least, of those that a target leaves."""

        def total(number: int) -> float:
            found = look(number)
            within = found.bytes <= ours.bytes and found.squared_error <= ours.squared_error
            return found.total if within or not self._capped else math.inf

        best = min(range(0, count, _FINE // 2), key=total)
        reach = _FINE // 4
        while reach:
            best = min((n for n in (best, best - reach, best + reach) if 0 <= n < count), key=total)
            reach //= 2
        return best


def _depths(size: int, height: int, width: int) -> list[int]:
    """Levels of wavelets that are tried in any case of so many bytes: the usual ones, and at times all."""
    shorter, longer = sorted((height, width))
    few = size <= _SPARSE * height * width or height * width <= _SMALL or longer >= _THIN * shorter
    usual, every = jpeg2000.usual_levels(height, width), jpeg2000.all_levels(height, width)
    return [usual, every] if few and every != usual else [usual]


def worth_of(quality: float, bands: int) -> float:
    """Bits that a unit of squared error, of samples in [0, 1], is worth at a quality."""
    # As the training loss weighs them: bits a pixel + λ · mean squared error of three channels.  A single
    # band enters the network three times, and three times its errors count.
    lmbda: float = RATE_POINTS[0].lmbda * 2.0 ** (quality - 1)
    return lmbda / (1 if bands == 1 else 3)


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
