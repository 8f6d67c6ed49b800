"""Keeps the panes' pictures as the user wants to see them: bands, stretch, as fine as the screen shows."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from fdegc.raster_info import Window
from fdegc_gui.feed import TileFeed
from fdegc_gui.jobs import Failure, Job, Lane
from fdegc_gui.jobs.pictures import (
    CloseFiles,
    PaintedTile,
    PaintPatch,
    PaintReduced,
    PaintResult,
    PaintTiles,
)
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.scene import (
    Detail,
    FindPeak,
    LoadDetail,
    LoadOverview,
    Opened,
    OverviewRows,
    Peak,
    overview_base,
)
from fdegc_gui.jobs.store import Reconstruction
from fdegc_gui.models.display import Rendering
from fdegc_gui.models.pyramid import Patch, Pyramid
from fdegc_gui.models.session import Result, Session, State

log = logging.getLogger(__name__)

#: The view has to rest this long before parts of the scene are read for it.
_REST_MS = 60
#: Beyond this part of the scene the whole one, which is on its way, is as quick.
_LARGE_PART = 0.25
#: What is read beyond each edge of the view, as a part of its sides: room to move in.
_MARGIN = 0.125

_BASE_JOBS = (LoadDetail, LoadOverview)


@dataclass(frozen=True)
class View:
    """What the panes look at: a part of the scene, and device pixels a scene pixel."""

    window: Window
    zoom: float

    @property
    def factor(self) -> int:
        """Pixels of the scene, a power of two, that may become one of a picture unseen."""
        factor = 1
        while 2 * factor * self.zoom <= 1.0001:
            factor *= 2
        return factor


class Painter(QObject):
    """Asks for pictures and puts them into the session.

    Nothing here codes or decodes: everything comes from the file, from samples in memory, or from the
    reconstruction that a run has stored.  Original and result always get the same rendering.

    Parameters
    ----------
    session : Session
    files : Lane
        Reads scenes; this class adds its own jobs.
    rasters : Rasters
        Open files.
    feed : TileFeed
        Writes tiles into pictures.

    Signals
    -------
    message(str)
        A sentence for the status line.
    """

    message = Signal(str)

    def __init__(
        self, session: Session, files: Lane, rasters: Rasters, feed: TileFeed, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._files, self._feed = session, files, feed
        self.lane = Lane("pictures", None, self, rasters)
        self._view: View | None = None
        self._coarse = False
        self._loading: type[Job] | None = None
        self._painting: dict[int, Rendering] = {}
        self._asked: dict[str, PaintPatch] = {}
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._refine)
        for lane in (files, self.lane):
            lane.job_done.connect(self._on_done)
            lane.job_partial.connect(self._on_partial)
            lane.job_failed.connect(self._on_failed)
            lane.job_cancelled.connect(self._forget)
        session.scene_changed.connect(self._on_scene)
        session.display_changed.connect(self._on_display)
        session.rate_changed.connect(self._refresh_result)
        session.result_changed.connect(self._refresh_result)

    @property
    def is_settled(self) -> bool:
        """Whether everything that was asked for has come."""
        return self._loading is None and not (self._asked or self._painting or self._rest.isActive())

    # ------------------------------------------------------------------ what is asked for

    def show_opened(self, opened: Opened) -> None:
        """Load what is missing of a scene that has just been opened."""
        self._coarse = opened.coarse
        if opened.scene.stream is None:
            self._load_base()
            if opened.scene.peak is None:
                self._files.submit(FindPeak(opened.scene.number, opened.scene.path))

    def set_view(self, window: Window | None, zoom: float) -> None:
        """Look at another part of the scene; None for nothing."""
        self._view = None if window is None else View(window, zoom)
        self._rest.start()

    def take_tile(self, result: Result, painted: PaintedTile) -> None:
        """Have a tile rendered anew if the user has chosen another display since its run began."""
        rendering = self._session.rendering
        if rendering is not None and painted.rendering != rendering:
            result.stale.add(painted.window)
            self._repaint_tiles(result, rendering)

    # ------------------------------------------------------------------ changes

    def _on_scene(self) -> None:
        self.lane.cancel()
        self.lane.submit(CloseFiles())
        self._loading, self._view = None, None
        self._painting.clear()
        self._asked.clear()

    def _on_display(self) -> None:
        session, rendering = self._session, self._session.rendering
        scene = session.scene
        if scene is None or rendering is None:
            return
        if scene.stream is None and (session.original is None or session.original.rendering != rendering):
            if session.reduced is not None:
                self.lane.submit(PaintReduced(scene.number, scene.info, session.reduced, rendering))
            self._load_base()
        self._refresh_result()
        self._refine()

    def _load_base(self) -> None:
        """Read all of the original, or of a huge one what is missing of its reduced picture."""
        scene, rendering = self._session.scene, self._session.rendering
        assert scene is not None
        self._files.cancel(lambda job: isinstance(job, _BASE_JOBS))
        self._loading = None
        if rendering is None:
            return
        job: Job | None = None
        if scene.base == 0:
            job = LoadDetail(scene.number, scene.path, rendering)
        elif self._coarse:
            job = LoadOverview(scene.number, scene.path, rendering)
        if job is not None:
            self._loading = type(job)
            self._files.submit(job)

    def _refresh_result(self) -> None:
        """Render the result that is looked at as the original is."""
        scene, result, rendering = self._session.scene, self._session.current, self._session.rendering
        if scene is None or result is None or rendering is None:
            return
        self._rest.start()
        if result.pyramid.rendering == rendering or not isinstance(result.store, Reconstruction):
            return
        if result.state is State.RUNNING:
            result.pyramid.rendering = rendering
            result.stale = set(result.windows)
            if result.stale:
                self._repaint_tiles(result, rendering)
        elif self._painting.get(result.rate) != rendering:
            self._painting[result.rate] = rendering
            self.lane.submit(PaintResult(scene.number, result.rate, result.store, rendering))

    def _repaint_tiles(self, result: Result, rendering: Rendering) -> None:
        scene = self._session.scene
        if scene is not None and isinstance(result.store, Reconstruction):
            windows = tuple(result.stale)
            self.lane.submit(PaintTiles(scene.number, result.rate, result.store, windows, rendering))

    # ------------------------------------------------------------------ as fine as it is shown

    def _refine(self) -> None:
        """Ask for the parts in view that the whole pictures do not show finely enough."""
        session, view, rendering = self._session, self._view, self._session.rendering
        scene, result = session.scene, session.current
        if scene is None or view is None or rendering is None:
            return
        if scene.stream is None:
            on_its_way = self._loading is not None and self._is_soon(view)
            self._refine_one("original", session.original, None, on_its_way)
        if result is not None and result.state is State.DONE and isinstance(result.store, Reconstruction):
            on_its_way = result.rate in self._painting and self._is_large(view)
            self._refine_one("result", result.pyramid, result, on_its_way)
        else:
            session.set_patch("result", None)

    def _refine_one(self, which: str, pyramid: Pyramid | None, result: Result | None, soon: bool) -> None:
        session, view, rendering = self._session, self._view, self._session.rendering
        assert session.scene is not None and view is not None and rendering is not None
        key = result.rate if result is not None else 0
        if pyramid is not None and pyramid.rendering == rendering:
            if max(pyramid.scale(0)) <= view.factor * 1.0001:
                self._asked.pop(which, None)
                self.lane.cancel(lambda job: isinstance(job, PaintPatch) and job.which == which)
                session.set_patch(which, None)
                return
        patch = session.patches.get(which)
        if patch is not None and (patch.rendering != rendering or patch.key != key):
            session.set_patch(which, patch := None)
        if soon or (patch is not None and _shows(patch.window, patch.factor, view)):
            return
        asked = self._asked.get(which)
        if asked is not None and (asked.rendering, asked.key) == (rendering, key):
            if asked.window is not None and _shows(asked.window, asked.factor, view):
                return
        store = result.store if result is not None else None
        info, path = session.scene.info, session.scene.path
        window = _with_margin(view.window, info.width, info.height)
        self.lane.cancel(lambda job: isinstance(job, PaintPatch) and job.which == which)
        job = PaintPatch(session.scene.number, which, path, store, window, view.factor, rendering, key)  # type: ignore[arg-type]
        self._asked[which] = job
        self.lane.submit(job)

    def _is_large(self, view: View) -> bool:
        scene = self._session.scene
        return scene is not None and view.window.pixels > _LARGE_PART * scene.info.pixels

    def _is_soon(self, view: View) -> bool:
        """Whether the whole picture that is on its way will be fine enough for a large part of it."""
        scene = self._session.scene
        assert scene is not None
        base = 0 if self._loading is LoadDetail else overview_base(scene.info)
        return self._is_large(view) and 2**base <= 2 * view.factor

    # ------------------------------------------------------------------ answers

    def _on_partial(self, job: Job, value: object) -> None:
        session = self._session
        if not session.is_current(job.scene) or getattr(job, "rendering", None) != session.rendering:
            return
        if isinstance(value, OverviewRows):
            self._put_rows(value)
        elif isinstance(value, PaintedTile) and isinstance(job, PaintTiles):
            result = session.results.get(job.result)
            if result is not None and result.store is job.store:
                result.stale.discard(value.window)
                self._feed.push(result, value)
        elif isinstance(value, Pyramid) and isinstance(job, PaintResult):
            self._put_result(job, value)

    def _put_rows(self, rows: OverviewRows) -> None:
        session, info = self._session, self._session.scene.info  # type: ignore[union-attr]
        pyramid = session.original
        if rows.first == 0 or pyramid is None or pyramid.complete:
            backdrop = pyramid.erasable_copy() if pyramid is not None else None
            pyramid = Pyramid(info.width, info.height, overview_base(info))
            pyramid.rendering = session.rendering
            session.set_original(pyramid, backdrop)
        pyramid.write_reduced(rows.first, rows.bgra)
        pyramid.transparent |= bool(rows.bgra[..., 3].min() < 255)
        if session.original_backdrop is not None:
            window = rows.window
            session.original_backdrop.erase(window.x, window.y, window.width, window.height)
        session.image_written.emit([rows.window])

    def _put_result(self, job: PaintResult, pyramid: Pyramid) -> None:
        result = self._session.results.get(job.result)
        if result is not None and result.store is job.store and result.state is State.DONE:
            result.pyramid = pyramid
            self._session.result_changed.emit(job.result)

    def _on_done(self, job: Job, value: object) -> None:
        session = self._session
        self._forget(job)
        if not session.is_current(job.scene):
            return
        if isinstance(value, Peak):
            session.set_peak(value.value)
        if getattr(job, "rendering", None) != session.rendering:
            return
        if isinstance(job, PaintReduced) and isinstance(value, Pyramid):
            if session.original is None or session.original.rendering != value.rendering:
                session.set_original(value)
        elif isinstance(value, Detail):
            if self._coarse:
                self._coarse, session.reduced = False, value.reduced
            session.set_original(value.pyramid)
        elif isinstance(job, LoadOverview) and session.original is not None:
            self._coarse, session.reduced = False, value  # type: ignore[assignment]
            session.original.complete = True
            session.set_original(session.original)
        elif isinstance(job, PaintResult) and isinstance(value, Pyramid):
            self._put_result(job, value)
        elif isinstance(value, Patch) and isinstance(job, PaintPatch):
            current = session.current
            if job.which == "original" or (current is not None and current.store is job.store):
                session.set_patch(job.which, value)
        self._rest.start()

    def _on_failed(self, job: Job, failure: Failure) -> None:
        self._forget(job)
        if isinstance(job, PaintPatch | PaintTiles | PaintResult | PaintReduced):
            log.warning("%s: %s", type(job).__name__, failure.message)
            self.message.emit(failure.message)

    def _forget(self, job: Job) -> None:
        if isinstance(job, _BASE_JOBS) and getattr(job, "rendering", None) == self._session.rendering:
            self._loading = None
        elif isinstance(job, PaintResult) and self._painting.get(job.result) == job.rendering:
            del self._painting[job.result]
        elif isinstance(job, PaintPatch) and self._asked.get(job.which) is job:
            del self._asked[job.which]


def _shows(window: Window, factor: int, view: View) -> bool:
    """Whether a part is as fine as a view, not finer (that would flicker), and reaches over all of it."""
    return factor == view.factor and window.intersection(view.window) == view.window


def _with_margin(window: Window, width: int, height: int) -> Window:
    across, down = round(window.width * _MARGIN), round(window.height * _MARGIN)
    left, top = max(0, window.x - across), max(0, window.y - down)
    right = min(width, window.x + window.width + across)
    bottom = min(height, window.y + window.height + down)
    return Window(left, top, right - left, bottom - top)
