"""A trained network's weights as the start of one with a larger latent.

A latent with too few channels limits quality at high rates: where each channel carries more than a bit a
sample there is no room for weaker components of the picture, however long it is trained.  Training
anew would throw away hours, so the transforms are widened without changing what they compute (after Chen,
Goodfellow, Shlens, "Net2Net", ICLR 2016), and the hyperprior, whose width may differ, starts anew.  New
channels, and old ones that are not used, get something to say (:mod:`fdegc.training.restarting`).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fdegc.errors import WeightsInvalid
from fdegc.model.context import COMPONENTS
from fdegc.model.fdegcnet import FDEGCNet, Profile
from fdegc.training.restarting import restart_unused
from fdegc.training.starting import Start, sizes_text

#: Parts whose width may differ, and which start anew when any size does.
ANEW = ("h_a.", "h_s.", "mcam.", "hyper_prior.")
#: Spread of a fresh hyper-latent: well above the rounding step, so that it tells h_s something.
HYPER_SPREAD = 2.0
#: Crops on which it is measured.
SPREAD_CROPS = 4
#: Hyper-latent positions of zeros on which the old φ is averaged; the outer ones see the border.
_SIDE = 8


def grow(start: Start, net: FDEGCNet, sample: Tensor) -> Tensor:
    """Growth of a network's latent: parameters set from those of one with a latent that is not larger.

    What the transforms and the context model compute of the old channels stays as it was; new and unused
    channels of the latent are coded from the first step on, and shown by the decoder from the second.

    Parameters
    ----------
    start : Start
        Its profile must have the widths, the hidden width and the rate points of ``net``, no larger latent,
        and a linear path only if ``net`` has one.
    net : FDEGCNet
        Freshly initialised.
    sample : Tensor, shape (B, 3, H, W), in [0, 1]
        Training crops, H and W multiples of 64, as of
        :func:`~fdegc.training.restarting.restart_unused`.

    Returns
    -------
    Tensor of bool, shape (M,)
        The channels that started anew.

    Raises
    ------
    WeightsInvalid
        If ``start`` cannot grow into ``net``.
    """
    old = start.network().eval()
    if not _can_grow(start.profile, net):
        raise WeightsInvalid(
            f"“{start.path}” holds {sizes_text(start.profile)}, which cannot grow into the network of this "
            "run: only the latent may become larger, a linear path be added, and the hyper-latent be of any "
            "width."
        )
    fresh = torch.arange(net.latent) >= old.latent
    same = old.latent == net.latent and old.hyper == net.hyper
    state = net.state_dict()
    for name, before in old.state_dict().items():
        if same or not name.startswith(ANEW):
            if ".shortcut." in name and before.ndim == 4:
                before = _with_taps(before, state[name].shape[-1])
            state[name].copy_(_widened(name, before, state[name], old.latent, net.latent))
    with torch.no_grad():
        for path in (net.linear_a, net.linear_s) if old.linear_a is None else ():
            if path is not None:
                for parameter in path.parameters():
                    parameter.zero_()
        if not same:
            _replace_features(old, net)
            _spread_hyper_latent(net.eval(), sample[:SPREAD_CROPS])
    return restart_unused(net, sample, fresh)


def _can_grow(profile: Profile, net: FDEGCNet) -> bool:
    linear = profile.linear or net.linear_a is not None
    like = FDEGCNet.from_profile(replace(profile, latent=net.latent, hyper=net.hyper, linear=linear))
    mine, theirs = net.state_dict(), like.state_dict()
    same = mine.keys() == theirs.keys() and all(mine[k].shape == theirs[k].shape for k in mine)
    return same and net.offset == like.offset and net.latent >= profile.latent


def _with_taps(kernel: Tensor, taps: int) -> Tensor:
    """A strided kernel with zeros after its taps, which computes the same."""
    more = taps - kernel.shape[-1]
    return F.pad(kernel, (0, more, 0, more))


def _widened(name: str, before: Tensor, fresh: Tensor, old: int, new: int) -> Tensor:
    """One tensor, grown: old outputs ignore new inputs, new outputs keep their fresh weights."""
    out = fresh.clone()
    if before.shape == fresh.shape:
        return before
    if name == "context.parameters_net.4.weight":
        return _outputs(before, old, new)
    # Channels that only widened are appended; the first layer after the context sees (context, φ).
    transposed = name.startswith("g_s.") and before.ndim == 4 and ".attention." not in name
    candidates = before.ndim == 5
    rows, cols = (1, 2) if candidates else (1, 0) if transposed and ".conv." not in name else (0, 1)
    source = [slice(None)] * before.ndim
    if before.ndim > cols and before.shape[cols] != fresh.shape[cols]:
        source[rows] = slice(before.shape[rows])
        out[tuple(source)] = 0.0
        source[cols] = slice(before.shape[cols])
    if before.shape[rows] != fresh.shape[rows]:
        source[rows] = slice(before.shape[rows])
    out[tuple(source)] = before
    return out


def _outputs(before: Tensor, old: int, new: int) -> Tensor:
    """The mixture's rows: new channels get the weights and scales of old ones, means of zero."""
    blocks = before.view(3 * COMPONENTS, old, *before.shape[1:])
    model = blocks[:, torch.arange(new - old) % old].clone()
    model[1::3] = 0.0
    return torch.cat((blocks, model), 1).flatten(0, 1)


def _replace_features(old: FDEGCNet, net: FDEGCNet) -> None:
    """Give the parameter network the old φ's mean as a bias, and fresh weights for the new one."""
    first = old.context.parameters_net[0]
    assert isinstance(first, nn.Conv2d)
    phi = old.hyper_synthesise(torch.zeros(1, old.hyper, _SIDE, _SIDE))
    inner = slice(phi.shape[2] // 4, -phi.shape[2] // 4)
    mean = phi[0, :, inner, inner].mean((1, 2))
    context = 2 * old.latent
    fresh = nn.Conv2d(4 * net.latent, first.out_channels, 1).weight
    weight = torch.zeros_like(fresh)
    weight[:, :context] = first.weight[:, :context]
    weight[:, 2 * net.latent :] = 0.1 * fresh[:, 2 * net.latent :]
    mine = net.context.parameters_net[0]
    assert isinstance(mine, nn.Conv2d) and first.bias is not None and mine.bias is not None
    mine.weight.copy_(weight)
    mine.bias.copy_(first.bias + first.weight[:, context:, 0, 0] @ mean)


def _spread_hyper_latent(net: FDEGCNet, sample: Tensor) -> None:
    """Scale the last layer of h_a until z spreads by :data:`HYPER_SPREAD` in the middle of the scale."""
    quality = torch.full((sample.shape[0],), 3.5)
    y = net.analyse(sample, net.gains(quality)[0])
    last = net.h_a[-1]
    assert isinstance(last, nn.Conv2d)
    for _ in range(12):  # MCAM lies between the layer and z, and grows faster than its input
        spread = net.hyper_analyse(y).std((0, 2, 3)).mean()
        last.weight.mul_((HYPER_SPREAD / spread.clamp(min=1e-6)) ** 0.4)
