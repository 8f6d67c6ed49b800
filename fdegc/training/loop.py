"""The training loop: one for both recipes, one process or many."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

from fdegc.atomic import whole
from fdegc.control import CancelToken
from fdegc.errors import InvalidOption
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.graphs import Capture, CudaCapture
from fdegc.training.data import CropSampler, CropSource, image_paths, sources_of
from fdegc.training.distributed import Group
from fdegc.training.export import writing_seconds
from fdegc.training.growing import grow
from fdegc.training.guard import Guard
from fdegc.training.phases import process_age, seconds_to_train
from fdegc.training.pool import ImagePool, PoolSampler
from fdegc.training.run_options import TrainOptions, check_choices, make_phases, make_recipe, share_of_batch
from fdegc.training.runlog import RunLog
from fdegc.training.starting import load_start, network_sizes, read_checkpoint
from fdegc.training.step import Moment, Step, use_tensor_rates
from fdegc.training.validation import mixed_precision, validate

#: Crops on which a network is observed before it grows.
GROWTH_CROPS = 96


class Trainer:
    """State of one training run: network, averages, optimisers, clock.

    Parameters
    ----------
    options : TrainOptions
    group : Group, optional
        The processes that train together; all of them make a trainer.
    clock : callable, optional
        Seconds since some moment, by which the budget is counted; default: of the wall.
    age : callable, optional
        Seconds since the process was started, by which ``stop_at`` is counted.
    capture : Capture, optional
        How a step is captured; by default as a CUDA graph on one GPU.

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
        age: Callable[[], float] = process_age,
        capture: Capture | None = None,
    ) -> None:
        self.options = options
        self.clock, self.age = clock, age
        self.group = group or Group()
        check_choices(options)
        paths = image_paths(options.train)
        image_paths(options.val)
        self.recipe = make_recipe(options, len(paths))
        self.phases = make_phases(options, self.recipe)
        for phase in self.phases:
            share_of_batch(phase.batch, self.group.size)
        self.limit = math.inf  # seconds, if the clock ends the run
        self._fraction = options.span[0]
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
        use_tensor_rates(self.optimisers, self.group.device)
        self._stepper = self._make_step(capture)
        self._guard = Guard(self._stepper.weights, self._stepper.averages, self.optimisers)
        # Every process draws its own noise and crops; after an interruption another stream than before
        # it, but a reproducible one.
        torch.manual_seed(_stream_seed(options.seed, self.step, self.group.rank))
        self.pool = self._make_pool(paths)
        self.sources = [self._make_source(paths, number) for number in range(len(self.phases))]
        self.sampler = self.sources[0]
        self.rng = np.random.default_rng([options.seed + 1, self.step])

    def _make_step(self, capture: Capture | None) -> Step:
        """The step; with several processes it is never captured, as they wait for each other within it."""
        device, options = self.group.device, self.options
        if capture is None and options.graph == "auto" and device.startswith("cuda") and self.group.size == 1:
            capture = CudaCapture(device)
        step = Step(
            self.net,
            self.ema,
            self.optimisers,
            self.recipe,
            options.precision,
            restarted=self.restarted,
            settled=options.span[0] > 0.0,
            capture=capture,
        )
        step.model = self.model = self.group.parallel(self.net)
        return step

    def _make_pool(self, paths: Sequence[Path]) -> ImagePool | None:
        images = self.options.images
        if images == "auto":
            images = "device" if self.group.device.startswith("cuda") else "host"
        if images == "host":
            return None
        crop = min(phase.crop for phase in self.phases)
        shrink_only, augment = self.options.shrink_only, self.recipe.augment
        return ImagePool(paths, crop, shrink_only=shrink_only, augment=augment, device=self.group.device)

    def _make_source(self, paths: Sequence[Path], number: int) -> CropSource:
        """Crops of a phase; every process draws its own."""
        crop, recipe = self.phases[number].crop, self.recipe
        names = sources_of(paths, self.options.train) if recipe.by_source else None
        seed = [self.options.seed, self.step, self.group.rank, *([number] if number else [])]
        if self.pool is not None:
            return PoolSampler(self.pool, crop, seed, recipe.augment, names, recipe.colours)
        return CropSampler(paths, crop, seed, self.options.shrink_only, recipe.augment, names, recipe.colours)

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
                    image_paths(options.train), self.recipe.crop, options.seed, options.shrink_only
                )
                crops = torch.from_numpy(sampler.batch(GROWTH_CROPS))  # in their own colours
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
                f"“{self.checkpoint}” belongs to profile {theirs[0]}, recipe {theirs[1]}; "
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
                    f"“{self.checkpoint}” cannot be resumed by this version ({error}); "
                    "give it as --pretrain of a run in another folder."
                ) from error
            self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Checkpoint of the run, written atomically; only the main process does."""
        if not self.group.main:
            return
        self.options.out.mkdir(parents=True, exist_ok=True)
        state = {
            "profile": self.recipe.profile.name,
            "network": network_sizes(self.recipe.profile),
            "recipe": self.recipe.name,
            "lambda": self.options.config.lmbda if self.options.config else None,
            "net": _copied(self.net.state_dict()),
            "ema": _copied(self.ema.state_dict()),
            "step": self.step,
            "seconds": self.seconds,
            "restarted": self.restarted,
        }
        state |= {name: _plain_state(optimiser) for name, optimiser in self.optimisers.items()}
        with whole(self.checkpoint) as file:
            torch.save(state, file)

    def _batches(self) -> Iterator[tuple[CropSource, Tensor, Tensor]]:
        """What chooses the crops of a step, and their qualities; made during the step before."""

        def make(fraction: float) -> tuple[CropSource, Tensor, Tensor]:
            number = max(n for n, phase in enumerate(self.phases) if phase.start <= fraction or not n)
            phase, source = self.phases[number], self.sources[number]
            share = phase.batch // self.group.size
            mine = slice(self.group.rank * share, (self.group.rank + 1) * share)
            # All processes draw the same rate points, and each takes its part of them.
            return source, source.draw(share), self.recipe.qualities(self.rng, phase.batch)[mine]

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(make, self._fraction)
            while True:
                # The fraction that all processes agreed on last, so that all change sizes at once.
                current, future = future.result(), pool.submit(make, self._fraction)
                yield current

    def _progress(self) -> float:
        """How much of the run is done; from 1 it is finished."""
        timed = self.seconds / self.limit
        if self.recipe.timed and self.limit < math.inf:
            return timed
        return max(timed, self.recipe.fraction(self.step, self.seconds))

    def train(
        self,
        cancel: CancelToken | None = None,
        save_minutes: float = 5.0,
        on_row: Callable[[dict[str, Any]], None] | None = None,
    ) -> bool:
        """Training until the run is finished or ``cancel`` is set in any process; always leaves a checkpoint.

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
        self._fit_into_time()
        saved = now = self.clock()
        progress = 0.0

        def say(row: dict[str, Any]) -> None:
            if on_row and self.group.main:
                on_row(row)

        with RunLog(self.options.out, self.step, self.group.main) as log:
            for note in (log.note, *self._notes()):
                if note:
                    say({"note": note})
            for source, drawn, quality in self._batches():
                stop, progress = self.group.agree(cancel is not None and cancel.cancelled, self._progress())
                self._fraction = self._position(progress)
                if stop or progress >= 1.0:
                    break
                self._step(drawn, quality, self._fraction, source)
                # Everything counts, waiting for crops, validation and checkpoints too.
                now, start = self.clock(), now
                self.seconds += now - start
                if self.step % self.recipe.log_steps == 0:
                    self._look(log, say)
                    if failure := self._stepper.take_failure():
                        say({"note": f"the step runs without a graph, as capturing it failed: {failure}"})
                if self.options.val_steps and self.step % self.options.val_steps == 0:
                    self.validate(log)
                if self.clock() - saved > save_minutes * 60:
                    self.save()
                    saved = self.clock()
            if 2 * (self.step % self.recipe.log_steps) >= self.recipe.log_steps:  # fewer say little
                self._judge(self._stepper.take_sums(self.group.sum), say)
        self.save()
        self.group.wait()  # whoever leaves first may be the signal to end the others
        return progress >= 1.0

    def _look(self, log: RunLog, say: Callable[[dict[str, Any]], None]) -> None:
        """Write a line of the log, and see whether the run is in health."""
        sums = self._stepper.take_sums(self.group.sum)
        say(log.write(self.step, self._averages(sums)))
        self._judge(sums, say)

    def _judge(self, sums: npt.NDArray[np.float64], say: Callable[[dict[str, Any]], None]) -> None:
        """See whether the run is in health, of the sums since it was judged last."""
        count, skipped = sums[3:].tolist()
        if note := self._guard.judge(self.step, float(sums[0]) / max(count, 1.0), count, skipped):
            self._stepper.go_on_with(self._guard.rate)
            say({"note": note})
        elif self._guard.rate != self._stepper.rate:
            self._stepper.rate = self._guard.rate
            rate = f"{self._guard.rate:g} of the learning rate"
            say({"note": f"All is well; the run goes on with {rate} again."})

    def _fit_into_time(self) -> None:
        """See to it that ``stop_at`` is kept; the main process's clock counts."""
        if self.options.stop_at is not None and self.group.main:
            writing = writing_seconds(self)
            self.limit = self.seconds + seconds_to_train(self.options.stop_at, self.age(), writing)

    def _position(self, progress: float) -> float:
        """Fraction of the schedule, of which the run may be a part."""
        first, last = self.options.span
        return first + (last - first) * progress

    def _notes(self) -> Iterator[str]:
        """What the user should know of the images."""
        if self.pool is not None:
            yield self.pool.note
        for phase, source in zip(self.phases, self.sources, strict=True):
            if source.left_out:
                yield (
                    f"{source.left_out} of {source.left_out + source.used} training images are too small for "
                    f"crops of {phase.crop} and are left out; a smaller --crop takes them in."
                )

    def _averages(self, sums: npt.NDArray[np.float64]) -> dict[str, float]:
        count, skipped = sums[3:].tolist()
        loss, mse, bpp = (sums[:3] / max(count, 1.0)).tolist()
        psnr = -10 * math.log10(max(mse, 1e-10))
        rate = float(self.optimisers["adam"].param_groups[0]["lr"])
        row = {"seconds": round(self.seconds, 1), "loss": loss, "psnr": psnr, "bpp": bpp, "lr": rate}
        return row | ({"skipped": int(skipped)} if skipped else {})

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

    def _step(
        self, drawn: Tensor, quality: Tensor, fraction: float, source: CropSource | None = None
    ) -> Tensor:
        """Make a step of crops, or of what a source makes crops of; mean loss, MSE and bpp before it."""
        crops = None if source is None else source.crops
        means = self._stepper(drawn, quality, Moment(self.step, fraction), crops)
        self.step += 1
        return means


def _copied(state: Any) -> Any:
    """A state whose tensors are their own: views would be pickled with all of what they are views of."""
    return tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, state)


def _plain_state(optimiser: Optimizer) -> dict[str, Any]:
    """State of an optimiser whose learning rates are numbers, as checkpoints have always had them."""
    state: dict[str, Any] = _copied(optimiser.state_dict())
    for group in state["param_groups"]:
        group["lr"] = float(group["lr"])
    return state


def _stream_seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
