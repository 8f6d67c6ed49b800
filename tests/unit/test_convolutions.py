"""Convolutions by Winograd's transforms: what torch's own give, up to rounding."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fdegc.codec import Codec
from fdegc.codec.convolutions import Kernel, convolve, quick_layers
from fdegc.coding import winograd
from fdegc.model.transforms import Analysis, Synthesis

pytestmark = pytest.mark.usefixtures("no_gradients")


@pytest.fixture
def no_gradients():
    with torch.inference_mode():
        yield


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).contiguous()


def kernel(inputs: int, outputs: int) -> Kernel:
    return Kernel.of_taps(random(9, inputs, outputs, seed=1) / (9 * inputs) ** 0.5, random(outputs, seed=2))


def expected(x: Tensor, kernel: Kernel, slope: float = 1.0) -> Tensor:
    wanted = F.conv2d(x.double(), kernel.weight.double(), kernel.bias.double(), padding=1)
    return F.leaky_relu(wanted, slope)


def near(found: Tensor, wanted: Tensor) -> bool:
    return float((found - wanted).abs().max()) < 1e-5 * float(wanted.abs().max())


@pytest.mark.parametrize(
    ("size", "channels"),
    [
        ((8, 8), (1, 1)),
        ((9, 7), (3, 5)),
        ((64, 1), (8, 8)),
        ((1, 64), (8, 8)),
        ((30, 53), (16, 24)),
        ((136, 140), (32, 32)),
        ((34, 34), (288, 96)),  # in one product
        ((70, 70), (96, 288)),  # in several, as many as the planes have room for
    ],
)
def test_convolutions_are_those_of_torch(size, channels):
    x, own = random(1, channels[0], *size), kernel(*channels)
    for slope in (0.0, 0.01, 1.0):
        found = convolve(x.contiguous(memory_format=torch.channels_last), own, slope)
        assert near(found, expected(x, own, slope))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_what_is_added_comes_after_the_activation():
    x, own = random(2, 8, 20, 22), kernel(8, 8)
    found = convolve(x, own, 0.01, x)
    assert near(found, x + expected(x, own, 0.01))


@pytest.mark.parametrize("size", [(7, 7), (16, winograd.PHASE)])
def test_pictures_too_small_or_too_wide_are_left_to_torch(size, monkeypatch):
    monkeypatch.setattr(winograd, "transform", None)  # it would be called
    x, own = random(1, 4, *size), kernel(4, 4)
    assert near(convolve(x, own, 0.01, x), x + expected(x, own, 0.01))


def test_the_widest_picture_that_has_room():
    across = winograd.PHASE // 32 - 1
    x, own = random(1, 32, 5, 4 * across), kernel(32, 32)
    assert winograd.rows_at_once(across, 32) and not winograd.rows_at_once(across + 1, 32)
    assert near(convolve(x, own), expected(x, own))


def test_numbers_that_are_none_stay_so_and_spread_no_further_than_a_block():
    x, own = random(1, 4, 16, 16), kernel(4, 4)
    x[0, 1, 6, 6] = torch.nan
    found = convolve(x, own)
    clean = expected(x, own)
    assert found[0, :, 5:8, 5:8].isnan().all()
    assert near(found[0, :, 8:, 8:], clean[0, :, 8:, 8:])


def test_threads_do_not_disturb_each_other():
    own, results = kernel(16, 16), {}
    pictures = [random(1, 16, 40 + 4 * n, 44, seed=n) for n in range(4)]
    alone = [convolve(x, own) for x in pictures]

    def work(number: int) -> None:
        with torch.inference_mode():
            results[number] = [convolve(pictures[number], own) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found, alone[n]) for n in range(4) for found in results[n])


@pytest.mark.parametrize("taps", [1, 2])
@pytest.mark.parametrize("batch", [1, 2])
def test_transforms_compute_the_same(taps, batch):
    torch.manual_seed(0)
    for transform, x in (
        (Analysis((8, 12, 16), 24, taps), torch.rand(batch, 3, 112, 144)),
        (Synthesis((8, 12, 16), 24, taps), random(batch, 24, 7, 9) * 3),
    ):
        transform.eval().requires_grad_(False)
        before, wanted = x.clone(), transform(x)
        found = quick_layers(transform)(x.contiguous(memory_format=torch.channels_last))
        scale = float(wanted.abs().max())
        assert found.shape == wanted.shape and scale > 0.05
        assert float((found - wanted).abs().max()) < 1e-5 * scale
        assert torch.equal(x, before)


def test_pixels_of_the_shipped_network_are_the_same_to_a_hundredth_of_a_level(monkeypatch):
    network = Codec(device="cpu")._default
    monkeypatch.setattr(network, "_type", torch.float32)  # which is bfloat16 where the processor has that
    rng = np.random.default_rng(3)
    x = np.kron(rng.random((3, 10, 12)), np.ones((16, 16))).astype(np.float32)
    (y,) = network.analyse([x])
    y_hat = np.rint(y * network.gain(4.0)).astype(np.int32)
    (pixels,) = network.synthesise([y_hat], 4.0)
    latent = torch.from_numpy(y_hat[None]).float() * torch.from_numpy(network.inverse_gain(4.0))[None]
    net = network.net
    wanted = net.g_s(latent) + net.linear_s(latent) + net.offset
    assert np.abs(pixels - wanted[0].clamp(0, 1).numpy()).max() < 0.01 / 255
