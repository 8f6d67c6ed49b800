"""Results table: all that has been made of the scene, here and by others, to compare."""

from __future__ import annotations

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from fdegc.options import METRIC_LABELS
from fdegc_gui.models.guest import FIRST_GUEST
from fdegc_gui.models.points import Point, points_of, row_of
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import figures
from fdegc_gui.text import NONE, ratio

_Index = QModelIndex | QPersistentModelIndex
_ROW = 26
_HEAD = 26
#: Widths in parts of the whole.
_WEIGHTS = (1.9, 1.35, 0.95, 1.0, 1.2, 1.0, 1.0)
#: Pixels beside a name and beside a figure, the share of the table that names may take, and pixels that they
#: have in any case.
_PADDING, _BESIDE, _LONGEST, _SHORTEST = 16, 13, 0.33, 56
_HEADERS = ("Result", "Size", "bpp", *METRIC_LABELS.values())
_LPIPS = len(_HEADERS) - 1


class ResultsModel(QAbstractTableModel):
    """Table model of finished results, one a row: ours by rate, then the others as they came."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows: list[tuple[Point, tuple[str, ...]]] = []
        session.scene_changed.connect(self._reload)
        session.result_changed.connect(self._reload)
        session.figures_changed.connect(self._reload)

    def _reload(self) -> None:
        rows = [(point, row_of(point)) for point in self.points()]
        if [texts for _, texts in rows] == [texts for _, texts in self._rows]:
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def points(self) -> list[Point]:
        """Finished results with their figures, as of now."""
        session = self._session
        scene = session.scene
        if scene is None or scene.stream is not None:
            return []
        return points_of(session.results.values(), scene.info.pixels)

    def key(self, row: int) -> int:
        """Key of a row's result."""
        return self._rows[row][0].key

    def row_of(self, key: int) -> int | None:
        """Row of a result, if it is finished."""
        return next((i for i, (point, _) in enumerate(self._rows) if point.key == key), None)

    def texts(self, column: int) -> list[str]:
        """What a column says, row by row."""
        return [texts[column] for _, texts in self._rows]

    @property
    def names(self) -> list[str]:
        """Names of what was made here."""
        return [point.name for point, _ in self._rows if point.key < FIRST_GUEST]

    @property
    def has_lpips(self) -> bool:
        """Whether any result has an LPIPS."""
        return any(point.lpips is not None for point, _ in self._rows)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(_HEADERS)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        point, texts = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return texts[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if index.column() == 0 else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            name = {4: "ms_ssim", 5: "vifp", 6: "lpips"}.get(index.column())
            result = self._session.results.get(point.key)
            if texts[index.column()] == NONE and name and result is not None and result.metrics:
                return result.metrics.notes.get(name)
            encode = None if result is None else result.encode
            facts = point.facts if encode is None else f"{ratio(encode.ratio)}, on {encode.device}"
            # Of a name there may be no room for all.
            if index.column() == 0 and not facts.startswith(point.name):
                facts = f"{point.name}\n{facts}"
            return facts
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if section == 0 else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        return None


class ResultsTable(QWidget):
    """Results table, as high as it has rows; a click looks at that result.

    Signals
    -------
    chosen(int)
        Key of a result.
    removed(int)
        A result that was not made here is not wanted any more.
    """

    removed = Signal(int)
    chosen = Signal(int)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.model = ResultsModel(session)
        self._empty = QLabel("Finished results appear here, side by side.")
        self._empty.setObjectName("muted")
        self._empty.setWordWrap(True)
        self._empty.setContentsMargins(8, 0, 8, 0)
        self.table = QTableView()
        self.table.setObjectName("bare")
        self.table.setAccessibleName("Finished results")
        self.table.setModel(self.model)
        self.table.setShowGrid(False)
        self.table.setFont(figures(self.table.font(), scale=0.92))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.table.setTabKeyNavigation(False)  # or the keys would never get out of it
        self.table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_ROW)
        head = self.table.horizontalHeader()
        head.setFixedHeight(_HEAD)
        head.setHighlightSections(False)
        head.setMinimumSectionSize(24)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._empty)
        layout.addWidget(self.table)
        self.table.clicked.connect(self._on_index)
        self.table.activated.connect(self._on_index)
        self.model.modelReset.connect(self._on_reset)
        session.rate_changed.connect(self._select)
        session.sides_changed.connect(self._select)
        self._on_reset()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._share_width()

    def _share_width(self) -> None:
        lpips = self.model.has_lpips
        self.table.setColumnHidden(_LPIPS, not lpips)  # it takes a download, which few want
        weights = _WEIGHTS if lpips else _WEIGHTS[:_LPIPS]
        unit = self.width() / sum(weights)
        # Names of ours are read whole, the others' as far as there is room; figures come before either.
        metrics = self.table.fontMetrics()
        wanted = max((metrics.horizontalAdvance(name) + _PADDING for name in self.model.names), default=0)
        first = max(unit * weights[0], min(wanted, _LONGEST * self.width()))
        needed = [self._needed(column) for column in range(1, len(weights))]
        first = max(min(first, self.width() - sum(needed)), _SHORTEST)
        rest = max(self.width() - first - sum(needed), 0.0)
        unit = rest / sum(weights[1:])
        self.table.setColumnWidth(0, int(first))
        for column, (least, weight) in enumerate(zip(needed, weights[1:], strict=True), 1):
            self.table.setColumnWidth(column, int(least + unit * weight))

    def _needed(self, column: int) -> int:
        """Width that a column's figures and its heading take."""
        # Not what the view says, which asks those alone that it shows by now.
        texts, metrics = self.model.texts(column), self.table.fontMetrics()
        head = self.table.horizontalHeader().fontMetrics().horizontalAdvance(_HEADERS[column])
        return max([head, *map(metrics.horizontalAdvance, texts)]) + _BESIDE

    def _on_index(self, index: QModelIndex) -> None:
        self.chosen.emit(self.model.key(index.row()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        index = self.table.currentIndex()
        if event.key() == Qt.Key.Key_Delete and index.isValid():
            self.removed.emit(self.model.key(index.row()))
        else:
            super().keyPressEvent(event)

    def _on_reset(self) -> None:
        rows = self.model.rowCount()
        self._empty.setVisible(rows == 0)
        self.table.setVisible(rows > 0)
        self.table.setFixedHeight(_HEAD + rows * _ROW + 2)
        self._share_width()
        self._select()

    def _select(self) -> None:
        focus = self._session.focus
        row = None if focus is None else self.model.row_of(focus.key)
        if row is None:
            self.table.clearSelection()
        else:
            self.table.selectRow(row)
