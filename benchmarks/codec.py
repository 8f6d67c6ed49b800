"""How fast the codec is, stage by stage, and against compressai's autoregressive codecs, in one run.

    python benchmarks/codec.py IMAGE [--side 2048] [--quality 4] [--threads 2]

Codes and decodes the upper left SIDE × SIDE pixels of an image (a file is written and read), best of
--repeats, and prints megapixels a second, seconds per megapixel of every stage, the share of this
machine's measured matrix-product peak that the network reaches, and the ratio to ``compress()`` and
``decompress()`` of compressai's ``mbt2018`` and ``cheng2020_anchor`` with random weights (speed does not
depend on them) on a crop of the same image with the same threads, scaled by area.
"""

from __future__ import annotations

import argparse
import functools
import platform
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from fdegc.codec import Codec
from fdegc.coding import mixture, unit, wavefront
from fdegc.inference import Features, Network
from fdegc.raster import ArraySource, open_raster
from fdegc.types import EncodeOptions, Window

#: What is timed: owner, attribute, name of the stage.
STAGES: list[tuple[Any, str, str]] = [
    (Network, "analyse", "g_a"),
    (Network, "synthesise", "g_s"),
    (Network, "hyper_analyse", "h_a"),
    (Features, "__call__", "h_s (φ, float64)"),
    (wavefront, "_gather", "gather contexts"),
    (wavefront, "_activate", "activations"),
    (mixture, "encode", "mixture and range coder"),
    (mixture, "decode", "mixture and range coder"),
    (torch, "mm", "context and parameter products"),
    (wavefront.ParameterNetwork, "base", "context and parameter products"),
    (unit, "digest", "hashes"),
]


class Stopwatch:
    """Adds up the seconds of wrapped functions by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def wrap(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """Return a function that does the same and is timed."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[stage] += time.perf_counter() - start

        return timed


def best(work: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of several runs, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def matrix_peak(dtype: torch.dtype, size: int = 2048) -> float:
    """Operations a second of a large matrix product."""
    a, b = torch.rand(size, size).to(dtype), torch.rand(size, size).to(dtype)
    return 2 * size**3 / best(lambda: torch.mm(a, b), 3)


def network_operations(network: Network) -> dict[str, float]:
    """Operations per pixel of g_a and g_s."""
    out = {}
    for name, run in (
        ("g_a", lambda: network.net.g_a(torch.rand(1, 3, 512, 512))),
        ("g_s", lambda: network.net.g_s(torch.rand(1, network.latent, 32, 32))),
    ):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        out[name] = counter.get_total_flops() / 512**2
    return out


def measure(
    codec: Codec, pixels: np.ndarray, quality: float, repeats: int
) -> dict[str, tuple[float, dict[str, float]]]:
    """Seconds in all and by stage, of coding and of decoding; the fastest of several runs each."""
    out: dict[str, tuple[float, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fdegc"
        options = EncodeOptions(quality)
        for name, work in (
            ("encode", lambda: codec.encode(ArraySource(pixels), path, options, overwrite=True)),
            ("decode", lambda: codec.decode(path)),
        ):
            work()
            for _ in range(repeats):
                watch = Stopwatch()
                originals = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in STAGES]
                for owner, attribute, stage in STAGES:
                    setattr(owner, attribute, watch.wrap(getattr(owner, attribute), stage))
                start = time.perf_counter()
                work()
                seconds = time.perf_counter() - start
                for owner, attribute, original in originals:
                    setattr(owner, attribute, original)
                if name not in out or seconds < out[name][0]:
                    out[name] = (seconds, dict(watch.seconds))
    return out


def peers(pixels: np.ndarray, side: int) -> dict[str, tuple[float, float]]:
    """Seconds per megapixel of compress() and decompress() of compressai's autoregressive codecs."""
    from compressai.zoo import cheng2020_anchor, mbt2018

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


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", type=Path)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--quality", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-side", type=int, default=512, help="side of the crop for compressai's codecs")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    with open_raster(args.image) as source:
        window = Window(0, 0, min(args.side, source.info.width), min(args.side, source.info.height))
        pixels = source.read(window).pixels[:3]
    megapixels = window.pixels / 1e6
    codec = Codec(device="cpu", threads=args.threads)
    results = measure(codec, pixels, args.quality, args.repeats)
    print(
        f"{args.image.name}, {window.width}×{window.height}, quality {args.quality:g}, "
        f"{args.threads} threads, torch {torch.__version__}, {platform.machine()}\n"
    )

    peaks = {
        str(d).removeprefix("torch."): matrix_peak(d) for d in (torch.bfloat16, torch.float32, torch.float64)
    }
    print("matrix-product peak: " + ", ".join(f"{n} {p / 1e9:.0f} GFLOP/s" for n, p in peaks.items()) + "\n")
    operations = network_operations(codec._default)
    for name, (seconds, stages) in results.items():
        transform = "g_a" if name == "encode" else "g_s"
        rest = (seconds - stages[transform]) / megapixels
        print(f"{name}: {megapixels / seconds:.2f} Mpx/s; everything but {transform} {rest:.2f} s/Mpx")
        print("| stage | s/Mpx | share |\n|---|---|---|")
        for stage, value in sorted(stages.items(), key=lambda item: -item[1]):
            print(f"| {stage} | {value / megapixels:.3f} | {value / seconds:.0%} |")
        other = seconds - sum(stages.values())
        print(f"| everything else | {other / megapixels:.3f} | {other / seconds:.0%} |")
        rate = operations[transform] * window.pixels / stages[transform]
        print(
            f"{transform}: {operations[transform] / 1e3:.0f} kFLOP a pixel, {rate / 1e9:.0f} GFLOP/s without "
            f"the halo: {rate / peaks['bfloat16']:.0%} of the bfloat16 peak, "
            f"{rate / peaks['float32']:.0%} of float32's\n"
        )

    print("| codec | encode s/Mpx | decode s/Mpx | ours is faster: encode | decode |\n|---|---|---|---|---|")
    ours = [results[name][0] / megapixels for name in ("encode", "decode")]
    print(f"| FDEGC lite | {ours[0]:.2f} | {ours[1]:.2f} | | |")
    for name, (encode, decode) in peers(pixels, args.peer_side).items():
        print(
            f"| {name} | {encode:.2f} | {decode:.2f} | × {encode / ours[0]:.1f} | × {decode / ours[1]:.1f} |"
        )


if __name__ == "__main__":
    main()
