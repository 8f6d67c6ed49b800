"""The minimap in the corner of the stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import Layout
from fdegc_gui.settings import Settings
from tests.gui.display_steps import TIMEOUT, open_scene, settled, write
from tests.gui.fakes import write_stream


@pytest.fixture
def quarters(tmp_path: Path) -> Path:
    """Four quarters, of which the lower right one is white and the others black; 800 × 600."""
    pixels = np.zeros((3, 600, 800), np.uint8)
    pixels[:, 300:, 400:] = 255
    return write(tmp_path / "quarters.tif", pixels)


def test_only_while_part_of_the_scene_is_in_view(qtbot: QtBot, window: MainWindow, quarters: Path) -> None:
    minimap, viewport = window.minimap, window.compare.viewport
    assert not minimap.isVisible()
    open_scene(qtbot, window, quarters)
    settled(qtbot, window)
    window.compare.set_layout(Layout.SINGLE)
    assert not minimap.isVisible()
    viewport.restore(QPointF(600, 450), 4.0)
    assert minimap.isVisible() and (minimap.width(), minimap.height()) == (176, 132)
    pane = window.compare.reconstruction
    assert minimap.geometry().right() < pane.geometry().right() and minimap.y() > pane.y() + 30
    view = minimap.view_rect()
    assert view.center().toTuple() == pytest.approx((132, 99))
    assert view.width() == pytest.approx(pane.width() / 4 * 176 / 800)
    image = minimap.grab().toImage()
    ratio = image.width() / minimap.width()
    at = [
        image.pixelColor(round(x * ratio), round(y * ratio)).lightness()
        for x, y in ((132, 99), (20, 20), (170, 126))
    ]
    assert at[0] > 240 and at[1] < 20 and 80 < at[2] < 220, "what is not in view is dimmed"
    viewport.fit()
    assert not minimap.isVisible()


def test_click_and_drag_move_the_view(qtbot: QtBot, window: MainWindow, quarters: Path) -> None:
    open_scene(qtbot, window, quarters)
    window.compare.set_layout(Layout.SINGLE)
    viewport, minimap = window.compare.viewport, window.minimap
    viewport.restore(QPointF(600, 450), 4.0)
    qtbot.mousePress(minimap, Qt.MouseButton.LeftButton, pos=QPoint(44, 33))
    assert viewport.center.toTuple() == pytest.approx((200, 150)) and viewport.zoom == 4.0
    qtbot.mouseMove(minimap, QPoint(88, 66))
    qtbot.mouseRelease(minimap, Qt.MouseButton.LeftButton, pos=QPoint(88, 66))
    assert window.compare.viewport.zoom == 4.0


def test_it_can_be_switched_off_and_that_is_remembered(
    qtbot: QtBot, make_window: Callable[..., MainWindow], settings: Settings, quarters: Path
) -> None:
    window = make_window()
    open_scene(qtbot, window, quarters)
    window.compare.set_layout(Layout.SINGLE)
    window.compare.viewport.set_zoom(6.0)
    assert window.minimap.isVisible() and window.actions_["minimap"].isChecked()
    window.actions_["minimap"].trigger()
    assert not window.minimap.isVisible() and not settings.minimap
    other = make_window()
    assert not other.actions_["minimap"].isChecked()


def test_it_gives_way_in_a_small_pane(qtbot: QtBot, window: MainWindow, quarters: Path) -> None:
    open_scene(qtbot, window, quarters)
    window.compare.set_layout(Layout.SINGLE)
    window.compare.viewport.set_zoom(6.0)
    assert window.minimap.isVisible()
    window.resize(900, 560)
    window.compare.set_layout(Layout.STACKED)
    qtbot.waitUntil(lambda: not window.minimap.isVisible(), timeout=TIMEOUT)


def test_of_a_compressed_file(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    write_stream(tmp_path / "scene.fdegc", np.full((10, 15, 3), 200, np.uint8))
    open_scene(qtbot, window, tmp_path / "scene.fdegc")
    qtbot.waitUntil(lambda: window.compare.reconstruction.hint == "", timeout=TIMEOUT)
    window.compare.viewport.set_zoom(20.0)
    assert window.minimap.isVisible()
    window.controller.close_scene()
    assert not window.minimap.isVisible()
