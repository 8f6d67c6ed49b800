"""Omni-dimensional dynamic convolution (ODConv; Li, Zhou, Yao, ICLR 2022)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Candidate kernels that one dynamic convolution mixes.
CANDIDATES = 4


class OmniAttention(nn.Module):
    """The four attentions of a dynamic convolution, from a globally pooled descriptor.

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
        """Return attentions over input channels, filters, taps and candidates.

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
            descriptor = F.relu(self._normalise(descriptor))
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

    def _normalise(self, descriptor: Tensor) -> Tensor:
        """BatchNorm of (B, hidden), whose module insists on four dimensions."""
        return self.bn(descriptor[:, :, None, None])[:, :, 0, 0]


def _linear(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1×1 convolution of (B, C) vectors."""
    return F.linear(x, layer.weight.flatten(1), layer.bias)


class ODConv2d(nn.Module):
    """A stride-1, bias-free convolution whose kernel depends on its input.

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
        """Map (B, in, H, W) to (B, out, H, W)."""
        channel, filters, spatial, kernel = self.attention(x)
        batch, in_channels, height, width = x.shape
        out_channels, side = self.weight.shape[1], self.kernel_size
        mixed = (kernel.to(self.weight.dtype) @ self.weight.flatten(1)).view(
            batch, out_channels, in_channels, side, side
        )
        if spatial is not None:
            mixed = mixed * spatial.view(batch, 1, 1, side, side)
        # Both channel attentions scale rows and columns of the kernel: far cheaper than scaling x.
        mixed = mixed * channel.view(batch, 1, in_channels, 1, 1) * filters.view(batch, out_channels, 1, 1, 1)
        if side == 1 and batch > 1:
            out = torch.bmm(mixed.view(batch, out_channels, in_channels), x.flatten(2))
            return out.view(batch, out_channels, height, width)
        out = F.conv2d(
            x.reshape(1, batch * in_channels, height, width),
            mixed.view(batch * out_channels, in_channels, side, side),
            padding=side // 2,
            groups=batch,
        )
        return out.view(batch, out_channels, height, width)
