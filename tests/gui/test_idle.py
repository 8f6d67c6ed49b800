"""Work for idle moments: in small steps, not while somebody or something is at work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from fdegc_gui.control import idle
from fdegc_gui.control.activities import Activities
from fdegc_gui.models.activity import Activity

TIMEOUT = 10_000


def test_steps_wait_for_input_and_activities_to_end(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "_BUDGET", 0.0)  # a step at a time
    widget, taken = QWidget(), []

    def steps() -> Iterator[None]:
        for number in range(20):
            taken.append(number)
            yield

    qtbot.addWidget(widget)
    widget.show()
    activities = Activities(widget)
    watch = activities.watch(Activity("Compressing", 1))
    watch.started()
    work = idle.Idle(steps(), activities, widget)
    monkeypatch.setattr(idle, "_QUIET_MS", 10)
    work.start()
    with qtbot.waitSignal(work._timer.timeout, timeout=TIMEOUT):
        pass
    assert not taken and work._timer.isActive(), "something goes on; it looks again later"
    monkeypatch.setattr(idle, "_QUIET_MS", 1_000_000)
    qtbot.keyClick(widget, Qt.Key.Key_A)
    watch.ended()
    assert work._timer.interval() == 1_000_000, "somebody is at work: the wait begins anew"
    monkeypatch.setattr(idle, "_QUIET_MS", 10)
    monkeypatch.setattr(idle, "_BUDGET", 0.001)
    qtbot.keyClick(widget, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: work.done, timeout=TIMEOUT)
    assert taken == list(range(20))
    work.start()
    assert not work._timer.isActive(), "it is done once"


def test_the_plot_is_made_ready_in_small_steps() -> None:
    code = (
        "import sys, time\n"
        "from fdegc_gui.app import make_application\n"
        "from fdegc_gui.views import warming\n"
        "app = make_application()\n"
        "steps, count = warming.steps(), 0\n"
        "while 'pyqtgraph' not in sys.modules:\n"
        "    next(steps)\n"
        "    count += 1\n"
        "assert count > 100, count\n"
        "assert not list(steps)[2:]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
