"""Jobs of the engine lane: load, compress, decode, estimate, measure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from fdegc.errors import MetricUnavailable
from fdegc.options import EncodeOptions
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import DecodeResult, EncodeResult, Estimate, MetricSet, TileResult
from fdegc.types import RasterStatistics, Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.engine import spared
from fdegc_gui.jobs.pictures import PaintedTile, painted_tile
from fdegc_gui.jobs.scene import peak_and_offset
from fdegc_gui.jobs.store import Reconstruction, ReconstructionWriter
from fdegc_gui.models.display import Display, Rendering, resolve

#: Metrics that need the whole scene are computed up to this size.
MEASURE_PIXELS = 64_000_000
#: Side of the grid of samples that tells the display range of a decoded scene.
_STATISTICS_SIDE = 1536
SLOW_METRICS = ("ms_ssim", "vifp", "lpips")


@dataclass(frozen=True)
class EngineReady:
    """The engine is loaded: the device's id as asked for, its label, and what else there is."""

    device: str
    label: str
    devices: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class TileImage:
    """A finished tile as the canvas draws it, and the figures that came with it."""

    painted: PaintedTile
    bytes_so_far: int
    squared_error: float | None
    sample_count: int


@dataclass(frozen=True, eq=False)
class Compressed:
    """What :class:`Compress` gives."""

    encode: EncodeResult
    reconstruction: Reconstruction


@dataclass(frozen=True, eq=False)
class Decoded:
    """What :class:`Decode` gives."""

    decode: DecodeResult
    reconstruction: Reconstruction
    statistics: RasterStatistics


@dataclass(frozen=True, eq=False)
class LoadEngine(Job):
    """Import torch, load the weights, list the devices."""

    device: str = "auto"

    kind: ClassVar[str] = "load"
    priority: ClassVar[int] = 10

    def run(self, context: Context) -> EngineReady:
        codec = context.engine.codec(self.device)
        return EngineReady(self.device, codec.device_label, tuple(context.engine.engine.devices()))


class _TileTap:
    """Stores each tile and hands its picture on; called on the lane's thread.

    Parameters
    ----------
    context : Context
    info : RasterInfo
    writer : ReconstructionWriter
    display : Display
        For where ``rendering`` is None.
    rendering : Rendering or None
        How to show the tiles; None to choose after the first tile.
    compiled : callable
        To be called when the first tile is there: by then everything is compiled.
    """

    def __init__(
        self,
        context: Context,
        info: RasterInfo,
        writer: ReconstructionWriter,
        display: Display,
        rendering: Rendering | None,
        compiled: Callable[[], None],
    ) -> None:
        self._context, self._info, self._writer = context, info, writer
        self._display, self._rendering = display, rendering
        self._compiled = compiled

    def __call__(self, tile: TileResult) -> None:
        self._compiled()
        self._writer.write(tile.window, tile.samples)
        if self._rendering is None:  # a .fdegc file: its first tile has to do
            self._rendering = self._rendering_of(tile.samples)
        painted = painted_tile(tile.window, tile.samples, self._info, self._rendering)
        self._context.partial(TileImage(painted, tile.bytes_so_far, tile.squared_error, tile.sample_count))

    def _rendering_of(self, samples: Samples) -> Rendering:
        from fdegc.raster import raster_statistics

        statistics = raster_statistics(samples)
        self._context.partial(statistics)
        rendering = resolve(self._display, self._info.dtype, statistics)
        assert rendering is not None
        return rendering


@contextlib.contextmanager
def _reconstruction(folder: Path, info: RasterInfo) -> Iterator[ReconstructionWriter]:
    """Give a writer whose files go away if the work does not succeed."""
    writer = ReconstructionWriter(folder, info)
    try:
        yield writer
    except BaseException:
        writer.discard()
        raise


@dataclass(frozen=True, eq=False)
class Compress(Job):
    """Compress a scene at one rate point, reconstructing it tile by tile."""

    path: Path = Path()
    rate: int = 4
    options: EncodeOptions = field(default_factory=EncodeOptions)
    device: str = "auto"
    folder: Path = Path()
    display: Display | None = None
    rendering: Rendering | None = None

    kind: ClassVar[str] = "compress"
    priority: ClassVar[int] = 5

    @property
    def store_folder(self) -> Path:
        """Where the reconstruction's samples are, as far as they have come."""
        return self.folder / f"scene{self.scene}-rate{self.rate}"

    def run(self, context: Context) -> Compressed:
        from fdegc.raster import open_raster

        codec = context.engine.codec(self.device)
        context.cancel.check()
        source = open_raster(self.path)
        try:
            assert self.display is not None
            with _reconstruction(self.store_folder, source.info) as writer, spared(self.kind) as compiled:
                tap = _TileTap(context, source.info, writer, self.display, self.rendering, compiled)
                encode = codec.encode(
                    source,
                    self.folder / f"scene{self.scene}-rate{self.rate}.fdegc",
                    self.options,
                    reconstruct=True,
                    on_progress=context.progress,
                    on_tile=tap,
                    cancel=context.cancel,
                    overwrite=True,
                )
                return Compressed(encode, writer.finish())
        finally:
            source.close()


@dataclass(frozen=True, eq=False)
class Decode(Job):
    """Decode a ``.fdegc`` file."""

    path: Path = Path()
    info: RasterInfo | None = None
    device: str = "auto"
    folder: Path = Path()
    display: Display | None = None
    rendering: Rendering | None = None

    kind: ClassVar[str] = "decode"
    priority: ClassVar[int] = 5

    @property
    def store_folder(self) -> Path:
        """Where the reconstruction's samples are, as far as they have come."""
        return self.folder / f"scene{self.scene}-stream"

    def run(self, context: Context) -> Decoded:
        from fdegc.raster import raster_statistics

        assert self.info is not None and self.display is not None
        codec = context.engine.codec(self.device)
        context.cancel.check()
        with _reconstruction(self.store_folder, self.info) as writer, spared(self.kind) as compiled:
            tap = _TileTap(context, self.info, writer, self.display, self.rendering, compiled)
            decode = codec.decode(
                self.path,
                on_progress=context.progress,
                on_tile=tap,
                cancel=context.cancel,
            )
            reconstruction = writer.finish()
            step = -(-max(self.info.width, self.info.height) // _STATISTICS_SIDE)
            return Decoded(decode, reconstruction, raster_statistics(reconstruction.read_every(step)))


@dataclass(frozen=True, eq=False)
class EstimateRates(Job):
    """Refine the estimates of all rate points by trying parts of the scene."""

    path: Path = Path()
    device: str = "auto"

    kind: ClassVar[str] = "estimate"
    preemptible: ClassVar[bool] = True

    def run(self, context: Context) -> Mapping[int, Estimate]:
        from fdegc.raster import open_raster

        codec = context.engine.codec(self.device)
        context.cancel.check()
        source = open_raster(self.path)
        try:
            return dict(codec.estimate_all(source, cancel=context.cancel))
        finally:
            source.close()


@dataclass(frozen=True, eq=False)
class Measure(Job):
    """Compute the metrics that need the whole scene."""

    path: Path = Path()
    rate: int = 4
    reconstruction: Reconstruction | None = None
    allow_download: bool = False

    preemptible: ClassVar[bool] = True
    priority: ClassVar[int] = 1

    @property
    def kind(self) -> str:  # type: ignore[override]
        """One pending request a rate point, not one in all."""
        return f"measure-{self.rate}"

    def run(self, context: Context) -> MetricSet:
        from fdegc.raster import open_raster

        assert self.reconstruction is not None
        source = open_raster(self.path)
        try:
            info = source.info
            if info.pixels > MEASURE_PIXELS:
                raise MetricUnavailable(
                    f"The scene has more than {MEASURE_PIXELS // 10**6} million pixels; "
                    "`fdegc metrics` computes this one in the background."
                )
            everything = Window(0, 0, info.width, info.height)
            reference, other = source.read(everything), self.reconstruction.read(everything)
            peak, offset = peak_and_offset(source, context.cancel)
        finally:
            source.close()
        context.cancel.check()
        compute = context.engine.engine.measure
        if compute is None:
            from fdegc.metrics import compute
        result: MetricSet = compute(
            reference,
            other,
            info,
            peak,
            offset=offset,
            names=SLOW_METRICS,
            allow_download=self.allow_download,
            cancel=context.cancel,
        )
        return result
