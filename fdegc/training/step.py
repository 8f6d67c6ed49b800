"""One training step as a function of tensors that stay where they are.

Forward, loss, gradients, clipping, optimisers and averages never wait for the host: whether a gradient is
finite is decided on the device, sums for the log stay there until the log wants them, and learning rates,
λ's factor and the decay of the averages are tensors.  So the whole of it can be captured as a graph
(:mod:`fdegc.model.graphs`); called plainly it is the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.graphs import Capture, Repeated
from fdegc.training.recipes import Recipe
from fdegc.training.validation import mixed_precision, rate_distortion

#: Tensors begin at multiples of this many values in a joined one, as an allocator would have them.
_ALIGNMENT = 64
#: The average of weights that are new forgets them; after n steps it is one of about n.
_YOUNG = 20.0
#: Gradients longer than so many times the usual are shortened to that; those longer still change nothing.
TAME, WILD = 3.0, 10.0
#: Of the usual length, how much stays from step to step.
_MEMORY = 0.98


@dataclass(frozen=True, slots=True)
class Moment:
    """Moment of a step: what it depends on besides its batch and its parameters.

    Attributes
    ----------
    step : int
        Steps that were made before.
    fraction : float
        How much of the schedule is done.
    """

    step: int
    fraction: float


class Step:
    """Step of a training run, and the tensors that it is a function of.

    Parameters
    ----------
    net : FDEGCNet
    ema : FDEGCNet
        Averaged weights.
    optimisers : mapping
        Looked at in every step that is not a replay.
    recipe : Recipe
    precision : str
        As of :func:`~fdegc.training.validation.mixed_precision`.
    restarted : Tensor of bool, shape (M,), optional
        Channels that the recipe holds at first.
    settled : bool
        Whether the average began as good weights, which are not to be forgotten.
    capture : Capture, optional

    Attributes
    ----------
    model : Module
        ``net``, or what averages its gradients over several processes.
    rate : float
        Factor of every learning rate; see :meth:`go_on_with`.
    weights, averages : Tensor
        All of ``net`` and of ``ema``, one after the other.
    """

    def __init__(
        self,
        net: FDEGCNet,
        ema: FDEGCNet,
        optimisers: Mapping[str, Optimizer],
        recipe: Recipe,
        precision: str,
        *,
        restarted: Tensor | None = None,
        settled: bool = False,
        capture: Capture | None = None,
    ) -> None:
        self.net, self.optimisers, self.recipe = net, optimisers, recipe
        self.model: nn.Module = net
        self.precision, self.restarted, self.settled = precision, restarted, settled
        self.capture = capture
        self.rate = 1.0
        self.weights, self.averages = join(net), join(ema)
        self.device = self.weights.device
        self._boost, self._decay = (torch.ones((), device=self.device) for _ in range(2))
        self._sums = torch.zeros(5, device=self.device)
        self._usual = torch.zeros((), device=self.device)
        self._key: tuple[object, ...] | None = None
        self._drawn = self._quality = torch.empty(0)
        self._crops: Callable[[Tensor], Tensor] = torch.Tensor.detach
        self._repeated = Repeated(self.compute)

    def take_failure(self) -> str | None:
        """Reason why the step could not be captured, once; None if it was, or nobody tried."""
        failure, self._repeated.failure = self._repeated.failure, None
        if failure is not None:
            self.capture = None  # nor will it go better with another batch
        return failure

    @property
    def captured(self) -> bool:
        """Whether steps are replays of a graph by now."""
        return self._repeated.captured

    def __call__(
        self, drawn: Tensor, quality: Tensor, moment: Moment, crops: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """Training step on a batch of crops.

        Parameters
        ----------
        drawn : Tensor
            Crops in [0, 1], or what ``crops`` makes them of on the device.
        quality : Tensor, shape (B,)
        moment : Moment
        crops : callable, optional

        Returns
        -------
        Tensor, shape (3,)
            Mean loss, MSE and bpp before the step, on the device.
        """
        recipe, fraction = self.recipe, moment.fraction
        frozen = recipe.freezes_norm(fraction)
        held = self.restarted is not None and recipe.holds(fraction)
        key = (drawn.shape, drawn.dtype, quality.shape, crops, frozen, held)
        if key != self._key:
            self._key = key
            # One graph at a time: a run does not come back to what it has left, and memory is freed.
            self._repeated = Repeated(self.compute, self.capture)
            self._drawn = torch.empty_like(drawn, device=self.device)
            self._quality = torch.empty_like(quality, device=self.device)
            self._crops = crops or torch.Tensor.detach
            for optimiser in self.optimisers.values():
                optimiser.zero_grad()
            self._usual.zero_()  # other batches, other gradients
        self._prepare(frozen, held)
        _put(self._drawn, drawn)
        _put(self._quality, quality)
        recipe.set_rates(self.optimisers, moment.step, fraction)
        if self.rate != 1.0:
            for optimiser in self.optimisers.values():
                for group in optimiser.param_groups:
                    group["lr"] *= self.rate
        self._boost.fill_(recipe.boost(fraction))
        age = moment.step + 1.0
        self._decay.fill_(recipe.ema if self.settled else min(recipe.ema, age / (age + _YOUNG)))
        means = self._repeated()
        return means.clone() if self.captured else means

    def go_on_with(self, rate: float) -> None:
        """Another factor of every learning rate, after the run went back: what is usual is learnt anew."""
        self.rate = rate
        self._usual.zero_()

    def take_sums(
        self, share: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
    ) -> npt.NDArray[np.float64]:
        """Sums of loss, MSE, bpp since the last time, of how many steps, and how many more changed nothing.

        Waits for the device.
        """
        sums = share(self._sums.cpu().double().numpy())
        self._sums.zero_()
        return sums

    def _prepare(self, frozen: bool, held: bool) -> None:
        """Modes that the function finds; they are part of the key, so that graphs have them."""
        if self.captured:
            return
        self.net.train()
        self.net.hold(self.restarted if held else None)
        if frozen:
            for module in self.net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def compute(self) -> Tensor:
        """Plain step, the function itself, on what the tensors hold; mean loss, MSE and bpp before it."""
        recipe, optimisers = self.recipe, self.optimisers
        x, quality = self._crops(self._drawn), self._quality
        if x.is_cuda:  # never on the CPU, where torch's convolutions corrupt memory with it
            x = x.contiguous(memory_format=torch.channels_last)
        lmbda = recipe.lambdas(quality) * self._boost
        with mixed_precision(self.device.type, self.precision):
            out = self.model(x, quality)
        loss, mse, bpp = rate_distortion(out, x, lmbda)
        for optimiser in optimisers.values():
            optimiser.zero_grad()
        recipe.objective(loss, lmbda).backward()
        capturing = x.is_cuda and torch.cuda.is_current_stream_capturing()
        with torch.no_grad():
            # A single odd crop must not end a night's run.  Judged by the gradients, which are the same in
            # all processes: one that skipped backward alone would leave the others waiting for it.
            gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
            bad = self._tame(gradients)
            recipe.clip(optimisers)
            for optimiser in optimisers.values():
                optimiser.found_inf = bad  # type: ignore[attr-defined]
                for group in optimiser.param_groups:
                    if "capturable" in group:
                        group["capturable"] = capturing
                optimiser.step()
            self.averages.lerp_(self.weights, 1.0 - self._decay)
            means = torch.stack((loss, mse, bpp)).mean(1)
            row = torch.cat((means.masked_fill(bad > 0, 0.0), 1.0 - bad[None], bad[None]))
            self._sums.add_(row)
        return means

    def _tame(self, gradients: list[Tensor]) -> Tensor:
        """Shorten gradients that are much longer than usual; 1.0 if they are of no use at all, else 0.0.

        Muon's steps are of one length whatever the gradient's, but its momentum is not: a single one of a
        thousand times the usual length is all that it knows for a hundred steps.
        """
        length = nn.utils.get_total_norm(gradients)
        known, finite = self._usual > 0, torch.isfinite(length)
        bad = ~finite | (known & (length > WILD * self._usual))
        factor = torch.where(known, (TAME * self._usual / length).clamp(max=1.0), 1.0)
        torch._foreach_mul_(gradients, torch.where(bad, 1.0, factor))
        # What is usual may change, but by no more than the double of it counts at a time.
        grown = torch.where(known, torch.minimum(length, 2.0 * self._usual), length)
        following = torch.where(known, self._usual.lerp(grown, 1.0 - _MEMORY), length)
        self._usual.copy_(torch.where(finite, following, self._usual))
        return bad.float()


def join(net: nn.Module) -> Tensor:
    """Tensor of all floating-point parameters and buffers of a network, which become views of it.

    The average of weights is then one operation.  Names, shapes and values stay as they are.

    Parameters
    ----------
    net : Module
        On its device.
    """
    tensors = [t for t in net.state_dict(keep_vars=True).values() if t.is_floating_point()]
    sizes = [-(-t.numel() // _ALIGNMENT) * _ALIGNMENT for t in tensors]
    whole = torch.zeros(sum(sizes), dtype=tensors[0].dtype, device=tensors[0].device)
    for tensor, part in zip(tensors, whole.split(sizes), strict=True):
        view = part[: tensor.numel()].view(tensor.shape)
        view.copy_(tensor.detach())
        tensor.data = view
    return whole


def use_tensor_rates(optimisers: Mapping[str, Optimizer], device: torch.device | str) -> None:
    """Learning rates as tensors on a device, so that a captured step sees them change."""
    for optimiser in optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=device)


def _put(target: Tensor, source: Tensor) -> None:
    """Copy to the device without waiting for it."""
    if target.is_cuda and not source.is_cuda:
        source = source.pin_memory()
    target.copy_(source, non_blocking=True)
