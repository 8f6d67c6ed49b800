"""Follows the pointer: asks what lies under it, and keeps only the answer about where it is now."""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, QTimer, Signal

from fdegc.raster_info import Window
from fdegc_gui.jobs import Failure, Job, Lane
from fdegc_gui.jobs.pictures import CloseFiles
from fdegc_gui.jobs.probe import Probe
from fdegc_gui.jobs.rasters import Rasters
from fdegc_gui.jobs.store import Reconstruction
from fdegc_gui.models.probe import Reading
from fdegc_gui.models.session import Result, Session

log = logging.getLogger(__name__)

#: After so long without an answer, that about the former pixel is no longer shown.
_PATIENCE_MS = 150


class Prober(QObject):
    """Looks up samples and places, on a thread of its own.

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
        self.lane.job_done.connect(self._on_done)
        self.lane.job_failed.connect(self._on_failed)
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
        """What is known of the pixel under the pointer."""
        return self._reading

    def look(self, pixel: tuple[int, int] | None) -> None:
        """Look at a pixel (column, row), or at nothing."""
        if pixel != self._pixel:
            self._pixel = pixel
            self._again()

    def _again(self) -> None:
        scene, pixel = self._session.scene, self._pixel
        if scene is None or pixel is None:
            self.lane.cancel(lambda job: isinstance(job, Probe))
            self._patience.stop()
            self._set_reading(None)
            return
        path = scene.path if scene.stream is None else None
        store = _store(self._session.current, pixel)
        if not self._patience.isActive():
            self._patience.start()
        self.lane.submit(Probe(scene.number, path, store, scene.info, pixel, self._session.key))

    def _on_scene(self) -> None:
        self._pixel = None
        self._again()
        self.lane.submit(CloseFiles())

    def _on_tiles(self, key: int, windows: list[Window]) -> None:
        if self._pixel is not None and key == self._session.key:
            place = Window(*self._pixel, 1, 1)
            if any(window.intersection(place) for window in windows):
                self._again()

    def _on_done(self, job: Job, value: object) -> None:
        if isinstance(value, Reading) and self._session.is_current(job.scene):
            if value.pixel == self._pixel and value.key == self._session.key:
                self._patience.stop()
                self._set_reading(value)

    def _on_failed(self, job: Job, failure: Failure) -> None:
        log.warning("%s: %s", type(job).__name__, failure.message)

    def _set_reading(self, reading: Reading | None) -> None:
        if reading != self._reading:
            self._reading = reading
            self.reading_changed.emit(reading)


def _store(result: Result | None, pixel: tuple[int, int]) -> Reconstruction | None:
    """Return where to find a pixel's reconstruction, if there is one yet."""
    if result is None or not isinstance(result.store, Reconstruction):
        return None
    return result.store if result.covers(*pixel) else None
