"""Comparing: commands of the stage, what is remembered of it, measuring of a region, copying."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, QPoint
from PySide6.QtGui import QActionGroup, QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from fdegc_gui.actions import Actions
from fdegc_gui.control.controller import Controller
from fdegc_gui.models.comparison import Layout
from fdegc_gui.models.probe import Block, reading_text
from fdegc_gui.models.region import region_text
from fdegc_gui.settings import Settings
from fdegc_gui.views.compare import CompareView
from fdegc_gui.views.layer import picture_image
from fdegc_gui.views.side_pictures import side_picture

#: Commands that take two pictures.
_NEED_TWO = (
    "toggle",
    "blink",
    "swipe_turn",
    "swap",
    "gain_up",
    "gain_down",
    "signed",
)
#: The canvas's menu, by groups.
_MENU = (
    ("measure", "measure_view"),
    ("copy_view", "copy_scene", "copy_values"),
    ("display", "stretch_view"),
    ("swap", "fit", "actual", "go_to"),
)


class Comparing(QObject):
    """Commands of the stage: layouts, differences, regions, copies.

    Parameters
    ----------
    window : QWidget
        Parent of the context menu.
    controller : Controller
    compare : CompareView
    actions : Actions
    settings : Settings
        Remembers layout and style.
    """

    def __init__(
        self,
        window: QWidget,
        controller: Controller,
        compare: CompareView,
        actions: Actions,
        settings: Settings,
    ) -> None:
        super().__init__(window)
        self._window, self._controller, self._compare = window, controller, compare
        self._actions, self._settings = actions, settings
        self._session, self._regions = controller.session, controller.regions
        self.menu = QMenu(window)
        self._session.set_style(settings.style)
        compare.set_layout(settings.layout)
        compare.set_swipe(*settings.swipe)
        compare.set_blink_ms(settings.blink_ms)
        self._connect()
        self._on_layout()
        self._on_style()

    def _connect(self) -> None:
        compare, actions, controller = self._compare, self._actions, self._controller
        group = QActionGroup(self)
        for layout in Layout:
            action = actions[f"layout_{layout.value}"]
            group.addAction(action)
            action.triggered.connect(lambda _=False, layout=layout: compare.set_layout(layout))
        slots = {
            "toggle": compare.toggle,
            "blink": compare.set_blinking,
            "swipe_turn": compare.turn_swipe,
            "swap": self.swap,
            "gain_up": lambda: self.change_gain(1),
            "gain_down": lambda: self.change_gain(-1),
            "signed": self._set_signed,
            "loupe": self._compare.loupe.keep,
            "measure": self._set_measuring,
            "measure_view": self.measure_view,
            "copy_view": self.copy_view,
            "copy_scene": self.copy_scene,
            "copy_values": self.copy_values,
        }
        for key, slot in slots.items():
            actions[key].triggered.connect(slot)
        compare.layout_changed.connect(self._on_layout)
        compare.view_changed.connect(controller.differ.set_view)
        compare.view_changed.connect(controller.prober.set_view)
        compare.region_drawn.connect(self._regions.measure)
        compare.menu_wanted.connect(self.show_menu)
        compare.region.closed.connect(self.close_region)
        compare.region.copy_wanted.connect(self.copy_region)
        compare.region.view_wanted.connect(self.measure_view)
        controller.prober.block_changed.connect(self._on_block)
        self._regions.changed.connect(self._on_region)
        self._session.style_changed.connect(self._on_style)
        for signal in (self._session.scene_changed, self._session.result_changed):
            signal.connect(self._on_layout)
        for keys in _MENU:
            self.menu.addSeparator()
            for key in keys:
                self.menu.addAction(actions[key])

    # ------------------------------------------------------------------ state

    def refresh_actions(self) -> None:
        """Commands enabled as far as there is something to compare."""
        scene = self._session.scene
        two = self._session.paired
        for layout in Layout:
            self._actions[f"layout_{layout.value}"].setEnabled(two)
        for key in _NEED_TWO:
            self._actions[key].setEnabled(two)
        for key in ("measure", "measure_view", "copy_view", "copy_scene", "copy_values", "loupe"):
            self._actions[key].setEnabled(scene is not None)

    def _on_layout(self) -> None:
        compare, settings = self._compare, self._settings
        self._actions[f"layout_{compare.wanted.value}"].setChecked(True)
        self._actions["blink"].setChecked(compare.blinking)
        self._controller.differ.set_active(compare.shown is Layout.DIFFERENCE)
        settings.layout, settings.blink_ms = compare.wanted, compare.blink_ms
        settings.swipe = compare.upright, compare.line

    def _on_style(self) -> None:
        self._settings.style = self._session.style
        self._actions["signed"].setChecked(self._session.style.signed)

    def _on_block(self, block: Block | None) -> None:
        self._compare.pictures.show_block(block)

    # ------------------------------------------------------------------ commands

    def swap(self) -> None:
        """Exchange of picture A and picture B."""
        self._session.set_sides(self._session.sides.swapped())

    def change_gain(self, steps: int) -> None:
        """Differences enlarged by some steps more."""
        session, difference = self._session, self._session.difference
        limit = difference.limit if difference is not None else session.reach
        session.set_style(session.style.with_more_gain(steps, session.reach, limit))
        if self._compare.shown is not Layout.DIFFERENCE:
            self._compare.set_layout(Layout.DIFFERENCE)

    def _set_signed(self, signed: bool) -> None:
        self._session.set_style(replace(self._session.style, signed=signed, similar=False))

    def show_menu(self, at: QPoint) -> None:
        """Menu of the canvas."""
        self.menu.popup(at)

    # ------------------------------------------------------------------ regions

    def _set_measuring(self, measuring: bool) -> None:
        self._compare.set_measuring(measuring)
        if measuring:
            self._controller.message.emit("Drag a rectangle to measure it.")
        self._compare.grab_focus()

    @property
    def is_measuring(self) -> bool:
        """Whether a region is shown, or can be drawn."""
        return self._actions["measure"].isChecked() or self._regions.window is not None

    def measure_view(self) -> None:
        """Measuring of what is in view."""
        self._regions.measure(self._compare.visible_part())

    def close_region(self) -> None:
        """End of measuring."""
        self._actions["measure"].setChecked(False)
        self._compare.set_measuring(False)
        self._regions.measure(None)
        self._compare.grab_focus()

    def _on_region(self) -> None:
        regions, card = self._regions, self._compare.region
        scene = self._session.scene
        self._compare.pictures.show_region(regions.window)
        if regions.window is None or scene is None:
            card.hide()
            return
        card.show_region(
            regions.window, regions.figures, scene.info, regions.ms_ssim, regions.note, regions.ground,
            regions.share,
        )  # fmt: skip

    # ------------------------------------------------------------------ copies

    def copy_region(self) -> None:
        """Figures of the region, to the clipboard."""
        regions, scene = self._regions, self._session.scene
        if regions.figures is not None and scene is not None:
            known = regions.ms_ssim, regions.note, regions.ground, regions.share
            text = region_text(regions.figures, scene.info, *known)
            QGuiApplication.clipboard().setText(text)
            self._controller.message.emit("The figures are in the clipboard.")

    def copy_view(self) -> None:
        """Picture of the stage, to the clipboard."""
        QGuiApplication.clipboard().setImage(self._compare.picture())
        self._controller.message.emit("The picture is in the clipboard.")

    def copy_scene(self) -> None:
        """All of the picture that pane B shows, as finely as it is held, to the clipboard."""
        shown = side_picture(self._session, self._compare.side, "").pyramid
        if shown is None:
            self._controller.message.emit("There is no picture to copy yet.")
            return
        level = shown.levels[0]
        QGuiApplication.clipboard().setImage(picture_image(level).copy())  # which outlives the picture
        size = f"{level.shape[1]} × {level.shape[0]} px"
        whole = level.shape[:2] == (shown.height, shown.width)
        name = self._session.name_of(self._compare.side)
        self._controller.message.emit(
            f"“{name}” is in the clipboard, {size if whole else f'reduced to {size}'}."
        )

    def copy_values(self) -> None:
        """Place and values of the pixel under the pointer, to the clipboard."""
        scene, reading = self._session.scene, self._controller.prober.reading
        if scene is None or reading is None:
            self._controller.message.emit("There is no pixel under the pointer.")
            return
        QGuiApplication.clipboard().setText(reading_text(scene.info, reading))
        self._controller.message.emit("The values are in the clipboard.")
