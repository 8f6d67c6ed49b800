"""Hyperprior efficient attention module (HEAM), after EMA (Ouyang et al., ICASSP 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class HEAM(nn.Module):
    """Cross-spatial attention with the weights shared by eight channel groups.

    Parameters
    ----------
    channels : int
        A multiple of ``groups``.
    groups : int
    """

    def __init__(self, channels: int, groups: int = 8) -> None:
        super().__init__()
        self.groups = groups
        width = channels // groups
        self.gn = nn.GroupNorm(width, width)
        self.conv1x1 = nn.Conv2d(width, width, 1)
        self.conv3x3 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Attended features, (B, N, H, W) as the input: each channel group times its weights."""
        batch, channels, height, width = x.shape
        group = x.reshape(batch * self.groups, channels // self.groups, height, width)
        rows = group.mean(3, keepdim=True)
        cols = group.mean(2, keepdim=True).transpose(2, 3)
        rows, cols = self.conv1x1(torch.cat((rows, cols), 2)).split((height, width), 2)
        x1 = self.gn(group * rows.sigmoid() * cols.transpose(2, 3).sigmoid())
        x2 = self.conv3x3(group)
        # One group a channel makes GroupNorm's spatial mean its bias, whatever the input.
        p1 = torch.softmax(self.gn.bias, 0).to(x2.dtype)
        p2 = torch.softmax(x2.mean((2, 3)), 1)
        weight = torch.einsum("c,bchw->bhw", p1, x2) + torch.einsum("bc,bchw->bhw", p2, x1)
        return (group * weight.unsqueeze(1).sigmoid()).reshape(batch, channels, height, width)
