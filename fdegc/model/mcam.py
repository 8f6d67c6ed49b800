"""Multi-kernel convolutional attention module (MCAM) with its frequency branch (FGM)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrequencyGate(nn.Module):
    """Frequency gate ``|ifft2(p1(f) · fft2(p2(f)))|·α + f·β`` with 1×1 convolutions p1 and p2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.p1 = nn.Conv2d(channels, channels, 1)
        self.p2 = nn.Conv2d(channels, channels, 1)
        self.alpha = nn.Parameter(torch.zeros(channels, 1, 1))
        self.beta = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, f: Tensor) -> Tensor:
        """Gated features: (B, N, H, W) to the same shape."""
        gate, values = self.p1(f), self.p2(f)
        if values.dtype == torch.bfloat16:  # there is no bfloat16 FFT
            gate, values = gate.float(), values.float()
        spectrum = gate * torch.fft.fft2(values, norm="backward")
        return torch.fft.ifft2(spectrum, norm="backward").abs() * self.alpha + f * self.beta


class MCAM(nn.Module):
    """Depth-wise kernels of four shapes plus a frequency branch, around the hyper-latent.

    Parameters
    ----------
    channels : int

    Notes
    -----
    The first frequency step of the paper, |ifft2(a·fft2(o))| with one real factor ``a`` a channel,
    is |a·o| by linearity, and is computed so.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, channels, 1)
        self.dw_13 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1), groups=channels)
        self.dw_31 = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0), groups=channels)
        self.dw_33 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.dw_11 = nn.Conv2d(channels, channels, 1, groups=channels)
        self.factor_f = nn.Conv2d(channels, channels, 1)
        self.factor_o = nn.Conv2d(channels, channels, 1)
        self.fgm = FrequencyGate(channels)
        self.conv_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Output of the attention block: (B, N, H, W) to the same shape."""
        o = F.gelu(self.conv_in(x))
        f = (self.factor_o(o.mean((2, 3), keepdim=True)) * o).abs()
        f = self.fgm(f * self.factor_f(f.mean((2, 3), keepdim=True)))
        mixed = x + self.dw_13(o) + self.dw_31(o) + self.dw_33(o) + self.dw_11(o) + f
        return self.conv_out(F.relu(mixed))
