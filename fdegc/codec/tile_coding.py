"""Coding of a scene's tiles, from samples to units; what they will decode to is looked at elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.codec.latents import LatentCoders, LatentStore
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import Float32Array
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.refinement import Refinement, TileView
from fdegc.codec.tile_reader import AnalysedTile, TileReader, TileSamples
from fdegc.codec.tile_synthesis import ReadyTile, TileSynthesis
from fdegc.codec.ways import PlainTile, PlainWays
from fdegc.codec.workers import Workers, chunks
from fdegc.coding.unit import CodedUnit
from fdegc.control import ProgressMeter
from fdegc.errors import MetricUnavailable
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.format.kinds import UnitKind, unpack_fidelity
from fdegc.format.layout import HASH_BITS, IndexEntry
from fdegc.format.writer import ContainerWriter
from fdegc.metrics import ErrorAccumulator
from fdegc.raster.mapping import peak_value, valid_samples
from fdegc.types import Samples
from fdegc.weights import refinement_cost

IntArray = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """A tile to be coded: as it was read, or its latents if they were analysed before.

    ``done`` are the units that an earlier run has left in the file, ``payload`` is that of the first of them,
    unless it is latents; ``left`` are those of them that are latents, where they were refined.  Where other
    bands are predicted from the first group, ``analysed`` and ``integers`` are what is known of that, and
    ``ready`` are the latents that say what decodes of it.
    """

    index: int
    read: TileSamples | None
    latents: list[Float32Array]
    done: list[IndexEntry]
    payload: bytes
    left: list[CodedUnit]
    analysed: AnalysedTile | None = None
    integers: list[IntArray] = field(default_factory=list)
    ready: ReadyTile | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CodedTile:
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

    def measured(self, header: StreamHeader) -> CodedTile:
        """The same tile with its errors, if its pixels are known, and the original's."""
        if self.pixels is None or self.original is None:
            return self
        errors = ErrorAccumulator(header.bands)
        errors.add(self.original.pixels, self.pixels, valid_samples(self.original))
        try:
            fidelity = errors.psnr(peak_value(mapping_of(header)))
        except MetricUnavailable:
            fidelity = None
        return replace(self, errors=errors, fidelity=fidelity)


class TileCoding:
    """Coder of the tiles of one raster.

    Parameters
    ----------
    plan : EncodingPlan
        If it asks for the decoder's pixels, tiles that an earlier run finished are analysed again.
    reader : TileReader
        Of that plan; it has read all tiles already if there are ``latents``.
    writer : ContainerWriter
        May hold finished tiles of an interrupted run already.
    workers : Workers
    synthesis : TileSynthesis
        Of that plan.
    ways : PlainWays
    counted : callable
        Context in which a worker's time counts as spent here.
    latents : LatentStore, optional
        Of all tiles, which are else analysed on the way.
    """

    def __init__(
        self,
        plan: EncodingPlan,
        reader: TileReader,
        writer: ContainerWriter,
        workers: Workers,
        synthesis: TileSynthesis,
        ways: PlainWays,
        counted: Callable[[], AbstractContextManager[None]],
        *,
        latents: LatentStore | None = None,
    ) -> None:
        self.plan, self.reader, self.writer, self.workers = plan, reader, writer, workers
        self._stored, self._counted, self._synthesis, self._ways = latents, counted, synthesis, ways
        batch, steps = workers.share.batch, plan.options.refinement
        self._refinement = Refinement(plan.network, plan.header, steps, batch) if steps else None
        self._coders = LatentCoders(plan.network, batch)
        self._refining = refinement_cost(steps) / plan.header.groups  # work that a unit takes
        self._stepped = 0.0
        self._lock = threading.Lock()
        self._resumed = writer.units_done
        self._predicts = plan.header.components is not None and plan.header.components.predicts
        # How far tiles are of use to others: one sees its neighbours' latents where it is decoded.
        self._reach = int(plan.decodes)

    @property
    def work(self) -> float:
        """Work in all: 1 to code a tile, and its refinement."""
        return len(self.plan.tiles) * (1 + self._refining * self.plan.header.groups)

    def tiles(self, meter: ProgressMeter) -> Iterator[CodedTile]:
        """Tiles in order, coded.

        Parameters
        ----------
        meter : ProgressMeter
            Advances by :attr:`work`.
        """
        self.workers.while_waiting = lambda: self._tell_steps(meter)
        tasks = self._tasks()
        if self._predicts:
            tasks = self._foreseen(tasks)
        code = self._code_exactly if self.plan.exact else self._code
        for finished in self.workers.ordered(code, chunks(tasks, self.workers.share.batch)):
            for tile in finished:
                if tile.analysed is not None:
                    self.reader.keep(tile.analysed)
                self._tell_steps(meter)
                meter.advance(1)
                yield tile

    def _tell_steps(self, meter: ProgressMeter) -> None:
        """Report of the steps of refinement since the last one."""
        with self._lock:
            done, self._stepped = self._stepped, 0.0
        if done:
            meter.advance(self._refining * done)

    def _count_steps(self, units: float) -> None:
        with self._lock:
            self._stepped += units

    def _tasks(self) -> Iterator[_Task]:
        groups = self.plan.header.groups
        for index in range(len(self.plan.tiles)):
            first = index * groups
            done = [self.writer.left[unit] for unit in range(first, min(first + groups, self._resumed))]
            plain = bool(done) and done[0].kind != UnitKind.LATENTS
            payload = self.writer.payload(done[0]) if plain else b""
            left = [] if plain or self._refinement is None else [self._unit(entry) for entry in done]
            if self._stored is not None:
                yield _Task(index, None, self._stored.latents(index), done, payload, left)
            else:
                read = self.reader.read(index, self.workers.check)
                yield _Task(index, read, [], done, payload, left)

    def _unit(self, entry: IndexEntry) -> CodedUnit:
        """Unit that an earlier run has left in the file."""
        bits = HASH_BITS[self.plan.header.version]
        return CodedUnit(self.writer.payload(entry), entry.dither, entry.phi_hash, entry.y_hash, bits)

    def _foreseen(self, tasks: Iterator[_Task]) -> Iterator[_Task]:
        """Tiles whose first group is known, and of its neighbours what the decoder sees beside it."""
        mosaic = LatentMosaic(self.plan.tiles)
        waiting: dict[int, _Task] = {}
        for some in self.workers.ordered(self._first, chunks(tasks, self.workers.share.batch)):
            for task in some:
                waiting[task.index] = task
                for index in mosaic.put(task.index, task.integers):
                    ready = self._synthesis.ready(mosaic, index, groups=1)
                    # A whole row of tiles waits, too many to keep what was read of them.
                    yield replace(waiting.pop(index), read=self.reader.again(index), ready=ready)

    def _first(self, tasks: Sequence[_Task]) -> list[_Task]:
        """Tiles with the integers of their first group, on a worker."""
        with self._counted():
            analysed = self._analysed(tasks, self._reach + 1)
            refined = self._refined(tasks, analysed, 1)
            out = []
            for task in tasks:
                found = analysed[task.index]
                coder = self._coders.at(self.plan.quality_of(task.index))
                integers = refined.get(task.index) or [coder.rounded(y) for y in found.latents]
                integers = integers or [y.astype(np.int16) for y in self.reader.zeros(task.index)]
                found = replace(found, views=())
                first = [integers[0].astype(np.int16)]
                out.append(replace(task, read=None, analysed=found, integers=first))
            return out

    def _further(self, tasks: Sequence[_Task]) -> dict[int, AnalysedTile]:
        """Analysed tiles with their further groups, which are predicted from what decodes of the first."""
        check, batch = self.workers.check, self.workers.share.batch
        out, pieces = {}, []
        for task in tasks:
            assert task.analysed is not None and task.read is not None and task.ready is not None
            out[task.index] = task.analysed
            needed = self._needs_latents(task.index, len(task.done), self._reach)
            if needed and not task.analysed.empty:
                pieces.append((task.analysed, task.read, task.ready))
        if pieces:
            firsts = self._synthesis.first([ready for _, _, ready in pieces], check)
            views = self._refinement is not None
            for tile in self.reader.further(
                [(found, read, first) for (found, read, _), first in zip(pieces, firsts, strict=True)],
                check,
                batch,
                views=views,
            ):
                out[tile.index] = tile
        return {
            index: tile if len(tile.latents) == self.plan.header.groups else replace(tile, latents=[])
            for index, tile in out.items()
        }

    def _analysed(self, tasks: Sequence[_Task], reach: int) -> dict[int, AnalysedTile]:
        """Analysed tiles that were read here; without latents if those are of no use to tiles so near."""
        # Where an earlier run got this far, only mask, overview and the like are needed.
        wanted = any(self._needs_latents(task.index, len(task.done), reach) for task in tasks)
        read = [task.read for task in tasks if task.read is not None]
        check, batch = self.workers.check, self.workers.share.batch
        views = self._refinement is not None
        found = self.reader.analyse(read, check, batch, latents=wanted, views=views)
        return {tile.index: tile for tile in found}

    def _code(self, tasks: Sequence[_Task]) -> list[CodedTile]:
        """Units of tiles' latents, on a worker."""
        with self._counted():
            check, groups = self.workers.check, self.plan.header.groups
            analysed = self._further(tasks) if self._predicts else self._analysed(tasks, self._reach)
            refined = self._refined(tasks, analysed, groups - 1 if self._predicts else groups)
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
                idle = written or plain or self.plan.is_shared(task.index)
                integers = refined.get(task.index) or [coder.rounded(y) for y in latents]
                rest = slice(len(task.done), None)
                units = [] if idle else coder.code(latents[rest], check, integers[rest])
                # 16 bits hold them, and a whole row of tiles waits for the next one.
                rounded = [y.astype(np.int16) for y in integers] if self.plan.decodes else []
                size = sum(len(u.payload) for u in units) + sum(entry.length for entry in task.done)
                tile = CodedTile(
                    task.index, found, units, size, rounded, done=len(task.done), written=written
                )
                coded.append(self._as_left(tile, task) if written or plain else tile)
            return coded

    def _refined(
        self, tasks: Sequence[_Task], analysed: dict[int, AnalysedTile], units: int
    ) -> dict[int, list[IntArray]]:
        """Refined latents of tiles; what an earlier run has left of them is as it is in the file.

        Of each tile it is about so many units, refined or not.
        """
        out: dict[int, list[IntArray]] = {}
        if self._refinement is None:
            return out
        still = units * len(tasks)
        for quality in {self.plan.quality_of(task.index) for task in tasks}:
            views: list[tuple[int, TileView]] = []
            for task in tasks:
                found = analysed.get(task.index)
                if found is None or not found.views or self.plan.quality_of(task.index) != quality:
                    continue
                if task.done and task.done[0].kind != UnitKind.LATENTS:
                    continue
                out[task.index] = known = self._left(task, found) or [
                    y.astype(np.int32) for y in task.integers
                ]
                views += [(task.index, view) for view in found.views if view.group >= len(known)]
            refined = self._refinement.latents(
                [view for _, view in views], quality, self.workers.check, self._count_steps
            )
            still -= len(views)
            for (index, _), latent in zip(views, refined, strict=True):
                out[index].append(latent)
        self._count_steps(still)
        return out

    def _left(self, task: _Task, found: AnalysedTile) -> list[IntArray]:
        """Latents of those units of a tile that an earlier run has left in the file."""
        if not task.left:
            return []
        coder = self._coders.at(self.plan.quality_of(task.index))
        _, height, width = found.latents[0].shape
        return coder.decoded(task.left, (height, width), self.workers.check)

    def _needs_latents(self, index: int, done: int, reach: int) -> bool:
        """Whether a tile of which so many units are done, or one so near it, is not written yet, or shown."""
        groups, last = self.plan.header.groups, index
        if done < groups or self.plan.reconstruct:
            return True
        for _ in range(reach):
            last = self.plan.tiles.neighbours(last)[-1]
        return (last + 1) * groups > self._resumed

    def _empty(self, found: AnalysedTile, latents: list[Float32Array], original: Samples) -> CodedTile:
        """A tile without a sample that is there, or one of zeros where the decoder cannot know."""
        known = self.reader.known(found.index, original)
        rounded = [np.zeros(y.shape, np.int16) for y in latents] if self.plan.decodes else []
        if known is None or known.any():
            coder = self._coders.at(self.plan.quality_of(found.index))
            units = coder.code(latents, self.workers.check)
            return CodedTile(found.index, found, units, sum(len(unit.payload) for unit in units), rounded)
        pixels = np.zeros(original.pixels.shape, original.pixels.dtype)
        plain = PlainTile(UnitKind.NOTHING, b"", pixels)
        return CodedTile(found.index, found, [], 0, rounded, plain=plain, pixels=pixels)

    def _as_left(self, tile: CodedTile, task: _Task) -> CodedTile:
        """A tile as an earlier run left it in the file."""
        entry, payload = task.done[0], task.payload
        tile = replace(tile, fidelity=unpack_fidelity(entry.fidelity))
        if entry.kind == UnitKind.LATENTS:
            return tile
        kind, pixels = UnitKind(entry.kind), None
        if self.plan.decodes and task.read is not None:
            size = self.plan.tiles.window(tile.index)
            known = self.reader.known(tile.index, task.read.own)
            pixels = self._ways.decode(kind, payload, size.height, size.width, known, self.workers.check)
        return replace(tile, plain=PlainTile(kind, payload, pixels), pixels=pixels)

    def _code_exactly(self, tasks: Sequence[_Task]) -> list[CodedTile]:
        """Tiles without loss, or with a bound, on a worker."""
        bound = self.plan.header.bound or 0.0
        out = []
        with self._counted():
            read = [task.read for task in tasks if task.read is not None]
            analysed = self.reader.analyse(read, self.workers.check, latents=False)
            for task, found in zip(tasks, analysed, strict=True):
                assert task.read is not None
                original = task.read.own
                tile = CodedTile(task.index, found, [], 0, [], original=original, written=bool(task.done))
                if task.done:
                    tile = self._as_left(tile, task)
                else:
                    known = self.reader.known(task.index, original)
                    plain = self._ways.exact(original.pixels, known, bound, self.workers.check)
                    tile = replace(tile, plain=plain, pixels=plain.pixels, size=len(plain.payload))
                out.append(tile.measured(self.plan.header))
        return out
