"""Compression in progress: coded tiles on their way through checks into the file."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from fdegc.codec.judging import Judge
from fdegc.codec.latents import LatentStore
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tile_coding import CodedTile, TileCoding
from fdegc.codec.tile_reader import TileReader
from fdegc.codec.tile_synthesis import ReadyTile, TileSynthesis, restore_nodata
from fdegc.codec.ways import PlainTile
from fdegc.codec.workers import Workers, chunks
from fdegc.control import ProgressMeter
from fdegc.errors import MetricUnavailable
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.format.kinds import UnitKind, pack_fidelity
from fdegc.format.writer import ContainerWriter
from fdegc.metrics import ErrorAccumulator
from fdegc.results import ErrorFigures, TileResult
from fdegc.types import Samples

TileCallback = Callable[[TileResult], None]


class Encoding:
    """Encoder of one raster: codes its tiles, checks what the decoder will make of them, writes the better.

    Parameters
    ----------
    plan : EncodingPlan
        If it asks for the decoder's pixels, tiles that an earlier run finished are analysed again.
    reader : TileReader
        Of that plan; it has read all tiles already if there are ``latents``.
    writer : ContainerWriter
        May hold finished tiles of an interrupted run already.
    workers : Workers
    latents : LatentStore, optional
        Of all tiles, which are else analysed on the way.
    on_tile : callable, optional
        Called on the thread that calls :meth:`run`.

    Attributes
    ----------
    ways : Counter of UnitKind
        How many tiles were coded in which way.
    worst : float or None
        PSNR in dB of the worst tile; None if it is not known.
    plain : dict
        Tiles that have samples and no latents, and the kinds of their payloads.
    """

    def __init__(
        self,
        plan: EncodingPlan,
        reader: TileReader,
        writer: ContainerWriter,
        workers: Workers,
        *,
        latents: LatentStore | None = None,
        on_tile: TileCallback | None = None,
    ) -> None:
        self.plan, self.reader, self.writer, self.workers = plan, reader, writer, workers
        self.on_tile = on_tile
        self.judge = Judge(plan.header, plan.options)
        batch = workers.share.batch
        self.synthesis = TileSynthesis(plan.network, plan.header, plan.tiles, batch, plan.quality_of)
        counted = partial(self._counted, "coding")
        self._coding = TileCoding(
            plan, reader, writer, workers, self.synthesis, self.judge.ways, counted, latents=latents
        )
        self.differences = ErrorAccumulator(plan.header.bands)
        self.ways: Counter[UnitKind] = Counter()
        self.worst: float | None = None
        self.plain: dict[int, UnitKind] = {}
        self._busy = {"coding": 0.0, "preview": 0.0}
        self._lock = threading.Lock()

    def run(self, meter: ProgressMeter) -> None:
        """Coding of all tiles, and what the plan asks for besides.

        Parameters
        ----------
        meter : ProgressMeter
            Its total is :attr:`work`.
        """
        tiles = self._coding.tiles(meter)
        if self.plan.decodes and not self.plan.exact:
            tiles = self._settled(self._judged(self._beside(tiles)))
        for tile in self._in_order(tiles):
            self._write(tile)
            if self.plan.decodes:
                self._show(tile)
                meter.advance(1)

    @property
    def work(self) -> float:
        """Work in all: that of coding, and 1 a tile where the decoder's pixels are computed."""
        return self._coding.work + (len(self.plan.tiles) if self.plan.decodes else 0)

    @property
    def header(self) -> StreamHeader:
        """Header of the file: that of the plan, or one without network where no tile has latents."""
        header = self.plan.header
        return header if self.ways[UnitKind.LATENTS] else header.without_network

    @property
    def preview_share(self) -> float:
        """Share of the workers' time that went into the decoder's pixels."""
        return self._busy["preview"] / (sum(self._busy.values()) or 1.0)

    @contextmanager
    def _counted(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._busy[stage] += time.perf_counter() - start

    # ------------------------------------------------------------------ the decoder's pixels

    def _beside(self, tiles: Iterator[CodedTile]) -> Iterator[tuple[CodedTile, ReadyTile, Samples]]:
        """Tiles whose neighbours are coded, too, with the pixels that they are compared with."""
        mosaic = LatentMosaic(self.plan.tiles)
        waiting: dict[int, CodedTile] = {}
        for tile in tiles:
            waiting[tile.index] = tile
            for index in mosaic.put(tile.index, tile.rounded):
                ready = self.synthesis.ready(mosaic, index)
                yield waiting.pop(index), ready, self.plan.source.read(ready.window)

    def _judged(self, tiles: Iterator[tuple[CodedTile, ReadyTile, Samples]]) -> Iterator[CodedTile]:
        """Tiles of which is known how they are written, and what decodes of them beside others alike."""
        for finished in self.workers.ordered(self._judge, chunks(tiles, self.workers.share.batch)):
            yield from finished

    def _judge(self, batch: Sequence[tuple[CodedTile, ReadyTile, Samples]]) -> list[CodedTile]:
        """Pixels and errors of tiles and the better way for each, on a worker."""
        with self._counted("preview"):
            latent = [
                ready
                for tile, ready, original in batch
                if self._needs_synthesis(tile) and (original.valid is None or original.valid.any())
            ]
            found = {r.index: p for r, p in zip(latent, self._pixels(latent), strict=True)}
            out = []
            for coded, _, original in batch:
                self.workers.check()
                tile = replace(coded, original=original, pixels=found.get(coded.index, coded.pixels))
                # What an earlier run began with latents goes on with them.
                free = not tile.written and len(tile.units) == self.plan.header.groups
                if tile.plain is None and self.plan.is_shared(tile.index):
                    plain = self._shared(tile, original)
                    tile = replace(tile, plain=plain, pixels=plain.pixels)
                elif tile.pixels is None and self._needs_synthesis(tile):  # what nobody sees
                    tile = replace(tile, pixels=np.zeros(original.pixels.shape, original.pixels.dtype))
                elif (
                    tile.pixels is not None
                    and self.plan.checks
                    and free
                    and tile.plain is None
                    and tile.index not in self.plan.shares
                ):
                    quality = self.plan.quality_of(tile.index)
                    known = self.reader.known(tile.index, original)
                    better = self.judge.better(
                        original, known, tile.pixels, tile.size, quality, self.workers.check
                    )
                    if better is not None:
                        tile = replace(tile, plain=better, pixels=better.pixels)
                seen = tile.plain is not None and tile.plain.kind != UnitKind.NOTHING
                alone = len(self.plan.tiles.neighbours(tile.index)) == 1
                if seen and tile.pixels is not None and not alone:
                    # Up to here neighbours saw its latents, also if an earlier run has judged it.
                    ring = self.synthesis.ring(tile.index, tile.pixels, self.workers.check)
                    tile = replace(tile, rounded=[*ring])
                out.append(tile.measured(self.plan.header))
            return out

    def _needs_synthesis(self, tile: CodedTile) -> bool:
        """Whether a tile's pixels come from its latents, and somebody wants them."""
        if tile.plain is not None or self.plan.is_shared(tile.index):
            return False
        return not tile.written or self.plan.reconstruct

    def _shared(self, tile: CodedTile, original: Samples) -> PlainTile:
        """A tile as the plan says."""
        known = self.reader.known(tile.index, original)
        return self.judge.allotted(original, known, self.plan.shares[tile.index], self.workers.check)

    def _pixels(self, tiles: Sequence[ReadyTile]) -> list[npt.NDArray[np.generic]]:
        return self.synthesis.pixels(tiles, self.workers.check) if tiles else []

    def _settled(self, tiles: Iterator[CodedTile]) -> Iterator[CodedTile]:
        """Tiles as the decoder will have them: made anew beside tiles that turned out to have no latents."""
        around = chunks(self._around(tiles), self.workers.share.batch)
        for finished in self.workers.ordered(self._settle, around):
            yield from finished

    def _around(self, tiles: Iterator[CodedTile]) -> Iterator[tuple[CodedTile, ReadyTile | None]]:
        """Tiles whose neighbours are judged; with their latents where one of those has none."""
        mosaic = LatentMosaic(self.plan.tiles)
        waiting: dict[int, CodedTile] = {}
        plain: set[int] = set()
        for tile in tiles:
            waiting[tile.index] = tile
            if tile.plain is not None and tile.plain.kind != UnitKind.NOTHING:  # whose zeros stay
                plain.add(tile.index)
            for index in mosaic.put(tile.index, tile.rounded):
                ready = self.synthesis.ready(mosaic, index)
                mixed = not plain.isdisjoint(self.plan.tiles.neighbours(index))
                own = waiting.pop(index)
                # What stays as it is needs not be carried on.
                yield replace(own, rounded=[]), ready if mixed and self._needs_synthesis(own) else None

    def _settle(self, batch: Sequence[tuple[CodedTile, ReadyTile | None]]) -> list[CodedTile]:
        """Tiles with what the decoder will make of them, on a worker."""
        again = [ready for _, ready in batch if ready is not None]
        if not again:
            return [tile for tile, _ in batch]
        with self._counted("preview"):
            found = {r.index: p for r, p in zip(again, self._pixels(again), strict=True)}
            return [
                replace(tile, pixels=found[tile.index]).measured(self.plan.header)
                if tile.index in found
                else tile
                for tile, _ in batch
            ]

    # ------------------------------------------------------------------ writing

    def _in_order(self, tiles: Iterator[CodedTile]) -> Iterator[CodedTile]:
        """Tiles in the order of the file; those of the last two rows settle by turns."""
        waiting: dict[int, CodedTile] = {}
        wanted = 0
        for tile in tiles:
            waiting[tile.index] = tile
            while wanted in waiting:
                yield waiting.pop(wanted)
                wanted += 1

    def _write(self, tile: CodedTile) -> None:
        """Addition of a tile's units to the file."""
        plain, groups = tile.plain, self.plan.header.groups
        self.ways[UnitKind.LATENTS if plain is None else plain.kind] += 1
        if plain is not None and plain.kind != UnitKind.NOTHING:
            self.plain[tile.index] = plain.kind
        if tile.fidelity is not None:
            self.worst = min(tile.fidelity, math.inf if self.worst is None else self.worst)
        if tile.written:
            return
        fidelity, quality = pack_fidelity(tile.fidelity), self.plan.stored_quality(tile.index)
        if plain is not None:
            if not tile.done:
                self.writer.add(plain.payload, kind=plain.kind, fidelity=fidelity, quality=quality)
            for _ in range(max(tile.done, 1), groups):
                self.writer.add(b"", kind=UnitKind.NOTHING)
            return
        for number, unit in enumerate(tile.units, groups - len(tile.units)):
            self.writer.add(
                unit.payload,
                # Of a tile, the first of its units says them.
                fidelity=0 if number else fidelity,
                quality=0 if number else quality,
                dither=unit.dither,
                phi_hash=unit.phi_hash,
                y_hash=unit.y_hash,
            )

    def _show(self, tile: CodedTile) -> None:
        if tile.errors is None or tile.original is None or tile.pixels is None:
            return
        self.differences.merge(tile.errors)
        if self.on_tile is not None:
            window, original = self.plan.tiles.window(tile.index), tile.original
            shown = restore_nodata(tile.pixels, original.valid, original.missing, self.plan.info)
            missing = original.missing
            if (outliers := self.plan.outliers) is not None:
                shown, missing = outliers.restored(window, shown), outliers.removed(window, missing)
            samples = Samples(shown, original.valid, original.alpha, missing)
            error, count = tile.errors.squared_error, tile.errors.count
            self.on_tile(TileResult(window, samples, self.writer.payload_bytes, error, count))

    # ------------------------------------------------------------------ the rest of the file

    def metadata(self) -> None:
        """Writing of the metadata blocks: everything but the pixels, and what the plan adds."""
        if self.header != self.writer.header:
            self.writer.leave_out_network()
        if self.reader.in_pieces:
            self.writer.allow_contexts()
        for tag, data in {**self.reader.blocks(self.writer.payload_bytes), **self.plan.extra}.items():
            self.writer.add_block(tag, data)

    def errors(self) -> ErrorFigures | None:
        """Errors of everything reconstructed so far; None if nothing was valid."""
        try:
            spans = [entry.scale for entry in mapping_of(self.plan.header)]
            return self.differences.figures(spans, self.plan.header.dtype)
        except MetricUnavailable:
            return None
