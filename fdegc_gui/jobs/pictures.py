"""Jobs of the picture lane: samples → what the panes paint, anew whenever the display changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.reduction import Reducible, aligned, chunks
from fdegc_gui.jobs.render import paint, render
from fdegc_gui.jobs.store import Reconstruction
from fdegc_gui.models.display import Rendering
from fdegc_gui.models.pyramid import Bgra, Patch, Pyramid

#: Longest side of the quick picture that goes before a whole one.
_QUICK_SIDE = 1024


@dataclass(frozen=True, eq=False)
class PaintedTile:
    """A part of a result's picture.

    Attributes
    ----------
    window : Window
    bgra : ndarray of uint8, shape (height, width, 4)
    transparent : bool
        Whether any pixel is.
    rendering : Rendering
    """

    window: Window
    bgra: Bgra
    transparent: bool
    rendering: Rendering


def painted_tile(window: Window, samples: Samples, info: RasterInfo, rendering: Rendering) -> PaintedTile:
    """Render one tile."""
    bgra = paint(samples, info, rendering)
    return PaintedTile(window, bgra, bool(bgra[..., 3].min() < 255), rendering)


@dataclass(frozen=True, eq=False)
class PaintReduced(Job):
    """Render samples that are in memory: the whole original, reduced."""

    info: RasterInfo | None = None
    samples: Samples | None = None
    rendering: Rendering | None = None

    kind: ClassVar[str] = "reduced"
    priority: ClassVar[int] = 9

    def run(self, context: Context) -> Pyramid:
        assert self.info is not None and self.samples is not None and self.rendering is not None
        return reduced_picture(self.info, self.samples, self.rendering)


def reduced_picture(info: RasterInfo, samples: Samples, rendering: Rendering) -> Pyramid:
    """Render reduced samples of a whole scene, to be stretched over it."""
    pyramid = Pyramid.from_overview(info.width, info.height, paint(samples, info, rendering))
    pyramid.rendering = rendering
    return pyramid


@dataclass(frozen=True, eq=False)
class PaintPatch(Job):
    """Render a part of the original or of a finished reconstruction as finely as it is shown.

    Attributes
    ----------
    which : str
        ``original`` or ``result``.
    path : Path
        The original's.
    store : Reconstruction or None
        The result's.
    window : Window
    factor : int
        Pixels of the scene for one of the picture.
    key : int
        Of the result.
    """

    which: str = "original"
    path: Path = Path()
    store: Reconstruction | None = None
    window: Window | None = None
    factor: int = 1
    rendering: Rendering | None = None
    key: int = 0

    priority: ClassVar[int] = 8

    @property
    def kind(self) -> str:  # type: ignore[override]
        """One pending request a pane."""
        return f"patch-{self.which}"

    def run(self, context: Context) -> Patch:
        assert self.rendering is not None and self.window is not None
        source: Reducible = self.store if self.store is not None else context.rasters.get(self.path).source
        info = source.info
        window = aligned(self.window, self.factor, info.width, info.height)
        rows = []
        for _, samples in chunks(source, window, self.factor):
            context.cancel.check()
            rows.append(paint(samples, info, self.rendering))
        bgra = rows[0] if len(rows) == 1 else np.concatenate(rows)
        return Patch(window, self.factor, bgra, self.rendering, self.key)


@dataclass(frozen=True, eq=False)
class PaintTiles(Job):
    """Render finished tiles of a running result anew."""

    result: int = 0
    store: Reconstruction | None = None
    windows: tuple[Window, ...] = ()
    rendering: Rendering | None = None

    priority: ClassVar[int] = 6

    @property
    def kind(self) -> str:  # type: ignore[override]
        """One pending request a result."""
        return f"tiles-{self.result}"

    def run(self, context: Context) -> None:
        assert self.store is not None and self.rendering is not None
        for window in self.windows:
            context.cancel.check()
            samples = self.store.read(window)
            context.partial(painted_tile(window, samples, self.store.info, self.rendering))


@dataclass(frozen=True, eq=False)
class PaintResult(Job):
    """Render a finished reconstruction anew: a quick picture first, handed over as a part, then the whole."""

    result: int = 0
    store: Reconstruction | None = None
    rendering: Rendering | None = None

    priority: ClassVar[int] = 2
    preemptible: ClassVar[bool] = True

    @property
    def kind(self) -> str:  # type: ignore[override]
        """One pending request a result."""
        return f"result-{self.result}"

    def run(self, context: Context) -> Pyramid:
        assert self.store is not None and self.rendering is not None
        info = self.store.info
        step = -(-max(info.width, info.height) // _QUICK_SIDE)
        if step > 1:
            context.partial(reduced_picture(info, self.store.read_every(step), self.rendering))
        return render(self.store, self.rendering, context.cancel)


@dataclass(frozen=True, eq=False)
class CloseFiles(Job):
    """Let go of the files that this lane has open."""

    kind: ClassVar[str] = "close"

    def run(self, context: Context) -> None:
        context.rasters.release()
