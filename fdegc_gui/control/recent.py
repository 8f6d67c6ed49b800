"""Recent files, in the menu and on the welcome page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject

from fdegc_gui.control.controller import Controller
from fdegc_gui.menus import Menus
from fdegc_gui.settings import Settings
from fdegc_gui.text import part_of
from fdegc_gui.views.welcome import Welcome


class Recent(QObject):
    """Keeper of the recent files: what was opened is added, what is gone is removed.

    Parameters
    ----------
    settings : Settings
        Remembers them.
    controller : Controller
    menus : Menus
    welcome : Welcome
    open_ : callable
        Opens a file.
    """

    def __init__(
        self,
        settings: Settings,
        controller: Controller,
        menus: Menus,
        welcome: Welcome,
        open_: Callable[[Path], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._settings, self._controller = settings, controller
        self._menus, self._welcome, self._open = menus, welcome, open_
        controller.opened.connect(self._on_opened)
        controller.open_failed.connect(self._on_failed)
        self._refresh()

    def clear(self) -> None:
        """Removal of all recent files, and of what is kept of them."""
        self._settings.clear_recent()
        self._controller.forget_kept()
        self._refresh()

    def _on_opened(self, path: Path) -> None:
        self._settings.add_recent(path)
        self._settings.set_folder("open", _file(path).parent)
        self._refresh()

    def _on_failed(self, path: Path) -> None:
        if not _file(path).exists():
            self._settings.remove_recent(path)
            self._refresh()

    def _refresh(self) -> None:
        recent = self._settings.recent
        self._menus.show_recent(recent, self._open, self.clear)
        self._welcome.show_recent(recent)


def _file(path: Path) -> Path:
    """File of what was opened, which may be one of several rasters in it by its name."""
    found = part_of(path)
    return path if found is None else found[0]
