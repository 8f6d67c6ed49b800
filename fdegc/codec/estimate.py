"""Size and time estimates of a compression, from what the network makes of a few crops of the scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fdegc.codec.network import Float32Array, Network
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tiling import reflect_pad
from fdegc.codec.workers import Workers
from fdegc.raster import RasterSource
from fdegc.raster.mapping import band_groups, plan_mapping, to_unit
from fdegc.raster_info import RasterInfo, Window
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


def estimate(plan: EncodingPlan, workers: Workers) -> Estimate:
    """Estimate of a compression's size, time and memory; rougher for a small scene, or with a target.

    Raises
    ------
    Cancelled
    """
    info, options, entry = plan.info, plan.options, plan.network.entry
    quick = quick_estimate(info, options.quality, options.tile_size, entry, workers.share.workers)
    if options.target is not None:
        size = options.target.bytes(info.pixels)
        return replace(quick, bytes=size or quick.bytes, seconds=SEARCH_COST * quick.seconds)
    if info.pixels <= 2 * SAMPLE_COUNT * SAMPLE_SIDE**2:
        return quick
    count = min(max(int(SAMPLE_SHARE * info.pixels / SAMPLE_SIDE**2), 1), SAMPLE_COUNT)
    size = _bytes(plan.network, plan.source, plan.mapping, [options.quality], workers, count)[0]
    return replace(quick, bytes=size)


def estimate_rates(network: Network, source: RasterSource, workers: Workers) -> dict[int, Estimate]:
    """Estimates for all rate points of the weights; see :meth:`fdegc.codec.Codec.estimate_all`."""
    qualities = [figures.quality for figures in network.entry.rates]
    sizes = _bytes(network, source, plan_mapping(source), qualities, workers)
    return {
        round(quality): replace(quick_estimate(source.info, quality, entry=network.entry), bytes=size)
        for quality, size in zip(qualities, sizes, strict=True)
    }


def _bytes(
    network: Network,
    source: RasterSource,
    mapping: tuple[BandMapping, ...],
    qualities: Sequence[float],
    workers: Workers,
    count: int = SAMPLE_COUNT,
) -> list[int]:
    """Bytes of the file at some qualities."""
    info, pixels, bits = source.info, 0, np.zeros(len(qualities))

    def work(crop: Float32Array) -> tuple[int, list[float]]:
        return crop.shape[1] * crop.shape[2], network.estimate_bits(crop, qualities, workers.check)

    for size, found in workers.ordered(work, _crops(source, mapping, count)):
        pixels += size
        bits += found
    groups = len(band_groups(info.bands))
    return [round(total / pixels * info.pixels * groups / 8) + 150 for total in bits.tolist()]


def _crops(source: RasterSource, mapping: tuple[BandMapping, ...], count: int) -> Iterator[Float32Array]:
    """Network inputs of a few windows of a scene, one a band group."""
    for window in _sample_windows(source.info, count):
        unit = to_unit(source.read(window), mapping)
        for group in band_groups(source.info.bands):
            yield _padded(unit[list(group)])


def _sample_windows(info: RasterInfo, count: int) -> list[Window]:
    """Crops on the scene's diagonal."""
    width, height = min(SAMPLE_SIDE, info.width), min(SAMPLE_SIDE, info.height)
    places = [(i + 0.5) / count for i in range(count)]
    windows = {
        Window(round((info.width - width) * p), round((info.height - height) * p), width, height)
        for p in places
    }
    return sorted(windows, key=lambda w: (w.x, w.y))


def _padded(x: Float32Array) -> Float32Array:
    height, width = (-(-side // 64) * 64 for side in x.shape[1:])
    return reflect_pad(x, height, width).astype(np.float32)
