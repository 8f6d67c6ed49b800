"""Results table: all finished rate points of the scene, to compare."""

from __future__ import annotations

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from fdegc.options import METRIC_LABELS
from fdegc.results import EncodeResult
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import figures
from fdegc_gui.text import NONE, fixed, human_bytes, ratio

_Index = QModelIndex | QPersistentModelIndex
_ROW = 26
_HEAD = 26
#: Widths in parts of the whole.
_WEIGHTS = (0.65, 1.35, 1.05, 1.05, 1.3, 1.0, 1.0)
_HEADERS = ("Rate", "Size", "bpp", *METRIC_LABELS.values())


def _texts(result: Result, encode: EncodeResult) -> tuple[str, ...]:
    metrics, psnr = result.metrics, encode.psnr
    return (
        str(result.rate),
        human_bytes(encode.bytes),
        fixed(encode.bpp, 3),
        "∞" if psnr == float("inf") else fixed(psnr, 2),
        fixed(metrics.ms_ssim if metrics else None, 4),
        fixed(metrics.vifp if metrics else None, 3),
        fixed(metrics.lpips if metrics else None, 3),
    )


class ResultsModel(QAbstractTableModel):
    """Table model of finished results, one a row, by rate."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows: list[tuple[Result, tuple[str, ...]]] = []
        session.scene_changed.connect(self._reload)
        session.result_changed.connect(self._reload)
        session.figures_changed.connect(self._reload)

    def _reload(self) -> None:
        rows = []
        for _, result in sorted(self._session.results.items()):
            if result.state is State.DONE and result.encode is not None:
                rows.append((result, _texts(result, result.encode)))
        if [texts for _, texts in rows] == [texts for _, texts in self._rows]:
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def rate(self, row: int) -> int:
        """Rate point of a row."""
        return self._rows[row][0].rate

    def row_of(self, rate: int) -> int | None:
        """Row of a rate point, if it is finished."""
        return next((i for i, (result, _) in enumerate(self._rows) if result.rate == rate), None)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(_HEADERS)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        result, texts = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return texts[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if index.column() == 0 else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            name = {4: "ms_ssim", 5: "vifp", 6: "lpips"}.get(index.column())
            if texts[index.column()] == NONE and name and result.metrics:
                return result.metrics.notes.get(name)
            return f"{ratio(result.encode.ratio)}, on {result.encode.device}" if result.encode else None
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
    """Results table, as high as it has rows; a click looks at that rate point.

    Signals
    -------
    chosen(int)
    """

    chosen = Signal(int)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.model = ResultsModel(session)
        self._empty = QLabel("Finished rate points appear here, side by side.")
        self._empty.setObjectName("muted")
        self._empty.setWordWrap(True)
        self._empty.setContentsMargins(8, 0, 8, 0)
        self.table = QTableView()
        self.table.setObjectName("bare")
        self.table.setAccessibleName("Finished rate points")
        self.table.setModel(self.model)
        self.table.setShowGrid(False)
        self.table.setFont(figures(self.table.font(), scale=0.92))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setFocusPolicy(Qt.FocusPolicy.TabFocus)
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
        self._on_reset()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        unit = self.width() / sum(_WEIGHTS)
        for column, weight in enumerate(_WEIGHTS):
            self.table.setColumnWidth(column, int(unit * weight))

    def _on_index(self, index: QModelIndex) -> None:
        self.chosen.emit(self.model.rate(index.row()))

    def _on_reset(self) -> None:
        rows = self.model.rowCount()
        self._empty.setVisible(rows == 0)
        self.table.setVisible(rows > 0)
        self.table.setFixedHeight(_HEAD + rows * _ROW + 2)
        self._select()

    def _select(self) -> None:
        row = self.model.row_of(self._session.rate)
        if row is None:
            self.table.clearSelection()
        else:
            self.table.selectRow(row)
