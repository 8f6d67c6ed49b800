"""Opening scenes: a first picture at once, the full one after it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fdegc.errors import CorruptStream, FdegcError, UnsupportedRaster
from fdegc.types import Estimate, RasterInfo
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.render import render
from fdegc_gui.models.pyramid import Pyramid, premultiplied_bgra
from fdegc_gui.models.session import Scene

if TYPE_CHECKING:
    from fdegc.container import ContainerReader
    from fdegc.raster import RasterSource

log = logging.getLogger(__name__)

#: Longest side of the first picture.
FIRST_LOOK_SIDE = 1536
STREAM_SUFFIX = ".fdegc"


@dataclass(frozen=True, eq=False)
class Opened:
    """An opened file and its first picture; None for a ``.fdegc`` file that carries no overview."""

    scene: Scene
    first_look: Pyramid | None
    estimates: Mapping[int, Estimate]


@dataclass(frozen=True, eq=False)
class OpenScene(Job):
    """Open a file of any kind and make its first picture."""

    path: Path = Path()

    kind: ClassVar[str] = "open"
    priority: ClassVar[int] = 10

    def run(self, context: Context) -> Opened:
        if not self.path.exists():
            raise UnsupportedRaster(f"There is no file {self.path}. It may have been moved or renamed.")
        if self.path.is_dir():
            raise UnsupportedRaster(f"{self.path} is a folder. Choose an image in it.")
        if is_stream(self.path):
            return self._open_stream()
        return self._open_raster(context)

    def _open_stream(self) -> Opened:
        from fdegc.container import ContainerReader
        from fdegc.stream import describe

        with ContainerReader(self.path) as reader:
            stream = describe(reader)
            first = _overview(reader)
        scene = Scene(self.scene, self.path, stream.raster, stream, file_bytes=stream.bytes)
        return Opened(scene, first, {})

    def _open_raster(self, context: Context) -> Opened:
        from fdegc.raster import open_raster
        from fdegc.raster.display import display_limits, to_rgb8

        source = open_raster(self.path)
        try:
            overview = source.read_overview(FIRST_LOOK_SIDE)
            context.cancel.check()
            info = source.info
            limits = (
                None if info.dtype == "uint8" else display_limits(overview)
            )  # 8 bits are shown as they are
            bgra = premultiplied_bgra(to_rgb8(overview, info, limits))
        finally:
            source.close()
        first = Pyramid.from_overview(info.width, info.height, bgra)
        scene = Scene(self.scene, self.path, info, None, limits, self.path.stat().st_size, quick_peak(info))
        return Opened(scene, first, _quick_estimates(info))


def _overview(reader: ContainerReader) -> Pyramid | None:
    """Picture that a ``.fdegc`` file carries; it needs no network."""
    from fdegc.overview import read_overview

    try:
        picture = read_overview(reader)
    except CorruptStream as error:  # the tiles are the same without it
        log.warning("no overview: %s", error)
        return None
    if picture is None:
        return None
    rgba = np.full((*picture.shape[:2], 4), 255, np.uint8)
    rgba[..., :3] = picture if picture.ndim == 3 else picture[..., None]
    return Pyramid.from_overview(reader.header.width, reader.header.height, premultiplied_bgra(rgba))


@dataclass(frozen=True, eq=False)
class Detail:
    """The whole original as it is displayed, and its peak for PSNR."""

    pyramid: Pyramid
    peak: float


@dataclass(frozen=True, eq=False)
class LoadDetail(Job):
    """Read the original at the finest resolution that is kept for display."""

    path: Path = Path()
    limits: object = None

    kind: ClassVar[str] = "detail"
    priority: ClassVar[int] = 5

    def run(self, context: Context) -> Detail:
        from fdegc.raster import open_raster

        source = open_raster(self.path)
        try:
            pyramid = render(source, self.limits, context.cancel)
            return Detail(pyramid, peak_and_offset(source)[0])
        finally:
            source.close()


def is_stream(path: Path) -> bool:
    """Whether a file is to be opened as ``.fdegc``: by its name, or by its first bytes."""
    if path.suffix.lower() == STREAM_SUFFIX:
        return True
    try:
        from fdegc.container import MAGIC

        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (ImportError, OSError):
        return False


def quick_peak(info: RasterInfo) -> float | None:
    """Return the peak for PSNR where no look at the samples is needed."""
    return 255.0 if info.dtype == "uint8" else None


def peak_and_offset(source: RasterSource) -> tuple[float, tuple[float, ...]]:
    """Return the peak for PSNR and each band's value of black, as the codec maps the samples."""
    info = source.info
    if info.dtype == "uint8":
        return 255.0, (0.0,) * info.bands
    from fdegc.raster import peak_value, plan_mapping

    mapping = plan_mapping(source)
    return float(peak_value(info.dtype, mapping)), tuple(band.offset for band in mapping)


def _quick_estimates(info: RasterInfo) -> dict[int, Estimate]:
    """Return estimates from the manifest's table; none if there are no weights to estimate for."""
    try:
        from fdegc.weights import quick_estimate

        return {rate: quick_estimate(info, float(rate)) for rate in range(1, 7)}
    except (FdegcError, ImportError) as error:
        log.warning("no quick estimate: %s", error)
        return {}
