"""The stage under pointer and keys: menus that open, one view of both pictures, what the bar's fields do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PySide6.QtCore import QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QContextMenuEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import ORIGINAL, Layout, Side
from fdegc_gui.views.compare import CompareView
from tests.gui.display_steps import TIMEOUT, compress, open_scene, settled

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def compared(qtbot: QtBot, window: MainWindow, scene: Path) -> CompareView:
    """Four bands of 12 bits in kelvin, a tenth each, compressed at rate 1 and seen beside each other."""
    with rasterio.open(scene, "r+") as dataset:
        dataset.scales, dataset.units = (0.1,) * 4, ("K",) * 4
    open_scene(qtbot, window, scene)
    compress(qtbot, window, 1)
    window.compare.set_layout(Layout.SIDE_BY_SIDE)
    settled(qtbot, window)
    return window.compare


def test_a_click_on_a_chip_opens_its_menu(qtbot: QtBot, compared: CompareView, window: MainWindow) -> None:
    seen: dict[Side, list[str]] = {}

    def look(side: Side) -> None:
        popup = QApplication.activePopupWidget()
        if not isinstance(popup, QMenu):
            QTimer.singleShot(20, lambda: look(side))
            return
        seen[side] = [action.text() for action in popup.actions() if action.text()]
        popup.close()

    for side, chip in compared.chips.items():
        QTimer.singleShot(20, lambda side=side: look(side))
        qtbot.mouseClick(chip, LEFT)  # which ends when the menu does
        assert seen[side][0] == "Original" and seen[side][1].startswith("Rate 1 ")
        assert "Open another file…" in seen[side]
    assert window.session.key_of(Side.A) == ORIGINAL, "nothing was chosen"


def test_both_pictures_have_one_view(qtbot: QtBot, compared: CompareView) -> None:
    first, second, viewport = compared.original, compared.reconstruction, compared.viewport
    viewport.restore(QPointF(60, 50), 8.0)

    def places() -> list[QPointF]:
        assert first.size() == second.size()
        found = [pane.pane_position(QPointF(60, 50)) for pane in (first, second)]
        assert found[0] == found[1], "the same place of the scene, at the same place of both"
        return found

    before = places()[0]
    at = QPoint(150, 200)
    for moved, (pane, by) in enumerate(((first, QPoint(40, -24)), (second, QPoint(-16, 8))), 1):
        qtbot.mousePress(pane, LEFT, pos=at)
        qtbot.mouseMove(pane, at + by)
        qtbot.mouseRelease(pane, LEFT, pos=at + by)
        expected = before + QPointF(40, -24) + (moved > 1) * QPointF(-16, 8)
        assert places()[0] == expected
    for pane, angle in ((first, 120), (second, -120)):
        zoom = viewport.zoom
        wheel = QWheelEvent(
            QPointF(at), QPointF(pane.mapToGlobal(at)), QPoint(), QPoint(0, angle), Qt.MouseButton.NoButton,
            NONE, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        under = pane.scene_position(QPointF(at))
        QApplication.sendEvent(pane, wheel)
        assert (viewport.zoom > zoom) == (angle > 0) and viewport.zoom != zoom
        assert (pane.scene_position(QPointF(at)) - under).manhattanLength() < 1, "about the pointer"
        places()


def test_keys_move_and_zoom(qtbot: QtBot, compared: CompareView, window: MainWindow) -> None:
    viewport, pane = compared.viewport, compared.reconstruction
    pane.setFocus()
    viewport.restore(QPointF(60, 50), 16.0)
    moves = {
        Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
    }  # fmt: skip
    for key, (x, y) in moves.items():
        before = viewport.center
        qtbot.keyClick(pane, key)
        moved = viewport.center - before
        assert (np.sign(moved.x()), np.sign(moved.y())) == (x, y)
    control = Qt.KeyboardModifier.ControlModifier
    zoom = viewport.zoom
    qtbot.keyClick(window, Qt.Key.Key_Plus, control)
    assert viewport.zoom > zoom
    qtbot.keyClick(window, Qt.Key.Key_Minus, control)
    assert viewport.zoom == pytest.approx(zoom)
    qtbot.keyClick(window, Qt.Key.Key_1, control)
    assert viewport.zoom == 1.0
    qtbot.keyClick(window, Qt.Key.Key_0, control)
    assert viewport.fitted
    viewport.set_zoom(16.0)
    qtbot.keyClick(pane, Qt.Key.Key_Home)
    assert viewport.fitted
    qtbot.keyClick(window, Qt.Key.Key_X)
    assert window.session.key_of(Side.B) == ORIGINAL, "swapped by one key"


def test_a_right_click_on_a_picture_opens_its_menu(
    qtbot: QtBot, compared: CompareView, window: MainWindow
) -> None:
    for pane in (compared.original, compared.reconstruction):
        at = QPoint(100, 100)
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, pane.mapToGlobal(at))
        QApplication.sendEvent(pane, event)
        qtbot.waitUntil(window.comparing.menu.isVisible, timeout=TIMEOUT)
        window.comparing.menu.close()


def test_the_speed_of_blinking_is_a_slider(qtbot: QtBot, compared: CompareView) -> None:
    compared.set_layout(Layout.FLIP)
    bar = compared.bar
    assert bar.speed.isVisible()
    bar.speed.setValue(1500)
    assert compared.blink_ms == 1500 and bar.seconds.text() == "1.5 s"
    bar.blink.click()
    assert compared.blinking and compared._blink.interval() == 1500
    qtbot.keyClick(bar.speed, Qt.Key.Key_Right)
    assert compared._blink.interval() < 1500, "to the right it is faster, at once"
    bar.blink.click()
    assert not compared.blinking


def test_colours_and_units_of_a_map(qtbot: QtBot, compared: CompareView, window: MainWindow) -> None:
    window.actions_["layout_difference"].trigger()
    session, bar, pane = window.session, compared.bar, compared.reconstruction

    def there() -> bool:
        return session.difference is not None and session.difference.complete

    qtbot.waitUntil(there, timeout=TIMEOUT)
    gains = [bar.gain.itemText(i) for i in range(bar.gain.count())]
    assert gains[0].startswith("Auto") and gains[1:] == ["×1", "×2", "×4", "×8", "×16", "×32", "×64"]
    first, legend = session.difference, pane.legend
    assert first is not None and legend is not None
    assert legend.unit == "K" and legend.ticks[-1] == pytest.approx(first.limit / 10), "a tenth of a kelvin"
    seen = pane.picture()
    names = [bar.colors.itemText(i) for i in range(bar.colors.count())]
    assert len(names) > 1 and len(set(names)) == len(names)
    other = next(i for i, name in enumerate(names) if name != first.style.colors)
    bar.colors.setCurrentIndex(other)
    bar.colors.activated.emit(other)
    qtbot.waitUntil(lambda: pane.legend is not None and pane.legend.colors == names[other], timeout=TIMEOUT)
    assert legend.colors != names[other]
    assert session.difference is not None and session.difference.map is first.map, "colours only"
    assert pane.picture() != seen
    assert pane.legend.ticks == legend.ticks and pane.legend.unit == "K"
