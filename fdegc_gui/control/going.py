"""Going to a place that the user writes or pastes."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF
from typing_extensions import Never

from fdegc.raster_info import RasterInfo
from fdegc_gui.actions import Actions
from fdegc_gui.control.controller import Controller
from fdegc_gui.jobs import Failure, Request
from fdegc_gui.jobs.places import FindPlaces
from fdegc_gui.models.place import FoundPlace, Place, PlaceKind, Unreadable, read_place
from fdegc_gui.models.probe import degrees
from fdegc_gui.style.theme import Theme
from fdegc_gui.views.compare import CompareView
from fdegc_gui.views.goto_card import GotoCard, Pin

#: Left of the middle, where the place that one goes to is, with pictures one above the other, too.
_LEFT, _TOP = 12, 50
_HELP = "Column and row, coordinates of the map, or latitude and longitude."


class Going(QObject):
    """Card with a field for coordinates, and the flight to where they are.

    Parameters
    ----------
    controller : Controller
    compare : CompareView
        The card floats over it.
    actions : Actions
    theme : Theme

    Attributes
    ----------
    found : tuple of FoundPlace
        What the text can mean in this scene, the likeliest first.
    """

    def __init__(
        self, controller: Controller, compare: CompareView, actions: Actions, theme: Theme, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._controller, self._compare, self._actions = controller, compare, actions
        self._session = controller.session
        self.card = GotoCard(theme, compare)
        self.found: tuple[FoundPlace, ...] = ()
        self._asked: Request[tuple[FoundPlace, ...], Never] | None = None
        self._wants = False
        actions["go_to"].triggered.connect(self.open)
        self.card.text_changed.connect(self._on_text)
        self.card.chosen.connect(self._on_chosen)
        self.card.closed.connect(self.close)
        self.card.resized.connect(self._place)
        compare.installEventFilter(self)
        self._session.scene_changed.connect(self._on_scene)
        self._on_scene()

    def open(self) -> None:
        """Card, opened."""
        if self._session.scene is not None:
            self._on_text(self.card.field.text())
            self._place()
            self.card.open()

    def close(self) -> None:
        """Card and mark, taken away."""
        self.card.hide()
        self._compare.pictures.show_overlay("pin", None)
        self._compare.grab_focus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        top = self._compare.bar.height()
        self.card.put(QPoint(_LEFT, top + _TOP), top)

    def _on_scene(self) -> None:
        self._actions["go_to"].setEnabled(self._session.scene is not None)
        self._compare.pictures.show_overlay("pin", None)
        self.card.hide()

    def _on_text(self, text: str) -> None:
        scene = self._session.scene
        if self._asked is not None:
            self._asked.drop()
            self._asked = None
        self.found, self._wants = (), False
        if scene is None:
            return
        try:
            places = tuple(read_place(text))
        except Unreadable as error:
            self.card.show_readings((), str(error) or _HELP)
            return
        self._asked = self._controller.prober.lane.submit(
            FindPlaces(info=scene.info, places=places),
            done=lambda found: self._on_found(scene.info, places, found),
            failed=self._on_failed,
        )

    def _on_failed(self, failure: Failure) -> None:
        self._asked = None
        self.card.show_readings((), failure.message)

    def _on_found(self, info: RasterInfo, places: tuple[Place, ...], found: tuple[FoundPlace, ...]) -> None:
        self._asked = None
        self.found = tuple(one for one in found if one.inside)
        if self.found:
            self.card.show_readings(tuple(map(place_words, self.found)), "")
        else:
            self.card.show_readings((), why_not(info, places, found))
        if self._wants:
            self._on_chosen(0)

    def _on_chosen(self, number: int) -> None:
        if self._asked is not None:
            self._wants = True  # Enter came before the answer
        elif number < len(self.found):
            x, y = self.found[number].position
            viewport = self._compare.viewport
            self._compare.pictures.show_overlay("pin", Pin(QPointF(x, y)))
            viewport.restore(QPointF(x, y), max(viewport.zoom, 1.0))


def place_words(found: FoundPlace) -> str:
    """Reading of a place in words."""
    place, (x, y) = found.place, found.position
    at = f"col {int(x)}, row {int(y)}"
    if place.kind is PlaceKind.PIXEL:
        return f"Pixel:  {at}"
    if place.kind is PlaceKind.MAP:
        return f"Map:  {place.x:.10g}  {place.y:.10g}   →   {at}".replace("-", "−")
    return f"{degrees((place.x, place.y))}   →   {at}"


def why_not(info: RasterInfo, places: tuple[Place, ...], found: tuple[FoundPlace, ...]) -> str:
    """Sentence about a place that is not in the scene.

    Parameters
    ----------
    info : RasterInfo
    places : tuple of Place
        What was read.
    found : tuple of FoundPlace
        Those of them whose position can be told.
    """
    if not found:
        if places[0].kind is PlaceKind.DEGREES:
            return "This scene has no coordinate system that knows degrees; a pixel can be found."
        return "That is nowhere in this scene's coordinates."
    # The reading that misses the scene by least is the one that was meant.
    best = min(found, key=lambda one: abs(one.position[0]) / info.width + abs(one.position[1]) / info.height)
    x, y = (f"{math.floor(value)}".replace("-", "−") for value in best.position)
    return f"Outside of the scene: column {x}, row {y} of {info.width} × {info.height} pixels."
