"""Card to go to a place: a field for coordinates, and how they are understood."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QToolButton, QVBoxLayout, QWidget

from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme, Tokens, figures
from fdegc_gui.views.floating import FloatingCard
from fdegc_gui.views.section import heading

_WIDTH = 380
#: Radius of the ring that marks a place, and the gap in its cross, in logical pixels.
_RING = 13.0


class Pin:
    """Ring around a place, so that it is seen on any picture.

    Parameters
    ----------
    at : QPointF
        In scene pixels.
    """

    def __init__(self, at: QPointF) -> None:
        self.at = at

    def paint(
        self, painter: QPainter, rect: QRectF, visible: QRectF, zoom: float, ratio: float, font: QFont,
        tokens: Tokens,
    ) -> None:  # fmt: skip
        """Painting of the ring, as :class:`fdegc_gui.views.layer.Overlay` describes it."""
        middle = QPointF(rect.left() + self.at.x() * zoom, rect.top() + self.at.y() * zoom)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for width, color in ((5.0, QColor("#ff101418")), (2.5, QColor("#ffffffff"))):
            painter.setPen(QPen(color, width * ratio))
            painter.drawEllipse(middle, _RING * ratio, _RING * ratio)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#ffffffff"))
        painter.drawEllipse(middle, 2 * ratio, 2 * ratio)
        painter.restore()


class GotoCard(FloatingCard):
    """Card that floats over the canvas.

    Signals
    -------
    text_changed(str)
    chosen(int)
        Number of a reading that was clicked, or of the first one when Enter is pressed.
    closed()
    """

    text_changed = Signal(str)
    chosen = Signal(int)
    closed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName("Go to a place")
        self.setFixedWidth(_WIDTH)
        self.field = QLineEdit()
        self.field.setPlaceholderText("512, 300    48.8584 N 2.2945 E    448250 5410800")
        self.field.setAccessibleName("Coordinates")
        self.field.setToolTip(
            "Column and row, coordinates of the map, or latitude and longitude: decimal, or degrees,\n"
            "minutes and seconds, with N, S, E, W or signs, with commas or spaces, as they are pasted."
        )
        self.field.setClearButtonEnabled(True)
        self.field.setFont(figures(self.field.font()))
        self.words = QLabel()
        self.words.setObjectName("muted")
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setWordWrap(True)
        self.close_button = QToolButton()
        self.close_button.setObjectName("flat")
        self.close_button.setToolTip("Close")
        self.close_button.setAccessibleName("Close")
        self.readings: list[QToolButton] = []
        for number in range(4):
            button = QToolButton()
            button.setObjectName("reading")
            button.setSizePolicy(button.sizePolicy().Policy.Expanding, button.sizePolicy().Policy.Fixed)
            button.setFont(figures(button.font(), scale=0.95))
            button.clicked.connect(lambda _=False, number=number: self.chosen.emit(number))
            self.readings.append(button)
        top = QHBoxLayout()
        top.addWidget(heading("Go to a place"))
        top.addStretch(1)
        top.addWidget(self.close_button)
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(14, 8, 10, 12)
        self._box.setSpacing(7)
        self._box.addLayout(top)
        self._box.addWidget(self.field)
        for button in self.readings:
            self._box.addWidget(button)
        self._box.addWidget(self.words)
        self.field.installEventFilter(self)
        self.field.textChanged.connect(self.text_changed)
        self.field.returnPressed.connect(self._on_return)
        self.close_button.clicked.connect(self.closed)
        theme.changed.connect(self._paint_icons)
        self._paint_icons()
        self.show_readings((), "")
        self.hide()

    def _on_return(self) -> None:
        self.chosen.emit(0)
        self.field.selectAll()  # the next place takes its place

    def open(self) -> None:
        """Card, shown with the field ready to be written over."""
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def show_readings(self, readings: tuple[str, ...], words: str) -> None:
        """Readings to choose from, and a sentence below them."""
        for i, button in enumerate(self.readings):
            button.setVisible(i < len(readings))
            button.setText(readings[i] if i < len(readings) else "")
        self.words.setText(words)
        self.words.setVisible(bool(words))
        wrong = bool(words) and not readings and bool(self.field.text().strip())
        if self.field.property("wrong") != wrong:
            self.field.setProperty("wrong", wrong)
            self.field.style().unpolish(self.field)
            self.field.style().polish(self.field)
        self._box.invalidate()
        self._box.activate()
        wraps = self._box.hasHeightForWidth()  # not without a sentence
        height = self._box.totalHeightForWidth(_WIDTH) if wraps else self._box.totalSizeHint().height()
        self.resize(_WIDTH, height)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # Otherwise Escape would cancel what runs.
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            if event.key() == Qt.Key.Key_Escape:
                event.accept()
                return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def _paint_icons(self) -> None:
        self.close_button.setIcon(icons.icon("cancel", self._theme.tokens.muted))
