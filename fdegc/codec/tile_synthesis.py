"""Synthesis of tiles: latents to pixels, for the decoder and for the encoder's preview alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.codec.inputs import NetworkInputs
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import Network, round_latent
from fdegc.codec.tiling import TilePlan, reflect_pad
from fdegc.coding.correcting import corrected
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.options import QUALITY_STEPS
from fdegc.raster.mapping import from_unit, to_unit
from fdegc.raster.validity import nodata_fits, nodata_sample
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import HALO, STRIDE, Samples


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
    latents : list of ndarray of int16, or of float32 beside tiles of another quality, shape (M, h, w)
        One a band group, with the neighbours' ring.
    inner : Window
        The tile in them, in latent samples.
    quality : float
    """

    index: int
    window: Window
    latents: list[npt.NDArray[Any]]
    inner: Window
    quality: float


class TileSynthesis:
    """Synthesis of tiles whose neighbourhood is known; for any number of threads at once.

    Parameters
    ----------
    network : Network
    header : StreamHeader
    plan : TilePlan
    batch : int
        Latents that the device gets at a time.
    quality_of : callable, optional
        Quality of a tile; that of the header by default.
    """

    def __init__(
        self,
        network: Network,
        header: StreamHeader,
        plan: TilePlan,
        batch: int = 1,
        quality_of: Callable[[int], float] | None = None,
    ) -> None:
        self._network, self._dtype, self._batch = network, header.dtype, batch
        self._plan = plan
        quality = header.quality_steps / QUALITY_STEPS
        self._quality_of = quality_of or (lambda _: quality)
        self._mapping = mapping_of(header)
        self._inputs = NetworkInputs(header)
        self._correction = header.correction

    def ready(self, mosaic: LatentMosaic, index: int, groups: int | None = None) -> ReadyTile:
        """Latents that a tile needs, by default of all groups, out of a mosaic, which then forgets it."""
        quality = self._quality_of(index)
        factors = {}
        for neighbour in self._plan.neighbours(index):
            other = self._quality_of(neighbour)
            if other != quality:
                inverse = self._network.inverse_gain
                factors[neighbour] = inverse(other) / inverse(quality)
        parts = [mosaic.window(index, number, factors) for number in range(groups or self._inputs.groups)]
        mosaic.done(index)
        latents = [latents for latents, _ in parts]
        return ReadyTile(index, self._plan.window(index), latents, parts[0][1], quality)

    def ring(
        self, index: int, pixels: npt.NDArray[np.generic], check: Callable[[], None]
    ) -> list[npt.NDArray[np.int32]]:
        """Latents that neighbours see of a tile that was coded without any: those of its decoded pixels.

        Parameters
        ----------
        index : int
        pixels : ndarray, shape (bands, height, width)
            As they were decoded, before anything is restored where they are not valid.
        check : callable
            Called now and then; raises to cancel.
        """
        padded = self._plan.padded_window(index)
        unit = to_unit(Samples(pixels), self._mapping)
        whole = reflect_pad(unit, padded.height, padded.width).astype(np.float32, copy=False)
        # Mirrored beyond its edges: what the neighbours see is just there, and they hide what lies beyond.
        edges = np.pad(whole, ((0, 0), (HALO, HALO), (HALO, HALO)), mode="symmetric")
        gain = self._network.gain(self._quality_of(index))
        inner = slice(HALO // STRIDE, -(HALO // STRIDE))
        found = self._network.analyse(self._inputs.of(edges), check, self._batch)
        return [round_latent(y[:, inner, inner] * gain) for y in found]

    def pixels(self, tiles: Sequence[ReadyTile], check: Callable[[], None]) -> list[npt.NDArray[np.generic]]:
        """Pixels of tiles, each of shape (bands, height, width), on any thread.

        Parameters
        ----------
        tiles : sequence of ReadyTile
        check : callable
            Called now and then; raises to cancel.
        """
        found: dict[int, npt.NDArray[np.generic]] = {}
        for quality in {tile.quality for tile in tiles}:
            alike = [tile for tile in tiles if tile.quality == quality]
            inputs = [latents for tile in alike for latents in tile.latents]
            # What is corrected or transformed is clipped in the end.
            clip = self._inputs.plain and self._correction is None
            outputs = iter(self._network.synthesise(inputs, quality, check, self._batch, clip=clip))
            for tile in alike:
                size = tile.window
                top, left = tile.inner.y * STRIDE, tile.inner.x * STRIDE
                whole = [self._corrected(next(outputs), group) for group in range(len(tile.latents))]
                own = [x[:, top : top + size.height, left : left + size.width] for x in whole]
                found[tile.index] = from_unit(self._inputs.bands(own), self._mapping, self._dtype)
        return [found[tile.index] for tile in tiles]

    def first(self, tiles: Sequence[ReadyTile], check: Callable[[], None]) -> list[npt.NDArray[np.float32]]:
        """What the network gives for the first group of tiles, by which other bands are predicted.

        Parameters
        ----------
        tiles, check
            As for :meth:`pixels`.

        Returns
        -------
        list of ndarray of float32, shape (3, 16h, 16w)
            Of each tile with its halo, corrected, not clipped.
        """
        found: dict[int, npt.NDArray[np.float32]] = {}
        for quality in {tile.quality for tile in tiles}:
            alike = [tile for tile in tiles if tile.quality == quality]
            latents = [tile.latents[0] for tile in alike]
            outputs = self._network.synthesise(latents, quality, check, self._batch, clip=False)
            for tile, output in zip(alike, outputs, strict=True):
                found[tile.index] = self._corrected(output, 0)
        return [found[tile.index] for tile in tiles]

    def _corrected(self, output: npt.NDArray[np.float32], group: int) -> npt.NDArray[np.float32]:
        """What the network gave for a group, with the header's correction."""
        if self._correction is None:
            return output
        return corrected(output, self._correction.groups[group])


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
