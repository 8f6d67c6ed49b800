"""The window by keyboard alone: everything is reached, has a name, and lets the keys go on."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QComboBox, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import Layout
from fdegc_gui.models.way import EXACT
from tests.gui.window_steps import TIMEOUT, compress, open_scene


def name_of(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or text


def tab_round(qtbot: QtBot, window: MainWindow) -> list[QWidget]:
    """Widgets that Tab comes to, from the canvas on until it is there again."""
    start = window.compare.reconstruction
    window.activateWindow()
    start.setFocus()
    qtbot.waitUntil(start.hasFocus, timeout=TIMEOUT)
    found: list[QWidget] = []
    while len(found) < 100:
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        if window.focusWidget() is start:
            return found
        found.append(window.focusWidget())
    raise AssertionError(f"Tab does not come back: {[name_of(widget) for widget in found[-5:]]}")


def test_tab_comes_to_everything_and_back(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    for rate in (2, 4):
        compress(qtbot, window, rate)
    qtbot.waitUntil(lambda: not window.sidebar.plot.isHidden(), timeout=TIMEOUT)
    window.actions_["display"].trigger()
    window.compare.set_layout(Layout.FLIP)
    found = tab_round(qtbot, window)
    names = [name_of(widget) for widget in found]
    assert all(names), [widget for widget in found if not name_of(widget)]
    assert len(set(found)) == len(found)
    for kind in (QAbstractButton, QComboBox, QLineEdit, QAbstractSlider):
        for widget in window.findChildren(kind):
            grouped = isinstance(widget, QAbstractButton) and widget.group() is not None
            exclusive = isinstance(widget, QAbstractButton) and widget.autoExclusive()
            inner = widget.parent() in window.findChildren(QLineEdit) or "qt_" in widget.objectName()
            if not widget.isVisible() or not widget.isEnabled() or grouped or exclusive or inner:
                continue  # one of a group is reached, arrow keys go to the others
            if not isinstance(widget, QAbstractSlider) or widget.focusPolicy() != Qt.FocusPolicy.NoFocus:
                assert widget in found, name_of(widget)


def test_tab_comes_to_the_chosen_rate(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    rows = window.sidebar.rates.rows
    for key, rate in (("rate_5", 5), ("rate_2", 2), ("rate_exact", EXACT)):
        window.actions_[key].trigger()
        assert window.session.rate == rate
        assert [r for r, row in rows.items() if row.focusPolicy() != Qt.FocusPolicy.NoFocus] == [rate]
    window.actions_["rate_2"].trigger()
    rows[2].setFocus()
    qtbot.keyClick(rows[2], Qt.Key.Key_Down)
    assert window.session.rate == 3 and rows[3].hasFocus()


def test_every_command_has_words_keys_and_a_tip(window: MainWindow) -> None:
    for action in window.actions_.all():
        assert action.text() and action.statusTip().endswith(".")
        assert action.objectName() == "show_folder" or not action.shortcut().isEmpty()
