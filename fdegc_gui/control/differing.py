"""Difference of the two sides: computed anew for whatever comes into view."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from fdegc.raster_info import Window
from fdegc_gui.jobs import Failure, Lane, Request
from fdegc_gui.jobs.difference import PaintDifference
from fdegc_gui.jobs.pictures import CloseFiles
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.sources import Origin
from fdegc_gui.models.comparison import ORIGINAL, Side
from fdegc_gui.models.difference import Difference, DifferenceMap, DifferenceStyle
from fdegc_gui.models.session import Session
from fdegc_gui.models.view import View

#: The view has to rest this long before differences are computed for it.
_REST_MS = 25


class Differ(QObject):
    """Keeper of the map of differences; it works only while somebody looks.

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
        self.lane = Lane("differences", None, self, rasters)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._update)
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
        self._view = None
        self.lane.submit(CloseFiles())
        self._session.set_difference(None)

    def _drop(self) -> None:
        if self._asked is not None:
            self._asked[1].drop()
            self._asked = None

    def _origin(self, side: Side) -> Origin | None:
        scene, result = self._session.scene, self._session.result_of(side)
        if self._session.key_of(side) == ORIGINAL:
            return scene.path if scene is not None else None
        return result.store if result is not None else None

    def _update(self) -> None:
        session, view = self._session, self._view
        scene, style = session.scene, session.style
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
