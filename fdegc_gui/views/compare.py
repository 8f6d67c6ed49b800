"""Original and reconstruction side by side, moving as one."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from fdegc.raster_info import Window
from fdegc_gui.models.probe import Reading, readout
from fdegc_gui.models.pyramid import Patch
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import Theme
from fdegc_gui.text import quality_name
from fdegc_gui.views.canvas import Pane
from fdegc_gui.views.display_card import DisplayCard
from fdegc_gui.views.viewport import Viewport

#: Held down, the reconstruction's pane shows the original.
FLIP_KEY = Qt.Key.Key_Space

#: Distance of the card from the right edge, and from the upper one, below the pane's label.
_CARD_RIGHT, _CARD_TOP = 12, 50

#: How much of the pane's extent a place fills that is looked at.
_AROUND = 0.6

#: What the pointer and held keys do, for the list of shortcuts.
GESTURES = (
    ("Zoom about the pointer", "Wheel or pinch"),
    ("Move the scene", "Drag, or arrow keys"),
    ("Fit the scene, or 100 % if it is fitted", "Double-click"),
    ("Show the original in place of the reconstruction", "Hold Space"),
)


_OVERVIEW = "Overview stored in the file"


class CompareView(QWidget):
    """Comparison of original and reconstruction in two linked panes; one where there is no original.

    Signals
    -------
    hovered(object)
        Scene position under the pointer (QPointF) or None.
    view_changed(object, float)
        The part of the scene that is seen (Window or None), and device pixels a scene pixel.
    """

    hovered = Signal(object)
    view_changed = Signal(object, float)

    def __init__(
        self, session: Session, theme: Theme, compress_hint: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._compress_hint = compress_hint
        self._flipped = False
        self._reading: tuple[tuple[int, int] | None, Reading | None] = (None, None)
        self.viewport = Viewport(self)
        self.original = Pane("Original", self.viewport, theme)
        self.reconstruction = Pane("Reconstruction", self.viewport, theme)
        self.display = DisplayCard(session, theme, self)
        self.setObjectName("canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(self.original, 1)
        layout.addWidget(self.reconstruction, 1)
        for pane, other in (
            (self.original, self.reconstruction),
            (self.reconstruction, self.original),
        ):
            pane.hovered.connect(self.hovered)
            pane.hovered.connect(other.show_cross)
        self.viewport.changed.connect(self._tell_view)
        self.reconstruction.resized.connect(self._on_resized)
        session.scene_changed.connect(self._on_scene)
        session.image_changed.connect(self._refresh_all)
        session.image_written.connect(self._on_image_written)
        session.patches_changed.connect(self._refresh_all)
        session.rate_changed.connect(self._refresh_all)
        session.result_changed.connect(self._refresh_all)
        session.tiles_written.connect(self._on_tiles)
        self.display.resized.connect(self._place_card)

    @property
    def flipped(self) -> bool:
        """Whether the reconstruction's pane shows the original."""
        return self._flipped

    def set_flipped(self, flipped: bool) -> None:
        """Original in the reconstruction's pane, or an end to that."""
        flipped = flipped and self._session.original is not None
        if flipped != self._flipped:
            self._flipped = flipped
            self._refresh_all()
            self.show_reading(*self._reading)

    def grab_focus(self) -> None:
        """Keyboard focus for the canvas."""
        self.reconstruction.setFocus(Qt.FocusReason.OtherFocusReason)

    def look_at(self, window: Window) -> None:
        """Part of the scene brought into view, with what is around it."""
        ratio = self.devicePixelRatioF()
        room = min(
            self.reconstruction.width() * ratio / window.width,
            self.reconstruction.height() * ratio / window.height,
        )
        middle = QPointF(window.x + window.width / 2, window.y + window.height / 2)
        self.viewport.restore(middle, min(_AROUND * room, 1.0))

    def _on_scene(self) -> None:
        scene = self._session.scene
        self._flipped = False
        self.original.setVisible(scene is not None and scene.stream is None)
        if scene is not None:
            self._on_resized()
            self.viewport.set_scene(scene.info.width, scene.info.height)
        self._refresh_all()

    def _on_resized(self) -> None:
        ratio = self.devicePixelRatioF()
        self.viewport.set_pane(self.reconstruction.width() * ratio, self.reconstruction.height() * ratio)

    def _tell_view(self) -> None:
        scene = self._session.scene
        pane = self.reconstruction
        part = None if scene is None else pane.visible_part(scene.info.width, scene.info.height)
        self.view_changed.emit(part, self.viewport.zoom)

    def show_reading(self, pixel: tuple[int, int] | None, reading: Reading | None) -> None:
        """Values under the pointer, shown in both panes.

        Parameters
        ----------
        pixel : (int, int) or None
            Column and row; None if the pointer is elsewhere.
        reading : Reading or None
            None while they are looked up.
        """
        self._reading = pixel, reading
        scene = self._session.scene
        if scene is None or pixel is None:
            self.original.show_readout(())
            self.reconstruction.show_readout(())
            return
        original = reading.original if reading is not None else None
        decoded = reading.reconstruction if reading is not None else None
        self.original.show_readout(readout(scene.info, original))
        if self._flipped:
            self.reconstruction.show_readout(readout(scene.info, original))
        elif decoded is not None or (reading is None and self.reconstruction.readout):
            self.reconstruction.show_readout(readout(scene.info, decoded, original))
        else:
            self.reconstruction.show_readout(())

    def _on_image_written(self, windows: list[Window]) -> None:
        for pane in (self.original, *((self.reconstruction,) if self._flipped else ())):
            pane.refresh(windows)

    def _on_tiles(self, key: int, windows: list[Window]) -> None:
        if key == self._session.key and not self._flipped:
            self.reconstruction.refresh(windows)

    def _refresh_all(self) -> None:
        session = self._session
        if session.scene is None:
            for pane in (self.original, self.reconstruction):
                pane.show_picture(None, pane.objectName())
                pane.show_patch(None)
            return
        clear = session.original is not None and session.original.transparent
        behind = session.original_backdrop
        patch, finer = session.patches.get("original"), session.patches.get("result")
        self.original.show_picture(session.original, "Original", transparent=clear, backdrop=behind)
        self.original.show_patch(patch)
        self.reconstruction.show_patch(patch if self._flipped else _patch_of(session.current, finer))
        if self._flipped:
            words = "Original  (Space held)"
            self.reconstruction.show_picture(session.original, words, transparent=clear, backdrop=behind)
            return
        result, overview = session.current, session.overview
        stream = session.scene.stream
        quality = stream.quality if stream is not None else float(session.rate)
        label = f"Reconstruction · {quality_name(quality)}"
        if result is None and overview is not None:
            self.reconstruction.show_picture(overview, _OVERVIEW)
            return
        if result is None:
            hint = "" if stream is not None else self._compress_hint.format(rate=session.rate)
            self.reconstruction.show_picture(None, label, hint)
            return
        waiting = result.state is State.RUNNING and not result.tiles_done
        clear = clear or result.pyramid.transparent
        hint = "Working on the first tile…" if waiting and overview is None else ""
        self.reconstruction.show_picture(
            result.pyramid,
            _OVERVIEW if session.shows_overview else label,
            hint,
            clear,
            backdrop=result.backdrop,
            marks=result.damaged,
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_card()

    def _place_card(self) -> None:
        self.display.move(self.width() - self.display.width() - _CARD_RIGHT, _CARD_TOP)

    # ------------------------------------------------------------------ hold to flip

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == FLIP_KEY:
            if not event.isAutoRepeat():
                self.set_flipped(True)
            return
        super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == FLIP_KEY:
            if not event.isAutoRepeat():
                self.set_flipped(False)
            return
        super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        # The release of a held key goes elsewhere once another window is active.
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.set_flipped(False)
        super().changeEvent(event)

    def pixel_at(self, position: QPointF) -> tuple[int, int] | None:
        """Pixel (column, row) under a scene position, or None outside the scene."""
        scene = self._session.scene
        if scene is None:
            return None
        x, y = int(position.x() // 1), int(position.y() // 1)
        inside = 0 <= x < scene.info.width and 0 <= y < scene.info.height
        return (x, y) if inside else None


def _patch_of(result: Result | None, patch: Patch | None) -> Patch | None:
    """Patch of a result's picture if it is one of this result, and that is finished."""
    if result is None or patch is None or result.state is not State.DONE or patch.key != result.rate:
        return None
    return patch
