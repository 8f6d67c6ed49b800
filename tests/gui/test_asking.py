"""Drag along the curve of our results, which asks for a size."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.asking import asked_at
from tests.gui.window_steps import compress, open_scene


def test_what_a_size_asks_for() -> None:
    estimates = {1: 1000.0, 2: 2000.0, 3: 4000.0, 4: 8000.0}
    known = [(2, 2200.0, 30.0), (4, 8800.0, 36.0)]
    asked = asked_at(4400.0, estimates, known)
    assert asked is not None
    assert (asked.rate, asked.rate_bytes, asked.exact) == (3, 4000.0, False)
    assert asked.psnr == pytest.approx(33.0)  # half way on a logarithmic scale
    assert asked.words == "≈ 4.4 kB, ≈ 33.00 dB\nrate 3: ≈ 4 kB"
    below = asked_at(1.0, estimates, known)
    assert below is not None and (below.bytes, below.psnr, below.rate) == (1000.0, None, 1)
    measured = asked_at(2100.0, estimates, known)
    assert measured is not None and measured.exact and measured.words.endswith("rate 2: 2.2 kB")
    assert asked_at(5.0, {}, []) is None


def test_a_drag_along_the_curve_chooses_the_rate_point(
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
    assert drag is not None
    widget = drag._widget
    (x0, y0, _), (x1, y1, _) = plot.points
    box = widget.getPlotItem().vb

    def at(x: float, y: float) -> QPoint:
        return widget.mapFromScene(box.mapViewToScene(QPointF(x, y)))

    viewport = widget.viewport()
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=at((x0 + x1) / 2, (y0 + y1) / 2))
    wanted = 8 * session.estimates[3].bytes / session.scene.info.pixels  # type: ignore[union-attr]
    qtbot.mouseMove(viewport, at(wanted, (y0 + y1) / 2))
    assert drag.line.isVisible() and drag.words.isVisible()
    said = drag.words.toPlainText()
    seen = drag.words.sceneBoundingRect()
    assert seen.height() > 20 and widget.sceneRect().intersects(seen)  # it is as large as its letters
    assert said.startswith("≈ ") and "rate 3: ≈ " in said and "dB" in said
    assert session.rate == 5  # nothing is asked for before it ends
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=at(wanted, (y0 + y1) / 2))
    assert session.rate == 3 and not drag.line.isVisible()
    assert window.sidebar.action.main.text() == "Compress at rate 3"
    # Beside the curve, or without moving, it is no drag.
    for press, move in ((at(x0, y1), at(x1, y1)), (at(x1, y1), at(x1, y1))):
        qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=press)
        qtbot.mouseMove(viewport, move)
        qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=move)
        assert not drag.line.isVisible()
