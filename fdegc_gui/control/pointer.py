"""Pointer read-out: the place in the status line, the values in the panes."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPointF

from fdegc_gui.control.prober import Prober
from fdegc_gui.models.probe import Reading, degrees, map_words
from fdegc_gui.models.session import Session
from fdegc_gui.views.compare import CompareView
from fdegc_gui.views.status import StatusLine


class Pointer(QObject):
    """Read-out of what lies under the pointer over the panes.

    Parameters
    ----------
    session : Session
    compare : CompareView
    status : StatusLine
    prober : Prober
        Looks up what takes reading.
    """

    def __init__(
        self,
        session: Session,
        compare: CompareView,
        status: StatusLine,
        prober: Prober,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._compare, self._status, self._prober = session, compare, status, prober
        self._at: tuple[tuple[int, int], QPointF] | None = None
        compare.hovered.connect(self._on_hover)
        prober.reading_changed.connect(self._on_reading)
        session.scene_changed.connect(lambda: self._on_hover(None))

    def _on_hover(self, position: QPointF | None) -> None:
        pixel = self._compare.viewport.pixel_at(position) if position is not None else None
        self._at = None if pixel is None or position is None else (pixel, position)
        self._prober.look(pixel)
        self._show()

    def _on_reading(self, reading: Reading | None) -> None:
        self._compare.pictures.show_reading(self._at[0] if self._at else None, reading)
        self._show()

    def _show(self) -> None:
        """Pointer's position in words: pixel, map coordinates, and once they are known degrees."""
        scene, reading = self._session.scene, self._prober.reading
        if scene is None or self._at is None:
            self._status.show_position("")
            self._compare.pictures.show_reading(None, None)
            return
        pixel, position = self._at
        parts = [f"col {pixel[0]}  row {pixel[1]}", map_words(scene.info, position.x(), position.y())]
        if reading is not None and reading.lonlat is not None:
            parts.append(degrees(reading.lonlat))
        self._status.show_position("   ·   ".join(part for part in parts if part))
