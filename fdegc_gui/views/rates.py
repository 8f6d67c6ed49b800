"""Rate points, a row each with λ and what it costs here, rows of other ways, the effort, and the memory."""

from __future__ import annotations

import itertools
from dataclasses import replace

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QLabel, QSizePolicy, QVBoxLayout, QWidget

from fdegc.options import RATE_POINTS
from fdegc_gui.models.costs import forecasts_of
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.session import Session
from fdegc_gui.models.way import EXACT, FREE, Way
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme, figures
from fdegc_gui.text import lmbda
from fdegc_gui.views.costs import Cost, cost_of, memory_words
from fdegc_gui.views.cut_field import CutField
from fdegc_gui.views.effort_field import EffortField
from fdegc_gui.views.exact_options import ExactOptions
from fdegc_gui.views.quality_field import QualityField

_ROW = 31
_HEAD = 22
_BADGE = 22
#: Right edges of λ, size and time as parts of the width that is left of badge and tick.
_STOPS = (0.22, 0.6, 1.0)
_LEFT, _RIGHT = 40, 30
#: Signs of the rows that are no rate points, and what their tooltips say.
_SIGNS = {EXACT: "=", FREE: "~"}
_WHAT = {
    EXACT: "No valid sample is off by more than the largest error; 0 is without loss.",
    FREE: "Any quality from 1 to 6, also between the rate points.",
}


def _columns(width: int) -> list[tuple[float, float]]:
    """Left and right of the three columns of figures."""
    room = width - _LEFT - _RIGHT
    edges = [_LEFT, *(_LEFT + room * stop for stop in _STOPS)]
    return list(itertools.pairwise(edges))


class _Row(QAbstractButton):
    """Row of a rate point."""

    def __init__(self, rate: int, theme: Theme) -> None:
        super().__init__()
        self.rate, self._theme = rate, theme
        self._cost = Cost()
        #: What the row of another way says in place of λ.
        self.words = ""
        self.setCheckable(True)
        self.setFixedHeight(_ROW)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the keys with the canvas
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Any quality" if rate == FREE else Way(rate, float(rate)).title)
        self.show_cost(Cost())

    @property
    def cost(self) -> Cost:
        """Cost that the row shows."""
        return self._cost

    def show_cost(self, cost: Cost) -> None:
        """Cost to show from now on."""
        self._cost = cost
        kind = "Measured on this scene" if cost.exact else "Estimated for this scene"
        what = _WHAT.get(self.rate, "")
        if not what:
            what = f"Rate {self.rate}: trained with λ = {lmbda(self.rate)} (loss λ·MSE + bpp)."
        text = f"{what}\n{kind}: {cost.size}, {cost.time}."
        if cost.queued:
            text += "\nQueued."
        self.setToolTip(text)
        self.setAccessibleDescription(text)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(300, _ROW)

    def enterEvent(self, event: QEnterEvent) -> None:
        self.update()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self.update()
        super().leaveEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self.isEnabled():
            painter.setOpacity(0.4)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        chosen, over = self.isChecked(), self.underMouse() and self.isEnabled()
        if chosen or over:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.accent_soft if chosen else tokens.hover))
            painter.drawRoundedRect(box, 6, 6)
        if self.hasFocus():
            painter.setPen(QPen(QColor(tokens.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box, 6, 6)
        self._paint_badge(painter, chosen)
        self._paint_figures(painter, chosen)
        self._paint_state(painter, box)

    def _paint_badge(self, painter: QPainter, chosen: bool) -> None:
        tokens = self._theme.tokens
        badge = QRectF(8, (self.height() - _BADGE) / 2, _BADGE, _BADGE)
        painter.setPen(Qt.PenStyle.NoPen if chosen else QPen(QColor(tokens.strong_border), 1))
        painter.setBrush(QColor(tokens.accent) if chosen else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(badge.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.setFont(figures(self.font(), bold=True))
        painter.setPen(QColor(tokens.on_accent if chosen else tokens.text))
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, _SIGNS.get(self.rate, str(self.rate)))

    def _paint_figures(self, painter: QPainter, chosen: bool) -> None:
        tokens, cost = self._theme.tokens, self._cost
        other = self.rate in _SIGNS
        if other:
            painter.setFont(self.font())
            painter.setPen(QColor(tokens.text))
            painter.drawText(
                QRectF(_LEFT, 0, self.width(), self.height()), Qt.AlignmentFlag.AlignVCenter, self.words
            )
        values = ("" if other else lmbda(self.rate), cost.size, cost.time)
        for i, (value, (left, right)) in enumerate(zip(values, _columns(self.width()), strict=True)):
            plain = i == 0 or cost.exact
            painter.setFont(figures(self.font(), scale=0.95, bold=cost.exact and i == 1))
            painter.setPen(QColor(tokens.text if plain or chosen else tokens.muted))
            painter.drawText(
                QRectF(left, 0, right - left, self.height()),
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
                value,
            )

    def _paint_state(self, painter: QPainter, box: QRectF) -> None:
        tokens = self._theme.tokens
        if self._cost.exact and not self._cost.queued:
            ratio = self.devicePixelRatioF()
            tick = icons.pixmap("check", tokens.good, round(15 * ratio))
            tick.setDevicePixelRatio(ratio)
            painter.drawPixmap(round(box.right() - 21), round((self.height() - 15) / 2), tick)
        elif self._cost.queued:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.accent))
            for step in (-1, 0, 1):
                painter.drawEllipse(QPointF(box.right() - 13.5 + 5 * step, self.height() / 2), 1.5, 1.5)
        elif self._cost.progress is not None:
            side = 13.0
            ring = QRectF(box.right() - 20, (self.height() - side) / 2, side, side)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(tokens.strong_border), 2))
            painter.drawEllipse(ring)
            painter.setPen(QPen(QColor(tokens.accent), 2))
            painter.drawArc(ring, 90 * 16, -round(360 * 16 * self._cost.progress))


class _Head(QWidget):
    """Names of the columns."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self.setFixedHeight(_HEAD)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * 0.88)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.tokens.muted))
        flags = Qt.AlignmentFlag.AlignVCenter
        for name, (left, right) in zip(("λ", "Size", "Time"), _columns(self.width()), strict=True):
            rect = QRectF(left, 0, right - left, _HEAD)
            painter.drawText(rect, flags | Qt.AlignmentFlag.AlignRight, name)
        painter.drawText(QRectF(8, 0, 60, _HEAD), flags | Qt.AlignmentFlag.AlignLeft, "Rate")


class RateSelector(QWidget):
    """Selector of the rate point: six rows, one for any quality, one for a largest error; by arrow keys, too.

    Signals
    -------
    chosen(int)
    """

    chosen = Signal(int)

    def __init__(self, session: Session, theme: Theme) -> None:
        super().__init__()
        self._session = session
        self._progress: tuple[int, float] | None = None
        self.setAccessibleName("Rate points")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(_Head(theme))
        self._group = QButtonGroup(self)
        self.rows: dict[int, _Row] = {}
        for rate in (*(point.index for point in RATE_POINTS), FREE, EXACT):
            row = _Row(rate, theme)
            row.setChecked(rate == session.rate)
            self._group.addButton(row, rate)
            self.rows[rate] = row
            layout.addWidget(row)
            if rate == FREE:
                self.field = QualityField(session)
                layout.addWidget(self.field)
        self.options = ExactOptions(session)
        layout.addWidget(self.options)
        self.effort = EffortField(session)
        layout.addWidget(self.effort)
        self.cut = CutField(session)
        layout.addWidget(self.cut)
        self.memory = QLabel()
        self.memory.setObjectName("statLabel")
        self.memory.setContentsMargins(8, 3, 8, 0)
        small = self.memory.font()
        small.setPointSizeF(small.pointSizeF() * 0.88)
        self.memory.setFont(small)
        layout.addWidget(self.memory)
        self._group.idToggled.connect(self._on_toggled)
        self._on_rate(session.rate)
        theme.changed.connect(self.update)
        session.rate_changed.connect(self._on_rate)
        session.estimates_changed.connect(self.refresh)
        session.result_changed.connect(self.refresh)
        session.way_changed.connect(self.refresh)
        session.scene_changed.connect(self.refresh)
        self.refresh()

    def show_progress(self, key: int | None, fraction: float = 0.0) -> None:
        """Progress of the running result of a key; None when none runs."""
        self._progress = None if key is None else (key, fraction)
        self.refresh()

    def refresh(self) -> None:
        """Update of the rows to the session's figures."""
        session = self._session
        forecasts = forecasts_of(session)
        for rate, row in self.rows.items():
            key = session.asked_key(rate)
            result = session.result(key)
            # Coding without the network is tried apart, and its estimate comes with a time.
            cost = cost_of(forecasts.get(rate), result, timed=session.refined or rate == EXACT)
            row.setEnabled(rate in session.rates)
            if self._progress is not None and self._progress[0] == key and _is_running(result):
                cost = replace(cost, exact=False, progress=self._progress[1])
            elif key in session.waiting or key in session.planned:
                cost = replace(cost, queued=True)
            if cost != row.cost:
                row.show_cost(cost)
        words = {
            EXACT: "No loss" if session.bound == 0 else f"± {session.bound:g}",
            FREE: session.way(FREE).title,
        }
        for rate, said in words.items():
            if self.rows[rate].words != said:
                self.rows[rate].words = said
                self.rows[rate].update()
        memory = memory_words(one for rate, one in forecasts.items() if rate in session.rates)
        if self.memory.text() != memory:
            self.memory.setText(memory)

    def _on_toggled(self, rate: int, checked: bool) -> None:
        if checked:
            self.chosen.emit(rate)

    def _on_rate(self, rate: int) -> None:
        self.rows[rate].setChecked(True)
        for row in self.rows.values():  # Tab comes to the chosen one, arrow keys to the others
            policy = Qt.FocusPolicy.TabFocus if row.isChecked() else Qt.FocusPolicy.NoFocus
            row.setFocusPolicy(policy)


def _is_running(result: Result | None) -> bool:
    return result is not None and result.state is State.RUNNING
