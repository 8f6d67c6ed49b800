"""Engine of the app: loaded late, on a device that can be changed."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from fdegc_gui.control.activities import Activities
from fdegc_gui.jobs import Failure, Lane
from fdegc_gui.jobs.coding import EngineReady, LoadEngine
from fdegc_gui.models.activity import Activity

_RANK = 3


class EngineKeeper(QObject):
    """Keeper of the engine: whether there is one, and on which device.

    Parameters
    ----------
    lane : Lane
        The engine's.
    device : str
        Device id to start with.
    activities : Activities

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

    def __init__(
        self, lane: Lane, device: str, activities: Activities, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._lane, self._activities = lane, activities
        self._wanted = False
        self.device = device
        self.ready: EngineReady | None = None

    def load(self) -> None:
        """Loading of the engine, unless that was asked for already."""
        if not self._wanted:
            self._submit()

    def set_device(self, device: str) -> None:
        """Device to work on from now on; what runs is finished where it runs."""
        if device != self.device:
            self.device = device
            self._submit()

    def _submit(self) -> None:
        self._wanted = True
        device = self.device
        self._lane.submit(
            LoadEngine(device=device),
            done=self._on_ready,
            failed=lambda failure: self._on_failed(device, failure),
            watch=self._activities.watch(Activity("Loading the compression engine…", _RANK)),
        )

    def _on_ready(self, ready: EngineReady) -> None:
        if ready.device == self.device:
            self.ready = ready
            self.message.emit(f"Ready on {ready.label}.")
            self.changed.emit(ready)

    def _on_failed(self, device: str, failure: Failure) -> None:
        self._wanted = False
        if device != "auto" and failure.expected:
            # A remembered device may be gone; that is no reason to be of no use.
            self.device = "auto"
            self.message.emit(f"{failure.message} Using the automatic choice.")
            self.load()
            return
        self.ready = None
        self.changed.emit(None)
        self.failed.emit("The compression engine could not be loaded.", failure)
