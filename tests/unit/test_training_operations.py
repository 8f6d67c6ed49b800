"""What a training step is made of, against plain versions: Muon, likelihoods, dynamic kernels."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from plain_step import plain_muon
from torch import Tensor, nn

from fdegc.model import fusing, odconv
from fdegc.model.context import mixture_likelihood, raw_likelihood, split_mixture
from fdegc.training.muon import Muon


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


@pytest.mark.parametrize("values", [40, odconv.LONG, odconv.LONG + odconv.PARTS, odconv.LONG + 9])
@pytest.mark.parametrize("count", [1, 2])
def test_mixtures_have_the_gradients_of_a_matrix_product(values: int, count: int) -> None:
    torch.manual_seed(0)
    inputs = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((count, 3, odconv.CANDIDATES), (count, odconv.CANDIDATES, values))
    ]
    results = [
        [out, *torch.autograd.grad(out.square().sum(), inputs)]
        for out in (odconv.Mixture.apply(*inputs), torch.bmm(*inputs))
    ]
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
