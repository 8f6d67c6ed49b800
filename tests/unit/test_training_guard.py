"""A run that falls apart goes back to what it was, and odd gradients change nothing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recorded import RecordedCapture
from tiny_training import TINY, tiny_options
from torch import Tensor

from fdegc.model.fdegcnet import PROFILES
from fdegc.model.graphs import WARM_UP
from fdegc.training import guard
from fdegc.training.guard import Guard
from fdegc.training.loop import Trainer
from fdegc.training.muon import Muon
from fdegc.training.recipes import ProfileRecipe
from fdegc.training.step import TAME, WILD


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    monkeypatch.setitem(PROFILES, "tiny", TINY)
    return Trainer(tiny_options(tmp_path, 96))


def make_steps(trainer: Trainer, count: int) -> None:
    for _ in range(count):
        source = trainer.sampler
        trainer._step(source.draw(4), trainer.recipe.qualities(trainer.rng), 0.2, source)


@pytest.mark.parametrize("captured", [False, True], ids=["plain", "captured"])
def test_gradients_of_no_use_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, captured: bool
) -> None:
    monkeypatch.setitem(PROFILES, "tiny", TINY)
    trainer = Trainer(tiny_options(tmp_path, 96), capture=RecordedCapture() if captured else None)
    factor = torch.ones(())
    objective = ProfileRecipe.objective
    monkeypatch.setattr(
        ProfileRecipe, "objective", lambda self, loss, lmbda: objective(self, loss, lmbda) * factor
    )
    make_steps(trainer, WARM_UP + 2)
    assert trainer._stepper.captured == captured
    step = trainer._stepper
    for wild in (100.0 * WILD, math.inf, math.nan):
        kept = [t.clone() for _, t in guard.state_tensors(step.weights, step.averages, trainer.optimisers)]
        factor.fill_(wild)
        make_steps(trainer, 1)
        now = [t for name, t in guard.state_tensors(step.weights, step.averages, trainer.optimisers)]
        different = [
            bool((a != b).any())
            for a, b in zip(kept, now, strict=True)
            if a.numel() > 1  # not Adam's count
        ]
        assert sum(different) <= 1  # averages move on towards the weights
        assert not different[0]
    factor.fill_(1.0)
    before = step.weights.clone()
    make_steps(trainer, 1)
    assert not torch.equal(step.weights, before)
    assert step.take_sums(lambda sums: sums)[4] == 3


def test_long_gradients_are_shortened(trainer: Trainer) -> None:
    make_steps(trainer, 2)
    usual = float(trainer._stepper._usual)
    gradients = [torch.full((4,), 2.5 * usual), torch.zeros(3)]  # five times as long as usual
    assert float(trainer._stepper._tame(gradients)) == 0.0
    length = float(torch.cat(gradients).norm())
    assert length == pytest.approx(TAME * usual, rel=1e-4)
    assert usual < float(trainer._stepper._usual) <= 1.03 * usual
    short = [torch.full((4,), 0.5 * usual)]
    assert float(trainer._stepper._tame(short)) == 0.0
    assert torch.equal(short[0], torch.full((4,), 0.5 * usual))


def test_what_is_usual_may_become_another(trainer: Trainer) -> None:
    """Gradients that stay a hundred times as long are followed in the end."""
    make_steps(trainer, 1)
    usual = float(trainer._stepper._usual)
    useless = 0
    for _ in range(400):
        useless += int(trainer._stepper._tame([torch.full((1,), 100.0 * usual)]))
    assert 0 < useless < 250
    assert float(trainer._stepper._usual) > 50 * usual


def test_a_run_that_went_back_learns_anew_what_is_usual(trainer: Trainer) -> None:
    make_steps(trainer, 2)
    rate = float(trainer.optimisers["adam"].param_groups[0]["lr"])
    trainer._stepper.go_on_with(0.5)
    assert float(trainer._stepper._usual) == 0.0
    make_steps(trainer, 1)
    assert float(trainer._stepper._usual) > 0.0
    assert float(trainer.optimisers["adam"].param_groups[0]["lr"]) == pytest.approx(0.75 * rate)  # warming up


def test_a_run_that_falls_apart_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are ruined once, in the middle of a real run; it ends as others do."""
    monkeypatch.setitem(PROFILES, "tiny", TINY)
    monkeypatch.setattr(ProfileRecipe, "log_steps", 2)
    monkeypatch.setattr(guard, "COPIED", 1)
    ticks = iter(range(10**9))
    trainer = Trainer(tiny_options(tmp_path, 96), clock=lambda: float(next(ticks)))
    monkeypatch.setattr(trainer, "save", lambda: None)
    trainer.limit = 60.0
    made: list[int] = []
    step = trainer._step

    def ruined(*args: Any) -> Tensor:
        made.append(trainer.step)
        if len(made) == 13:
            trainer._stepper.weights.mul_(3.0)
        return step(*args)

    monkeypatch.setattr(trainer, "_step", ruined)
    rows: list[dict[str, Any]] = []
    assert trainer.train(on_row=rows.append)
    notes = [row["note"] for row in rows if "note" in row and "went back" in row["note"]]
    assert len(notes) == 1, rows
    assert "at step 10" in notes[0]
    assert "0.5 of the learning rate" in notes[0]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert max(losses[:5]) * 2 > losses[-1]
    assert torch.isfinite(trainer._stepper.averages).all()
    rates = [row["lr"] for row in rows if "lr" in row]
    assert rates[-1] < 0.6 * max(rates)
    assert json.dumps(rows)


def tensors() -> tuple[Tensor, Tensor, dict[str, torch.optim.Optimizer]]:
    weights = torch.zeros(16)
    kernel = torch.nn.Parameter(weights[:12].view(2, 6, 1, 1))
    kernel.grad = torch.ones_like(kernel)
    return weights, torch.zeros(16), {"muon": Muon([kernel], lr=0.1)}


def test_a_guard_goes_back_to_the_copy_before_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "COPIED", 2)
    weights, averages, optimisers = tensors()
    judge = Guard(weights, averages, optimisers)
    optimisers["muon"].step()
    momentum: list[float] = []
    for line in range(1, 8):
        weights.fill_(line)
        averages.fill_(10 * line)
        (state,) = optimisers["muon"].state.values()
        state["momentum"].fill_(line)
        momentum.append(line)
        assert judge.judge(20 * line, 2.0 + 0.1 * line, 20, 0) is None
    place = state["momentum"].data_ptr()
    said = judge.judge(160, 1e20, 20, 0)  # copies are of lines 1, 3, 5 and 7
    assert said is not None and "rose from 2.4 to 1e+20" in said and "step 100" in said
    assert weights.tolist() == [5.0] * 16 and averages.tolist() == [50.0] * 16
    assert (state["momentum"] == 5.0).all() and state["momentum"].data_ptr() == place
    assert judge.rate == 0.5 and judge.returns == 1
    # What comes then is judged by itself, and another fall goes back as far.
    assert judge.judge(180, 30.0, 20, 0) is None
    assert judge.judge(200, float("nan"), 20, 0) is not None
    assert judge.rate == 0.25


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([(20, 0)] * 5, False),
        ([(19, 1)] + [(20, 0)] * 5, False),
        ([(18, 2), (19, 1), (18, 2)], False),
        ([(14, 6), (16, 4), (14, 6)], True),
        ([(0, 20)], True),
    ],
)
def test_steps_that_were_skipped_count(lines: list[tuple[int, int]], wrong: bool) -> None:
    judge = Guard(*tensors())
    assert judge.judge(20, 2.0, 20, 0) is None
    said = [judge.judge(40 + 20 * i, 2.0, *line) for i, line in enumerate(lines)]
    assert any(said) == wrong
    if wrong:
        assert "useless" in str(said[-1])


def test_the_learning_rate_comes_back_in_health(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "HEALTHY", 4)
    judge = Guard(*tensors())
    rates = []
    for line, loss in enumerate([2.0, math.nan, math.nan, *[2.0] * 13]):
        judge.judge(20 * line, loss, 20, 0)
        rates.append(judge.rate)
    assert rates == [1.0, 0.5, 0.25, *[0.25] * 3, *[0.5] * 4, *[1.0] * 6]


def test_a_run_in_health_is_as_fast_again(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "HEALTHY", 1)
    make_steps(trainer, 2)
    usual = float(trainer._stepper._usual)
    trainer._guard.rate = trainer._stepper.rate = 0.5
    notes: list[dict[str, Any]] = []
    trainer._judge(np.array([40.0, 0.0, 0.0, 20.0, 0.0]), notes.append)
    assert trainer._stepper.rate == 1.0 and float(trainer._stepper._usual) == usual
    assert [str(row["note"]) for row in notes] == [
        "All is well; the run goes on with 1 of the learning rate again."
    ]


def test_a_guard_without_a_copy_says_so() -> None:
    said = Guard(*tensors()).judge(20, float("inf"), 20, 0)
    assert said is not None and "nothing to go back to" in said
