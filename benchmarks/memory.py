"""Whether memory stays bounded: peak RSS of coding and decoding large scenes, and of single tiles.

    python benchmarks/memory.py FOLDER [--megapixels 50 400] [--kinds mask nodata uint16] [--every 25]
    python benchmarks/memory.py FOLDER --tiles [--tile-sizes 256 512 1024 2048] [--float32]

The first form writes synthetic square GeoTIFFs (tiled, deflate) into FOLDER, compresses and decompresses
each, and prints a table.  The network, the entropy coder and the look for better ways do real work on every
EVERY-th tile and otherwise hand out a copy of their last result of the same shape; reading, mapping, mask,
container and writing are never thinned.  Exits with 1 if a peak exceeds --limit-mb, or 1.2 times that of the
smallest scene of its kind.

The second form compares the peak of real coding, of scenes of 2 × 2 tiles, with what ``quick_estimate``
says; exits with 1 if the estimate is below it or more than 1.5 times as much.

Every figure comes from a process of its own.  Files are deleted afterwards; FOLDER needs about six bytes
a pixel of the largest scene.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_RATIO = 1.2
#: How far an estimate may lie above the peak.
MAX_EXCESS = 1.5
PATCH = 2048

# Nothing heavy is imported here: where memory of a parent counts for its children, it must be little.


class Thinned:
    """Runs a function on every n-th call and otherwise repeats its last result of the same key."""

    def __init__(self, work: Callable[..., Any], every: int, key: Callable[..., Any]) -> None:
        self.work, self.every, self.key = work, every, key
        self.calls = 0
        self.results: dict[Any, Any] = {}

    def __get__(self, owner: Any, kind: type) -> Callable[..., Any]:
        """Be a method."""
        return lambda *args, **kwargs: self.call(owner, *args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Return a result of its own, as the real function would."""
        key = self.key(*args[1:])
        real = self.calls % self.every == 0 or key not in self.results
        self.calls += 1
        if real:
            self.results[key] = self.work(*args, **kwargs)
        result = self.results[key]
        if isinstance(result, list):
            return [part.copy() if hasattr(part, "copy") else part for part in result]
        return result.copy() if hasattr(result, "copy") else result


def thin_out(every: int) -> None:
    """Replace the expensive stages of this process."""
    from fdegc.codec.judging import Judge
    from fdegc.codec.network import Network
    from fdegc.coding.unit import UnitCoder

    for name in ("analyse", "hyper_analyse", "synthesise"):
        by_shapes = Thinned(getattr(Network, name), every, lambda xs, *_: tuple(x.shape for x in xs))
        setattr(Network, name, by_shapes)
    thinned_encode: Any = Thinned(UnitCoder.encode, every, lambda y, *_: y.shape)
    UnitCoder.encode = thinned_encode  # type: ignore[method-assign]
    thinned_decode: Any = Thinned(UnitCoder.decode, every, lambda units, shapes, *_: tuple(shapes))
    UnitCoder.decode = thinned_decode  # type: ignore[method-assign]
    thinned_look: Any = Thinned(Judge.better, every, lambda samples, *_: samples.pixels.shape)
    Judge.better = thinned_look  # type: ignore[method-assign]


def make_scene(path: Path, side: int, kind: str, tile: int = 512) -> None:
    """Write a scene of smooth noise, part of it invalid in ragged patches."""
    import numpy as np
    import rasterio
    from PIL import Image
    from rasterio.windows import Window

    rng = np.random.default_rng(1)
    patch = np.zeros((PATCH, PATCH))
    for octave in range(3, 11):
        coarse = Image.fromarray(rng.normal(size=(PATCH >> octave, PATCH >> octave)).astype(np.float32))
        patch += np.asarray(coarse.resize((PATCH, PATCH), Image.Resampling.BICUBIC)) * 2.0 ** (octave / 2)
    patch = (patch - patch.min()) / np.ptp(patch)
    dtype, peak = ("uint16", 9000) if kind == "uint16" else ("uint8", 254)
    bands = np.stack([(patch * peak * share + 1).astype(dtype) for share in (1.0, 0.8, 0.6)])
    valid = patch + rng.normal(0, 0.01, patch.shape) > 0.35
    options: dict[str, Any] = {"nodata": 0} if kind == "nodata" else {}
    block = min(tile, 512)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_CACHEMAX=256 << 20),
        rasterio.open(
            path, "w", driver="GTiff", width=side, height=side, count=3, dtype=dtype, compress="deflate",
            zlevel=1, predictor=2, interleave="pixel", tiled=True, blockxsize=block, blockysize=block,
            photometric="rgb", bigtiff="if_safer", crs="EPSG:32633",
            transform=rasterio.Affine(0.5, 0, 400000, 0, -0.5, 5000000), **options,
        ) as out,
    ):  # fmt: skip
        for y in range(0, side, PATCH):
            for x in range(0, side, PATCH):
                height, width = min(PATCH, side - y), min(PATCH, side - x)
                window = Window(x, y, width, height)
                pixels, seen = bands[:, :height, :width], valid[:height, :width]
                if kind == "nodata":
                    pixels = np.where(seen, pixels, 0)
                out.write(pixels, window=window)
                if kind == "mask":
                    out.write_mask(seen.astype(np.uint8) * 255, window=window)


def peak_bytes() -> int:
    """Highest resident size of this process so far."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def job_for(
    folder: Path,
    *,
    side: int,
    kind: str = "mask",
    tile: int = 512,
    every: int = 1,
    threads: int = 1,
    float32: bool = False,
) -> dict[str, Any]:
    """Describe a measurement but for its stage."""
    return {
        "tif": str(folder / "scene.tif"),
        "stream": str(folder / "scene.fdegc"),
        "back": str(folder / "back.tif"),
        "side": side,
        "kind": kind,
        "tile": tile,
        "every": every,
        "threads": threads,
        "float32": float32,
    }


def clean_up(job: dict[str, Any]) -> None:
    """Delete the files of a measurement."""
    for name in ("tif", "stream", "back"):
        Path(job[name]).unlink(missing_ok=True)


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Do one measurement in this process."""
    if job["stage"] == "scene":
        make_scene(Path(job["tif"]), job["side"], job["kind"], job["tile"])
        return {}
    import psutil
    import torch

    import fdegc.codec.devices
    from fdegc.codec import Codec
    from fdegc.format.info import read_info
    from fdegc.options import EncodeOptions
    from fdegc.raster import open_raster, open_sink
    from fdegc.types import Progress
    from fdegc.weights import quick_estimate

    torch.set_num_threads(job["threads"])
    if job["float32"]:
        fdegc.codec.devices.quick_bfloat16 = lambda: False
    thin_out(job["every"])
    process = psutil.Process()
    samples: list[tuple[float, int]] = []

    def sample(progress: Progress) -> None:
        samples.append((progress.fraction, process.memory_info().rss))

    codec = Codec(device="cpu", threads=job["threads"])
    idle = process.memory_info().rss
    start = time.perf_counter()
    stream, options = Path(job["stream"]), EncodeOptions(tile_size=job["tile"])
    if job["stage"] != "decode":
        with open_raster(job["tif"]) as source:
            preview = job["stage"] == "encode with preview"
            codec.encode(source, stream, options, reconstruct=preview, on_progress=sample, overwrite=True)
    info = read_info(stream).raster
    if job["stage"] in ("decode", "round trip"):
        with open_sink(job["back"], info, overwrite=True) as sink:
            codec.decode(stream, sink, on_progress=sample)
    return {
        "seconds": time.perf_counter() - start,
        "peak": peak_bytes(),
        "idle": idle,
        "estimate": quick_estimate(
            info, options.quality, options.tile_size, workers=job["threads"]
        ).memory_bytes,
        "samples": samples,
    }


def in_process(job: dict[str, Any]) -> dict[str, Any]:
    """Do one measurement in a new process."""
    root = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {
        "OMP_NUM_THREADS": str(job["threads"]),
        "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
    }
    run = subprocess.run(
        [sys.executable, __file__, "--job", json.dumps(job)],
        stdout=subprocess.PIPE,
        env=environment,
        check=True,
    )
    result: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return result


def growth(samples: list[tuple[float, int]], megapixels: float) -> float:
    """Bytes by which RSS grows per 100 Mpx, as a least-squares line through all but the first fifth."""
    late = [(fraction * megapixels / 100, rss) for fraction, rss in samples if fraction > 0.2]
    if len(late) < 2:
        return 0.0
    x_mean, y_mean = (sum(values) / len(late) for values in zip(*late, strict=True))
    spread = sum((x - x_mean) ** 2 for x, _ in late)
    return sum((x - x_mean) * (y - y_mean) for x, y in late) / spread if spread else 0.0


def large_scenes(args: argparse.Namespace, folder: Path) -> bool:
    """Print the table of large scenes; returns whether the limits hold."""
    print(
        "| scene | Mpx | stage | thinning | seconds | peak RSS MB | growth MB / 100 Mpx "
        "| ratio to smallest | estimate MB |\n|---|---|---|---|---|---|---|---|---|"
    )
    good = True
    for kind in args.kinds:
        first: dict[str, int] = {}
        for megapixels in sorted(args.megapixels):
            side = round((megapixels * 1e6) ** 0.5)
            job = job_for(
                folder,
                side=side,
                kind=kind,
                tile=args.tile_size,
                every=args.every,
                threads=args.threads,
                float32=args.float32,
            )
            in_process(job | {"stage": "scene"})
            for stage in args.stages:
                result = in_process(job | {"stage": stage})
                peak = result["peak"]
                ratio = peak / first.setdefault(stage, peak)
                good &= ratio <= MAX_RATIO and peak <= args.limit_mb * 1e6
                print(
                    f"| {kind} | {megapixels:g} | {stage} | 1/{args.every} | {result['seconds']:.0f} "
                    f"| {peak / 1e6:.0f} | {growth(result['samples'], megapixels) / 1e6:+.1f} | {ratio:.2f} "
                    f"| {result['estimate'] / 1e6:.0f} |",
                    flush=True,
                )
            clean_up(job)
    return good


def single_tiles(args: argparse.Namespace, folder: Path) -> bool:
    """Print the table of tile sizes; returns whether the estimates hold."""
    print(
        "| tile | stage | seconds | peak RSS MB | idle RSS MB | estimate MB | estimate / peak |\n"
        "|---|---|---|---|---|---|---|"
    )
    good = True
    for tile in args.tile_sizes:
        job = job_for(
            folder,
            side=2 * tile,
            kind=args.kinds[0],
            tile=tile,
            threads=args.threads,
            float32=args.float32,
        )
        in_process(job | {"stage": "scene"})
        highest, estimate = 0.0, 0.0
        for stage in args.stages:
            result = in_process(job | {"stage": stage})
            highest, estimate = max(highest, result["peak"]), result["estimate"]
            print(
                f"| {tile} | {stage} | {result['seconds']:.0f} | {result['peak'] / 1e6:.0f} "
                f"| {result['idle'] / 1e6:.0f} | {estimate / 1e6:.0f} | {estimate / result['peak']:.2f} |",
                flush=True,
            )
        good &= highest <= estimate <= MAX_EXCESS * highest
        clean_up(job)
    return good


def main() -> int:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="where there is room for the scenes")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[50, 400])
    parser.add_argument(
        "--kinds", nargs="+", default=["mask", "uint16"], choices=["mask", "nodata", "uint16"]
    )
    parser.add_argument("--every", type=int, default=25, help="tiles a real one")
    parser.add_argument("--tile-size", type=int, default=512)
    parser.add_argument("--limit-mb", type=float, default=2500)
    parser.add_argument("--stages", nargs="+", default=["encode", "encode with preview", "decode"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--float32", action="store_true", help="as on a CPU without bfloat16")
    parser.add_argument("--tiles", action="store_true", help="peaks of single tiles against the estimate")
    parser.add_argument("--tile-sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--job", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job is not None:
        print(json.dumps(work(args.job)))
        return 0
    if args.folder is None:
        parser.error("FOLDER is missing")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        good = (single_tiles if args.tiles else large_scenes)(args, Path(folder))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
