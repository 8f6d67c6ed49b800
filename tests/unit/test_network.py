"""The network at work: what is rebuilt for speed computes what the trained modules do."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from recorded import RecordedCapture
from torch import nn

from fdegc.codec import devices
from fdegc.codec.launching import Launching
from fdegc.codec.network import HyperFeatures, Network, as_convolutions
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.graphs import WARM_UP, Repeats
from fdegc.resources import data_dir
from fdegc.weights import find


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
        result = launching.run("twice", lambda x: 2 * x, torch.arange(3))
    assert result.tolist() == [0, 2, 4]
    assert launching.repeats is None


def test_one_thread_launches_for_all_others() -> None:
    launching = Launching(torch.device("cpu"), apart=True, capture=RecordedCapture())
    launchers = set()

    def work(x: torch.Tensor) -> torch.Tensor:
        launchers.add(threading.current_thread().name)
        return 2 * x

    def ask(value: int) -> list[int]:
        found: list[int] = launching.run(
            "twice", work, torch.full((2,), value), before=lambda x: x + 1
        ).tolist()
        return found

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(ask, range(20)))
    assert results == [[2 * (value + 1)] * 2 for value in range(20)]  # and nobody got another one's
    assert len(launchers) == 1 and launchers != {threading.current_thread().name}
    assert launching.repeats is not None and launching.repeats.captured == 1


def test_what_fails_on_the_launching_thread_is_raised_where_it_was_asked_for() -> None:
    launching = Launching(torch.device("cpu"), apart=True)

    def work(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        launching.run("fails", work, torch.zeros(2))
    assert launching.run("goes on", lambda x: x + 1, torch.zeros(2)).tolist() == [1, 1]


def test_graphs_are_given_up_when_memory_runs_out() -> None:
    class Full(RecordedCapture):
        def warm(self, function: Callable[[], torch.Tensor]) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    launching = Launching(torch.device("cpu"), apart=True, capture=Full())
    assert launching.run("twice", lambda x: 2 * x, torch.ones(2)).tolist() == [2, 2]
    assert launching.repeats is None


@torch.inference_mode()
def test_what_a_gpu_repeats_is_what_it_computes_plainly() -> None:
    """Graphs of g_a, g_s, h_a and h_s, recorded on the CPU: nothing in them is decided in Python."""
    torch.manual_seed(3)
    net = FDEGCNet((16, 16, 16), 16, hidden=32, rate_points=6, centred=True, linear=True).eval()
    capture = RecordedCapture()
    repeats = Repeats(capture, 4)
    functions: list[tuple[str, Callable[[torch.Tensor], torch.Tensor], tuple[int, ...]]] = [
        ("g_a", net.g_a, (2, 3, 64, 80)),
        ("g_s", net.g_s, (2, 16, 4, 5)),
        ("h_a", net.hyper_analyse, (2, 16, 4, 8)),
        ("h_s", copy.deepcopy(nn.Sequential(net.mcam, net.h_s)).double(), (2, 16, 1, 2)),
        ("g_a", net.g_a, (1, 3, 64, 64)),  # beyond the limit: plainly
    ]
    for _ in range(WARM_UP + 3):
        for name, function, shape in functions:
            x = torch.rand(shape, dtype=torch.float64 if name == "h_s" else torch.float32)
            torch.testing.assert_close(repeats(name, function, x), function(x))
    assert repeats.captured == 4 and repeats.failures == []
    assert capture.captured == 4 and capture.replayed == 4 * 3


def test_what_cannot_be_captured_is_done_plainly_and_said() -> None:
    class Broken(RecordedCapture):
        def capture(self, function: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
            raise RuntimeError("operation not permitted when stream is capturing")

    repeats = Repeats(Broken(), 4)
    for value in range(WARM_UP + 3):
        x = torch.full((2,), float(value))
        assert torch.equal(repeats("double", lambda x: 2 * x, x), 2 * x)
    assert repeats.captured == 0
    assert repeats.failures == ["operation not permitted when stream is capturing"]


class _Tf32(torch.overrides.TorchFunctionMode):
    """Convolutions whose factors are rounded to TF32, ten bits of fraction, as cuDNN does on recent GPUs."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.conv2d, torch.conv_transpose2d):
            args = (*map(self._rounded, args[:2]), *args[2:])
        return function(*args, **(kwargs or {}))

    @staticmethod
    def _rounded(x: torch.Tensor) -> torch.Tensor:
        bits = x.contiguous().view(torch.int32)
        return ((bits + 0x0FFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


def test_devices_decode_to_the_same_but_for_a_tenth_of_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that pixels of two devices are never further apart than one level, which rounding can make of it."""
    with Image.open(data_dir("resources") / "sample_scene.tif") as image:
        crop = np.asarray(image.convert("RGB").crop((200, 200, 328, 296)))
    pixels = crop.transpose(2, 0, 1).astype(np.float32) / 255
    networks = []
    for quick in (False, True):
        monkeypatch.setattr(devices, "quick_bfloat16", lambda quick=quick: quick)
        networks.append(Network(find(profile="lite"), "cpu"))
    assert [network._type for network in networks] == [torch.float32, torch.bfloat16]
    network = networks[0]
    latent = np.rint(network.analyse([pixels])[0] * network.gain(6.0)).astype(np.int32)
    (plain,), (other,) = (network.synthesise([latent], 6.0, clip=False) for network in networks)
    assert np.array_equal(plain, other), "whatever g_a computes in"
    y = torch.from_numpy(latent[None]).float() * torch.from_numpy(network.inverse_gain(6.0))[None]
    with torch.inference_mode(), _Tf32():
        layers = network.net.g_s(y) + network.net.linear_s(y) + network.net.offset
    off = 255 * np.abs(layers[0].numpy() - plain).max()
    assert 0.003 < off < 0.1


def _denormals_are_zero() -> bool:
    return float((torch.tensor([1e-30]) * 1e-10).item()) == 0.0


def test_denormals_are_zero_in_the_transforms_alone() -> None:
    """Attention of next to nothing makes such numbers, with which a processor takes twenty times as long."""
    network = Network(find(profile="lite"), "cpu")
    inside: list[bool] = []
    y = network.analyse([np.zeros((3, 64, 64), np.float32)], lambda: inside.append(_denormals_are_zero()))[0]
    analysed = len(inside)
    network.synthesise([np.round(y)], 3.0, lambda: inside.append(_denormals_are_zero()))
    assert 0 < analysed < len(inside) and all(inside)
    assert not _denormals_are_zero()


def test_denormals_come_back_however_it_ends_and_stay_away_where_they_were() -> None:
    with ThreadPoolExecutor(1) as other:
        other.submit(int).result()  # a new thread would have the arithmetic of who makes it
        with pytest.raises(RuntimeError, match="stop"), devices.no_denormals():
            assert _denormals_are_zero() and not other.submit(_denormals_are_zero).result()
            raise RuntimeError("stop")
    assert not _denormals_are_zero()
    torch.set_flush_denormal(True)
    try:
        with devices.no_denormals():
            pass
        assert _denormals_are_zero()  # as whoever uses the library has asked for
    finally:
        torch.set_flush_denormal(False)


@pytest.mark.parametrize(
    ("tiles", "vectors", "core", "expected"),
    [
        (True, True, "sapphirerapids", True),
        (False, True, "emeraldrapids", False),
        (False, True, "znver4", True),
        (False, False, "znver3", False),
        (False, False, "apple-m1", False),
    ],
)
def test_bfloat16_is_taken_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, tiles: bool, vectors: bool, core: str, expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: vectors, raising=False)
    monkeypatch.setattr(devices, "get_host_cpu_name", lambda: core)
    assert devices.quick_bfloat16() == expected
