"""What a compression will cost, from what the network makes of a few crops of the scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fdegc.control import CancelToken
from fdegc.inference import FloatArray, Network
from fdegc.raster import RasterSource
from fdegc.raster.mapping import band_groups, plan_mapping, to_unit
from fdegc.results import Estimate
from fdegc.tiling import reflect_pad
from fdegc.types import BandMapping, EncodeOptions, RasterInfo, Window
from fdegc.weights import quick_estimate

#: Side and number of the crops by which a scene is judged.
SAMPLE_SIDE = 256
SAMPLE_COUNT = 3
#: Share of a scene that all crops but one may take when it is compressed at once, which will tell anyway.
SAMPLE_SHARE = 0.1
#: Seconds of a compression with a target, as a multiple of those of one with a quality.
SEARCH_COST = 3.0


def estimate(
    network: Network, source: RasterSource, mapping: tuple[BandMapping, ...], options: EncodeOptions
) -> Estimate:
    """What a compression will cost; of a small scene, or with a target, a rougher figure."""
    info = source.info
    quick = quick_estimate(info, options.quality, options.tile_size, network.entry)
    if options.target is not None:
        size = options.target.bytes(info.pixels)
        return replace(quick, bytes=size or quick.bytes, seconds=SEARCH_COST * quick.seconds)
    if info.pixels <= 2 * SAMPLE_COUNT * SAMPLE_SIDE**2:
        return quick
    count = min(max(int(SAMPLE_SHARE * info.pixels / SAMPLE_SIDE**2), 1), SAMPLE_COUNT)
    return replace(quick, bytes=_bytes(network, info, _crops(source, mapping, count), options.quality))


def estimate_rates(
    network: Network, source: RasterSource, cancel: CancelToken | None = None
) -> dict[int, Estimate]:
    """Estimates for all rate points of the weights; see :meth:`fdegc.codec.Codec.estimate_all`."""
    crops = _crops(source, plan_mapping(source))
    estimates = {}
    for figures in network.entry.rates:
        if cancel is not None:
            cancel.check()
        quick = quick_estimate(source.info, figures.quality, entry=network.entry)
        size = _bytes(network, source.info, crops, figures.quality)
        estimates[round(figures.quality)] = replace(quick, bytes=size)
    return estimates


def _bytes(network: Network, info: RasterInfo, crops: list[FloatArray], quality: float) -> int:
    bits = sum(network.estimate_bits(crop, quality) for crop in crops)
    per_pixel = bits / sum(crop.shape[1] * crop.shape[2] for crop in crops)
    return round(per_pixel * info.pixels * len(band_groups(info.bands)) / 8) + 150


def _crops(
    source: RasterSource, mapping: tuple[BandMapping, ...], count: int = SAMPLE_COUNT
) -> list[FloatArray]:
    """Network inputs of a few windows of a scene, one a band group."""
    return [
        _padded(to_unit(source.read(window), mapping)[list(group)])
        for window in _sample_windows(source.info, count)
        for group in band_groups(source.info.bands)
    ]


def _sample_windows(info: RasterInfo, count: int) -> list[Window]:
    """Crops on the scene's diagonal."""
    width, height = min(SAMPLE_SIDE, info.width), min(SAMPLE_SIDE, info.height)
    places = [(i + 0.5) / count for i in range(count)]
    windows = {
        Window(round((info.width - width) * p), round((info.height - height) * p), width, height)
        for p in places
    }
    return sorted(windows, key=lambda w: (w.x, w.y))


def _padded(x: FloatArray) -> FloatArray:
    height, width = (-(-side // 64) * 64 for side in x.shape[1:])
    return reflect_pad(x, height, width).astype(np.float32)
