"""Context menus of results, and copies of whole pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import ORIGINAL, Layout, Side
from tests.gui.window_steps import TIMEOUT, compress, open_scene


def entries(menu: QMenu) -> dict[str, bool]:
    """Words of a menu's entries, and whether they can be chosen."""
    return {
        action.text().replace("&", ""): action.isEnabled()
        for action in menu.actions()
        if not action.isSeparator()
    }


def choose(menu: QMenu, words: str) -> None:
    next(action for action in menu.actions() if action.text().replace("&", "") == words).trigger()


def test_menu_of_a_result(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 1)
    compress(qtbot, window, 4)
    session, menus = window.session, window.result_menus
    assert entries(menus.menu_for_result(4)) == {
        "Show as picture A": True,
        "Show as picture B": False,
        "Copy table of results": True,
        "Save table of results…": True,
    }
    choose(menus.menu_for_result(1), "Show as picture A")
    assert (session.key_of(Side.A), session.key_of(Side.B)) == (1, 4)
    choose(menus.menu_for_result(1), "Show as picture B")
    assert session.key_of(Side.B) == 1
    table = window.sidebar.results.table
    at = table.visualRect(table.model().index(1, 0)).center()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, table.viewport().mapToGlobal(at))
    QApplication.sendEvent(table.viewport(), event)
    qtbot.waitUntil(lambda: QApplication.activePopupWidget() is not None, timeout=TIMEOUT)
    popup = QApplication.activePopupWidget()
    assert isinstance(popup, QMenu) and "Show as picture A" in entries(popup)
    popup.close()


def test_menu_of_the_plot(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 1)
    compress(qtbot, window, 4)
    qtbot.waitUntil(lambda: not window.sidebar.plot.isHidden(), timeout=TIMEOUT)
    plot = window.sidebar.plot
    inner = plot._canvas.widget.viewport()
    at = QPoint(20, 20)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, inner.mapToGlobal(at))
    QApplication.sendEvent(inner, event)
    qtbot.waitUntil(lambda: QApplication.activePopupWidget() is not None, timeout=TIMEOUT)
    popup = QApplication.activePopupWidget()
    assert isinstance(popup, QMenu)
    assert list(entries(popup)) == [
        "Copy the plot",
        "Save plot of results…",
        "Copy table of results",
        "Save table of results…",
    ]
    choose(popup, "Copy the plot")
    assert QGuiApplication.clipboard().image().width() >= 900
    popup.close()


def test_the_whole_picture_is_copied(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    pixels = np.asarray(Image.open(scene_path).convert("RGB"))
    open_scene(qtbot, window, scene_path)
    told: list[str] = []
    window.controller.message.connect(told.append)
    window.actions_["copy_scene"].trigger()
    assert told[-1] == "There is no picture to copy yet."
    compress(qtbot, window, 1)
    window.compare.viewport.set_zoom(8.0)
    window.actions_["copy_scene"].trigger()
    assert told[-1] == "“Reconstruction · rate 1 · λ 128” is in the clipboard, 192 × 160 px."
    assert _clipboard() == Image.fromarray(pixels // 64 * 64)
    window.compare.set_layout(Layout.SINGLE)
    window.actions_["toggle"].trigger()
    window.actions_["copy_scene"].trigger()
    assert told[-1].startswith("“Original”") and _clipboard() == Image.fromarray(pixels)
    assert window.session.key_of(Side.A) == ORIGINAL


def _clipboard() -> Image.Image:
    image = (
        QGuiApplication.clipboard()
        .image()
        .convertToFormat(QGuiApplication.clipboard().image().Format.Format_RGB888)
    )
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return Image.fromarray(rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy())


def test_canvas_menu_has_what_is_wanted_there(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    words = entries(window.comparing.menu)
    for wanted in ("Copy the view", "Copy the whole picture", "Stretch to what is in view", "Go to a place…"):
        assert words[wanted], wanted
    assert window.compare.original.contextMenuPolicy() is Qt.ContextMenuPolicy.DefaultContextMenu
