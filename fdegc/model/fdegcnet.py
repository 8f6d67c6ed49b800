"""FDEGCNet: transforms, hyperprior, context model and gains in one module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor, nn

from fdegc.model.context import LIKELIHOOD_FLOOR, ContextModel, raw_likelihood
from fdegc.model.hyperprior import HyperAnalysis, HyperSynthesis
from fdegc.model.layers import FactorisedPrior
from fdegc.model.mcam import MCAM
from fdegc.model.transforms import Analysis, LinearAnalysis, LinearSynthesis, Synthesis
from fdegc.options import RATE_POINTS


@dataclass(frozen=True, slots=True)
class Profile:
    """Profile: sizes of one family of networks.

    Attributes
    ----------
    name : str
    widths : tuple of 3 ints
        Channels at 1/2, 1/4 and 1/8 resolution.
    latent : int
        M, channels of y; a multiple of 8.
    hidden : int
        Width of the entropy parameter network.
    rate_points : int
        Gain vectors: 6 for one network that serves all rate points, 0 for one network a λ.
    centred : bool
        Whether pixels enter as x − ½ and leave as x̂ + ½.
    hyper : int
        Channels of z and of the hyper-transforms; a multiple of 8; 0: M, as in the paper.
    linear : bool
        Whether a linear path leads through the transforms: shortcuts of 2 × 2 in place of 1 × 1, and a
        block transform beside each.
    """

    name: str
    widths: tuple[int, int, int]
    latent: int
    hidden: int = 640
    rate_points: int = 0
    centred: bool = False
    hyper: int = 0
    linear: bool = False


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("paper-192", (192, 192, 192), 192),
        Profile("paper-256", (256, 256, 256), 256),
        Profile(
            "lite",
            (32, 64, 96),
            288,
            hidden=256,
            rate_points=len(RATE_POINTS),
            centred=True,
            hyper=32,
            linear=True,
        ),
    )
}


class Forward(TypedDict):
    """Output of :meth:`FDEGCNet.forward`: ``x_hat`` and the likelihoods of ``y`` and ``z``."""

    x_hat: Tensor
    likelihoods: dict[str, Tensor]


def straight_through_round(x: Tensor) -> Tensor:
    """Rounding with the gradient of the identity (straight-through)."""
    return x + (x.round() - x).detach()


class FDEGCNet(nn.Module):
    """Network of Fang et al. (2025); one class for the paper profiles and the lite profile.

    Parameters
    ----------
    widths, latent, hidden, rate_points, centred, hyper, linear
        As in :class:`Profile`.

    References
    ----------
    Fang, Gu, Wang, Zhang, "A Feature Dynamic Enhancement and Global Collaboration Guidance Network
    for Remote Sensing Image Compression", Radioengineering, 2025.  Gains: Cui et al., "Asymmetric
    gained deep image compression with continuous rate adaptation", CVPR 2021.
    """

    def __init__(
        self,
        widths: tuple[int, int, int] = (192, 192, 192),
        latent: int = 192,
        *,
        hidden: int = 640,
        rate_points: int = 0,
        centred: bool = False,
        hyper: int = 0,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.latent = latent
        self.hyper = hyper or latent
        self._held: Tensor | None = None
        self.offset = 0.5 if centred else 0.0
        taps = 2 if linear else 1
        self.g_a = Analysis(widths, latent, taps)
        self.g_s = Synthesis(widths, latent, taps)
        self.linear_a = LinearAnalysis(latent) if linear else None
        self.linear_s = LinearSynthesis(latent) if linear else None
        self.h_a = HyperAnalysis(latent, self.hyper)
        self.h_s = HyperSynthesis(latent, self.hyper)
        self.mcam = MCAM(self.hyper)
        self.context = ContextModel(latent, hidden)
        self.hyper_prior = FactorisedPrior(self.hyper)
        self.log_gain: nn.Parameter | None = None
        self.log_inverse_gain: nn.Parameter | None = None
        if rate_points:
            # MSE falls about as λ^-½ along the operational curve, so a step falls as λ^-¼.
            steps = torch.arange(rate_points, dtype=torch.float32) - (rate_points - 1) / 2
            initial = (steps * 0.25 * torch.log(torch.tensor(2.0)))[:, None].repeat(1, latent)
            self.log_gain = nn.Parameter(initial.clone())
            self.log_inverse_gain = nn.Parameter(-initial)

    @classmethod
    def from_profile(cls, profile: Profile) -> FDEGCNet:
        """Network of a profile, randomly initialised."""
        return cls(
            profile.widths,
            profile.latent,
            hidden=profile.hidden,
            rate_points=profile.rate_points,
            centred=profile.centred,
            hyper=profile.hyper,
            linear=profile.linear,
        )

    @classmethod
    def from_state_dict(cls, state_dict: dict[str, Tensor]) -> FDEGCNet:
        """Network rebuilt from its parameters alone, as compressai's zoo does.

        Raises
        ------
        RuntimeError
            If tensors are missing, superfluous or of the wrong shape.
        """
        widths, latent = Analysis.sizes_in(state_dict)
        gains = state_dict.get("log_gain")
        net = cls(
            widths,
            latent,
            hidden=state_dict["context.parameters_net.0.weight"].shape[0],
            rate_points=0 if gains is None else gains.shape[0],
            centred=gains is not None,
            hyper=state_dict["mcam.conv_in.weight"].shape[0],
            linear="linear_a.1.weight" in state_dict,
        )
        net.load_state_dict(state_dict)
        return net

    @property
    def held(self) -> Tensor | None:
        """Channels of y that are constants in training: bool, shape (M,); None for none."""
        return self._held

    def hold(self, channels: Tensor | None) -> None:
        """Holding of some channels of y, and no others, as constants in training.

        The decoder and the entropy model learn to use them, but neither distortion nor rate changes what
        they say.

        Parameters
        ----------
        channels : Tensor of bool, shape (M,), or None
            None lets all of them learn.
        """
        self._held = channels

    def gains(self, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Gain and inverse gain of a quality, exponentially interpolated between rate points.

        Parameters
        ----------
        quality : Tensor, shape (B,)
            1.0 to the number of rate points; ignored by networks without gains.

        Returns
        -------
        gain, inverse : Tensor, shape (B, M, 1, 1)
        """
        if self.log_gain is None or self.log_inverse_gain is None:
            ones = torch.ones(quality.shape[0], self.latent, 1, 1, device=quality.device)
            return ones, ones
        position = quality.clamp(1, self.log_gain.shape[0]) - 1
        lower = position.floor().long().clamp(max=self.log_gain.shape[0] - 2)
        fraction = (position - lower)[:, None]
        out = []
        for table in (self.log_gain, self.log_inverse_gain):
            mixed = table[lower] * (1 - fraction) + table[lower + 1] * fraction
            out.append(mixed.exp()[:, :, None, None])
        return out[0], out[1]

    def analyse(self, x: Tensor, gain: Tensor) -> Tensor:
        """Gained latent y · gain of pixels in [0, 1]: (B, 3, H, W) to (B, M, H/16, W/16)."""
        x = x - self.offset
        y = self.g_a(x)
        if self.linear_a is not None:
            y = y + self.linear_a(x)
        return y * gain

    def hyper_analyse(self, y: Tensor) -> Tensor:
        """Unrounded hyper-latent z of a gained latent: (B, M, h, w) to (B, H, h/4, w/4)."""
        return self.mcam(self.h_a(y))

    def hyper_synthesise(self, z_hat: Tensor) -> Tensor:
        """Entropy features φ of a rounded hyper-latent: (B, H, h, w) to (B, 2M, 4h, 4w)."""
        return self.h_s(self.mcam(z_hat))

    def synthesise(self, y_hat: Tensor, inverse: Tensor) -> Tensor:
        """Pixels (not clipped) of a rounded gained latent: (B, M, h, w) to (B, 3, 16h, 16w)."""
        y = y_hat * inverse
        x_hat = self.g_s(y)
        if self.linear_s is not None:
            x_hat = x_hat + self.linear_s(y)
        return x_hat + self.offset

    def forward(self, x: Tensor, quality: Tensor | None = None) -> Forward:
        """Reconstruction and likelihoods.

        In training the rate is measured on latents with uniform noise, while g_s, h_s and the
        context see rounded ones with a straight-through gradient (Minnen and Singh, ICIP 2020);
        in evaluation everything is rounded, as in the bitstream.

        Parameters
        ----------
        x : Tensor, shape (B, 3, H, W)
            Pixels in [0, 1]; H and W multiples of 64.
        quality : Tensor, shape (B,), optional
            Quality of each sample; required by networks with gains.
        """
        if quality is None:
            quality = torch.ones(x.shape[0], device=x.device)
        gain, inverse = self.gains(quality)
        y = self.analyse(x, gain)
        if self._held is not None and self.training:
            y = torch.where(self._held[:, None, None], y.detach(), y)
        z = self.hyper_analyse(y)
        # Likelihoods need more precision than autocast leaves.
        y, z = y.float(), z.float()
        y_hat = straight_through_round(y)
        z_hat = straight_through_round(z)
        y_coded, z_coded = y_hat, z_hat
        if self.training:
            y_coded = y + torch.empty_like(y).uniform_(-0.5, 0.5)
            z_coded = z + torch.empty_like(z).uniform_(-0.5, 0.5)
        raw = self.context.raw(y_hat, self.hyper_synthesise(z_hat))
        return {
            "x_hat": self.synthesise(y_hat, inverse),
            "likelihoods": {
                "y": raw_likelihood(y_coded, raw),
                "z": self.hyper_likelihood(z_coded),
            },
        }

    def hyper_likelihood(self, z: Tensor) -> Tensor:
        """Likelihood of z under the factorised prior, same shape, floored at 1e-10."""
        batch, channels = z.shape[:2]
        values = z.transpose(0, 1).reshape(channels, 1, -1)
        likelihood = self.hyper_prior(values).view(channels, batch, *z.shape[2:]).transpose(0, 1)
        return likelihood.clamp(min=LIKELIHOOD_FLOOR)

    @torch.no_grad()
    def prior(self, radius: int) -> Tensor:
        """Probability of the hyper-latent's values −radius … radius, shape (H, 2·radius + 1)."""
        grid = torch.arange(-radius, radius + 1, device=self.mcam.conv_in.weight.device).float()
        return self.hyper_likelihood(grid.repeat(self.hyper, 1)[None, :, :, None])[0, :, :, 0]
