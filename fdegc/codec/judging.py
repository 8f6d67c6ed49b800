"""Judging of tiles: what the network made of one against what other ways make of it in the same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fdegc.codec.allotting import Share, TileChoices
from fdegc.codec.bound_search import BoundSearch
from fdegc.codec.comparing import Comparison, Standard, squared_error, worth_of
from fdegc.codec.fitting import fit_size, smallest
from fdegc.codec.form_search import FormSearch, depths_of
from fdegc.codec.forms import Form
from fdegc.codec.tile_search import TileSearch
from fdegc.codec.ways import PlainTile, PlainWays
from fdegc.control import Check
from fdegc.format.header import StreamHeader
from fdegc.format.kinds import UnitKind
from fdegc.format.layout import file_size
from fdegc.options import EncodeOptions, TargetKind
from fdegc.raster.mapping import to_unit, valid_samples
from fdegc.types import Samples

#: Steps between the sizes at which JPEG 2000 is looked at for a target, and the least of them.
_CHOICE_STEP, _LEAST = 1.4, 16
#: How far beyond the size of latents such looks go where they need not go further.
_CHOICE_REACH = 4.0
#: Share of the network's error that such looks are to resolve.
_FINER = 1 / 100
#: Share of a tile's bits without loss that three bands' own axes have to save JPEG 2000, to be looked at.
_SAVED = 0.03
#: Errors of forms at one size, as multiples of the least, up to which so many are fitted to an error.
_CLOSE, _FITTED = 1.2, 4


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
        self._standard = Standard(header, options)
        # What the file of a single tile takes for the network, it does not take without latents.
        alone = header.tiles == 1 and not self._standard.capped
        self._network = file_size(header, 0, {}) - file_size(header.without_network, 0, {}) if alone else 0
        self.ways = PlainWays(header)
        self._bands, target = header.bands, options.target
        # Squared error a sample that a PSNR allows, in units of the peak.
        by_psnr = target is not None and target.kind is TargetKind.PSNR
        self._wanted = 10 ** (-target.value / 10) if target is not None and by_psnr else None

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
        comparison = Comparison(self._standard, samples, worth_of(quality, self._bands), check)
        search = TileSearch(self.ways, comparison, pixels, size + self._network)
        return search.better(samples.pixels, known)

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
        weights, peak = self._standard.weights, self._standard.peak

        def lost(found: npt.NDArray[np.generic]) -> tuple[float, float]:
            check()
            every = [1.0] * len(weights)
            plain = squared_error(samples.pixels, found, mask, peak, every)
            if weights == every:
                return plain, plain
            return squared_error(samples.pixels, found, mask, peak, weights), plain

        ours = (size, *lost(pixels))
        count = pixels.size if mask is None else int(mask.sum()) * (pixels.size // mask.size)
        if reach is None or not count:
            return TileChoices.of(count, ours, (), None)
        unit = to_unit(samples, self._standard.mapping)
        own = unit.size * min(samples.pixels.dtype.itemsize, 2)
        most = max(own if reach else min(_CHOICE_REACH * size, own), 2 * _LEAST)
        steps = math.ceil(math.log(most / _LEAST, _CHOICE_STEP))
        # Larger sizes are to be as good as they can be.
        error = _FINER * ours[1] * self._bands / count
        transform = None if self.ways.has_colours else self.ways.transform(unit, weights, error)[0]
        sizes = [round(_LEAST * _CHOICE_STEP**n) for n in range(steps + 1)]
        looks: list[tuple[int, float, float]] = []

        def looked(form: Form) -> float:
            """Least error of a form at any of the sizes, as shares of what others lose there."""
            rungs = self.ways.rungs(unit, sizes, 0, form)
            found = [(max(rungs.sizes[n], 1), *lost(rungs.pixels(n))) for n in range(len(rungs.sizes))]
            looks.extend(found)
            return sum(math.log(max(error, 1e-30)) for _, error, _ in found) / len(found)

        form = Form(transform=transform)
        expected = ours[1] * self._bands / count
        totals = [(looked(form), form)]
        further = FormSearch(self.ways, unit, weights, expected, looked, looked, looked)
        further.run(totals, False)
        exact = self.ways.exact_bytes(samples.pixels, known, check)
        if self.ways.has_colours and self._wanted is not None:
            own_axes, saved = self.ways.transform(unit, weights, error)
            if own_axes is not None and saved >= _SAVED * 8 * exact:
                looked(Form(transform=own_axes))
        looks.sort()
        choices = TileChoices.of(count, ours, looks, exact)
        if self._wanted is None:
            return choices
        allowed = self._wanted * count
        bounds = BoundSearch(self.ways, samples.pixels, known, check)
        most = choices.size_for(allowed)
        found = bounds.run(math.sqrt(self._wanted) * peak, allowed, (exact, most), lost)
        return TileChoices.of(count, ours, looks, exact, found)

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
            return self.ways.exact(samples.pixels, known, share.bound, check)
        weights, every = self._standard.weights, [1.0] * self._bands
        unit, mask = to_unit(samples, self._standard.mapping), valid_samples(samples)
        height, width = unit.shape[1:]
        depths = depths_of(share.size, height, width)

        def lost(tile: PlainTile, weights: Sequence[float] = weights) -> float:
            assert tile.pixels is not None
            check()
            return squared_error(samples.pixels, tile.pixels, mask, self._standard.peak, weights)

        tiles: list[tuple[PlainTile, Form]] = []

        def coded(form: Form) -> float:
            tiles.append((self.ways.jpeg2000(unit, share.size, form), form))
            return lost(tiles[-1][0])

        totals = [(coded(form), form) for form in map(Form, depths)]
        error = min(total for total, _ in totals) / (height * width)
        transform, _ = self.ways.transform(unit, weights, _FINER * error)
        if transform is not None:
            totals += [(coded(form), form) for form in (Form(levels, transform) for levels in depths)]
        FormSearch(self.ways, unit, weights, error, coded, coded, coded).run(totals, False)
        # Some forms cannot be as small as that, however little they say.
        ranks = [(max(len(tile.payload) - share.size, 0), lost(tile)) for tile, _ in tiles]
        best = min(range(len(tiles)), key=lambda number: ranks[number])
        if share.limit is None:
            return tiles[best][0]
        close = [n for n, (_, error) in enumerate(ranks) if error <= _CLOSE * ranks[best][1]]
        close.sort(key=lambda n: ranks[n][1])
        # Sizes come in leaps, and so what is worse at this size may keep to the error with fewer bytes.
        fitted = [(tile, lost(tile, every)) for tile, _ in tiles]
        for number in close[:_FITTED]:

            def made(size: int, form: Form = tiles[number][1]) -> tuple[PlainTile, float]:
                tile = self.ways.jpeg2000(unit, size, form)
                return tile, lost(tile, every)

            # Others are of interest where they keep to the error at the size that the first has then.
            first = fitted[number]
            if number != close[0]:
                first = made(len(smallest(fitted, share.limit)[0].payload))
                fitted.append(first)
                if first[1] > share.limit:
                    continue
            fitted.append(fit_size(made, first, share.limit, unit.size))
        return smallest(fitted, share.limit)[0]
