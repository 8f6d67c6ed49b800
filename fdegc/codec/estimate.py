"""Size and time estimates of a compression, from what the network makes of a few crops of the scene."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from fdegc.codec.network import Float32Array, Network
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tiling import reflect_pad, sample_windows
from fdegc.codec.workers import Workers
from fdegc.errors import FdegcError
from fdegc.options import TILE_SIZE, ValueRange
from fdegc.raster import RasterSource
from fdegc.raster.coded_range import plan_mapping
from fdegc.raster.mapping import band_groups, to_unit
from fdegc.raster_info import RasterInfo
from fdegc.results import Estimate
from fdegc.types import BandMapping
from fdegc.weights import quick_estimate

#: Side and number of the crops by which a scene is judged.
SAMPLE_SIDE = 256
SAMPLE_COUNT = 3
#: Share of a scene that all crops but one may take when it is compressed at once, which will tell anyway.
SAMPLE_SHARE = 0.1
#: Seconds of a compression with a target, as a multiple of those of one with a quality.
SEARCH_COST = 3.0
#: Share of its samples' bytes that a scene usually takes without loss.
EXACT_SHARE = 0.5
#: Processor time of coding a tile with its check, as a multiple of that of judging as many pixels at all six
#: rates (measured: 1.64 to 1.79), with what workers lose to one another.
CODING_COST = 2.2

#: Pixels of a crop, its bits at some qualities, and the seconds that it took to judge it.
_Crop = tuple[int, list[float], float]


def estimate(plan: EncodingPlan, workers: Workers, answer: Callable[[Estimate], None]) -> None:
    """Estimate of a compression's size, time and memory; rougher for a small scene, or with a target.

    What has to be computed is computed beside the compression; there is no answer if that is done first, or
    if anything goes wrong.

    Parameters
    ----------
    plan : EncodingPlan
    workers : Workers
        Of the compression.
    answer : callable
        Gets the estimate, at once or while the workers' results are awaited.
    """
    info, options, network = plan.info, plan.options, plan.network
    quick = quick_estimate(
        info,
        options.quality,
        options.tile_size,
        network.entry,
        workers.share.workers,
        options.refinement,
    )
    if plan.exact:
        answer(replace(quick, bytes=round(EXACT_SHARE * info.raw_bytes)))
        return
    if options.target is not None:
        size = options.target.bytes(info.pixels)
        answer(replace(quick, bytes=size or quick.bytes, seconds=SEARCH_COST * quick.seconds))
        return
    if info.pixels <= 2 * SAMPLE_COUNT * SAMPLE_SIDE**2:
        answer(quick)
        return
    count = min(max(int(SAMPLE_SHARE * info.pixels / SAMPLE_SIDE**2), 1), SAMPLE_COUNT)
    try:
        crops = list(_crops(plan.source, plan.mapping, count))  # here, for a source has one reader
    except (FdegcError, MemoryError):
        return  # the compression will say what is wrong with the file
    work = _judge(network, [options.quality], workers.check)
    workers.beside(
        lambda: replace(quick, bytes=_file_bytes(info, map(work, crops))[0]),
        answer,
    )


def estimate_rates(
    network: Network, source: RasterSource, workers: Workers, ranges: Sequence[ValueRange] = ()
) -> dict[int, Estimate]:
    """Estimates for all rate points of the weights; see :meth:`fdegc.codec.Codec.estimate_all`.

    The time is that of this machine as busy as it is: by the crop that took least, for the first ones pay for
    what is loaded and compiled once.
    """
    info = source.info
    qualities = [figures.quality for figures in network.entry.rates]
    work = _judge(network, qualities, workers.check)
    crops = list(workers.ordered(work, _crops(source, plan_mapping(source, ranges), SAMPLE_COUNT)))
    pace = CODING_COST * min(seconds / pixels for pixels, _, seconds in crops)
    tiles = -(-info.width // TILE_SIZE) * -(-info.height // TILE_SIZE)
    seconds = pace * info.pixels * len(band_groups(info.bands)) / min(workers.share.workers, tiles)
    return {
        round(quality): replace(
            quick_estimate(info, quality, entry=network.entry), bytes=size, seconds=seconds
        )
        for quality, size in zip(qualities, _file_bytes(info, crops), strict=True)
    }


def _judge(
    network: Network, qualities: Sequence[float], check: Callable[[], None]
) -> Callable[[Float32Array], _Crop]:
    """Work that tells a crop's pixels, its bits at some qualities, and how long that took."""

    def work(crop: Float32Array) -> _Crop:
        start = time.perf_counter()
        bits = network.estimate_bits(crop, qualities, check)
        return crop.shape[1] * crop.shape[2], bits, time.perf_counter() - start

    return work


def _file_bytes(info: RasterInfo, crops: Iterable[_Crop]) -> list[int]:
    """Bytes of the file at some qualities, from those of crops."""
    found = list(crops)
    pixels, bits = sum(size for size, _, _ in found), np.sum([bits for _, bits, _ in found], axis=0)
    groups = len(band_groups(info.bands))
    return [round(total / pixels * info.pixels * groups / 8) + 150 for total in bits.tolist()]


def _crops(source: RasterSource, mapping: tuple[BandMapping, ...], count: int) -> Iterator[Float32Array]:
    """Network inputs of a few windows of a scene, one a band group."""
    for window in sample_windows(source.info, SAMPLE_SIDE, count):
        unit = to_unit(source.read(window), mapping)
        for group in band_groups(source.info.bands):
            yield _padded(unit[list(group)])


def _padded(x: Float32Array) -> Float32Array:
    height, width = (-(-side // 64) * 64 for side in x.shape[1:])
    return reflect_pad(x, height, width).astype(np.float32)
