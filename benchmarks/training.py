"""What a training step costs: forward, backward, optimiser, and pixels a second.

Usage::

    python benchmarks/training.py [--profile lite] [--threads 2] [BATCHxCROP ...]

Random crops, so that reading images is left out; the loop does that beside the step.  All sizes are
measured in one run, one after the other, and compared with the first.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from fdegc.model.fdegcnet import FDEGCNet
from fdegc.training.recipes import ProfileRecipe, known_profile
from fdegc.training.validation import mixed_precision, rate_distortion

STEPS = 6


def measure(profile: str, batch: int, crop: int) -> np.ndarray:
    """Mean seconds of forward, backward and optimiser of a step."""
    recipe = ProfileRecipe(known_profile(profile), batch, crop)
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
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"profile {args.profile}, {args.threads} threads")
    print("| crops | forward s | backward s | optimiser s | Mpx/s | ratio |\n|---|---|---|---|---|---|")
    first = None
    for size in args.sizes:
        batch, crop = (int(part) for part in size.split("x"))
        seconds = measure(args.profile, batch, crop)
        speed = batch * crop**2 / 1e6 / seconds.sum()
        first = first or speed
        columns = [size, *(f"{value:.3f}" for value in seconds), f"{speed:.3f}", f"×{speed / first:.2f}"]
        print("| " + " | ".join(columns) + " |")


if __name__ == "__main__":
    main()
