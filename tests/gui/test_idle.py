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
    assert not work._watching, "no event costs anything meanwhile"
    monkeypatch.setattr(idle, "_QUIET_MS", 1_000_000)
    watch.ended()
    qtbot.waitUntil(lambda: work._timer.interval() == 1_000_000, timeout=TIMEOUT)
    assert work._watching and not taken, "a quiet moment is waited for"
    monkeypatch.setattr(idle, "_QUIET_MS", 2_000_000)
    qtbot.keyClick(widget, Qt.Key.Key_A)
    assert work._timer.interval() == 2_000_000, "somebody is at work: the wait begins anew"
    monkeypatch.setattr(idle, "_QUIET_MS", 10)
    monkeypatch.setattr(idle, "_BUDGET", 0.001)
    qtbot.keyClick(widget, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: work.done, timeout=TIMEOUT)
    assert taken == list(range(20))
    work.start()
    assert not work._timer.isActive(), "it is done once"


_STEPS = """
import sys
from fdegc_gui.app import make_application
from fdegc_gui.views import plotting
app, steps, count = make_application(), plotting.steps(), 0
while "pyqtgraph" not in sys.modules:
    next(steps)
    count += 1
assert count > 100, count
half = sys.modules["pyqtgraph"]
assert not hasattr(half, "PlotWidget")
"""


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_the_plot_is_made_ready_in_small_steps_and_whoever_needs_it_at_once_gets_it_whole() -> None:
    done = _run(
        _STEPS + "for _ in range(30): next(steps)\n"
        "assert not hasattr(half, 'PlotWidget')\n"
        "assert plotting.pyqtgraph() is half and half.PlotWidget(enableMenu=False)\n"
        "left = len(list(steps))\n"
        "assert left < 5, left\n"
        "print(sorted(name for name in vars(half) if not name.startswith('__')))\n"
    )
    assert done.returncode == 0, done.stderr
    plain = _run(
        "from fdegc_gui.app import make_application\n"
        "import pyqtgraph\n"
        "print(sorted(name for name in vars(pyqtgraph) if not name.startswith('__')))\n"
    )
    assert done.stdout == plain.stdout, "as by a plain import"


def test_steps_of_the_plot_go_to_the_end_or_leave_nothing_half_imported() -> None:
    done = _run(_STEPS + "count = len(list(steps))\nassert count > 30, count\nhalf.PlotWidget()\n")
    assert done.returncode == 0, done.stderr
    done = _run(_STEPS + "plotting._importing.close()\nassert plotting.pyqtgraph().PlotWidget()\n")
    assert done.returncode == 0, done.stderr
