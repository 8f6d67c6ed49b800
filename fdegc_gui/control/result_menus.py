"""Context menus of the table of results and of the plot."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QMenu, QWidget

from fdegc_gui.actions import Actions
from fdegc_gui.control.controller import Controller
from fdegc_gui.models.comparison import Side
from fdegc_gui.views.sidebar import SideBar


class ResultMenus(QObject):
    """Context menus of what shows results.

    Parameters
    ----------
    window : QWidget
        Parent of the menus.
    controller : Controller
    sidebar : SideBar
    actions : Actions
    """

    def __init__(self, window: QWidget, controller: Controller, sidebar: SideBar, actions: Actions) -> None:
        super().__init__(window)
        self._window, self._controller, self._sidebar = window, controller, sidebar
        self._actions = actions
        table = sidebar.results.table
        for widget, show in ((table, self._show_for_row), (sidebar.plot, self._show_for_plot)):
            widget.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
            widget.customContextMenuRequested.connect(show)

    def _show_for_row(self, at: QPoint) -> None:
        table = self._sidebar.results.table
        index = table.indexAt(at)
        if not index.isValid():
            index = table.currentIndex()  # by the keyboard
        if index.isValid():
            key = self._sidebar.results.model.key(index.row())
            self.menu_for_result(key).popup(table.viewport().mapToGlobal(at))

    def _show_for_plot(self, at: QPoint) -> None:
        plot = self._sidebar.plot
        key = plot.result_at(at)
        menu = self.menu_for_plot() if key is None else self.menu_for_result(key)
        menu.popup(plot.mapToGlobal(at))

    def _menu(self) -> QMenu:
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def menu_for_result(self, key: int) -> QMenu:
        """Menu of a result in the table."""
        session, menu = self._controller.session, self._menu()
        for side in Side:
            action = menu.addAction(f"Show as picture &{side.value}")
            action.setEnabled(session.key_of(side) != key)
            action.triggered.connect(self._chooser(side, key))
        menu.addSeparator()
        for name in ("copy_table", "export_table"):
            menu.addAction(self._actions[name])
        result = session.results.get(key)
        if result is not None and result.guest is not None:
            menu.addSeparator()
            remove = menu.addAction(f"&Remove {result.title.replace('&', '&&')} from the results")
            remove.triggered.connect(lambda: self._controller.guests.remove(key))
        return menu

    def _chooser(self, side: Side, key: int) -> Callable[[], None]:
        return lambda: self._controller.session.choose(side, key)

    def menu_for_plot(self) -> QMenu:
        """Menu of the plot."""
        menu = self._menu()
        menu.addAction("Copy the &plot").triggered.connect(self._copy_plot)
        menu.addAction(self._actions["export_plot"])
        menu.addSeparator()
        for name in ("copy_table", "export_table"):
            menu.addAction(self._actions[name])
        return menu

    def _copy_plot(self) -> None:
        QGuiApplication.clipboard().setImage(QImage.fromData(self._sidebar.plot.saved(".png")))
        self._controller.message.emit("The plot is in the clipboard.")
