"""Peak values of a scene, for its PSNR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Never

from fdegc.control import CancelToken
from fdegc.format import is_stream
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.base import Context, Job

if TYPE_CHECKING:
    from fdegc.raster import RasterSource

#: Pixels that are read between two looks at the cancel token.
_PIECE = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FindPeak(Job[float, Never]):
    """Peak value for PSNR in source units; it takes reading all of the original."""

    path: Path

    preemptible: ClassVar[bool] = True

    def run(self, context: Context[Never]) -> float:
        source = context.rasters.get(self.path).source
        return peak_and_offset(source, context.cancel)[0]


class Cancellable:
    """Raster source that can be interrupted while something reads all of it."""

    def __init__(self, source: RasterSource, cancel: CancelToken) -> None:
        self.info = source.info
        self._source, self._cancel = source, cancel

    def scan(self) -> Iterator[Window]:
        block = self._source.block_shape[0]
        for window in self._source.scan():
            rows = max(1, _PIECE // (window.width * block)) * block
            y, bottom = window.y, window.y + window.height
            while y < bottom:
                stop = min(bottom, (y // rows + 1) * rows)  # at the end of a block
                yield Window(window.x, y, window.width, stop - y)
                y = stop

    def read(self, window: Window) -> Samples:
        self._cancel.check()
        return self._source.read(window)


def quick_peak(info: RasterInfo) -> float | None:
    """Peak value for PSNR where no look at the samples is needed."""
    return 255.0 if info.dtype == "uint8" else None


def peak_and_offset(source: RasterSource, cancel: CancelToken) -> tuple[float, tuple[float, ...]]:
    """Peak value for PSNR and each band's value of black, as the codec maps the samples."""
    info = source.info
    if info.dtype == "uint8":
        return 255.0, (0.0,) * info.bands
    from fdegc.raster import peak_value, plan_mapping

    # It takes no more of a source than this has.
    mapping = plan_mapping(Cancellable(source, cancel))  # type: ignore[arg-type]
    return peak_value(mapping), tuple(band.offset for band in mapping)


def peak_and_offset_of(path: Path, context: Context[Any]) -> tuple[float, tuple[float, ...]]:
    """Peak value for PSNR and each band's value of black, of a scene's file of any kind."""
    if not is_stream(path):
        return peak_and_offset(context.rasters.get(path).source, context.cancel)
    from fdegc.format.info import read_info
    from fdegc.raster import peak_value

    mapping = read_info(path).mapping
    return peak_value(mapping), tuple(band.offset for band in mapping)
