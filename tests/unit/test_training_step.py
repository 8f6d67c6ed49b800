"""A step is what it was before it could be captured, plainly and replayed; Muon's stacks change nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from recorded import RecordedCapture, Recording
from torch import Tensor, nn

from fdegc.model import fdegcnet, fusing, odconv
from fdegc.model.context import Mixture, mixture_likelihood, raw_likelihood, split_mixture
from fdegc.model.fdegcnet import PROFILES, FDEGCNet, Profile
from fdegc.training.config import ResearchConfig
from fdegc.training.graphs import WARM_UP, Repeated
from fdegc.training.loop import Trainer
from fdegc.training.muon import Muon, is_kernel, orthogonalise
from fdegc.training.options import TrainOptions
from fdegc.training.step import join
from fdegc.training.validation import rate_distortion

TINY = Profile("tiny", (16, 16, 16), 16, hidden=32, rate_points=6, centred=True)
CONFIG = ResearchConfig(1000, 50, 512.0, 1e-4, 0.1, 4, 4, 2, 16, 16)
QUALITY = torch.tensor([1.0, 6.0, 3.0, 4.5])


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainOptions:
    monkeypatch.setitem(PROFILES, "tiny", TINY)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        coarse = np.random.default_rng(number).integers(0, 256, (9, 9, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return TrainOptions(
        folder, folder, tmp_path / "run", profile="tiny", batch=4, crop=64, warmup_steps=3, precision="fp32"
    )


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
    monkeypatch.setattr(fdegcnet, "straight_through_round", lambda x: x + 0.1)


def crops(seed: int) -> Tensor:
    coarse = torch.from_numpy(np.random.default_rng(seed).random((4, 3, 8, 8)).astype(np.float32))
    return nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear")


def plain_forward(net: FDEGCNet, x: Tensor, quality: Tensor, live_norm: bool) -> dict[str, Any]:
    """The network of the papers layer by layer, by the modules' paths for files, which do not change."""
    net.eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train(live_norm)
    gain, inverse = net.gains(quality)
    y = net.analyse(x, gain)
    z = net.hyper_analyse(y)
    y_hat, z_hat = fdegcnet.straight_through_round(y), fdegcnet.straight_through_round(z)
    # In double precision, as differences of distributions near 1 are nothing but rounding.
    mixture = Mixture(*(part.double() for part in net.context(y_hat, net.hyper_synthesise(z_hat))))
    values = (z + 0.2).transpose(0, 1).reshape(net.hyper, 1, -1)
    prior = net.hyper_prior
    lower, upper = prior._logits(values - 0.5), prior._logits(values + 0.5)
    z_likelihood = (upper.sigmoid() - lower.sigmoid()).clamp(min=1e-10)
    shape = (net.hyper, len(x), *z.shape[2:])
    return {
        "x_hat": net.synthesise(y_hat, inverse),
        "likelihoods": {
            "y": mixture_likelihood((y + 0.2).double(), mixture).float(),
            "z": z_likelihood.view(shape).transpose(0, 1),
        },
    }


def plain_muon(parameter: Tensor, grad: Tensor, momentum: Tensor, lr: float) -> None:
    """One kernel's update, by itself."""
    momentum.lerp_(grad, 0.05)
    update = grad.lerp(momentum, 0.95)
    cols = parameter[0].numel() if parameter.ndim == 4 else parameter[0, 0].numel()
    matrices = update.reshape(-1, parameter.shape[-4], cols)
    scale = lr * max(1.0, matrices.shape[1] / cols) ** 0.5
    parameter.data.add_(orthogonalise(matrices).reshape(parameter.shape).float(), alpha=-scale)


class PlainTrainer:
    """The steps of the trainer as it was before: tensor by tensor, asking the host."""

    def __init__(self, trainer: Trainer) -> None:
        self.recipe = trainer.recipe
        self.net = copy.deepcopy(trainer.net)
        self.ema = copy.deepcopy(trainer.ema)
        self.research = trainer.options.config is not None
        parameters = dict(self.net.named_parameters())
        kernels = {} if self.research else {n: p for n, p in parameters.items() if is_kernel(n, p)}
        gains = [p for n, p in parameters.items() if n in ("log_gain", "log_inverse_gain")]
        rest = [p for n, p in parameters.items() if n not in kernels and not any(p is g for g in gains)]
        self.kernels, self.rest, self.gains = list(kernels.values()), rest, gains
        self.momenta = [torch.zeros_like(p) for p in self.kernels]
        groups = [{"params": p} for p in (self.rest, self.gains) if p]
        self.adam = torch.optim.Adam(groups, lr=0.0, betas=(0.9, 0.999 if self.research else 0.98))

    def step(self, x: Tensor, number: int, fraction: float) -> tuple[float, dict[str, Tensor]]:
        recipe = self.recipe
        lmbda = recipe.lambdas(QUALITY) * recipe.boost(fraction)
        out = plain_forward(self.net, x, QUALITY, live_norm=not recipe.freezes_norm(fraction))
        loss, _, _ = rate_distortion(out, x, lmbda)
        self.net.zero_grad()
        recipe.objective(loss, lmbda).backward()
        gradients = {n: p.grad.clone() for n, p in self.net.named_parameters() if p.grad is not None}
        if self.research:
            rate = 1e-4 * 0.1 ** (number // 4)
            nn.utils.clip_grad_value_(list(self.net.parameters()), 5.0)
            rates = [rate]
        else:
            cosine = 0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * fraction))
            rate = 3e-3 * cosine * min(1.0, (number + 1) / 3)
            nn.utils.clip_grad_norm_([*self.rest, *self.gains], 5.0)
            for parameter, momentum in zip(self.kernels, self.momenta, strict=True):
                assert parameter.grad is not None
                plain_muon(parameter, parameter.grad, momentum, 4 * rate)
            rates = [rate, 4 * rate]
        for group, own in zip(self.adam.param_groups, rates, strict=True):
            group["lr"] = own
        self.adam.step()
        return float(loss.detach().mean()), gradients

    def average(self, net: FDEGCNet, number: int) -> None:
        """Of the other trainer's weights: optimisers make full steps of gradients that are rounding, too."""
        decay = min(self.recipe.ema, (number + 1) / (number + 21))
        theirs = net.state_dict()
        for name, tensor in self.ema.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(theirs[name], 1.0 - decay)


def recipes(options: TrainOptions, which: str) -> TrainOptions:
    if which == "research":
        return replace(options, config=CONFIG)
    return replace(options, lambda_boost=2.0, freeze_norm=0.0 if which == "profile" else 1.0)


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
        for name, tensor in trainer.ema.state_dict().items():
            torch.testing.assert_close(tensor, plain.ema.state_dict()[name], msg=name)
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


@pytest.fixture
def kernels() -> Iterator[tuple[list[nn.Parameter], list[nn.Parameter]]]:
    """Kernels of all kinds, two of most shapes, twice."""
    torch.manual_seed(0)
    shapes = [
        (16, 8, 3, 3),
        (16, 8, 3, 3),
        (4, 16, 72, 1, 1),
        (32, 12, 1, 1),
        (12, 32, 1, 1),
        (4, 9, 16, 1, 1),
    ]
    values = [torch.randn(shape) for shape in shapes]
    first, second = ([nn.Parameter(v.clone()) for v in values] for _ in range(2))
    yield first, second


def test_stacked_muon_is_muon_of_every_tensor(kernels: Any) -> None:
    ours, theirs = kernels
    muon, momenta = Muon(ours, lr=torch.tensor(0.02)), [torch.zeros_like(p) for p in theirs]
    for seed in range(4):
        torch.manual_seed(seed)
        for mine, reference in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            reference.grad = mine.grad.clone()
        if seed == 2:  # as a resumed run goes on
            state = copy.deepcopy(muon.state_dict())
            muon = Muon(ours, lr=torch.tensor(0.02))
            muon.load_state_dict(state)
        muon.step()
        for reference, momentum in zip(theirs, momenta, strict=True):
            assert reference.grad is not None
            plain_muon(reference, reference.grad, momentum, 0.02)
        for mine, reference, momentum in zip(ours, theirs, momenta, strict=True):
            # A stack is multiplied in another order than a matrix by itself, in bfloat16.
            torch.testing.assert_close(mine, reference, rtol=0.0, atol=0.02 * 2**-6)
            torch.testing.assert_close(muon.state[mine]["momentum"], momentum)


def test_muon_passes_over_what_has_no_gradient(kernels: Any) -> None:
    ours, _ = kernels
    muon = Muon(ours, lr=0.1)
    for without in (0, 3, None):
        before = [p.detach().clone() for p in ours]
        for number, p in enumerate(ours):
            p.grad = None if number == without else torch.ones_like(p)
        muon.step()
        moved = [not torch.equal(p, old) for p, old in zip(ours, before, strict=True)]
        assert moved == [number != without for number in range(len(ours))]


def test_the_written_out_likelihood_is_that_of_the_mixture() -> None:
    torch.manual_seed(0)
    y, raw = 4 * torch.randn(2, 8, 6, 5), torch.randn(2, 72, 6, 5)
    y[0, 0], raw[0, 16:24] = 60.0, 1e-6  # beyond the floors
    results = []
    for kind, likelihood in (
        (torch.float64, lambda y, raw: mixture_likelihood(y, split_mixture(raw))),
        (torch.float32, raw_likelihood),
    ):
        inputs = [t.to(kind, copy=True).requires_grad_() for t in (y, raw)]
        out = likelihood(*inputs)
        (out * (1 + out)).sum().backward()
        results.append((out.detach(), *(t.grad for t in inputs)))
    for reference, ours in zip(*results, strict=True):
        assert reference is not None and ours is not None
        torch.testing.assert_close(ours.double(), reference, rtol=1e-4, atol=1e-6)


def test_dynamic_kernels_are_the_same_by_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layers = [odconv.ODConv2d(8, 6, 3).double().train() for _ in range(2)]
    x = torch.randn(6, 8, 5, 7, dtype=torch.float64, requires_grad=True)
    results = []
    for columns in (False, True):
        monkeypatch.setattr(odconv, "BY_COLUMNS", columns)
        out = odconv.convolve_together(layers, x)
        inputs = [x, *(p for layer in layers for p in layer.parameters())]
        results.append([out, *torch.autograd.grad(out.square().sum(), inputs)])
    for ours, reference in zip(*results, strict=True):
        torch.testing.assert_close(ours, reference)


def test_likelihoods_are_compiled_on_gpus_and_plain_if_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "compiles", lambda tensor: True)
    compiled = []

    def compile_(function: Any, **_: Any) -> Any:
        compiled.append(function)
        return function

    @fusing.fused
    def double(x: Tensor) -> Tensor:
        return 2 * x

    @fusing.fused
    def triple(x: Tensor) -> Tensor:
        return 3 * x

    monkeypatch.setattr(torch, "compile", compile_)
    assert double(torch.ones(1)) == double(torch.ones(1)) == 2
    assert len(compiled) == 1

    def fail(*_: Any, **__: Any) -> Any:
        raise ImportError("no compiler")

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.warns(RuntimeWarning, match="triple runs uncompiled: no compiler"):
        assert triple(torch.ones(1)) == 3
    assert triple(torch.ones(1)) == 3


def test_nothing_is_compiled_on_the_cpu() -> None:
    assert not fusing.compiles(torch.ones(1))
