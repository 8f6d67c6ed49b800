"""Jobs of the export lane: files that the user keeps; each appears whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import Never

from fdegc.atomic import whole
from fdegc.control import CancelToken, ProgressMeter
from fdegc.errors import OutputFailed
from fdegc.options import KINDS
from fdegc.raster_info import Window
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.models.result import Saved, SavedKind
from fdegc_gui.models.sample_store import INDICES, SampleStore

_CHUNK = 4 * 2**20
_STRIP = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Export(Job[Saved, Never]):
    """Writing of a file where the user wants it.  Overwriting was confirmed before."""

    target: Path

    priority: ClassVar[int] = 4
    foreground: ClassVar[bool] = True
    saves: ClassVar[SavedKind]

    @property
    def kind(self) -> str:
        """Kind by target: only an export to the same file is superseded."""
        return f"export-{self.target}"

    def _saved(self, lost: str = "") -> Saved:
        return Saved(self.target, self.target.stat().st_size, self.saves, lost)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportStream(Export):
    """Copy of a compressed file."""

    source: Path

    saves: ClassVar[SavedKind] = SavedKind.STREAM

    def run(self, context: Context[Never]) -> Saved:
        try:
            if self.target.exists() and self.target.samefile(self.source):
                return self._saved()
            _copy(self.source, self.target, context.cancel)
        except OSError as error:
            raise OutputFailed(
                f"“{self.target.name}” could not be written to “{self.target.parent}”: "
                f"{error.strerror or error}. "
                "Check that the folder exists, is writable and has room, or choose another."
            ) from error
        return self._saved()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportReconstruction(Export):
    """Reconstruction as a raster file.

    Attributes
    ----------
    store : SampleStore
        One of colours may have the indices of a palette beside them, which are written then.
    stream : Path or None
        The compressed file, which knows the palette.
    format : str
        One of :data:`~fdegc.options.KINDS`, which the target's suffix fits.
    """

    store: SampleStore
    stream: Path | None = None
    format: str

    saves: ClassVar[SavedKind] = SavedKind.IMAGE

    def run(self, context: Context[Never]) -> Saved:
        from fdegc.raster import open_sink

        store = self._kept()
        info = store.info
        meter = ProgressMeter("export", info.pixels, context.progress)
        with open_sink(self.target, info, overwrite=True, kind=self.format, cancel=context.cancel) as sink:
            for y in range(0, info.height, _STRIP):
                context.cancel.check()
                window = Window(0, y, info.width, min(_STRIP, info.height - y))
                sink.write(window, store.read(window))
                meter.advance(window.pixels)
        return self._saved(_lost(self.format, sink.unsupported_metadata))

    def _kept(self) -> SampleStore:
        """Samples as they were coded: indices where there is a palette."""
        from fdegc.format.info import read_info

        folder = self.store.folder / INDICES
        if self.stream is None or not folder.is_dir():
            return self.store
        return SampleStore(folder, read_info(self.stream).raster)


def _lost(kind: str, metadata: tuple[str, ...]) -> str:
    """Sentence about metadata that a kind of file cannot hold, as the command line says it."""
    if not metadata:
        return ""
    return f"{KINDS[kind][1]} cannot hold: {', '.join(metadata)}."


def _copy(source: Path, target: Path, cancel: CancelToken) -> None:
    """Atomic copy of a file: a reader of the target never sees half of it."""
    with source.open("rb") as data, whole(target) as out:
        while chunk := data.read(_CHUNK):
            cancel.check()
            out.write(chunk)
