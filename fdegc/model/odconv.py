"""Omni-dimensional dynamic convolution (ODConv; Li, Zhou, Yao, ICLR 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Candidate kernels that one dynamic convolution mixes.
CANDIDATES = 4
#: Whether kernels are applied in training as matrix products, channels last, not as a grouped convolution;
#: None: on CUDA, where the gradients of convolutions with as many groups as samples are slow.
BY_COLUMNS: bool | None = None
#: Values of a kernel from which on the gradient of a mixture is summed in so many parts.
LONG, PARTS = 1 << 13, 64


class OmniAttention(nn.Module):
    """Attentions of a dynamic convolution, four of them, from a globally pooled descriptor.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int
        Side of the kernel; the spatial attention exists only above 1.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        hidden = max(in_channels // 16, 16)
        self.kernel_size = kernel_size
        self.fc = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.bn = nn.BatchNorm2d(hidden)
        self.channel_fc = nn.Conv2d(hidden, in_channels, 1)
        self.filter_fc = nn.Conv2d(hidden, out_channels, 1)
        self.spatial_fc = nn.Conv2d(hidden, kernel_size**2, 1) if kernel_size > 1 else None
        self.kernel_fc = nn.Conv2d(hidden, CANDIDATES, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Attentions over input channels, filters, taps and candidates.

        Parameters
        ----------
        x : Tensor, shape (B, in_channels, H, W)

        Returns
        -------
        channel : Tensor, shape (B, in_channels, 1, 1), in (0, 1)
        filter : Tensor, shape (B, out_channels, 1, 1), in (0, 1)
        spatial : Tensor, shape (B, 1, 1, 1, k, k), in (0, 1), or None for 1×1 kernels
        kernel : Tensor, shape (B, CANDIDATES), sums to 1
        """
        batch, side = x.shape[0], self.kernel_size
        # A few hundred values a sample: in plain matrix products of the weights' own type, as their casts and
        # the set-up of a convolution would take longer than the arithmetic.
        with torch.autocast(x.device.type, enabled=False):
            descriptor = F.linear(x.mean((2, 3), dtype=self.fc.weight.dtype), self.fc.weight.flatten(1))
            descriptor = F.relu(self.normalise(descriptor))
            channel, filters, kernel = (
                _linear(layer, descriptor) for layer in (self.channel_fc, self.filter_fc, self.kernel_fc)
            )
            spatial = None
            if self.spatial_fc is not None:
                spatial = torch.sigmoid(_linear(self.spatial_fc, descriptor)).view(batch, 1, 1, 1, side, side)
        return (
            torch.sigmoid(channel)[:, :, None, None],
            torch.sigmoid(filters)[:, :, None, None],
            spatial,
            torch.softmax(kernel, dim=1),
        )

    @property
    def heads(self) -> list[nn.Conv2d]:
        """Layers that make the attentions: of channels, filters, taps if there are several, candidates."""
        spatial = [] if self.spatial_fc is None else [self.spatial_fc]
        return [self.channel_fc, self.filter_fc, *spatial, self.kernel_fc]

    def normalise(self, descriptor: Tensor) -> Tensor:
        """BatchNorm of (B, hidden), whose module insists on four dimensions."""
        return self.bn(descriptor[:, :, None, None]).flatten(1)


def _linear(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1×1 convolution of (B, C) vectors."""
    return F.linear(x, layer.weight.flatten(1), layer.bias)


class ODConv2d(nn.Module):
    """Dynamic convolution, stride 1 and bias-free, whose kernel depends on its input.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int
        Odd; padding keeps the size.

    Notes
    -----
    The per-sample kernels are a contraction of the candidates; a 1×1 is then a batched matrix
    product, a 3×3 a grouped convolution with one group a sample.  A single sample is a plain
    convolution, which keeps channels-last inputs as they are (three times faster in g_s).
    Training makes the kernels with fewer operations, which round differently; what files are coded with
    must not change.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.attention = OmniAttention(in_channels, out_channels, kernel_size)
        self.weight = nn.Parameter(
            torch.empty(CANDIDATES, out_channels, in_channels, kernel_size, kernel_size)
        )
        std = math.sqrt(2.0 / (out_channels * kernel_size**2))
        nn.init.normal_(self.weight, std=std)

    def forward(self, x: Tensor) -> Tensor:
        """Dynamic convolution of features: (B, in, H, W) to (B, out, H, W)."""
        return convolve_together([self], x) if self.training else _convolve(x, self._kernels(x))

    def _kernels(self, x: Tensor) -> Tensor:
        """The kernel of each sample, as it has been computed since weights are shipped: to the last bit."""
        channel, filters, spatial, kernel = self.attention(x)
        batch, (out_channels, in_channels, side) = x.shape[0], self.weight.shape[1:4]
        mixed = (kernel.to(self.weight.dtype) @ self.weight.flatten(1)).view(
            batch, out_channels, in_channels, side, side
        )
        if spatial is not None:
            mixed = mixed * spatial.view(batch, 1, 1, side, side)
        # Both channel attentions scale rows and columns of the kernel: far cheaper than scaling x.
        return mixed * channel.view(batch, 1, in_channels, 1, 1) * filters.view(batch, out_channels, 1, 1, 1)


def convolve_together(layers: Sequence[ODConv2d], x: Tensor) -> Tensor:
    """Dynamic convolutions of one shape in training, each of its own samples.

    Parameters
    ----------
    layers : sequence of ODConv2d
    x : Tensor, shape (n · B, in, H, W)
        The B samples of the first layer, then those of the second, and so on.

    Returns
    -------
    Tensor, shape (n · B, out, H, W)
        Channels-last where :func:`by_columns` says so.
    """
    if not by_columns(x):
        return _convolve(x, _trained_kernels(layers, x))
    side = layers[0].kernel_size
    kernels = _trained_kernels(layers, x, taps_first=True)
    rows = x.permute(0, 2, 3, 1).to(kernels.dtype).contiguous()
    out: Tensor = ColumnConvolution.apply(rows, kernels.flatten(2), side)
    return out.permute(0, 3, 1, 2)


def by_columns(x: Tensor) -> bool:
    """Whether samples are convolved with kernels of their own as matrix products, in training."""
    return x.is_cuda if BY_COLUMNS is None else BY_COLUMNS


class ColumnConvolution(torch.autograd.Function):
    """What :func:`_convolve` does, channels last, as one product a sample with columns of its neighbourhoods.

    (B, H, W, in) and (B, out, k · k · in) to (B, H, W, out).  A column is the k · k neighbours of a position,
    each with its channels, which lie side by side.  The gradient for the features is made in the same way, of
    the kernels turned by half a turn, so that no overlapping columns have to be added up.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: Tensor, side: int) -> Tensor:
        """Features, convolved."""
        columns = _columns(x, side)
        ctx.save_for_backward(columns, kernels)
        ctx.side, ctx.shape = side, x.shape
        return torch.bmm(columns, kernels.transpose(1, 2)).view(*x.shape[:3], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of features and kernels."""
        columns, kernels = ctx.saved_tensors
        batch, outputs = kernels.shape[:2]
        gradient = gradient.contiguous()
        for_kernels = torch.bmm(gradient.view(batch, -1, outputs).transpose(1, 2), columns)
        turned = kernels.view(batch, outputs, ctx.side**2, -1)
        if ctx.side > 1:
            turned = turned.flip(2)
        turned = turned.transpose(1, 2).reshape(batch, ctx.side**2 * outputs, -1)
        return torch.bmm(_columns(gradient, ctx.side), turned).view(ctx.shape), for_kernels, None


def _columns(x: Tensor, side: int) -> Tensor:
    """Neighbourhoods of all positions of (B, H, W, C): (B, H · W, k · k · C), zero beyond the margin."""
    batch, height, width = x.shape[:3]
    if side > 1:
        margin = side // 2
        x = F.pad(x, (0, 0, margin, margin, margin, margin))
        x = x.unfold(1, side, 1).unfold(2, side, 1).permute(0, 1, 2, 4, 5, 3)
    return x.reshape(batch, height * width, -1)


def _convolve(x: Tensor, kernels: Tensor) -> Tensor:
    """Convolve each sample of (B, in, H, W) with its kernel of (B, out, in, k, k)."""
    batch, out_channels, in_channels, side = kernels.shape[:4]
    height, width = x.shape[2:]
    if batch == 1:  # as it is: a reshaped x would no longer count as channels-last
        return F.conv2d(x, kernels[0], padding=side // 2)
    if side == 1:
        out = torch.bmm(kernels.view(batch, out_channels, in_channels), x.flatten(2))
        return out.view(batch, out_channels, height, width)
    out = F.conv2d(
        x.reshape(1, batch * in_channels, height, width),
        kernels.view(batch * out_channels, in_channels, side, side),
        padding=side // 2,
        groups=batch,
    )
    return out.view(batch, out_channels, height, width)


def _trained_kernels(layers: Sequence[ODConv2d], x: Tensor, taps_first: bool = False) -> Tensor:
    """The kernel of each sample in training, as (n · B, out, in, k, k), in bfloat16 under autocast.

    With ``taps_first`` it is (n · B, out, k · k, in).

    Most operations of a training step are here, on tensors so small that their number is what counts: so all
    attentions of a layer are one matrix product, and layers that have their inputs at the same time share
    the operations.  The attentions' outer product is made by batched matrix products, whose gradients are
    such products again; broadcast products have sums for gradients, over tensors of the kernels' size.
    """
    batch, (out_channels, in_channels, side) = x.shape[0], layers[0].weight.shape[1:4]
    *gates, mixture = _attend([layer.attention for layer in layers], x)
    channel, filters = gates[:2]
    weights: list[Tensor] = [layer.weight for layer in layers]
    shape: tuple[int, ...]
    if taps_first:
        if side > 1:
            channel = torch.bmm(gates[2].unsqueeze(2), channel.unsqueeze(1)).flatten(1)
        outer = torch.bmm(filters.unsqueeze(2), channel.unsqueeze(1))
        shape = (batch, out_channels, side * side, in_channels)
        weights = [weight.permute(0, 1, 3, 4, 2) for weight in weights] if side > 1 else weights
    else:
        outer = torch.bmm(filters.unsqueeze(2), channel.unsqueeze(1))
        if side > 1:
            outer = torch.bmm(outer.view(batch, -1, 1), gates[2].unsqueeze(1))
        shape = (batch, out_channels, in_channels, side, side)
    candidates = _stacked([weight.flatten(1) for weight in weights]).to(mixture.dtype)
    mixed: Tensor = Mixture.apply(mixture, candidates)
    return (mixed.view(batch, -1) * outer.view(batch, -1)).view(shape)


class Mixture(torch.autograd.Function):
    """Mixtures of candidate kernels: (n, B, candidates) and (n, candidates, values) to (n, B, values).

    A batched matrix product whose gradient for the mixtures, a few results of sums over a whole kernel, is
    made in parts: as one product, one of a GPU's processors makes it while all others wait.
    """

    @staticmethod
    def forward(ctx: Any, mixture: Tensor, kernels: Tensor) -> Tensor:
        """Mixed kernels."""
        ctx.save_for_backward(mixture, kernels)
        return torch.bmm(mixture, kernels)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of mixtures and kernels."""
        mixture, kernels = ctx.saved_tensors
        values = kernels.shape[2]
        if values < LONG or values % PARTS:
            weights = torch.bmm(gradient, kernels.transpose(1, 2))
        else:
            weights = torch.stack(
                [
                    torch.bmm(
                        of_one.unflatten(1, (PARTS, -1)).transpose(0, 1),
                        kernel.unflatten(1, (PARTS, -1)).permute(1, 2, 0),
                    ).sum(0)
                    for of_one, kernel in zip(gradient.unbind(), kernels.unbind(), strict=True)
                ]
            )
        return weights, torch.bmm(mixture.transpose(1, 2), gradient)


class PooledMean(torch.autograd.Function):
    """Mean over positions in another type: (B, C, H, W) to (B, C).

    Its gradient is the same number at every position, and is not written to each of them in that type.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Means."""
        ctx.shape, ctx.dtype = x.shape, x.dtype
        return x.mean((2, 3), dtype=dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradient of the features, without memory of its own."""
        height, width = ctx.shape[2:]
        return (gradient / (height * width)).to(ctx.dtype)[:, :, None, None].expand(ctx.shape), None


def _attend(attentions: Sequence[OmniAttention], x: Tensor) -> list[Tensor]:
    """Gates of input channels, of filters, of taps if there are some, (n · B, ·) each; mixtures (n, B, ·)."""
    kind = x.device.type
    dtype = (
        torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else attentions[0].fc.weight.dtype
    )
    count, batch = len(attentions), x.shape[0]
    heads = [attention.heads for attention in attentions]
    sizes = [head.out_channels for head in heads[0]]
    with torch.autocast(kind, enabled=False):
        pooled: Tensor = PooledMean.apply(x, attentions[0].fc.weight.dtype)
        pooled = pooled.view(count, batch // count, -1)
        fc = _stacked([attention.fc.weight.flatten(1) for attention in attentions])
        descriptor = torch.bmm(pooled, fc.transpose(1, 2))
        descriptor = F.relu(
            _stacked([a.normalise(part) for a, part in zip(attentions, descriptor.unbind(), strict=True)])
        )
        weight = torch.cat([head.weight.flatten(1) for own in heads for head in own])
        bias = torch.cat([head.bias for own in heads for head in own if head.bias is not None])
        weight = weight.view(count, sum(sizes), -1)
        raw = torch.baddbmm(bias.view(count, 1, -1), descriptor, weight.transpose(1, 2))
        gates, mixture = raw.split([sum(sizes[:-1]), sizes[-1]], 2)
        gates, mixture = torch.sigmoid(gates).to(dtype), torch.softmax(mixture, 2).to(dtype)
    return [*gates.reshape(batch, -1).split(sizes[:-1], 1), mixture]


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Stack, without a copy of a single one."""
    return tensors[0].unsqueeze(0) if len(tensors) == 1 else torch.stack(list(tensors))
