"""What a training step costs: seconds, operations, pixels a second, and how much of the time a GPU computes.

Usage::

    python benchmarks/training.py [--profile lite | --config FILE] [--device cpu] [--graph both] [--threads 2]
        [--train DIR] [BATCHxCROP ...]

The step is the trainer's own: crops, forward, backward, clipping, optimisers, averages.  With ``--train`` its
crops are real: on a GPU out of the images in its memory, within the step; on the CPU cut beside it, which is
measured by itself (``data``) and not part of the speed, as the loop does it meanwhile.  Without it the crops
are noise.

``operations`` counts what PyTorch is asked to compute in a step, views left out; ``kernels`` what a GPU
launches, and ``busy`` is the share of the time in which it runs one of them, both by the profiler.  On a GPU
each size is measured without and with a graph, and the mean ``loss`` of the same steps says whether they
agree.  All sizes are measured in one run, one after the other, and compared with the first row.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.utils._python_dispatch import TorchDispatchMode

from fdegc.model import odconv
from fdegc.model.fdegcnet import FDEGCNet
from fdegc.model.graphs import WARM_UP, CudaCapture
from fdegc.training.config import read_config
from fdegc.training.data import CropSampler, CropSource, image_paths, sources_of
from fdegc.training.pool import ImagePool, PoolSampler
from fdegc.training.run_options import TrainOptions, make_recipe
from fdegc.training.step import Moment, Step, use_tensor_rates

#: Steps that are timed, on a GPU and on a CPU, and steps before them.
STEPS, CPU_STEPS, FIRST = 50, 6, WARM_UP + 2
#: What computes nothing.
VIEWS = frozenset(
    "_reshape_alias _unsafe_view alias as_strided chunk detach empty empty_like empty_strided expand "
    "is_same_size lift_fresh new_empty new_empty_strided permute reshape select slice split split_with_sizes "
    "squeeze t transpose unbind unflatten unsqueeze view".split()
)


class Counter(TorchDispatchMode):
    """Counts operations below autograd, but for views."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function.overloadpacket.__name__ not in VIEWS
        return function(*args, **(kwargs or {}))


class Noise:
    """Crops of nothing in particular, made once."""

    used, left_out = 1, 0

    def __init__(self, batch: int, crop: int, device: str) -> None:
        self._drawn = torch.rand(batch, 3, crop, crop, device=device)

    def draw(self, size: int) -> torch.Tensor:
        """Choose crops."""
        return self._drawn

    def crops(self, drawn: torch.Tensor) -> torch.Tensor:
        """Make them."""
        return drawn


class Bench:
    """A step of one size, ready to be made again and again."""

    def __init__(self, args: argparse.Namespace, batch: int, crop: int, graph: bool) -> None:
        self.device = args.device
        config = read_config(args.config) if args.config else None
        options = TrainOptions(Path(), Path(), Path(), config, profile=args.profile, batch=batch, crop=crop)
        self.recipe = make_recipe(options, images=10**6)
        self.source = self._source(args.train, batch, crop)
        torch.manual_seed(0)
        net = FDEGCNet.from_profile(self.recipe.profile).to(self.device)
        optimisers = self.recipe.optimisers(net)
        use_tensor_rates(optimisers, self.device)
        ema = copy.deepcopy(net).requires_grad_(False).eval()
        capture = CudaCapture(self.device) if graph else None
        self.step = Step(net, ema, optimisers, self.recipe, args.precision, capture=capture)
        self.rng = np.random.default_rng(0)
        self.done = 0

    def _source(self, folder: Path | None, batch: int, crop: int) -> CropSource:
        if folder is None:
            return Noise(batch, crop, self.device)
        paths, augment, colours = image_paths(folder), self.recipe.augment, self.recipe.colours
        names = sources_of(paths, folder) if self.recipe.by_source else None
        if self.device == "cpu":
            return CropSampler(paths, crop, 0, (), augment, names, colours)
        start = time.perf_counter()
        pool = ImagePool(paths, crop, augment=augment, device=self.device)
        print(f"{pool.note}; loaded in {time.perf_counter() - start:.1f} s")
        return PoolSampler(pool, crop, 0, augment, names, colours)

    def run(self, steps: int, drawn: torch.Tensor | None = None) -> float:
        """Make steps; seconds of one, without waiting for the device in between."""
        self.synchronise()
        start = time.perf_counter()
        for _ in range(steps):
            crops = self.source.draw(self.recipe.batch) if drawn is None else drawn
            quality = self.recipe.qualities(self.rng)
            self.step(crops, quality, Moment(self.done, 0.1), self.source.crops)
            self.done += 1
        self.synchronise()
        return (time.perf_counter() - start) / steps

    def synchronise(self) -> None:
        """Wait until the device has done all."""
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def kernels(self) -> tuple[int, float]:
        """Kernels and copies of a step on the device, and the share of the time that they take."""
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profiler:
            self.run(3)
        spans = sorted(
            (event.time_range.start, event.time_range.end)
            for event in profiler.events()
            if event.device_type == DeviceType.CUDA
        )
        if not spans:  # a machine whose driver lets nobody look
            return 0, float("nan")
        busy, end = 0.0, spans[0][0]
        for first, last in spans:
            busy += max(0.0, last - max(first, end))
            end = max(end, last)
        return round(len(spans) / 3), busy / (end - spans[0][0])


def measure(args: argparse.Namespace, size: str, graph: bool) -> tuple[list[str], float]:
    """Columns of a row, and its speed in Mpx/s."""
    batch, crop = (int(part) for part in size.split("x"))
    bench = Bench(args, batch, crop, graph)
    cpu = args.device == "cpu"
    cutting, drawn = "–", None
    if cpu and args.train:
        sampler = bench.source
        assert isinstance(sampler, CropSampler)
        sampler.batch(3 * sampler.used)  # most images are read by then
        start = time.perf_counter()
        for _ in range(CPU_STEPS):
            drawn = sampler.draw(batch)
        cutting = f"{(time.perf_counter() - start) / CPU_STEPS:.3f}"
    bench.run(2 if cpu else FIRST, drawn)  # the first ones allocate and choose kernels
    seconds = bench.run(CPU_STEPS if cpu else STEPS, drawn)
    sums = bench.step.take_sums(lambda sums: sums)
    launches, busy = (
        ("–", "not applicable") if cpu else (f"{(found := bench.kernels())[0]}", f"{found[1]:.0%}")
    )
    with Counter() as counter:
        bench.step.compute()
    if graph and not bench.step.captured:
        print(f"{size}: not captured: {bench.step.take_failure()}")
    speed = batch * crop**2 / 1e6 / seconds
    row = [size, "yes" if graph else "no", cutting, f"{seconds:.4f}", str(counter.count), launches, busy]
    return [*row, f"{sums[0] / max(sums[3], 1):.4f}", f"{speed:.3f}"], speed


def main() -> None:
    """Print a row a size, or two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sizes", nargs="*", metavar="BATCHxCROP")
    parser.add_argument("--profile", default="lite")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the research recipe instead")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--graph", choices=("both", "on", "off"), default="both", help="on a GPU")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument(
        "--dynamic",
        choices=("auto", "columns", "grouped"),
        default="auto",
        help="how dynamic 3×3 kernels are applied",
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--train", type=Path, metavar="DIR", help="images to cut crops of")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    odconv.BY_COLUMNS = None if args.dynamic == "auto" else args.dynamic == "columns"
    cpu = args.device == "cpu"
    name = f"{args.threads} threads" if cpu else torch.cuda.get_device_name(args.device)
    print(f"{args.config or f'profile {args.profile}'}, {name}, torch {torch.__version__}")
    columns = [
        "crops",
        "graph",
        "data s",
        "step s",
        "operations",
        "kernels",
        "busy",
        "loss",
        "Mpx/s",
        "ratio",
    ]
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    graphs = [False] if cpu else {"both": [False, True], "on": [True], "off": [False]}[args.graph]
    first = None
    for size in args.sizes or (["8x128", "32x128", "8x256"] if cpu else ["8x256", "32x256", "8x512"]):
        for graph in graphs:
            row, speed = measure(args, size, graph)
            first = first or speed
            print("| " + " | ".join([*row, f"×{speed / first:.2f}"]) + " |", flush=True)


if __name__ == "__main__":
    main()
