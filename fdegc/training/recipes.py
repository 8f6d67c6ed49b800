"""How a network is trained: the two recipes that share one loop.

The *profile* recipe trains all rate points of a network with gains within a wall-clock budget; the
*research* recipe is that of the paper's code, one network for one λ and a fixed number of steps.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fdegc.errors import InvalidOption
from fdegc.model.fdegcnet import PROFILES, Profile
from fdegc.options import RATE_POINTS
from fdegc.training.config import ResearchConfig
from fdegc.training.muon import Muon, is_kernel

#: Gradients of the research recipe are clamped to ± this, those of Adam in the other to this norm.
GRADIENT_LIMIT = 5.0
#: Rate of the gains in that of Adam: logarithms that have far to go.
GAIN_FACTOR = 4.0
#: Share of the budget after which λ is what it will be.
BOOSTED = 0.45
#: Share of the budget after which a rate that is constant falls, and to what.
CONSTANT, LAST = 0.7, 0.02
#: Added to a loss that others are compared with, so that flat crops do not outweigh all.
LOSS_FLOOR = 0.1
#: Share of the paper's 200 000 steps after which its rate falls.
ANNEALED = 0.92


@dataclass(frozen=True, slots=True)
class Recipe(ABC):
    """Interface of a training recipe: what the loop asks of it.

    Attributes
    ----------
    profile : Profile
        The network's sizes.
    batch : int
        Crops a step, over all processes.
    crop : int
        Side of a crop in pixels.
    """

    profile: Profile
    batch: int
    crop: int

    #: Decay of the averaged weights, which are what is shipped; 0: the weights themselves.
    ema = 0.0
    #: Steps from one line of the log to the next.
    log_steps = 20
    #: Whether crops are turned and scaled too (:class:`~fdegc.training.data.CropSampler`).
    augment = False
    #: Share of the crops in random colours (:mod:`~fdegc.training.colours`).
    colours = 0.0
    #: Whether sources are drawn before their images (:func:`~fdegc.training.data.chances`).
    by_source = False
    #: Whether the schedule follows the clock, and not the number of steps.
    timed = False

    @property
    @abstractmethod
    def name(self) -> str:
        """Name that checkpoints remember, so that a run is not resumed by another recipe."""

    @property
    @abstractmethod
    def rates(self) -> tuple[tuple[float, float], ...]:
        """Quality and λ of each rate point that the network is trained for."""

    @abstractmethod
    def optimisers(self, net: nn.Module) -> dict[str, Optimizer]:
        """Optimisers by the name under which checkpoints keep their state."""

    @abstractmethod
    def fraction(self, step: int, seconds: float) -> float:
        """Fraction of the run that is done; from 1 it is finished."""

    @abstractmethod
    def set_rates(self, optimisers: Mapping[str, Optimizer], step: int, fraction: float) -> None:
        """Setting of the learning rates of a step."""

    def freezes_norm(self, fraction: float) -> bool:
        """Whether BatchNorm uses its running statistics and no longer updates them."""
        return False

    def holds(self, fraction: float) -> bool:
        """Whether restarted channels are still constants (:attr:`FDEGCNet.held`)."""
        return False

    def boost(self, fraction: float) -> float:
        """Factor by which every λ is multiplied."""
        return 1.0

    @abstractmethod
    def qualities(self, rng: np.random.Generator, batch: int | None = None) -> Tensor:
        """Quality of each sample of a step over all processes, shape (batch,); by default the recipe's."""

    @abstractmethod
    def lambdas(self, quality: Tensor) -> Tensor:
        """λ of each sample, shape (B,)."""

    @abstractmethod
    def objective(self, loss: Tensor, lmbda: Tensor) -> Tensor:
        """Objective that is differentiated, from the samples' ``λ·MSE + bpp``."""

    @abstractmethod
    def clip(self, optimisers: Mapping[str, Optimizer]) -> None:
        """Clipping of the gradients."""


@dataclass(frozen=True, slots=True)
class ProfileRecipe(Recipe):
    """Recipe with Muon and Adam, a schedule over the wall-clock budget, all rate points in every batch.

    Attributes
    ----------
    minutes : float
        Budget over all resumptions; the schedule follows it.
    lr : float
        Peak rate of Adam; Muon takes four times it.
    warmup_steps : int
    freeze_norm : float
        Fraction of the budget after which BatchNorm keeps its statistics.
    hold : float
        Fraction of the budget in which restarted channels are constants.
    lambda_boost : float
        What every λ is multiplied by at first; falls to 1 in the first :data:`BOOSTED` of the budget.
    balance : float
        Samples weigh ∝ λ^-balance, so that the gain in rate at one end is not paid for by the other.
    uniform : bool
        Whether qualities lie anywhere from the first rate point to the last.
    constant : bool
        Whether the rate is constant until :data:`CONSTANT` of the budget; else it follows a cosine.
    relative : bool
        Whether samples weigh by their own loss instead of ``balance``.
    ema : float
    colours : float
        Share of the crops in random colours.
    by_source : bool
        Whether sources are drawn before their images.
    """

    minutes: float
    lr: float
    warmup_steps: int
    freeze_norm: float
    hold: float
    lambda_boost: float
    balance: float
    uniform: bool
    constant: bool
    relative: bool
    ema: float
    colours: float
    by_source: bool
    augment = True
    timed = True

    @property
    def name(self) -> str:
        """Name that checkpoints remember."""
        return "profile"

    @property
    def rates(self) -> tuple[tuple[float, float], ...]:
        """Quality and λ of each rate point."""
        return tuple((float(point.index), point.lmbda) for point in RATE_POINTS)

    def optimisers(self, net: nn.Module) -> dict[str, Optimizer]:
        """Muon for kernels, Adam for the rest."""
        kernels: list[nn.Parameter] = []
        gains: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, parameter in net.named_parameters():
            gain = name in ("log_gain", "log_inverse_gain")
            (kernels if is_kernel(name, parameter) else gains if gain else others).append(parameter)
        groups: list[dict[str, Any]] = [{"params": others}, {"params": gains, "factor": GAIN_FACTOR}]
        return {
            "muon": Muon(kernels, lr=4 * self.lr),
            "adam": torch.optim.Adam(groups, lr=self.lr, betas=(0.9, 0.98), fused=True),
        }

    def fraction(self, step: int, seconds: float) -> float:
        """Share of the budget that is used up."""
        return seconds / (self.minutes * 60.0)

    def set_rates(self, optimisers: Mapping[str, Optimizer], step: int, fraction: float) -> None:
        """Learning rates with a warm-up, then :func:`schedule` or :func:`constant_schedule`."""
        share = constant_schedule(fraction) if self.constant else schedule(fraction)
        rate = self.lr * share * min(1.0, (step + 1) / self.warmup_steps)
        for name, factor in (("adam", 1.0), ("muon", 4.0)):
            for group in optimisers[name].param_groups:
                set_rate(group, factor * rate * group.get("factor", 1.0))

    def freezes_norm(self, fraction: float) -> bool:
        """Frozen BatchNorm in the second part of the budget: one network for training and use in the end."""
        return fraction >= self.freeze_norm

    def holds(self, fraction: float) -> bool:
        """Holding of restarted channels in the first part of the budget."""
        return fraction < self.hold

    def boost(self, fraction: float) -> float:
        """Factor of every λ that falls exponentially: what is learnt at first is to lose little."""
        return self.lambda_boost ** max(0.0, 1.0 - fraction / BOOSTED)

    def qualities(self, rng: np.random.Generator, batch: int | None = None) -> Tensor:
        """Qualities with every rate point equally often, up to a remainder drawn anew for every batch.

        Uniform ones: one in each of as many equal parts of the range as there are crops.
        """
        batch = batch or self.batch
        if self.uniform:
            parts = (rng.permutation(batch) + rng.random(batch)) / batch
            return torch.from_numpy((1.0 + (len(RATE_POINTS) - 1) * parts).astype(np.float32))
        rounds = -(-batch // len(RATE_POINTS))
        order = np.concatenate([rng.permutation(len(RATE_POINTS)) for _ in range(rounds)])[:batch]
        return torch.from_numpy(rng.permutation(order).astype(np.float32) + 1.0)

    def lambdas(self, quality: Tensor) -> Tensor:
        """λ of each sample."""
        return RATE_POINTS[0].lmbda * 2.0 ** (quality - 1)

    def objective(self, loss: Tensor, lmbda: Tensor) -> Tensor:
        """Mean with weights that balance the rate points.

        Relative: the gradient is that of the mean logarithm of the losses, but for the floor, as each sample
        counts by what it improves of its own loss.
        """
        if self.relative:
            return (loss / (loss.detach() + LOSS_FLOOR)).mean()
        return (loss * (lmbda / 1024.0) ** -self.balance).mean()

    def clip(self, optimisers: Mapping[str, Optimizer]) -> None:
        """Clipping of the gradient norm of Adam's parameters; Muon's updates do not depend on it."""
        groups = optimisers["adam"].param_groups
        nn.utils.clip_grad_norm_([p for g in groups for p in g["params"]], GRADIENT_LIMIT)


@dataclass(frozen=True, slots=True)
class ResearchRecipe(Recipe):
    """Recipe of the paper's research code: Adam, one λ, steps instead of time.

    Attributes
    ----------
    config : ResearchConfig
    steps : int
        The configuration's, or those of its epochs if they are fewer.
    hurried : bool
        Whether the run may be ended by the clock; the rate then falls for the share of the time at
        the end for which it falls in the paper.
    """

    config: ResearchConfig
    steps: int
    hurried: bool = False

    @property
    def name(self) -> str:
        """Name that checkpoints remember: a run for another λ is another run."""
        return f"research λ={self.config.lmbda:g}"

    @property
    def log_steps(self) -> int:  # type: ignore[override]
        """Steps from one line of the log to the next."""
        return self.config.print_steps

    @property
    def rates(self) -> tuple[tuple[float, float], ...]:
        """Quality and λ of the one rate point."""
        return ((self.config.quality, self.config.lmbda),)

    def optimisers(self, net: nn.Module) -> dict[str, Optimizer]:
        """Adam with its defaults."""
        return {"adam": torch.optim.Adam(net.parameters(), lr=self.config.lr, fused=True)}

    def fraction(self, step: int, seconds: float) -> float:
        """Share of the steps that are done."""
        return step / self.steps

    def set_rates(self, optimisers: Mapping[str, Optimizer], step: int, fraction: float) -> None:
        """Staircase of the learning rate: times ``decay`` every ``decay_steps``."""
        falls = step // self.config.decay_steps
        if self.hurried and fraction >= ANNEALED:
            falls = max(falls, 1)
        rate = self.config.lr * self.config.decay**falls
        for group in optimisers["adam"].param_groups:
            set_rate(group, rate)

    def qualities(self, rng: np.random.Generator, batch: int | None = None) -> Tensor:
        """Quality of the one rate point for all samples; a network without gains does not look at it."""
        return torch.full((batch or self.batch,), self.config.quality)

    def lambdas(self, quality: Tensor) -> Tensor:
        """λ of the one rate point, for all samples."""
        return torch.full_like(quality, self.config.lmbda)

    def objective(self, loss: Tensor, lmbda: Tensor) -> Tensor:
        """Plain mean of the samples' losses."""
        return loss.mean()

    def clip(self, optimisers: Mapping[str, Optimizer]) -> None:
        """Clamping of every gradient."""
        for group in optimisers["adam"].param_groups:
            nn.utils.clip_grad_value_(group["params"], GRADIENT_LIMIT)


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Change of a group's learning rate, in place if it is a tensor."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def schedule(fraction: float) -> float:
    """Cosine schedule of the learning rate, from 1 to 0.01 over the budget."""
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(max(fraction, 0.0), 1.0)))


def constant_schedule(fraction: float) -> float:
    """Constant schedule: 1, then falling linearly to :data:`LAST` from :data:`CONSTANT` of the budget on."""
    fallen = (min(max(fraction, CONSTANT), 1.0) - CONSTANT) / (1.0 - CONSTANT)
    return 1.0 - (1.0 - LAST) * fallen


def research_profile(config: ResearchConfig) -> Profile:
    """Sizes of the network that a configuration trains: ``paper-192``, ``paper-256`` or alike."""
    return paper_profile(config.channels, config.latent)


def paper_profile(channels: int, latent: int, hidden: int = 640) -> Profile:
    """Sizes of a network of the paper's shape, N channels everywhere and M in the latent."""
    name = f"paper-{channels}" if channels == latent else f"paper-{channels}-{latent}"
    return Profile(name, (channels, channels, channels), latent, hidden=hidden)


def known_profile(name: str) -> Profile:
    """Profile by its name.

    Raises
    ------
    InvalidOption
        If there is none, or it has no rate points of its own and needs a configuration for its λ.
    """
    if name not in PROFILES:
        raise InvalidOption(f"There is no profile '{name}'; choose one of: {', '.join(PROFILES)}.")
    if not PROFILES[name].rate_points:
        raise InvalidOption(
            f"A network of profile {name} is trained for one λ; give a configuration that says which, "
            "for example --config configs/paper/config_1024_256.json."
        )
    return PROFILES[name]
