"""Decompression in progress, of the whole scene or of the tiles that a window touches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.codec.devices import in_batches, memory_errors
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import Network
from fdegc.codec.tile_synthesis import ReadyTile, TileSynthesis, nearest_rate, restore_nodata
from fdegc.codec.tiling import TilePlan
from fdegc.codec.workers import Workers, chunks
from fdegc.coding.unit import CodedUnit, IntArray
from fdegc.control import ProgressMeter
from fdegc.errors import CorruptStream, DecoderMismatch
from fdegc.format.info import alpha_plane, band_masks, mask_plane
from fdegc.format.reader import ContainerReader
from fdegc.options import QUALITY_STEPS
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import STRIDE, Samples


@dataclass(frozen=True, slots=True, eq=False)
class _CodedTile:
    """Units of a tile as they lie in the file, or what is wrong with them."""

    index: int
    units: list[CodedUnit]
    problem: str = ""


class Decoding:
    """Decoder of one file: its latents, tiles and lossless planes.

    Parameters
    ----------
    network : Network
    reader : ContainerReader
    info : RasterInfo
    workers : Workers
    window : Window or None
        Pixels that are wanted; None for the whole scene.

    Attributes
    ----------
    wanted, needed : list of int
        Tiles whose pixels, and tiles whose latents are computed.
    damaged : dict of int to str
        Tiles that could not be decoded so far, and why.
    bytes_read : int
        Bytes of payload read so far.
    valid, alpha : PlaneReader or None
        The lossless planes.
    missing : BandMasksReader or None
        Lossless planes of single bands.
    """

    def __init__(
        self,
        network: Network,
        reader: ContainerReader,
        info: RasterInfo,
        workers: Workers,
        window: Window | None = None,
    ) -> None:
        self.network, self.reader, self.info, self.workers = network, reader, info, workers
        self.header = header = reader.header
        self.plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
        self.wanted = list(range(len(self.plan))) if window is None else self.plan.touching(window)
        self.needed = self.plan.needed(self.wanted)
        self.damaged: dict[int, str] = {}
        self.bytes_read = 0
        self._rate = nearest_rate(header.quality_steps / QUALITY_STEPS, network.entropy.rates)
        self._synthesis = TileSynthesis(network, header, workers.share.batch)
        self.valid, self.alpha = mask_plane(reader), alpha_plane(reader)
        self.missing = band_masks(reader)

    def latents(self) -> Iterator[tuple[int, list[IntArray] | None]]:
        """Latents of the needed tiles, one (M, h, w) array a band group; None for a damaged tile."""
        for decoded in self.workers.ordered(
            self._decode, chunks(self._read(), self.workers.share.wavefronts)
        ):
            for index, latents, problem in decoded:
                if problem:
                    self.damaged[index] = problem
                yield index, None if problem else latents

    def _read(self) -> Iterator[_CodedTile]:
        groups = self.header.groups
        for index in self.needed:
            try:
                units = [self._unit(index * groups + group) for group in range(groups)]
            except CorruptStream as error:
                yield _CodedTile(index, [], str(error))
            else:
                yield _CodedTile(index, units)

    def _decode(self, tiles: Sequence[_CodedTile]) -> list[tuple[int, list[IntArray], str]]:
        """Latents of tiles, or what is wrong with them, on a worker; by fewer where memory is short."""
        return in_batches(self._decode_together, tiles, len(tiles))

    def _decode_together(self, tiles: Sequence[_CodedTile]) -> list[tuple[int, list[IntArray], str]]:
        units = [unit for tile in tiles for unit in tile.units]
        shapes = [self._shape(tile.index) for tile in tiles for _ in tile.units]
        network, check = self.network, self.workers.check
        with memory_errors(network.device):
            results = iter(network.coder.decode(units, shapes, network.features, self._rate, check))
        decoded = []
        for tile in tiles:
            latents: list[IntArray] = []
            problem = tile.problem
            for _ in tile.units:
                result = next(results)
                if isinstance(result, (CorruptStream, DecoderMismatch)):
                    problem = str(result)
                else:
                    latents.append(result)
            decoded.append((tile.index, latents, problem))
        return decoded

    def _shape(self, index: int) -> tuple[int, int]:
        padded = self.plan.padded_window(index)
        return padded.height // STRIDE, padded.width // STRIDE

    def _unit(self, number: int) -> CodedUnit:
        payload = self.reader.payload(number)
        entry = self.reader.entries[number]
        self.bytes_read += len(payload)
        return CodedUnit(payload, entry.dither, entry.phi_hash, entry.y_hash)

    def tiles(self, meter: ProgressMeter) -> Iterator[tuple[Window, Samples]]:
        """Pixels of the wanted tiles, in about raster order; damaged ones are zero.

        Parameters
        ----------
        meter : ProgressMeter
            Its total is ``len(wanted) + len(needed)``.
        """
        for finished in self.workers.ordered(
            self._pixels, chunks(self._ready(meter), self.workers.share.batch)
        ):
            for window, pixels in finished:
                yield window, self._samples(window, pixels)
                meter.advance(1)

    def _ready(self, meter: ProgressMeter) -> Iterator[ReadyTile]:
        """Wanted tiles whose neighbourhood is known."""
        mosaic = LatentMosaic(self.plan, set(self.wanted))
        for index, latents in self.latents():
            meter.advance(1)
            if latents is None:  # its neighbours see zeros
                shape = (self.network.latent, *self._shape(index))
                latents = [np.zeros(shape, np.int32)] * self.header.groups
            for ready in mosaic.put(index, latents):
                yield self._synthesis.ready(mosaic, self.plan, ready)

    def _pixels(self, tiles: Sequence[ReadyTile]) -> list[tuple[Window, npt.NDArray[np.generic]]]:
        """Pixels of tiles, on a worker."""
        sound = [tile for tile in tiles if tile.index not in self.damaged]
        found = iter(self._synthesis.pixels(sound, self.workers.check))
        out: list[tuple[Window, npt.NDArray[np.generic]]] = []
        for tile in tiles:
            size = (self.header.bands, tile.window.height, tile.window.width)
            whole = tile.index not in self.damaged
            out.append((tile.window, next(found) if whole else np.zeros(size, self.header.dtype)))
        return out

    def _samples(self, window: Window, pixels: npt.NDArray[np.generic]) -> Samples:
        """Attach the lossless planes of a window."""
        valid = None if self.valid is None else self.valid.read(window).astype(bool, copy=False)
        alpha = None if self.alpha is None else self.alpha.read(window)
        missing = None if self.missing is None else self.missing.read(window)
        return Samples(restore_nodata(pixels, valid, missing, self.info), valid, alpha, missing)
