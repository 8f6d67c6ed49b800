"""Tile panel of the side bar: which map of the tiles is shown, its colours, and the worst places."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from fdegc_gui.actions import Actions
from fdegc_gui.models.colormaps import table
from fdegc_gui.models.tile_map import COLORS, TileFigure, TileMap
from fdegc_gui.style.theme import Theme, figures

#: Places that are listed, and rows that are seen at once.
PLACES, _SEEN = 30, 6
#: Names of the actions that show the maps.
FIGURE_ACTIONS = {TileFigure.BYTES: "tiles_bytes", TileFigure.PSNR: "tiles_error"}
_RAMP = 10


class _Ramp(QWidget):
    """Colours of the map, with the values at both ends."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.ends = ("", "")
        self.setFixedHeight(_RAMP + 20)
        theme.changed.connect(self.update)

    def show_ends(self, first: str, last: str) -> None:
        """Words at the first and at the last colour."""
        self.ends = first, last
        self.setAccessibleName(f"Colours from {first} to {last}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        colors = table(COLORS)
        ramp = QImage(colors.tobytes(), len(colors), 1, 3 * len(colors), QImage.Format.Format_RGB888)
        painter.drawImage(QRectF(0, 0, self.width(), _RAMP), ramp)
        painter.setFont(figures(self.font(), scale=0.92))
        painter.setPen(QColor(self._theme.tokens.muted))
        below = QRectF(0, _RAMP + 2, self.width(), self.height() - _RAMP - 2)
        for words, side in zip(
            self.ends, (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight), strict=True
        ):
            painter.drawText(below, side | Qt.AlignmentFlag.AlignTop, words)


class TilePanel(QWidget):
    """Tile panel.

    Signals
    -------
    place_wanted(object)
        Window of a tile to fly to.
    """

    place_wanted = Signal(object)

    def __init__(self, actions: Actions, theme: Theme) -> None:
        super().__init__()
        self._map: TileMap | None = None
        buttons = QGridLayout()
        buttons.setSpacing(6)
        self.buttons = {}
        names = {TileFigure.BYTES: "Where the bits went", TileFigure.PSNR: "Where the error is"}
        for i, (figure, key) in enumerate(FIGURE_ACTIONS.items()):
            button = self.buttons[figure] = QToolButton()
            action = actions[key]
            button.setText(names[figure])
            button.setToolTip(action.toolTip())
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setSizePolicy(button.sizePolicy().Policy.Expanding, button.sizePolicy().Policy.Fixed)
            button.clicked.connect(action.trigger)
            action.toggled.connect(button.setChecked)
            action.enabledChanged.connect(button.setEnabled)
            button.setEnabled(action.isEnabled())
            buttons.addWidget(button, 0, i)
        self.words = QLabel()
        self.words.setObjectName("muted")
        self.words.setWordWrap(True)
        self.ramp = _Ramp(theme)
        self.places = QListWidget()
        self.places.setObjectName("places")
        self.places.setAccessibleName("Worst places")
        self.places.setFont(figures(self.places.font(), scale=0.95))
        self.places.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.places.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.places.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.places.setUniformItemSizes(True)
        box = QVBoxLayout(self)
        box.setContentsMargins(8, 0, 8, 0)
        box.setSpacing(7)
        box.addLayout(buttons)
        box.addWidget(self.words)
        box.addWidget(self.ramp)
        box.addWidget(self.places)
        self.places.itemClicked.connect(self._on_item)
        self.places.itemActivated.connect(self._on_item)
        self.show_map(None, "")

    def show_map(self, tiles: TileMap | None, words: str) -> None:
        """Map to list the places of, and a sentence; without a map the sentence says why."""
        self.words.setText(words)
        self.words.setVisible(bool(words))
        if tiles is self._map and tiles is not None:
            return
        self._map = tiles
        self.places.clear()
        worst = tiles.worst(PLACES) if tiles is not None else []
        ends = tiles.ends if tiles is not None else None
        for number, (row, column) in enumerate(worst, 1):
            assert tiles is not None
            window = tiles.window(row, column)
            value = tiles.words(row, column)
            item = QListWidgetItem(f"{number:>2}    {value}    col {window.x}, row {window.y}")
            item.setData(Qt.ItemDataRole.UserRole, window)
            item.setToolTip(f"{value} in {window.width} × {window.height} px.  Click to fly there.")
            self.places.addItem(item)
        self.ramp.setVisible(ends is not None)
        self.places.setVisible(bool(worst))
        if tiles is not None and ends is not None:
            self.ramp.show_ends(*map(tiles.level_words, ends))
            row = self.places.sizeHintForRow(0)
            self.places.setFixedHeight(row * min(len(worst), _SEEN) + 2 * self.places.frameWidth() + 4)

    def _on_item(self, item: QListWidgetItem) -> None:
        self.place_wanted.emit(item.data(Qt.ItemDataRole.UserRole))
