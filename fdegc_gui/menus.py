"""Menu bar, made from the list of commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QMenuBar

from fdegc_gui.actions import COMMANDS, MENUS, Actions
from fdegc_gui.settings import THEMES
from fdegc_gui.text import distinct_names

_BREAKS_BEFORE = {
    "export_stream",
    "close_scene",
    "quit",
    "copy_table",
    "fit",
    "loupe",
    "sidebar",
    "layout_automatic",
    "swap",
    "gain_up",
    "measure",
    "tiles_bytes",
    "cancel",
    "rate_1",
    "lpips",
    "open_log",
}


class Menus:
    """Menus by name.

    Parameters
    ----------
    bar : QMenuBar
    actions : Actions
    device_menu : QMenu
        Of the status line; shown under Codec as well.
    """

    def __init__(self, bar: QMenuBar, actions: Actions, device_menu: QMenu) -> None:
        self.by_name = {name: bar.addMenu(f"&{name}") for name in MENUS}
        self.recent = QMenu("Open r&ecent", bar)
        for command in COMMANDS:
            menu = self.by_name[command.menu]
            if command.key in _BREAKS_BEFORE:
                menu.addSeparator()
            menu.addAction(actions[command.key])
            if command.key == "open":
                menu.addMenu(self.recent)
        self.by_name["Codec"].addSeparator()
        self.by_name["Codec"].addMenu(device_menu)

    def add_to(self, name: str, menu: QMenu, before: str, actions: Actions) -> None:
        """Menu within another one, before a command and apart from it."""
        self.by_name[name].insertMenu(actions[before], menu)
        self.by_name[name].insertSeparator(actions[before])

    def add_themes(self, chosen: str, choose: Callable[[str], None]) -> dict[str, QAction]:
        """Theme menu; its actions by name."""
        menu = self.by_name["View"].addMenu("&Theme")
        group = QActionGroup(menu)
        actions = {}
        for name in THEMES:
            action = menu.addAction("Like the &system" if name == "system" else f"&{name.capitalize()}")
            action.setCheckable(True)
            action.setChecked(name == chosen)
            action.triggered.connect(lambda _=False, choice=name: choose(choice))
            group.addAction(action)
            actions[name] = action
        return actions

    def show_recent(self, paths: list[str], open_: Callable[[Path], None], clear: Callable[[], None]) -> None:
        """Recent files in the menu, to open again."""
        self.recent.clear()
        for path, name in zip(paths, distinct_names(paths), strict=True):
            action = self.recent.addAction(name.replace("&", "&&"))
            action.setToolTip(path)
            action.setStatusTip(path)
            action.triggered.connect(lambda _=False, wanted=path: open_(Path(wanted)))
        if paths:
            self.recent.addSeparator()
            self.recent.addAction("&Clear list").triggered.connect(clear)
        self.recent.setToolTipsVisible(True)
        self.recent.setEnabled(bool(paths))
