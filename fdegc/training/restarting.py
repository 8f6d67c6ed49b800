"""A new start for channels of the latent that nothing uses.

A channel whose values stay within ±½ rounds to nothing, tells the decoder nothing and gets no gradient
from it; only its rate is felt, so that it stays where it is.  What the reconstruction misses *without* any
rounding then bounds what bytes can buy.  Such channels are given the directions of the last features before
the latent that explain most of the missing part (reduced-rank regression; Izenman, "Reduced-rank regression
for the multivariate linear model", Journal of Multivariate Analysis, 1975), at a size that is worth rounding.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.odam import ODAM, DynamicBottleneck
from fdegc.training.validation import mixed_precision

#: Bits a sample at the best quality below which a channel counts as unused.
USED_BITS = 0.5
#: Standard deviation of a restarted channel at the best quality, in rounding steps.
SPREAD = 1.5
#: Side of a latent position in pixels.
_CELL = 16
#: Ridge of the regressions, in mean variances.
_RIDGE = 1e-3
#: What a fresh ODAM with a silent mask multiplies by.
_ODAM_FACTOR = 1.5
#: Images that go through the network at once.
_CHUNK = 8


@torch.no_grad()
def restart_unused(net: FDEGCNet, sample: Tensor, fresh: Tensor) -> Tensor:
    """Restart of latent channels that are fresh or carry less than :data:`USED_BITS`.

    Reconstructions lose what such channels showed; until the decoder has learnt to read the new ones they
    cost rate and give nothing.

    Parameters
    ----------
    net : FDEGCNet
        Changed in place.
    sample : Tensor, shape (B, 3, H, W), in [0, 1]
        Training crops, H and W multiples of 64, of a few times more latent positions than the
        last features have values in 3 × 3.
    fresh : Tensor of bool, shape (M,)
        Channels that were never trained.

    Returns
    -------
    Tensor of bool, shape (M,)
        The restarted channels; none if no channel is used, as there is nothing to add to.
    """
    net.eval()
    features, latents, missing, bits = _observe(net, sample)
    new = fresh | (bits < USED_BITS)
    old = ~new
    if not new.any() or not old.any():
        return torch.zeros_like(new)
    unexplained = features - _fitted(latents[:, old], features)
    directions = _directions(unexplained, missing, int(new.sum()))
    gains = (net.log_gain, net.log_inverse_gain)
    top = torch.zeros(())
    for table in gains:
        if table is not None:
            table[:, new] = table[:, old].mean(1, keepdim=True)
    if net.log_gain is not None:
        top = net.log_gain[-1, new][0]
    last = net.g_a.to_latent
    last.weight[new] = (directions.T * (SPREAD / _ODAM_FACTOR / top.exp())).view(-1, *last.weight.shape[1:])
    for path in (net.linear_a, net.linear_s):
        if path is not None:
            block = next(path.parameters())
            block[(new,) if path is net.linear_a else (slice(None), new)] = 0.0
    for odam in (net.g_a.attention, net.g_s.attention):
        _pass(odam, new)
    _silence_readers(net, new)
    _model(net, new, bits)
    return new


def _observe(net: FDEGCNet, sample: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each latent position features in 3 × 3, latent and missing pixels; of each channel bits.

    All at the best quality; the missing part is what is lost without rounding.
    """
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    bits = torch.zeros(net.latent)
    best = 1.0 if net.log_gain is None else float(net.log_gain.shape[0])
    chunks = sample.split(_CHUNK)
    for x in chunks:
        quality = torch.full((len(x),), best)
        with mixed_precision(x.device.type, "auto"):
            gain, inverse = net.gains(quality)
            features = _through(net.g_a.to_features, x - net.offset)
            y = _through((net.g_a.to_latent, net.g_a.attention), features)
            if net.linear_a is not None:
                y = y + net.linear_a(x - net.offset)
            y = y * gain
            x_hat = net.synthesise(y, inverse)
            likelihoods = net(x, quality)["likelihoods"]["y"]
        bits -= likelihoods.log2().mean((0, 2, 3)) / len(chunks)
        rows.append(
            (
                _positions(F.unfold(features.float(), 3, padding=1, stride=2)),
                _positions(y.float().flatten(2)),
                _positions(F.unfold(x - x_hat.float(), _CELL, stride=_CELL)),
            )
        )
    features, latents, missing = (torch.cat(parts).double() for parts in zip(*rows, strict=True))
    return features, latents, missing, bits


def _through(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _positions(columns: Tensor) -> Tensor:
    """(B, n, positions) to (B · positions, n)."""
    return columns.transpose(1, 2).flatten(0, 1)


def _second_moment(rows: Tensor) -> Tensor:
    moment = rows.T @ rows / len(rows)
    return moment + _RIDGE * moment.diagonal().mean() * torch.eye(len(moment), dtype=rows.dtype)


def _fitted(inputs: Tensor, outputs: Tensor) -> Tensor:
    """What a linear regression with a constant explains of ``outputs``."""
    inputs = torch.cat((inputs, torch.ones(len(inputs), 1, dtype=inputs.dtype)), 1)
    return inputs @ torch.linalg.solve(_second_moment(inputs), inputs.T @ outputs / len(inputs))


def _directions(features: Tensor, missing: Tensor, count: int) -> Tensor:
    """Directions of the features that explain most of the missing part, of unit spread: (features, count)."""
    values, vectors = torch.linalg.eigh(_second_moment(features))
    whitening = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    left = torch.linalg.svd(whitening @ (features.T @ missing / len(features)), full_matrices=False)[0]
    if left.shape[1] < count:  # more channels than pixels to explain: begin again
        left = left.repeat(1, -(-count // left.shape[1]))
    directions = whitening @ left[:, :count]
    spread = (features @ directions).std(0).clamp(min=1e-6)
    return (directions / spread).float()


def _pass(odam: ODAM, new: Tensor) -> None:
    """Let new channels through, without effect on the old ones."""
    for branch in (odam.trunk, odam.mask):
        for bottleneck in branch.children():
            assert isinstance(bottleneck, DynamicBottleneck)
            bottleneck.conv1.weight[:, :, new] = 0.0
            bottleneck.conv1.attention.fc.weight[:, new] = 0.0
            bottleneck.conv3.weight[:, new] = 0.0
    odam.conv.weight[:, new] = 0.0
    odam.conv.weight[new] = 0.0
    assert odam.conv.bias is not None
    odam.conv.bias[new] = 0.0


def _silence_readers(net: FDEGCNet, new: Tensor) -> None:
    """Nothing in the decoder reads the new channels yet; each reader has a gradient and learns to."""
    residual, up = net.g_s.first_residual, net.g_s.first_up
    for layer in (residual.conv1, up.conv1, up.shortcut):
        layer.weight[new] = 0.0
    last = residual.conv2
    last.weight[:, new] = 0.0
    assert last.bias is not None
    last.bias[new] = 0.0


def _model(net: FDEGCNet, new: Tensor, bits: Tensor) -> None:
    """New channels get the weights and scales of the used ones with the fewest bits, and means of zero."""
    context = net.context
    context.masked.weight[:, new] = 0.0
    last = context.parameters_net[4]
    assert isinstance(last, nn.Conv2d)
    blocks = last.weight.view(-1, net.latent, last.in_channels)
    used = (~new).nonzero()[:, 0]
    alike = used[bits[used].argsort()]
    count = int(new.sum())
    model = blocks[:, alike[torch.arange(count) % len(alike)]].clone()
    model[1::3] = 0.0
    blocks[:, new] = model
    first = net.h_a[1]
    assert isinstance(first, nn.Conv2d)
    first.weight[:, new] = 0.0
