"""What a run does when: sizes of batches, parts of the schedule, an end on time, weights in parts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_training import TINY, tiny_options

from fdegc import weights
from fdegc.cli import main
from fdegc.errors import InvalidOption, WeightsInvalid
from fdegc.model.fdegcnet import PROFILES
from fdegc.training.config import ResearchConfig
from fdegc.training.data import CropSource
from fdegc.training.export import export_weights
from fdegc.training.loop import Trainer
from fdegc.training.phases import Phase, parse_finish, parse_span, process_age
from fdegc.training.recipes import schedule
from fdegc.training.run_options import TrainOptions
from fdegc.training.starting import load_start

CONFIG = ResearchConfig(1000, 500, 512.0, 1e-3, 0.1, 400, 2, 1, 8, 8)


class Clock:
    """Goes on by itself, a second a look."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainOptions:
    monkeypatch.setitem(PROFILES, "tiny", TINY)
    return tiny_options(tmp_path, 144)


class WatchedSource:
    """A source of crops that knows what each step was made of."""

    def __init__(self, source: CropSource, trainer: Trainer, steps: list[dict[str, Any]]) -> None:
        self.source, self.trainer, self.steps = source, trainer, steps
        self.used, self.left_out = source.used, source.left_out

    def draw(self, size: int) -> torch.Tensor:
        return self.source.draw(size)

    def crops(self, drawn: torch.Tensor) -> torch.Tensor:
        crops = self.source.crops(drawn)
        rate = float(self.trainer.optimisers["adam"].param_groups[0]["lr"])
        self.steps.append({"shape": tuple(crops.shape), "fraction": self.trainer._fraction, "rate": rate})
        return crops


def watched(trainer: Trainer) -> list[dict[str, Any]]:
    """What each step was made of."""
    steps: list[dict[str, Any]] = []
    trainer.sources = [WatchedSource(source, trainer, steps) for source in trainer.sources]
    return steps


@pytest.mark.parametrize("images", ["host", "device"])
def test_a_run_finishes_in_larger_crops(options: TrainOptions, images: str) -> None:
    options = replace(options, finish="2x128@0.6", minutes=0.5, images=images)
    trainer = Trainer(options, clock=Clock())
    steps = watched(trainer)
    assert trainer.train()
    shapes = [step["shape"] for step in steps]
    assert set(shapes) == {(4, 3, 64, 64), (2, 3, 128, 128)}
    assert shapes == sorted(shapes, reverse=True)
    first = shapes.index((2, 3, 128, 128))
    assert steps[first - 3]["fraction"] < 0.6 <= steps[first]["fraction"]


@pytest.mark.parametrize("text", ["8x512", "8x512@1", "8x512@0", "0x512@0.5", "8×512@0.5", "8x500@0.5"])
def test_a_finish_that_is_none_is_refused(text: str) -> None:
    assert parse_finish("8x512@.8") == Phase(8, 512, 0.8)
    with pytest.raises(InvalidOption, match=r"8x512@0\.8|multiple of 64"):
        parse_finish(text)


@pytest.mark.parametrize("text", ["0.5", "0.5:0.5", "0.6:0.5", "0:1.5", "a:b"])
def test_a_span_that_is_none_is_refused(text: str) -> None:
    assert parse_span("0:0.5") == (0.0, 0.5)
    with pytest.raises(InvalidOption, match=r"0:0\.5"):
        parse_span(text)


def test_a_finish_is_shared_by_all_processes(options: TrainOptions) -> None:
    with pytest.raises(InvalidOption, match="at least two crops"):
        Trainer(replace(options, finish="1x128@0.5"))


def test_a_span_is_a_part_of_the_schedule(options: TrainOptions) -> None:
    trainer = Trainer(replace(options, span=(0.5, 0.75), minutes=0.2, warmup_steps=1), clock=Clock())
    steps = watched(trainer)
    assert trainer.train()
    fractions = [step["fraction"] for step in steps]
    assert fractions == sorted(fractions)
    assert 0.5 <= fractions[0] < 0.55 and 0.7 < fractions[-1] < 0.75
    assert steps[-1]["rate"] == pytest.approx(3e-3 * schedule(fractions[-1]))


def test_a_run_ends_in_time_with_annealed_weights(options: TrainOptions) -> None:
    clock = Clock()
    options = replace(options, stop_at=70.0, minutes=1000.0, parts=0.05)
    trainer = Trainer(options, clock=clock, age=lambda: 10.0 + clock.now)
    steps = watched(trainer)
    assert trainer.train()
    assert 10.0 + clock.now < 70.0 - 5.0  # trying the export took three looks at the clock
    assert steps[-1]["fraction"] > 0.9
    assert steps[-1]["rate"] < 0.1 * 3e-3
    folder = export_weights(trainer)
    (entry,) = weights.read_manifest(folder)
    assert weights.load(entry)
    parts = sorted(folder.glob("*.safetensors.*"))
    assert len(parts) > 1 and max(part.stat().st_size for part in parts) <= 0.05 * 2**20
    whole, joined = load_start(entry.path), load_start(parts[1])
    assert joined.profile == whole.profile and joined.has_tables
    for name, tensor in whole.state.items():
        assert torch.equal(joined.state[name], tensor), name
    parts[0].unlink()
    with pytest.raises(WeightsInvalid, match=f"of which “{parts[0].name}” is not beside it"):
        load_start(parts[1])


def test_a_configuration_ends_in_time_too(options: TrainOptions) -> None:
    clock = Clock()
    trainer = Trainer(replace(options, config=CONFIG, stop_at=90.0), clock=clock, age=lambda: clock.now)
    steps = watched(trainer)
    assert trainer.train()
    assert trainer.step < 100
    assert steps[0]["rate"] == pytest.approx(1e-3)
    assert steps[-1]["rate"] == pytest.approx(1e-4)


def test_no_time_at_all_is_said(options: TrainOptions) -> None:
    trainer = Trainer(replace(options, stop_at=20.0), age=lambda: 19.0)
    with pytest.raises(InvalidOption, match="leaves no time to train: 19 s are gone already"):
        trainer.train()
    assert 0.0 < process_age() < 10**6


def test_two_ends_are_one_too_many(options: TrainOptions, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--train", str(options.train), "--val", str(options.val), "--out", str(options.out)]
    assert main(["train", *places, "--stop-at", "60", "--minutes", "1"]) == 1
    assert "give one of them" in capsys.readouterr().err


def test_the_command_stops_at_a_moment_and_writes(
    options: TrainOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command line to files: the limit is so late that only the clock of the test ends it."""
    places = ["--train", str(options.train), "--val", str(options.val), "--out", str(options.out)]
    arguments = ["--profile", "tiny", "--crop", "64", "--batch", "4", "--images", "device", "--span", "0:0.5"]
    age = process_age()
    code = main(["train", *places, *arguments, "--stop-at", str(age + 15), "--parts", "16", "--json"])
    assert code == 0
    done = json.loads(capsys.readouterr().out)
    assert done["finished"] and process_age() < age + 20
    assert len(list((options.out / "weights").glob("*.safetensors.1-of-1"))) == 1


@pytest.mark.slow
def test_averaged_weights_alone_lose_less_than_a_hundred_steps(options: TrainOptions, tmp_path: Path) -> None:
    """A run goes on from the fp16 averages of another, which has no optimiser state to give."""

    def loss(trainer: Trainer) -> float:
        return float(np.mean([row["loss"] for row in trainer.validate()]))

    def go_on(trainer: Trainer, steps: int, fraction: float) -> None:
        for _ in range(steps):
            source = trainer.sampler
            trainer._step(source.draw(4), trainer.recipe.qualities(trainer.rng), fraction, source)

    options = replace(options, precision="fp32", ema=0.95)
    first = Trainer(options)
    go_on(first, 30, 0.2)
    (entry,) = weights.read_manifest(export_weights(first))
    before = loss(first)
    second = Trainer(replace(options, pretrain=entry.path, out=tmp_path / "second", span=(0.2, 1.0)))
    assert loss(second) == pytest.approx(before, rel=1e-3)
    go_on(second, 25, 0.2)
    assert loss(second) < before
