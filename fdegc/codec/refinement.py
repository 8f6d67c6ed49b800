"""Refinement of latents before they are coded: of the integers near them those that cost least.

Rounding takes each latent for itself.  Here g_s and the entropy model say what a change of any of them does
to the pixels and to the bits of all, and a mean-field annealing decides: each latent is one integer or the
next one with a probability, the expected cost is a function of all probabilities, and they follow its slope
while a temperature falls, until all are 0 or 1.  That is the problem of Yang, Bamler and Mandt ("Improving
inference for neural image compression", NeurIPS 2020) with expectations in place of Gumbel samples.  Any
integers decode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from fdegc.codec.devices import in_batches, memory_errors
from fdegc.codec.expected_bits import BitModel, Mixtures
from fdegc.codec.network import Float32Array, Network, round_latent
from fdegc.coding.correcting import BIAS_STEPS, TAPS, WEIGHT_STEPS
from fdegc.coding.unit import LATENT_LIMIT, IntArray
from fdegc.control import Check
from fdegc.format.header import StreamHeader
from fdegc.options import RATE_POINTS
from fdegc.raster_info import Window
from fdegc.types import STRIDE

#: How far probabilities go along the slope of the cost in bits, and how much of the last way they go again.
_RATE, _MOMENTUM = 0.5, 0.5
#: A slope beyond this many bits is as good as certain.
_STEEPEST = 30.0
#: Temperature in bits at first; 0 after this share of the steps, and after so many at the latest.
_TEMPERATURE, _COOLING, _COLD = 0.8, 0.8, 24
#: Steps after which latents that are decided may turn to the integer on the other side.
_TURN = 6
#: Logit from which on a latent counts as decided.
_DECIDED = 4.0
_CERTAIN = 50.0
#: Latents along the edges beside other tiles that are rounded all the same.
_KEPT = 1
#: Gets the share of their steps that tiles have made since it was called last, times the tiles.
Stepped = Callable[[float], None]
#: Steps after which the integers are judged, and the share of the cost that they have to gain by then.
_JUDGED, _GAIN = 8, 1e-3


def _uncounted(_tiles: float) -> None:
    """Where nobody counts the steps."""


@dataclass(frozen=True, slots=True, eq=False)
class TileView:
    """What the network saw of a tile and its halo, in one group of bands.

    Attributes
    ----------
    inputs : ndarray of float32, shape (3, H, W)
        Network inputs.
    latent : ndarray of float32, shape (M, H/16, W/16)
        What g_a made of them, before gain and rounding.
    inner : Window
        The tile in it, in latent samples.
    counts : ndarray of bool, shape (H, W)
        Pixels whose errors matter.
    group : int
        Number of the group of bands.
    """

    inputs: Float32Array
    latent: Float32Array
    inner: Window
    counts: npt.NDArray[np.bool_]
    group: int


class Refinement:
    """Refinement of the latents of tiles with one network; for any number of threads at once.

    Each tile is refined alone: around it are its neighbours' latents as g_a makes them of its halo, rounded.

    Parameters
    ----------
    network : Network
    header : StreamHeader
        Whose correction is heeded.
    steps : int
        Of the annealing, fewer where they gain nothing any more.
    batch : int
        Tiles that the device gets at a time.
    """

    def __init__(self, network: Network, header: StreamHeader, steps: int, batch: int = 1) -> None:
        self._network, self._steps, self._batch = network, steps, batch
        self._clip = header.components is None
        found = [()] * header.groups if header.correction is None else header.correction.groups
        self._corrections = [_correction(own, network.device) for own in found]

    def latents(
        self, views: Sequence[TileView], quality: float, check: Check, stepped: Stepped = _uncounted
    ) -> list[IntArray]:
        """Integers to code for some tiles at a quality, each of shape (M, h, w) of the tile without halo.

        Parameters
        ----------
        views : sequence of TileView
        quality : float
            1.0 to 6.0.
        check : callable
            Called between layers; raises to cancel.
        stepped : callable
            Called at every step, on the calling thread; in all for as much as there are views.
        """
        found: dict[int, IntArray] = {}
        alike: dict[tuple[Any, ...], list[int]] = {}
        for place, view in enumerate(views):
            alike.setdefault((view.inputs.shape, view.inner, view.group), []).append(place)
        for places in alike.values():
            some = [views[place] for place in places]
            refined = in_batches(lambda part: self._refined(part, quality, check, stepped), some, self._batch)
            found.update(zip(places, refined, strict=True))
        return [found[place] for place in range(len(views))]

    def _refined(
        self, views: Sequence[TileView], quality: float, check: Check, stepped: Stepped
    ) -> list[IntArray]:
        network = self._network
        gain, inner = network.gain(quality), views[0].inner
        whole = [view.latent * gain for view in views]
        own = [np.ascontiguousarray(y[:, inner.rows, inner.cols]) for y in whole]
        plain = [round_latent(y) for y in own]
        if not any(y.any() for y in plain):  # next to nothing to code, and nothing to gain
            stepped(len(views))
            return plain
        phis = network.features(network.hyper_analyse(own, self._batch))
        phi = [p[:, : inner.height, : inner.width].astype(np.float32) for p in phis]
        with memory_errors(network.device), network.no_denormals:
            with network.turn:
                problem = _Problem(
                    network, views, [round_latent(y) for y in whole], phi, quality, check,
                    correction=self._corrections[views[0].group], clip=self._clip,
                )  # fmt: skip
            best = _annealed(problem, _on(network.device, own), self._steps, network.turn, stepped)
            return list(best.clamp(-LATENT_LIMIT, LATENT_LIMIT).to(torch.int32).cpu().numpy())


def _on(device: torch.device, arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).to(device)


def _correction(steps: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Kernel and bias of a correction; None for none."""
    if not any(steps):
        return None
    numbers = torch.tensor(steps, dtype=torch.float32, device=device).view(3, TAPS + 1)
    return (numbers[:, 1:] / WEIGHT_STEPS).view(3, 3, 3, 3), numbers[:, 0] / BIAS_STEPS


class _Problem:
    """Cost of latents of tiles that have one shape: bits, and squared errors at the quality's exchange."""

    def __init__(
        self,
        network: Network,
        views: Sequence[TileView],
        around: Sequence[IntArray],
        phi: Sequence[Float32Array],
        quality: float,
        check: Check,
        *,
        correction: tuple[Tensor, Tensor] | None,
        clip: bool,
    ) -> None:
        device, inner = network.device, views[0].inner
        self._net, self._check, self._correction, self._clip = network.net, check, correction, clip
        self._layers, self._memory_format = network.sloping
        self._wanted = _on(device, [view.inputs for view in views])
        self._counts = _on(device, [view.counts[None] for view in views]).float()
        self._worth: float = RATE_POINTS[0].lmbda * 2.0 ** (quality - 1) / 3
        self._bits = BitModel(self._net.context, _on(device, phi))
        self._inverse = torch.from_numpy(network.inverse_gain(quality).copy()).to(device)
        self._ring = _on(device, around).float()
        self._ring[:, :, inner.rows, inner.cols] = 0
        height, width = self._ring.shape[2:]
        right, below = width - inner.x - inner.width, height - inner.y - inner.height
        self._padding = (inner.x, right, inner.y, below)
        # What a neighbour was told of this tile is kept: two sides that each refine alone make a seam.
        self.free = torch.zeros(1, 1, inner.height, inner.width, device=device)
        rows = slice(min(inner.y, _KEPT), inner.height - min(below, _KEPT))
        cols = slice(min(inner.x, _KEPT), inner.width - min(right, _KEPT))
        self.free[:, :, rows, cols] = 1
        self._inner = inner

    def pixels(self, y: Tensor) -> Tensor:
        """Network outputs of latents, with those around them: (B, M, h, w) to (B, 3, H, W)."""
        net = self._net
        y = (self._ring + F.pad(y, self._padding)) * self._inverse
        x = y.contiguous(memory_format=self._memory_format)
        for layer in self._layers:
            self._check()
            x = layer(x)
        x = x.contiguous()
        if net.linear_s is not None:
            x = x + net.linear_s(y)
        x = x + net.offset
        if self._correction is not None:
            kernel, bias = self._correction
            x = x + F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, bias)
        return x

    def errors(self, x: Tensor) -> Tensor:
        """Squared errors of network outputs in bits, of each tile: (B,)."""
        x = x.clamp(0, 1) if self._clip else x
        squared: Tensor = (self._counts * (x - self._wanted).square()).sum((1, 2, 3))
        return self._worth * squared

    def mixtures(self, y: Tensor) -> Mixtures:
        """Mixtures of latents, (B, M, h, w), of which the context sees some."""
        self._check()
        return self._bits.mixtures(y)

    @torch.no_grad()
    def cost(self, y: Tensor, errors: Tensor | None = None) -> Tensor:
        """Cost of integers in bits, of each tile: (B,)."""
        errors = self.errors(self.pixels(y)) if errors is None else errors
        return errors + self.mixtures(y).bits(y).sum((1, 2, 3))

    def curvature(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Squared errors of a change of one latent by 1, in bits, (B, M, h, w); those of the latents, (B,).

        The mean of each channel, in as far as pixels count; by a random direction that is always the same.
        """
        y = y.detach().requires_grad_()
        x = self.pixels(y)
        # By NumPy: torch's generators need what our programs do not import (:mod:`fdegc.process`).
        signs = torch.from_numpy(np.random.default_rng(1).choice((-1, 1), x.shape[1:])).to(x)
        (slope,) = torch.autograd.grad(x, y, signs * self._counts)
        inner = self._inner
        seen = F.avg_pool2d(self._counts, STRIDE)[:, :, inner.rows, inner.cols]
        mean = slope.square().sum((2, 3), keepdim=True) / seen.sum((2, 3), keepdim=True).clamp(min=1e-6)
        return self._worth * mean * seen, self.errors(x.detach())


class _Annealing:
    """Annealing of latents: which of two integers each of them is to be, and which two those are.

    Parameters
    ----------
    problem : _Problem
    y : Tensor, shape (B, M, h, w)
        Gained latents.
    curvature : Tensor, of the same shape
    """

    def __init__(self, problem: _Problem, y: Tensor, curvature: Tensor) -> None:
        self._problem, self._curvature = problem, curvature
        self._lower = y.floor()
        logits = torch.logit((y - self._lower).clamp(1e-3, 1 - 1e-3))  # of the upper integer
        rounded = _CERTAIN * (2 * (y.round() - self._lower) - 1)
        self._logits = torch.where(problem.free > 0, logits, rounded)
        self._velocity = torch.zeros_like(y)

    @property
    def chosen(self) -> Tensor:
        """The likelier integer of each latent."""
        return self._lower + (self._logits > 0).to(self._lower)

    def step(self, temperature: float, *, turning: bool) -> None:
        """One step at a temperature; decided latents may turn to other integers after it, or not."""
        problem, lower = self._problem, self._lower
        share = torch.sigmoid(self._logits)
        mean = (lower + share).requires_grad_()
        (slope,) = torch.autograd.grad(problem.errors(problem.pixels(mean)).sum(), mean)
        with torch.no_grad():
            mixtures = problem.mixtures(mean.detach())
            # Of a latent's own bits the exact difference counts, of those after it the slope.
            low, high, after = mixtures.expected(lower, share)
            slope = slope + after
            change = slope + self._curvature * (1 - 2 * share) + (high - low)
            downhill = (change + temperature * self._logits).clamp(-_STEEPEST, _STEEPEST)
            self._velocity = (_MOMENTUM * self._velocity - downhill) * problem.free
            self._logits = self._logits + _RATE * self._velocity
            if turning:
                below = self._curvature - slope + mixtures.bits(lower - 1) < low
                above = self._curvature + slope + mixtures.bits(lower + 2) < high
                free = problem.free > 0
                down, up = (self._logits < -_DECIDED) & below, (self._logits > _DECIDED) & above
                self._turn(down & free, up & free)

    def _turn(self, down: Tensor, up: Tensor) -> None:
        """Another pair for some latents, of which they are what they were."""
        self._lower = self._lower - down.to(self._lower) + up.to(self._lower)
        self._logits = torch.where(down, _DECIDED, torch.where(up, -_DECIDED, self._logits))
        self._velocity = torch.where(down | up, 0.0, self._velocity)


def _annealed(
    problem: _Problem, y: Tensor, steps: int, turn: AbstractContextManager[Any], stepped: Stepped
) -> Tensor:
    """Integers near gained latents, (B, M, h, w), that cost least; never more than the nearest ones."""
    best = y.round()
    with turn:
        curvature, errors = problem.curvature(best)
        least = problem.cost(best, errors)
        annealing = _Annealing(problem, y, curvature)
    enough = _GAIN * least
    cold = min(_COOLING * steps, _COLD)
    for step in range(1, steps + 1):
        stepped(len(y) / steps)
        with turn:
            annealing.step(_TEMPERATURE * max(1 - (step - 1) / cold, 0), turning=step % _TURN == 0)
            if step % _JUDGED and step < steps:
                continue
            cost = problem.cost(annealing.chosen)
            gained = least - cost
            best = torch.where((gained > 0)[:, None, None, None], annealing.chosen, best)
            least = torch.minimum(least, cost)
        if step >= cold and bool((gained < enough).all()):
            stepped(len(y) * (1 - step / steps))
            break
    return best
