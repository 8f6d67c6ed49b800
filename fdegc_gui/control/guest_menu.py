"""Commands about other codecs and files: menus of what there is, and the table and plot of results."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QMenu, QWidget, QWidgetAction

from fdegc_gui.actions import Actions
from fdegc_gui.control.controller import Controller
from fdegc_gui.control.exporting import Exporting
from fdegc_gui.dialogs.files import FileDialogs
from fdegc_gui.jobs.text_file import WriteFile
from fdegc_gui.models.comparison import Side
from fdegc_gui.models.points import Point, table_text
from fdegc_gui.settings import Settings
from fdegc_gui.text import time_left
from fdegc_gui.views.compare import CompareView
from fdegc_gui.views.sidebar import SideBar

#: Width of a sentence in a menu.
_SENTENCE = 330
#: Where the words of entries begin that can be checked.
_INDENT = 40
#: How long it may take is said from here on (seconds).
_WORTH_SAYING = 3.0


class GuestMenu(QObject):
    """Commands about other codecs and files.

    Parameters
    ----------
    window : QWidget
        Parent of menus and dialogs.
    controller : Controller
    compare : CompareView
    sidebar : SideBar
    actions : Actions
    settings : Settings
        Remembers folders.
    files : FileDialogs
    exporting : Exporting
        Asks before a file is replaced.

    Attributes
    ----------
    menus : dict of Side to QMenu
        Other codecs for a side.
    """

    def __init__(
        self,
        window: QWidget,
        controller: Controller,
        compare: CompareView,
        sidebar: SideBar,
        actions: Actions,
        settings: Settings,
        files: FileDialogs,
        exporting: Exporting,
    ) -> None:
        super().__init__(window)
        self._window, self._controller, self._sidebar = window, controller, sidebar
        self._actions, self._settings, self._files = actions, settings, files
        self._exporting, self._compare = exporting, compare
        self._guests, self._session = controller.guests, controller.session
        self.menus = {side: self._menu(side) for side in Side}
        for side, chip in compare.chips.items():
            chip.offer_more = self._offer
            self.menus[side].aboutToShow.connect(lambda side=side: self.fill(side))
        compare.view_changed.connect(self._guests.set_view)
        self._guests.offers_changed.connect(self._on_offers)
        slots = {
            "open_other": lambda: self.ask_file(Side.A),
            "copy_table": self.copy_table,
            "export_table": self.ask_table,
            "export_plot": self.ask_plot,
        }
        for key, slot in slots.items():
            actions[key].triggered.connect(slot)
        exports = [actions["export_table"], actions["export_plot"]]
        sidebar.bar.set_up(self.menus[Side.A], actions["copy_table"], exports)
        sidebar.results.removed.connect(self._guests.remove)
        session = self._session
        for signal in (session.scene_changed, session.result_changed, session.sides_changed):
            signal.connect(self.refresh_actions)
        self.refresh_actions()

    def _menu(self, side: Side) -> QMenu:
        menu = QMenu("Compare &with another codec" if side is Side.A else "Another &codec", self._window)
        menu.setToolTipsVisible(True)
        menu.setAccessibleName(f"Other codecs for picture {side.value}")
        return menu

    # ------------------------------------------------------------------ menus

    def _offer(self, menu: QMenu, side: Side) -> None:
        """What else can become a side's picture, at the end of its chip's menu."""
        menu.addSeparator()
        menu.addMenu(self.menus[side])
        menu.addAction("Open another file…").triggered.connect(lambda: self.ask_file(side))
        result = self._session.result_of(side)
        if result is not None and result.guest is not None:
            action = menu.addAction(f"Remove {result.title} from the results")
            action.triggered.connect(lambda: self._guests.remove(result.key))

    def fill(self, side: Side) -> None:
        """Menu of other codecs for a side, as things are now."""
        menu, guests = self.menus[side], self._guests
        menu.clear()
        why = guests.why_not
        if why:
            self._sentence(menu, why)
            return
        reference = guests.reference
        way = "" if reference is None else reference.way.name
        what = f"At the PSNR of {way}" if guests.by_psnr else f"At the size of {way}"
        self._sentence(menu, what)
        guests.look()
        if guests.offers is None:
            self._sentence(menu, "Looking for other codecs…")
            return
        for offer in guests.offers.codecs:
            told = [offer.label]
            seconds, part = guests.seconds_for(offer), guests.window_for(offer)
            told += [f"{part.width} × {part.height} px in view"] if part is not None else []
            told += [f"about {time_left(seconds).removesuffix(' left')}"] if seconds >= _WORTH_SAYING else []
            action = menu.addAction("   ·   ".join(told))
            action.setToolTip(f"{offer.settings}\n{offer.version}")
            action.triggered.connect(lambda _=False, offer=offer: guests.code(offer, side))
        for unfit in guests.offers.unfit:
            action = menu.addAction(f"{unfit.label}   ·   {unfit.why}")
            action.setToolTip(f"{unfit.label} cannot hold this scene: it {unfit.why} only.")
            action.setEnabled(False)
        menu.addSeparator()
        for sentence in guests.offers.missing:
            self._sentence(menu, sentence)
        for words, name in (
            ("Match its PSNR, not its size", "by_psnr"),
            ("Only what is in view", "view_only"),
        ):
            action = menu.addAction(words)
            action.setCheckable(True)
            action.setChecked(getattr(guests, name))
            action.toggled.connect(lambda on, name=name: setattr(guests, name, on))

    def _sentence(self, menu: QMenu, words: str) -> None:
        """Sentence in a menu, which a disabled entry would show too faintly and in one line."""
        label = QLabel(words)
        label.setObjectName("muted")
        label.setWordWrap(True)
        label.setFixedWidth(_SENTENCE)
        label.setContentsMargins(_INDENT, 4, 12, 4)
        action = QWidgetAction(menu)
        action.setDefaultWidget(label)
        action.setText(words)
        action.setEnabled(False)
        menu.addAction(action)

    def _on_offers(self) -> None:
        for side, menu in self.menus.items():
            if menu.isVisible():
                self.fill(side)

    def refresh_actions(self) -> None:
        """Commands enabled as far as there is something for them."""
        scene = self._session.scene
        original = scene is not None and scene.stream is None
        some = original and bool(self._points())
        self._actions["open_other"].setEnabled(scene is not None)
        for key in ("copy_table", "export_table"):
            self._actions[key].setEnabled(some)
        self._actions["export_plot"].setEnabled(original and not self._sidebar.plot.isHidden())
        self._sidebar.bar.compare.setEnabled(original)
        self._sidebar.bar.copy.setEnabled(some)
        self._sidebar.bar.export.setEnabled(some)

    # ------------------------------------------------------------------ commands

    def ask_file(self, side: Side) -> None:
        """Another file as a side's picture, which the user is asked for."""
        path = self._files.open_other(self._window, self._settings.folder("open"), side.value)
        if path is not None:
            self._guests.read(path, side)
        self._compare.grab_focus()

    def _points(self) -> list[Point]:
        return self._sidebar.results.model.points()

    def copy_table(self) -> None:
        """Table of results, to the clipboard."""
        QGuiApplication.clipboard().setText(table_text(self._points(), "\t"))
        self._controller.message.emit("The table is in the clipboard.")

    def ask_table(self) -> None:
        """Table of results, to a file that the user is asked for."""
        target = self._files.save_table(self._window, self._suggest("table", "-results.csv"))
        if target is not None and self._exporting.may_write(target, "table"):
            content = table_text(self._points(), ",").encode()
            self._controller.export(WriteFile(target=target, content=content), "Saving the table…")

    def ask_plot(self) -> None:
        """Plot of results, to a file that the user is asked for."""
        target = self._files.save_plot(self._window, self._suggest("table", "-results.svg"))
        if target is None or not self._exporting.may_write(target, "table"):
            return
        content = self._sidebar.plot.saved(target.suffix.lower())
        if content:
            self._controller.export(WriteFile(target=target, content=content), "Saving the plot…")

    def _suggest(self, purpose: str, end: str) -> str:
        scene = self._session.scene
        stem = "" if scene is None else scene.file.stem
        return str(Path(self._exporting.suggest(purpose, f"{stem}{end}")))
