"""Loupe: both pictures enlarged around the pointer, with values, while a key is held or for good."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from fdegc.raster import open_raster
from fdegc.raster_info import Window
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import Layout, Side
from tests.gui.window_steps import compress, open_scene


def test_loupe_while_its_key_is_held(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 1)
    compare, prober = window.compare, window.controller.prober
    pane, loupe = compare.reconstruction, compare.loupe
    compare.grab_focus()
    at = pane.pane_position(QPointF(100.5, 80.5)).toPoint()
    qtbot.mouseMove(pane, at - QPoint(3, 3))
    qtbot.mouseMove(pane, at)
    assert not loupe.isVisible()
    qtbot.keyPress(pane, Qt.Key.Key_L)
    assert loupe.isVisible() and loupe.zoom >= 8
    qtbot.waitUntil(lambda: prober.reading is not None and prober.reading.pixel == (100, 80))
    qtbot.waitUntil(lambda: prober.reading is not None and prober.reading.b is not None)
    with open_raster(scene_path) as source:
        here = source.read(Window(100, 80, 1, 1)).pixels[:, 0, 0].tolist()
    assert loupe.words[Side.A].split() == [str(value) for value in here]
    there = [value // 64 * 64 for value in here]  # what the fake makes of it at rate 1
    assert loupe.words[Side.B].split() == [str(value) for value in there]
    # The pixel under the pointer is in the middle of each picture.
    image = loupe.grab().toImage()
    ratio = image.width() / loupe.width()
    for side, expected in ((0, here), (1, there)):
        x = 8 + side * (176 + 8) + 88
        color = image.pixelColor(round(x * ratio), round((8 + loupe._line() + 88) * ratio))
        assert [color.red(), color.green(), color.blue()] == expected
    assert not loupe.geometry().contains(pane.pos() + at)
    assert compare.rect().contains(loupe.geometry())
    qtbot.keyRelease(pane, Qt.Key.Key_L)
    assert not loupe.isVisible()


def test_loupe_that_stays_and_follows(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 1)
    compare = window.compare
    compare.set_layout(Layout.DIFFERENCE)  # A and B are seen all the same
    window.actions_["loupe"].trigger()
    pane, loupe = compare.reconstruction, compare.loupe
    places = []
    for x, y in ((20.5, 20.5), (180.5, 150.5)):
        qtbot.mouseMove(pane, pane.pane_position(QPointF(x, y)).toPoint())
        assert loupe.isVisible()
        assert compare.rect().contains(loupe.geometry())
        places.append(loupe.pos())
    assert places[0] != places[1]
    assert loupe.sides == (Side.A, Side.B)
    compare.hovered.emit(None)
    pane.hovered.emit(None)
    assert not loupe.isVisible()
    qtbot.mouseMove(pane, pane.pane_position(QPointF(90.5, 90.5)).toPoint())
    assert loupe.isVisible()
    window.controller.close_scene()
    assert not loupe.isVisible()
    assert not window.actions_["loupe"].isEnabled(), "there is nothing to enlarge"
    open_scene(qtbot, window, scene_path)
    window.actions_["loupe"].trigger()
    pane.hovered.emit(QPointF(5, 5))
    assert not loupe.isVisible()
