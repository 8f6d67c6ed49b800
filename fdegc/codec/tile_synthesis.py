"""Synthesis of tiles: latents to pixels, for the decoder and for the encoder's preview alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import Network
from fdegc.codec.tiling import TilePlan
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.options import QUALITY_STEPS
from fdegc.raster.mapping import band_groups, from_unit
from fdegc.raster.validity import nodata_fits, nodata_sample
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import STRIDE


def nearest_rate(quality: float, rates: int) -> int:
    """Rate point (from 1) whose hyper-latent tables serve a quality, of the ``rates`` that have some."""
    return int(np.clip(np.floor(quality + 0.5), 1, rates))


@dataclass(frozen=True, slots=True, eq=False)
class ReadyTile:
    """Latents of a tile with its neighbours' ring, ready for synthesis.

    Attributes
    ----------
    index : int
        Its number in the plan.
    window : Window
        Its pixels in the scene.
    latents : list of ndarray of int16, shape (M, h, w)
        One a band group, with the neighbours' ring.
    inner : Window
        The tile in them, in latent samples.
    """

    index: int
    window: Window
    latents: list[npt.NDArray[np.int16]]
    inner: Window


class TileSynthesis:
    """Synthesis of tiles whose neighbourhood is known; for any number of threads at once.

    Parameters
    ----------
    network : Network
    header : StreamHeader
    batch : int
        Latents that the device gets at a time.
    """

    def __init__(self, network: Network, header: StreamHeader, batch: int = 1) -> None:
        self._network, self._dtype, self._batch = network, header.dtype, batch
        self._quality = header.quality_steps / QUALITY_STEPS
        self._mapping = mapping_of(header)
        self._groups = band_groups(header.bands)

    def ready(self, mosaic: LatentMosaic, plan: TilePlan, index: int) -> ReadyTile:
        """Latents that a tile needs, taken out of a mosaic, which then forgets the tile."""
        parts = [mosaic.window(index, number) for number in range(len(self._groups))]
        mosaic.done(index)
        return ReadyTile(index, plan.window(index), [latents for latents, _ in parts], parts[0][1])

    def pixels(self, tiles: Sequence[ReadyTile], check: Callable[[], None]) -> list[npt.NDArray[np.generic]]:
        """Pixels of tiles, each of shape (bands, height, width), on any thread.

        Parameters
        ----------
        tiles : sequence of ReadyTile
        check : callable
            Called now and then; raises to cancel.
        """
        inputs = [latents for tile in tiles for latents in tile.latents]
        found = iter(self._network.synthesise(inputs, self._quality, check, self._batch))
        out = []
        for tile in tiles:
            size = tile.window
            unit = np.empty((len(self._mapping), size.height, size.width), np.float32)
            top, left = tile.inner.y * STRIDE, tile.inner.x * STRIDE
            for group in self._groups:
                unit[list(group)] = next(found)[:, top : top + size.height, left : left + size.width]
            out.append(from_unit(unit, self._mapping, self._dtype))
        return out


def restore_nodata(
    pixels: npt.NDArray[np.generic],
    valid: npt.NDArray[np.bool_] | None,
    missing: npt.NDArray[np.bool_] | None,
    info: RasterInfo,
) -> npt.NDArray[np.generic]:
    """Pixels with their band's nodata value where samples are missing: NaN in floats without one, else 0.

    Parameters
    ----------
    pixels : ndarray, shape (bands, height, width)
        Not changed.
    valid, missing : ndarray of bool or None
        As in :class:`~fdegc.types.Samples`.
    info : RasterInfo
    """
    if missing is None and (valid is None or valid.all()):
        return pixels
    restored = pixels.copy()
    default = np.nan if pixels.dtype.kind == "f" else 0
    for index, (band, nodata) in enumerate(zip(restored, info.nodata_values, strict=True)):
        fill: Any = default
        if nodata is not None and nodata_fits(nodata, info.dtype):
            fill = nodata_sample(nodata, info.dtype)
        if valid is not None:
            band[~valid] = fill
        if missing is not None:
            band[missing[index]] = fill
    return restored
