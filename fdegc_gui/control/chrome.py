"""What is around the pictures: side bar, minimap, full screen, and the window's place, remembered."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMainWindow, QSplitter, QWidget

from fdegc_gui.actions import Actions
from fdegc_gui.control.controller import Controller
from fdegc_gui.models.way import FREE
from fdegc_gui.settings import Settings
from fdegc_gui.views.minimap import Minimap
from fdegc_gui.views.notice_bar import NoticeBar
from fdegc_gui.views.sidebar import WIDTH, SideBar

_ANY_HEIGHT = 16_777_215


class Chrome(QObject):
    """Keeper of what is around the pictures.

    Parameters
    ----------
    window : QMainWindow
    splitter : QSplitter
        Pictures beside the side bar.
    sidebar : SideBar
    minimap : Minimap
    notice : NoticeBar
    others : sequence of QWidget
        What else a full screen hides.
    controller : Controller
    actions : Actions
    settings : Settings
    """

    def __init__(
        self,
        window: QMainWindow,
        splitter: QSplitter,
        sidebar: SideBar,
        minimap: Minimap,
        notice: NoticeBar,
        others: Sequence[QWidget],
        controller: Controller,
        actions: Actions,
        settings: Settings,
    ) -> None:
        super().__init__(window)
        self._window, self._splitter, self._sidebar = window, splitter, sidebar
        self._minimap, self._notice, self._others = minimap, notice, others
        self._session, self._actions, self._settings = controller.session, actions, settings

    def restore(self) -> None:
        """Place of the window and of its parts as they were when the program ended."""
        window, settings, actions = self._window, self._settings, self._actions
        if settings.geometry.isEmpty() or not window.restoreGeometry(settings.geometry):
            screen = QGuiApplication.primaryScreen().availableGeometry()
            window.resize(min(1440, round(screen.width() * 0.9)), min(900, round(screen.height() * 0.9)))
        if settings.splitter.isEmpty() or not self._splitter.restoreState(settings.splitter):
            self._splitter.setSizes([window.width() - WIDTH, WIDTH])
        self._sidebar.set_folded(settings.folded)
        actions["sidebar"].setChecked(settings.sidebar)
        actions["minimap"].setChecked(settings.minimap)
        self._minimap.set_wanted(settings.minimap)
        self._sidebar.setVisible(settings.sidebar)

    def store(self) -> None:
        """Entry of all that in the settings."""
        window, settings, actions = self._window, self._settings, self._actions
        if not actions["full_screen"].isChecked():
            settings.geometry = window.saveGeometry()
        settings.splitter = self._splitter.saveState()
        settings.sidebar = actions["sidebar"].isChecked()
        settings.folded = {n for n, section in self._sidebar.sections.items() if not section.is_open}

    def show_minimap(self, shown: bool) -> None:
        """Minimap, or none."""
        self._settings.minimap = shown
        self._minimap.set_wanted(shown)

    def show_sidebar(self, shown: bool) -> None:
        """Side bar, or none."""
        self._sidebar.setVisible(shown)

    def show_metadata(self) -> None:
        """Metadata in the side bar, with the keys in their search field."""
        self._open_sidebar()
        self._sidebar.reveal("metadata")
        self._sidebar.metadata.search.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def ask_quality(self) -> None:
        """Field for a quality of one's own, with the keys."""
        self._open_sidebar()
        self._session.set_rate(FREE)
        self._sidebar.rates.field.quality.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _open_sidebar(self) -> None:
        if not self._actions["sidebar"].isChecked():
            self._actions["sidebar"].trigger()

    def set_full_screen(self, on: bool) -> None:
        """Whole screen for the picture, under a thin bar; all else comes back afterwards."""
        window = self._window
        window.menuBar().setVisible(not on)
        for widget in self._others:
            widget.setVisible(not on)
        self._notice.setMaximumHeight(0 if on else _ANY_HEIGHT)  # it shows itself when there is one
        self._sidebar.setVisible(not on and self._actions["sidebar"].isChecked())
        full = Qt.WindowState.WindowFullScreen
        window.setWindowState(window.windowState() | full if on else window.windowState() & ~full)
