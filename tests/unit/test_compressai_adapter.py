"""The compressai contract: registered, update(), compress(), decompress()."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from fdegc.errors import CorruptStream, InvalidOption

if TYPE_CHECKING:
    from fdegc.compressai_adapter import FDEGCNetCodec


@pytest.fixture(scope="module")
def net() -> FDEGCNetCodec:
    # Not with the file, which every process that shares the tests reads: compressai takes seconds.
    from fdegc.compressai_adapter import FDEGCNetCodec

    torch.manual_seed(0)
    return FDEGCNetCodec((16, 16, 16), 16, hidden=32).eval()


def test_registered(net: FDEGCNetCodec) -> None:
    from compressai.registry import MODELS

    from fdegc.compressai_adapter import FDEGCNetCodec

    assert MODELS["fdegcnet"] is FDEGCNetCodec


def test_batch_round_trip(net: FDEGCNetCodec) -> None:
    net.update(force=True)
    x = torch.rand(2, 3, 64, 128)
    coded = net.compress(x)
    assert coded["shape"] == torch.Size([1, 2])
    assert len(coded["strings"][0]) == 2
    decoded = net.decompress(coded["strings"], coded["shape"])["x_hat"]
    with torch.no_grad():
        expected = net(x)["x_hat"].clamp(0, 1)
    assert decoded.shape == x.shape
    assert torch.allclose(decoded, expected, atol=1e-5)
    bits = 8 * sum(len(s) for s in coded["strings"][0])
    with torch.no_grad():
        estimate = -sum(p.log2().sum() for p in net(x)["likelihoods"].values())
    # 9 bytes of hashes, a byte of alphabet, a word or two of the coder and a bit a channel.
    assert bits <= 1.02 * float(estimate) + 2 * (8 * 20 + 16)


def test_state_dict_rebuilds_the_network(net: FDEGCNetCodec) -> None:
    again = type(net).from_state_dict(net.state_dict()).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(x)["x_hat"], net(x)["x_hat"])


def test_misuse_is_named(net: FDEGCNetCodec) -> None:
    fresh = type(net)((16, 16, 16), 16, hidden=32)
    with pytest.raises(InvalidOption, match="update"):
        fresh.compress(torch.rand(1, 3, 64, 64))
    net.update()
    with pytest.raises(InvalidOption, match="multiples of 64"):
        net.compress(torch.rand(1, 3, 60, 64))
    with pytest.raises(CorruptStream):
        net.decompress([[b"x"]], (1, 1))
