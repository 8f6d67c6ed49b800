"""Choice of the device that computes, in the status line."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from fdegc_gui.control.engine import EngineKeeper
from fdegc_gui.jobs.coding import EngineReady
from fdegc_gui.settings import Settings
from fdegc_gui.views.status import StatusLine


class DeviceChoice(QObject):
    """Keeper of the list of devices.

    Parameters
    ----------
    keeper : EngineKeeper
    status : StatusLine
        Where they are chosen.
    settings : Settings
        Where the choice is remembered.

    Signals
    -------
    ready()
        The engine is there, on the device that was chosen.
    """

    ready = Signal()

    def __init__(self, keeper: EngineKeeper, status: StatusLine, settings: Settings, parent: QObject) -> None:
        super().__init__(parent)
        self._keeper, self._status, self._settings = keeper, status, settings
        status.device_wanted.connect(self._on_wanted)
        keeper.changed.connect(self._on_engine)

    def _devices(self) -> list[tuple[str, str]]:
        return list(self._keeper.ready.devices) if self._keeper.ready else []

    def _on_wanted(self, device: str) -> None:
        self._settings.device = device
        self._status.show_devices(device, "", self._devices(), "Changing device…")
        self._keeper.set_device(device)

    def _on_engine(self, ready: EngineReady | None) -> None:
        if ready is None:
            self._status.show_devices(self._keeper.device, "", self._devices(), "Engine not available")
        else:
            self._status.show_devices(ready.device, ready.label, list(ready.devices))
            self.ready.emit()
