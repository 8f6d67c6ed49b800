"""How fast the codec is: stage by stage, with other programs running, with more workers, and against others.

    python benchmarks/codec.py IMAGE [--side 2048] [--quality 4] [--threads 2] [--device cpu]
    python benchmarks/codec.py IMAGE --load
    python benchmarks/codec.py IMAGE --scaling

The first form codes and decodes the upper left SIDE × SIDE pixels of an image (a file is written and read),
best of --repeats, and prints megapixels a second, seconds per megapixel of every stage (of the threads that
did it), the share of this machine's measured matrix-product peak that the network reaches, and the ratio to
``compress()`` and ``decompress()`` of compressai's ``mbt2018`` and ``cheng2020_anchor`` with random weights
(speed does not depend on them) on a crop of the same image with as many threads, scaled by area.

The second one does the same work by turns alone and beside as many busy processes as there are cores, and
prints how many times as long it takes; one that has half of every core takes twice as long at best.

The third one prints what each further worker brings.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from fdegc.codec import Codec
from fdegc.codec.network import HyperFeatures, Network
from fdegc.coding import mixture, unit, wavefront
from fdegc.memory import usable_cores
from fdegc.options import EncodeOptions
from fdegc.process import keep_memory
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import Window

#: What is timed: owner, attribute, name of the stage.
STAGES: list[tuple[Any, str, str]] = [
    (Network, "_analyse", "g_a"),
    (Network, "_synthesise", "g_s"),
    (Network, "_hyper_analyse", "h_a"),
    (HyperFeatures, "_compute", "h_s (φ, float64)"),
    (wavefront, "_sum_contexts", "context products"),
    (wavefront, "gather", "gathering contexts"),
    (wavefront, "_activate", "activations"),
    (mixture, "encode", "mixture and range coder"),
    (mixture, "decode", "mixture and range coder"),
    (wavefront, "_multiply", "parameter products"),
    (torch, "mm", "parameter products"),
    (torch, "addmm", "parameter products"),
    (unit, "digest", "hashes"),
]
BUSY = "while True: pass"


@dataclass
class Seconds:
    """Of one piece of work: on the wall, of all threads, and of these by stage."""

    wall: float
    cpu: float
    stages: dict[str, float] = field(default_factory=dict)


class Stopwatch:
    """Adds up, by stage, the processor time of the threads that call wrapped functions."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def wrap(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """Return a function that does the same and is timed."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                with self._lock:
                    self.seconds[stage] += time.thread_time() - start

        return timed

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Wrap all stages for a while."""
        originals = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in STAGES]
        for owner, attribute, stage in STAGES:
            setattr(owner, attribute, self.wrap(getattr(owner, attribute), stage))
        try:
            yield
        finally:
            for owner, attribute, original in originals:
                setattr(owner, attribute, original)


def once(work: Callable[[], Any]) -> Seconds:
    """Seconds of one call."""
    watch = Stopwatch()
    with watch.watching():
        start, cpu = time.perf_counter(), time.process_time()
        work()
        return Seconds(time.perf_counter() - start, time.process_time() - cpu, dict(watch.seconds))


def best(work: Callable[[], Any], repeats: int) -> Seconds:
    """Seconds of the fastest of several calls, after one that does not count."""
    work()
    return min((once(work) for _ in range(repeats)), key=lambda seconds: seconds.wall)


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep some processes busy."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def tasks(
    codec: Codec, pixels: np.ndarray, quality: float, *, check: bool
) -> Iterator[dict[str, Callable[[], Any]]]:
    """Coding into a file, and decoding it."""
    with tempfile.TemporaryDirectory() as folder:
        path, options = Path(folder) / "a.fdegc", EncodeOptions(quality, check=check)
        yield {
            "encode": lambda: codec.encode(ArraySource(pixels), path, options, overwrite=True),
            "decode": lambda: codec.decode(path),
        }


def matrix_peak(dtype: torch.dtype, size: int = 2048) -> float:
    """Operations a second of a large matrix product."""
    a, b = torch.rand(size, size).to(dtype), torch.rand(size, size).to(dtype)
    return 2 * size**3 / best(lambda: torch.mm(a, b), 3).wall


def network_operations(network: Network) -> dict[str, float]:
    """Operations per pixel of g_a and g_s."""
    out = {}
    device = network.device
    for name, run in (
        ("g_a", lambda: network.net.g_a(torch.rand(1, 3, 512, 512, device=device))),
        ("g_s", lambda: network.net.g_s(torch.rand(1, network.latent, 32, 32, device=device))),
    ):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        out[name] = counter.get_total_flops() / 512**2
    return out


def peers(pixels: np.ndarray, side: int, threads: int) -> dict[str, tuple[float, float]]:
    """Seconds per megapixel of compress() and decompress() of compressai's autoregressive codecs."""
    from compressai.zoo import cheng2020_anchor, mbt2018

    torch.set_num_threads(threads)
    x = torch.from_numpy(pixels[None, :, :side, :side].astype(np.float32) / 255)
    megapixels = x.shape[2] * x.shape[3] / 1e6
    out = {}
    for name, make in (("mbt2018", mbt2018), ("cheng2020_anchor", cheng2020_anchor)):
        net = make(quality=4, pretrained=False).eval()
        net.update()
        with torch.no_grad():
            start = time.perf_counter()
            coded = net.compress(x)
            middle = time.perf_counter()
            net.decompress(coded["strings"], coded["shape"])
            end = time.perf_counter()
        out[name] = ((middle - start) / megapixels, (end - middle) / megapixels)
    return out


def print_stages(codec: Codec, pixels: np.ndarray, args: argparse.Namespace) -> dict[str, float]:
    """Print a table for each direction; returns seconds per megapixel on the wall."""
    size = pixels.shape[1] * pixels.shape[2]
    torch.set_num_threads(1)
    peaks = {
        str(d).removeprefix("torch."): matrix_peak(d) for d in (torch.bfloat16, torch.float32, torch.float64)
    }
    print(
        "matrix-product peak of one thread: "
        + ", ".join(f"{n} {p / 1e9:.0f} GFLOP/s" for n, p in peaks.items())
        + "\n"
    )
    operations = network_operations(codec._default)
    walls = {}
    with tasks(codec, pixels, args.quality, check=args.check) as work:
        for name, run in work.items():
            seconds = best(run, args.repeats)
            walls[name] = seconds.wall / size * 1e6
            transform = "g_a" if name == "encode" else "g_s"
            print(
                f"{name}: {size / 1e6 / seconds.wall:.2f} Mpx/s; "
                f"{seconds.cpu / size * 1e6:.2f} s of processor time per megapixel"
            )
            print("| stage | s/Mpx | share |\n|---|---|---|")
            for stage, value in sorted(seconds.stages.items(), key=lambda item: -item[1]):
                print(f"| {stage} | {value / size * 1e6:.3f} | {value / seconds.cpu:.0%} |")
            other = seconds.cpu - sum(seconds.stages.values())
            print(f"| everything else | {other / size * 1e6:.3f} | {other / seconds.cpu:.0%} |")
            rate = operations[transform] * size / seconds.stages[transform]
            print(
                f"{transform}: {operations[transform] / 1e3:.0f} kFLOP a pixel, {rate / 1e9:.0f} GFLOP/s a "
                f"thread without the halo: {rate / peaks['bfloat16']:.0%} of one thread's bfloat16 peak, "
                f"{rate / peaks['float32']:.0%} of its float32 peak\n"
            )
    return walls


def print_peers(walls: dict[str, float], pixels: np.ndarray, args: argparse.Namespace) -> None:
    """Print the table of compressai's codecs."""
    print("| codec | encode s/Mpx | decode s/Mpx | ours is faster: encode | decode |\n|---|---|---|---|---|")
    print(f"| FDEGC lite | {walls['encode']:.2f} | {walls['decode']:.2f} | | |")
    for name, (encode, decode) in peers(pixels, args.peer_side, args.threads).items():
        print(
            f"| {name} | {encode:.2f} | {decode:.2f} | × {encode / walls['encode']:.1f} "
            f"| × {decode / walls['decode']:.1f} |"
        )


def print_load(codec: Codec, pixels: np.ndarray, args: argparse.Namespace) -> None:
    """Print the table of work beside busy processes; medians of runs by turns."""
    megapixels = pixels.shape[1] * pixels.shape[2] / 1e6
    print(
        "| | alone s | Mpx/s | beside busy processes s | Mpx/s | times as long |\n|---|---|---|---|---|---|"
    )
    with tasks(codec, pixels, args.quality, check=args.check) as work:
        for name, run in work.items():
            run()
            alone, beside = [], []
            for _ in range(args.repeats):
                alone.append(once(run).wall)
                with busy_processes(usable_cores()):
                    beside.append(once(run).wall)
            idle, busy = statistics.median(alone), statistics.median(beside)
            print(
                f"| {name} | {idle:.2f} | {megapixels / idle:.2f} | {busy:.2f} | {megapixels / busy:.2f} "
                f"| {busy / idle:.2f} |"
            )


def print_scaling(pixels: np.ndarray, args: argparse.Namespace) -> None:
    """Print the table of workers."""
    megapixels = pixels.shape[1] * pixels.shape[2] / 1e6
    print("| workers | encode Mpx/s | as one | decode Mpx/s | as one |\n|---|---|---|---|---|")
    counts = [count for count in (1, 2, 4, 8, 16, 32, 64) if count <= usable_cores()]
    first: dict[str, float] = {}
    for count in counts:
        row = f"| {count} "
        with tasks(Codec(device=args.device, threads=count), pixels, args.quality, check=args.check) as work:
            for name, run in work.items():
                seconds = best(run, args.repeats).wall
                first.setdefault(name, seconds)
                row += f"| {megapixels / seconds:.2f} | × {first[name] / seconds:.2f} "
        print(row + "|")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", type=Path)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--quality", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--check", action="store_true", help="with the check of every tile, which compress does by default"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-side", type=int, default=512, help="side of the crop for compressai's codecs")
    parser.add_argument("--load", action="store_true", help="alone and beside busy processes")
    parser.add_argument("--scaling", action="store_true", help="with 1, 2, 4 … workers")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    keep_memory()  # as our programs do
    with open_raster(args.image) as source:
        window = Window(0, 0, min(args.side, source.info.width), min(args.side, source.info.height))
        pixels = source.read(window).pixels[:3]
    print(
        f"{args.image.name}, {window.width}×{window.height}, quality {args.quality:g}, "
        f"{args.threads} threads, torch {torch.__version__}, {platform.machine()}\n"
    )
    if args.scaling:
        print_scaling(pixels, args)
        return
    codec = Codec(device=args.device, threads=args.threads)
    if args.load:
        print_load(codec, pixels, args)
        return
    print_peers(print_stages(codec, pixels, args), pixels, args)


if __name__ == "__main__":
    main()
