"""What a training step costs: data, forward, backward, optimiser, and pixels a second.

Usage::

    python benchmarks/training.py [--profile lite] [--threads 2] [--train DIR] [BATCHxCROP ...]

The steps get random crops.  Cutting real ones out of the images of ``--train`` is measured by itself, once
all are in memory, and is not part of the speed: the loop does it beside the step.  All sizes are measured in
one run, one after the other, and compared with the first.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from fdegc.model.fdegcnet import FDEGCNet
from fdegc.training.data import CropSampler, find_images
from fdegc.training.loop import SHRINK_ONLY
from fdegc.training.options import TrainOptions, make_recipe
from fdegc.training.validation import mixed_precision, rate_distortion

STEPS = 6


def cutting(folder: Path, batch: int, crop: int) -> float:
    """Mean seconds of cutting the crops of a step."""
    sampler = CropSampler(find_images(folder), crop, 0, shrink_only=SHRINK_ONLY)
    sampler.batch(3 * len(sampler.paths))  # most images are read by then
    start = time.perf_counter()
    for _ in range(STEPS):
        sampler.batch(batch)
    return (time.perf_counter() - start) / STEPS


def measure(profile: str, batch: int, crop: int) -> np.ndarray:
    """Mean seconds of forward, backward and optimiser of a step."""
    options = TrainOptions(Path(), Path(), Path(), profile=profile, batch=batch, crop=crop)
    recipe = make_recipe(options, images=0)
    torch.manual_seed(0)
    net = FDEGCNet.from_profile(recipe.profile).train()
    optimisers = recipe.optimisers(net)
    x, quality = torch.rand(batch, 3, crop, crop), recipe.qualities(np.random.default_rng(0))
    seconds = np.zeros(3)
    for step in range(STEPS + 2):  # the first ones allocate and choose kernels
        times = [time.perf_counter()]
        with mixed_precision("cpu", "auto"):
            out = net(x, quality)
        loss, _, _ = rate_distortion(out, x, recipe.lambdas(quality))
        times.append(time.perf_counter())
        for optimiser in optimisers.values():
            optimiser.zero_grad()
        recipe.objective(loss, recipe.lambdas(quality)).backward()
        times.append(time.perf_counter())
        for optimiser in optimisers.values():
            optimiser.step()
        times.append(time.perf_counter())
        if step >= 2:
            seconds += np.diff(times)
    return seconds / STEPS


def main() -> None:
    """Print a row a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sizes", nargs="*", metavar="BATCHxCROP", default=["8x128", "32x128", "8x256"])
    parser.add_argument("--profile", default="lite")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--train", type=Path, metavar="DIR", help="images to cut crops of")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"profile {args.profile}, {args.threads} threads")
    print("| crops | data s | forward s | backward s | optimiser s | Mpx/s | ratio |")
    print("|---|---|---|---|---|---|---|")
    first = None
    for size in args.sizes:
        batch, crop = (int(part) for part in size.split("x"))
        seconds = measure(args.profile, batch, crop)
        speed = batch * crop**2 / 1e6 / seconds.sum()
        first = first or speed
        data = f"{cutting(args.train, batch, crop):.3f}" if args.train else "–"
        columns = [
            size,
            data,
            *(f"{value:.3f}" for value in seconds),
            f"{speed:.3f}",
            f"×{speed / first:.2f}",
        ]
        print("| " + " | ".join(columns) + " |")


if __name__ == "__main__":
    main()
