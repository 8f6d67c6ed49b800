"""Minimap: the whole scene in a corner of the stage, and what is in view of it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from fdegc_gui.models.pyramid import Pyramid
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import Theme
from fdegc_gui.views.canvas import Pane
from fdegc_gui.views.layer import Layer
from fdegc_gui.views.overlays import MARGIN, zoom_rect
from fdegc_gui.views.viewport import Viewport

#: Longest sides in logical pixels; the pane has to be this much larger for there to be a minimap.
_WIDTH, _HEIGHT, _ROOM = 176, 132, 2.2
_GAP = 8
#: A view that is smaller than this is drawn as large, so that it is seen.
_LEAST = 6.0


class Minimap(QWidget):
    """Minimap over the upper right of a pane; there only while less than the whole scene is in view.

    A press or a drag in it moves the view there.

    Parameters
    ----------
    session : Session
    pane : Pane
    viewport : Viewport
    theme : Theme
    parent : QWidget
        The stage.
    """

    def __init__(
        self, session: Session, pane: Pane, viewport: Viewport, theme: Theme, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._session, self._pane, self._viewport, self._theme = session, pane, viewport, theme
        self._layer: Layer | None = None
        self._wanted = True
        self.setObjectName("minimap")
        self.setAccessibleName("Minimap")
        self.setToolTip("The whole scene. Click or drag to move what is in view.")
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        viewport.changed.connect(self.refresh)
        for signal in (session.scene_changed, session.image_changed, session.result_changed):
            signal.connect(self._on_picture)
        session.image_written.connect(self.update)
        session.tiles_written.connect(self.update)
        theme.changed.connect(self.update)
        pane.installEventFilter(self)
        self.hide()

    def set_wanted(self, wanted: bool) -> None:
        """Whether the user wants a minimap when there is something to see in it."""
        self._wanted = wanted
        self.refresh()

    def view_rect(self) -> QRectF:
        """What is in view, in logical pixels of the minimap; it can reach beyond it."""
        scale = self._scale()
        size = self._pane.size().toSizeF() * (self._pane.devicePixelRatioF() / self._viewport.zoom * scale)
        rect = QRectF(QPointF(0, 0), size)
        rect.moveCenter(self._viewport.center * scale)
        return rect

    def refresh(self) -> None:
        """Place, size and visibility, as they have to be now."""
        scene = self._session.scene
        if scene is None or not self._wanted or self._layer is None:
            self.hide()
            return
        whole = QRectF(0, 0, scene.info.width * self._scale(), scene.info.height * self._scale())
        size = whole.size().toSize()
        roomy = self._pane.width() > _ROOM * size.width() and self._pane.height() > _ROOM * size.height()
        seen = self.view_rect().adjusted(-1, -1, 1, 1).contains(whole)
        below = zoom_rect(self._pane.fontMetrics(), self._pane.width()).bottom() + _GAP
        self.setFixedSize(max(size.width(), 1), max(size.height(), 1))
        self.move(self._pane.pos() + QPoint(self._pane.width() - MARGIN - self.width(), round(below)))
        self.setVisible(roomy and not seen and not self._pane.isHidden())
        self.update()

    def _scale(self) -> float:
        """Logical pixels of the minimap a scene pixel."""
        scene = self._session.scene
        if scene is None:
            return 1.0
        return min(_WIDTH / scene.info.width, _HEIGHT / scene.info.height)

    def _on_picture(self) -> None:
        """Picture of the original; of a ``.fdegc`` file its overview, or what has been decoded."""
        session = self._session
        pyramid: Pyramid | None = session.original or session.original_backdrop or session.overview
        if pyramid is None and session.current is not None:
            pyramid = session.current.pyramid
        if pyramid is not (self._layer.pyramid if self._layer is not None else None):
            self._layer = None if pyramid is None else Layer(pyramid)
        self.refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move, QEvent.Type.Show):
            self.refresh()
        return False

    # ------------------------------------------------------------------ painting, pointer

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._layer is None:
            return
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(tokens.canvas_empty))
        ratio = self.devicePixelRatioF()
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)
        whole = QRectF(0, 0, self.width() * ratio, self.height() * ratio)
        self._layer.paint(painter, whole, whole, self._scale() * ratio)
        painter.restore()
        view = self.view_rect()
        small = QRectF(0, 0, max(view.width(), _LEAST), max(view.height(), _LEAST))
        small.moveCenter(view.center())
        shade, hole = QPainterPath(), QPainterPath()
        shade.addRect(QRectF(self.rect()))
        hole.addRect(small)
        painter.fillPath(shade.subtracted(hole), QColor(16, 20, 24, 110))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        inside = small.intersected(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        for width, color in ((3.0, QColor(16, 20, 24, 200)), (1.5, QColor("#ffffffff"))):
            painter.setPen(QPen(color, width))
            painter.drawRect(inside)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(QColor(tokens.pill), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._move_to(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._move_to(event)

    def _move_to(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._viewport.restore(event.position() / self._scale(), self._viewport.zoom)
        event.accept()
