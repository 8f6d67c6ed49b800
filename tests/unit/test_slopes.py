"""Slopes that the refinement of latents follows: those of the network, up to rounding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fdegc.codec.convolutions import Kernel, convolve
from fdegc.codec.expected_bits import BitModel
from fdegc.codec.slopes import sloping_layers
from fdegc.model.context import ContextModel, mixture_likelihood, split_mixture
from fdegc.model.odconv import ODConv2d
from fdegc.model.transforms import Synthesis


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def apart(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).detach().norm() / wanted.detach().norm())


@pytest.fixture
def constant_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dynamic kernels are constants for the network's own gradients."""
    made = ODConv2d._kernels

    @torch.no_grad()
    def constant(self: ODConv2d, x: Tensor) -> Tensor:
        return made(self, x)

    monkeypatch.setattr(ODConv2d, "_kernels", constant)


@pytest.mark.usefixtures("constant_kernels")
@pytest.mark.parametrize("taps", [1, 2])
@pytest.mark.parametrize("size", [(2, 9, 11), (1, 16, 16)])
def test_pixels_and_their_slopes_are_those_of_the_network(size: tuple[int, int, int], taps: int) -> None:
    torch.manual_seed(3)
    batch, height, width = size
    plain = Synthesis((8, 16, 24), 32, taps).eval().requires_grad_(False)
    for layer in (2, 4, 7):  # GDN of trained networks mixes channels
        plain[layer].igdn.gamma.add_(0.1 * random(*plain[layer].igdn.gamma.shape).abs())
    quick = sloping_layers(plain)
    y, slope = random(batch, 32, height, width), random(batch, 3, 16 * height, 16 * width, seed=1)
    found = []
    for layers, memory in ((plain, torch.contiguous_format), (quick, torch.channels_last)):
        own = y.clone().requires_grad_()
        pixels = layers(own.contiguous(memory_format=memory))
        (once,) = torch.autograd.grad(pixels, own, slope, retain_graph=True)
        (again,) = torch.autograd.grad(pixels, own, slope)
        assert torch.equal(once, again)
        found.append((pixels, once))
    assert apart(found[1][0], found[0][0]) < 1e-5
    # Some ReLU may fall on the other side of zero, which a few latents notice.
    assert apart(found[1][1], found[0][1]) < 1e-2
    error = (found[1][1] - found[0][1]).abs().median() / found[0][1].abs().median()
    assert error < 2e-5
    with torch.no_grad():
        assert torch.equal(quick(y.contiguous(memory_format=torch.channels_last)), found[1][0])


@pytest.mark.parametrize("batch", [1, 2])
def test_bits_and_their_slopes_are_those_of_the_network(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdegc.codec.expected_bits._AT_ONCE", 32)
    torch.manual_seed(4)
    latent, height, width = 12, 7, 9
    context = ContextModel(latent, 16).eval().requires_grad_(False)
    phi, y = 3 * random(batch, 2 * latent, height, width), 4 * random(batch, latent, height, width, seed=1)
    lower, share = y.floor(), y - y.floor()
    mean = y.double().requires_grad_()
    exact = context.double()
    mixture = split_mixture(exact.raw(mean, phi.double()))
    low, high, above = (-mixture_likelihood(lower.double() + more, mixture).log2() for more in (0, 1, 2))
    (after,) = torch.autograd.grad(((1 - share) * low + share * high).sum(), mean)
    with torch.no_grad():
        found = BitModel(context.float(), phi).mixtures(y)
        pair = found.expected(lower, share)
        assert apart(pair[0], low) < 1e-5 and apart(pair[1], high) < 1e-5
        assert apart(pair[2], after) < 1e-4
        assert apart(found.bits(lower + 2), above) < 1e-5
        impossible = found.bits(lower + 10_000)
    # As in training, no latent counts more than its floor, whose slope is none.
    assert float(impossible.max()) == pytest.approx(33.2, abs=0.1)
    with torch.no_grad():
        nothing = found.expected(lower + 10_000, share)[2]
    assert not nothing.any()


def test_memory_that_was_first_used_for_inference_serves_for_slopes(monkeypatch: pytest.MonkeyPatch) -> None:
    from fdegc.codec import convolutions

    monkeypatch.setattr(convolutions, "_local", type(convolutions._local)())
    x, kernel = random(1, 4, 16, 16), Kernel.of_taps(random(9, 4, 4, seed=1))
    with torch.inference_mode():
        first = convolve(x, kernel).clone()
    assert torch.equal(convolve(x, kernel), first)
