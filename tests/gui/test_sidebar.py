"""The side bar: nothing in it is painted squeezed while it gets more to show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QWidget
from pytestqt.qtbot import QtBot

from fdegc.raster_info import RasterInfo
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.notice import advice_notice
from fdegc_gui.models.scene import Scene
from fdegc_gui.views.scene_facts import facts_of
from tests.gui.display_steps import write
from tests.gui.fakes import said
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


def test_pixels_of_a_tiny_scene_are_counted() -> None:
    def pixels(width: int, height: int) -> str:
        info = RasterInfo("", "PNG", width, height, 3, "uint8")
        return dict(facts_of(Scene(1, Path("a.png"), info)))["Pixels"]

    assert pixels(7, 300) == "7 × 300  (2,100 px)" and pixels(1000, 900) == "1000 × 900  (0.90 Mpx)"


def test_a_guess_of_bands_is_among_the_facts_and_said_when_the_scene_opens(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    path = write(tmp_path / "six.tif", np.zeros((6, 30, 40), np.uint8), photometric="minisblack")
    with said(qtbot, window, "Red, green and blue are bands 3, 2, 1, as in Landsat: a guess.", 10_000):
        open_scene(qtbot, window, path)
    assert window.sidebar.facts.values["Red, green, blue"] == "bands 3, 2, 1, as in Landsat: a guess"


def test_advice_in_the_app_names_no_option_of_the_command_line(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    result = window.session.results[4]
    assert result.encode is not None
    advice = (
        "1 of 4 tiles were kept as JPEG 2000; a higher rate, or no loss (--lossless), keeps more.",
        "The alpha band takes most (--alpha none leaves it out).",
    )
    result.encode = replace(result.encode, advice=advice)
    notice = advice_notice(result)
    assert notice is not None and notice.text.endswith(
        "a higher rate, or no loss, keeps more. The alpha band takes most."
    )


def test_estimates_look_like_estimates_and_are_refined_where_one_sees_it(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    seen: list[list[str]] = []
    rows = window.sidebar.rates.rows

    def look() -> None:
        sizes = [rows[rate].cost.size for rate in range(1, 7)]
        if sizes not in seen:
            seen.append(sizes)

    window.session.estimates_changed.connect(look)
    open_scene(qtbot, window, scene_path)
    qtbot.waitUntil(lambda: window.session.refined, timeout=10_000)
    assert len(seen) >= 2, "from the weights' averages, then from parts of the scene"
    assert seen[-1] == [f"≈ {rate} kB" for rate in range(1, 7)]
    assert all(size.startswith("≈ ") for sizes in seen for size in sizes)
    row = rows[3]
    cost = row.cost
    assert "Estimated for this scene" in row.toolTip()
    guess = row.grab().toImage()
    row.show_cost(replace(cost, exact=True))
    assert "Measured on this scene" in row.toolTip() and row.grab().toImage() != guess, "the same figures"


def test_fields_of_figures_are_as_high_as_lists(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    rates = window.sidebar.rates
    for key, field in (("any_quality", rates.field.quality), ("rate_exact", rates.options.bound)):
        window.actions_[key].trigger()
        qtbot.waitUntil(field.isVisible, timeout=10_000)
        assert field.height() >= rates.effort.choice.height()


def test_the_memory_is_said_once_for_all_rates(qtbot: QtBot, window: MainWindow, scene_path: Path) -> None:
    open_scene(qtbot, window, scene_path)
    qtbot.waitUntil(lambda: window.session.refined, timeout=10_000)
    rates = window.sidebar.rates
    assert rates.memory.isVisible() and rates.memory.text() == "Takes about 100 MB of memory at any rate."
    for row in rates.rows.values():
        assert "MB" not in f"{row.cost.size} {row.cost.time}" and "memory" not in row.toolTip()


def test_the_wheel_scrolls_over_choices_and_changes_those_with_the_keys(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    compress(qtbot, window, 5)
    effort, axis = window.sidebar.rates.effort.choice, window.sidebar.plot.quality
    bar = window.sidebar._scroll.verticalScrollBar()

    def turn(box: QComboBox) -> None:
        middle = QPointF(box.rect().center())
        event = QWheelEvent(
            middle, QPointF(box.mapToGlobal(middle.toPoint())), QPoint(), QPoint(0, -120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QCoreApplication.sendEvent(box, event)

    turn(effort)
    assert effort.currentIndex() == 0 and bar.value() == 0 < bar.maximum()
    turn(axis)
    assert axis.currentIndex() == 0 and bar.value() > 0
    axis.setFocus()
    turn(axis)
    assert axis.currentIndex() == 1


def test_how_tiles_were_coded_is_said_beside_the_figures(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    assert not window.sidebar.metrics.tiles.isVisible()
    compress(qtbot, window, 4)
    result = window.session.results[4]
    assert result.encode is not None
    ways = {"network": 3, "jpeg2000": 1}
    result.encode = replace(result.encode, ways=ways, worst=24.75, tiles=4)
    window.session.result_changed.emit(4)
    words = "3 by the network, 1 as JPEG 2000, the worst 24.75 dB"
    assert window.sidebar.metrics.tiles.text() == f"Tiles: {words}."
    (point,) = window.sidebar.results.model.points()
    assert f"tiles: {words}" in point.facts
    result.encode = replace(result.encode, outliers="9 samples lie far outside of the others.")
    window.session.result_changed.emit(4)
    assert window.sidebar.metrics.tiles.text() == f"Tiles: {words}. 9 samples lie far outside of the others."
