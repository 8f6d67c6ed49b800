"""Loads the engine, late, and changes its device."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from fdegc_gui.jobs import Failure, Job, Lane
from fdegc_gui.jobs.coding import EngineReady, LoadEngine


class EngineKeeper(QObject):
    """Knows whether there is an engine, and on which device.

    Parameters
    ----------
    lane : Lane
        The engine's.
    device : str
        Device id to start with.

    Signals
    -------
    changed(EngineReady or None)
        Loaded on a device, or not loaded.
    message(str)
        A sentence for the status line.
    failed(str, Failure)
        It could not be loaded.
    """

    changed = Signal(object)
    message = Signal(str)
    failed = Signal(str, object)

    def __init__(self, lane: Lane, device: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lane = lane
        self._wanted = False
        self.device = device
        self.ready: EngineReady | None = None
        lane.job_done.connect(self._on_done)
        lane.job_failed.connect(self._on_failed)

    def load(self) -> None:
        """Load the engine unless that was asked for already."""
        if not self._wanted:
            self._wanted = True
            self._lane.submit(LoadEngine(device=self.device))

    def set_device(self, device: str) -> None:
        """Work on another device from now on; what runs is finished where it runs."""
        if device == self.device:
            return
        self.device = device
        self._wanted = True
        self._lane.submit(LoadEngine(device=device))

    def _on_done(self, job: Job, ready: object) -> None:
        if isinstance(ready, EngineReady) and ready.device == self.device:
            self.ready = ready
            self.message.emit(f"Ready on {ready.label}.")
            self.changed.emit(ready)

    def _on_failed(self, job: Job, failure: Failure) -> None:
        if not isinstance(job, LoadEngine):
            return
        self._wanted = False
        if job.device != "auto" and failure.expected:
            # A remembered device may be gone; that is no reason to be of no use.
            self.device = "auto"
            self.message.emit(f"{failure.message} Using the automatic choice.")
            self.load()
            return
        self.ready = None
        self.changed.emit(None)
        self.failed.emit("The compression engine could not be loaded.", failure)
