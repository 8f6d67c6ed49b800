"""Displaying: histogram for the display card, and the stretch to what is in view."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QEvent, QObject

from fdegc_gui.actions import Actions
from fdegc_gui.control.controller import Controller
from fdegc_gui.jobs import Failure, Requests
from fdegc_gui.jobs.sources import Origin
from fdegc_gui.jobs.spread import FindSpread
from fdegc_gui.models.display import Stretch
from fdegc_gui.models.result import State
from fdegc_gui.models.scene import STREAM
from fdegc_gui.models.spread import Spread
from fdegc_gui.models.view import View
from fdegc_gui.views.compare import CompareView


class Displaying(QObject):
    """What the display card shows and asks for that takes reading.

    Parameters
    ----------
    controller : Controller
    compare : CompareView
        The card floats over it.
    actions : Actions
    """

    def __init__(
        self, controller: Controller, compare: CompareView, actions: Actions, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._controller, self._compare, self._actions = controller, compare, actions
        self._session, self._card = controller.session, compare.display
        self._shown: tuple[object, ...] = ()
        self._histograms, self._views = Requests(), Requests()
        action = actions["stretch_view"]
        action.triggered.connect(self.stretch_to_view)
        self._card.view_wanted.connect(action.trigger)
        self._card.fit_view.setToolTip(action.toolTip())
        self._card.installEventFilter(self)
        session = self._session
        for signal in (
            session.scene_changed,
            session.display_changed,
            session.image_changed,
            session.result_changed,
        ):
            signal.connect(self._refresh)
        self._refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show:
            self._refresh()
        return False

    def _origin(self) -> Origin | None:
        """What values are taken from: the original, or what a ``.fdegc`` file was decoded to."""
        scene = self._session.scene
        if scene is None or scene.stream is None:
            return None if scene is None else scene.path
        result = self._session.results.get(STREAM)
        return result.store if result is not None and result.state is State.DONE else None

    # ------------------------------------------------------------------ histogram

    def _refresh(self) -> None:
        """Histogram of the shown bands, asked for while somebody sees it."""
        session, display = self._session, self._session.display
        scene, origin = session.scene, self._origin()
        self._actions["stretch_view"].setEnabled(scene is not None)
        if not self._card.isVisible():
            return
        reduced = session.reduced
        known = origin is not None and (scene is None or scene.stream is not None or reduced is not None)
        wanted = () if display is None or not known else (display.bands, origin, id(reduced))
        if wanted == self._shown:
            return
        self._shown = wanted
        self._histograms.drop()
        if not wanted or display is None or origin is None:
            self._card.histogram.show_spread(None)
            return
        job = FindSpread(origin=origin, samples=reduced, window=None, factor=1, bands=display.bands)
        # Whatever goes wrong, the card works without a histogram.
        self._histograms.add(self._controller.painter.lane.submit(job, done=self._card.histogram.show_spread))

    # ------------------------------------------------------------------ stretch

    def stretch_to_view(self) -> None:
        """Black and white fitted to what is in view, once."""
        display, window, origin = self._session.display, self._compare.visible_part(), self._origin()
        if display is None or window is None:
            return
        if origin is None:
            self._controller.message.emit("There is nothing to stretch to until it is decoded.")
            return
        view = View(window, self._compare.viewport.zoom)
        job = FindSpread(origin=origin, samples=None, window=window, factor=view.factor, bands=display.bands)
        self._views.drop()
        self._views.add(
            self._controller.painter.lane.submit(job, done=self._on_view, failed=self._on_view_failed)
        )

    def _on_view(self, spread: Spread | None) -> None:
        display = self._session.display
        if spread is None:
            self._controller.message.emit("No pixel in view is valid.")
        elif display is not None and display.bands == spread.bands:
            self._session.set_display(replace(display, stretch=Stretch.CUSTOM, limits=spread.limits))

    def _on_view_failed(self, failure: Failure) -> None:
        self._controller.message.emit(failure.message)
