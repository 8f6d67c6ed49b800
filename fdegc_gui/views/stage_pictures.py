"""Pictures, values and maps of the stage's panes, as they are arranged."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fdegc.raster_info import Window
from fdegc_gui.models.comparison import ORIGINAL, Layout, Side
from fdegc_gui.models.probe import Block, Reading, readout
from fdegc_gui.models.session import Session
from fdegc_gui.views.canvas import Pane
from fdegc_gui.views.content import SidePicture
from fdegc_gui.views.layer import Overlay
from fdegc_gui.views.loupe import Loupe
from fdegc_gui.views.pane_view import Swipe
from fdegc_gui.views.side_pictures import difference_legend, difference_picture, side_picture


@dataclass(frozen=True)
class Arrangement:
    """Arrangement of the stage.

    Attributes
    ----------
    layout : Layout
        That is seen.
    side : Side
        That pane B shows.
    held : bool
        Whether it shows it for as long as a key is held.
    upright : bool
        Whether the swipe's line is.
    line : float
        Position of it, as a part of the stage.
    """

    layout: Layout
    side: Side
    held: bool
    upright: bool
    line: float

    @property
    def is_difference(self) -> bool:
        """Whether pane B shows a map of differences."""
        return self.layout is Layout.DIFFERENCE and self.side is Side.B


class StagePictures:
    """Contents of both panes, which follow the session.

    Parameters
    ----------
    session : Session
    compress_keys : str
        Keys that compress, for hints where there is no picture.
    original, reconstruction : Pane
        Panes A and B.
    loupe : Loupe
    """

    def __init__(
        self, session: Session, compress_keys: str, original: Pane, reconstruction: Pane, loupe: Loupe
    ) -> None:
        self._session, self._compress_keys = session, compress_keys
        self._original, self._reconstruction, self._loupe = original, reconstruction, loupe
        self._how = Arrangement(Layout.SIDE_BY_SIDE, Side.B, False, True, 0.5)
        self._block: Block | None = None
        self._reading: tuple[tuple[int, int] | None, Reading | None] = (None, None)

    def show(self, how: Arrangement) -> None:
        """Pictures of the session in another arrangement, or what has come of them meanwhile."""
        turned, self._how = how.side is not self._how.side, how
        session = self._session
        if session.scene is None:
            for pane in (self._original, self._reconstruction):
                pane.show_picture(SidePicture(label=pane.objectName()))
                pane.show_legend(None)
            return
        if session.paired:
            self._show_side(self._original, Side.A)
        if how.is_difference:
            self._reconstruction.show_picture(difference_picture(session, self._compress_keys))
            self._reconstruction.show_legend(difference_legend(session))
        else:
            self._show_side(self._reconstruction, how.side)
            self._reconstruction.show_legend(None)
        self.show_swipe(how)
        self._show_cells()
        if turned:
            self._show_values()
        self._loupe.refresh()

    def show_swipe(self, how: Arrangement) -> None:
        """Line of the swipe where it is by now."""
        self._how = how
        swiping = how.layout is Layout.SWIPE and not how.held
        content = self._original.content
        self._reconstruction.show_swipe(Swipe(content, how.upright, how.line) if swiping else None)

    def refresh(self, key: int, windows: list[Window]) -> None:
        """Painting of rectangles that have changed in a picture, where it is seen."""
        if self._session.key_of(Side.A) == key and self._original.isVisible():
            self._original.refresh(windows)
        swiped = self._reconstruction.swipe is not None and self._session.key_of(Side.A) == key
        if self._session.key_of(self._how.side) == key or swiped:
            self._reconstruction.refresh(windows)

    def show_reading(self, pixel: tuple[int, int] | None, reading: Reading | None) -> None:
        """Values under the pointer, shown in both panes and in the loupe.

        Parameters
        ----------
        pixel : (int, int) or None
            Column and row; None if the pointer is elsewhere.
        reading : Reading or None
            None while they are looked up.
        """
        self._reading = pixel, reading
        self._loupe.show_reading(reading)
        self._show_values()

    def show_block(self, block: Block | None) -> None:
        """Values of the pixels that are seen singly, written into them; None for none."""
        self._block = block
        self._show_cells()

    def show_overlay(self, name: str, overlay: Overlay | None) -> None:
        """Overlay over both pictures in place of another of that name; None for none."""
        for pane in (self._original, self._reconstruction):
            pane.show_overlay(name, overlay)

    def show_region(self, region: Window | None) -> None:
        """Outline of a region; None for none."""
        for pane in (self._original, self._reconstruction):
            pane.show_region(region)

    def _show_values(self) -> None:
        scene, (pixel, reading) = self._session.scene, self._reading
        for pane, side in ((self._original, Side.A), (self._reconstruction, self._how.side)):
            if scene is None or pixel is None:
                pane.show_readout(())
                continue
            a, b = (reading.a, reading.b) if reading is not None else (None, None)
            values, before = (a, None) if side is Side.A else (b, a)
            known = self._session.key_of(side) == ORIGINAL
            if values is not None or known or (reading is None and pane.readout):
                rows = readout(scene.info, values, before)
                swiped = pane is self._reconstruction and self._how.layout is Layout.SWIPE
                pane.show_readout((("", f"Picture {side.value}"), *rows) if swiped else rows)
            else:
                pane.show_readout(())

    def _show_cells(self) -> None:
        block, how = self._block, self._how
        a, b, apart = (None, None, None) if block is None else (block.a, block.b, block.apart)
        self._original.show_cells(a)
        self._reconstruction.show_cells(apart if how.is_difference else a if how.side is Side.A else b)

    def _show_side(self, pane: Pane, side: Side) -> None:
        """Picture of one side in a pane."""
        shown = side_picture(self._session, side, self._compress_keys)
        if pane is self._reconstruction and self._how.held:
            shown = replace(shown, label=f"{shown.label}  (Space held)")
        pane.show_picture(shown)
