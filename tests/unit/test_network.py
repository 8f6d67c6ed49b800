"""The network at work: what is rebuilt for speed computes what the trained modules do."""

from __future__ import annotations

import copy

import torch
from torch import nn

from fdegc.codec.network import HyperFeatures, Launching, as_convolutions
from fdegc.model.fdegcnet import FDEGCNet


def test_plain_convolutions_compute_what_transposed_ones_do() -> None:
    torch.manual_seed(1)
    layers = nn.Sequential(
        nn.ConvTranspose2d(4, 6, 3, padding=1),
        nn.Sequential(nn.ConvTranspose2d(6, 5, 3, stride=2, padding=1, output_padding=1)),
        nn.ConvTranspose2d(5, 3, 1),
    ).double()
    before = torch.get_rng_state()
    plain = as_convolutions(copy.deepcopy(layers))
    assert torch.equal(torch.get_rng_state(), before)  # whoever uses the library has seeded them
    kinds = [type(layer).__name__ for layer in plain.modules() if "Conv" in type(layer).__name__]
    assert kinds == ["Conv2d", "ConvTranspose2d", "Conv2d"]
    x = torch.randn(2, 4, 7, 9, dtype=torch.float64)
    torch.testing.assert_close(plain(x), layers(x), rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_entropy_features_are_those_of_the_network() -> None:
    torch.manual_seed(2)
    net = FDEGCNet((16, 16, 16), 16, hidden=32, rate_points=6, centred=True, linear=True).eval()
    z = torch.randint(-3, 4, (2, 16, 3, 5))
    expected = copy.deepcopy(net).double().hyper_synthesise(z.double())
    found = HyperFeatures(net)([part.numpy().astype("int32") for part in z])
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(mine), theirs, rtol=1e-9, atol=1e-9)


def test_turns_are_free_on_a_cpu() -> None:
    launching = Launching(torch.device("cpu"))
    with launching.turn:  # nobody waits
        result = launching.run(lambda: torch.arange(3))
    assert result.tolist() == [0, 1, 2]
