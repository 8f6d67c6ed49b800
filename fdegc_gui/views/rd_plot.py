"""Rate-distortion plot of everything that has been made of the scene, here and by other codecs."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from fdegc_gui.models.asking import Asked, Course, ask, course_of
from fdegc_gui.models.comparison import Side
from fdegc_gui.models.points import OURS, QUALITIES, SIZES, Point, curve_name, place_of, points_of
from fdegc_gui.models.session import Session
from fdegc_gui.models.way import FREE
from fdegc_gui.style.series import series_color, series_mark
from fdegc_gui.style.theme import Theme
from fdegc_gui.views.rd_canvas import Drawing, RdCanvas, Spot, saved
from fdegc_gui.views.rd_drag import CurveDrag

_HEIGHT = 210
#: A plot needs two points.
_ENOUGH = 2


class RdPlot(QWidget):
    """Quality over size of all results, drawn by pyqtgraph; hidden until there are two.

    pyqtgraph is imported when the plot first has something to show, if it was not made ready before
    (`fdegc_gui.views.plotting`).

    Signals
    -------
    chosen(int)
        A point was clicked: the key of its result.
    chosen_first(int)
        With Shift: the key of what is to be picture A.
    """

    chosen = Signal(int)
    chosen_first = Signal(int)

    def __init__(self, session: Session, theme: Theme) -> None:
        super().__init__()
        self._session, self._theme = session, theme
        self._canvas: RdCanvas | None = None
        self._numbers = {OURS: 0}
        session.scene_changed.connect(self._forget_numbers)
        self.drag: CurveDrag | None = None
        self.quality, self.size_axis = QComboBox(), QComboBox()
        for box, choices, name in (
            (self.quality, QUALITIES, "Quality in the plot"),
            (self.size_axis, SIZES, "Size in the plot"),
        ):
            for attribute, label in choices:
                box.addItem(label, attribute)
            box.setAccessibleName(name)
            box.setToolTip(f"{name}: what an axis measures.")
            box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            box.currentIndexChanged.connect(self.refresh)
        over = QLabel("over")
        over.setObjectName("muted")
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setContentsMargins(8, 0, 8, 0)
        self.note = QLabel()
        self.note.setObjectName("muted")
        self.note.setWordWrap(True)
        self.note.setContentsMargins(8, 0, 8, 0)
        axes = QHBoxLayout()
        axes.setContentsMargins(8, 0, 8, 0)
        axes.setSpacing(8)
        for widget in (self.quality, over, self.size_axis):
            axes.addWidget(widget)
        axes.addStretch(1)
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 8, 0, 0)
        self._box.setSpacing(4)
        self._box.addLayout(axes)
        self._box.addWidget(self.legend)
        self._box.addWidget(self.note)
        self.setAccessibleName("Rate-distortion plot of all results")
        self.hide()
        for signal in (
            session.scene_changed,
            session.result_changed,
            session.figures_changed,
            session.rate_changed,
            session.sides_changed,
            session.way_changed,
        ):
            signal.connect(self.refresh)
        theme.changed.connect(self._paint)

    @property
    def points(self) -> list[tuple[float, float, int]]:
        """Points as they are plotted: (size, quality, key of the result), by series and size."""
        return [(x, y, point.key) for series in self._series().values() for x, y, point in series]

    def _found(self) -> list[Point]:
        scene = self._session.scene
        return [] if scene is None else points_of(self._session.results.values(), scene.info.pixels)

    def _spots(self) -> tuple[list[Spot], list[Spot]]:
        """Points that have a place in the plot: those in view, and those beyond the end of the sizes.

        The axis is for what was made, and for ``.fdegc`` files: a raster as it was found, perhaps not
        compressed at all, would leave all of that a few pixels of it.
        """
        size, quality = self.size_axis.currentData(), self.quality.currentData()
        placed = ((place_of(point, size, quality), point) for point in self._found())
        spots = [(*place, point) for place, point in placed if place is not None]
        end = max((x for x, _, point in spots if not point.found), default=math.inf)
        return [spot for spot in spots if spot[0] <= end], [spot for spot in spots if spot[0] > end]

    def _series(self) -> dict[str, list[Spot]]:
        """Points in view by series, ours first; one that lies on no curve is a series of its own."""
        found: dict[str, list[Spot]] = {}
        for spot in self._spots()[0]:
            point = spot[2]
            found.setdefault(point.series or f"#{point.key}", []).append(spot)
        return {name: sorted(points, key=lambda entry: entry[0]) for name, points in found.items()}

    def refresh(self) -> None:
        """Update of the plot to what is finished by now."""
        plotted = [p for p in self._found() if not p.part and p.bytes is not None]
        enough = len(plotted) >= _ENOUGH
        if enough and self._canvas is None:
            self._build()
        self.setVisible(enough)
        if enough:
            self._paint()

    def _build(self) -> None:
        self._canvas = RdCanvas()
        self._canvas.widget.setFixedHeight(_HEIGHT)
        for widget in (self._canvas.widget, self._canvas.widget.viewport()):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # there is nothing in it for the keys
        self._canvas.widget.setContextMenuPolicy(
            Qt.ContextMenuPolicy.NoContextMenu
        )  # but that of all of this
        self._canvas.marks.sigClicked.connect(self._on_clicked)
        self.drag = CurveDrag(self._canvas.widget, self._course, self._bytes_of)
        self.drag.asked.connect(lambda asked: ask(self._session, asked))
        self._box.insertWidget(1, self._canvas.widget)

    def _course(self) -> Course | None:
        """Course that a drag follows; None where the network is not asked."""
        return course_of(self._session) if FREE in self._session.rates else None

    def _bytes_of(self) -> float:
        """Bytes that one along the axis of sizes stands for."""
        scene = self._session.scene
        by_bytes = scene is None or self.size_axis.currentData() == "bytes"
        return 1e3 if by_bytes or scene is None else scene.info.pixels / 8

    def _asked(self) -> Asked | None:
        """What is asked for at a place of its own, and not finished yet."""
        session, course = self._session, self._course()
        if course is None or session.rate != FREE or session.current is not None:
            return None
        return course.exactly_at(session.quality)

    def _on_clicked(self, _item: object, marks: list[Any], event: Any) -> None:
        if len(marks):
            first = event is not None and event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            (self.chosen_first if first else self.chosen).emit(marks[0].data().key)

    def result_at(self, at: QPoint) -> int | None:
        """Key of the result whose point is at a position in this widget; None where there is none."""
        if self._canvas is None:
            return None
        return self._canvas.key_at(self._canvas.widget.viewport().mapFrom(self, at))

    def _drawing(self) -> Drawing:
        series = self._series()
        return Drawing(
            series,
            {name: self._number(name) for name in series},
            self.size_axis.currentText(),
            self.quality.currentText(),
            self._shown(),
        )

    def _paint(self) -> None:
        if self._canvas is None:
            return
        tokens, drawing = self._theme.tokens, self._drawing()
        self._canvas.draw(drawing, tokens)
        if self.drag is not None:
            curve = drawing.series.get(curve_name(self._session.effort, self._session.cut), ())
            self.drag.set_curve([(x, y) for x, y, _ in curve], tokens)
            self.drag.mark(self._asked())
        names = []
        for name, points in drawing.series.items():
            number = drawing.numbers[name]
            color, (_, letter) = series_color(number, tokens), series_mark(number)
            label = _escaped(points[0][2].label).replace(" ", "&nbsp;")  # lines break between codecs
            names.append(f'<span style="color:{color}">{letter}</span>&nbsp;{label}')
        self.legend.setText("&ensp; ".join(names))
        self.note.setText(self._missing())
        self.note.setVisible(bool(self.note.text()))

    def _number(self, series: str) -> int:
        """Number of a series, the same for as long as the scene is open: by when its first point came."""
        for point in self._found():
            if not point.part:
                self._numbers.setdefault(point.series or f"#{point.key}", len(self._numbers))
        return self._numbers[series]

    def _forget_numbers(self) -> None:
        self._numbers = {OURS: 0}

    def _shown(self) -> set[int]:
        """Keys of the results that are compared."""
        found = (self._session.result_of(side) for side in Side)
        return {result.key for result in found if result is not None}

    def _missing(self) -> str:
        """Sentences about results that are not in the plot."""
        found, (shown, beyond) = self._found(), self._spots()
        parts = sum(point.part for point in found)
        words = []
        if parts:
            words.append("Codings of a part of the scene are in the table only.")
        if beyond:
            unit = self.size_axis.currentText().removeprefix("size, ")
            names = ", ".join(f"“{point.name}” ({x:.4g} {unit})" for x, _, point in beyond)
            words.append(f"Beyond the axis of sizes: {names}.")
        plotted = len(shown) + len(beyond) + parts
        quality = self.quality.currentText().split(",")[0]
        if plotted < sum(point.bytes is not None for point in found):
            words.append(f"Results without a finite {quality}, or without it yet, are left out.")
        return " ".join(words)

    def saved(self, suffix: str) -> bytes:
        """Plot as the bytes of an SVG or PNG file; empty if there is none."""
        return b"" if self.isHidden() else saved(self._drawing(), suffix)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
