"""Estimate of a compression without loss, or with a bound on every error, from coding a few windows so."""

from __future__ import annotations

import time

import numpy as np

from fdegc.codec.tiling import sample_windows
from fdegc.codec.ways import PlainWays, known_samples
from fdegc.control import CancelToken
from fdegc.format.info import header_for
from fdegc.memory import tiles_at_once
from fdegc.options import TILE_SIZE
from fdegc.raster import RasterSource
from fdegc.raster_info import Window
from fdegc.results import Estimate
from fdegc.types import HALO, BandMapping
from fdegc.weights import CONTAINER_BYTES, quick_estimate, tile_bytes

#: Side and number of the windows.
_SIDE, _COUNT = 256, 5


def estimate_exact(source: RasterSource, bound: float, cancel: CancelToken | None = None) -> Estimate:
    """Estimate of a compression with errors of at most a bound: windows of the scene are coded so.

    Parameters
    ----------
    source : RasterSource
        One with a palette as indices.
    bound : float
        In source units; 0: without loss.
    cancel : CancelToken, optional

    Returns
    -------
    Estimate
        Rough where a scene is not alike everywhere; its memory is that of a compression by the network, which
        takes more.
    """
    info, check = source.info, (cancel or CancelToken()).check
    header = header_for(
        info,
        [BandMapping(0.0, 1.0)] * info.bands,  # which nothing of this asks
        tile_size=TILE_SIZE,
        halo=HALO,
        quality_steps=256,
        weights_hash=bytes(8),
        profile="",
        bound=bound,
        whole=True,
    )
    ways = PlainWays(header)
    pixels = size = 0
    seconds = []
    for window in sample_windows(info, _SIDE, _COUNT):
        check()
        start = time.perf_counter()
        samples = source.read(window)
        area = Window(0, 0, window.width, window.height)
        known = known_samples(info.bands, area, samples.valid, samples.missing)
        size += len(ways.exact(samples.pixels, known, bound, check).payload)
        seconds.append((time.perf_counter() - start) / window.pixels)
        pixels += window.pixels
    tiles = -(-info.width // TILE_SIZE) * -(-info.height // TILE_SIZE)
    return Estimate(
        bytes=round(size / pixels * info.pixels + CONTAINER_BYTES[0] + CONTAINER_BYTES[1] * tiles),
        # The first one may wait for compiling, another for other programs.  As many tiles as by the network
        # are worked at together: where memory is scarce, fewer than there are cores.
        seconds=float(np.median(seconds)) * info.pixels / tiles_at_once(tile_bytes(info, TILE_SIZE), tiles),
        memory_bytes=quick_estimate(info, 6.0).memory_bytes,
    )
