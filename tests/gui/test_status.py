"""Status line: messages stay long enough to be read, and the pointer's position always has its place."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPointF
from pytestqt.qtbot import QtBot

from fdegc.results import MetricSet
from fdegc_gui.main_window import MainWindow
from fdegc_gui.models.activity import Activity
from fdegc_gui.views.status import reading_ms
from tests.gui.fakes import FakeEngine, fake_measure
from tests.gui.window_steps import TIMEOUT, compress, open_scene

SHORT = "The values are in the clipboard."
LONG = "Saved “a_scene_with_a_long_name-r4.png” in “/some/folder”, 1.2 MB. PNG holds no coordinate system."


def test_a_message_stays_for_as_long_as_it_takes_to_read_it(window: MainWindow) -> None:
    assert 4000 <= reading_ms(SHORT) < reading_ms(LONG) and reading_ms(LONG) >= 8000
    for message in (SHORT, LONG):
        window.status.show_message(message)
        assert window.status._clear.interval() == reading_ms(message)


def test_a_message_that_was_not_read_comes_back(qtbot: QtBot, window: MainWindow) -> None:
    status = window.status
    status.show_message(LONG)
    status.show_message(SHORT)
    assert status.text.text() == SHORT, "the latest at once"
    status._clear.setInterval(1)
    qtbot.waitUntil(lambda: status.text.text() == LONG, timeout=1000)
    status._clear.setInterval(1)
    qtbot.waitUntil(lambda: status.text.text() == "", timeout=1000)


def test_news_of_long_ago_do_not_come_back(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = window.status
    status.show_message(LONG)
    status.show_message(SHORT)
    now = time.monotonic()
    monkeypatch.setattr("fdegc_gui.views.status.time.monotonic", lambda: now + 60)
    status._clear.setInterval(1)
    qtbot.waitUntil(lambda: status.text.text() == "", timeout=1000)


def test_a_message_is_seen_beside_what_runs(window: MainWindow) -> None:
    window.status.show_activity(Activity("Compressing at rate 4", 5, fraction=0.5))
    window.status.show_message(SHORT)
    assert window.status.text.text() == f"Compressing at rate 4  ·  {SHORT}"
    window.status.show_activity(None)
    assert window.status.text.text() == SHORT
    window.status.show_note("Overview stored in the file")
    assert window.status.text.text() == f"{SHORT}  ·  Overview stored in the file"


def test_words_that_are_too_long_are_in_the_tooltip(window: MainWindow) -> None:
    window.status.show_message(LONG * 3)
    window.status.text.grab()
    assert window.status.text.toolTip() == LONG * 3
    window.status.show_message(SHORT)
    window.status._interrupted.clear()
    window.status.text.grab()
    assert window.status.text.toolTip() == ""


@pytest.mark.parametrize("width", [860, 1280, 2560])
def test_the_position_is_there_whatever_runs(window: MainWindow, width: int) -> None:
    window.resize(width, 700)
    status = window.status
    place = "col 1563  row 2384   ·   448281.60  5410808.00   ·   48.848084° N  14.295050° E"
    status.show_position(place)
    busy = Activity(
        "Compressing at rate 4",
        5,
        cancellable=True,
        tiles_done=3,
        tiles_total=238,
        fraction=0.4,
        remaining=70,
    )
    for activity in (busy, None, busy):
        status.show_activity(activity)
        status.layout().activate()
        assert status.position.isVisible() and status.position.text() == place
        assert status.position.width() >= status.position.sizeHint().width()
    assert status.cancel.isVisible() and status.text.width() > 60
    assert status.bar.isVisible() == (width > 1000)
    status.show_position("")
    assert status.bar.isVisible(), "room again"


def test_the_position_follows_the_pointer_while_compressing(
    qtbot: QtBot, window: MainWindow, scene_path: Path, fake: FakeEngine
) -> None:
    fake.gate = threading.Event()
    open_scene(qtbot, window, scene_path)
    window.actions_["compress"].trigger()
    qtbot.waitUntil(lambda: "Compressing" in window.status.text.text(), timeout=TIMEOUT)
    for column in (3, 5):
        window.compare.hovered.emit(QPointF(column, 9))
        assert window.status.position.isVisible()
        assert window.status.position.text().startswith(f"col {column}  row 9")


def test_what_is_still_measured_of_a_scene_that_was_left_is_said_to_be_cancelled(
    qtbot: QtBot, make_window: Callable[..., MainWindow], scene_path: Path, scene: Path, fake: FakeEngine
) -> None:
    entered, gate = threading.Event(), threading.Event()

    def slow(*arguments: Any, **named: Any) -> MetricSet:
        entered.set()
        gate.wait(TIMEOUT / 1000)  # it does not listen
        return fake_measure(*arguments, **named)

    window = make_window(replace(fake.engine, measure=slow))
    open_scene(qtbot, window, scene_path)
    compress(qtbot, window, 4)
    try:
        qtbot.waitUntil(entered.is_set, timeout=TIMEOUT)
        qtbot.waitUntil(lambda: "Measuring rate 4" in window.status.text.text(), timeout=TIMEOUT)
        open_scene(qtbot, window, scene)
        assert window.status.text.text().startswith("Cancelling…")
    finally:
        gate.set()
    qtbot.waitUntil(lambda: "Cancelling…" not in window.status.text.text(), timeout=TIMEOUT)
