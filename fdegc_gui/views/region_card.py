"""Region card: what one picture's errors against the other are, where the user drew a rectangle."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from fdegc.raster_info import RasterInfo, Window
from fdegc.results import GroundExtent
from fdegc_gui.models.ground import ground_rows
from fdegc_gui.models.region import Histogram, RegionFigures, figure_rows, number
from fdegc_gui.models.tile_map import ByteShare
from fdegc_gui.style import icons
from fdegc_gui.style.theme import Theme, figures
from fdegc_gui.views.floating import FloatingCard
from fdegc_gui.views.section import heading

_WIDTH = 300
_PLOT_HEIGHT = 64
#: Figures, share of bytes, size on the ground.
_ROWS = 10


class HistogramPlot(QWidget):
    """Plot of a histogram: the first picture filled, the second as a line over it."""

    def __init__(self, title: str, theme: Theme) -> None:
        super().__init__()
        self._title, self._theme = title, theme
        self._histogram: Histogram | None = None
        self.setFixedHeight(_PLOT_HEIGHT + 34)
        self.setAccessibleName(title)
        theme.changed.connect(self.update)

    @property
    def histogram(self) -> Histogram | None:
        """Histogram that is shown."""
        return self._histogram

    def show_histogram(self, histogram: Histogram | None) -> None:
        """Histogram to show; None for none."""
        self._histogram = histogram
        self.setVisible(histogram is not None)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        histogram, tokens = self._histogram, self._theme.tokens
        if histogram is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(figures(self.font(), scale=0.88))
        line = painter.fontMetrics().height()
        area = QRectF(0, line + 2, self.width(), _PLOT_HEIGHT)
        painter.setPen(QColor(tokens.muted))
        painter.drawText(QRectF(0, 0, self.width(), line), Qt.AlignmentFlag.AlignLeft, self._title)
        # Roots: rare large errors are what one looks for, and would not be seen beside the many small ones.
        heights = [np.sqrt(counts) for counts in histogram.counts]
        top = max(float(h.max()) for h in heights) or 1.0
        count = len(heights[0])
        for i, counts in enumerate(heights):
            points = [QPointF(area.left(), area.bottom())]
            for k, value in enumerate(counts):
                y = area.bottom() - area.height() * float(value) / top
                points += [QPointF(area.left() + area.width() * at / count, y) for at in (k, k + 1)]
            points.append(QPointF(area.right(), area.bottom()))
            fill, edge = QColor(tokens.muted), QColor(tokens.accent)
            fill.setAlphaF(0.35)
            first = i == 0 and len(heights) > 1
            painter.setPen(Qt.PenStyle.NoPen if first else QPen(edge, 1.3))
            painter.setBrush(fill if first else Qt.BrushStyle.NoBrush)
            (painter.drawPolygon if first else painter.drawPolyline)(QPolygonF(points))
        painter.setPen(QPen(QColor(tokens.border), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.setPen(QColor(tokens.muted))
        low, high = histogram.low, histogram.high
        below = QRectF(0, area.bottom() + 1, self.width(), line)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, number(low))
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, number(high))
        if low < 0 < high:
            x = below.width() * -histogram.edges[0] / (histogram.edges[-1] - histogram.edges[0])
            zero = QRectF(x - 20, below.top(), 40, line)
            painter.drawText(zero, Qt.AlignmentFlag.AlignHCenter, "0")


class RegionCard(FloatingCard):
    """Region card that floats over the canvas.

    Attributes
    ----------
    measured : Window or None
        The region; None before there was one.

    Signals
    -------
    closed()
    copy_wanted()
    view_wanted()
        The region is to be what is in view.
    """

    closed = Signal()
    copy_wanted = Signal()
    view_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.measured: Window | None = None
        self.setAccessibleName("Region")
        self.setFixedWidth(_WIDTH)
        self.place, self.pair = QLabel(), QLabel()
        for label in (self.place, self.pair):
            label.setObjectName("muted")
            label.setFont(figures(label.font()))
            label.setWordWrap(True)
        self.copy, self.view = QToolButton(), QToolButton()
        self.copy.setText("Copy")
        self.copy.setToolTip("Copy the figures as text, those of each band as well.")
        self.view.setText("All in view")
        self.view.setToolTip("Measure what is in view.")
        self.close_button = QToolButton()
        self.close_button.setObjectName("flat")
        self.close_button.setToolTip("Close")
        self.close_button.setAccessibleName("Close")
        self.values = HistogramPlot("Values: A filled, B as a line", theme)
        self.differences = HistogramPlot("Errors, B − A (roots of the counts)", theme)
        self._rows: list[tuple[QLabel, QLabel]] = []
        self._grid = QGridLayout()
        self._box = QVBoxLayout(self)
        self._lay_out()
        self.copy.clicked.connect(self.copy_wanted)
        self.view.clicked.connect(self.view_wanted)
        self.close_button.clicked.connect(self.closed)
        theme.changed.connect(self._paint_icons)
        self._paint_icons()
        self.hide()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(heading("Region"))
        top.addStretch(1)
        top.addWidget(self.close_button)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)
        for row in range(_ROWS):
            name, value = QLabel(), QLabel()
            name.setObjectName("statLabel")
            value.setObjectName("statValue")
            value.setFont(figures(value.font()))
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(name, row, 0)
            self._grid.addWidget(value, row, 1, Qt.AlignmentFlag.AlignRight)
            self._rows.append((name, value))
        bottom = QHBoxLayout()
        bottom.addWidget(self.copy)
        bottom.addWidget(self.view)
        bottom.addStretch(1)
        self._box.setContentsMargins(14, 8, 10, 12)
        self._box.setSpacing(7)
        self._box.addLayout(top)
        self._box.addWidget(self.place)
        self._box.addWidget(self.pair)
        self._box.addLayout(self._grid)
        self._box.addWidget(self.values)
        self._box.addWidget(self.differences)
        self._box.addLayout(bottom)

    @property
    def room(self) -> QSize:
        """Size that it has with all there is to show, which comes bit by bit."""
        line = self.fontMetrics().height() + self._grid.verticalSpacing()
        rows = sum(name.isHidden() for name, _ in self._rows)
        plots = [plot for plot in (self.values, self.differences) if plot.isHidden()]
        more = rows * line + sum(plot.height() + self._box.spacing() for plot in plots)
        return QSize(_WIDTH, self._box.totalHeightForWidth(_WIDTH) + more)

    @property
    def rows(self) -> dict[str, str]:
        """Names and values that are shown."""
        return {name.text(): value.text() for name, value in self._rows if not name.isHidden()}

    def show_region(
        self, window: Window, figures_: RegionFigures | None, info: RasterInfo, ms_ssim: float | None,
        note: str, ground: GroundExtent | None = None, share: ByteShare | None = None,
    ) -> None:  # fmt: skip
        """Figures of a region; None while they are computed.  Its share of bytes, its size on the ground."""
        self.measured = window
        self.place.setText(f"col {window.x}  row {window.y}   ·   {window.width} × {window.height} px")
        found = figures_ is not None and figures_.errors is not None
        if figures_ is None:
            self.pair.setText("Measuring…")
        else:
            self.pair.setText(f"A  {figures_.a}\nB  {figures_.b}" if found else figures_.note)
        rows = figure_rows(figures_, info, ms_ssim, note) if figures_ is not None and found else ()
        rows += (share.row,) if share is not None else ()
        rows += ground_rows(ground) if ground is not None else ()
        for i, (name, value) in enumerate(self._rows):
            shown = i < len(rows)
            name.setVisible(shown)
            value.setVisible(shown)
            if shown:
                name.setText(rows[i][0])
                value.setText(rows[i][1])
                value.setToolTip(rows[i][1])
        self.values.show_histogram(figures_.values if figures_ is not None else None)
        self.differences.show_histogram(figures_.differences if figures_ is not None else None)
        self.copy.setEnabled(figures_ is not None)
        self.show()
        self.raise_()
        self._box.invalidate()
        self._box.activate()
        self.resize(_WIDTH, self._box.totalHeightForWidth(_WIDTH))

    def _paint_icons(self) -> None:
        self.close_button.setIcon(icons.icon("cancel", self._theme.tokens.muted))
