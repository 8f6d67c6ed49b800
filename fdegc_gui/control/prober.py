"""Pixel values and place under the pointer: asked for, and only the answer about where it is now kept."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from fdegc.raster_info import Window
from fdegc_gui.jobs import Lane
from fdegc_gui.jobs.pictures import CloseFiles
from fdegc_gui.jobs.probe import Probe
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.models.probe import Reading
from fdegc_gui.models.result import Result
from fdegc_gui.models.sample_store import SampleStore
from fdegc_gui.models.session import Session

#: After so long without an answer, that about the former pixel is no longer shown.
_PATIENCE_MS = 150


class Prober(QObject):
    """Look-up of samples and places, on a thread of its own.

    Parameters
    ----------
    session : Session
    rasters : Rasters
        Open files.

    Signals
    -------
    reading_changed(Reading or None)
        What is under the pointer; None if nothing is, or it is not known yet.
    """

    reading_changed = Signal(object)

    def __init__(self, session: Session, rasters: Rasters, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._pixel: tuple[int, int] | None = None
        self._reading: Reading | None = None
        self.lane = Lane("probes", None, self, rasters)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(lambda: self._set_reading(None))
        session.scene_changed.connect(self._on_scene)
        session.rate_changed.connect(self._again)
        session.result_changed.connect(self._again)
        session.tiles_written.connect(self._on_tiles)

    @property
    def reading(self) -> Reading | None:
        """Reading of the pixel under the pointer, as far as it is known."""
        return self._reading

    def look(self, pixel: tuple[int, int] | None) -> None:
        """Look-up of a pixel (column, row), or of nothing."""
        if pixel != self._pixel:
            self._pixel = pixel
            self._again()

    def _again(self) -> None:
        scene, pixel = self._session.scene, self._pixel
        if scene is None or pixel is None:
            self.lane.drop()
            self._patience.stop()
            self._set_reading(None)
            return
        job = Probe(
            path=scene.path if scene.stream is None else None,
            store=_store(self._session.current, pixel),
            info=scene.info,
            pixel=pixel,
            key=self._session.key,
        )
        if not self._patience.isActive():
            self._patience.start()
        self.lane.submit(job, done=self._on_reading)

    def _on_scene(self) -> None:
        self._pixel = None
        self._again()
        self.lane.submit(CloseFiles())

    def _on_tiles(self, key: int, windows: list[Window]) -> None:
        if self._pixel is not None and key == self._session.key:
            place = Window(*self._pixel, 1, 1)
            if any(window.intersection(place) for window in windows):
                self._again()

    def _on_reading(self, reading: Reading) -> None:
        if reading.pixel == self._pixel and reading.key == self._session.key:
            self._patience.stop()
            self._set_reading(reading)

    def _set_reading(self, reading: Reading | None) -> None:
        if reading != self._reading:
            self._reading = reading
            self.reading_changed.emit(reading)


def _store(result: Result | None, pixel: tuple[int, int]) -> SampleStore | None:
    """Store with a pixel's reconstruction, if there is one yet."""
    return result.store if result is not None and result.covers(*pixel) else None
