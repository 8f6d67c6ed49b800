"""Pictures of both panes, as the user wants to see them: bands, stretch, as fine as the screen shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from typing_extensions import Never

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.control.activities import Activities
from fdegc_gui.control.feed import TileFeed
from fdegc_gui.jobs import Failure, Lane, Request, Requests
from fdegc_gui.jobs.peaks import FindPeak
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
    LoadDetail,
    LoadOverview,
    Opened,
    OverviewRows,
    overview_base,
)
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.display import Rendering
from fdegc_gui.models.pyramid import Patch, Pyramid
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.scene import Scene
from fdegc_gui.models.session import Session
from fdegc_gui.models.view import View

#: The view has to rest this long before parts of the scene are read for it.
_REST_MS = 60
_RANK = 1


@dataclass(frozen=True, slots=True)
class _Loading:
    """Whole picture of the original on its way, and its finest pyramid level."""

    request: Request[Any, Any]
    level: int


class Painter(QObject):
    """Painter of the session's pictures.

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
    activities : Activities

    Signals
    -------
    message(str)
        A sentence for the status line.
    failed(str, Failure)
        What could not be done, and why.
    """

    message = Signal(str)
    failed = Signal(str, object)

    def __init__(
        self,
        session: Session,
        files: Lane,
        rasters: Rasters,
        feed: TileFeed,
        activities: Activities,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._files, self._feed, self._activities = session, files, feed, activities
        self.lane = Lane("pictures", None, self, rasters)
        self._view: View | None = None
        self._coarse = False
        self._loading: _Loading | None = None
        self._peak = Requests()
        self._painting: dict[int, Rendering] = {}
        self._asked: dict[str, tuple[PaintPatch, Request[Patch, Never]]] = {}
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._refine)
        session.scene_changed.connect(self._on_scene)
        session.display_changed.connect(self._on_display)
        session.sides_changed.connect(self._refresh_results)
        session.rate_changed.connect(self._refresh_results)
        session.result_changed.connect(self._refresh_results)

    @property
    def is_settled(self) -> bool:
        """Whether everything that was asked for has come."""
        return self._loading is None and not (self._asked or self._painting or self._rest.isActive())

    # ------------------------------------------------------------------ what is asked for

    def show_opened(self, opened: Opened) -> None:
        """Loading of what is missing of a scene that has just been opened."""
        self._coarse = opened.coarse
        scene = opened.scene
        if scene.stream is None:
            self._load_base(scene)
            if scene.peak is None:
                request = self._files.submit(
                    FindPeak(path=scene.path),
                    done=self._session.set_peak,
                    failed=lambda failure: self._on_file_failed(scene, failure),
                )
                self._peak.add(request)

    def set_view(self, window: Window | None, zoom: float) -> None:
        """View of another part of the scene; None for nothing."""
        self._view = None if window is None else View(window, zoom)
        self._rest.start()

    def take_tile(self, result: Result, painted: PaintedTile) -> None:
        """New rendering of a tile if the user has chosen another display since its run began."""
        rendering = self._session.rendering
        if rendering is not None and painted.rendering != rendering:
            result.stale.add(painted.window)
            self._repaint_tiles(result, rendering)

    # ------------------------------------------------------------------ changes

    def _on_scene(self) -> None:
        self.lane.drop()
        self.lane.submit(CloseFiles())
        self._peak.drop()
        self._drop_base()
        self._view = None
        self._painting.clear()
        self._asked.clear()

    def _on_display(self) -> None:
        session, rendering = self._session, self._session.rendering
        scene = session.scene
        if scene is None or rendering is None:
            return
        if scene.stream is None and (session.original is None or session.original.rendering != rendering):
            if session.reduced is not None:
                job = PaintReduced(info=scene.info, samples=session.reduced, rendering=rendering)
                self.lane.submit(job, done=self._on_reduced, failed=self._on_failed)
            self._load_base(scene)
        self._refresh_results()
        self._refine()

    def _drop_base(self) -> None:
        if self._loading is not None:
            self._loading.request.drop()
            self._loading = None

    def _load_base(self, scene: Scene) -> None:
        """Reading of all of the original, or of a huge one what is missing of its reduced picture."""
        self._drop_base()
        rendering = self._session.rendering
        if rendering is None:
            return
        if scene.base == 0:
            detail = self._files.submit(
                LoadDetail(path=scene.path, rendering=rendering),
                done=self._on_detail,
                failed=lambda failure: self._on_base_failed(scene, failure),
                cancelled=self._forget_base,
            )
            self._loading = _Loading(detail, 0)
        elif self._coarse:
            overview = self._files.submit(
                LoadOverview(path=scene.path, rendering=rendering),
                part=lambda rows: self._on_rows(scene.info, rendering, rows),
                done=lambda reduced: self._on_overview(rendering, reduced),
                failed=lambda failure: self._on_base_failed(scene, failure),
                cancelled=self._forget_base,
                watch=self._activities.watch(Activity("Reading the whole scene…", _RANK)),
            )
            self._loading = _Loading(overview, overview_base(scene.info))

    def _refresh_results(self) -> None:
        """Rendering of the results that are looked at, as the original is."""
        if self._session.scene is None or self._session.rendering is None:
            return
        for result in self._session.shown_results:
            self._refresh_result(result, self._session.rendering)

    def _refresh_result(self, result: Result, rendering: Rendering) -> None:
        self._rest.start()
        if result.pyramid.rendering == rendering:
            return
        if result.state is State.RUNNING:
            result.pyramid.rendering = rendering
            result.stale = set(result.windows)
            if result.stale:
                self._repaint_tiles(result, rendering)
        elif self._painting.get(result.key) != rendering:
            self._painting[result.key] = rendering
            self.lane.submit(
                PaintResult(key=result.key, store=result.store, rendering=rendering),
                part=lambda pyramid: self._put_result(result, pyramid),
                done=lambda pyramid: self._on_result(result, rendering, pyramid),
                failed=lambda failure: self._on_painting_failed(result, rendering, failure),
                cancelled=lambda: self._forget_painting(result, rendering),
            )

    def _repaint_tiles(self, result: Result, rendering: Rendering) -> None:
        windows = tuple(result.stale)
        self.lane.submit(
            PaintTiles(key=result.key, store=result.store, windows=windows, rendering=rendering),
            part=lambda tile: self._on_tile(result, tile),
            done=lambda _: self._rest.start(),
            failed=self._on_failed,
        )

    # ------------------------------------------------------------------ as fine as it is shown

    def _refine(self) -> None:
        """Requests for the parts in view that the whole pictures do not show finely enough."""
        session, view, rendering = self._session, self._view, self._session.rendering
        scene = session.scene
        if scene is None or view is None or rendering is None:
            return
        if scene.stream is None:
            # Whether the whole picture that is on its way will be fine enough for a large part of it.
            soon = self._loading is not None and 2**self._loading.level <= 2 * view.factor
            self._refine_one("original", None, scene, view, soon and view.is_large(scene.info))
        finished = [result for result in session.shown_results if result.state is State.DONE]
        for result in finished:
            soon = result.key in self._painting
            name = session.patch_name(result)
            self._refine_one(name, result, scene, view, soon and view.is_large(scene.info))
        wanted = {"original", *map(session.patch_name, finished)}
        for name in {*session.patches, *self._asked} - wanted:
            self._drop_patch(name)
            session.set_patch(name, None)

    def _refine_one(self, which: str, result: Result | None, scene: Scene, view: View, soon: bool) -> None:
        session, rendering = self._session, self._session.rendering
        if rendering is None:
            return
        pyramid, key = (session.original, 0) if result is None else (result.pyramid, result.key)
        if pyramid is not None and pyramid.rendering == rendering:
            if max(pyramid.scale(0)) <= view.factor * 1.0001:
                self._drop_patch(which)
                session.set_patch(which, None)
                return
        patch = session.patches.get(which)
        if patch is not None and (patch.rendering != rendering or patch.key != key):
            session.set_patch(which, patch := None)
        if soon or (patch is not None and view.is_filled_by(patch.window, patch.factor)):
            return
        if which in self._asked:
            asked, _ = self._asked[which]
            if (asked.rendering, asked.key) == (rendering, key):
                if view.is_filled_by(asked.window, asked.factor):
                    return
        self._drop_patch(which)
        job = PaintPatch(
            which=which,
            path=scene.path,
            store=None if result is None else result.store,
            window=view.with_margin(scene.info),
            factor=view.factor,
            rendering=rendering,
            key=key,
        )
        request = self.lane.submit(
            job,
            done=lambda patch: self._on_patch(which, result, patch),
            failed=lambda failure: self._on_patch_failed(which, failure),
            cancelled=lambda: self._asked.pop(which, None),
        )
        self._asked[which] = job, request

    def _drop_patch(self, which: str) -> None:
        if which in self._asked:
            _, request = self._asked.pop(which)
            request.drop()

    # ------------------------------------------------------------------ answers about the original

    def _on_rows(self, info: RasterInfo, rendering: Rendering, rows: OverviewRows) -> None:
        session = self._session
        if rendering != session.rendering:
            return
        pyramid = session.original
        if rows.first == 0 or pyramid is None or pyramid.complete:
            backdrop = pyramid.erasable_copy() if pyramid is not None else None
            pyramid = Pyramid(info.width, info.height, overview_base(info))
            pyramid.rendering = rendering
            session.set_original(pyramid, backdrop)
        pyramid.write_reduced(rows.first, rows.bgra)
        pyramid.transparent |= bool(rows.bgra[..., 3].min() < 255)
        if session.original_backdrop is not None:
            window = rows.window
            session.original_backdrop.erase(window.x, window.y, window.width, window.height)
        session.image_written.emit([rows.window])

    def _on_overview(self, rendering: Rendering, reduced: Samples) -> None:
        self._forget_base()
        session = self._session
        if rendering == session.rendering and session.original is not None:
            self._coarse, session.reduced = False, reduced
            session.original.complete = True
            session.set_original(session.original)
            self._rest.start()

    def _on_detail(self, detail: Detail) -> None:
        self._forget_base()
        session = self._session
        if detail.pyramid.rendering == session.rendering:
            if self._coarse:
                self._coarse, session.reduced = False, detail.reduced
            session.set_original(detail.pyramid)
            self._rest.start()

    def _on_reduced(self, pyramid: Pyramid) -> None:
        session = self._session
        if pyramid.rendering == session.rendering:
            if session.original is None or session.original.rendering != pyramid.rendering:
                session.set_original(pyramid)
            self._rest.start()

    def _on_base_failed(self, scene: Scene, failure: Failure) -> None:
        self._forget_base()
        self._on_file_failed(scene, failure)

    def _on_file_failed(self, scene: Scene, failure: Failure) -> None:
        self.failed.emit(f"“{scene.name}” could not be read at full resolution.", failure)

    def _forget_base(self) -> None:
        self._loading = None

    # ------------------------------------------------------------------ answers about results and parts

    def _on_tile(self, result: Result, painted: PaintedTile) -> None:
        if painted.rendering == self._session.rendering and self._session.holds(result):
            result.stale.discard(painted.window)
            self._feed.push(result, painted)

    def _on_result(self, result: Result, rendering: Rendering, pyramid: Pyramid) -> None:
        self._forget_painting(result, rendering)
        self._put_result(result, pyramid)
        self._rest.start()

    def _put_result(self, result: Result, pyramid: Pyramid) -> None:
        session = self._session
        if pyramid.rendering == session.rendering and session.holds(result) and result.state is State.DONE:
            result.pyramid = pyramid
            session.result_changed.emit(result.key)

    def _forget_painting(self, result: Result, rendering: Rendering) -> None:
        if self._painting.get(result.key) == rendering:
            del self._painting[result.key]

    def _on_patch(self, which: str, result: Result | None, patch: Patch) -> None:
        self._asked.pop(which, None)
        session = self._session
        if patch.rendering == session.rendering:
            shown = result is None or any(result is other for other in session.shown_results)
            if shown and (result is None or session.patch_name(result) == which):
                session.set_patch(which, patch)
            self._rest.start()

    def _on_patch_failed(self, which: str, failure: Failure) -> None:
        self._asked.pop(which, None)
        self._on_failed(failure)

    def _on_painting_failed(self, result: Result, rendering: Rendering, failure: Failure) -> None:
        self._forget_painting(result, rendering)
        self._on_failed(failure)

    def _on_failed(self, failure: Failure) -> None:
        self.message.emit(failure.message)
