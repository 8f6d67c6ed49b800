"""Choices of the recipe against each other at equal time.

Usage::

    python benchmarks/recipes.py --train DIR --val DIR --out DIR [--minutes 20] [--jobs 2]
        [--pretrain WEIGHTS] [VARIANT ...]

Every variant changes one thing of the recipe and trains for the same time, on one thread of a core of
its own, with the same seed; ``--jobs`` of them run side by side.  The clock is the process's CPU time, the
same as that of the wall if the core does nothing else, and fair to all variants if it does.  Finished ones
are kept in ``--out`` and not run again.  Printed are the mean loss λ·MSE + bpp of the validation images
(estimated, with averaged weights) and the mean difference in rate at equal PSNR (Bjøntegaard, of the mean
curves) from the first variant.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Variant:
    """One choice that differs from the recipe.

    Attributes
    ----------
    what : str
        For the table.
    options : mapping
        Fields of TrainOptions.
    sizes : mapping
        Fields of the profile.
    change : callable, optional
        Gets the Trainer before its first step.
    patch : callable, optional
        Changes modules before the Trainer is made.
    """

    what: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, Any] = field(default_factory=dict)
    change: Callable[[Any], None] | None = None
    patch: Callable[[], None] | None = None


def _adam(trainer: Any) -> None:
    """Adam for the kernels too."""
    import torch

    kernels = trainer.optimisers["muon"].param_groups[0]["params"]
    trainer.optimisers["muon"] = torch.optim.Adam(kernels, lr=0.0, betas=(0.9, 0.98), fused=True)
    # set_rates gives Muon four times the rate of Adam.
    trainer.optimisers["muon"].param_groups[0]["factor"] = 0.25


def _soap(trainer: Any) -> None:
    from soap import Soap

    kernels = trainer.optimisers["muon"].param_groups[0]["params"]
    trainer.optimisers["muon"] = Soap(kernels, lr=0.0)
    trainer.optimisers["muon"].param_groups[0]["factor"] = 0.5


def _uncentred(trainer: Any) -> None:
    for net in (trainer.net, trainer.ema):
        net.offset = 0.0


def _without_output_bias() -> None:
    """Pixels enter centred, but the last layer has to learn the ½ that was taken away."""
    from fdegc.model.fdegcnet import FDEGCNet

    synthesise = FDEGCNet.synthesise
    FDEGCNet.synthesise = lambda self, y_hat, inverse: synthesise(self, y_hat, inverse) - self.offset


def _flat_gains(trainer: Any) -> None:
    """All rate points start with the same rounding step."""
    for net in (trainer.net, trainer.ema):
        net.log_gain.data.zero_()
        net.log_inverse_gain.data.zero_()


def _slow_gains(trainer: Any) -> None:
    """Gains learn at the rate of the other vectors."""
    for group in trainer.optimisers["adam"].param_groups:
        group.pop("factor", None)


def _noise() -> None:
    """Decoder and context see noisy latents, as in Ballé et al. (2018)."""
    import torch

    from fdegc.model import fdegcnet

    def noisy(x: Any) -> Any:
        if not torch.is_grad_enabled():
            return x.round()
        return x + torch.empty_like(x).uniform_(-0.5, 0.5)

    fdegcnet.straight_through_round = noisy


def _native_scale() -> None:
    from fdegc.training import data

    data.SCALE_CHANCE = 0.0


def _linear_cooldown() -> None:
    """Constant rate, linear to nothing in the last two fifths."""
    from fdegc.training import recipes

    recipes.schedule = lambda fraction: min(1.0, max(0.01, (1 - fraction) / 0.4))


def _without_blocks(trainer: Any) -> None:
    """Shortcuts of 2 × 2, but no block transforms beside g_a and g_s."""
    for net in (trainer.net, trainer.ema):
        net.linear_a = net.linear_s = None


VARIANTS: dict[str, Variant] = {
    "recipe": Variant("the recipe"),
    "again": Variant("the recipe, on another hour"),
    "former": Variant(
        "half the learning rate, BatchNorm frozen at half time", {"lr": 1.5e-3, "freeze_norm": 0.5}
    ),
    "adam": Variant("Adam for all (rate 1.5e-3)", {"lr": 1.5e-3}, change=_adam),
    "soap": Variant("SOAP for kernels (rate 3e-3)", {"lr": 1.5e-3}, change=_soap),
    "lr-half": Variant("half the learning rate", {"lr": 1.5e-3}),
    "lr-double": Variant("twice the learning rate", {"lr": 6e-3}),
    "cooldown": Variant("constant rate, linear cooldown", patch=_linear_cooldown),
    "uncentred": Variant("pixels not centred", change=_uncentred),
    "no-bias": Variant("pixels centred, no + ½ at the output", patch=_without_output_bias),
    "flat-gains": Variant("gains start equal", change=_flat_gains),
    "slow-gains": Variant("gains learn as slowly as the rest", change=_slow_gains),
    "noise": Variant("noise instead of straight-through rounding", patch=_noise),
    "continuous": Variant("continuous qualities instead of rate points", {"qualities": "uniform"}),
    "unbalanced": Variant("all rate points weigh the same", {"balance": 0.0}),
    "balanced": Variant("samples ∝ λ^-0.5", {"balance": 0.5}),
    "native": Variant("no scale augmentation", patch=_native_scale),
    "own-colours": Variant("no random colours", {"colours": 0.0}),
    "files": Variant("all images equally often", {"weigh": "files"}),
    "relative": Variant("samples weigh by their own loss", {"objective": "relative"}),
    "half-norm": Variant("BatchNorm of ODConv frozen at half time", {"freeze_norm": 0.5}),
    "live-norm": Variant("BatchNorm of ODConv never frozen", {"freeze_norm": 1.0}),
    "crop-128": Variant("32 crops of 128²", {"crop": 128, "batch": 32}),
    "small-crop": Variant("8 crops of 128²", {"crop": 128}),
    "small-batch": Variant("6 crops of 256²", {"batch": 6}),
    "slim": Variant("widths (24, 48, 80)", sizes={"widths": (24, 48, 80)}),
    "wide": Variant("widths (48, 96, 128)", sizes={"widths": (48, 96, 128)}),
    "latent-128": Variant("M = 128", sizes={"latent": 128}),
    "latent-192": Variant("M = 192", sizes={"latent": 192}),
    "latent-224": Variant("M = 224", sizes={"latent": 224}),
    "no-linear-path": Variant("no linear path", sizes={"linear": False}),
    "no-blocks": Variant("2 × 2 shortcuts, but no block transforms", change=_without_blocks),
}


def train(name: str, args: argparse.Namespace) -> None:
    """Train one variant and write what came of it."""
    import torch

    from fdegc.model.fdegcnet import PROFILES
    from fdegc.training.loop import Trainer
    from fdegc.training.run_options import TrainOptions
    from fdegc.training.validation import validate

    torch.set_num_threads(1)
    variant = VARIANTS[name]
    PROFILES["lite"] = replace(PROFILES["lite"], **variant.sizes)
    if variant.patch:
        variant.patch()
    out = args.out / name
    options = {"pretrain": args.pretrain, "minutes": args.minutes, **variant.options}
    trainer = Trainer(TrainOptions(args.train, args.val, out, **options), clock=time.process_time)
    if variant.change:
        variant.change(trainer)
    trainer.train(on_row=lambda row: print(json.dumps(row), flush=True))
    result = {
        "steps": trainer.step,
        "seconds": trainer.seconds,
        "parameters": sum(p.numel() for p in trainer.net.parameters()),
        "averaged": trainer.validate(),
        "last": validate(trainer.net.eval(), args.val, trainer.recipe.rates),
    }
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def run_all(names: list[str], args: argparse.Namespace) -> None:
    """Run what is not there yet, ``--jobs`` at a time, each pinned to a core."""
    waiting = [n for n in names if not (args.out / n / "result.json").exists()]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    free: SimpleQueue[int] = SimpleQueue()
    for core in sorted(os.sched_getaffinity(0))[: args.jobs]:
        free.put(core)

    def run(name: str) -> None:
        core, folder = free.get(), args.out / name
        print(f"{time.strftime('%H:%M')} {name} on core {core}", flush=True)
        # What an interrupted run left may be another optimiser's.
        (folder / "checkpoint.pt").unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "output.txt").open("wb") as log:
            command = ["taskset", "-c", str(core), sys.executable, *sys.argv, "--only", name]
            code = subprocess.run(command, stdout=log, stderr=log, env=environment, check=False).returncode
        if code:
            print(f"{name} failed: see {folder / 'output.txt'}", flush=True)
        free.put(core)

    with ThreadPoolExecutor(free.qsize()) as pool:
        list(pool.map(run, waiting))


def table(names: list[str], out: Path) -> str:
    """Markdown of all that are finished."""
    from fdegc.evaluation.bjontegaard import bd_rate

    found = {
        n: json.loads((out / n / "result.json").read_text())
        for n in names
        if (out / n / "result.json").exists()
    }
    if not found:
        return "nothing is finished"

    def curve(rows: list[dict[str, float]]) -> tuple[list[float], list[float]]:
        return [r["bpp"] for r in rows], [r["psnr"] for r in rows]

    first = next(iter(found.values()))["averaged"]
    lines = ["| variant | steps | Mparams | loss | loss, last weights | rate 1 | rate 4 | rate 6 | BD-rate |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for name, result in found.items():
        rows = result["averaged"]
        points = " | ".join(f"{rows[i]['bpp']:.3f} bpp {rows[i]['psnr']:.2f} dB" for i in (0, 3, 5))
        losses = [float(np.mean([r["loss"] for r in result[k]])) for k in ("averaged", "last")]
        delta = bd_rate(*curve(first), *curve(rows)).value
        text = "–" if delta is None or math.isnan(delta) else f"{delta:+.1f} %"
        lines.append(
            f"| {VARIANTS[name].what} | {result['steps']} | {result['parameters'] / 1e6:.1f} | "
            f"{losses[0]:.3f} | {losses[1]:.3f} | {points} | {text} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", default=list(VARIANTS))
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pretrain", type=Path)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        train(args.only, args)
        return
    unknown = [n for n in args.variants if n not in VARIANTS]
    if unknown:
        parser.error(f"there is no variant {unknown[0]}; choose of: {', '.join(VARIANTS)}")
    run_all(args.variants, args)
    print(table(args.variants, args.out))


if __name__ == "__main__":
    main()
