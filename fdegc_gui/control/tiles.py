"""Maps of the tiles: asked for while somebody looks, shown over the stage and listed in the side bar."""

from __future__ import annotations

from PySide6.QtCore import QObject
from typing_extensions import Never

from fdegc.raster_info import Window
from fdegc_gui.actions import Actions
from fdegc_gui.control.controller import Controller
from fdegc_gui.jobs import Failure, Request
from fdegc_gui.jobs.tile_maps import MapTiles
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.comparison import ORIGINAL, Side
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.tile_map import TileFigure, TileMap
from fdegc_gui.views.compare import CompareView
from fdegc_gui.views.sidebar import SideBar
from fdegc_gui.views.tile_overlay import TileOverlay
from fdegc_gui.views.tile_panel import FIGURE_ACTIONS

_RANK = 5
_WORDS = {
    TileFigure.BYTES: "Bits a pixel of each tile of “{}”; the brighter, the more.",
    TileFigure.PSNR: "PSNR of each tile of “{}” against the original; the brighter, the worse.",
}
_NOTHING = "There is nothing to map until it is compressed."
_STORED = "PSNR of each tile as it was measured when the file was made, to a third of a decibel."


class Tiles(QObject):
    """Maps of the tiles of the result that is compared.

    Parameters
    ----------
    controller : Controller
    compare : CompareView
    sidebar : SideBar
    actions : Actions

    Attributes
    ----------
    figure : TileFigure or None
        What is shown.
    tiles : TileMap or None
        None until it is computed.
    """

    def __init__(
        self,
        controller: Controller,
        compare: CompareView,
        sidebar: SideBar,
        actions: Actions,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._controller, self._compare, self._sidebar = controller, compare, sidebar
        self._actions, self._session = actions, controller.session
        self.figure: TileFigure | None = None
        self.tiles: TileMap | None = None
        self._overlay: TileOverlay | None = None
        self._of: Result | None = None
        self._known: dict[tuple[Result, TileFigure], TileMap] = {}
        self._asked: Request[TileMap, Never] | None = None
        self._reveal = False
        for figure, key in FIGURE_ACTIONS.items():
            actions[key].triggered.connect(lambda on, figure=figure: self.show(figure if on else None))
        sidebar.tiles.place_wanted.connect(self._fly)
        session = self._session
        session.scene_changed.connect(self._on_scene)
        for signal in (session.sides_changed, session.rate_changed, session.result_changed):
            signal.connect(self._update)
        self._on_scene()

    def show(self, figure: TileFigure | None) -> None:
        """Map of a figure over the stage; None for none."""
        self.figure = figure
        for one, key in FIGURE_ACTIONS.items():
            self._actions[key].setChecked(one is figure)
        self._update()
        if figure is not None and self._result() is None:
            self._controller.message.emit(_NOTHING)
        if figure is not None:
            self._sidebar.reveal("tiles")
            self._reveal = self.tiles is None  # and again once the list has its length

    def _on_scene(self) -> None:
        self._known.clear()
        for key in FIGURE_ACTIONS.values():
            self._actions[key].setEnabled(self._session.scene is not None)
        self._update()

    def _result(self) -> Result | None:
        """Result that is compared: picture B unless that is the original."""
        session = self._session
        side = Side.A if session.key_of(Side.B) == ORIGINAL else Side.B
        result = session.result_of(side)
        return result if result is not None and result.state is State.DONE else None

    def _update(self) -> None:
        figure, result = self.figure, self._result()
        self._known = {of: tiles for of, tiles in self._known.items() if self._session.holds(of[0])}
        if figure is None or result is None:
            self._drop()
            self._show(None, "" if figure is None else _NOTHING)
            return
        tiles = self._known.get((result, figure))
        if tiles is not None:
            self._drop()
            self._show(tiles, self._words(figure, result))
        elif self._asked is None or self._of is not result or not self._asked_for(figure):
            self._ask(figure, result)

    def _asked_for(self, figure: TileFigure) -> bool:
        job = self._asked.job if self._asked is not None else None
        return isinstance(job, MapTiles) and job.figure is figure

    def _drop(self) -> None:
        if self._asked is not None:
            self._asked.drop()
            self._asked = None

    def _ask(self, figure: TileFigure, result: Result) -> None:
        scene = self._session.scene
        self._drop()
        if scene is None:
            return
        self._show(None, "Looking at every tile…")
        job = MapTiles(
            figure=figure,
            info=result.store.info,
            stream=result.stream_path,
            original=scene.path if scene.stream is None else None,
            store=result.store,
            peak=scene.peak,
        )
        self._of = result
        self._asked = self._controller.regions.lane.submit(
            job,
            done=lambda tiles: self._on_done(result, tiles),
            failed=self._on_failed,
            cancelled=lambda: self._on_nothing("Cancelled before it was computed."),
            watch=self._controller.activities.watch(
                Activity("Looking at every tile", _RANK, cancellable=True)
            ),
        )

    def _on_done(self, result: Result, tiles: TileMap) -> None:
        self._asked = None
        self._known[result, tiles.figure] = tiles
        self._update()

    def _on_failed(self, failure: Failure) -> None:
        self._on_nothing(failure.message)

    def _on_nothing(self, words: str) -> None:
        """Why there is no map; it is switched off, so that it is not asked for again and again."""
        self._asked, self.figure = None, None
        for key in FIGURE_ACTIONS.values():
            self._actions[key].setChecked(False)
        self._show(None, words)
        self._controller.message.emit(words)  # the side bar may be hidden

    def _words(self, figure: TileFigure, result: Result) -> str:
        scene = self._session.scene
        if figure is TileFigure.PSNR and scene is not None and scene.stream is not None:
            return _STORED
        sides = (side for side in Side if self._session.result_of(side) is result)
        return _WORDS[figure].format(self._session.name_of(next(sides, Side.B)))

    def _show(self, tiles: TileMap | None, words: str) -> None:
        if tiles is not self.tiles:
            self.tiles = tiles
            self._overlay = None if tiles is None else TileOverlay(tiles)
            self._compare.pictures.show_overlay("tiles", self._overlay)
        self._sidebar.tiles.show_map(tiles, words)
        if tiles is not None and self._reveal:
            self._reveal = False
            self._sidebar.reveal("tiles")

    def _fly(self, window: Window) -> None:
        if self._overlay is not None:
            self._overlay.chosen = window
        self._compare.look_at(window)
        self._compare.grab_focus()
