"""The plot of results under the pointer: what hovering says, what clicks choose, that the table agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QHelpEvent
from PySide6.QtWidgets import QApplication, QMenu, QScrollArea, QToolTip, QWidget
from pytestqt.qtbot import QtBot

from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.comparison import ORIGINAL, Side
from fdegc_gui.models.guest import FIRST_GUEST
from fdegc_gui.models.points import QUALITIES
from fdegc_gui.models.result import MetricState
from fdegc_gui.models.way import FREE
from fdegc_gui.text import fixed, human_bytes
from tests.gui.display_steps import write
from tests.gui.window_steps import TIMEOUT, compress, open_scene

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def plotted(qtbot: QtBot, window: MainWindow, scene_path: Path) -> MainWindow:
    """A scene compressed at rates 2 and 5, the latter selected, both measured, and the plot in view."""
    open_scene(qtbot, window, scene_path)
    for rate in (2, 5):
        compress(qtbot, window, rate)
    results, plot = window.session.results, window.sidebar.plot
    qtbot.waitUntil(lambda: all(results[r].metric_state is MetricState.DONE for r in (2, 5)), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: not plot.isHidden(), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: canvas_of(window).width() > 100, timeout=TIMEOUT)
    for area in window.sidebar.findChildren(QScrollArea):
        area.ensureWidgetVisible(canvas_of(window))
    qtbot.waitUntil(lambda: not canvas_of(window).visibleRegion().isEmpty(), timeout=TIMEOUT)
    plot._canvas.widget.grab()  # axes take their room when they are painted
    QApplication.processEvents()
    return window


def canvas_of(window: MainWindow) -> QWidget:
    viewport: QWidget = window.sidebar.plot._canvas.widget.viewport()
    return viewport


def spot(window: MainWindow, key: int) -> QPoint:
    """Where the point of a result is in the plot's viewport."""
    plot = window.sidebar.plot
    [(x, y)] = [(x, y) for x, y, found in plot.points if found == key]
    widget = plot._canvas.widget
    at: QPoint = widget.mapFromScene(widget.getPlotItem().vb.mapViewToScene(QPointF(x, y)))
    return at


def test_hovering_over_a_point_says_its_figures(qtbot: QtBot, plotted: MainWindow) -> None:
    canvas, results = canvas_of(plotted), plotted.session.results

    def said(at: QPoint) -> str:
        QToolTip.hideText()
        qtbot.waitUntil(lambda: not QToolTip.isVisible(), timeout=TIMEOUT)
        for step in (QPoint(-1, 0), QPoint(0, 0)):
            qtbot.mouseMove(canvas, at + step)
            qtbot.wait(20)  # pyqtgraph takes a hundred moves a second
        QApplication.sendEvent(canvas, QHelpEvent(QEvent.Type.ToolTip, at, canvas.mapToGlobal(at)))
        return QToolTip.text() if QToolTip.isVisible() else ""

    for key in (2, 5):
        encode = results[key].encode
        assert encode is not None
        assert said(spot(plotted, key)).splitlines() == [
            f"FDEGC, rate {key}",
            f"{human_bytes(encode.bytes)}, {fixed(encode.bpp, 3)} bpp",
            f"PSNR {encode.psnr:.2f} dB",
            "MS-SSIM 0.9877 (19.08 dB)",
            "VIFp 0.750",
            f"largest error {31 if key == 2 else 3}",
            "coded in 1.5 s",
            "click: as picture B, with Shift as A",
        ]
    assert said((spot(plotted, 2) + spot(plotted, 5)) / 2) == "", "there is nothing between them"


def test_a_click_shows_a_result_as_b_and_with_shift_as_a(qtbot: QtBot, plotted: MainWindow) -> None:
    session, canvas = plotted.session, canvas_of(plotted)
    qtbot.mouseMove(canvas, spot(plotted, 2))
    qtbot.mouseClick(canvas, LEFT, pos=spot(plotted, 2))
    assert (session.key_of(Side.A), session.key_of(Side.B)) == (ORIGINAL, 2)
    qtbot.mouseMove(canvas, spot(plotted, 5))
    qtbot.mouseClick(canvas, LEFT, Qt.KeyboardModifier.ShiftModifier, spot(plotted, 5))
    assert (session.key_of(Side.A), session.key_of(Side.B)) == (5, 2)


def test_a_right_click_on_a_point_is_one_on_its_result(qtbot: QtBot, plotted: MainWindow) -> None:
    canvas = canvas_of(plotted)

    def menu_at(at: QPoint) -> list[str]:
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, canvas.mapToGlobal(at))
        QApplication.sendEvent(canvas, event)
        qtbot.waitUntil(lambda: QApplication.activePopupWidget() is not None, timeout=TIMEOUT)
        popup = QApplication.activePopupWidget()
        assert isinstance(popup, QMenu)
        words = [action.text().replace("&", "") for action in popup.actions() if action.text()]
        popup.close()
        return words

    assert menu_at(spot(plotted, 2))[:2] == ["Show as picture A", "Show as picture B"]
    assert menu_at(QPoint(4, 4))[0] == "Copy the plot"


@pytest.mark.parametrize("axis", range(len(QUALITIES)))
def test_every_figure_of_the_plot_is_that_of_the_table(plotted: MainWindow, axis: int) -> None:
    plot, model = plotted.sidebar.plot, plotted.sidebar.results.model
    plot.quality.setCurrentIndex(axis)
    for sizes, column in ((0, 2), (1, 1)):
        plot.size_axis.setCurrentIndex(sizes)
        places = {key: (x, y) for x, y, key in plot.points}
        assert len(places) == 2
        for point in model.points():
            row = model.row_of(point.key)
            assert row is not None
            shown = [str(model.data(model.index(row, i))) for i in range(6)]
            x, y = places[point.key]
            assert shown[column] == (fixed(x, 3) if column == 2 else human_bytes(round(1e3 * x)))
            figure = {"psnr": (3, 2), "vifp": (5, 3)}.get(QUALITIES[axis][0])
            if figure is not None:
                assert shown[figure[0]].removesuffix(" dB") == fixed(y, figure[1])


def sizes_in_view(window: MainWindow) -> tuple[float, float]:
    canvas_of(window).grab()  # the range of automatic axes is found when they are painted
    (low, high), _ = window.sidebar.plot._canvas.widget.viewRange()
    return low, high


def test_a_raster_that_was_opened_leaves_the_axis_to_the_results(
    qtbot: QtBot, plotted: MainWindow, tmp_path: Path, scene_path: Path
) -> None:
    session, plot, guests = plotted.session, plotted.sidebar.plot, plotted.controller.guests
    low, before = sizes_in_view(plotted)
    assert low >= 0 and plot.note.text() == ""
    pixels = np.asarray(Image.open(scene_path))
    small, large = tmp_path / "small.jpg", tmp_path / "large.tif"
    Image.fromarray(pixels).save(small, quality=40)
    write(large, pixels.transpose(2, 0, 1) ^ 1)
    for number, path in enumerate((small, large), 1):
        guests.read(path, Side.A)
        qtbot.waitUntil(lambda n=number: sum(k >= FIRST_GUEST for k in session.results) == n, timeout=TIMEOUT)
    keys = {result.guest.name: key for key, result in session.results.items() if result.guest is not None}
    result = session.results[keys["large.tif"]]
    assert result.guest is not None and result.guest.psnr is not None and result.bpp(192 * 160) > 20
    assert {key for _, _, key in plot.points} == {2, 5, keys["small.jpg"]}
    low, after = sizes_in_view(plotted)
    assert low >= 0 and after == pytest.approx(before)
    beyond = 8 * large.stat().st_size / (192 * 160)
    assert plot.note.text() == f"Beyond the axis of sizes: “large.tif” ({beyond:.4g} bits per pixel)."
    plot.size_axis.setCurrentIndex(1)
    assert plot.note.text() == f"Beyond the axis of sizes: “large.tif” ({large.stat().st_size / 1e3:.4g} kB)."
    # Without a result of ours it is all that there is to see.
    for key in (2, 5):
        session.drop(session.results[key])
    assert {key for _, _, key in plot.points} == {keys["small.jpg"], keys["large.tif"]}
    assert plot.note.text() == ""


def test_one_point_alone_has_no_sizes_below_zero(qtbot: QtBot, plotted: MainWindow, scene_path: Path) -> None:
    plotted.controller.guests.read(scene_path, Side.A)  # equal to the original: no finite PSNR
    results = plotted.session.results
    qtbot.waitUntil(lambda: any(key >= FIRST_GUEST for key in results), timeout=TIMEOUT)
    plotted.session.drop(results[5])
    [(x, _, key)] = plotted.sidebar.plot.points
    low, high = sizes_in_view(plotted)
    assert key == 2 and 0 <= low < x < high


def test_only_what_is_compared_is_filled(qtbot: QtBot, plotted: MainWindow) -> None:
    session = plotted.session

    def filled() -> set[int]:
        shown = plotted.sidebar.plot._canvas.marks.points()
        return {mark.data().key for mark in shown if mark.size() > 10}

    assert filled() == {5}
    session.set_quality(2.75)
    compress(qtbot, plotted, FREE)
    assert filled() == {FREE} and session.key_of(Side.B) == FREE
    session.set_quality(3.3)
    assert session.key_of(Side.B) == FREE and session.result_of(Side.B) is None
    assert filled() == set(), "what was made at 2.75 is not what is asked for"
    session.set_quality(2.75)
    assert filled() == {FREE}
    session.choose(Side.B, ORIGINAL)
    assert filled() == set(), "nor is what is selected but not seen"
