"""Omni-dimensional attention module (ODAM) of FDEGCNet (Fang et al., Radioengineering 2025)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fdegc.model.odconv import ODConv2d, by_columns, convolve_together


class DynamicBottleneck(nn.Module):
    """Dynamic bottleneck ``x + C(relu(B(relu(A(x)))))``: dynamic A 1×1 N→N/2, B 3×3 and C 1×1 N/2→N."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ODConv2d(channels, channels // 2, 1)
        self.conv2 = ODConv2d(channels // 2, channels // 2, 3)
        self.conv3 = ODConv2d(channels // 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Output of the bottleneck: (B, N, H, W) to the same shape."""
        return x + self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))


class ODAM(nn.Module):
    """Attention ``x + trunk(x) · sigmoid(conv1x1(mask(x)))``, trunk and mask three dynamic bottlenecks each.

    Parameters
    ----------
    channels : int
        Even.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*(DynamicBottleneck(channels) for _ in range(3)))
        self.mask = nn.Sequential(*(DynamicBottleneck(channels) for _ in range(3)))
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Output of the attention block: (B, N, H, W) to the same shape."""
        trunk, mask = self._branches(x) if self.training else (self.trunk(x), self.mask(x))
        return x + trunk * torch.sigmoid(self.conv(mask))

    def _branches(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Trunk and mask side by side, with half the operations."""
        # Elsewhere than on a GPU, kernels of samples take channels as planes.
        features = x if by_columns(x) else x.contiguous()
        both = torch.cat((features, features))
        for pair in zip(self.trunk.children(), self.mask.children(), strict=True):
            out = both
            for name in ("conv1", "conv2", "conv3"):
                layers = [getattr(bottleneck, name) for bottleneck in pair]
                out = convolve_together(layers, out if name == "conv1" else F.relu(out))
            both = both + out
        trunk, mask = both.chunk(2)
        return trunk, mask
