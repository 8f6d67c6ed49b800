"""Drag along the curve of our results, which asks for a quality."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from fdegc.results import Estimate
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.asking import Course, course_of
from fdegc_gui.models.costs import forecasts_of
from fdegc_gui.models.forecast import between
from fdegc_gui.models.points import points_of
from fdegc_gui.models.way import FREE, Way
from tests.gui.fakes import FakeUser, said
from tests.gui.window_steps import compress, open_scene

SIZES = {1.0: 1000.0, 2.0: 2000.0, 3.0: 4000.0, 4.0: 8000.0}


def test_what_a_quality_and_a_size_ask_for() -> None:
    course = Course({**SIZES, 2.0: 2200.0, 4.0: 8800.0}, {2.0: 30.0, 4.0: 36.0})
    asked = course.at_size((4000.0 * 8800.0) ** 0.5)  # half way between two, on a logarithmic scale
    assert asked is not None and asked.quality == 3.5
    assert asked.bytes == pytest.approx(5933, abs=1)
    assert asked.psnr == pytest.approx(34.5) and not asked.exact
    assert asked.way == Way(FREE, 3.5)
    assert asked.words == "quality 3.5\n≈ 5.93 kB, ≈ 34.50 dB"
    near = course.at(3.97)
    assert near is not None and near.way.row == 4 and near.exact  # beside a rate point it is that one
    assert near.words == "rate 4\n8.8 kB, 36.00 dB"
    assert course.exactly_at(3.97) != near
    below, above = course.at_size(1.0), course.at_size(1e9)
    assert below is not None and above is not None
    assert below.bytes == pytest.approx(1000) and (below.psnr, below.quality) == (None, 1.0)
    assert (above.quality, above.way.row) == (4.0, 4)
    assert Course({}, {}).at_size(5.0) is None


@given(
    st.dictionaries(st.sampled_from([1.0, 2.0, 2.7, 3.0, 4.0, 5.0, 6.0]), st.floats(1, 1e9), min_size=1),
    st.lists(st.floats(0, 1e10), min_size=2, max_size=2),
)
def test_more_bytes_never_ask_for_less_quality(sizes: dict[float, float], wanted: list[float]) -> None:
    course = Course(sizes, {})
    low, high = (course.at_size(size) for size in sorted(wanted))
    assert low is not None and high is not None
    assert 1 <= low.quality <= high.quality <= 6
    assert low.bytes <= high.bytes * (1 + 1e-9)


@given(st.floats(1, 6), st.dictionaries(st.integers(1, 6), st.integers(1, 10**9)))
def test_an_estimate_between_rate_points_lies_between_theirs(quality: float, sizes: dict[int, int]) -> None:
    estimates = {float(rate): Estimate(size, float(rate), 7) for rate, size in sizes.items()}
    if not estimates:
        return
    found = between(estimates, quality)
    around = sorted(estimates, key=lambda rate: abs(rate - quality))
    assert min(sizes.values()) - 1 <= found.bytes <= max(sizes.values()) + 1
    if abs(around[0] - quality) == 0:
        assert found == estimates[around[0]]


def test_a_drag_along_the_curve_asks_for_a_quality(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 1)
    compress(qtbot, window, 5)
    session, plot = window.session, window.sidebar.plot
    qtbot.waitUntil(lambda: session.refined)
    # So that the estimates lie between what was measured.
    small, large = (session.results[rate].bytes for rate in (1, 5))
    for rate in (2, 3, 4):
        part = (rate - 1) / 4
        size = round(small ** (1 - part) * large**part)
        session.set_estimates({rate: type(session.estimates[1])(size, 1.0, 10**8)})
    drag = plot.drag
    assert drag is not None and session.scene is not None
    pixels = session.scene.info.pixels
    widget = drag._widget
    (x0, y0, _), (x1, y1, _) = plot.points
    box = widget.getPlotItem().vb

    def at(x: float, y: float) -> QPoint:
        return widget.mapFromScene(box.mapViewToScene(QPointF(x, y)))

    def place(rate: float) -> QPoint:
        asked = course_of(session).exactly_at(rate)
        assert asked is not None
        return at(8 * asked.bytes / pixels, (y0 + y1) / 2)

    viewport = widget.viewport()
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=at((x0 + x1) / 2, (y0 + y1) / 2))
    qtbot.mouseMove(viewport, place(3.5))
    assert drag.line.isVisible() and drag.words.isVisible()
    said = drag.words.toPlainText()
    seen = drag.words.sceneBoundingRect()
    assert seen.height() > 20 and widget.sceneRect().intersects(seen)  # it is as large as its letters
    assert said.startswith("quality 3.") and "kB" in said and "dB" in said and said.count("≈") == 2
    assert session.rate == 5  # nothing is asked for before it ends
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=place(3.5))
    assert session.rate == FREE and session.quality == pytest.approx(3.5, abs=0.1)
    assert window.sidebar.action.main.text() == f"Compress at quality {session.quality:.3g}"
    # The row says the same as the words did, and the line stays until it is finished.
    row = window.sidebar.rates.rows[FREE]
    assert row.isChecked() and row.words == f"Quality {session.quality:.3g}"
    assert row.cost.size in said and not row.cost.exact
    assert drag.line.isVisible() and not drag.words.isVisible()
    # Near a rate point it is that one.
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=at((x0 + x1) / 2, (y0 + y1) / 2))
    qtbot.mouseMove(viewport, place(3))
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=place(3))
    assert session.rate == 3 and not drag.line.isVisible()
    # Beside the curve, or without moving, it is no drag.
    for press, move in ((at(x0, y1), at(x1, y1)), (at(x1, y1), at(x1, y1))):
        qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=press)
        qtbot.mouseMove(viewport, move)
        qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=move)
        assert not drag.line.isVisible()


def test_keys_ask_for_a_quality_in_the_plot_and_in_the_field(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 2)
    compress(qtbot, window, 5)
    session, drag, field = window.session, window.sidebar.plot.drag, window.sidebar.rates.field
    assert drag is not None and not field.isVisible()
    widget = drag._widget
    session.set_quality(3.4)
    session.set_rate(FREE)
    widget.setFocus()
    qtbot.keyClick(widget, Qt.Key.Key_Right)
    assert session.quality == 3.5
    qtbot.keyClick(widget, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert session.quality == 3.49 and session.rate == FREE
    qtbot.keyClick(widget, Qt.Key.Key_End)
    assert session.rate == 6
    assert field.isHidden()
    window.sidebar.rates.rows[FREE].click()
    assert field.isVisible() and field.quality.value() == 3.49
    assert field.forecast.text().startswith("≈ ") and field.forecast.text().endswith("dB")
    qtbot.keyClick(field.quality, Qt.Key.Key_Up)
    assert session.quality == 3.59
    assert window.sidebar.action.main.text() == "Compress at quality 3.59"


def test_a_quality_of_ones_own_is_compressed_compared_and_found_again(
    qtbot: QtBot, window: MainWindow, scene_path: Path, user: FakeUser
) -> None:
    open_scene(qtbot, window, scene_path)
    session = window.session
    session.set_quality(3.4)
    compress(qtbot, window, FREE)
    result = session.results[FREE]
    assert result.quality == 3.4 and session.current is result
    row = window.sidebar.rates.rows[FREE]
    assert row.cost.exact
    window.actions_["export_stream"].trigger()
    assert user.suggested.endswith("-quality3.4.fdegc")
    # With another quality there is no result, and the old one stays until it is replaced.
    session.set_quality(4.25)
    assert session.current is None and session.results[FREE] is result and not row.cost.exact
    assert [point.key for point in points_of(session.results.values(), 1)] == [FREE]
    window.sidebar.results.chosen.emit(FREE)
    assert session.quality == 3.4 and session.current is result
    compress(qtbot, window, 2)
    compress(qtbot, window, 5)
    names = [point.name for point in points_of(session.results.values(), 1)]
    assert names == ["Rate 2", "Quality 3.4", "Rate 5"]
    session.set_quality(2.0)
    window.close_scene()
    with said(qtbot, window, "Rates 2, 5 and the result at quality 3.4 are as you left them.", 10_000):
        open_scene(qtbot, window, scene_path)
    assert session.quality == 3.4 and session.result(FREE) is not None


def test_forecasts_lie_between_those_of_the_rate_points_and_follow_what_is_measured(
    qtbot: QtBot, window: MainWindow, scene_path: Path
) -> None:
    open_scene(qtbot, window, scene_path)
    session = window.session
    qtbot.waitUntil(lambda: session.refined)
    session.set_quality(3.3)
    forecasts = forecasts_of(session)
    assert forecasts[3].bytes < forecasts[FREE].bytes < forecasts[4].bytes
    assert forecasts[3].seconds < forecasts[FREE].seconds < forecasts[4].seconds
    before = forecasts[FREE].bytes
    compress(qtbot, window, 3)
    measured = session.results[3].bytes
    after = forecasts_of(session)[FREE].bytes
    assert (after > before) == (measured > forecasts[3].bytes) and after >= measured
