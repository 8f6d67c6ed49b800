"""A step is what it was before it could be captured, plainly and replayed."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_step import QUALITY, PlainTrainer
from recorded import RecordedCapture, Recording
from tiny_training import TINY, tiny_options
from torch import Tensor, nn

from fdegc.model.fdegcnet import PROFILES, FDEGCNet
from fdegc.model.graphs import WARM_UP, Repeated
from fdegc.training.config import ResearchConfig
from fdegc.training.loop import Trainer
from fdegc.training.run_options import TrainOptions
from fdegc.training.step import join

CONFIG = ResearchConfig(1000, 50, 512.0, 1e-4, 0.1, 4, 4, 2, 16, 16)


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainOptions:
    monkeypatch.setitem(PROFILES, "tiny", TINY)
    return replace(tiny_options(tmp_path, 96), precision="fp32")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The noise of quantisation is the same for all."""
    draw = torch.Tensor.uniform_

    def fill(self: Tensor, *args: Any, **options: Any) -> Tensor:
        return self.fill_(0.2) if args == (-0.5, 0.5) else draw(self, *args, **options)

    monkeypatch.setattr(torch.Tensor, "uniform_", fill)


@pytest.fixture
def smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is rounded: a latent near ½ that float32 rounds the other way changes gradients visibly."""
    monkeypatch.setattr(torch.Tensor, "round", lambda x: x + 0.1)


def crops(seed: int) -> Tensor:
    coarse = torch.from_numpy(np.random.default_rng(seed).random((4, 3, 8, 8)).astype(np.float32))
    return nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear")


def recipes(options: TrainOptions, which: str) -> TrainOptions:
    if which == "research":
        return replace(options, config=CONFIG)
    return replace(options, lambda_boost=2.0, freeze_norm=0.0 if which == "profile" else 1.0)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet", "smooth")
@pytest.mark.parametrize("which", ["profile", "live-norm", "research"])
@pytest.mark.parametrize("captured", [False, True], ids=["plain", "captured"])
def test_a_step_is_that_of_the_plain_trainer(options: TrainOptions, which: str, captured: bool) -> None:
    options = recipes(options, which)
    capture = RecordedCapture() if captured else None
    trainer = Trainer(options, capture=capture)
    for number in range(WARM_UP + 2 if captured else 1):  # so that a replay is compared, too
        plain = PlainTrainer(trainer)
        before = {n: p.detach().clone() for n, p in trainer.net.named_parameters()}
        if number:  # from the same state, the optimisers' included
            _adopt(plain, trainer)
        fraction = 0.1 + 0.05 * number
        loss, gradients = plain.step(crops(number), number, fraction)
        means = trainer._step(crops(number), QUALITY, fraction)
        assert float(means[0]) == pytest.approx(loss, rel=1e-3)
        _compare_gradients(trainer, plain, gradients)
        moved = _way(trainer.net, before, gradients)
        assert (moved - _way(plain.net, before, gradients)).norm() < 0.05 * moved.norm()
        plain.average(trainer.net, number)
        averages = plain.ema.state_dict()  # once: it takes as long as a tenth of a step
        for name, tensor in trainer.ema.state_dict().items():
            torch.testing.assert_close(tensor, averages[name], msg=name)
    if capture is not None:
        # What is captured is replayed at once, as capturing computes nothing.
        assert (capture.warmed, capture.captured, capture.replayed) == (WARM_UP, 1, 2)
        assert trainer._stepper.captured


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("which", ["profile", "research"])
def test_a_step_with_rounding_is_that_of_the_plain_trainer(options: TrainOptions, which: str) -> None:
    trainer = Trainer(recipes(options, which))
    plain = PlainTrainer(trainer)
    loss, _ = plain.step(crops(0), 0, 0.1)
    assert float(trainer._step(crops(0), QUALITY, 0.1)[0]) == pytest.approx(loss, rel=1e-3)
    theirs = dict(plain.net.named_parameters())
    ours, reference = (
        torch.cat([grad.flatten() for n in theirs if (grad := parameters[n].grad) is not None])
        for parameters in (dict(trainer.net.named_parameters()), theirs)
    )
    assert (ours - reference).norm() <= 1e-2 * reference.norm()


def _adopt(plain: PlainTrainer, trainer: Trainer) -> None:
    """Give the plain trainer the optimisers' state."""
    names = {id(p): n for n, p in trainer.net.named_parameters()}
    mine = dict(plain.net.named_parameters())
    if "muon" in trainer.optimisers:
        state = {names[id(p)]: s["momentum"] for p, s in trainer.optimisers["muon"].state.items()}
        own = {id(p): n for n, p in mine.items()}
        for parameter, momentum in zip(plain.kernels, plain.momenta, strict=True):
            momentum.copy_(state[own[id(parameter)]])
    for parameter, state in trainer.optimisers["adam"].state.items():
        plain.adam.state[mine[names[id(parameter)]]] = copy.deepcopy(state)


def _compare_gradients(trainer: Trainer, plain: PlainTrainer, gradients: dict[str, Tensor]) -> None:
    """After clipping, as the trainer's are by then, of parameters whose gradient is more than rounding."""
    theirs = dict(plain.net.named_parameters())
    largest = max(float(g.norm()) for g in gradients.values())
    # BatchNorm of a batch of four alike samples multiplies rounding by hundreds.
    small = 1e-6 if trainer.recipe.freezes_norm(0.1) else 1e-4
    compared, error, size = 0, 0.0, 0.0
    for name, parameter in trainer.net.named_parameters():
        reference = theirs[name].grad
        assert parameter.grad is not None and reference is not None
        error += float((parameter.grad - reference).square().sum())
        size += float(reference.square().sum())
        if gradients[name].norm() > small * largest:
            compared += 1
            assert (parameter.grad - reference).norm() <= 1e-2 * reference.norm(), name
    assert compared > 50
    assert error**0.5 < 1e-4 * size**0.5


def _way(net: nn.Module, before: dict[str, Tensor], gradients: dict[str, Tensor]) -> Tensor:
    """How far parameters with a real gradient went: optimisers make full steps of rounding, too."""
    largest = max(float(g.norm()) for g in gradients.values())
    real = [n for n, g in gradients.items() if g.norm() > 1e-4 * largest]
    now = dict(net.named_parameters())
    return torch.cat([(now[name].detach() - before[name]).flatten() for name in real])


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("which", ["profile", "research"])
def test_replays_give_the_numbers_of_plain_calls(options: TrainOptions, which: str) -> None:
    options = recipes(options, which)
    plain, replayed = Trainer(options), Trainer(options, capture=RecordedCapture())
    for number in range(WARM_UP + 4):  # rates, λ and the decay of averages change at every one
        for trainer in (plain, replayed):
            trainer._step(crops(number), QUALITY, 0.12 * number)
    assert replayed._stepper.captured and not plain._stepper.captured
    for net in ("net", "ema"):
        theirs = getattr(replayed, net).state_dict()
        for name, tensor in getattr(plain, net).state_dict().items():
            torch.testing.assert_close(theirs[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
    own, other = (t._stepper.take_sums(lambda sums: sums) for t in (plain, replayed))
    np.testing.assert_allclose(own, other, rtol=1e-5)
    assert own[3:].tolist() == [WARM_UP + 4, 0]
    assert not plain._stepper.take_sums(lambda sums: sums).any()


def test_a_step_never_waits_for_the_device(options: TrainOptions) -> None:
    trainer = Trainer(options)
    with Recording() as recording:
        trainer._step(crops(0), QUALITY, 0.1)
    assert len(recording.names) > 1000  # operations that wait would have been refused


def test_another_size_or_state_is_captured_anew(options: TrainOptions) -> None:
    capture = RecordedCapture()
    trainer = Trainer(replace(options, freeze_norm=0.5), capture=capture)
    for fraction in (0.1, 0.6):
        for _ in range(WARM_UP + 1):
            trainer._step(crops(0), QUALITY, fraction)
    for _ in range(WARM_UP + 1):
        trainer._step(crops(0)[:2], QUALITY[:2], 0.6)
    assert (capture.warmed, capture.captured, capture.replayed) == (3 * WARM_UP, 3, 3)


def test_a_replay_skips_what_is_not_finite_and_says_so(options: TrainOptions) -> None:
    trainer = Trainer(options, capture=RecordedCapture())
    for number in range(WARM_UP + 1):
        trainer._step(crops(number), QUALITY, 0.1)
    before = copy.deepcopy([o.state_dict() for o in trainer.optimisers.values()])
    weights = {n: p.detach().clone() for n, p in trainer.net.named_parameters()}
    trainer._step(crops(0) * torch.nan, QUALITY, 0.1)
    for name, parameter in trainer.net.named_parameters():
        assert torch.equal(parameter, weights[name]), name
    for optimiser, old in zip(trainer.optimisers.values(), before, strict=True):
        for number, state in optimiser.state_dict()["state"].items():
            for name, value in state.items():
                assert torch.equal(value, old["state"][number][name]), name
    row = trainer._averages(trainer._stepper.take_sums(lambda sums: sums))
    assert row["skipped"] == 1 and np.isfinite(row["loss"])


def test_what_cannot_be_captured_is_called_plainly() -> None:
    class Broken(RecordedCapture):
        def capture(self, function: Any) -> Any:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    calls = []

    def function() -> Tensor:
        calls.append(1)
        return torch.tensor(len(calls))

    repeated = Repeated(function, Broken())
    assert [int(repeated()) for _ in range(WARM_UP + 2)] == list(range(1, WARM_UP + 3))
    assert not repeated.captured
    assert repeated.failure == "operation not permitted when stream is capturing"


def test_why_capturing_failed_is_what_happened_first() -> None:
    class Broken(RecordedCapture):
        def capture(self, function: Any) -> Any:
            try:
                raise ValueError("the first")
            finally:
                raise RuntimeError("ending it failed too")

    repeated = Repeated(lambda: torch.zeros(()), Broken())
    for _ in range(WARM_UP + 1):
        repeated()
    assert not repeated.captured and repeated.failure == "the first"


def test_joined_networks_are_the_same_networks() -> None:
    net = FDEGCNet.from_profile(TINY)
    before = {n: t.clone() for n, t in net.state_dict().items()}
    whole = join(net)
    assert list(net.state_dict()) == list(before)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name]), name
        assert not tensor.is_floating_point() or tensor.data_ptr() % 64 == 0
    whole.zero_()
    assert not any(p.any() for p in net.parameters())
