"""Hyper-transforms h_a and h_s of FDEGCNet."""

from __future__ import annotations

from torch import nn

from fdegc.model.heam import HEAM
from fdegc.model.transforms import SLOPE, conv3x3, deconv3x3


class HyperAnalysis(nn.Sequential):
    """Hyper-analysis h_a: (B, M, h, w) latent to (B, H, h/4, w/4); H = M in the paper's profiles."""

    def __init__(self, latent: int, hyper: int) -> None:
        super().__init__(
            HEAM(latent),
            conv3x3(latent, hyper),
            nn.LeakyReLU(SLOPE),
            conv3x3(hyper, hyper),
            nn.LeakyReLU(SLOPE),
            HEAM(hyper),
            conv3x3(hyper, hyper, stride=2),
            nn.LeakyReLU(SLOPE),
            conv3x3(hyper, hyper),
            nn.LeakyReLU(SLOPE),
            conv3x3(hyper, hyper, stride=2),
        )


class HyperSynthesis(nn.Sequential):
    """Hyper-synthesis h_s: (B, H, h, w) hyper-latent to (B, 2M, 4h, 4w) entropy features φ."""

    def __init__(self, latent: int, hyper: int) -> None:
        wide = hyper * 3 // 2
        super().__init__(
            HEAM(hyper),
            deconv3x3(hyper, hyper),
            nn.LeakyReLU(SLOPE),
            deconv3x3(hyper, hyper, stride=2),
            nn.LeakyReLU(SLOPE),
            HEAM(hyper),
            deconv3x3(hyper, wide),
            nn.LeakyReLU(SLOPE),
            deconv3x3(wide, wide, stride=2),
            nn.LeakyReLU(SLOPE),
            deconv3x3(wide, 2 * latent),
        )
