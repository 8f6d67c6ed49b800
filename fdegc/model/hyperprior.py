"""Hyper-transforms h_a and h_s of FDEGCNet."""

from __future__ import annotations

from torch import nn

from fdegc.model.heam import HEAM
from fdegc.model.transforms import SLOPE, conv3x3, deconv3x3


class HyperAnalysis(nn.Sequential):
    """h_a: (B, M, h, w) latent to (B, M, h/4, w/4)."""

    def __init__(self, latent: int) -> None:
        super().__init__(
            HEAM(latent),
            conv3x3(latent, latent),
            nn.LeakyReLU(SLOPE),
            conv3x3(latent, latent),
            nn.LeakyReLU(SLOPE),
            HEAM(latent),
            conv3x3(latent, latent, stride=2),
            nn.LeakyReLU(SLOPE),
            conv3x3(latent, latent),
            nn.LeakyReLU(SLOPE),
            conv3x3(latent, latent, stride=2),
        )


class HyperSynthesis(nn.Sequential):
    """h_s: (B, M, h, w) hyper-latent to (B, 2M, 4h, 4w) entropy features φ."""

    def __init__(self, latent: int) -> None:
        wide = latent * 3 // 2
        super().__init__(
            HEAM(latent),
            deconv3x3(latent, latent),
            nn.LeakyReLU(SLOPE),
            deconv3x3(latent, latent, stride=2),
            nn.LeakyReLU(SLOPE),
            HEAM(latent),
            deconv3x3(latent, wide),
            nn.LeakyReLU(SLOPE),
            deconv3x3(wide, wide, stride=2),
            nn.LeakyReLU(SLOPE),
            deconv3x3(wide, 2 * latent),
        )
