"""Job of the probe lane: where in the scene a place is that somebody has written."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import Never

from fdegc.raster_info import RasterInfo
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.models.place import FoundPlace, Place, PlaceKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FindPlaces(Job[tuple[FoundPlace, ...], Never]):
    """Places in a scene; those that cannot be told are left out.

    Attributes
    ----------
    info : RasterInfo
    places : tuple of Place
    """

    info: RasterInfo
    places: tuple[Place, ...]

    def run(self, context: Context[Never]) -> tuple[FoundPlace, ...]:
        from fdegc.raster import Geolocator

        locator, found = Geolocator(self.info), []
        plain = self.info.transform in (None, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
        for place in self.places:
            position: tuple[float, float] | None
            if place.kind is PlaceKind.PIXEL:
                # The middle of a pixel that is named by whole numbers.
                x, y = (value + 0.5 if value % 1 == 0 else value for value in (place.x, place.y))
                position = x, y
            elif place.kind is PlaceKind.MAP:
                position = None if plain else locator.position_on_map(place.x, place.y)
            else:
                position = locator.position(place.x, place.y)
            if position is not None:
                inside = 0 <= position[0] < self.info.width and 0 <= position[1] < self.info.height
                found.append(FoundPlace(place, position, inside))
        return tuple(found)
