"""The training loop: one for both recipes, one process or many."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fdegc.control import CancelToken
from fdegc.errors import InvalidOption
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.training.data import CropSampler, find_images
from fdegc.training.distributed import Group
from fdegc.training.growing import grow
from fdegc.training.options import TrainOptions, make_recipe, share_of_batch
from fdegc.training.runlog import RunLog
from fdegc.training.starting import load_start, network_sizes, read_checkpoint
from fdegc.training.validation import mixed_precision, rate_distortion, validate

#: Sources whose images have JPEG blocks, which the network must not learn.
SHRINK_ONLY = ("aGrass", "bField")
#: Crops on which a network is observed before it grows.
GROWTH_CROPS = 96


class Trainer:
    """State of one run: network, averages, optimisers, clock.

    Parameters
    ----------
    options : TrainOptions
    group : Group, optional
        The processes that train together; all of them make a trainer.
    clock : callable, optional
        Seconds since some moment, by which the budget is counted; default: of the wall.

    Raises
    ------
    InvalidOption
        If a folder holds no usable image, an option is outside its range, or the checkpoint in
        ``out`` is another run's.
    WeightsMissing, WeightsInvalid
        If ``pretrain`` cannot be started from.
    """

    def __init__(
        self,
        options: TrainOptions,
        group: Group | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.options = options
        self.clock = clock
        self.group = group or Group()
        paths = find_images(options.train)
        find_images(options.val)
        self.recipe = make_recipe(options, len(paths))
        self._share = share_of_batch(self.recipe.batch, self.group.size)
        mixed_precision(self.group.device, options.precision)
        torch.manual_seed(options.seed)
        net = FDEGCNet.from_profile(self.recipe.profile)
        self.step = 0
        self.seconds = 0.0
        self.restarted: Tensor | None = None
        self.checkpoint = options.out / "checkpoint.pt"
        state = self._starting_point(net)
        self.net = net.to(self.group.device)
        self.ema = copy.deepcopy(self.net).requires_grad_(False).eval()
        self.optimisers = self.recipe.optimisers(self.net)
        if state is not None:
            self._resume(state)
        self.model = self.group.parallel(self.net)
        # Every process draws its own noise and crops; after an interruption another stream than before
        # it, but a reproducible one.
        torch.manual_seed(_stream_seed(options.seed, self.step, self.group.rank))
        self.sampler = CropSampler(
            paths,
            self.recipe.crop,
            [options.seed, self.step, self.group.rank],
            shrink_only=SHRINK_ONLY,
            augment=self.recipe.augment,
        )
        self.rng = np.random.default_rng([options.seed + 1, self.step])

    def _starting_point(self, net: FDEGCNet) -> dict[str, Any] | None:
        """Checkpoint to resume, or None after ``pretrain`` was loaded if there is one."""
        options = self.options
        state: dict[str, Any] | None = None
        if self.group.main and self.checkpoint.exists():
            state = read_checkpoint(self.checkpoint)
        state = self.group.share(state)
        if state is None and options.pretrain is not None:
            start = load_start(options.pretrain) if self.group.main else None
            start = self.group.share(start)
            assert start is not None
            if options.grow and options.config is None:
                sampler = CropSampler(
                    find_images(options.train), self.recipe.crop, options.seed, shrink_only=SHRINK_ONLY
                )
                crops = torch.from_numpy(sampler.batch(GROWTH_CROPS))
                # Machines round differently: which channels started anew is what the first process says, as
                # are the parameters.
                self.restarted = self.group.share(grow(start, net, crops)).to(self.group.device)
            else:
                start.check_fits(
                    self.recipe.profile, "choose the profile or configuration that it was made with"
                )
                start.load_into(net)
        return state

    def _resume(self, state: dict[str, Any]) -> None:
        theirs = (state["profile"], state.get("recipe", "profile"))
        ours = (self.recipe.profile.name, self.recipe.name)
        if theirs != ours:
            raise InvalidOption(
                f"{self.checkpoint} belongs to profile {theirs[0]}, recipe {theirs[1]}; "
                f"this run is profile {ours[0]}, recipe {ours[1]}: train into another folder."
            )
        self.net.load_state_dict(state["net"])
        self.ema.load_state_dict(state["ema"])
        if state.get("restarted") is not None:
            self.restarted = state["restarted"].to(self.group.device)
        if all(name in state for name in self.optimisers):
            try:
                for name, optimiser in self.optimisers.items():
                    optimiser.load_state_dict(state[name])
            except ValueError as error:  # an earlier version grouped parameters in another way
                raise InvalidOption(
                    f"{self.checkpoint} cannot be resumed by this version ({error}); "
                    "give it as --pretrain of a run in another folder."
                ) from error
            self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Write the checkpoint atomically; only the main process does."""
        if not self.group.main:
            return
        self.options.out.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(".tmp")
        state = {
            "profile": self.recipe.profile.name,
            "network": network_sizes(self.recipe.profile),
            "recipe": self.recipe.name,
            "lambda": self.options.config.lmbda if self.options.config else None,
            "net": self.net.state_dict(),
            "ema": self.ema.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "restarted": self.restarted,
        }
        torch.save(state | {n: o.state_dict() for n, o in self.optimisers.items()}, temporary)
        os.replace(temporary, self.checkpoint)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        mine = slice(self.group.rank * self._share, (self.group.rank + 1) * self._share)

        def make() -> tuple[Tensor, Tensor]:
            # All processes draw the same rate points, and each takes its part of them.
            return torch.from_numpy(self.sampler.batch(self._share)), self.recipe.qualities(self.rng)[mine]

        with ThreadPoolExecutor(1) as pool:  # crops of the next step are cut during this one
            future = pool.submit(make)
            while True:
                current, future = future.result(), pool.submit(make)
                yield current

    def train(
        self,
        cancel: CancelToken | None = None,
        save_minutes: float = 5.0,
        on_row: Callable[[dict[str, Any]], None] | None = None,
    ) -> bool:
        """Train until the run is finished or ``cancel`` is set in any process; always leaves a checkpoint.

        Parameters
        ----------
        cancel : CancelToken, optional
        save_minutes : float
            Minutes from one checkpoint to the next.
        on_row : callable, optional
            Gets each row of the log, in the main process.

        Returns
        -------
        bool
            Whether the run is finished.
        """
        if self.group.main:
            self.options.out.mkdir(parents=True, exist_ok=True)
        saved = now = self.clock()
        sums = np.zeros(4)
        fraction = 0.0
        with RunLog(self.options.out, self.step, self.group.main) as log:
            for note in (log.note, self._left_out()):
                if note and on_row and self.group.main:
                    on_row({"note": note})
            for x, quality in self._batches():
                stop, fraction = self.group.agree(
                    cancel is not None and cancel.cancelled, self.recipe.fraction(self.step, self.seconds)
                )
                if stop or fraction >= 1.0:
                    break
                sums += (*self._step(x, quality, fraction), 1)
                # Everything counts, waiting for crops, validation and checkpoints too.
                now, start = self.clock(), now
                self.seconds += now - start
                if self.step % self.recipe.log_steps == 0:
                    row = log.write(self.step, self._averages(self.group.sum(sums)))
                    if on_row and self.group.main:
                        on_row(row)
                    sums[:] = 0.0
                if self.options.val_steps and self.step % self.options.val_steps == 0:
                    self.validate(log)
                if self.clock() - saved > save_minutes * 60:
                    self.save()
                    saved = self.clock()
        self.save()
        self.group.wait()  # whoever leaves first may be the signal to end the others
        return fraction >= 1.0

    def _left_out(self) -> str | None:
        count, used = self.sampler.left_out, len(self.sampler.paths)
        if not count:
            return None
        return (
            f"{count} of {count + used} training images are too small for crops of {self.recipe.crop} and "
            "are left out; a smaller --crop takes them in."
        )

    def _averages(self, sums: npt.NDArray[np.float64]) -> dict[str, float]:
        loss, mse, bpp = (sums[:3] / sums[3]).tolist()
        psnr = -10 * math.log10(max(mse, 1e-10))
        rate = self.optimisers["adam"].param_groups[0]["lr"]
        return {"seconds": round(self.seconds, 1), "loss": loss, "psnr": psnr, "bpp": bpp, "lr": rate}

    def validate(self, log: RunLog | None = None) -> list[dict[str, float]]:
        """Estimated figures of the averaged weights on ``val``; all processes call it."""
        rows = validate(
            self.ema,
            self.options.val,
            self.recipe.rates,
            group=self.group,
            precision=self.options.precision,
        )
        if log is not None:
            for row in rows:
                figures = {name: value for name, value in row.items() if name != "rate"}
                log.write(self.step, figures, group=f"val rate {row['rate']:g}")
        return rows

    def _step(self, x: Tensor, quality: Tensor, fraction: float) -> tuple[float, ...]:
        recipe = self.recipe
        x, quality = x.to(self.group.device), quality.to(self.group.device)
        self.net.train()
        self.net.held = self.restarted if recipe.holds(fraction) else None
        if recipe.freezes_norm(fraction):
            for module in self.net.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()
        recipe.set_rates(self.optimisers, self.step, fraction)
        lmbda = recipe.lambdas(quality) * recipe.boost(fraction)
        with mixed_precision(self.group.device, self.options.precision):
            out = self.model(x, quality)
        loss, mse, bpp = rate_distortion(out, x, lmbda)
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()
        recipe.objective(loss, lmbda).backward()
        # A single odd crop must not end a night's run.  Judged by the gradients, which are the same in
        # all processes: one that skipped backward alone would leave the others waiting for it.
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        if torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
            recipe.clip(self.optimisers)
            for optimiser in self.optimisers.values():
                optimiser.step()
        self.step += 1
        self._average()
        return tuple(torch.stack((loss, mse, bpp)).mean(1).tolist())

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.ema, self.step / (self.step + 20.0))
        mine, theirs = self.ema.state_dict(), self.net.state_dict()
        floats = [k for k, v in mine.items() if v.is_floating_point()]
        torch._foreach_lerp_([mine[k] for k in floats], [theirs[k] for k in floats], 1.0 - decay)


def _stream_seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
