"""Difference of the two sides: computed anew for whatever comes into view."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal
from typing_extensions import Never

from fdegc.raster_info import Window
from fdegc_gui.jobs import Failure, Lane, Request
from fdegc_gui.jobs.block_sums import BlockSums
from fdegc_gui.jobs.difference import FillSums, PaintDifference
from fdegc_gui.jobs.pictures import CloseFiles
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.sources import Origin
from fdegc_gui.models.comparison import ORIGINAL, Side
from fdegc_gui.models.difference import Difference, DifferenceMap, DifferenceStyle
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.scene import Scene
from fdegc_gui.models.session import Session
from fdegc_gui.models.view import View

#: The view has to rest this long before differences are computed for it.
_REST_MS = 25
#: Nothing has to have happened for this long before sums are made that nobody has asked for.
_IDLE_MS = 400
#: Of scenes with fewer pixels maps are there at once without them; of those with more they take too long.
_FILLED_PIXELS = (4_000_000, 400_000_000)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of two pictures, and what they are of: a result made anew is another one in the same place."""

    pair: tuple[object, ...]
    results: tuple[Result | None, ...]
    sums: BlockSums

    def are_of(self, pair: tuple[object, ...], results: tuple[Result | None, ...]) -> bool:
        """Whether they are of these two."""
        return self.pair == pair and all(one is two for one, two in zip(self.results, results, strict=True))


class Differ(QObject):
    """Keeper of the map of differences, of which only what is looked at is made.

    Of a large scene, sums over blocks of both pictures are made beforehand, while nothing else goes on:
    a view of all of it is to be there as fast as one of a part.

    Parameters
    ----------
    session : Session
    rasters : Rasters
        Open files.

    Signals
    -------
    message(str)
        A sentence for the status line.
    """

    message = Signal(str)

    def __init__(self, session: Session, rasters: Rasters, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._active = False
        self._view: View | None = None
        self._asked: tuple[PaintDifference, Request[Difference, Difference]] | None = None
        self._sums: _Sums | None = None
        self._filling: Request[None, Never] | None = None
        self.lane = Lane("differences", None, self, rasters)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._update)
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.setInterval(_IDLE_MS)
        self._idle.timeout.connect(self._fill)
        session.scene_changed.connect(self._on_scene)
        for signal in (
            session.sides_changed,
            session.rate_changed,
            session.result_changed,
            session.style_changed,
        ):
            signal.connect(self._update)

    @property
    def is_settled(self) -> bool:
        """Whether everything that was asked for has come."""
        return self._asked is None and not self._rest.isActive()

    @property
    def is_prepared(self) -> bool:
        """Whether all that is made beforehand of the two sides is there."""
        scene = self._session.scene
        whole = None if scene is None else Window(0, 0, scene.info.width, scene.info.height)
        return whole is not None and self._sums is not None and not self._sums.sums.missing(whole)

    def set_active(self, active: bool) -> None:
        """Whether differences are looked at."""
        if active != self._active:
            self._active = active
            self._update()

    def set_view(self, window: Window | None, zoom: float) -> None:
        """View of another part of the scene; None for nothing."""
        self._view = None if window is None else View(window, zoom)
        if self._active:
            self._rest.start()

    def _on_scene(self) -> None:
        self._drop()
        self._drop_sums()
        self._view = None
        self.lane.submit(CloseFiles())
        self._session.set_difference(None)

    def _drop(self) -> None:
        if self._asked is not None:
            self._asked[1].drop()
            self._asked = None

    def _drop_sums(self) -> None:
        self._sums = None
        if self._filling is not None:
            self._filling.drop()
            self._filling = None

    def _sums_of(self, scene: Scene, pair: tuple[object, ...]) -> BlockSums:
        """Sums of the two sides, perhaps with nothing in them yet."""
        results = tuple(self._session.result_of(side) for side in Side)
        if self._sums is None or not self._sums.are_of(pair, results):
            self._drop_sums()
            self._sums = _Sums(pair, results, BlockSums(scene.info, self._session.black))
        return self._sums.sums

    def _fill(self) -> None:
        """Sums of all of both pictures, unless something runs that the user waits for."""
        session = self._session
        scene, a, b = session.scene, self._origin(Side.A), self._origin(Side.B)
        busy = bool(session.waiting) or any(r.state is State.RUNNING for r in session.results.values())
        if scene is None or a is None or b is None or busy or not session.comparable():
            return
        least, most = _FILLED_PIXELS
        sums = self._sums_of(scene, (scene.number, a, b))
        if self._filling is None and least <= scene.info.pixels <= most:
            self._filling = self.lane.submit(FillSums(a=a, b=b, sums=sums), failed=self._on_fill_failed)

    def _on_fill_failed(self, _failure: Failure) -> None:
        """No word of it: whoever looks at a map is told what is the matter with a file."""

    def _origin(self, side: Side) -> Origin | None:
        scene, result = self._session.scene, self._session.result_of(side)
        if self._session.key_of(side) == ORIGINAL:
            return scene.path if scene is not None else None
        return result.store if result is not None else None

    def _update(self) -> None:
        session, view = self._session, self._view
        scene, style = session.scene, session.style
        self._idle.start()
        a, b = self._origin(Side.A), self._origin(Side.B)
        if not (self._active and session.comparable()) or scene is None or a is None or b is None:
            self._drop()
            session.set_difference(None)
            return
        if view is None:
            return
        pair = scene.number, a, b
        shown = session.difference
        if shown is not None and not shown.map.shows(pair, style):
            if shown.map.pair != pair:
                session.set_difference(None)
            shown = None
        known = None
        if shown is not None and view.is_filled_by(shown.map.window, shown.map.factor) and shown.complete:
            if shown.style == style and (style.gain is not None or shown.seen == view.window):
                self._drop()
                return
            known = shown
        window = known.map.window if known is not None else view.with_margin(scene.info)
        if self._asked is not None and known is None:
            job = self._asked[0]
            same = job.style == style and job.pair == pair
            if same and job.known is None and view.is_filled_by(job.window, job.factor):
                return
        self._drop()
        job = PaintDifference(
            a=a, b=b, window=window, factor=view.factor, pair=pair, style=style, span=session.span,
            black=session.black, seen=view.window, known=known, before=self._whole(pair, style),
            sums=self._sums_of(scene, pair),
        )  # fmt: skip
        request = self.lane.submit(job, part=self._on_part, done=self._on_done, failed=self._on_failed)
        self._asked = job, request

    def _whole(self, pair: tuple[object, ...], style: DifferenceStyle) -> DifferenceMap | None:
        """Map that is shown, if it is complete and one of these two in this style."""
        shown = self._session.difference
        usable = shown is not None and shown.complete and shown.map.shows(pair, style)
        return shown.map if usable and shown is not None else None

    def _on_part(self, difference: Difference) -> None:
        """Part of a map, shown unless there is all of one, if only coarser: half a map would flicker."""
        shown, view = self._session.difference, self._view
        if shown is not None and shown.complete and view is not None:
            window = shown.map.window
            same = shown.map.shows(difference.map.pair, difference.style)
            if same and window.intersection(view.window) == view.window:
                return
        self._session.set_difference(difference)

    def _on_done(self, difference: Difference) -> None:
        self._asked = None
        self._session.set_difference(difference)
        self._rest.start()  # the view may have moved on within it

    def _on_failed(self, failure: Failure) -> None:
        self._asked = None
        self.message.emit(failure.message)
