"""Loupe: what is around the pointer in both pictures, enlarged and beside each other, with the values."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from fdegc_gui.models.comparison import Side
from fdegc_gui.models.probe import Reading, readout
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import Theme, figures
from fdegc_gui.views.content import Content
from fdegc_gui.views.side_pictures import side_picture

#: Side of a picture, the frame around both, and the distance from the pointer, in logical pixels.
_SIDE, _FRAME, _AWAY = 176, 8, 24
#: Device pixels a pixel of the scene: so many times as on the screen, but within limits.
_TIMES, _LEAST, _MOST = 4.0, 8.0, 64.0
#: Bands whose values there is room for.
_BANDS = 4


class Loupe(QWidget):
    """Loupe over the stage; it follows the pointer and never takes it.

    Pictures are as fine as what is seen is kept: of a large scene, no finer than the screen shows it.
    """

    def __init__(self, session: Session, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._theme, self._stage = session, theme, parent
        self._contents = {side: Content(side.value) for side in Side}
        self._at: QPointF | None = None
        self._zoom = _LEAST
        self._kept = self._held = False
        self._reading: Reading | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName("Loupe")
        self.hide()
        theme.changed.connect(self.update)

    @property
    def sides(self) -> tuple[Side, ...]:
        """Sides that it shows."""
        return tuple(Side) if self._session.paired else (Side.B,)

    @property
    def zoom(self) -> float:
        """Device pixels a pixel of the scene."""
        return self._zoom

    @property
    def words(self) -> dict[Side, str]:
        """Values of the pixel in the middle, as they are written under each picture."""
        scene, reading = self._session.scene, self._reading
        if scene is None or reading is None:
            return dict.fromkeys(self.sides, "")
        a, b = readout(scene.info, reading.a), readout(scene.info, reading.b)
        found = {Side.A: a if reading.a is not None else (), Side.B: b if reading.b is not None else ()}
        return {side: "  ".join(value for _, value in found[side][:_BANDS]) for side in self.sides}

    def keep(self, kept: bool) -> None:
        """Loupe wherever the pointer is over the scene, or none but while its key is held."""
        self._kept = kept
        self.refresh()

    def hold(self, held: bool) -> None:
        """Loupe for as long as its key is held, or an end to that."""
        if held != self._held:
            self._held = held
            self.refresh()

    def look(self, at: QPointF | None, pointer: QPoint, zoom: float) -> None:
        """Place in the scene to be enlarged.

        Parameters
        ----------
        at : QPointF or None
            None if the pointer is elsewhere.
        pointer : QPoint
            Where the pointer is in the parent.
        zoom : float
            Of the screen, in device pixels a pixel of the scene.
        """
        self._at = at
        self._zoom = min(max(_TIMES * zoom, _LEAST), _MOST)
        if at is not None and (self._kept or self._held):
            self.resize(self._size())
            self.move(self._place(pointer))
        self.refresh()

    def show_reading(self, reading: Reading | None) -> None:
        """Values under the pointer; None while they are looked up."""
        self._reading = reading
        self.update()

    def refresh(self) -> None:
        """Update to the session's pictures."""
        shown = (self._kept or self._held) and self._at is not None and self._session.scene is not None
        if shown:
            for side in self.sides:
                self._contents[side].show(side_picture(self._session, side, ""))
            self.resize(self._size())
            self.raise_()
        self.setVisible(shown)
        self.update()

    def _line(self) -> int:
        return self.fontMetrics().height() + 4

    def _size(self) -> QSize:
        count = len(self.sides)
        return QSize(count * _SIDE + (count + 1) * _FRAME, _SIDE + 2 * self._line() + 2 * _FRAME)

    def _place(self, pointer: QPoint) -> QPoint:
        """Place beside the pointer, on the side where there is room."""
        x, y = pointer.x() + _AWAY, pointer.y() + _AWAY
        if x + self.width() > self._stage.width():
            x = max(0, pointer.x() - _AWAY - self.width())
        if y + self.height() > self._stage.height():
            y = max(0, pointer.y() - _AWAY - self.height())
        return QPoint(x, y)

    def paintEvent(self, event: QPaintEvent) -> None:
        scene, at = self._session.scene, self._at
        if scene is None or at is None:
            return
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens.panel))
        painter.setPen(QPen(QColor(tokens.strong_border), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        ratio, zoom, words = self.devicePixelRatioF(), self._zoom, self.words
        metrics = self.fontMetrics()
        for number, side in enumerate(self.sides):
            left, top = _FRAME + number * (_SIDE + _FRAME), _FRAME + self._line()
            content = self._contents[side]
            painter.setPen(QColor(tokens.text))
            painter.setFont(self.font())
            label = content.label.removeprefix("Reconstruction · ")  # which there is no room for
            name = metrics.elidedText(f"{side.value}  {label}", Qt.TextElideMode.ElideRight, _SIDE)
            painter.drawText(QRectF(left, _FRAME, _SIDE, self._line()), Qt.AlignmentFlag.AlignVCenter, name)
            painter.save()
            painter.scale(1 / ratio, 1 / ratio)
            view = QRectF(left * ratio, top * ratio, _SIDE * ratio, _SIDE * ratio)
            painter.fillRect(view, QColor(tokens.canvas))
            middle = view.center()
            rect = QRectF(
                middle.x() - at.x() * zoom,
                middle.y() - at.y() * zoom,
                scene.info.width * zoom,
                scene.info.height * zoom,
            )
            content.paint(painter, rect, rect.intersected(view), zoom, ratio, self.font(), tokens)
            pixel = QRectF(rect.x() + at.x() // 1 * zoom, rect.y() + at.y() // 1 * zoom, zoom, zoom)
            for color, wide in (("#ff101418", 3.0), ("#ffffffff", 1.0)):
                painter.setPen(QPen(QColor(color), wide))
                painter.drawRect(pixel)
            painter.restore()
            painter.setFont(figures(self.font(), scale=0.95))
            painter.setPen(QColor(tokens.text))
            line = QRectF(left, top + _SIDE, _SIDE, self._line())
            text = painter.fontMetrics().elidedText(words[side], Qt.TextElideMode.ElideRight, _SIDE)
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, text)
