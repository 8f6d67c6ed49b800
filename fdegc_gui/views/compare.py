"""Comparison of two pictures of the scene on one stage, moving as one."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QVBoxLayout, QWidget

from fdegc.raster_info import Window
from fdegc_gui.actions import Actions
from fdegc_gui.models.comparison import ORIGINAL, Layout, Side, best_pair
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import Theme
from fdegc_gui.views.canvas import Pane
from fdegc_gui.views.chips import PictureChip
from fdegc_gui.views.compare_bar import FASTEST_MS, SLOWEST_MS, CompareBar
from fdegc_gui.views.display_card import DisplayCard
from fdegc_gui.views.gestures import FLIP_KEY, LOUPE_KEY
from fdegc_gui.views.loupe import Loupe
from fdegc_gui.views.placing import Corner, Stage, free_corner, joined, place_cards, place_chips, room_beside
from fdegc_gui.views.region_card import RegionCard
from fdegc_gui.views.stage_pictures import Arrangement, StagePictures
from fdegc_gui.views.viewport import Viewport

#: How much of the pane's extent a place fills that is looked at.
_AROUND = 0.6


class CompareView(QWidget):
    """Comparison of two pictures that share one view; a ``.fdegc`` file has one.

    Pane B is always there, and shows whatever takes the whole stage; pane A is there in the layouts that
    have room for two.

    Attributes
    ----------
    viewport : Viewport
        View of both.
    pictures : StagePictures
        What is in the panes.

    Signals
    -------
    hovered(object)
        Scene position under the pointer (QPointF) or None.
    view_changed(object, float)
        The part of the scene that is seen (Window or None), and device pixels a scene pixel.
    layout_changed()
        Layout, the swipe's line or the speed of blinking are others.
    region_drawn(object)
        Region (Window or None) that the user has drawn.
    menu_wanted(object)
        Position on the screen (QPoint).
    """

    hovered = Signal(object)
    view_changed = Signal(object, float)
    layout_changed = Signal()
    region_drawn = Signal(object)
    menu_wanted = Signal(object)

    def __init__(
        self,
        session: Session,
        theme: Theme,
        actions: Actions,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._wanted = Layout.AUTOMATIC
        self._upright, self._line = True, 0.5
        self._held, self._turned = False, False
        self._room = 0  # beside the panes, for a card
        self._corner = Corner.LOWER_RIGHT  # of the region card, chosen for this region
        self._cornered: Window | None = None
        self._blink = QTimer(self)
        self._blink.setInterval(800)
        self._blink.timeout.connect(self.toggle)
        self.viewport = Viewport(self)
        self.original = Pane("Original", self.viewport, theme)
        self.reconstruction = Pane("Reconstruction", self.viewport, theme)
        self.bar = CompareBar(session, actions, theme)
        self.chips = {side: PictureChip(session, side, self) for side in Side}
        self.display = DisplayCard(session, theme, self)
        self.region = RegionCard(theme, self)
        self.loupe = Loupe(session, theme, self)
        keys = actions.keys("compress")
        self.pictures = StagePictures(session, keys, self.original, self.reconstruction, self.loupe)
        self.setObjectName("canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._panes = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._panes.setContentsMargins(0, 0, 0, 0)
        self._panes.setSpacing(1)
        self._panes.addWidget(self.original, 1)
        self._panes.addWidget(self.reconstruction, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.bar)
        self._gutter = QWidget()
        self._gutter.setObjectName("gutter")
        self._gutter.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._gutter.hide()
        row = QHBoxLayout()
        row.setSpacing(0)
        row.addLayout(self._panes, 1)
        row.addWidget(self._gutter)
        layout.addLayout(row, 1)
        for floating in (*self.chips.values(), self.display, self.region):
            floating.raise_()
        self._connect()

    def _connect(self) -> None:
        session = self._session
        for pane, other in (
            (self.original, self.reconstruction),
            (self.reconstruction, self.original),
        ):
            pane.hovered.connect(self.hovered)
            pane.hovered.connect(other.show_cross)
            pane.hovered.connect(self._move_loupe)
            pane.swipe_moved.connect(self._on_line)
            pane.region_drawn.connect(self._on_region)
            pane.menu_wanted.connect(self.menu_wanted)
        self.viewport.changed.connect(self._tell_view)
        self.reconstruction.resized.connect(self._on_resized)
        session.scene_changed.connect(self._on_scene)
        session.image_changed.connect(self._refresh_all)
        session.image_written.connect(lambda windows: self.pictures.refresh(ORIGINAL, windows))
        session.patches_changed.connect(self._refresh_all)
        session.sides_changed.connect(self._on_pictures)
        session.rate_changed.connect(self._refresh_all)
        session.result_changed.connect(self._on_pictures)
        session.difference_changed.connect(self._refresh_all)
        session.tiles_written.connect(self.pictures.refresh)
        self.display.resized.connect(self._place_cards)
        self.region.resized.connect(self._place_cards)
        self.bar.layout_wanted.connect(self.set_layout)
        self.bar.side_wanted.connect(self._on_side)
        self.bar.blink_wanted.connect(self.set_blink_ms)

    # ------------------------------------------------------------------ layout

    @property
    def wanted(self) -> Layout:
        """Layout as the user chose it."""
        return self._wanted

    @property
    def shown(self) -> Layout:
        """Layout that is seen."""
        scene = self._session.scene
        if scene is not None and not self._session.paired:
            return Layout.SINGLE
        if self._wanted is not Layout.AUTOMATIC or scene is None:
            return Layout.SIDE_BY_SIDE if self._wanted is Layout.AUTOMATIC else self._wanted
        stage = self.width() - self._room, self.height() - self.bar.height()
        return best_pair((scene.info.width, scene.info.height), stage)

    def set_layout(self, layout: Layout) -> None:
        """Choice of the layout; place and zoom stay."""
        alone = (Layout.SINGLE, Layout.FLIP)
        if layout not in alone or self._wanted not in alone:
            self._turned = False
        if layout is not Layout.FLIP:
            self._blink.stop()
        self._wanted = layout
        self._lay_out()
        self.layout_changed.emit()

    def _lay_out(self) -> None:
        """Arrangement of the panes as it is wanted."""
        shown, fitted = self.shown, self.viewport.fitted
        above = shown is Layout.STACKED
        direction = QBoxLayout.Direction.TopToBottom if above else QBoxLayout.Direction.LeftToRight
        self._panes.setDirection(direction)
        self.original.setVisible(self._session.scene is not None and shown.is_pair)
        layout = self.layout()
        if layout is not None:
            layout.activate()
        if fitted:
            self.viewport.fit()
        self._refresh_all()

    @property
    def upright(self) -> bool:
        """Whether the swipe's line is."""
        return self._upright

    @property
    def line(self) -> float:
        """Position of the swipe's line, as a part of the stage."""
        return self._line

    def set_swipe(self, upright: bool, line: float) -> None:
        """Direction of the swipe's line, and where it is."""
        self._upright, self._line = upright, min(max(line, 0.0), 1.0)
        self.pictures.show_swipe(self._arrangement)
        self._place_chips()
        self.layout_changed.emit()

    def turn_swipe(self) -> None:
        """Swipe the other way: across instead of along, and back."""
        if self._wanted is not Layout.SWIPE:
            self.set_layout(Layout.SWIPE)
        self.set_swipe(not self._upright, self._line)

    def _on_line(self, line: float) -> None:
        self.set_swipe(self._upright, line)

    @property
    def _arrangement(self) -> Arrangement:
        return Arrangement(self.shown, self.side, self._held, self._upright, self._line)

    # ------------------------------------------------------------------ flipping

    @property
    def flipped(self) -> bool:
        """Whether pane B shows picture A."""
        return self._held != self._turned

    @property
    def side(self) -> Side:
        """Side that pane B shows."""
        return Side.A if self.flipped else Side.B

    def set_flipped(self, flipped: bool) -> None:
        """Picture A in pane B for as long as a key is held, or an end to that."""
        flipped = flipped and self._session.paired
        if flipped != self._held:
            self._held = flipped
            self._refresh_all()

    def toggle(self) -> None:
        """Other picture in pane B, until the next time."""
        if not self._session.paired:
            return
        if self.shown not in (Layout.SINGLE, Layout.FLIP):
            self.set_layout(Layout.FLIP)
        self._turned = not self._turned
        self._refresh_all()

    def _on_side(self, side: Side) -> None:
        if self._turned != (side is Side.A):
            self.toggle()

    @property
    def blinking(self) -> bool:
        """Whether the pictures change over by themselves."""
        return self._blink.isActive()

    @property
    def blink_ms(self) -> int:
        """Milliseconds that a picture stays while they do."""
        return self._blink.interval()

    def set_blinking(self, blinking: bool) -> None:
        """Blinking, or an end to it."""
        if blinking:
            if self._wanted is not Layout.FLIP:
                self.set_layout(Layout.FLIP)
            self._blink.start()
        else:
            self._blink.stop()
        self.layout_changed.emit()
        self._show_bar()

    def set_blink_ms(self, milliseconds: int) -> None:
        """Speed of blinking."""
        self._blink.setInterval(min(max(milliseconds, FASTEST_MS), SLOWEST_MS))
        self.layout_changed.emit()
        self._show_bar()

    # ------------------------------------------------------------------ view

    def keep_escape(self, kept: bool) -> None:
        """Whether Escape is a key like others over the pictures, and not the shortcut of an action."""
        for pane in (self.original, self.reconstruction):
            pane.keeps_escape = kept

    def grab_focus(self) -> None:
        """Keyboard focus for the canvas."""
        self.reconstruction.setFocus(Qt.FocusReason.OtherFocusReason)

    def look_at(self, window: Window) -> None:
        """Part of the scene brought into view, with what is around it."""
        ratio = self.devicePixelRatioF()
        room = min(
            self.reconstruction.width() * ratio / window.width,
            self.reconstruction.height() * ratio / window.height,
        )
        middle = QPointF(window.x + window.width / 2, window.y + window.height / 2)
        self.viewport.restore(middle, min(_AROUND * room, 1.0))

    def visible_part(self) -> Window | None:
        """Part of the scene that is seen."""
        scene = self._session.scene
        return (
            None if scene is None else self.reconstruction.visible_part(scene.info.width, scene.info.height)
        )

    def picture(self) -> QImage:
        """Picture of the stage as it is seen, without what is written over it."""
        panes = [pane for pane in (self.original, self.reconstruction) if not pane.isHidden()]
        parts = [pane.picture() for pane in panes]
        if len(parts) == 1:
            return parts[0]
        beside = self._panes.direction() is QBoxLayout.Direction.LeftToRight
        return joined(parts[0], parts[1], beside)

    def _on_scene(self) -> None:
        scene = self._session.scene
        self._held, self._turned = False, False
        self._blink.stop()
        self.pictures.show_block(None)
        if scene is not None:
            for pane in (self.original, self.reconstruction):
                pane.set_scene_size(scene.info.width, scene.info.height)
            self._lay_out()
            self._on_resized()
            self.viewport.set_scene(scene.info.width, scene.info.height)
        else:
            self.original.setVisible(False)
        self._refresh_all()

    def _on_resized(self) -> None:
        ratio = self.devicePixelRatioF()
        self.viewport.set_pane(self.reconstruction.width() * ratio, self.reconstruction.height() * ratio)
        self._place_chips()

    def _tell_view(self) -> None:
        self.view_changed.emit(self.visible_part(), self.viewport.zoom)

    # ------------------------------------------------------------------ loupe

    def _move_loupe(self, at: QPointF | None) -> None:
        inside = at if at is not None and self.viewport.pixel_at(at) is not None else None
        sender = self.sender()
        pane = sender if isinstance(sender, Pane) else self.reconstruction
        pointer = QPoint() if at is None else pane.pos() + pane.pane_position(at).toPoint()
        self.loupe.look(inside, pointer, self.viewport.zoom)

    # ------------------------------------------------------------------ regions

    def set_measuring(self, measuring: bool) -> None:
        """Whether dragging draws a region."""
        for pane in (self.original, self.reconstruction):
            pane.set_measuring(measuring)

    def _on_region(self, region: Window | None, finished: bool) -> None:
        self.pictures.show_region(region)
        if finished:
            self.region_drawn.emit(region)

    # ------------------------------------------------------------------ pictures

    def _on_pictures(self) -> None:
        if self._session.scene is not None and self.original.isHidden() == self.shown.is_pair:
            self._lay_out()  # there was one picture, and now there are two, or the other way round
        else:
            self._refresh_all()

    def _refresh_all(self) -> None:
        self.pictures.show(self._arrangement)
        if self._session.scene is not None:
            self._show_bar()
            self._place_chips()
            self._place_cards()

    def _show_bar(self) -> None:
        self.bar.show_layout(self.shown, self.side)
        self.bar.show_blinking(self.blinking, self.blink_ms)

    # ------------------------------------------------------------------ places

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._wanted is Layout.AUTOMATIC and self._session.scene is not None:
            above = self._panes.direction() is QBoxLayout.Direction.TopToBottom
            if above != (self.shown is Layout.STACKED):
                self._lay_out()
        self._place_cards()
        self._place_chips()

    def _place_cards(self) -> None:
        wanted = None if self.region.isHidden() else self.region.measured
        if wanted != self._cornered:
            self._cornered = wanted
            self._corner = self._corner if wanted is None else self._free_corner(wanted)
        under = self.reconstruction.legend is not None
        place_cards(self.display, self.region, self.size(), self.bar.height(), self._corner, under)
        room = room_beside(self.display, self.width())
        if room != self._room:
            self._room = room
            self._gutter.setFixedWidth(room)
            self._gutter.setVisible(room > 0)
            self._lay_out()

    def _free_corner(self, region: Window) -> Corner:
        """Corner for the card of a region, which stays there until another one is measured."""
        scene = self._session.scene
        panes = [pane for pane in (self.original, self.reconstruction) if not pane.isHidden()]
        if scene is None:
            return self._corner
        whole = Window(0, 0, scene.info.width, scene.info.height)
        outlines, pictures = (
            [pane.seen_rect(window).translated(pane.pos()) for pane in panes] for window in (region, whole)
        )
        cards = [] if self.display.isHidden() else [QRectF(self.display.geometry())]
        under = self.reconstruction.legend is not None
        return free_corner(
            self.region.room, self.size(), self.bar.height(), (outlines, cards, pictures), under
        )

    def _place_chips(self) -> None:
        panes = self.original, self.reconstruction
        stage = Stage(*panes, self.shown, self.side, self._upright, self._held)
        place_chips(self._session, self.chips, stage)

    # ------------------------------------------------------------------ hold to flip

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (FLIP_KEY, LOUPE_KEY):
            if not event.isAutoRepeat():
                (self.set_flipped if event.key() == FLIP_KEY else self.loupe.hold)(True)
            return
        super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in (FLIP_KEY, LOUPE_KEY):
            if not event.isAutoRepeat():
                (self.set_flipped if event.key() == FLIP_KEY else self.loupe.hold)(False)
            return
        super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        # The release of a held key goes elsewhere once another window is active.
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.set_flipped(False)
            self.loupe.hold(False)
        super().changeEvent(event)
