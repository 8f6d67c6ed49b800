"""Main window: views, actions and controller put together; no work of its own."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, QUrl, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDesktopServices,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QKeyEvent,
)
from PySide6.QtWidgets import QMainWindow, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from fdegc_gui.actions import Actions
from fdegc_gui.control.chrome import Chrome
from fdegc_gui.control.comparing import Comparing
from fdegc_gui.control.controller import Controller
from fdegc_gui.control.device_choice import DeviceChoice
from fdegc_gui.control.displaying import Displaying
from fdegc_gui.control.exporting import Exporting
from fdegc_gui.control.going import Going
from fdegc_gui.control.guest_menu import GuestMenu
from fdegc_gui.control.idle import Idle
from fdegc_gui.control.next_steps import NextSteps
from fdegc_gui.control.pointer import Pointer
from fdegc_gui.control.recent import Recent
from fdegc_gui.control.regions import MEASURING
from fdegc_gui.control.result_menus import ResultMenus
from fdegc_gui.control.tiles import Tiles
from fdegc_gui.dialogs.error import ErrorDialog
from fdegc_gui.dialogs.files import FileDialogs
from fdegc_gui.dialogs.help import AboutDialog, ShortcutsDialog
from fdegc_gui.jobs import Failure
from fdegc_gui.jobs.engine import REAL_ENGINE, Engine
from fdegc_gui.jobs.kept import KeptScenes
from fdegc_gui.menus import Menus
from fdegc_gui.models import optional
from fdegc_gui.models.comparison import Side
from fdegc_gui.models.main_action import Step
from fdegc_gui.models.session import Session
from fdegc_gui.models.way import EXACT, FREE
from fdegc_gui.settings import Settings
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme
from fdegc_gui.views import plotting
from fdegc_gui.views.compare import CompareView
from fdegc_gui.views.drop import DropHint, dropped_files, several_words
from fdegc_gui.views.header_bar import Header
from fdegc_gui.views.minimap import Minimap
from fdegc_gui.views.notice_bar import NoticeBar
from fdegc_gui.views.sidebar import SideBar
from fdegc_gui.views.status import StatusLine
from fdegc_gui.views.welcome import Welcome

#: The engine starts loading this long after the window shows if no scene is to be opened first.
_ENGINE_DELAY_MS = 400
_ZOOM_STEP = 1.5


class MainWindow(QMainWindow):
    """Main window, the only one of the app.

    Parameters
    ----------
    settings : Settings
    theme : Theme
    engine : Engine
        How to get the codec; tests pass a fake.
    files : FileDialogs, optional
        Tests answer in its place.
    log_file : Path, optional
    kept : KeptScenes, optional
        Where results of scenes stay when they are left; nowhere by default, and then the user is asked.

    Signals
    -------
    closing()
        The window goes; threads may still have to end.
    closed()
        The window is gone and every thread has ended.
    """

    closing = Signal()
    closed = Signal()

    def __init__(
        self,
        settings: Settings,
        theme: Theme,
        engine: Engine = REAL_ENGINE,
        files: FileDialogs | None = None,
        log_file: Path | None = None,
        kept: KeptScenes | None = None,
    ) -> None:
        super().__init__()
        self.settings, self.theme = settings, theme
        self._files = files if files is not None else FileDialogs()
        self._log_file = log_file
        self.session = Session(settings.rate, self, settings.pace, settings.effort)
        self.controller = Controller(self.session, engine, settings.device, self, kept)
        self.actions_ = Actions(self)
        self.setWindowTitle("FDEGC")
        self.setWindowIcon(icons.app_icon())
        self.setAcceptDrops(True)
        self.setMinimumSize(860, 560)
        self._build()
        self.exporting = Exporting(self, self.controller, settings, self._files, self.show_failure)
        self.menus = Menus(self.menuBar(), self.actions_, self.status.device_menu)
        self.recent_menu = self.menus.recent
        self.theme_actions = self.menus.add_themes(theme.choice, self.set_theme)
        self._pointer = Pointer(self.session, self.compare, self.status, self.controller.prober, self)
        self.comparing = Comparing(self, self.controller, self.compare, self.actions_, settings)
        self.result_menus = ResultMenus(self, self.controller, self.sidebar, self.actions_)
        self.displaying = Displaying(self.controller, self.compare, self.actions_, self)
        self.tiles = Tiles(self.controller, self.compare, self.sidebar, self.actions_, self)
        self.going = Going(self.controller, self.compare, self.actions_, self.theme, self)
        self.guest_menu = GuestMenu(
            self, self.controller, self.compare, self.sidebar, self.actions_, settings, self._files,
            self.exporting,
        )  # fmt: skip
        self.menus.add_to(
            "Compare", self.guest_menu.menus[Side.A], before="layout_automatic", actions=self.actions_
        )
        self.addActions(self.actions_.all())  # their keys work while the menu bar is hidden, too
        self.steps = NextSteps(
            self.controller, self.actions_, self.sidebar, self.header, self.notice, self.status, self
        )
        self.steps.refreshed.connect(self.comparing.refresh_actions)
        self.devices = DeviceChoice(self.controller.keeper, self.status, settings, self)
        self.chrome = Chrome(
            self, self.splitter, self.sidebar, self.minimap, self.notice, (self.header, self.status),
            self.controller, self.actions_, settings,
        )  # fmt: skip
        self._connect()
        self._restore()
        self.steps.refresh()

    # ------------------------------------------------------------------ building

    def _build(self) -> None:
        self.compare = CompareView(self.session, self.theme, self.actions_)
        self.welcome = Welcome(self.actions_.keys("open"))
        self.header = Header(self.session, self.actions_, self.theme)
        self.notice = NoticeBar(self.theme)
        self.sidebar = SideBar(self.session, self.actions_, self.theme)
        self.status = StatusLine(self.actions_["cancel"], self.theme)
        self.stack = QStackedWidget()
        self._blank = QWidget()
        self.stack.addWidget(self.welcome)
        self.stack.addWidget(self._blank)
        self.stack.addWidget(self.compare)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setHandleWidth(1)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self.stack)
        self.splitter.addWidget(self.sidebar)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 0)
        central = QWidget()
        layout = QVBoxLayout(central)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(self.notice)
        layout.addWidget(self.splitter, 1)
        layout.addWidget(self.status)
        self.setCentralWidget(central)
        pane, viewport = self.compare.reconstruction, self.compare.viewport
        self.minimap = Minimap(self.session, pane, viewport, self.theme, self.compare)
        self._drop_hint = DropHint(self)

    def _connect(self) -> None:
        controller, session = self.controller, self.session
        slots = {
            "open": self.ask_open,
            "export_stream": self.exporting.ask_stream,
            "export_image": self.exporting.ask_image,
            "show_folder": self.exporting.show_folder,
            "close_scene": self.close_scene,
            "quit": self.close,
            "compress": self.start_compress,
            "compress_all": controller.coding.start_all,
            "cancel": controller.cancel,
            "any_quality": self.chrome.ask_quality,
            "lpips": self._on_lpips,
            "display": self._show_display,
            "fit": self.compare.viewport.fit,
            "actual": lambda: self.compare.viewport.set_zoom(1.0),
            "zoom_in": lambda: self.compare.viewport.zoom_by(_ZOOM_STEP),
            "zoom_out": lambda: self.compare.viewport.zoom_by(1 / _ZOOM_STEP),
            "minimap": self.chrome.show_minimap,
            "metadata": self.chrome.show_metadata,
            "sidebar": self.chrome.show_sidebar,
            "full_screen": self.chrome.set_full_screen,
            "shortcuts": self.show_shortcuts,
            "open_log": self._open_log,
            "about": self.show_about,
        }
        for key, slot in slots.items():
            self.actions_[key].triggered.connect(slot)
        for rate in range(1, 7):
            self.actions_[f"rate_{rate}"].triggered.connect(lambda _=False, r=rate: session.set_rate(r))
        self.actions_["rate_exact"].triggered.connect(lambda: session.set_rate(EXACT))
        self.sidebar.action.wanted.connect(self._on_main)
        self.sidebar.action.folder_wanted.connect(self.actions_["show_folder"].trigger)
        self.sidebar.rates.chosen.connect(session.set_rate)
        for chooser in (self.sidebar.results, self.sidebar.plot):
            chooser.chosen.connect(lambda key: session.choose(Side.B, key))
        self.sidebar.plot.chosen_first.connect(lambda key: session.choose(Side.A, key))
        self.welcome.open_wanted.connect(self.ask_open)
        self.welcome.file_wanted.connect(lambda name: self.open(Path(name)))
        self.compare.view_changed.connect(controller.painter.set_view)
        self.compare.view_changed.connect(controller.coding.set_view)
        self.compare.display.closed.connect(self.actions_["display"].trigger)
        controller.message.connect(self.status.show_message)
        controller.activities.changed.connect(self._on_activity)
        controller.failed.connect(self.show_failure)
        controller.opened.connect(self._on_opened)
        controller.open_failed.connect(self._on_open_failed)
        controller.part_wanted.connect(self._on_part_wanted)
        controller.stopped.connect(self._on_stopped)
        self.notice.place_wanted.connect(self.compare.look_at)
        session.scene_changed.connect(self._on_scene)
        session.rate_changed.connect(self._on_rate)

    def _restore(self) -> None:
        settings = self.settings
        self.chrome.restore()
        self.actions_["lpips"].setChecked(settings.lpips_download)
        self.actions_["lpips"].setVisible(optional.lpips_installed())
        self.controller.measuring.set_download(settings.lpips_download)
        self.recent = Recent(settings, self.controller, self.menus, self.welcome, self.open, self)
        self.idle = Idle(plotting.steps(), self.controller.activities, self)
        self.devices.ready.connect(self.idle.start)

    def expect(self) -> None:
        """Empty page in place of the welcome, as a file is going to be opened at once."""
        if self.session.scene is None:
            self.stack.setCurrentWidget(self._blank)

    def start(self, path: Path | None = None) -> None:
        """First steps once the window is shown: opening of a file if one is given, then the engine."""
        if path is not None:
            self.expect()
            self.controller.open(path)  # the engine loads once the scene is on the screen
        else:
            QTimer.singleShot(_ENGINE_DELAY_MS, self.controller.prepare)

    # ------------------------------------------------------------------ wishes

    def ask_open(self) -> None:
        """Opening of a file that the user is asked for."""
        path = self._files.open_file(self, self.settings.folder("open"))
        if path is not None:
            self.open(path)

    def open(self, path: Path, part: str | None = None) -> None:
        """Opening of a file, or of a part of it by its name, unless the user wants to stay where he is."""
        if self._may_leave():
            self.controller.open(path, part)

    def close_scene(self) -> None:
        """Closing of the scene, unless the user wants to stay."""
        if self._may_leave():
            self.controller.close_scene()

    def _may_leave(self) -> bool:
        scene, words = self.session.scene, self.controller.would_be_lost
        return scene is None or not words or self._files.confirm_loss(self, scene.name, words)

    def start_compress(self) -> None:
        """Compression (or decoding), with the keys going to the canvas, so that Space flips."""
        self.controller.compress()
        self.compare.grab_focus()

    def _on_main(self, step: Step) -> None:
        """What the main button says."""
        if step is Step.COMPRESS:
            self.start_compress()
        else:
            self.actions_["export_image" if step is Step.SAVE_IMAGE else "export_stream"].trigger()

    def set_theme(self, choice: str) -> None:
        """Theme of the colours, chosen and remembered."""
        self.settings.theme = choice
        self.theme_actions[choice].setChecked(True)
        self.theme.set_choice(choice)

    def show_failure(self, heading: str, failure: Failure) -> None:
        """Error dialog with words for what could not be done; the window stays usable."""
        ErrorDialog(heading, failure, self._log_file, self).open()

    def show_shortcuts(self) -> None:
        """Keyboard shortcuts dialog, shown."""
        ShortcutsDialog(self.actions_, self).open()

    def show_about(self) -> None:
        """About dialog with what this program is, shown."""
        ready = self.controller.keeper.ready
        AboutDialog(ready.label if ready else "", self).open()

    def _on_lpips(self, allowed: bool) -> None:
        self.settings.lpips_download = allowed
        self.controller.measuring.set_download(allowed)

    def _open_log(self) -> None:
        if self._log_file is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._log_file.parent)))

    def _on_activity(self, _activity: object) -> None:
        # Escape closes a region that is being measured; the action would leave it, unmeasured.
        self.compare.keep_escape(self.controller.activities.is_only(MEASURING))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # Escape comes here only while there is nothing to cancel but what measures a region.
        if event.key() == Qt.Key.Key_Escape and self.actions_["full_screen"].isChecked():
            self.actions_["full_screen"].trigger()
        elif event.key() == Qt.Key.Key_Escape and self.comparing.is_measuring:
            self.comparing.close_region()
        else:
            super().keyPressEvent(event)

    def _show_display(self, shown: bool) -> None:
        if shown:
            self.compare.display.open()
        else:
            self.compare.display.hide()
            self.compare.grab_focus()

    # ------------------------------------------------------------------ answers

    def _on_opened(self, _path: Path) -> None:
        self.compare.grab_focus()
        QTimer.singleShot(0, self.controller.keeper.load)  # after the first paint of the scene

    def _on_part_wanted(self, path: Path, parts: tuple[str, ...], titles: tuple[str, ...]) -> None:
        part = self._files.choose_part(self, path, parts, titles)
        if part is not None:
            self.controller.open(path, part)  # it was asked before

    def _on_open_failed(self, _path: Path) -> None:
        self._show_page()
        QTimer.singleShot(0, self.controller.keeper.load)

    def _on_scene(self) -> None:
        scene = self.session.scene
        self._show_page()
        self.setWindowTitle("FDEGC" if scene is None else f"{scene.name} – FDEGC")
        self.setWindowFilePath("" if scene is None else str(scene.file))
        if scene is None and self.actions_["display"].isChecked():
            self.actions_["display"].setChecked(False)
            self._show_display(False)

    def _show_page(self) -> None:
        self.stack.setCurrentWidget(self.welcome if self.session.scene is None else self.compare)

    def _on_rate(self, rate: int) -> None:
        if rate not in (EXACT, FREE):
            self.settings.rate = rate
        self.settings.effort = self.session.effort

    # ------------------------------------------------------------------ drag and drop, closing

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_files(event):
            event.acceptProposedAction()
            self._drop_hint.cover()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._drop_hint.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._drop_hint.hide()
        paths = dropped_files(event)
        if paths:
            event.acceptProposedAction()
            self.open(paths[0])
        if len(paths) > 1:
            self.status.show_message(several_words(paths, self.actions_.keys("open_other")))

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.controller.is_running and self.isVisible() and not self._may_leave():
            event.ignore()
            return
        self.chrome.store()
        self.settings.pace = self.session.pace
        self.settings.save()
        if self.controller.is_running:
            # Gone at once for the user; the threads end on their own, then the program does.
            event.ignore()
            self.hide()
            self.idle.stop()
            self.closing.emit()
            self.controller.shut_down()
        else:
            event.accept()
            self.closed.emit()

    def _on_stopped(self) -> None:
        self.closed.emit()
