"""Compression in progress: tiles on their way through the workers, and what passes between them."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.codec.judging import Judge
from fdegc.codec.latents import LatentCoders, LatentStore
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import Float32Array
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.refinement import Refinement, TileView
from fdegc.codec.tile_reader import AnalysedTile, TileReader, TileSamples
from fdegc.codec.tile_synthesis import ReadyTile, TileSynthesis, restore_nodata
from fdegc.codec.ways import PlainTile
from fdegc.codec.workers import Workers, chunks
from fdegc.coding.unit import CodedUnit
from fdegc.control import ProgressMeter
from fdegc.errors import MetricUnavailable
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.format.kinds import UnitKind, pack_fidelity, unpack_fidelity
from fdegc.format.layout import HASH_BITS, IndexEntry
from fdegc.format.writer import ContainerWriter
from fdegc.metrics import ErrorAccumulator
from fdegc.raster.mapping import peak_value, valid_samples
from fdegc.results import ErrorFigures, TileResult
from fdegc.types import Samples

TileCallback = Callable[[TileResult], None]
IntArray = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """A tile to be coded: as it was read, or its latents if they were analysed before.

    ``done`` are the units that an earlier run has left in the file, ``payload`` is that of the first of them,
    unless it is latents; ``left`` are those of them that are latents, where they were refined.
    """

    index: int
    read: TileSamples | None
    latents: list[Float32Array]
    done: list[IndexEntry]
    payload: bytes
    left: list[CodedUnit]


@dataclass(frozen=True, slots=True, eq=False)
class _Tile:
    """A tile that is coded, and what is known of it so far.

    Attributes
    ----------
    index : int
    analysed : AnalysedTile or None
    units : list of CodedUnit
        Those that are not in the file yet, of its latents.
    size : int
        Bytes of all its units.
    rounded : list of ndarray of int16 or int32
        Its latents, or those that neighbours see of it; empty if nobody looks.
    plain : PlainTile or None
        What is written in place of latents.
    done : int
        Units that an earlier run has written.
    written : bool
        Whether those are all of it.
    fidelity : float or None
        PSNR in dB, where it is known.
    original : Samples or None
    pixels : ndarray or None
        What the decoder will make of it, before anything is restored where it is not valid.
    errors : ErrorAccumulator or None
    """

    index: int
    analysed: AnalysedTile | None
    units: list[CodedUnit]
    size: int
    rounded: list[IntArray]
    plain: PlainTile | None = None
    done: int = 0
    written: bool = False
    fidelity: float | None = None
    original: Samples | None = None
    pixels: npt.NDArray[np.generic] | None = None
    errors: ErrorAccumulator | None = None


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
        self.stored, self.on_tile = latents, on_tile
        batch, steps = workers.share.batch, plan.options.refinement
        self._refinement = Refinement(plan.network, plan.header, steps, batch) if steps else None
        self._coders = LatentCoders(plan.network, batch)
        self.judge = Judge(plan.header, plan.options)
        self.synthesis = TileSynthesis(plan.network, plan.header, plan.tiles, batch, plan.quality_of)
        self.differences = ErrorAccumulator(plan.header.bands)
        self.ways: Counter[UnitKind] = Counter()
        self.worst: float | None = None
        self.plain: dict[int, UnitKind] = {}
        self._peak = peak_value(mapping_of(plan.header))
        self._busy = {"coding": 0.0, "preview": 0.0}
        self._resumed = writer.units_done
        self._lock = threading.Lock()

    def run(self, meter: ProgressMeter) -> None:
        """Coding of all tiles, and what the plan asks for besides.

        Parameters
        ----------
        meter : ProgressMeter
            Its total is the number of tiles, twice that where the decoder's pixels are computed.
        """
        tiles = self._coded(meter)
        if self.plan.decodes and not self.plan.exact:
            tiles = self._settled(self._judged(self._beside(tiles)))
        for tile in self._in_order(tiles):
            self._write(tile)
            if self.plan.decodes:
                self._show(tile)
                meter.advance(1)

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

    # ------------------------------------------------------------------ coding

    def _tasks(self) -> Iterator[_Task]:
        groups = self.plan.header.groups
        for index in range(len(self.plan.tiles)):
            first = index * groups
            done = [self.writer.left[unit] for unit in range(first, min(first + groups, self._resumed))]
            plain = bool(done) and done[0].kind != UnitKind.LATENTS
            payload = self.writer.payload(done[0]) if plain else b""
            left = [] if plain or self._refinement is None else [self._unit(entry) for entry in done]
            if self.stored is not None:
                yield _Task(index, None, self.stored.latents(index), done, payload, left)
            else:
                yield _Task(index, self.reader.read(index), [], done, payload, left)

    def _unit(self, entry: IndexEntry) -> CodedUnit:
        """Unit that an earlier run has left in the file."""
        bits = HASH_BITS[self.plan.header.version]
        return CodedUnit(self.writer.payload(entry), entry.dither, entry.phi_hash, entry.y_hash, bits)

    def _coded(self, meter: ProgressMeter) -> Iterator[_Tile]:
        """Tiles in order, coded."""
        code = self._code_exactly if self.plan.exact else self._code
        for finished in self.workers.ordered(code, chunks(self._tasks(), self.workers.share.batch)):
            for tile in finished:
                if tile.analysed is not None:
                    self.reader.keep(tile.analysed)
                meter.advance(1)
                yield tile

    def _code(self, tasks: Sequence[_Task]) -> list[_Tile]:
        """Units of tiles' latents, on a worker."""
        with self._counted("coding"):
            check, batch = self.workers.check, self.workers.share.batch
            groups = self.plan.header.groups
            # Where an earlier run got this far, only mask, overview and the like are needed.
            wanted = any(self._needs_latents(task) for task in tasks)
            read = [task.read for task in tasks if task.read is not None]
            views = self._refinement is not None
            found_all = self.reader.analyse(read, check, batch, latents=wanted, views=views)
            analysed = {tile.index: tile for tile in found_all}
            refined = self._refined(tasks, analysed)
            coded = []
            for task in tasks:
                found = analysed.get(task.index)
                # What waits for its neighbours needs its views no more.
                found = None if found is None else replace(found, views=())
                latents = task.latents if found is None else found.latents
                latents = latents or self.reader.zeros(task.index)
                coder = self._coders.at(self.plan.quality_of(task.index))
                written = len(task.done) == groups
                if found is not None and found.empty and task.read is not None and not task.done:
                    coded.append(self._empty(found, latents, task.read.own))
                    continue
                # Without latents all of it is in the first of its units.
                plain = bool(task.done) and task.done[0].kind != UnitKind.LATENTS
                idle = written or plain or self._is_shared(task.index)
                integers = refined.get(task.index) or [coder.rounded(y) for y in latents]
                rest = slice(len(task.done), None)
                units = [] if idle else coder.code(latents[rest], check, integers[rest])
                # 16 bits hold them, and a whole row of tiles waits for the next one.
                rounded = [y.astype(np.int16) for y in integers] if self.plan.decodes else []
                size = sum(len(u.payload) for u in units) + sum(entry.length for entry in task.done)
                tile = _Tile(task.index, found, units, size, rounded, done=len(task.done), written=written)
                coded.append(self._as_left(tile, task) if written or plain else tile)
            return coded

    def _refined(
        self, tasks: Sequence[_Task], analysed: dict[int, AnalysedTile]
    ) -> dict[int, list[IntArray]]:
        """Refined latents of tiles; what an earlier run has left of them is as it is in the file."""
        out: dict[int, list[IntArray]] = {}
        if self._refinement is None:
            return out
        for quality in {self.plan.quality_of(task.index) for task in tasks}:
            views: list[tuple[int, TileView]] = []
            for task in tasks:
                found = analysed.get(task.index)
                if found is None or not found.views or self.plan.quality_of(task.index) != quality:
                    continue
                if task.done and task.done[0].kind != UnitKind.LATENTS:
                    continue
                out[task.index] = self._left(task, found)
                views += [(task.index, view) for view in found.views[len(task.done) :]]
            refined = self._refinement.latents([view for _, view in views], quality, self.workers.check)
            for (index, _), latent in zip(views, refined, strict=True):
                out[index].append(latent)
        return out

    def _left(self, task: _Task, found: AnalysedTile) -> list[IntArray]:
        """Latents of those units of a tile that an earlier run has left in the file."""
        if not task.left:
            return []
        coder = self._coders.at(self.plan.quality_of(task.index))
        _, height, width = found.latents[0].shape
        return coder.decoded(task.left, (height, width), self.workers.check)

    def _needs_latents(self, task: _Task) -> bool:
        """Whether a tile, or one beside it, is not written yet, or it is to be shown."""
        groups, last = self.plan.header.groups, self.plan.tiles.neighbours(task.index)[-1]
        if len(task.done) < groups or self.plan.reconstruct:
            return True
        return self.plan.decodes and (last + 1) * groups > self._resumed

    def _empty(self, found: AnalysedTile, latents: list[Float32Array], original: Samples) -> _Tile:
        """A tile without a sample that is there, or one of zeros where the decoder cannot know."""
        known = self.reader.known(found.index, original)
        rounded = [np.zeros(y.shape, np.int16) for y in latents] if self.plan.decodes else []
        if known is None or known.any():
            coder = self._coders.at(self.plan.quality_of(found.index))
            units = coder.code(latents, self.workers.check)
            return _Tile(found.index, found, units, sum(len(unit.payload) for unit in units), rounded)
        pixels = np.zeros(original.pixels.shape, original.pixels.dtype)
        plain = PlainTile(UnitKind.NOTHING, b"", pixels)
        return _Tile(found.index, found, [], 0, rounded, plain=plain, pixels=pixels)

    def _as_left(self, tile: _Tile, task: _Task) -> _Tile:
        """A tile as an earlier run left it in the file."""
        entry, payload = task.done[0], task.payload
        tile = replace(tile, fidelity=unpack_fidelity(entry.fidelity))
        if entry.kind == UnitKind.LATENTS:
            return tile
        kind, pixels = UnitKind(entry.kind), None
        if self.plan.decodes and task.read is not None:
            size = self.plan.tiles.window(tile.index)
            known = self.reader.known(tile.index, task.read.own)
            pixels = self.judge.ways.decode(kind, payload, size.height, size.width, known, self.workers.check)
        return replace(tile, plain=PlainTile(kind, payload, pixels), pixels=pixels)

    def _code_exactly(self, tasks: Sequence[_Task]) -> list[_Tile]:
        """Tiles without loss, or with a bound, on a worker."""
        bound = self.plan.header.bound or 0.0
        out = []
        with self._counted("coding"):
            read = [task.read for task in tasks if task.read is not None]
            analysed = self.reader.analyse(read, self.workers.check, latents=False)
            for task, found in zip(tasks, analysed, strict=True):
                assert task.read is not None
                original = task.read.own
                tile = _Tile(task.index, found, [], 0, [], original=original, written=bool(task.done))
                if task.done:
                    tile = self._as_left(tile, task)
                else:
                    known = self.reader.known(task.index, original)
                    plain = self.judge.ways.exact(original.pixels, known, bound, self.workers.check)
                    tile = replace(tile, plain=plain, pixels=plain.pixels, size=len(plain.payload))
                out.append(tile if tile.pixels is None else self._measured(tile))
        return out

    # ------------------------------------------------------------------ the decoder's pixels

    def _beside(self, tiles: Iterator[_Tile]) -> Iterator[tuple[_Tile, ReadyTile, Samples]]:
        """Tiles whose neighbours are coded, too, with the pixels that they are compared with."""
        mosaic = LatentMosaic(self.plan.tiles)
        waiting: dict[int, _Tile] = {}
        for tile in tiles:
            waiting[tile.index] = tile
            for index in mosaic.put(tile.index, tile.rounded):
                ready = self.synthesis.ready(mosaic, index)
                yield waiting.pop(index), ready, self.plan.source.read(ready.window)

    def _judged(self, tiles: Iterator[tuple[_Tile, ReadyTile, Samples]]) -> Iterator[_Tile]:
        """Tiles of which is known how they are written, and what decodes of them beside others alike."""
        for finished in self.workers.ordered(self._judge, chunks(tiles, self.workers.share.batch)):
            yield from finished

    def _judge(self, batch: Sequence[tuple[_Tile, ReadyTile, Samples]]) -> list[_Tile]:
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
                if tile.plain is None and self._is_shared(tile.index):
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
                out.append(self._measured(tile))
            return out

    def _needs_synthesis(self, tile: _Tile) -> bool:
        """Whether a tile's pixels come from its latents, and somebody wants them."""
        if tile.plain is not None or self._is_shared(tile.index):
            return False
        return not tile.written or self.plan.reconstruct

    def _is_shared(self, index: int) -> bool:
        """Whether the plan says that a tile is kept without latents."""
        share = self.plan.shares.get(index)
        return share is not None and share.kind != UnitKind.LATENTS

    def _shared(self, tile: _Tile, original: Samples) -> PlainTile:
        """A tile as the plan says."""
        known = self.reader.known(tile.index, original)
        return self.judge.allotted(original, known, self.plan.shares[tile.index], self.workers.check)

    def _pixels(self, tiles: Sequence[ReadyTile]) -> list[npt.NDArray[np.generic]]:
        return self.synthesis.pixels(tiles, self.workers.check) if tiles else []

    def _settled(self, tiles: Iterator[_Tile]) -> Iterator[_Tile]:
        """Tiles as the decoder will have them: made anew beside tiles that turned out to have no latents."""
        around = chunks(self._around(tiles), self.workers.share.batch)
        for finished in self.workers.ordered(self._settle, around):
            yield from finished

    def _around(self, tiles: Iterator[_Tile]) -> Iterator[tuple[_Tile, ReadyTile | None]]:
        """Tiles whose neighbours are judged; with their latents where one of those has none."""
        mosaic = LatentMosaic(self.plan.tiles)
        waiting: dict[int, _Tile] = {}
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

    def _settle(self, batch: Sequence[tuple[_Tile, ReadyTile | None]]) -> list[_Tile]:
        """Tiles with what the decoder will make of them, on a worker."""
        again = [ready for _, ready in batch if ready is not None]
        if not again:
            return [tile for tile, _ in batch]
        with self._counted("preview"):
            found = {r.index: p for r, p in zip(again, self._pixels(again), strict=True)}
            return [
                self._measured(replace(tile, pixels=found[tile.index])) if tile.index in found else tile
                for tile, _ in batch
            ]

    def _measured(self, tile: _Tile) -> _Tile:
        """A tile with its errors."""
        if tile.pixels is None or tile.original is None:
            return tile
        errors = ErrorAccumulator(self.plan.header.bands)
        errors.add(tile.original.pixels, tile.pixels, valid_samples(tile.original))
        return replace(tile, errors=errors, fidelity=_psnr(errors, self._peak))

    # ------------------------------------------------------------------ writing

    def _in_order(self, tiles: Iterator[_Tile]) -> Iterator[_Tile]:
        """Tiles in the order of the file; those of the last two rows settle by turns."""
        waiting: dict[int, _Tile] = {}
        wanted = 0
        for tile in tiles:
            waiting[tile.index] = tile
            while wanted in waiting:
                yield waiting.pop(wanted)
                wanted += 1

    def _write(self, tile: _Tile) -> None:
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

    def _show(self, tile: _Tile) -> None:
        if tile.errors is None or tile.original is None or tile.pixels is None:
            return
        self.differences.merge(tile.errors)
        if self.on_tile is not None:
            window, original = self.plan.tiles.window(tile.index), tile.original
            shown = restore_nodata(tile.pixels, original.valid, original.missing, self.plan.info)
            samples = Samples(shown, original.valid, original.alpha, original.missing)
            error, count = tile.errors.squared_error, tile.errors.count
            self.on_tile(TileResult(window, samples, self.writer.payload_bytes, error, count))

    # ------------------------------------------------------------------ the rest of the file

    def metadata(self) -> None:
        """Writing of the metadata blocks: everything but the pixels, and what the plan adds."""
        if self.header != self.writer.header:
            self.writer.leave_out_network()
        for tag, data in {**self.reader.blocks(self.writer.payload_bytes), **self.plan.extra}.items():
            self.writer.add_block(tag, data)

    def errors(self) -> ErrorFigures | None:
        """Errors of everything reconstructed so far; None if nothing was valid."""
        try:
            spans = [entry.scale for entry in mapping_of(self.plan.header)]
            return self.differences.figures(spans, self.plan.header.dtype)
        except MetricUnavailable:
            return None


def _psnr(errors: ErrorAccumulator, peak: float) -> float | None:
    try:
        return errors.psnr(peak)
    except MetricUnavailable:
        return None
