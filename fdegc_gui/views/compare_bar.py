"""Bar over the stage: how the two pictures are laid out, and what that layout can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from fdegc_gui.actions import Actions
from fdegc_gui.models.comparison import Layout, Side
from fdegc_gui.models.difference import GAINS
from fdegc_gui.models.display import short_band_name
from fdegc_gui.models.session import Session
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme, figures

#: Layouts in the order of their buttons, and their icons.
_SEGMENTS = (
    (Layout.SIDE_BY_SIDE, "side-by-side"),
    (Layout.STACKED, "stacked"),
    (Layout.SINGLE, "single"),
    (Layout.SWIPE, "swipe"),
    (Layout.FLIP, "flip"),
    (Layout.DIFFERENCE, "difference"),
)
#: Fastest and slowest blinking: milliseconds that a picture stays.
FASTEST_MS, SLOWEST_MS = 150, 3000
#: Height of a row; what has to be left in one.
_ROW, _SLACK = 38, 12


class CompareBar(QWidget):
    """Bar of the comparison.

    Signals
    -------
    layout_wanted(object)
        Layout.
    side_wanted(object)
        Side to be seen where there is room for one.
    blink_wanted(int)
        Milliseconds that a picture stays.
    """

    layout_wanted = Signal(object)
    side_wanted = Signal(object)
    blink_wanted = Signal(int)

    def __init__(
        self, session: Session, actions: Actions, theme: Theme, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._actions, self._theme = session, actions, theme
        self._icons: list[tuple[QToolButton, Callable[[], str]]] = []
        self._playing = False
        self.setObjectName("comparebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(_ROW)
        # It makes room for itself by a second row, not by a wider window.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(1)
        self.segments = {layout: self._segment(layout, icon) for layout, icon in _SEGMENTS}
        self.swap = self._command("swap", lambda: "swap")
        self.turn = self._command("swipe_turn", lambda: "turn")
        self.blink = self._command("blink", lambda: "pause" if self._playing else "play")
        self.measure = self._command("measure", lambda: "measure")
        self.full_screen = self._command("full_screen", lambda: "full-screen")
        self.one = {side: self._side(side) for side in Side}
        self.speed = QSlider(Qt.Orientation.Horizontal)
        self.seconds = QLabel()
        self.kind, self.band, self.gain, self.colors = (QComboBox() for _ in range(4))
        self._build_options()
        self._lay_out()
        session.scene_changed.connect(self.refresh)
        session.style_changed.connect(self.refresh)
        session.result_changed.connect(self._on_result)
        session.difference_changed.connect(self._show_gain)
        theme.changed.connect(self._paint_icons)
        self._paint_icons()

    # ------------------------------------------------------------------ building

    def _segment(self, layout: Layout, icon: str) -> QToolButton:
        button = QToolButton()
        button.setCheckable(True)
        action = self._actions[f"layout_{layout.value}"]
        button.setToolTip(action.toolTip())
        button.setAccessibleName(action.text().replace("&", ""))
        button.clicked.connect(lambda: self.layout_wanted.emit(layout))
        self._style(button, lambda: icon)
        return button

    def _command(self, key: str, icon: Callable[[], str]) -> QToolButton:
        action = self._actions[key]
        button = QToolButton()
        button.setToolTip(action.toolTip())
        button.setAccessibleName(action.text().replace("&", ""))
        button.setCheckable(action.isCheckable())
        button.clicked.connect(action.trigger)
        action.toggled.connect(button.setChecked)
        action.enabledChanged.connect(button.setEnabled)
        self._style(button, icon)
        return button

    def _style(self, button: QToolButton, icon: Callable[[], str]) -> None:
        button.setObjectName("flat")
        button.setIconSize(QSize(18, 18))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self._icons.append((button, icon))

    def _side(self, side: Side) -> QToolButton:
        button = QToolButton()
        button.setObjectName("flat")
        button.setText(side.value)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(f"Picture {side.value}")
        button.setToolTip(f"Show picture {side.value}.  {self._actions.keys('toggle')} changes over.")
        button.clicked.connect(lambda: self.side_wanted.emit(side))
        return button

    def _build_options(self) -> None:
        self.speed.setRange(FASTEST_MS, SLOWEST_MS)
        self.speed.setInvertedAppearance(True)
        self.speed.setInvertedControls(True)
        self.speed.setFixedWidth(96)
        self.speed.setAccessibleName("Speed of blinking")
        self.speed.setToolTip("How fast the pictures change over.")
        self.speed.valueChanged.connect(self.blink_wanted)
        self.speed.valueChanged.connect(self._show_seconds)
        self.seconds.setObjectName("muted")
        self.seconds.setFont(figures(self.seconds.font()))
        for box, name, tip in (
            (
                self.kind,
                "Kind of difference",
                "Size of the difference, or B minus A with its sign, or local SSIM: 1 is equal.",
            ),
            (self.band, "Band", "One band, or the mean over all of them."),
            (self.gain, "Gain", "How much differences are enlarged; “Auto” fits what is in view."),
            (self.colors, "Colours", "Colours with even steps."),
        ):
            box.setAccessibleName(name)
            box.setToolTip(tip)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.kind.addItems(["Absolute", "Signed", "SSIM"])
        self.gain.addItem("Auto", None)
        for gain in GAINS:
            self.gain.addItem(f"×{gain}", gain)
        self.kind.activated.connect(lambda i: self._set(signed=i == 1, similar=i == 2))
        self.band.activated.connect(lambda i: self._set(band=i - 1 if i else None))
        self.gain.activated.connect(lambda i: self._set(gain=self.gain.itemData(i)))
        self.colors.activated.connect(self._on_colors)

    def _lay_out(self) -> None:
        group, pair = QButtonGroup(self), QButtonGroup(self)
        for button in self.segments.values():
            group.addButton(button)
        for button in self.one.values():
            pair.addButton(button)
        frame = self._group(*self.segments.values(), spacing=0, margins=(1, 1, 1, 1))
        frame.setObjectName("segments")
        frame.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._either = self._group(*self.one.values())
        self._groups: list[tuple[tuple[Layout, ...], QWidget]] = [
            ((Layout.SWIPE,), self._group(self.turn)),
            ((Layout.SINGLE, Layout.FLIP), self._either),
            ((Layout.FLIP,), self._group(self.blink, self.speed, self.seconds)),
            ((Layout.DIFFERENCE,), self._group(self.kind, self.band, self.gain, self.colors, spacing=5)),
        ]
        self._options = self._group(*(widget for _, widget in self._groups), spacing=0)
        self._first, self._second = QHBoxLayout(), QHBoxLayout()
        for row in (self._first, self._second):
            row.setContentsMargins(8, 0, 8, 0)
            row.setSpacing(8)
        self._first.addWidget(frame, 0, Qt.AlignmentFlag.AlignVCenter)
        self._first.addWidget(self.swap)
        self._first.addWidget(self._options)
        self._first.addStretch(1)
        self._first.addWidget(self._group(self.measure, self.full_screen))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._first)
        column.addLayout(self._second)

    def _arrange(self) -> None:
        """Options beside the rest, or below it where there is no room."""
        options = self._options
        below = self._second.indexOf(options) >= 0
        rest = self._first.sizeHint().width() - (0 if below else options.sizeHint().width())
        fits = rest + options.sizeHint().width() + _SLACK <= self.width()
        if fits == below:
            self._first.removeWidget(options)
            self._second.removeWidget(options)
            if fits:
                self._first.insertWidget(2, options)
            else:
                self._second.insertWidget(0, options, 1, Qt.AlignmentFlag.AlignLeft)
        shown = any(not widget.isHidden() for _, widget in self._groups)
        self.setFixedHeight(_ROW if fits or not shown else 2 * _ROW - 4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _group(
        self, *widgets: QWidget, spacing: int = 2, margins: tuple[int, int, int, int] = (0, 0, 4, 0)
    ) -> QWidget:
        group = QWidget()
        row = QHBoxLayout(group)
        row.setContentsMargins(*margins)
        row.setSpacing(spacing)
        for widget in widgets:
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        return group

    # ------------------------------------------------------------------ what is shown

    def show_layout(self, layout: Layout, side: Side) -> None:
        """Layout that is seen, and the side where there is room for one."""
        self.segments[layout].setChecked(True)
        self.one[side].setChecked(True)
        for layouts, widget in self._groups:
            alone = widget is self._either and not self._session.paired
            widget.setVisible(layout in layouts and not alone)
        self._arrange()

    def show_blinking(self, playing: bool, milliseconds: int) -> None:
        """Whether the pictures change over by themselves, and how fast."""
        changed, self._playing = playing != self._playing, playing
        self.speed.blockSignals(True)
        self.speed.setValue(milliseconds)
        self.speed.blockSignals(False)
        self._show_seconds(milliseconds)
        if changed:  # drawing them anew takes 20 ms
            self._paint_icons()

    def _show_seconds(self, milliseconds: int) -> None:
        self.seconds.setText(f"{milliseconds / 1000:.1f} s")

    def _on_result(self) -> None:
        if self._session.paired != self.segments[Layout.SINGLE].isEnabled():
            self.refresh()

    def refresh(self) -> None:
        """Update of the bar to the session's state."""
        scene, style, pair = self._session.scene, self._session.style, self._session.paired
        for button in self.segments.values():
            button.setEnabled(pair)
        if scene is None:
            return
        names = ["All bands", *(short_band_name(scene.info, i) for i in range(scene.info.bands))]
        _fill(self.band, names)
        self.band.setVisible(scene.info.bands > 1)
        self.band.setCurrentIndex(0 if style.band is None else style.band + 1)
        self.kind.setCurrentIndex(2 if style.similar else int(style.signed))
        self.gain.setCurrentIndex(self.gain.findData(style.gain) if style.gain is not None else 0)
        _fill(self.colors, list(style.maps))
        self.colors.setCurrentIndex(style.maps.index(style.colors))
        self._show_gain()
        self._arrange()

    def _show_gain(self) -> None:
        """Gain that “Auto” has come to, in its words."""
        difference, style = self._session.difference, self._session.style
        words = "Auto"
        if difference is not None and style.gain is None and difference.limit > 0:
            gain = self._session.reach / difference.limit
            words = f"Auto  ×{gain:.2g}" if gain < 10 else f"Auto  ×{gain:.0f}"
        if self.gain.itemText(0) != words:
            self.gain.setItemText(0, words)

    def _paint_icons(self) -> None:
        tokens = self._theme.tokens
        for button, name in self._icons:
            button.setIcon(icons.icon(name(), tokens.text, tokens.strong_border))

    # ------------------------------------------------------------------ wishes

    def _set(self, **changes: object) -> None:
        self._session.set_style(replace(self._session.style, **changes))  # type: ignore[arg-type]

    def _on_colors(self, index: int) -> None:
        style = self._session.style
        self._session.set_style(style.with_colors(style.maps[index]))


def _fill(box: QComboBox, names: list[str]) -> None:
    if [box.itemText(i) for i in range(box.count())] != names:
        box.clear()
        box.addItems(names)
