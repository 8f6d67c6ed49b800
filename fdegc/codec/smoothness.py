"""Choice of larger tiles for scenes so thin or smooth that tiles cost more than what is in them."""

from __future__ import annotations

import itertools

import numpy as np

from fdegc.codec.choosing import LOOK_SIDE, LOOKS, spread_windows
from fdegc.codec.inputs import Float32Array, NetworkInputs
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tiling import reflect_pad
from fdegc.codec.workers import Workers
from fdegc.options import LONGEST_TILE_SIZE, SMOOTH_TILE_SIZE, TILE_SIZE
from fdegc.raster.mapping import to_unit, valid_samples

#: Root of the mean squared difference of neighbours, in [0, 1], up to which a scene is smooth: two steps
#: of 8 bits.  What was enlarged sixfold has 1.5, dithered ramps 0.6.
_SMOOTH = 2 / 255
#: The same up to which it may be smooth at its rate: water, ice and haze from above have three to five, land
#: from four on.
_PERHAPS = 8 / 255
#: Bytes a pixel up to which tiles cost too much beside what is in them, and what crops are looked at for it.
_SPARSE = 0.015
_SIDE, _CROPS = 256, 2


def better_tile_size(plan: EncodingPlan, workers: Workers) -> int:
    """Side of the tiles that serve a scene best: that of the options, or a larger one.

    Where tiles take a few hundred bytes, their entries in the index and what wavelets cannot see beyond their
    edges are a good part of them: of smooth scenes, in the default tiles, up to two decibels, unless JPEG
    2000 has no part in it.  Slivers at the right and lower edge cost as much, so there are as few tiles as
    the largest would make, and those as small as that allows.  Tiles of thin scenes may be longer, as long
    as they have no more pixels than a default tile.  Whoever asks for other tiles, or for a region, gets
    what was asked for.

    Parameters
    ----------
    plan : EncodingPlan
    workers : Workers
        Of the compression.
    """
    options, info = plan.options, plan.info
    longest = max(info.width, info.height)
    if options.tile_size != TILE_SIZE or options.region or longest <= TILE_SIZE:
        return options.tile_size
    # What they take in memory and time goes by their pixels.
    thin = min(LONGEST_TILE_SIZE, TILE_SIZE**2 // min(info.width, info.height) // 64 * 64)
    if thin > TILE_SIZE:
        # As few as possible, and those alike.
        return -(-longest // -(-longest // thin) // 64) * 64
    if not plan.checks:
        return options.tile_size
    roughness = _roughness(plan)
    if roughness > _SMOOTH and (roughness > _PERHAPS or _bytes(plan, workers) > _SPARSE):
        return options.tile_size

    def tiles(side: int) -> int:
        return -(-info.width // side) * -(-info.height // side)

    return min(range(TILE_SIZE, SMOOTH_TILE_SIZE + 1, 64), key=tiles)


def _bytes(plan: EncodingPlan, workers: Workers) -> float:
    """Bytes a pixel that latents of some crops take, about."""
    inputs = NetworkInputs(plan.header)

    def bits(unit: Float32Array) -> float:
        height, width = (-(-side // 64) * 64 for side in unit.shape[1:])
        padded = reflect_pad(unit, height, width).astype(np.float32, copy=False)
        groups = map(np.ascontiguousarray, inputs.of(padded))
        found = (plan.network.estimate_bits(group, [plan.quality], workers.check) for group in groups)
        return sum(itertools.chain.from_iterable(found))

    windows = list(spread_windows(plan.info, _SIDE, _CROPS))
    crops = (to_unit(plan.source.read(window), plan.mapping) for window in windows)
    return sum(workers.ordered(bits, crops)) / 8 / sum(window.width * window.height for window in windows)


def _roughness(plan: EncodingPlan) -> float:
    """Root of the mean squared difference of neighbours in [0, 1] where the scene was looked at."""
    total, count = 0.0, 0
    for window in spread_windows(plan.info, LOOK_SIDE, LOOKS):
        samples = plan.source.read(window)
        unit, mask = to_unit(samples, plan.mapping), valid_samples(samples)
        there = np.broadcast_to(True if mask is None else mask, unit.shape)
        for axis in (1, 2):
            steps = np.square(np.diff(unit, axis=axis), dtype=np.float64)
            both = np.logical_and(*(np.delete(there, end, axis=axis) for end in (0, -1)))
            total, count = total + float(steps[both].sum()), count + int(both.sum())
    return float(np.sqrt(total / count)) if count else 0.0
