"""Original and reconstruction side by side, moving as one."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from fdegc.types import Window
from fdegc_gui.models.session import Session, State
from fdegc_gui.text import quality_name
from fdegc_gui.theme import Theme
from fdegc_gui.views.canvas import Pane
from fdegc_gui.views.viewport import Viewport

#: Held down, the reconstruction's pane shows the original.
FLIP_KEY = Qt.Key.Key_Space

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
    """Two linked panes; one, full width, where there is no original.

    Signals
    -------
    hovered(object)
        Scene position under the pointer (QPointF) or None.
    """

    hovered = Signal(object)

    def __init__(
        self, session: Session, theme: Theme, compress_hint: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._compress_hint = compress_hint
        self._flipped = False
        self.viewport = Viewport(self)
        self.original = Pane("Original", self.viewport, theme)
        self.reconstruction = Pane("Reconstruction", self.viewport, theme)
        self.setObjectName("canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(self.original, 1)
        layout.addWidget(self.reconstruction, 1)
        for pane in (self.original, self.reconstruction):
            pane.hovered.connect(self.hovered)
        self.reconstruction.resized.connect(self._on_resized)
        session.scene_changed.connect(self._on_scene)
        session.image_changed.connect(self._refresh_all)
        session.rate_changed.connect(self._refresh_all)
        session.result_changed.connect(self._refresh_all)
        session.tiles_written.connect(self._on_tiles)

    @property
    def flipped(self) -> bool:
        """Whether the reconstruction's pane shows the original."""
        return self._flipped

    def set_flipped(self, flipped: bool) -> None:
        """Show the original in the reconstruction's pane, or stop it."""
        flipped = flipped and self._session.original is not None
        if flipped != self._flipped:
            self._flipped = flipped
            self._refresh_all()

    def grab_focus(self) -> None:
        """Let keys go to the canvas."""
        self.reconstruction.setFocus(Qt.FocusReason.OtherFocusReason)

    def look_at(self, window: Window) -> None:
        """Show a part of the scene with what is around it."""
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

    def _on_tiles(self, key: int, windows: list[Window]) -> None:
        if key == self._session.key and not self._flipped:
            self.reconstruction.refresh(windows)

    def _refresh_all(self) -> None:
        session = self._session
        if session.scene is None:
            self.original.show_picture(None, "Original")
            self.reconstruction.show_picture(None, "Reconstruction")
            return
        clear = session.original is not None and session.original.transparent
        self.original.show_picture(session.original, "Original", transparent=clear)
        if self._flipped:
            self.reconstruction.show_picture(session.original, "Original  (Space held)", transparent=clear)
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
        """Return the pixel (column, row) under a scene position, or None outside the scene."""
        scene = self._session.scene
        if scene is None:
            return None
        x, y = int(position.x() // 1), int(position.y() // 1)
        inside = 0 <= x < scene.info.width and 0 <= y < scene.info.height
        return (x, y) if inside else None
