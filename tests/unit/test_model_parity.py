"""The network computes what the paper's research code computes (golden tensors of that code)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fdegc.model.context import mixture_likelihood
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.heam import HEAM
from fdegc.model.hyperprior import HyperAnalysis, HyperSynthesis
from fdegc.model.layers import GDN, CausalConv2d, FactorisedPrior
from fdegc.model.mcam import MCAM
from fdegc.model.odam import ODAM
from fdegc.model.research import DROPPED, mcam_name, odam_name, translate

PARITY = Path(__file__).resolve().parents[1] / "parity"  # its README says what is there
TOLERANCE = 1e-4  # of the reference's largest magnitude


def relative_error(ours: torch.Tensor, reference: np.ndarray) -> float:
    return float(np.abs(ours.detach().numpy() - reference).max() / np.abs(reference).max())


def _plain(name: str) -> str:
    return name


def _hyper(name: str) -> str:
    order = {"heam1": 0, "conv1": 1, "conv2": 3, "heam2": 5, "conv3": 6, "conv4": 8, "conv5": 10}
    module, _, leaf = name.partition(".")
    return f"{order[module]}.{leaf}"


@pytest.mark.parametrize(
    ("name", "build", "rename"),
    [
        ("ODAM", lambda: ODAM(16), odam_name),
        ("HEAM", lambda: HEAM(16), _plain),
        ("MCAM", lambda: MCAM(16), mcam_name),
        ("GDN", lambda: GDN(16), _plain),
        ("IGDN", lambda: GDN(16, inverse=True), _plain),
        ("hyper_analysis", lambda: HyperAnalysis(16, 16), _hyper),
        ("hyper_synthesis", lambda: HyperSynthesis(16, 16), _hyper),
    ],
)
def test_block(name: str, build, rename) -> None:
    with np.load(PARITY / "blocks.npz") as blocks:
        prefix = f"{name}/param/"
        state = {
            rename(key.removeprefix(prefix)): torch.from_numpy(blocks[key])
            for key in blocks.files
            if key.startswith(prefix) and not key.startswith("MCAM/param/fgm.conv.")
        }
        x, reference = torch.from_numpy(blocks[f"{name}/input"]), blocks[f"{name}/output"]
    module = build().eval()
    module.load_state_dict({key: value for key, value in state.items() if "reparam" not in key})
    assert relative_error(module(x), reference) <= TOLERANCE


def research_network() -> FDEGCNet:
    """The network with the research code's parameters."""
    state = torch.load(PARITY / "iter_200000.pth.tar", weights_only=True)
    net = FDEGCNet((16, 16, 16), 16).eval()
    translated = translate(state)
    missing, unexpected = net.load_state_dict(translated, strict=False)
    assert not unexpected
    assert all(k.startswith("hyper_prior.") for k in missing)
    assert len(translated) == sum(1 for k in state if not DROPPED.match(k))
    return net


@torch.no_grad()
def test_whole_network() -> None:
    net = research_network()
    with np.load(PARITY / "golden.npz") as golden:
        reference = {key: golden[key] for key in golden.files}
    z = net.hyper_analyse(torch.from_numpy(reference["y"]))
    phi = net.hyper_synthesise(torch.from_numpy(reference["z_hat"]))
    mixture = net.context(torch.from_numpy(reference["y_hat"]), phi)
    likelihood = mixture_likelihood(torch.from_numpy(reference["y_hat"]), mixture)
    ours = {
        "z": z,
        "phi": phi,
        "means": mixture.means.movedim(1, -1),
        "scales": mixture.scales.movedim(1, -1),
        "weights": mixture.weights.movedim(1, -1),
        "y_likelihood": likelihood,
        "x_hat": net.g_s(torch.from_numpy(reference["y_hat"])),
    }
    for name, tensor in ours.items():
        assert relative_error(tensor, reference[name]) <= TOLERANCE, name


@torch.no_grad()
def test_analysis_of_a_made_picture() -> None:
    with np.load(PARITY / "analysis.npz") as analysis:
        x, reference = torch.from_numpy(analysis["x"]), analysis["y"]
    y = research_network().g_a(x.permute(2, 0, 1)[None] / 255.0)
    assert relative_error(y, reference) <= TOLERANCE


@torch.no_grad()
def test_analysis_of_the_research_codes_picture(data_dir: Path) -> None:
    """Its picture is real imagery, so it is not here; what the others compare is."""
    with np.load(data_dir / "parity" / "golden.npz") as golden:
        x, reference = torch.from_numpy(golden["x"]), golden["y"]
    assert relative_error(research_network().g_a(x), reference) <= TOLERANCE


@torch.no_grad()
def test_the_dropped_prior_is_the_only_difference() -> None:
    """The research code's univariate density of z, which is refitted on import, explains its last tensor."""
    state = torch.load(PARITY / "iter_200000.pth.tar", weights_only=True)

    def cumulative(x: torch.Tensor) -> torch.Tensor:
        for layer in range(1, 5):
            h, b, a = (state.get(f"bitEstimator_z.f{layer}.{name}") for name in "hba")
            assert h is not None and b is not None
            x = x * torch.nn.functional.softplus(h) + b
            if a is not None:
                x = x + x.tanh() * a.tanh()
        return x.sigmoid()

    with np.load(PARITY / "golden.npz") as golden:
        z_hat, reference = torch.from_numpy(golden["z_hat"]), golden["z_likelihood"]
        compared = set(golden.files) - {"z_hat", "z_likelihood"}
    assert relative_error(cumulative(z_hat + 0.5) - cumulative(z_hat - 0.5), reference) <= TOLERANCE
    # Whatever else that code computes is compared in test_whole_network, y by the two tests of analysis.
    assert compared == {"y", "y_hat", "z", "phi", "means", "scales", "weights", "y_likelihood", "x_hat"}


def test_forward_is_differentiable_in_every_parameter() -> None:
    net = FDEGCNet((16, 16, 16), 16, hidden=32, rate_points=6, centred=True).train()
    out = net(torch.rand(2, 3, 64, 64), torch.tensor([1.0, 6.0]))
    loss = out["x_hat"].square().mean() - sum(p.log().mean() for p in out["likelihoods"].values())
    loss.backward()
    silent = {name for name, p in net.named_parameters() if p.grad is None}
    assert not silent


def test_gains_interpolate_exponentially() -> None:
    net = FDEGCNet((16, 16, 16), 16, hidden=32, rate_points=6)
    gain, inverse = net.gains(torch.tensor([2.0, 2.5, 3.0]))
    assert torch.allclose(gain[1], (gain[0] * gain[2]).sqrt())
    assert torch.allclose(inverse[1], (inverse[0] * inverse[2]).sqrt())


def test_layers_are_those_of_compressai() -> None:
    from compressai import layers
    from compressai.entropy_models import EntropyBottleneck

    torch.manual_seed(3)
    x = torch.randn(2, 8, 9, 7, requires_grad=True)
    for inverse in (False, True):
        reference, ours = layers.GDN(8, inverse=inverse), GDN(8, inverse=inverse)
        with torch.no_grad():
            reference.beta.mul_(torch.rand(8) - 0.2)
            reference.gamma.add_(0.1 * torch.randn(8, 8))
        ours.load_state_dict({"beta": reference.beta, "gamma": reference.gamma})
        assert torch.allclose(ours(x), reference(x), rtol=1e-4, atol=1e-5)
        weight = torch.randn(2, 8, 9, 7)
        grads = [torch.autograd.grad((n(x) * weight).sum(), [n.beta, n.gamma]) for n in (ours, reference)]
        for a, b in zip(*grads, strict=True):
            assert torch.allclose(a, b, rtol=1e-3, atol=1e-4)

    conv, masked = CausalConv2d(8, 4, 5), layers.MaskedConv2d(8, 4, 5, padding=2, mask_type="A")
    masked.load_state_dict({**conv.state_dict(), "mask": masked.mask})
    assert torch.allclose(conv(x), masked(x), atol=1e-6)

    bottleneck, prior = EntropyBottleneck(8), FactorisedPrior(8)
    assert {k: v.shape for k, v in prior.named_parameters()} == {
        k: v.shape for k, v in bottleneck.named_parameters() if k != "quantiles"
    }
    prior.load_state_dict({k: v for k, v in bottleneck.named_parameters() if k != "quantiles"})
    values = torch.randn(8, 1, 50) * 8
    assert torch.allclose(prior(values), bottleneck._likelihood(values)[0], atol=1e-6)
