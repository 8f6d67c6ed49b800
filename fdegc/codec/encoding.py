"""Compression in progress: tiles on their way through the workers, and what passes between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.codec.latents import LatentCoder, LatentStore
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import Float32Array
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tile_reader import AnalysedTile, TileReader, TileSamples
from fdegc.codec.tile_synthesis import ReadyTile, TileSynthesis, restore_nodata
from fdegc.codec.workers import Workers, chunks
from fdegc.coding.unit import CodedUnit
from fdegc.control import ProgressMeter
from fdegc.errors import MetricUnavailable
from fdegc.format.info import mapping_of
from fdegc.format.writer import ContainerWriter
from fdegc.metrics import ErrorAccumulator
from fdegc.raster.mapping import valid_samples
from fdegc.results import ErrorFigures, TileResult
from fdegc.types import Samples

TileCallback = Callable[[TileResult], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """A tile to be coded: as it was read, or its latents if they were analysed before."""

    index: int
    read: TileSamples | None
    latents: list[Float32Array]


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """A tile that is coded: its units that were not in the file yet, and its latents for the preview."""

    index: int
    analysed: AnalysedTile | None
    units: list[CodedUnit]
    rounded: list[npt.NDArray[np.int32]]


@dataclass(frozen=True, slots=True, eq=False)
class _Reconstructed:
    """A tile of the preview with its errors."""

    tile: ReadyTile
    samples: Samples
    errors: ErrorAccumulator


class Encoding:
    """Encoder of one raster: codes its tiles, writes them, and reconstructs them for a preview.

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
        batch = workers.share.batch
        self.coder = LatentCoder(plan.network, plan.quality, batch)
        self.synthesis = TileSynthesis(plan.network, plan.header, batch)
        self.differences = ErrorAccumulator(plan.header.bands)
        self._busy = {"coding": 0.0, "preview": 0.0}
        self._resumed = writer.units_done
        self._lock = threading.Lock()

    def run(self, meter: ProgressMeter) -> None:
        """Coding of all tiles, and their reconstruction if the plan asks for it.

        Parameters
        ----------
        meter : ProgressMeter
            Its total is the number of tiles, twice that with a preview.
        """
        tiles = self._written(meter)
        if not self.plan.reconstruct:
            for _ in tiles:
                pass
            return
        for finished in self.workers.ordered(self._preview, self._originals(self._ready(tiles))):
            for tile in finished:
                self._show(tile)
                meter.advance(1)

    @property
    def preview_share(self) -> float:
        """Share of the workers' time that went into the preview."""
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
        for index in range(len(self.plan.tiles)):
            if self.stored is not None:
                yield _Task(index, None, self.stored.latents(index))
            else:
                yield _Task(index, self.reader.read(index), [])

    def _done(self, index: int) -> int:
        """Units of a tile that an earlier run has left in the file."""
        return min(max(self._resumed - index * self.plan.header.groups, 0), self.plan.header.groups)

    def _code(self, tasks: Sequence[_Task]) -> list[_Coded]:
        """Units of tiles, on a worker."""
        with self._counted("coding"):
            check, batch = self.workers.check, self.workers.share.batch
            # Where an earlier run got this far, only mask, overview and the like are needed.
            finished = all(self._done(task.index) == self.plan.header.groups for task in tasks)
            read = [task.read for task in tasks if task.read is not None]
            wanted = self.plan.reconstruct or not finished
            analysed = {tile.index: tile for tile in self.reader.analyse(read, check, batch, latents=wanted)}
            latents = [analysed[t.index].latents if t.index in analysed else t.latents for t in tasks]
            missing = [own[self._done(task.index) :] for task, own in zip(tasks, latents, strict=True)]
            units = iter(self.coder.code([y for own in missing for y in own], check))
            return [
                _Coded(
                    task.index,
                    analysed.get(task.index),
                    [next(units) for _ in lacking],
                    [self.coder.rounded(y) for y in own] if self.plan.reconstruct else [],
                )
                for task, own, lacking in zip(tasks, latents, missing, strict=True)
            ]

    def _written(self, meter: ProgressMeter) -> Iterator[_Coded]:
        """Tiles that are in the file, in order."""
        for finished in self.workers.ordered(self._code, chunks(self._tasks(), self.workers.share.batch)):
            for tile in finished:
                if tile.analysed is not None:
                    self.reader.keep(tile.analysed)
                for unit in tile.units:
                    self.writer.add(
                        unit.payload, dither=unit.dither, phi_hash=unit.phi_hash, y_hash=unit.y_hash
                    )
                meter.advance(1)
                yield tile

    # ------------------------------------------------------------------ preview

    def _ready(self, tiles: Iterator[_Coded]) -> Iterator[ReadyTile]:
        """Tiles that others complete."""
        mosaic = LatentMosaic(self.plan.tiles)
        for tile in tiles:
            for index in mosaic.put(tile.index, tile.rounded):
                yield self.synthesis.ready(mosaic, self.plan.tiles, index)

    def _originals(self, tiles: Iterator[ReadyTile]) -> Iterator[list[tuple[ReadyTile, Samples]]]:
        """Batches of tiles with the pixels that they are compared with."""
        return chunks(
            ((tile, self.plan.source.read(tile.window)) for tile in tiles), self.workers.share.batch
        )

    def _preview(self, batch: Sequence[tuple[ReadyTile, Samples]]) -> list[_Reconstructed]:
        """Pixels and errors of tiles, on a worker."""
        with self._counted("preview"):
            found = self.synthesis.pixels([tile for tile, _ in batch], self.workers.check)
            out = []
            for (tile, original), pixels in zip(batch, found, strict=True):
                errors = ErrorAccumulator(self.plan.header.bands)
                errors.add(original.pixels, pixels, valid_samples(original))
                shown = restore_nodata(pixels, original.valid, original.missing, self.plan.source.info)
                samples = Samples(shown, original.valid, original.alpha, original.missing)
                out.append(_Reconstructed(tile, samples, errors))
            return out

    def _show(self, tile: _Reconstructed) -> None:
        self.differences.merge(tile.errors)
        if self.on_tile is not None:
            error, count = tile.errors.squared_error, tile.errors.count
            window = tile.tile.window
            self.on_tile(TileResult(window, tile.samples, self.writer.payload_bytes, error, count))

    # ------------------------------------------------------------------ the rest of the file

    def metadata(self) -> None:
        """Writing of the metadata blocks: everything but the pixels, and what the plan adds."""
        for tag, data in {**self.reader.blocks(self.writer.payload_bytes), **self.plan.extra}.items():
            self.writer.add_block(tag, data)

    def errors(self) -> ErrorFigures | None:
        """Errors of everything reconstructed so far; None if nothing was valid."""
        try:
            spans = [entry.scale for entry in mapping_of(self.plan.header)]
            return self.differences.figures(spans, self.plan.header.dtype)
        except MetricUnavailable:
            return None
