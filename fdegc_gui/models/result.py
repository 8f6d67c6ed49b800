"""Result of a compression, a decoding or another codec: picture, samples, figures, how far they are."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from pathlib import Path

from fdegc.raster_info import Window
from fdegc.results import EncodeResult, MetricSet
from fdegc_gui.models.guest import Guest
from fdegc_gui.models.pyramid import Pyramid
from fdegc_gui.models.sample_store import SampleStore
from fdegc_gui.models.way import CUTS, Way, cut_of, effort_of, row_of, way_name


class State(enum.Enum):
    """State of a result."""

    RUNNING = enum.auto()
    DONE = enum.auto()


class MetricState(enum.Enum):
    """State of the metrics that need the whole scene."""

    NONE = enum.auto()
    WAITING = enum.auto()
    RUNNING = enum.auto()
    DONE = enum.auto()


class SavedKind(enum.Enum):
    """Kind of what was saved, of a result or of all."""

    STREAM = enum.auto()
    IMAGE = enum.auto()
    FIGURES = enum.auto()


@dataclass(frozen=True, slots=True)
class Saved:
    """File that the user has saved: its size, and in a sentence what it cannot hold, if anything."""

    path: Path
    bytes: int
    kind: SavedKind
    lost: str = ""


@dataclass(slots=True, eq=False)
class Result:
    """Result of the open scene, running or finished; changed on the GUI thread only.

    Attributes
    ----------
    key : int
        Of what was made here by row, effort and cut (:func:`~fdegc_gui.models.way.key_of`); ``STREAM`` of the
        decoding of a ``.fdegc`` file; of guests from ``FIRST_GUEST`` on.
    windows : list of Window
        Tiles that are in the picture.
    stale : set of Window
        Those of them that are to be rendered anew, because the user chose another display meanwhile.
    store : SampleStore
        Where the samples are, those of finished tiles at least.
    backdrop : Pyramid or None
        What is seen where tiles are missing.
    damaged : tuple of Window
        Tiles of a ``.fdegc`` file that could not be decoded.
    lost : tuple of str
        Metadata that damage took from it, in words.
    saved : list of Saved
        What the user has saved of it, the last one last.
    guest : Guest or None
        Where it came from, if it was not made here.
    asked : float or None
        Largest error that was asked for, 0 for none at all; None for what the quality gives.
    seconds : float
        For which it has been running.
    left : float or None
        Seconds that it will take yet, as far as it has come; None while that does not tell.
    """

    key: int
    quality: float
    pyramid: Pyramid
    store: SampleStore
    state: State = State.RUNNING
    tiles_done: int = 0
    tiles_total: int | None = None
    pixels_done: int = 0
    fraction: float = 0.0
    bytes: int = 0
    squared_error: float = 0.0
    sample_count: int = 0
    has_error: bool = False
    encode: EncodeResult | None = None
    decode_seconds: float | None = None
    stream_path: Path | None = None
    windows: list[Window] = field(default_factory=list)
    stale: set[Window] = field(default_factory=set)
    metrics: MetricSet | None = None
    metric_state: MetricState = MetricState.NONE
    backdrop: Pyramid | None = None
    damaged: tuple[Window, ...] = ()
    lost: tuple[str, ...] = ()
    saved: list[Saved] = field(default_factory=list)
    guest: Guest | None = None
    asked: float | None = None
    seconds: float = 0.0
    left: float | None = None

    @property
    def bound(self) -> float | None:
        """Largest error that it promises; None if it promises none."""
        return self.asked if self.encode is None else self.encode.max_error

    @property
    def effort(self) -> int:
        """Effort with which it was, or is being, compressed."""
        return effort_of(self.key) if self.guest is None else 0

    @property
    def cut(self) -> int:
        """Number of the cut with which it was, or is being, compressed."""
        return cut_of(self.key) if self.guest is None else 0

    @property
    def way(self) -> Way:
        """Way in which it was, or is being, compressed; it says nothing of guests."""
        row = row_of(self.key) if self.guest is None else 0
        return Way(row, self.quality, self.bound or 0.0, self.effort, CUTS[self.cut])

    @property
    def title(self) -> str:
        """Name of what made it."""
        if self.guest is not None:
            return self.guest.name
        return way_name(self.quality, self.bound, self.effort, CUTS[self.cut])

    @property
    def progress(self) -> str:
        """How many tiles the figures are of, while that is not all of them; empty for a finished result."""
        if self.state is State.DONE:
            return ""
        return (
            f"{self.tiles_done} of {self.tiles_total} tiles"
            if self.tiles_total
            else f"{self.tiles_done} tiles"
        )

    def covers(self, x: int, y: int) -> bool:
        """Whether a pixel has been reconstructed."""
        return self.state is State.DONE or any(
            w.x <= x < w.x + w.width and w.y <= y < w.y + w.height for w in self.windows
        )

    def live_psnr(self, peak: float | None) -> float | None:
        """PSNR in dB of what is finished so far, or None if there is no original."""
        if self.encode is not None:
            return self.encode.psnr
        if self.guest is not None:
            return self.guest.psnr
        if peak is None or not self.has_error or not self.sample_count:
            return None
        if self.squared_error == 0.0:
            return math.inf
        if not math.isfinite(self.squared_error):  # which is known when all is finished
            return None
        # A square of the peak may be none.
        return 20.0 * math.log10(peak) + 10.0 * math.log10(self.sample_count / self.squared_error)

    def bpp(self, pixels: int) -> float | None:
        """Bits per pixel: of the file when finished, of the finished pixels before."""
        if self.encode is not None:
            return self.encode.bpp
        if self.guest is not None and self.guest.bytes is None:
            return None
        coded = self.coded_pixels(pixels)
        return 8.0 * self.bytes / coded if coded else None

    def coded_pixels(self, pixels: int) -> float:
        """Number of pixels that ``bytes`` stands for; coding runs ahead of reconstruction."""
        if self.guest is not None and self.guest.window is not None:
            return self.guest.window.pixels
        return pixels if self.state is State.DONE else max(self.pixels_done, self.fraction * pixels)
