"""A network with a larger latent starts from the weights of one with a smaller one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fdegc.errors import WeightsInvalid
from fdegc.model.fdegcnet import PROFILES, FDEGCNet, Profile
from fdegc.training import restarting
from fdegc.training.growing import HYPER_SPREAD, grow
from fdegc.training.run_options import TrainOptions, make_recipe
from fdegc.training.starting import Start, sizes_text

SMALL = Profile("small", (16, 16, 16), 16, hidden=32, rate_points=6, centred=True)
LARGE = replace(SMALL, name="large", latent=32, hyper=24)
LINEAR = replace(LARGE, linear=True)
QUALITY = torch.tensor([1.0, 3.5, 6.0])


@pytest.fixture
def start() -> Start:
    """Weights whose every part shows: attention, gains and dead branches too."""
    torch.manual_seed(1)
    net = FDEGCNet.from_profile(SMALL)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return Start(Path("small.safetensors"), SMALL, net.state_dict(), has_prior=True)


@pytest.fixture
def sample() -> torch.Tensor:
    torch.manual_seed(2)
    coarse = torch.rand(3, 3, 8, 8)
    return torch.nn.functional.interpolate(coarse, size=128, mode="bicubic").clamp(0, 1)


@torch.no_grad()
@pytest.mark.parametrize("profile", [LARGE, LINEAR], ids=["latent", "linear path too"])
def test_grown_transforms_compute_what_they_did(start: Start, sample: torch.Tensor, profile: Profile) -> None:
    torch.manual_seed(3)
    old, net = start.network().eval(), FDEGCNet.from_profile(profile)
    grow(start, net, sample)
    net.eval()
    gain, _ = net.gains(QUALITY)
    before, after = old.analyse(sample, old.gains(QUALITY)[0]), net.analyse(sample, gain)
    assert after.shape[1] == 32
    torch.testing.assert_close(after[:, :16], before)
    assert after[:, 16:].std() > 1e-3  # the new ones say something, too
    torch.testing.assert_close(net(sample, QUALITY)["x_hat"], old(sample, QUALITY)["x_hat"])


def test_a_new_linear_path_learns_from_the_first_step(start: Start, sample: torch.Tensor) -> None:
    net = FDEGCNet.from_profile(LINEAR)
    grow(start, net, sample)
    net.train()
    net(sample, QUALITY)["x_hat"].square().mean().backward()
    for name in ("linear_a.1", "linear_s.0", "g_a.0.shortcut", "g_s.7.shortcut"):
        kernel = net.get_parameter(f"{name}.weight")
        assert kernel.grad is not None
        assert kernel.grad.abs().max() > 0, name
    assert torch.all(net.get_parameter("linear_a.1.weight") == 0)
    assert torch.all(net.get_parameter("g_a.0.shortcut.weight")[:, :, 1] == 0)


def test_a_linear_path_is_not_taken_away(sample: torch.Tensor) -> None:
    profile = replace(SMALL, linear=True)
    start = Start(Path("a.safetensors"), profile, FDEGCNet.from_profile(profile).state_dict(), has_prior=True)
    with pytest.raises(WeightsInvalid, match="cannot grow"):
        grow(start, FDEGCNet.from_profile(LARGE), sample)
    net = FDEGCNet.from_profile(LINEAR)
    kept = ~grow(start, net, sample)[:16]
    kernel = net.get_parameter("linear_a.1.weight")
    torch.testing.assert_close(kernel[:16][kept], start.state["linear_a.1.weight"][kept])


@torch.no_grad()
def test_grown_context_predicts_old_channels_as_before(start: Start, sample: torch.Tensor) -> None:
    torch.manual_seed(3)
    old, net = start.network().eval(), FDEGCNet.from_profile(LARGE)
    grow(start, net, sample)
    y = torch.randint(-3, 4, (1, 32, 8, 8)).float()
    phi = old.hyper_synthesise(torch.zeros(1, 16, 8, 8))
    mean = phi[:, :, 8:-8, 8:-8].mean((2, 3), keepdim=True)
    before = old.context(y[:, :16], mean.expand(-1, -1, 8, 8))
    after = net.context(y, torch.zeros(1, 64, 8, 8))
    for mine, theirs in zip(after, before, strict=True):
        torch.testing.assert_close(mine[:, :, :16], theirs, rtol=1e-4, atol=1e-5)
    assert (after.means[:, :, 16:] == 0).all()


@torch.no_grad()
def test_a_fresh_hyper_latent_is_larger_than_the_rounding_step(start: Start, sample: torch.Tensor) -> None:
    net = FDEGCNet.from_profile(LARGE)
    grow(start, net, sample)
    y = net.analyse(sample, net.gains(torch.full((3,), 3.5))[0])
    z = net.hyper_analyse(y)
    assert z.shape[1] == 24
    assert 0.5 * HYPER_SPREAD < z.std((0, 2, 3)).mean() < 2 * HYPER_SPREAD


def test_gradients_reach_what_the_decoder_does_not_show_yet(start: Start, sample: torch.Tensor) -> None:
    net = FDEGCNet.from_profile(LARGE).train()
    grow(start, net, sample)
    net.train()
    net(sample, QUALITY)["x_hat"].square().mean().backward()
    gradient = net.g_s.first_up.conv1.weight.grad
    assert gradient is not None
    assert gradient[16:].abs().max() > 0


@pytest.mark.parametrize(
    "other",
    [replace(LARGE, widths=(16, 16, 24)), replace(LARGE, latent=8), replace(LARGE, hidden=64)],
    ids=["widths", "smaller", "hidden"],
)
def test_other_sizes_are_refused(start: Start, sample: torch.Tensor, other: Profile) -> None:
    with pytest.raises(WeightsInvalid, match="only the latent may become larger"):
        grow(start, FDEGCNet.from_profile(other), sample)


@torch.no_grad()
def test_unused_channels_start_anew_without_touching_the_others(start: Start, sample: torch.Tensor) -> None:
    dead = torch.tensor([3, 8])
    start.state["g_a.7.weight"][dead] = 0.0  # what ODAM adds to them is small
    start.state["log_gain"][:, dead] = -6.0
    old, net = start.network().eval(), FDEGCNet.from_profile(SMALL)
    restarted = grow(start, net, sample)
    assert restarted[dead].all()
    assert not restarted.all()
    net.eval()
    used = ~restarted
    before, after = (n.analyse(sample, n.gains(QUALITY)[0]) for n in (old, net))
    assert after[2, dead].std() > 0.3  # at the best quality worth rounding
    # The old channels no longer hear the dead ones, which said next to nothing.
    torch.testing.assert_close(after[:, used], before[:, used], rtol=0.05, atol=0.05)


@torch.no_grad()
def test_the_new_directions_explain_what_is_missing(start: Start, sample: torch.Tensor) -> None:
    start.state["log_gain"][:, 4:12] = -6.0
    start.state["log_inverse_gain"][:, 4:12] = -6.0
    net = FDEGCNet.from_profile(SMALL)
    restarted = grow(start, net, sample)
    _, latents, missing, bits = restarting._observe(net.eval(), sample)
    half = len(latents) // 2

    def left(channels: torch.Tensor) -> float:
        fitted = restarting._fitted(latents[:, channels], missing)
        return float((missing - fitted)[:half].square().mean() / missing[:half].square().mean())

    assert bits[restarted].min() > restarting.USED_BITS
    assert left(torch.ones_like(restarted)) < 0.9 * left(~restarted)


def test_held_channels_are_constants_in_training_only(sample: torch.Tensor) -> None:
    net = FDEGCNet.from_profile(SMALL).train()
    net.hold(torch.arange(16) < 4)
    net(sample, QUALITY)["x_hat"].square().mean().backward()
    gradient = net.g_a.to_latent.weight.grad
    assert net.log_gain is not None and net.log_gain.grad is not None
    assert (net.log_gain.grad[:, :4] == 0).all()
    assert (net.log_gain.grad[:, 4:] != 0).any()
    assert gradient is not None and gradient.abs().max() > 0
    net.eval()
    with torch.no_grad():
        held = net(sample, QUALITY)["x_hat"]
        net.hold(None)
        torch.testing.assert_close(net(sample, QUALITY)["x_hat"], held)


def test_holding_and_boosting_end(tmp_path: Path) -> None:
    options = TrainOptions(tmp_path, tmp_path, tmp_path, hold=0.1, lambda_boost=2.5)
    recipe = make_recipe(options, images=1)
    assert recipe.holds(0.0) and recipe.holds(0.09) and not recipe.holds(0.1)
    assert recipe.boost(0.0) == 2.5
    assert 1.0 < recipe.boost(0.3) < 2.5
    assert recipe.boost(0.5) == recipe.boost(1.0) == 1.0


def test_sizes_are_told_apart_in_words() -> None:
    assert "M = 32, H = 24" in sizes_text(LARGE)
    assert "H" not in sizes_text(PROFILES["paper-192"])
