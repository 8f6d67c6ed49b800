"""One compression in progress: tiles on their way through the workers, and what passes between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.codec.latents import LatentCoder, LatentStore
from fdegc.codec.mosaic import LatentMosaic
from fdegc.codec.network import FloatArray, Network
from fdegc.codec.tile_reader import AnalysedTile, Analysis, TileSamples
from fdegc.codec.tile_synthesis import ReadyTile, Reconstruction, restore_nodata
from fdegc.codec.workers import Workers, chunks
from fdegc.coding.unit import CodedUnit
from fdegc.control import ProgressMeter
from fdegc.errors import MetricUnavailable
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.format.writer import ContainerWriter
from fdegc.metrics import ErrorAccumulator
from fdegc.options import QUALITY_STEPS
from fdegc.raster import RasterSource
from fdegc.raster.mapping import valid_samples
from fdegc.results import ErrorFigures, TileResult
from fdegc.types import Samples

TileCallback = Callable[[TileResult], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """A tile to be coded: as it was read, or its latents if they were analysed before."""

    index: int
    read: TileSamples | None
    latents: list[FloatArray]


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
    """State of one compression.

    Parameters
    ----------
    network : Network
    source : RasterSource
    header : StreamHeader
    analysis : Analysis
        Of the source; it has read all tiles already if there are ``latents``.
    latents : LatentStore or None
        Of all tiles; None to analyse them on the way.
    writer : ContainerWriter
        May hold finished tiles of an interrupted run already.
    workers : Workers
    on_tile : callable or None
        Called on the thread that calls :meth:`run`.
    reconstruct : bool
        Whether to compute the decoder's pixels too; tiles that an earlier run finished are analysed again.

    """

    def __init__(
        self,
        network: Network,
        source: RasterSource,
        header: StreamHeader,
        analysis: Analysis,
        latents: LatentStore | None,
        writer: ContainerWriter,
        workers: Workers,
        on_tile: TileCallback | None,
        reconstruct: bool,
    ) -> None:
        self.source, self.header, self.analysis, self.stored = source, header, analysis, latents
        self.writer, self.workers, self.on_tile, self.reconstruct = writer, workers, on_tile, reconstruct
        self.plan = analysis.plan
        batch = workers.share.batch
        self.coder = LatentCoder(network, header.quality_steps / QUALITY_STEPS, batch)
        self.reconstruction = Reconstruction(network, header, batch)
        self.differences = ErrorAccumulator(header.bands)
        self._busy = {"coding": 0.0, "preview": 0.0}
        self._resumed = writer.units_done
        self._lock = threading.Lock()

    def run(self, meter: ProgressMeter) -> None:
        """Code all tiles, and reconstruct them if that is wanted.

        Parameters
        ----------
        meter : ProgressMeter
            Its total is the number of tiles, twice that with a preview.
        """
        tiles = self._written(meter)
        if not self.reconstruct:
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
        for index in range(len(self.plan)):
            if self.stored is not None:
                yield _Task(index, None, self.stored.latents(index))
            else:
                yield _Task(index, self.analysis.read(index), [])

    def _done(self, index: int) -> int:
        """Units of a tile that an earlier run has left in the file."""
        return min(max(self._resumed - index * self.header.groups, 0), self.header.groups)

    def _code(self, tasks: Sequence[_Task]) -> list[_Coded]:
        """Units of tiles, on a worker."""
        with self._counted("coding"):
            check, batch = self.workers.check, self.workers.share.batch
            # Where an earlier run got this far, only mask, overview and the like are needed.
            finished = all(self._done(task.index) == self.header.groups for task in tasks)
            read = [task.read for task in tasks if task.read is not None]
            wanted = self.reconstruct or not finished
            analysed = {
                tile.index: tile for tile in self.analysis.analyse(read, check, batch, latents=wanted)
            }
            latents = [analysed[t.index].latents if t.index in analysed else t.latents for t in tasks]
            missing = [own[self._done(task.index) :] for task, own in zip(tasks, latents, strict=True)]
            units = iter(self.coder.code([y for own in missing for y in own], check))
            return [
                _Coded(
                    task.index,
                    analysed.get(task.index),
                    [next(units) for _ in lacking],
                    [self.coder.rounded(y) for y in own] if self.reconstruct else [],
                )
                for task, own, lacking in zip(tasks, latents, missing, strict=True)
            ]

    def _written(self, meter: ProgressMeter) -> Iterator[_Coded]:
        """Tiles that are in the file, in order."""
        for finished in self.workers.ordered(self._code, chunks(self._tasks(), self.workers.share.batch)):
            for tile in finished:
                if tile.analysed is not None:
                    self.analysis.keep(tile.analysed)
                for unit in tile.units:
                    self.writer.add(
                        unit.payload, dither=unit.dither, phi_hash=unit.phi_hash, y_hash=unit.y_hash
                    )
                meter.advance(1)
                yield tile

    # ------------------------------------------------------------------ preview

    def _ready(self, tiles: Iterator[_Coded]) -> Iterator[ReadyTile]:
        """Tiles that others complete."""
        mosaic = LatentMosaic(self.plan)
        for tile in tiles:
            for index in mosaic.put(tile.index, tile.rounded):
                yield self.reconstruction.ready(mosaic, self.plan, index)

    def _originals(self, tiles: Iterator[ReadyTile]) -> Iterator[list[tuple[ReadyTile, Samples]]]:
        """Batches of tiles with the pixels that they are compared with."""
        return chunks(((tile, self.source.read(tile.window)) for tile in tiles), self.workers.share.batch)

    def _preview(self, batch: Sequence[tuple[ReadyTile, Samples]]) -> list[_Reconstructed]:
        """Pixels and errors of tiles, on a worker."""
        with self._counted("preview"):
            found = self.reconstruction.pixels([tile for tile, _ in batch], self.workers.check)
            out = []
            for (tile, original), pixels in zip(batch, found, strict=True):
                errors = ErrorAccumulator(self.header.bands)
                errors.add(original.pixels, pixels, valid_samples(original))
                shown = restore_nodata(pixels, original.valid, original.missing, self.source.info)
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

    def metadata(self, extra: Mapping[bytes, bytes]) -> None:
        """Add the blocks that describe everything but the pixels, and ``extra`` ones."""
        for tag, data in {**self.analysis.blocks(self.writer.payload_bytes), **extra}.items():
            self.writer.add_block(tag, data)

    def errors(self) -> ErrorFigures | None:
        """Errors of everything reconstructed so far; None if nothing was valid."""
        try:
            spans = [entry.scale for entry in mapping_of(self.header)]
            return self.differences.figures(spans, self.header.dtype)
        except MetricUnavailable:
            return None
