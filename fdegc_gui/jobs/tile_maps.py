"""Job that finds a figure of every tile: bytes from the file's index, PSNR from the samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from typing_extensions import Never

from fdegc.control import ProgressMeter
from fdegc.errors import FdegcError, InvalidOption
from fdegc.options import EncodeOptions
from fdegc.raster_info import RasterInfo, Window
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.peaks import peak_and_offset
from fdegc_gui.jobs.sources import Origin, known_samples, open_origin
from fdegc_gui.models.tile_map import ByteShare, TileFigure, TileMap


def bytes_of_tiles(stream: Path, info: RasterInfo) -> TileMap:
    """Map of the bytes that every tile of a compressed file takes."""
    from fdegc.format.reader import ContainerReader

    with ContainerReader(stream) as reader:
        lengths = np.array([entry.length for entry in reader.entries], np.float64)
        sums = lengths.reshape(-1, reader.header.groups).sum(axis=1)
        return TileMap.of(TileFigure.BYTES, reader.header.tile_size, sums, info)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShareBytes(Job[ByteShare, Never]):
    """Share that a window has of a compressed file's bytes."""

    info: RasterInfo
    stream: Path
    window: Window

    priority: ClassVar[int] = 1  # it takes a few milliseconds

    def run(self, context: Context[Never]) -> ByteShare:
        return bytes_of_tiles(self.stream, self.info).share(self.window)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapTiles(Job[TileMap, Never]):
    """Figure of every tile of a result.

    Attributes
    ----------
    figure : TileFigure
    info : RasterInfo
        The scene's.
    stream : Path or None
        The compressed file.
    original : Path or None
        Of a ``.fdegc`` file there is none: then PSNR is what its encoder wrote into it.
    store : SampleStore or Path
        The reconstruction.
    peak : float or None
        For PSNR, in sample units; looked up if it is None.
    """

    figure: TileFigure
    info: RasterInfo
    stream: Path | None
    original: Path | None
    store: Origin
    peak: float | None

    # A region is smaller, and somebody has just drawn it.
    preemptible: ClassVar[bool] = True
    priority: ClassVar[int] = -1
    foreground: ClassVar[bool] = True

    def run(self, context: Context[Never]) -> TileMap:
        if self.figure is TileFigure.PSNR and self.original is not None:
            return self._measured(self.original, context)
        from fdegc.format.kinds import unpack_fidelity
        from fdegc.format.reader import ContainerReader

        if self.stream is None:
            raise InvalidOption("Only of a .fdegc file it is known where its bytes went.")
        if self.figure is TileFigure.BYTES:
            return bytes_of_tiles(self.stream, self.info)
        with ContainerReader(self.stream) as reader:
            groups, side = reader.header.groups, reader.header.tile_size
            stored = reader.entries.fidelities[::groups].tolist()
        levels = [math.nan if level is None else level for level in map(unpack_fidelity, stored)]
        if all(map(math.isnan, levels)):
            raise InvalidOption("This file does not say how well its tiles were kept.")
        return TileMap.of(self.figure, side, np.array(levels), self.info)

    def _measured(self, original: Path, context: Context[Never]) -> TileMap:
        from fdegc.metrics import ErrorAccumulator

        side = self._side()
        a, b = open_origin(original, context), open_origin(self.store, context)
        peak = self.peak
        if peak is None:
            peak = peak_and_offset(context.rasters.get(original).source, context.cancel)[0]
        meter = ProgressMeter("tiles", self.info.pixels, context.progress)
        count = math.ceil(self.info.width / side) * math.ceil(self.info.height / side)
        found = TileMap.of(self.figure, side, np.full(count, np.nan), self.info)
        for at in np.ndindex(found.values.shape):
            context.cancel.check()
            window = found.window(*at)
            first, second = a.read(window), b.read(window)
            errors = ErrorAccumulator(self.info.bands, angles=False)
            errors.add(first.pixels, second.pixels, known_samples(first, second, slice(None)))
            if errors.count:
                found.values[at] = errors.psnr(peak) if peak else math.inf
            meter.advance(window.pixels)
        return found

    def _side(self) -> int:
        """Side of the file's tiles; of a file that has none, that of our own."""
        from fdegc.format.reader import ContainerReader

        try:
            if self.stream is not None:
                with ContainerReader(self.stream) as reader:
                    return int(reader.header.tile_size)
        except FdegcError:
            pass  # it was made by another codec
        return EncodeOptions().tile_size
