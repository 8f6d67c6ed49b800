"""Side bar: rate points and the compress button on top, figures and facts under them."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QFrame, QScrollArea, QVBoxLayout, QWidget

from fdegc_gui.actions import Actions
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import Theme
from fdegc_gui.views.main_button import MainButton
from fdegc_gui.views.metadata_panel import MetadataPanel
from fdegc_gui.views.metrics_panel import MetricsPanel, carries_figures
from fdegc_gui.views.rates import RateSelector
from fdegc_gui.views.rd_plot import RdPlot
from fdegc_gui.views.results_bar import ResultsBar
from fdegc_gui.views.results_table import ResultsTable
from fdegc_gui.views.scene_facts import FactsPanel
from fdegc_gui.views.section import Section, heading
from fdegc_gui.views.tile_panel import TilePanel

WIDTH = 384
#: By then Qt has given a section that unfolds its size.
_LAID_OUT_MS = 30


def _stacked(*widgets: QWidget) -> QWidget:
    """Widgets one under another, without a margin."""
    box = QWidget()
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    for widget in widgets:
        layout.addWidget(widget)
    return box


class _WheelGuard(QObject):
    """Filter that lets the wheel scroll over choices without the keys, where it would change them."""

    def __init__(self, scroll: QScrollArea) -> None:
        super().__init__(scroll)
        self._scroll = scroll

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is not QEvent.Type.Wheel or not isinstance(watched, QWidget) or watched.hasFocus():
            return False
        if self._scroll.isAncestorOf(watched):
            QCoreApplication.sendEvent(self._scroll.verticalScrollBar(), event)
        return True


class SideBar(QWidget):
    """Side bar, the column on the right.

    Signals
    -------
    folded_changed(object)
        Names of the folded sections, a set.
    """

    folded_changed = Signal(object)

    def __init__(self, session: Session, actions: Actions, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(360)
        self._session = session
        self.rates = RateSelector(session, theme)
        self.action = MainButton()
        self.metrics = MetricsPanel(session)
        self.results = ResultsTable(session)
        self.plot = RdPlot(session, theme)
        self.bar = ResultsBar()
        self.facts = FactsPanel(session)
        self.tiles = TilePanel(actions, theme)
        self.metadata = MetadataPanel(session)
        self.sections = {
            "metrics": Section("metrics", "Quality", self.metrics, theme),
            "results": Section("results", "Results", _stacked(self.results, self.bar, self.plot), theme),
            "tiles": Section("tiles", "Tiles", self.tiles, theme),
            "facts": Section("facts", "Scene", self.facts, theme),
            "metadata": Section("metadata", "Tags and metadata", self.metadata, theme),
        }
        for section in self.sections.values():
            section.toggled.connect(self._on_toggled)
        self._lay_out()
        self._on_scene()
        session.scene_changed.connect(self._on_scene)
        changes = (session.scene_changed, session.sides_changed, session.rate_changed)
        for signal in (*changes, session.result_changed, session.figures_changed):
            signal.connect(self._on_focus)
            signal.connect(self._lay_out_anew)

    def _lay_out(self) -> None:
        self._title = heading("Rate point")
        self._title.setContentsMargins(8, 0, 0, 0)
        self._top = QWidget()
        top = QVBoxLayout(self._top)
        top.setContentsMargins(10, 12, 10, 12)
        top.setSpacing(6)
        top.addWidget(self._title)
        top.addWidget(self.rates)
        top.addSpacing(4)
        top.addWidget(self.action)
        body = QWidget()
        body.setObjectName("sidebarBody")
        inner = QVBoxLayout(body)
        inner.setContentsMargins(10, 10, 10, 14)
        inner.setSpacing(14)
        for section in self.sections.values():
            inner.addWidget(section)
        inner.addStretch(1)
        scroll = self._scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(body)
        line = QFrame()
        line.setObjectName("divider")
        line.setFixedHeight(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._top)
        layout.addWidget(line)
        layout.addWidget(scroll, 1)
        self._guard = _WheelGuard(scroll)
        for choice in (*self.findChildren(QComboBox), *self.findChildren(QAbstractSpinBox)):
            choice.installEventFilter(self._guard)

    def _lay_out_anew(self) -> None:
        """Layout of what a change has made larger or smaller, at once.

        Qt would do it one widget at a time, from the inside out, and paint in between: a new row of the table
        squeezes the plot under it until the section, and what scrolls, have got their new heights.
        """
        body = self._scroll.widget()
        if body is None or not self.isVisible():
            return
        inner = [widget for widget in body.findChildren(QWidget) if widget.layout() is not None]
        for widget in (*reversed(inner), body):  # children come after their parents
            layout = widget.layout()
            if layout is not None and widget.isVisibleTo(body):
                layout.activate()
        QCoreApplication.sendEvent(body, QEvent(QEvent.Type.LayoutRequest))  # which the scroll area heeds
        for widget in (body, *inner):
            layout = widget.layout()
            if layout is not None and widget.isVisibleTo(body):
                layout.activate()

    def reveal(self, name: str) -> None:
        """Unfolding of a section, brought into view as soon as its contents have their size."""
        section = self.sections[name]
        section.set_open(True)
        QTimer.singleShot(_LAID_OUT_MS, self, lambda: self._scroll_to(section))

    def _scroll_to(self, section: QWidget) -> None:
        """Section in view, with its beginning where there is no room for all of it."""
        self._scroll.ensureWidgetVisible(section, 0, 12)
        bar = self._scroll.verticalScrollBar()
        bar.setValue(min(bar.value(), max(0, section.y() - 12)))

    def set_folded(self, names: set[str]) -> None:
        """Folding of the named sections, unfolding of the others."""
        for name, section in self.sections.items():
            section.set_open(name not in names)

    def _on_toggled(self) -> None:
        self.folded_changed.emit({name for name, section in self.sections.items() if not section.is_open})

    def _on_scene(self) -> None:
        scene = self._session.scene
        stream = scene is not None and scene.stream is not None
        self.rates.setVisible(not stream)
        self._title.setVisible(not stream)
        self.sections["results"].setVisible(not stream)
        for name in ("facts", "metadata"):  # which have nothing to say before
            self.sections[name].setVisible(scene is not None)

    def _on_focus(self) -> None:
        """Title of the figures: whose they are, if not the selected rate point's, and of how many tiles."""
        focus = self._session.focus
        title = "Quality"
        if focus is not None and focus.guest is not None:
            title = f"Quality of {focus.title}"
        elif focus is not None and focus.progress and not carries_figures(self._session):
            title = f"Quality so far, {focus.progress}"
        self.sections["metrics"].set_title(title)
