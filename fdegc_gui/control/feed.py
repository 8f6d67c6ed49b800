"""Feed of finished tiles into the pictures, at a steady pace."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

from fdegc.raster_info import Window
from fdegc_gui.jobs.coding import TileFigures
from fdegc_gui.jobs.pictures import PaintedTile
from fdegc_gui.models.result import Result
from fdegc_gui.models.session import Session

#: About 30 repaints a second, and at most this many seconds of work in each.
_INTERVAL_MS = 33
_BUDGET = 0.008


class TileFeed(QObject):
    """Feed of tiles: taken as they come, written between two frames, never more than a frame's worth.

    A fast device can finish more tiles a second than is worth painting one by one; a burst must
    not stall the window.
    """

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._waiting: deque[tuple[Result, PaintedTile, TileFigures | None]] = deque()
        self._then: list[Callable[[], None]] = []
        self._timer = QTimer(self)
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.timeout.connect(self._on_frame)

    def push(self, result: Result, painted: PaintedTile, figures: TileFigures | None = None) -> None:
        """Queueing of a tile: a new one with its figures, or one that was rendered anew."""
        self._waiting.append((result, painted, figures))
        if not self._timer.isActive():
            self._timer.start()

    def when_empty(self, function: Callable[[], None]) -> None:
        """Callback, called once every tile that has come so far is in the picture."""
        if self._waiting:
            self._then.append(function)
        else:
            function()

    def drop(self, result: Result) -> None:
        """Removal of the waiting tiles of a result that is no longer wanted."""
        self._waiting = deque(entry for entry in self._waiting if entry[0] is not result)

    def clear(self) -> None:
        """Removal of all waiting tiles and callbacks."""
        self._waiting.clear()
        self._then.clear()
        self._timer.stop()

    def _on_frame(self) -> None:
        deadline = time.perf_counter() + _BUDGET
        written: dict[int, tuple[Result, list[Window], bool]] = {}
        while self._waiting:
            result, painted, figures = self._waiting.popleft()
            first = result.tiles_done == 0
            entry = written.setdefault(result.key, (result, [], first))
            _apply(result, painted, figures)
            entry[1].append(painted.window)
            if time.perf_counter() > deadline:
                break
        for key, (result, windows, first) in written.items():
            if not self._session.holds(result):
                continue
            self._session.tiles_written.emit(key, windows)
            if first:
                self._session.result_changed.emit(key)  # the hint in the pane has had its time
            else:
                self._session.figures_changed.emit(key)
        if not self._waiting:
            self._timer.stop()
            then, self._then = self._then, []
            for function in then:
                function()


def _apply(result: Result, painted: PaintedTile, figures: TileFigures | None) -> None:
    """Addition of a tile's pixels, and of its figures if it is a new one."""
    window = painted.window
    result.pyramid.write(window.x, window.y, painted.bgra, painted.reduced)
    result.pyramid.transparent |= painted.transparent
    if result.backdrop is not None and painted.transparent:  # others hide it, up to their smooth edges
        result.backdrop.erase(window.x, window.y, window.width, window.height)
    if figures is not None:
        result.windows.append(window)
        result.tiles_done += 1
        result.pixels_done += window.pixels
        result.bytes = figures.bytes_so_far
        if figures.squared_error is not None:
            result.has_error = True
            result.squared_error += figures.squared_error
            result.sample_count += figures.sample_count
