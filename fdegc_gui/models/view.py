"""View of the panes: the part of the scene that is seen, and how finely."""

from __future__ import annotations

from dataclasses import dataclass

from fdegc.raster_info import RasterInfo, Window

#: Beyond this part of the scene the whole one, which is on its way, is as quick.
_LARGE_PART = 0.25
#: What is read beyond each edge of the view, as a part of its sides: room to move in.
_MARGIN = 0.125
#: Device pixels a scene pixel from which on there is a grid between pixels, and their values are in them.
GRID_ZOOM, VALUES_ZOOM = 16.0, 32.0


@dataclass(frozen=True, slots=True)
class View:
    """View of the panes: a part of the scene, and device pixels a scene pixel."""

    window: Window
    zoom: float

    @property
    def factor(self) -> int:
        """Pixels of the scene, a power of two, that may become one of a picture unseen."""
        factor = 1
        while 2 * factor * self.zoom <= 1.0001:
            factor *= 2
        return factor

    def is_filled_by(self, window: Window, factor: int) -> bool:
        """Whether a part is as fine as the view, not finer (that would flicker), and covers it."""
        return factor == self.factor and window.intersection(self.window) == self.window

    def is_large(self, info: RasterInfo) -> bool:
        """Whether it shows so much of a scene that the whole one is as quick."""
        return self.window.pixels > _LARGE_PART * info.pixels

    def with_margin(self, info: RasterInfo) -> Window:
        """Part of a scene to read for the view, with a margin."""
        window = self.window
        across, down = round(window.width * _MARGIN), round(window.height * _MARGIN)
        left, top = max(0, window.x - across), max(0, window.y - down)
        right = min(info.width, window.x + window.width + across)
        bottom = min(info.height, window.y + window.height + down)
        return Window(left, top, right - left, bottom - top)
