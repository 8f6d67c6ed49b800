"""Progress: the time left, told from what was done so far."""

from __future__ import annotations

import pytest

from fdegc import control
from fdegc.control import ProgressMeter
from fdegc.types import Progress


def remaining(
    monkeypatch: pytest.MonkeyPatch, total: float, steps: list[tuple[float, float]]
) -> list[float | None]:
    """Seconds left after each step, of which each is a time and an amount."""
    now = 0.0
    monkeypatch.setattr(control.time, "perf_counter", lambda: now)
    seen: list[Progress] = []
    meter = ProgressMeter("encode", total, seen.append)
    for at, amount in steps:
        now = at
        meter.advance(amount)
    return [progress.remaining for progress in seen]


def test_what_is_done_once_is_not_counted_for_every_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first of eight units waited for a minute of compiling; each takes three seconds.
    steps = [(60.0 + 3 * unit, 1.0) for unit in range(1, 9)]
    left = remaining(monkeypatch, 8, steps)
    assert left[:2] == [None, None], "one unit tells nothing"
    for found, (at, _) in zip(left[2:-1], steps[1:-1], strict=True):
        truth = steps[-1][0] - at
        assert found is not None and truth < found < 4 * truth
    assert left[-1] == 0.0


def test_with_many_units_it_is_their_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    left = remaining(monkeypatch, 200, [(0.5 * unit, 1.0) for unit in range(1, 101)])
    assert left[-1] == pytest.approx(50.0, rel=0.02)


def test_units_that_end_together_do_not_make_it_short(monkeypatch: pytest.MonkeyPatch) -> None:
    left = remaining(monkeypatch, 8, [(20.0, 1.0), (20.1, 1.0)])
    assert left[-1] is not None and left[-1] > 5.0


def test_a_single_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert remaining(monkeypatch, 1, [(3.0, 1.0)]) == [None, 0.0]
