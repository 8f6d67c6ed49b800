"""Jobs that bring other pictures of the scene: what other files hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from typing_extensions import Never

from fdegc.control import ProgressMeter
from fdegc.errors import UnsupportedRaster
from fdegc.raster_info import RasterInfo, Window
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.guests import Arrival, part_psnr
from fdegc_gui.jobs.peaks import peak_and_offset
from fdegc_gui.jobs.render import render
from fdegc_gui.jobs.sample_writer import SampleWriter, stored
from fdegc_gui.models.display import Rendering
from fdegc_gui.models.guest import Guest, why_unlike

#: Rows that are read at a time.
_STRIP = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ReadFile(Job[Any, Never]):
    """Reading of another file that shows the scene.

    Attributes
    ----------
    path : Path
    scene : Path or None
        The original; None if there is none.
    info : RasterInfo
        Of the scene.
    folder : Path
        Of the samples.
    rendering : Rendering
    """

    path: Path
    scene: Path | None
    info: RasterInfo
    folder: Path
    rendering: Rendering

    foreground: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        """Kind by file: each is a request of its own."""
        return f"read-{self.folder.name}"

    def _check(self, info: RasterInfo) -> None:
        why = why_unlike(self.info, info, self.path.name)
        if why:
            raise UnsupportedRaster(why)

    def _arrival(
        self, guest: Guest, other: RasterInfo, context: Context[Never], fill: Callable[[SampleWriter], None]
    ) -> Arrival:
        """Guest whose samples ``fill`` has stored, with its picture and its PSNR."""
        with stored(self.folder, self.info) as writer:
            fill(writer)
            store = writer.finish()
            psnr = None
            if self.scene is not None:
                source = context.rasters.get(self.scene).source
                whole = Window(0, 0, self.info.width, self.info.height)
                psnr = part_psnr(source, store, whole, peak_and_offset(source, context.cancel)[0], context)
            pyramid = render(store, self.rendering, context.cancel)
        note = ""
        if not _same_place(self.info, other):
            note = f"“{self.path.name}” says that it lies elsewhere; pixels are compared one by one."
        return Arrival(replace(guest, psnr=psnr, note=note), store, pyramid)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadRaster(_ReadFile):
    """Reading of a raster that shows the scene; None if the file is a ``.fdegc``, which takes the engine."""

    def run(self, context: Context[Never]) -> Arrival | None:
        from fdegc.format import is_stream
        from fdegc.raster import open_raster

        if self.path.is_dir() or not self.path.exists():
            raise UnsupportedRaster(f"There is no file “{self.path}”.")
        if is_stream(self.path):
            return None
        source = open_raster(self.path, alpha="auto")
        try:
            self._check(source.info)

            def fill(writer: SampleWriter) -> None:
                meter = ProgressMeter("read", self.info.pixels, context.progress)
                for y in range(0, self.info.height, _STRIP):
                    context.cancel.check()
                    window = Window(0, y, self.info.width, min(_STRIP, self.info.height - y))
                    writer.write(window, source.read(window))
                    meter.advance(window.pixels)

            guest = Guest(
                self.path.name,
                "",
                f"{source.info.format} file “{self.path}”.",
                self.path.stat().st_size,
                path=self.path,
            )
            return self._arrival(guest, source.info, context, fill)
        finally:
            source.close()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadStream(_ReadFile):
    """Decoding of a ``.fdegc`` file that shows the scene.

    Attributes
    ----------
    device : str
    """

    device: str

    priority: ClassVar[int] = 5

    def run(self, context: Context[Never]) -> Arrival:
        from fdegc.format.info import read_info
        from fdegc.raster.palettes import coloured, coloured_info, info_table

        stream = read_info(self.path)
        shown, table = coloured_info(stream.raster), info_table(stream.raster)
        self._check(shown)
        codec = context.engine.codec(self.device)
        seconds, damaged = 0.0, 0

        def fill(writer: SampleWriter) -> None:
            nonlocal seconds, damaged
            decoded = codec.decode(
                self.path,
                on_progress=context.progress,
                on_tile=lambda tile: writer.write(tile.window, coloured(tile.samples, table)),
                cancel=context.cancel,
            )
            seconds, damaged = decoded.seconds, len(decoded.damaged)

        facts = f"“{self.path}”, quality {stream.quality:g}" + (
            f", profile {stream.profile}." if stream.profile else "."
        )
        try:
            guest = Guest(self.path.name, "", facts, stream.bytes, path=self.path)
            arrival = self._arrival(guest, shown, context, fill)
        finally:
            context.rasters.release()
        guest = replace(arrival.guest, decode_seconds=seconds)
        if damaged:
            words = f"{damaged} of its tiles {'are' if damaged > 1 else 'is'} damaged."
            guest = replace(guest, note=f"{words} {guest.note}".strip())
        return replace(arrival, guest=guest)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReopenRaster(ReadRaster):
    """Reading of a raster that was open beside the scene before; nobody waits for it."""

    foreground: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReopenStream(ReadStream):
    """Decoding of a ``.fdegc`` that was open beside the scene before; it makes way for what is asked for."""

    priority: ClassVar[int] = 1
    foreground: ClassVar[bool] = False
    preemptible: ClassVar[bool] = True


def _same_place(info: RasterInfo, other: RasterInfo) -> bool:
    """Whether two rasters lie in the same place, as far as both say where."""
    if info.transform is None or other.transform is None:
        return True
    return bool(np.allclose(info.transform, other.transform, rtol=1e-9, atol=1e-9))
