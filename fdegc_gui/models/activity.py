"""Work that goes on, as it is told to the user."""

from __future__ import annotations

from dataclasses import dataclass

from fdegc_gui.text import time_left


@dataclass(frozen=True)
class Activity:
    """Work that is going on.

    Attributes
    ----------
    title : str
    fraction : float or None
        None while it cannot be told.
    remaining : float or None
        Seconds.
    tiles : tuple of two ints or None
        Finished and all.
    cancellable : bool
    rank : int
        The most important one is shown.
    """

    title: str
    fraction: float | None = None
    remaining: float | None = None
    tiles: tuple[int, int] | None = None
    cancellable: bool = True
    rank: int = 0

    @property
    def detail(self) -> str:
        """Tiles, percent and time left, as far as they are known."""
        parts = []
        if self.tiles is not None and self.tiles[1] > 1:
            parts.append(f"{self.tiles[0]} of {self.tiles[1]} tiles")
        if self.fraction is not None:
            parts.append(f"{100 * self.fraction:.0f} %")
        if self.remaining is not None and self.fraction is not None and 0.02 < self.fraction < 1:
            parts.append(time_left(self.remaining))
        return "  ·  ".join(parts)
