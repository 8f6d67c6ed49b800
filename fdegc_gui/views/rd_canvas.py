"""Canvas of the rate-distortion plot, in the window and in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QPointF, QRect, QRectF, QSize
from PySide6.QtGui import QColor, QImage, QImageWriter, QPaintDevice, QPainter
from PySide6.QtSvg import QSvgGenerator

from fdegc_gui.models.points import Point
from fdegc_gui.style.series import series_color, series_mark
from fdegc_gui.style.theme import LIGHT, Tokens
from fdegc_gui.views.plotting import pyqtgraph

#: Width and height of a plot in a file, in pixels of a picture.
_SAVED = 900, 600

#: The original stays picture A, as it does with a click in the table of results.
_CLICKS = "click: as picture B, with Shift as A"

#: Place of a point, and the point.
Spot = tuple[float, float, Point]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What is plotted.

    Attributes
    ----------
    series : mapping of str to sequence of Spot
    numbers : mapping of str to int
        Number of each series, for colour and mark.
    across, up : str
        Labels of the axes.
    shown : set of int
        Keys of results whose marks are filled.
    """

    series: Mapping[str, Sequence[Spot]]
    numbers: Mapping[str, int]
    across: str
    up: str
    shown: AbstractSet[int]


class RdCanvas:
    """Canvas of curves and marks, by pyqtgraph.

    Attributes
    ----------
    widget : pyqtgraph.PlotWidget
    marks : pyqtgraph.ScatterPlotItem
    """

    def __init__(self) -> None:
        pg = pyqtgraph()

        self.widget: Any = pg.PlotWidget(enableMenu=False)
        self.widget.setMouseEnabled(x=False, y=False)
        self.widget.hideButtons()
        self.widget.setLimits(xMin=0)  # there is no size below
        for side in ("bottom", "left"):
            self.widget.getAxis(side).enableAutoSIPrefix(False)
        self.marks: Any = pg.ScatterPlotItem(
            hoverable=True, tip=lambda x, y, data: f"{data.words}\n{_CLICKS}"
        )
        self.marks.setZValue(10)
        self.widget.addItem(self.marks)
        self._curves: list[Any] = []

    def draw(self, drawing: Drawing, tokens: Tokens) -> None:
        """Drawing in the colours of a theme."""
        pg = pyqtgraph()

        self.widget.setBackground(tokens.panel)
        for side, label in (("bottom", drawing.across), ("left", drawing.up)):
            axis = self.widget.getAxis(side)
            axis.setPen(tokens.strong_border)
            axis.setTextPen(tokens.muted)
            self.widget.setLabel(side, label)
        for curve in self._curves:
            self.widget.removeItem(curve)
        self._curves = []
        spots = []
        for name, points in drawing.series.items():
            number = drawing.numbers[name]
            color, (mark, _) = series_color(number, tokens), series_mark(number)
            pen = pg.mkPen(color, width=2)
            if len(points) > 1:
                line = pg.PlotCurveItem([x for x, _, _ in points], [y for _, y, _ in points], antialias=True)
                line.setPen(pen)
                self.widget.addItem(line)
                self._curves.append(line)
            for x, y, point in points:
                full = point.key in drawing.shown
                brush = color if full else tokens.panel
                size = 14 if full else 9
                spots.append(
                    {"pos": (x, y), "data": point, "symbol": mark, "size": size, "brush": brush, "pen": pen}
                )
        self.marks.setData(spots)

    def key_at(self, at: QPoint) -> int | None:
        """Key of the point at a position in the viewport; None where there is none."""
        found = self.marks.pointsAt(self.marks.mapFromScene(self.widget.mapToScene(at)))
        return found[0].data().key if len(found) else None

    def add_legend(self, drawing: Drawing, tokens: Tokens) -> None:
        """Legend within the plot, for a file."""
        pg = pyqtgraph()

        legend = self.widget.addLegend(offset=(-20, -20), labelTextColor=tokens.text, labelTextSize="13pt")
        for name, points in drawing.series.items():
            number = drawing.numbers[name]
            pen, (mark, _) = pg.mkPen(series_color(number, tokens), width=2), series_mark(number)
            sample = pg.PlotDataItem(
                [0], [0], pen=pen, symbol=mark, symbolPen=pen, symbolBrush=tokens.panel, symbolSize=9
            )
            legend.addItem(sample, points[0][2].label)


def saved(drawing: Drawing, suffix: str) -> bytes:
    """Plot with a legend, light, as the bytes of a file.

    Parameters
    ----------
    drawing : Drawing
    suffix : str
        ``.svg`` or ``.png``.
    """
    canvas = RdCanvas()
    try:
        canvas.widget.resize(*_SAVED)
        canvas.draw(drawing, LIGHT)
        canvas.add_legend(drawing, LIGHT)
        canvas.widget.grab()  # lays everything out
        data = QByteArray()
        buffer = QBuffer(data)
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        size = QSize(*_SAVED)
        # Not by pyqtgraph's exporters: that for SVG fails at round marks.
        if suffix == ".svg":
            generator = QSvgGenerator()
            generator.setOutputDevice(buffer)
            generator.setSize(size)
            generator.setViewBox(QRect(QPoint(0, 0), size))
            generator.setTitle("Rate-distortion plot")
            _render(canvas, generator, size)
        else:
            image = QImage(size * 2, QImage.Format.Format_RGB32)
            image.fill(QColor(LIGHT.panel))
            _render(canvas, image, size * 2)
            QImageWriter(buffer, QByteArray(b"png")).write(image)
        return bytes(data.data())
    finally:
        canvas.widget.close()
        canvas.widget.deleteLater()


def _render(canvas: RdCanvas, device: QPaintDevice, size: QSize) -> None:
    painter = QPainter(device)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    canvas.widget.render(painter, QRectF(QPointF(0, 0), size), canvas.widget.viewport().rect())
    painter.end()
