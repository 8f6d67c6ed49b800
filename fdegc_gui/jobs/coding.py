"""Jobs of the engine lane: load, compress, estimate, measure."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import Never

from fdegc.errors import MetricUnavailable
from fdegc.options import SLOW_METRICS, EncodeOptions, ValueRange
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import EncodeResult, Estimate, MetricSet, TileResult
from fdegc.types import RasterStatistics
from fdegc_gui.jobs.base import Answer, Context, Job
from fdegc_gui.jobs.engine import spared
from fdegc_gui.jobs.kept import keep_metrics, keep_result
from fdegc_gui.jobs.kept_guests import keep_guest_metrics
from fdegc_gui.jobs.peaks import peak_and_offset
from fdegc_gui.jobs.pictures import PaintedTile, painted_tile
from fdegc_gui.jobs.sample_writer import SampleWriter, stored
from fdegc_gui.models.display import Display, Rendering, resolve
from fdegc_gui.models.sample_store import INDICES, SampleStore
from fdegc_gui.models.way import NETWORK_SWITCH

if TYPE_CHECKING:
    from fdegc.raster.palettes import Table

log = logging.getLogger(__name__)

#: Seconds in which the window tells that a compression has begun before it takes all cores.
_TELL = 0.05
#: Metrics that need the whole scene are computed up to this size.
MEASURE_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class EngineReady:
    """Loaded engine: the device's id as asked for, its label, and what else there is."""

    device: str
    label: str
    devices: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class TileFigures:
    """Figures that come with a tile: bytes of all so far, its squared error, its samples."""

    bytes_so_far: int
    squared_error: float | None
    sample_count: int


@dataclass(frozen=True, slots=True, eq=False)
class CodedTile:
    """Finished tile as the canvas draws it, with its figures.

    Attributes
    ----------
    painted : PaintedTile
    figures : TileFigures
    statistics : RasterStatistics or None
        Ranges of its bands, if it is the one that told how to show all.
    """

    painted: PaintedTile
    figures: TileFigures
    statistics: RasterStatistics | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadEngine(Job[EngineReady, Never]):
    """Loading of the engine: torch, the weights, the list of devices."""

    device: str

    priority: ClassVar[int] = 10

    def run(self, context: Context[Never]) -> EngineReady:
        codec = context.engine.codec(self.device)
        return EngineReady(self.device, codec.device_label, tuple(context.engine.engine.devices()))


class TileTap:
    """Tap on the coded tiles: stores each and hands its picture on; called on the lane's thread.

    Parameters
    ----------
    context : Context
    info : RasterInfo
    writer : SampleWriter
    indices : SampleWriter or None
        Of what the tiles are before they become colours, where they do.
    display : Display
        For where ``rendering`` is None.
    rendering : Rendering or None
        How to show the tiles; None to choose after the first tile.
    compiled : callable
        To be called when the first tile is there: by then everything is compiled.
    table : ndarray or None
        What indices stand for, where tiles are those.
    """

    def __init__(
        self,
        context: Context[CodedTile],
        info: RasterInfo,
        writer: SampleWriter,
        indices: SampleWriter | None,
        display: Display,
        rendering: Rendering | None,
        compiled: Callable[[], None],
        table: Table | None,
    ) -> None:
        self._table = table
        self._context, self._info, self._writer, self._indices = context, info, writer, indices
        self._display, self._rendering = display, rendering
        self._compiled = compiled

    def __call__(self, tile: TileResult) -> None:
        from fdegc.raster.palettes import coloured

        self._compiled()
        if self._indices is not None:
            self._indices.write(tile.window, tile.samples)
        tile = dataclasses.replace(tile, samples=coloured(tile.samples, self._table))
        self._writer.write(tile.window, tile.samples)
        statistics = None
        if self._rendering is None:  # a .fdegc file: its first tile has to do
            from fdegc.raster import raster_statistics

            statistics = raster_statistics(tile.samples)
            self._rendering = resolve(self._display, self._info.dtype, statistics)
        painted = painted_tile(tile.window, tile.samples, self._info, self._rendering)
        figures = TileFigures(tile.bytes_so_far, tile.squared_error, tile.sample_count)
        self._context.part(CodedTile(painted, figures, statistics))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TileWork(Job[Answer, CodedTile]):
    """Compression or decoding whose tiles are shown as they come.

    Attributes
    ----------
    path : Path
    device : str
    folder : Path
        Of the reconstruction's samples, as far as they have come.
    display : Display
        For where ``rendering`` is None.
    rendering : Rendering or None
        How to show the tiles; None to choose after the first one.
    """

    path: Path
    device: str
    folder: Path
    display: Display
    rendering: Rendering | None

    priority: ClassVar[int] = 5
    foreground: ClassVar[bool] = True

    @contextlib.contextmanager
    def tapped(self, context: Context[CodedTile], info: RasterInfo) -> Iterator[tuple[SampleWriter, TileTap]]:
        """Context of work whose tiles are stored and shown; those of indices as their colours."""
        from fdegc.raster.palettes import coloured_info, info_table

        shown, table = coloured_info(info), info_table(info)
        with stored(self.folder, shown) as writer, spared(self.kind) as compiled:
            # Beside the colours that are shown, so that what is exported keeps the palette.
            indices = None if table is None else SampleWriter(self.folder / INDICES, info)
            yield (
                writer,
                TileTap(context, shown, writer, indices, self.display, self.rendering, compiled, table),
            )
            if indices is not None:
                indices.finish()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compress(TileWork[EncodeResult]):
    """Compression of a scene in one way, reconstructed tile by tile.

    One that is cancelled leaves what is finished beside its file; the next one goes on from there.

    Attributes
    ----------
    key : int
        Of the result.
    options : EncodeOptions
    out : Path
        The compressed file.
    keeps : bool
        Whether the result is recorded, to be found when the scene is opened again.
    replaces : Path or None
        Folder of the samples of an earlier result, which is of no use afterwards.
    """

    key: int
    options: EncodeOptions
    out: Path
    keeps: bool = False
    replaces: Path | None = None

    @property
    def kind(self) -> str:
        """Kind by key and quality: several can wait, each once."""
        return f"Compress-{self.key}-{self.options.quality}-{self.options.max_error}"

    def run(self, context: Context[CodedTile]) -> EncodeResult:
        from fdegc.raster import open_raster
        from fdegc.raster.classes import palette_way, settle

        codec = context.engine.codec(self.device)
        time.sleep(_TELL)
        context.cancel.check()
        source = open_raster(self.path, alpha="auto", palette=palette_way(self.options))
        try:
            options, unasked = settle(source, self.options, NETWORK_SWITCH)
            with self.tapped(context, source.info) as (writer, tap):
                encode = codec.encode(
                    source,
                    self.out,
                    options,
                    reconstruct=True,
                    resume=True,
                    on_progress=context.progress,
                    on_tile=tap,
                    cancel=context.cancel,
                    overwrite=True,
                )
                store = writer.finish()
                if options.ranges:
                    encode = as_of_all(encode, peak_and_offset(source, context.cancel)[0])
                encode = dataclasses.replace(encode, advice=(unasked, *encode.advice)) if unasked else encode
                self._keep(encode, store)
                return encode
        finally:
            source.close()

    def _keep(self, encode: EncodeResult, store: SampleStore) -> None:
        if self.keeps:
            try:
                keep_result(self.key, encode, store)
            except OSError as error:  # the result is there all the same
                log.warning("the result will not be found again: %s", error)
        if self.replaces is not None:
            shutil.rmtree(self.replaces, ignore_errors=True)


def as_of_all(encode: EncodeResult, peak: float) -> EncodeResult:
    """Result whose PSNR is against a peak in place of its own range: a narrower one has a lower PSNR.

    It stands beside others of the scene, in a table and a plot; its errors stay as the codec gave them.
    """
    if encode.errors is None:
        return encode
    rmse = encode.errors.rmse
    return dataclasses.replace(encode, psnr=20 * math.log10(peak / rmse) if rmse else math.inf)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EstimateRates(Job[Mapping[int, Estimate], Never]):
    """Refined estimates of all rate points, from trying parts of the scene.

    Attributes
    ----------
    path : Path
    device : str
    ranges : tuple of ValueRange
        Values that are kept.
    """

    path: Path
    device: str
    ranges: tuple[ValueRange, ...] = ()

    preemptible: ClassVar[bool] = True

    def run(self, context: Context[Never]) -> Mapping[int, Estimate]:
        from fdegc.raster import open_raster

        codec = context.engine.codec(self.device)
        context.cancel.check()
        source = open_raster(self.path, alpha="auto")
        try:
            return dict(codec.estimate_all(source, ranges=self.ranges, cancel=context.cancel))
        finally:
            source.close()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measure(Job[MetricSet, Never]):
    """Metrics that need the whole scene.

    Attributes
    ----------
    path : Path
    key : int
        Of the result.
    store : SampleStore
    allow_download : bool
    record : Path or None
        Folder of the result's record, where there is one.
    encode : EncodeResult or None
        The result, to be told from a later one of the same key; None for what another codec made.
    """

    path: Path
    key: int
    store: SampleStore
    allow_download: bool
    record: Path | None = None
    encode: EncodeResult | None = None

    preemptible: ClassVar[bool] = True
    priority: ClassVar[int] = 1
    foreground: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        """Kind by result: one pending request each, not one in all."""
        return f"Measure-{self.key}"

    def run(self, context: Context[Never]) -> MetricSet:
        from fdegc.raster import open_raster

        source = open_raster(self.path, alpha="auto")
        try:
            info = source.info
            if info.pixels > MEASURE_PIXELS:
                raise MetricUnavailable(
                    f"The scene has more than {MEASURE_PIXELS // 10**6} million pixels; "
                    "`fdegc metrics` computes this one in the background."
                )
            everything = Window(0, 0, info.width, info.height)
            reference, other = source.read(everything), self.store.read(everything)
            peak, offset = peak_and_offset(source, context.cancel)
        finally:
            source.close()
        context.cancel.check()
        result = context.engine.engine.measure(
            reference,
            other,
            info,
            peak,
            offset=offset,
            names=("psnr", *SLOW_METRICS),  # the first for the largest error, which comes along
            allow_download=self.allow_download,
            cancel=context.cancel,
        )
        if self.record is not None:
            try:
                if self.encode is not None:
                    keep_metrics(self.record, self.key, self.encode, result)
                else:
                    keep_guest_metrics(self.store, result)
            except OSError as error:  # they are there all the same
                log.warning("the metrics will not be found again: %s", error)
        return result
