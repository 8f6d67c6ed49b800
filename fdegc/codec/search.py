"""Search for the quality that reaches a target size or PSNR, by coding latents at several qualities."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fdegc.codec.latents import LatentCoders, LatentStore
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import Float32Array, Network
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tile_reader import AnalysedTile, TileReader, TileSamples
from fdegc.codec.tile_synthesis import ReadyTile, TileSynthesis
from fdegc.codec.workers import Workers, chunks
from fdegc.control import ProgressCallback, ProgressMeter
from fdegc.errors import InvalidOption, MetricUnavailable, TargetMissed
from fdegc.format.info import mapping_of
from fdegc.format.layout import file_size
from fdegc.metrics import ErrorAccumulator
from fdegc.options import QUALITY_STEPS, Target
from fdegc.raster.mapping import peak_value, valid_samples
from fdegc.text import decibels_text
from fdegc.types import Samples

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
    """Result of a search: quality in 1/256 steps, and a sentence where it is an end of the scale."""

    steps: int
    note: str = ""


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
        self._analyse(ProgressMeter("analyse", len(self.tiles), on_progress))

    def _analyse(self, meter: ProgressMeter) -> None:
        """Put the latents of all tiles into the store."""

        def work(tiles: Sequence[TileSamples]) -> list[AnalysedTile]:
            return self._reader.analyse(tiles, self._workers.check, self._batch)

        read = (self._reader.read(index) for index in self.tiles)
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
        """Bytes of the file at a quality; exact if ``tiles`` are all."""
        plan = self.plan.at(steps)
        coders = LatentCoders(plan.network, self._batch)
        meter = self._meter(len(tiles))
        payload = 0

        def work(batch: Sequence[tuple[int, list[Float32Array]]]) -> list[int]:
            sizes = []
            for index, own in batch:
                units = coders.at(plan.quality_of(index)).code(own, self._workers.check)
                sizes.append(sum(len(unit.payload) for unit in units))
            return sizes

        stored = ((index, self._latents.latents(index)) for index in tiles)
        for sizes in self._workers.ordered(work, chunks(stored, self._batch)):
            payload += sum(sizes)
            meter.advance(len(sizes))
        payload = payload * len(self.tiles) // len(tiles)
        return file_size(self.plan.header, payload, {**self._reader.blocks(payload), **self.plan.extra})

    def psnr(self, steps: int, tiles: Sequence[int]) -> float:
        """PSNR of some tiles at a quality, as :attr:`fdegc.results.EncodeResult.psnr`.

        Raises
        ------
        MetricUnavailable
            If none of their pixels is valid.
        """
        places = self.plan.tiles
        plan = self.plan.at(steps)
        header = plan.header
        coders = LatentCoders(plan.network, self._batch)
        synthesis = TileSynthesis(plan.network, header, places, self._batch, plan.quality_of)
        total = ErrorAccumulator(header.bands, angles=False)
        meter = self._meter(len(tiles))

        def ready() -> Iterator[tuple[ReadyTile, Samples]]:
            mosaic = LatentMosaic(places, set(tiles))
            for index in places.needed(list(tiles)):
                coder = coders.at(plan.quality_of(index))
                rounded = [coder.rounded(y) for y in self._latents.latents(index)]
                for place in mosaic.put(index, rounded):
                    tile = synthesis.ready(mosaic, place)
                    yield tile, self.plan.source.read(tile.window)

        def work(batch: Sequence[tuple[ReadyTile, Samples]]) -> list[ErrorAccumulator]:
            found = synthesis.pixels([tile for tile, _ in batch], self._workers.check)
            errors = [ErrorAccumulator(header.bands, angles=False) for _ in batch]
            for own, (_, original), pixels in zip(errors, batch, found, strict=True):
                own.add(original.pixels, pixels, valid_samples(original))
            return errors

        for errors in self._workers.ordered(work, chunks(ready(), self._batch)):
            for own in errors:
                total.merge(own)
            meter.advance(len(errors))
        return total.psnr(peak_value(mapping_of(header)))


def aim(trials: Trials, target: Target) -> Aim:
    """Quality that reaches a target.

    Parameters
    ----------
    trials : Trials
    target : Target

    Returns
    -------
    Aim
        For a size: of a small scene the largest quality whose file fits; of a larger one a quality whose
        file fits and fills at least 99.6 % of it.  For a PSNR the smallest quality that reaches it, of a
        larger scene one that surpasses it by 0.01 dB at most.

    Raises
    ------
    TargetMissed
        If the smallest file is too large, or the best one not good enough.
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
    start = (first + last) // 2
    sample = trials.sample()
    whole = len(sample) == len(trials.tiles)
    try:
        if not whole:
            with contextlib.suppress(MetricUnavailable):  # there may be valid pixels elsewhere
                rough = _SAMPLE_SLACK * slack
                start = solve(lambda x: cost(x, sample), wanted, (first, last), start, slope, rough) or first
            measured.clear()
        slack = 0.0 if whole else slack
        place = solve(lambda x: cost(x, trials.tiles), wanted, (first, last), start, slope, slack)
    except MetricUnavailable as error:
        raise TargetMissed(f"No PSNR can be reached: {error}") from error
    if place is None:
        raise TargetMissed(_missed(limit, target.value, measured[first], last / QUALITY_STEPS))
    steps = place if limit is not None else first + last - place
    return Aim(steps, _note(limit, target.value, measured[place]) if place == last else "")


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
        if low is not None and (low[0] == ends[1] or goal - low[1] <= slack):
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


def _missed(limit: int | None, target: float, reached: float, best: float) -> str:
    if limit is None:
        return (
            f"A PSNR of {target:.2f} dB is out of reach: at the best quality, {best:g}, it is "
            f"{decibels_text(reached)}. Nothing was written."
        )
    return (
        f"A file of {limit} bytes is out of reach: the smallest one, of the lowest quality, has "
        f"{reached:.0f} bytes. Nothing was written."
    )


def _note(limit: int | None, target: float, reached: float) -> str:
    if limit is None:
        return f"even the lowest quality surpasses {target:.2f} dB: it gives {decibels_text(reached)}"
    return f"even the best quality needs no more than {reached:.0f} of {limit} bytes"
