"""Jobs of the picture lane: what the panes paint, anew whenever the display changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from typing_extensions import Never

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.reduction import Reducible, aligned, chunks
from fdegc_gui.jobs.render import paint, render
from fdegc_gui.models.display import Rendering
from fdegc_gui.models.pyramid import Bgra, Patch, Pyramid, reductions
from fdegc_gui.models.sample_store import SampleStore

#: Longest side of the quick picture that goes before a whole one.
_QUICK_SIDE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class PaintedTile:
    """Picture of a tile.

    Attributes
    ----------
    window : Window
    bgra : ndarray of uint8, shape (height, width, 4)
    transparent : bool
        Whether any pixel is.
    rendering : Rendering
    reduced : list of ndarray
        The same, halved again and again.
    """

    window: Window
    bgra: Bgra
    transparent: bool
    rendering: Rendering
    reduced: list[Bgra] = field(default_factory=list)


def painted_tile(window: Window, samples: Samples, info: RasterInfo, rendering: Rendering) -> PaintedTile:
    """Picture of one tile, rendered."""
    bgra = paint(samples, info, rendering)
    # Reduced here, since the thread that has the window must not take so long.
    return PaintedTile(window, bgra, bool(bgra[..., 3].min() < 255), rendering, reductions(bgra))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintReduced(Job[Pyramid, Never]):
    """Picture of the whole original from reduced samples in memory."""

    info: RasterInfo
    samples: Samples
    rendering: Rendering

    priority: ClassVar[int] = 9

    def run(self, context: Context[Never]) -> Pyramid:
        return reduced_picture(self.info, self.samples, self.rendering)


def reduced_picture(info: RasterInfo, samples: Samples, rendering: Rendering) -> Pyramid:
    """Picture of a whole scene's reduced samples, to be stretched over it."""
    pyramid = Pyramid.from_overview(info.width, info.height, paint(samples, info, rendering))
    pyramid.rendering = rendering
    return pyramid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintPatch(Job[Patch, Never]):
    """Picture of a part of the original or of a finished reconstruction, as fine as it is shown.

    Attributes
    ----------
    which : str
        ``original`` or ``result``.
    path : Path
        The original's.
    store : SampleStore or None
        The result's; None for the original.
    window : Window
    factor : int
        Pixels of the scene for one of the picture.
    rendering : Rendering
    key : int
        Of the result; 0 for the original.
    """

    which: str
    path: Path
    store: SampleStore | None
    window: Window
    factor: int
    rendering: Rendering
    key: int

    priority: ClassVar[int] = 8

    @property
    def kind(self) -> str:
        """Kind by pane: one pending request each."""
        return f"PaintPatch-{self.which}"

    def run(self, context: Context[Never]) -> Patch:
        source: Reducible = self.store if self.store is not None else context.rasters.get(self.path).source
        info = source.info
        window = aligned(self.window, self.factor, info.width, info.height)
        rows = []
        for _, samples in chunks(source, window, self.factor):
            context.cancel.check()
            rows.append(paint(samples, info, self.rendering))
        bgra = rows[0] if len(rows) == 1 else np.concatenate(rows)
        return Patch(window, self.factor, bgra, self.rendering, self.key)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintTiles(Job[None, PaintedTile]):
    """Pictures of finished tiles of a running result, anew, handed over one by one."""

    key: int
    store: SampleStore
    windows: tuple[Window, ...]
    rendering: Rendering

    priority: ClassVar[int] = 6

    @property
    def kind(self) -> str:
        """Kind by result: one pending request each."""
        return f"PaintTiles-{self.key}"

    def run(self, context: Context[PaintedTile]) -> None:
        for window in self.windows:
            context.cancel.check()
            samples = self.store.read(window)
            context.part(painted_tile(window, samples, self.store.info, self.rendering))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintResult(Job[Pyramid, Pyramid]):
    """Picture of a finished reconstruction, anew; a quick one goes before it as a part."""

    key: int
    store: SampleStore
    rendering: Rendering

    priority: ClassVar[int] = 2
    preemptible: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        """Kind by result: one pending request each."""
        return f"PaintResult-{self.key}"

    def run(self, context: Context[Pyramid]) -> Pyramid:
        info = self.store.info
        step = -(-max(info.width, info.height) // _QUICK_SIDE)
        if step > 1:
            context.part(reduced_picture(info, self.store.read_every(step), self.rendering))
        return render(self.store, self.rendering, context.cancel)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CloseFiles(Job[None, Never]):
    """Closing of the files that this lane has open."""

    def run(self, context: Context[Never]) -> None:
        context.rasters.release()
