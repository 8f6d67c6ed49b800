"""Decompression in progress, of the whole scene or of the tiles that a window touches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.codec.devices import in_batches, memory_errors
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import Network
from fdegc.codec.tile_synthesis import ReadyTile, TileSynthesis, nearest_rate, restore_nodata
from fdegc.codec.tiling import TilePlan
from fdegc.codec.ways import SPARING, PlainWays, known_samples
from fdegc.codec.workers import Workers, chunks
from fdegc.coding.unit import CodedUnit, IntArray
from fdegc.control import ProgressMeter
from fdegc.errors import CorruptStream, DecoderMismatch, UnsupportedStream
from fdegc.format.info import alpha_plane, band_masks, mask_plane, outliers
from fdegc.format.kinds import UnitKind, unpack_quality
from fdegc.format.layout import HASH_BITS
from fdegc.format.reader import ContainerReader
from fdegc.options import QUALITY_STEPS
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import STRIDE, Samples


@dataclass(frozen=True, slots=True, eq=False)
class _CodedTile:
    """Units of a tile as they lie in the file, their kind, or what is wrong with them."""

    index: int
    units: list[CodedUnit]
    kind: int = UnitKind.LATENTS
    known: npt.NDArray[np.bool_] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedTile:
    """Tile whose units were decoded.

    Attributes
    ----------
    index : int
    latents : list of ndarray of int32, shape (M, h, w)
        One a band group: its own, or of a tile without any those that its neighbours see.
    payload : bytes
        Of a tile without latents, else nothing.
    pixels : ndarray or None
        Of a tile without latents: (bands, height, width).
    problem : str
        Why nothing could be decoded; empty if all is well.
    """

    index: int
    latents: list[IntArray]
    payload: bytes = b""
    pixels: npt.NDArray[np.generic] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """Tile whose pixels are wanted: its latents with their ring, or its pixels if it has none."""

    window: Window
    ready: ReadyTile | None
    pixels: npt.NDArray[np.generic] | None


class Decoding:
    """Decoder of one file: its latents, tiles and lossless planes.

    Parameters
    ----------
    network : Network or None
        None if no tile of the file has latents.
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
    outliers : Outliers or None
    """

    def __init__(
        self,
        network: Network | None,
        reader: ContainerReader,
        info: RasterInfo,
        workers: Workers,
        window: Window | None = None,
    ) -> None:
        self.network, self.reader, self.info, self.workers = network, reader, info, workers
        self.header = header = reader.header
        self.plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
        self.wanted = list(range(len(self.plan))) if window is None else self.plan.touching(window)
        self.needed = self.wanted if network is None else self.plan.needed(self.wanted)
        self.damaged: dict[int, str] = {}
        self.bytes_read = 0
        self._kinds = reader.entries.kinds[:: header.groups]
        self._ways = PlainWays(header)
        self._synthesis = None
        if network is not None:
            batch = workers.share.batch
            self._synthesis = TileSynthesis(network, header, self.plan, batch, self._quality_of)
        self.valid, self.alpha = mask_plane(reader), alpha_plane(reader)
        self.missing, self.outliers = band_masks(reader), outliers(reader)

    def _quality_of(self, index: int) -> float:
        entry = self.reader.entries[index * self.header.groups]
        return unpack_quality(entry.quality, self.header.quality_steps / QUALITY_STEPS)

    def decoded(self) -> Iterator[DecodedTile]:
        """Needed tiles, in order, as far as their units say."""
        for decoded in self.workers.ordered(
            self._decode, chunks(self._read(), self.workers.share.wavefronts)
        ):
            for tile in decoded:
                if tile.problem:
                    self.damaged[tile.index] = tile.problem
                yield tile

    def _read(self) -> Iterator[_CodedTile]:
        groups = self.header.groups
        for index in self.needed:
            kind, known = int(self._kinds[index]), None
            try:
                count = groups if kind == UnitKind.LATENTS else 1
                units = [self._unit(index * groups + group) for group in range(count)]
                if kind in SPARING:
                    known = self._known(self.plan.window(index))
            except CorruptStream as error:
                yield _CodedTile(index, [], problem=str(error))
            else:
                yield _CodedTile(index, units, kind, known)

    def _known(self, window: Window) -> npt.NDArray[np.bool_] | None:
        """Samples of a window that are there, (bands, height, width); None for all of them."""
        valid = None if self.valid is None else self.valid.read(window, self.workers.check)
        missing = None if self.missing is None else self.missing.read(window, self.workers.check)
        if self.outliers is not None:
            missing = self.outliers.added(window, missing)
        return known_samples(self.header.bands, window, valid, missing)

    def _decode(self, tiles: Sequence[_CodedTile]) -> list[DecodedTile]:
        """Latents or pixels of tiles, on a worker; by fewer where memory is short."""
        done = {t.index: DecodedTile(t.index, [], problem=t.problem) for t in tiles if t.problem}
        latent = [t for t in tiles if t.kind == UnitKind.LATENTS and t.index not in done]
        if latent:
            done |= {tile.index: tile for tile in in_batches(self._decode_latents, latent, len(latent))}
        for tile in tiles:
            if tile.index not in done:
                done[tile.index] = self._decode_plain(tile)
        return [done[tile.index] for tile in tiles]

    def _decode_plain(self, tile: _CodedTile) -> DecodedTile:
        """Tile that was coded without the network, and what its neighbours see of it."""
        self.workers.check()
        size, payload = self.plan.window(tile.index), tile.units[0].payload
        try:
            pixels = self._ways.decode(
                tile.kind, payload, size.height, size.width, tile.known, self.workers.check
            )
        except (CorruptStream, UnsupportedStream) as error:
            return DecodedTile(tile.index, [], problem=str(error))
        latents: list[IntArray] = []
        if tile.kind == UnitKind.NOTHING:  # its neighbours see zeros
            return DecodedTile(tile.index, latents, payload, pixels)
        beside = [self._kinds[neighbour] for neighbour in self.plan.neighbours(tile.index)]
        if self._synthesis is not None and UnitKind.LATENTS in beside:
            latents = self._synthesis.ring(tile.index, pixels, self.workers.check)
        return DecodedTile(tile.index, latents, payload, pixels)

    def _decode_latents(self, tiles: Sequence[_CodedTile]) -> list[DecodedTile]:
        if self.network is None:
            why = "It has latents, which the header says no tile of this file has."
            return [DecodedTile(tile.index, [], problem=why) for tile in tiles]
        units = [unit for tile in tiles for unit in tile.units]
        shapes = [self._shape(tile.index) for tile in tiles for _ in tile.units]
        rates = [self._rate(tile.index) for tile in tiles for _ in tile.units]
        network, check = self.network, self.workers.check
        with memory_errors(network.device):
            results = iter(network.coder.decode(units, shapes, network.features, rates, check))
        decoded = []
        for tile in tiles:
            latents: list[IntArray] = []
            problem = ""
            for _ in tile.units:
                result = next(results)
                if isinstance(result, (CorruptStream, DecoderMismatch)):
                    problem = str(result)
                else:
                    latents.append(result)
            # Some of its bands alone are of no use to anybody.
            decoded.append(DecodedTile(tile.index, [] if problem else latents, problem=problem))
        return decoded

    def _rate(self, index: int) -> int:
        """Rate point whose tables code the hyper-latents of a tile."""
        if self.network is None:
            return 1
        return nearest_rate(self._quality_of(index), self.network.entropy.rates)

    def _shape(self, index: int) -> tuple[int, int]:
        padded = self.plan.padded_window(index)
        return padded.height // STRIDE, padded.width // STRIDE

    def _unit(self, number: int) -> CodedUnit:
        payload = self.reader.payload(number)
        entry = self.reader.entries[number]
        self.bytes_read += len(payload)
        bits = HASH_BITS[self.header.version]
        return CodedUnit(payload, entry.dither, entry.phi_hash, entry.y_hash, bits)

    def tiles(
        self, meter: ProgressMeter, asked: Callable[[Window], bool] | None = None
    ) -> Iterator[tuple[Window, Samples]]:
        """Pixels of the wanted tiles, in about raster order; damaged ones are zero.

        Parameters
        ----------
        meter : ProgressMeter
            Its total is ``len(wanted) + len(needed)``.
        asked : callable, optional
            Of the window of a tile, before its pixels are computed: whether they are wanted still.
        """

        def lacking() -> Iterator[_Wanted]:
            for tile in self._ready(meter):
                if asked is None or asked(tile.window):
                    yield tile
                else:
                    meter.advance(1)

        for finished in self.workers.ordered(self._pixels, chunks(lacking(), self.workers.share.batch)):
            for window, pixels in finished:
                yield window, self._samples(window, pixels)
                meter.advance(1)

    def _ready(self, meter: ProgressMeter) -> Iterator[_Wanted]:
        """Wanted tiles whose neighbourhood is known."""
        mosaic = LatentMosaic(self.plan, set(self.wanted))
        plain: dict[int, npt.NDArray[np.generic]] = {}
        for tile in self.decoded():
            meter.advance(1)
            if tile.pixels is not None and tile.index in mosaic.pending:
                plain[tile.index] = tile.pixels
            if self.network is None or self._synthesis is None:
                yield _Wanted(self.plan.window(tile.index), None, tile.pixels)
                continue
            latents = tile.latents
            if not latents:  # its neighbours see zeros
                shape = (self.network.latent, *self._shape(tile.index))
                latents = [np.zeros(shape, np.int32)] * self.header.groups
            for index in mosaic.put(tile.index, latents):
                ready = self._synthesis.ready(mosaic, index)
                pixels = plain.pop(index, None)
                if pixels is None and self._is_empty(ready.window):
                    pixels = self._zeros(ready.window)
                yield _Wanted(ready.window, ready, pixels)

    def _is_empty(self, window: Window) -> bool:
        """Whether no pixel of a window is valid, so that nobody sees what its latents say."""
        return self.valid is not None and not self.valid.read(window, self.workers.check).any()

    def _zeros(self, window: Window) -> npt.NDArray[np.generic]:
        return np.zeros((self.header.bands, window.height, window.width), self.header.dtype)

    def _pixels(self, tiles: Sequence[_Wanted]) -> list[tuple[Window, npt.NDArray[np.generic]]]:
        """Pixels of tiles, on a worker."""
        made = [t.ready for t in tiles if t.ready is not None and t.pixels is None]
        sound = [tile for tile in made if tile.index not in self.damaged]
        found = {}
        if self._synthesis is not None:
            pixels = self._synthesis.pixels(sound, self.workers.check)
            found = {tile.index: own for tile, own in zip(sound, pixels, strict=True)}
        out: list[tuple[Window, npt.NDArray[np.generic]]] = []
        for tile in tiles:
            own = tile.pixels if tile.ready is None else found.get(tile.ready.index, tile.pixels)
            own = self._zeros(tile.window) if own is None else own
            out.append((tile.window, own))
        return out

    def _samples(self, window: Window, pixels: npt.NDArray[np.generic]) -> Samples:
        """Attach the lossless planes of a window."""
        valid = (
            None
            if self.valid is None
            else self.valid.read(window, self.workers.check).astype(bool, copy=False)
        )
        alpha = None if self.alpha is None else self.alpha.read(window, self.workers.check)
        missing = None if self.missing is None else self.missing.read(window, self.workers.check)
        pixels = restore_nodata(pixels, valid, missing, self.info)
        if self.outliers is not None:
            pixels = self.outliers.restored(window, pixels)
        return Samples(pixels, valid, alpha, missing)
