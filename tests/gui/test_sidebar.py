"""The side bar: nothing in it is painted squeezed while it gets more to show."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from fdegc_gui.main_window import MainWindow
from tests.gui.window_steps import compress, open_scene


class Painted(QObject):
    """Heights of widgets as they are painted: name, height, and the least that they need."""

    def __init__(self, widgets: dict[QObject, str]) -> None:
        super().__init__()
        self._widgets = widgets
        self.seen: list[tuple[str, int, int]] = []
        for widget in widgets:
            widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Paint and watched in self._widgets and isinstance(watched, QWidget):
            least = watched.minimumSizeHint().height()
            self.seen.append((self._widgets[watched], watched.height(), least))
        return False


def test_a_new_row_squeezes_nothing(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    side = window.sidebar
    body = side._scroll.widget()
    parts = {side.results: "results", side.plot: "plot", side.sections["results"]: "section", body: "body"}
    painted = Painted(parts)
    for rate in (2, 4, 5):
        compress(qtbot, window, rate)
        qtbot.wait(200)
    assert side.plot.isVisible() and {"results", "section", "body"} <= {name for name, _, _ in painted.seen}
    squeezed = [entry for entry in painted.seen if entry[1] < entry[2]]
    assert not squeezed
