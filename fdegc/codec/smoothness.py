"""Choice of larger tiles for scenes so smooth that tiles cost more than what is in them."""

from __future__ import annotations

import numpy as np

from fdegc.codec.choosing import LOOK_SIDE, LOOKS, spread_windows
from fdegc.codec.plan import EncodingPlan
from fdegc.options import SMOOTH_TILE_SIZE, TILE_SIZE
from fdegc.raster.mapping import to_unit, valid_samples

#: Root of the mean squared difference of neighbours, in [0, 1], up to which a scene is smooth: two steps
#: of 8 bits.  Photographs from above have four and more, what was enlarged sixfold 1.5, dithered ramps 0.6.
_SMOOTH = 2 / 255


def better_tile_size(plan: EncodingPlan) -> int:
    """Side of the tiles that serve a scene best: that of the options, or a larger one.

    Where tiles take a few hundred bytes, their entries in the index and what wavelets cannot see beyond their
    edges are a good part of them: of smooth scenes, in the default tiles, up to two decibels.  Whoever asks
    for other tiles, for a region, or for what JPEG 2000 has no part in, gets what was asked for.

    Parameters
    ----------
    plan : EncodingPlan
    """
    options, info = plan.options, plan.info
    longest = max(info.width, info.height)
    if not plan.checks or options.tile_size != TILE_SIZE or options.region or longest <= TILE_SIZE:
        return options.tile_size
    if _roughness(plan) > _SMOOTH:
        return options.tile_size
    return min(SMOOTH_TILE_SIZE, -(-longest // 64) * 64)


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
