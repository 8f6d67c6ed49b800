"""Search for the quality that reaches a target size or PSNR, by coding latents at several qualities."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from fdegc.codec.allotting import Share, TileChoices
from fdegc.codec.comparing import worth_of
from fdegc.codec.judging import Judge
from fdegc.codec.latents import LatentCoders, LatentStore
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import Float32Array, Network
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tile_reader import AnalysedTile, TileReader, TileSamples
from fdegc.codec.tile_synthesis import ReadyTile, TileSynthesis
from fdegc.codec.workers import Workers, chunks
from fdegc.control import ProgressCallback, ProgressMeter
from fdegc.errors import InvalidOption, MetricUnavailable, TargetMissed
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.format.layout import file_size
from fdegc.metrics import ErrorAccumulator
from fdegc.options import QUALITY_STEPS, Target
from fdegc.raster.mapping import peak_value, valid_samples
from fdegc.types import Samples

T = TypeVar("T")

#: Pixels whose tiles are tried first; smaller scenes are tried as a whole.
SAMPLE_PIXELS = 2_000_000
#: How far below a size (natural logarithm) or above a PSNR (dB) the result for a larger scene may stay.
SIZE_SLACK, PSNR_SLACK = 0.004, 0.01
# A sample of tiles only says where to start, so it is judged this many times as roughly.
_SAMPLE_SLACK = 4.0
# How much they usually change with one step of quality.
_LOG_BYTES, _DECIBELS = 0.4 / QUALITY_STEPS, 1.2 / QUALITY_STEPS


def check_searchable(network: Network) -> None:
    """Check of weights for more than one rate point to search among.

    Raises
    ------
    InvalidOption
    """
    if len(network.entry.rates) < 2:
        raise InvalidOption(
            f"The weights of profile {network.entry.profile} have but one rate point, so no target can be "
            "searched; leave the target out, or choose another --profile."
        )


@dataclass(frozen=True, slots=True)
class Aim:
    """Result of a search.

    Attributes
    ----------
    steps : int
        Quality in 1/256 steps.
    reached : float
        Bytes or PSNR in dB at it.
    end : bool
        Whether it is an end of the scale beyond which the target lies.
    missed : bool
        Whether it does not reach the target.
    """

    steps: int
    reached: float
    end: bool = False
    missed: bool = False


class Trials:
    """Trial compressions of a scene, or of a part of its tiles, at any quality.

    Parameters
    ----------
    plan : EncodingPlan
        Its quality does not matter here.
    reader : TileReader
        Of that plan; it reads every tile here.
    latents : LatentStore
        Of every tile, once this is made.
    workers : Workers
    on_progress : callable or None
    """

    def __init__(
        self,
        plan: EncodingPlan,
        reader: TileReader,
        latents: LatentStore,
        workers: Workers,
        on_progress: ProgressCallback | None,
    ) -> None:
        self.plan = plan
        self._reader, self._latents = reader, latents
        self._workers, self._on_progress = workers, on_progress
        self._count = 0
        self.tiles: Sequence[int] = range(len(plan.tiles))
        #: Of tiles that are kept without latents.
        self.choices: dict[int, TileChoices] = {}
        self._analyse(ProgressMeter("analyse", len(self.tiles), on_progress))

    def _analyse(self, meter: ProgressMeter) -> None:
        """Put the latents of all tiles into the store."""

        def work(tiles: Sequence[TileSamples]) -> list[AnalysedTile]:
            return self._reader.analyse(tiles, self._workers.check, self._batch)

        read = (self._reader.read(index, self._workers.check) for index in self.tiles)
        for analysed in self._workers.ordered(work, chunks(read, self._batch)):
            for tile in analysed:
                self._reader.keep(tile)
                self._latents.put(tile.index, tile.latents)
                meter.advance(1)

    @property
    def _batch(self) -> int:
        return self._workers.share.batch

    def sample(self) -> Sequence[int]:
        """Sample of tiles that stand for the scene: all of a small one, else some, evenly spread."""
        count = len(self.tiles)
        wanted = -(-SAMPLE_PIXELS // self.plan.header.tile_size**2)
        if count <= 2 * wanted:
            return self.tiles
        # Multiples of the golden ratio do not keep step with the rows of tiles.
        golden = (math.sqrt(5) - 1) / 2
        return sorted({int(count * (i * golden % 1)) for i in range(wanted)})

    def _meter(self, total: int) -> ProgressMeter:
        self._count += 1
        return ProgressMeter(f"trial {self._count}", total, self._on_progress)

    def size(self, steps: int, tiles: Sequence[int]) -> int:
        """Bytes of the file at a quality; exact if ``tiles`` are all, and latents."""
        own = self._coded_as_latents(tiles)
        payload = (
            sum(self._payloads(steps, own)) * len(self._coded_as_latents(self.tiles)) // max(len(own), 1)
        )
        worth = self.worth(steps)
        payload += sum(choice.bytes(choice.best(worth)) for choice in self.choices.values())
        header = self.plan.header
        return self.file_bytes(payload, header if own else header.without_network)

    def shares(self, steps: int) -> dict[int, Share]:
        """What tiles that are kept without latents get at a quality of the others."""
        worth, shares = self.worth(steps), {}
        for index, choice in self.choices.items():
            shares[index] = choice.share(choice.best(worth))
        return shares

    def file_bytes(self, payload: int, header: StreamHeader) -> int:
        """Bytes of the file with payloads of so many, and a header."""
        return file_size(header, payload, {**self._reader.blocks(payload), **self.plan.extra})

    def _coded_as_latents(self, tiles: Sequence[int]) -> list[int]:
        return [index for index in tiles if index not in self.choices]

    def _payloads(self, steps: int, tiles: Sequence[int]) -> list[int]:
        """Bytes of the latents of each of some tiles at a quality."""
        plan = self.plan.at(steps)
        coders = LatentCoders(plan.network, self._batch)
        meter = self._meter(len(tiles))
        found: list[int] = []

        def work(batch: Sequence[tuple[int, list[Float32Array]]]) -> list[int]:
            sizes = []
            for index, own in batch:
                units = coders.at(plan.quality_of(index)).code(own, self._workers.check)
                sizes.append(sum(len(unit.payload) for unit in units))
            return sizes

        stored = ((index, self._latents.latents(index)) for index in tiles)
        for sizes in self._workers.ordered(work, chunks(stored, self._batch)):
            found += sizes
            meter.advance(len(sizes))
        return found

    def psnr(self, steps: int, tiles: Sequence[int]) -> float:
        """PSNR of some tiles at a quality, as :attr:`fdegc.results.EncodeResult.psnr`.

        Raises
        ------
        MetricUnavailable
            If none of their pixels is valid.
        """
        header = self.plan.header
        total = ErrorAccumulator(header.bands, angles=False)

        def errors(_: int, original: Samples, pixels: npt.NDArray[np.generic]) -> ErrorAccumulator:
            own = ErrorAccumulator(header.bands, angles=False)
            own.add(original.pixels, pixels, valid_samples(original))
            return own

        own = self._coded_as_latents(tiles)
        for found in self._decoded(steps, own, errors):
            total.merge(found)
        peak = peak_value(mapping_of(header))
        if not self.choices:
            return total.psnr(peak)
        share = len(self._coded_as_latents(self.tiles)) / max(len(own), 1)
        worth = self.worth(steps)
        plain = sum(float(choice.plain[choice.best(worth)]) for choice in self.choices.values())
        count = sum(choice.count for choice in self.choices.values()) + share * total.count
        return decibels(plain + share * total.relative_error(peak), count)

    def worth(self, steps: int) -> float:
        """Bits that a unit of squared error is worth at a quality."""
        return worth_of(steps / QUALITY_STEPS, self.plan.header.bands)

    def survey(self, steps: int, tiles: Sequence[int], judge: Judge, reach: bool) -> dict[int, TileChoices]:
        """Choices of some tiles, whose latents are those of a quality.

        Parameters
        ----------
        steps : int
        tiles : sequence of int
            Where another quality was asked for, they have no choice but latents.
        judge : Judge
        reach : bool
            As for :meth:`~fdegc.codec.judging.Judge.choices`.
        """
        sizes = dict(zip(tiles, self._payloads(steps, tiles), strict=True))

        def look(index: int, original: Samples, pixels: npt.NDArray[np.generic]) -> tuple[int, TileChoices]:
            known, check = self._reader.known(index, original), self._workers.check
            latents = sizes[index], pixels
            own = None if index in self.plan.special else reach
            return index, judge.choices(original, known, latents, own, check)

        return dict(self._decoded(steps, tiles, look))

    def _decoded(
        self,
        steps: int,
        tiles: Sequence[int],
        look: Callable[[int, Samples, npt.NDArray[np.generic]], T],
    ) -> Iterator[T]:
        """What is to be known of tiles: of number, samples, and pixels that a quality's latents decode to."""
        places = self.plan.tiles
        plan = self.plan.at(steps)
        coders = LatentCoders(plan.network, self._batch)
        synthesis = TileSynthesis(plan.network, plan.header, places, self._batch, plan.quality_of)
        meter = self._meter(len(tiles))

        def ready() -> Iterator[tuple[ReadyTile, Samples]]:
            mosaic = LatentMosaic(places, set(tiles))
            for index in places.needed(list(tiles)):
                coder = coders.at(plan.quality_of(index))
                rounded = [coder.rounded(y) for y in self._latents.latents(index)]
                for place in mosaic.put(index, rounded):
                    tile = synthesis.ready(mosaic, place)
                    yield tile, self.plan.source.read(tile.window)

        def work(batch: Sequence[tuple[ReadyTile, Samples]]) -> list[T]:
            found = synthesis.pixels([tile for tile, _ in batch], self._workers.check)
            return [
                look(tile.index, original, pixels)
                for (tile, original), pixels in zip(batch, found, strict=True)
            ]

        for found in self._workers.ordered(work, chunks(ready(), self._batch)):
            yield from found
            meter.advance(len(found))


def decibels(squared: float, count: float) -> float:
    """PSNR of a sum of squared errors in units of the peak.

    Raises
    ------
    MetricUnavailable
        If there are no samples.
    """
    if not count:
        raise MetricUnavailable("There are no valid pixels.")
    return -10 * math.log10(squared / count) if squared > 0 else math.inf


def aim(trials: Trials, target: Target, start: int | None = None) -> Aim:
    """Quality that reaches a target.

    Parameters
    ----------
    trials : Trials
    target : Target
    start : int, optional
        Quality in 1/256 steps that is near it.

    Returns
    -------
    Aim
        For a size: of a small scene the largest quality whose file fits; of a larger one a quality whose
        file fits and fills at least 99.6 % of it.  For a PSNR the smallest quality that reaches it, of a
        larger scene one that surpasses it by 0.01 dB at most.

    Raises
    ------
    TargetMissed
        If nothing is valid.
    Cancelled, OutputFailed
    """
    first, last = (round(quality * QUALITY_STEPS) for quality in trials.plan.network.entry.scale)
    limit = target.bytes(trials.plan.info.pixels)
    measured: dict[int, float] = {}

    def cost(place: int, tiles: Sequence[int]) -> float:
        """Cost that grows with ``place``, to be as large as possible: the largest size, the smallest PSNR."""
        if limit is not None:
            measured[place] = trials.size(place, tiles)
            return math.log(measured[place])
        measured[place] = trials.psnr(first + last - place, tiles)
        return -measured[place]

    wanted = -target.value if limit is None else math.log(max(limit, 1))
    slope, slack = (_DECIBELS, PSNR_SLACK) if limit is None else (_LOG_BYTES, SIZE_SLACK)
    sample = trials.sample()
    whole = len(sample) == len(trials.tiles)
    guess = (first + last) // 2
    if start is not None:
        guess = start if limit is not None else first + last - start
    try:
        if start is None and not whole:
            with contextlib.suppress(MetricUnavailable):  # there may be valid pixels elsewhere
                rough = _SAMPLE_SLACK * slack
                guess = solve(lambda x: cost(x, sample), wanted, (first, last), guess, slope, rough) or first
            measured.clear()
        slack = 0.0 if whole else slack
        place = solve(lambda x: cost(x, trials.tiles), wanted, (first, last), guess, slope, slack)
    except MetricUnavailable as error:
        raise TargetMissed(f"No PSNR can be reached: {error}") from error
    missed = place is None
    place = first if place is None else place
    steps = place if limit is not None else first + last - place
    return Aim(steps, measured[place], missed or place == last, missed)


def solve(
    value: Callable[[int], float],
    goal: float,
    ends: tuple[int, int],
    guess: int,
    slope: float,
    slack: float,
) -> int | None:
    """Largest place where a growing function does not exceed a goal, with few evaluations.

    Parameters
    ----------
    value : callable
    goal : float
    ends : tuple of int
        Smallest and largest place.
    guess : int
        Where to start.
    slope : float
        Usual growth with one place, > 0.
    slack : float
        How far below the goal is good enough.

    Returns
    -------
    int or None
        None if even the smallest place exceeds it.
    """
    low: tuple[int, float] | None = None
    high: tuple[int, float] | None = None
    place = guess
    for count in itertools.count():
        now = value(place)
        if now <= goal:
            low = (place, now)
        else:
            high = (place, now)
        # Without slack a place beyond one that meets the goal may meet it, too.
        if low is not None and (low[0] == ends[1] or 0 < slack >= goal - low[1]):
            return low[0]
        if high is not None and high[0] == ends[0]:
            return None
        if low is not None and high is not None:
            if high[0] - low[0] <= 1:
                return low[0]
            place = _between(low, high, goal - slack / 2, bisect=count % 4 == 3)
        else:
            # At least so far, so that an odd slope costs no more than bisection would.
            least = 1 << count
            way = (goal - slack / 2 - now) / slope
            way = max(way, least) if low is not None else min(way, -least)
            place = round(min(max(place + way, ends[0]), ends[1]))
    raise AssertionError("unreachable")


def _between(low: tuple[int, float], high: tuple[int, float], goal: float, *, bisect: bool) -> int:
    """Where a line through two points meets a goal; the middle if it says nothing."""
    share = (goal - low[1]) / (high[1] - low[1]) if math.isfinite(low[1]) and not bisect else 0.5
    return min(max(round(low[0] + share * (high[0] - low[0])), low[0] + 1), high[0] - 1)
