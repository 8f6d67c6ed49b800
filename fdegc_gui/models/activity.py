"""Activity: work that goes on, as the status line tells it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from fdegc.types import Progress
from fdegc_gui.text import time_left

#: Tiles that a bar may be ahead of the picture.
_AHEAD = 0.9


class ActivityState(enum.Enum):
    """State of an activity."""

    RUNNING = enum.auto()
    CANCELLING = enum.auto()


@dataclass(frozen=True, slots=True)
class Activity:
    """Work that goes on.

    Attributes
    ----------
    title : str
    rank : int
        The highest is shown.
    cancellable : bool
        Whether the user can cancel it.
    tiles_done, tiles_total : int or None
        Tiles that are in the picture, of how many.
    state : ActivityState
    fraction : float or None
        None while it cannot be told.
    remaining : float or None
        Seconds.
    """

    title: str
    rank: int
    cancellable: bool = False
    tiles_done: int = 0
    tiles_total: int | None = None
    state: ActivityState = ActivityState.RUNNING
    fraction: float | None = None
    remaining: float | None = None

    def at(self, progress: Progress) -> Activity:
        """Activity as far as it has come; unchanged while it is being cancelled."""
        if self.state is ActivityState.CANCELLING:
            return self
        return replace(self, fraction=progress.fraction, remaining=progress.remaining)

    def being_cancelled(self) -> Activity:
        """Activity as it is told after Cancel."""
        return replace(self, state=ActivityState.CANCELLING, fraction=None, remaining=None)

    @property
    def seen(self) -> float | None:
        """Part that is done as a bar shows it: coding runs ahead of the picture, the bar not by a tile."""
        if self.fraction is None or not self.tiles_total:
            return self.fraction
        return min(self.fraction, (self.tiles_done + _AHEAD) / self.tiles_total, 1.0)

    @property
    def words(self) -> str:
        """Title, or that it is being cancelled."""
        return "Cancelling…" if self.state is ActivityState.CANCELLING else self.title

    @property
    def offers_cancel(self) -> bool:
        """Whether there is still something to cancel."""
        return self.cancellable and self.state is ActivityState.RUNNING

    @property
    def detail(self) -> str:
        """Tiles or percent, and time left, as far as they are known."""
        if self.fraction is None:
            return ""
        parts = []
        if self.tiles_total is not None and self.tiles_total > 1:
            # Coding runs ahead of the picture: a percentage of it would contradict the count.
            parts.append(f"{self.tiles_done} of {self.tiles_total} tiles")
        else:
            parts.append(f"{100 * self.fraction:.0f} %")
        if self.remaining is not None and 0.02 < self.fraction < 1:
            parts.append(time_left(self.remaining))
        return "  ·  ".join(parts)
