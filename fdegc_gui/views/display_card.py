"""Display card: the bands that are shown, and which of their values are black and white."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from fdegc.raster_info import RasterInfo
from fdegc_gui.models.display import (
    GAMMA_STEPS,
    Display,
    Rendering,
    Stretch,
    band_name,
    gamma_at,
    gamma_step,
    stretches_for,
)
from fdegc_gui.models.session import Session
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme, figures
from fdegc_gui.views.band_histogram import BandHistogram
from fdegc_gui.views.floating import FloatingCard
from fdegc_gui.views.section import heading

_WIDTH = 336
_LIMIT_WIDTH = 66
_CHANNELS = ("Red", "Green", "Blue")
_TIPS = {
    Stretch.AS_IS: "The whole range of the sample type: 0 to 255 for 8 bits.",
    Stretch.MIN_MAX: "From the smallest to the largest valid value, as found in a reduced reading.",
    Stretch.PERCENTILE: "Leaves the darkest and the brightest 2 % of the valid pixels black and white.",
    Stretch.CUSTOM: "Type the values of black and white above.",
}


def limit_text(value: float) -> str:
    """Text of a limit as it is typed."""
    if value == int(value) and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.5g}"


def typed_limit(text: str) -> float | None:
    """Number that was typed, with a point or a comma; None if it is none."""
    try:
        value = float(text.strip().replace("−", "-").replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class _Channel:
    """Row of a channel: name, band, black, white."""

    def __init__(self, grid: QGridLayout, row: int) -> None:
        self.label = QLabel(_CHANNELS[row])
        self.label.setObjectName("factName")
        self.band = QComboBox()
        self.band.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.band.setMinimumContentsLength(6)
        self.low, self.high = QLineEdit(), QLineEdit()
        for column, widget in enumerate((self.label, self.band, self.low, self.high)):
            grid.addWidget(widget, row + 1, column)
        for edit in (self.low, self.high):
            edit.setFixedWidth(_LIMIT_WIDTH)
            edit.setAlignment(Qt.AlignmentFlag.AlignRight)
            edit.setFont(figures(edit.font()))

    def set_visible(self, visible: bool) -> None:
        """Visibility of the row."""
        for widget in (self.label, self.band, self.low, self.high):
            widget.setVisible(visible)

    def show(self, info: RasterInfo, name: str, band: int, limits: tuple[float, float] | None) -> None:
        """Display of a choice without telling anyone."""
        self.label.setText(name)
        self.band.setAccessibleName(f"Band shown as {name.lower()}")
        self.low.setAccessibleName(f"{name}: value of black")
        self.high.setAccessibleName(f"{name}: value of white")
        names = [band_name(info, i) for i in range(info.bands)]
        if [self.band.itemText(i) for i in range(self.band.count())] != names:
            self.band.clear()
            self.band.addItems(names)
        self.band.setCurrentIndex(band)
        for edit, value in zip((self.low, self.high), limits or (None, None), strict=True):
            edit.setEnabled(value is not None)
            edit.setText("" if value is None else limit_text(value))
            edit.setCursorPosition(0)

    def typed(self) -> tuple[float, float] | None:
        """Black and white as they were typed; None unless black is below white."""
        low, high = typed_limit(self.low.text()), typed_limit(self.high.text())
        return None if low is None or high is None or low >= high else (low, high)

    @property
    def fault(self) -> str:
        """What is wrong with what was typed, in a sentence; empty for nothing."""
        low, high = typed_limit(self.low.text()), typed_limit(self.high.text())
        for name, edit, value in (("Black", self.low, low), ("White", self.high, high)):
            if value is None:
                text = edit.text().strip()
                what = f"“{text}” is not a number" if text else "a number is missing"
                return f"{name} of {self.label.text().lower()}: {what}."
        if low is not None and high is not None and low >= high:
            return f"Black of {self.label.text().lower()} has to be below its white, {limit_text(high)}."
        return ""


class DisplayCard(FloatingCard):
    """Display card that floats over the canvas; the picture follows at once, and nothing is coded anew.

    Signals
    -------
    closed()
        The user closed it.
    view_wanted()
        Black and white are to fit what is in view.
    """

    closed = Signal()
    view_wanted = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._theme = session, theme
        self.setFixedWidth(_WIDTH)
        self.setAccessibleName("Display")
        self.colour, self.grey = self._mode("Colour"), self._mode("Grey")
        self.stretch = QComboBox()
        self.stretch.setAccessibleName("Stretch")
        self.histogram = BandHistogram(theme)
        self.fault = QLabel()
        self.fault.setObjectName("fault")
        self.fault.setWordWrap(True)
        self.gamma = QSlider(Qt.Orientation.Horizontal)
        self.gamma.setRange(-GAMMA_STEPS, GAMMA_STEPS)
        self.gamma.setPageStep(5)
        self.gamma.setAccessibleName("Gamma")
        self.gamma.setToolTip("Above 1, what is between black and white is brighter; below 1, darker.")
        self.gamma_value = QLabel()
        self.gamma_value.setFont(figures(self.gamma_value.font()))
        self.fit_view = QToolButton()
        self.fit_view.setText("Stretch to view")
        self.linked = QCheckBox("One range for all three")
        self.reset = QToolButton()
        self.reset.setText("Reset")
        self.reset.setToolTip("Show the scene as it was when it was opened first.")
        self.close_button = QToolButton()
        self.close_button.setObjectName("flat")
        self.close_button.setToolTip("Close")
        self.close_button.setAccessibleName("Close")
        self._box = QVBoxLayout(self)
        grid = QGridLayout()
        self.channels = [_Channel(grid, row) for row in range(3)]
        self._lay_out(grid)
        self._connect()
        self.hide()

    def _mode(self, text: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName("flat")
        button.setText(text)
        button.setCheckable(True)
        button.setAutoExclusive(True)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        return button

    def _lay_out(self, grid: QGridLayout) -> None:
        top = QHBoxLayout()
        top.setSpacing(2)
        top.addWidget(heading("Display"))
        top.addStretch(1)
        for button in (self.colour, self.grey):
            top.addWidget(button)
        top.addSpacing(8)
        top.addWidget(self.close_button)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for column, words in ((1, "Band"), (2, "Black"), (3, "White")):
            label = QLabel(words)
            label.setObjectName("factName")
            label.setFont(figures(label.font(), scale=0.9))
            side = Qt.AlignmentFlag.AlignLeft if column == 1 else Qt.AlignmentFlag.AlignRight
            grid.addWidget(label, 0, column, side)
        name = QLabel("Gamma")
        name.setObjectName("factName")
        self.gamma_value.setFixedWidth(self.gamma_value.fontMetrics().horizontalAdvance("0.00 ") + 2)
        self.gamma_value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        gamma = QHBoxLayout()
        gamma.setSpacing(8)
        gamma.addWidget(name)
        gamma.addWidget(self.gamma, 1)
        gamma.addWidget(self.gamma_value)
        bottom = QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addWidget(self.fit_view)
        bottom.addStretch(1)
        bottom.addWidget(self.reset)
        self._box.setContentsMargins(14, 8, 14, 12)
        self._box.setSpacing(10)
        self._box.addLayout(top)
        self._box.addWidget(self.histogram)
        self._box.addLayout(grid)
        self._box.addWidget(self.fault)
        self._box.addWidget(self.stretch)
        self._box.addWidget(self.linked)
        self._box.addLayout(gamma)
        self._box.addLayout(bottom)

    def _connect(self) -> None:
        self.colour.clicked.connect(lambda: self._set_colour(True))
        self.grey.clicked.connect(lambda: self._set_colour(False))
        for i, channel in enumerate(self.channels):
            channel.band.activated.connect(lambda band, at=i: self._on_band(at, band))
            for edit in (channel.low, channel.high):
                edit.editingFinished.connect(lambda at=i: self._on_limits(at))
                edit.textEdited.connect(lambda _, at=i: self._mark(at))
                edit.installEventFilter(self)
        self.stretch.activated.connect(self._on_stretch)
        self.linked.clicked.connect(self._on_linked)
        self.gamma.valueChanged.connect(self._on_gamma)
        self.fit_view.clicked.connect(self.view_wanted)
        self.reset.clicked.connect(self._session.reset_display)
        self.close_button.clicked.connect(self.closed)
        self._session.scene_changed.connect(self.refresh)
        self._session.display_changed.connect(self.refresh)
        self._theme.changed.connect(self._paint_icons)
        self._paint_icons()

    # ------------------------------------------------------------------ what is shown

    def refresh(self) -> None:
        """Update of the card to the session's choice."""
        scene, display, rendering = self._session.scene, self._session.display, self._session.rendering
        if scene is None or display is None:
            return
        info, colour = scene.info, len(display.bands) == 3
        limits = _limits(rendering)
        self.colour.setChecked(colour)
        self.grey.setChecked(not colour)
        self.colour.setEnabled(info.bands > 1)
        for i, channel in enumerate(self.channels):
            channel.set_visible(i < len(display.bands))
            if i < len(display.bands):
                name = _CHANNELS[i] if colour else "Grey"
                channel.show(info, name, display.bands[i], limits[i] if limits else None)
            self._mark(i)
        self.histogram.show_limits(limits or ())
        self.gamma.blockSignals(True)
        self.gamma.setValue(gamma_step(display.gamma))
        self.gamma.blockSignals(False)
        self.gamma_value.setText(f"{display.gamma:.2f}")
        self._fill_stretches(info.dtype, display.stretch)
        self.linked.setVisible(colour)
        self.linked.setChecked(display.linked)
        self.linked.setEnabled(display.stretch is not Stretch.AS_IS)
        self._fit()

    def _fit(self) -> None:
        """Height for what is in it now."""
        self._box.invalidate()  # or hidden rows would still have their room
        self._box.activate()
        wraps = self._box.hasHeightForWidth()
        self.resize(_WIDTH, self._box.totalHeightForWidth(_WIDTH) if wraps else self._box.sizeHint().height())

    def _fill_stretches(self, dtype: str, chosen: Stretch) -> None:
        stretches = stretches_for(dtype)
        self.stretch.clear()
        for i, stretch in enumerate(stretches):
            self.stretch.addItem(stretch.value, stretch)
            self.stretch.setItemData(i, _TIPS[stretch], Qt.ItemDataRole.ToolTipRole)
        self.stretch.setCurrentIndex(stretches.index(chosen))
        self.stretch.setToolTip(_TIPS[chosen])

    def _mark(self, at: int) -> None:
        """Colour for limits that cannot be used."""
        channel = self.channels[at]
        typed = channel.low.isEnabled() and channel.typed() is None
        wrong = typed and (channel.low.isModified() or channel.high.isModified())
        for edit in (channel.low, channel.high):
            if bool(edit.property("wrong")) != wrong:
                edit.setProperty("wrong", wrong)
                edit.style().unpolish(edit)  # Qt looks at the property only then
                edit.style().polish(edit)
        faults = [one.fault for one in self.channels if one.low.property("wrong")]
        self.fault.setText(faults[0] if faults else "")
        if self.fault.isHidden() == bool(faults):
            self.fault.setVisible(bool(faults))
            self._fit()

    def _paint_icons(self) -> None:
        self.close_button.setIcon(icons.icon("cancel", self._theme.tokens.muted))

    # ------------------------------------------------------------------ wishes

    def _set_colour(self, colour: bool) -> None:
        scene, display = self._session.scene, self._session.display
        if scene is None or display is None or colour == (len(display.bands) == 3):
            return
        if not colour:
            bands: tuple[int, ...] = display.bands[:1]
        elif len(scene.bands) == 3:
            bands = scene.bands
        else:
            bands = (0, 1, min(2, scene.info.bands - 1))
        self._session.set_display(display.with_bands(bands))

    def _on_band(self, at: int, band: int) -> None:
        display = self._session.display
        if display is not None:
            bands = tuple(band if i == at else old for i, old in enumerate(display.bands))
            self._session.set_display(display.with_bands(bands))

    def _on_stretch(self) -> None:
        display, stretch = self._session.display, self.stretch.currentData()
        if display is None or not isinstance(stretch, Stretch):
            return
        if stretch is not Stretch.CUSTOM:
            self._session.set_display(replace(display, stretch=stretch, limits=()))
            return
        limits = _limits(self._session.rendering)
        if limits is not None:  # the user starts from what is seen
            self._session.set_display(replace(display, stretch=stretch, limits=limits))
            self.channels[0].low.setFocus()

    def _on_limits(self, at: int) -> None:
        channel, display = self.channels[at], self._session.display
        limits, typed = _limits(self._session.rendering), channel.typed()
        if display is None or limits is None or not (channel.low.isModified() or channel.high.isModified()):
            return
        if typed is None:
            if not (channel.low.hasFocus() or channel.high.hasFocus()):
                self.refresh()  # nothing was meant
            return
        self._session.set_display(display.with_limit(at, typed, limits))

    def _on_linked(self, linked: bool) -> None:
        display: Display | None = self._session.display
        if display is not None:
            self._session.set_display(replace(display, linked=linked))

    def _on_gamma(self, step: int) -> None:
        display = self._session.display
        if display is not None:
            self._session.set_display(replace(display, gamma=gamma_at(step)))

    # ------------------------------------------------------------------ keys

    def open(self) -> None:
        """Opening of the card, which takes the keys."""
        self.refresh()
        self.show()
        self.raise_()
        self.channels[0].band.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # Qt says that editing has finished only once, maybe before the keys went elsewhere.
        if event.type() == QEvent.Type.FocusOut:
            for at, channel in enumerate(self.channels):
                if watched in (channel.low, channel.high):
                    self._on_limits(at)
        return super().eventFilter(watched, event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            if event.key() == Qt.Key.Key_Escape:
                event.accept()  # closes this, rather than cancelling work
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()


def _limits(rendering: Rendering | None) -> tuple[tuple[float, float], ...] | None:
    if rendering is None:
        return None
    if rendering.limits is None:
        return ((0.0, 255.0),) * len(rendering.bands)
    return rendering.limits
