"""Metadata panel of the side bar: tags and whatever else a file carries, with a field to search."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLabel,
    QLineEdit,
    QMenu,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from fdegc_gui.models.metadata import Entry, entries_of
from fdegc_gui.models.session import Session
from fdegc_gui.style.theme import figures

_HEIGHT = 260
#: Width of the column of names: no less and no more, whatever they take.
_NAMES, _MOST_NAMES = 100, 190
#: Between a name and its value.
_GAP = 8
#: Characters of a value in its row and in its tooltip; copies have all of it.
_SHOWN, _TOLD = 300, 1500


class MetadataPanel(QWidget):
    """Metadata panel."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._entries: list[Entry] = []
        self._rows: list[QTreeWidgetItem] = []
        self._groups: dict[str, QTreeWidgetItem] = {}
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search names and values")
        self.search.setAccessibleName("Search tags and metadata")
        self.search.setClearButtonEnabled(True)
        self.count = QLabel()
        self.count.setObjectName("muted")
        self.count.setWordWrap(True)
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Tags and metadata")
        self.tree.setObjectName("metadata")
        self.tree.setHeaderHidden(True)
        self.tree.setColumnCount(2)
        self.tree.setColumnWidth(0, _NAMES)
        self.tree.setIndentation(10)
        self.tree.setRootIsDecorated(False)
        self.tree.setItemsExpandable(False)
        self.tree.setUniformRowHeights(True)
        self.tree.setFixedHeight(_HEIGHT)
        self.tree.setFont(figures(self.tree.font(), scale=0.92))
        self.tree.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        box = QVBoxLayout(self)
        box.setContentsMargins(8, 0, 8, 0)
        box.setSpacing(6)
        for widget in (self.search, self.count, self.tree):
            box.addWidget(widget)
        self.search.textChanged.connect(self._filter)
        self.tree.customContextMenuRequested.connect(self._show_menu)
        self.search.installEventFilter(self)
        session.scene_changed.connect(self._on_scene)
        self.refresh()

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Names and values of the entries that are shown."""
        pairs = zip(self._entries, self._rows, strict=True)
        return [(entry.name, entry.value) for entry, row in pairs if not row.isHidden()]

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # Escape clears the field; only where it is empty does it what it does elsewhere.
        kinds = (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)
        if isinstance(event, QKeyEvent) and event.type() in kinds and event.key() == Qt.Key.Key_Escape:
            if self.search.text():
                if event.type() == QEvent.Type.KeyPress:
                    self.search.clear()
                event.accept()
                return True
        return super().eventFilter(watched, event)

    def _on_scene(self) -> None:
        """Entries of another scene, all of them: what was looked for was of the former one."""
        self.search.clear()
        self.refresh()

    def refresh(self) -> None:
        """Entries of the scene that is open."""
        scene = self._session.scene
        self._entries = [] if scene is None else entries_of(scene.info)
        self.tree.clear()
        self._rows = []
        groups = self._groups = {}
        for entry in self._entries:
            if entry.group not in groups:
                group = groups[entry.group] = QTreeWidgetItem([entry.group])
                font = group.font(0)
                font.setBold(True)
                group.setFont(0, font)
                group.setFlags(Qt.ItemFlag.ItemIsEnabled)
                self.tree.addTopLevelItem(group)
                group.setFirstColumnSpanned(True)
            row = QTreeWidgetItem([entry.name, " ".join(entry.value[:_SHOWN].split())])
            row.setToolTip(0, entry.name)
            row.setToolTip(1, entry.value[:_TOLD] + ("…" if len(entry.value) > _TOLD else ""))
            groups[entry.group].addChild(row)
            self._rows.append(row)
        self.tree.expandAll()
        metrics = self.tree.fontMetrics()
        names = max((metrics.horizontalAdvance(entry.name) for entry in self._entries), default=0)
        room = 2 * self.tree.indentation() + _GAP
        self.tree.setColumnWidth(0, min(max(names + room, _NAMES), _MOST_NAMES))
        self._filter(self.search.text())

    def _filter(self, words: str) -> None:
        shown = 0
        for entry, row in zip(self._entries, self._rows, strict=True):
            matches = entry.matches(words)
            row.setHidden(not matches)
            shown += matches
        for name, group in self._groups.items():
            pairs = zip(self._entries, self._rows, strict=True)
            group.setHidden(all(row.isHidden() for entry, row in pairs if entry.group == name))
        total = len(self._entries)
        for widget in (self.search, self.tree):
            widget.setVisible(total > 0)
        if not total:
            text = "This file carries no tags." if self._session.scene is not None else ""
        else:
            text = f"{shown} of {total}" if words.strip() else ""
        self.count.setText(text)
        self.count.setVisible(bool(text))

    def _show_menu(self, at: QPoint) -> None:
        row = self.tree.itemAt(at)
        if row in self._rows:
            self.menu_for(self._entries[self._rows.index(row)]).popup(self.tree.viewport().mapToGlobal(at))

    def menu_for(self, entry: Entry) -> QMenu:
        """Menu of an entry: what of it goes to the clipboard."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        clipboard = QGuiApplication.clipboard()
        menu.addAction("Copy &value").triggered.connect(lambda: clipboard.setText(entry.value))
        both = f"{entry.name}\t{entry.value}"
        menu.addAction("Copy &name and value").triggered.connect(lambda: clipboard.setText(both))
        return menu
