"""Everything that only a GPU can tell, in one command: exactness, speed, the app's jobs, the trainer.

    python benchmarks/gpu.py IMAGE [--device cuda] [--side 10000] [--parts exact speed effort app trainer]

exact    files of a CPU and a GPU encoder, at all six rates, with and without TF32 and cuDNN's benchmark mode
         switched on: both decode to the same latents on both, digest for digest, and to pixels that differ by
         one level at most.  Exits with 1 if not.
speed    coding and decoding of a scene of SIDE × SIDE pixels (IMAGE, mirrored as often as needed) for several
         numbers of workers and sizes of batches: megapixels a second, processor seconds by stage, and the
         share of the time in which the GPU computes.
effort   a part of that scene, coded without and with an effort of 2: seconds, bits and PSNR.
app      the app's own jobs on the device, without a window.
trainer  ``benchmarks/training.py`` on the device.

``--device cpu --side 700`` runs the same code without a GPU, which tells nothing but that it runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from codec import Seconds, once

from fdegc.codec import Codec, facade
from fdegc.codec.devices import Share
from fdegc.control import CancelToken
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import Window
from fdegc.results import TileResult

T = TypeVar("T")
PARTS = ("exact", "speed", "effort", "app", "trainer")
#: Side of the scene of the exactness matrix.
EXACT_SIDE = 1200
#: Side of the scene whose latents are refined.
EFFORT_SIDE = 2048
#: Workers and batches that are tried.
SHARES = ((1, 8), (4, 8), (8, 8), (4, 16))
#: Tiles whose wavefronts advance together.
TOGETHER = 3


def scene(path: Path, side: int) -> np.ndarray:
    """Pixels (3, side, side) of an image, mirrored as often as needed."""
    with open_raster(path) as source:
        size = Window(0, 0, min(side, source.info.width), min(side, source.info.height))
        pixels = source.read(size).pixels[:3]
    missing = [(0, 0), *((0, max(side - length, 0)) for length in pixels.shape[1:])]
    return np.ascontiguousarray(np.pad(pixels, missing, mode="symmetric"))


@contextmanager
def fast_modes(on: bool) -> Iterator[None]:
    """TF32 and cuDNN's benchmark mode, as a process that uses the library may have switched them on."""
    flags = [
        (torch.backends.cuda.matmul, "allow_tf32"),
        (torch.backends.cudnn, "allow_tf32"),
        (torch.backends.cudnn, "benchmark"),
    ]
    before = [getattr(owner, name) for owner, name in flags]
    for owner, name in flags:
        setattr(owner, name, on)
    try:
        yield
    finally:
        for (owner, name), value in zip(flags, before, strict=True):
            setattr(owner, name, value)


class Picture:
    """Collects decoded tiles."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.pixels = np.zeros(shape, np.uint8)

    def __call__(self, tile: TileResult) -> None:
        """Take a tile."""
        self.pixels[:, tile.window.rows, tile.window.cols] = tile.samples.pixels


def exactness(device: str, pixels: np.ndarray, rates: Sequence[int]) -> bool:
    """Print the matrix; returns whether it holds."""
    codecs = {"cpu": Codec(device="cpu"), device: Codec(device=device)}
    good = True
    print("| rate | encoder | fast modes | bytes | latents on both | largest difference of pixels |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fdegc"
        for rate in rates:
            for name, writer in codecs.items():
                for fast in (False, True):
                    with fast_modes(fast):
                        writer.encode(
                            ArraySource(pixels), path, EncodeOptions(float(rate), check=False), overwrite=True
                        )
                        digests, pictures, damaged = set(), [], 0
                        for reader in codecs.values():
                            digests.add(reader.verify(path).digest)
                            picture = Picture(pixels.shape)
                            damaged += len(reader.decode(path, on_tile=picture).damaged)
                            pictures.append(picture.pixels.astype(np.int16))
                    difference = int(np.abs(pictures[0] - pictures[-1]).max())
                    same = len(digests) == 1 and None not in digests
                    good &= same and not damaged and difference <= 1
                    lost = f", {damaged} TILES DAMAGED" if damaged else ""
                    print(
                        f"| {rate} | {name} | {'on' if fast else 'off'} | {path.stat().st_size} "
                        f"| {'equal' if same else 'DIFFERENT'}{lost} | {difference} |",
                        flush=True,
                    )
    return good


def device_share(device: str, work: Callable[[], T]) -> tuple[T, float | None]:
    """Result of a call, and the share of its time in which the GPU computes, as its driver counts it."""
    samples: list[int] = []
    ended = threading.Event()

    def sample() -> None:
        with suppress(Exception):  # where NVML or its module is missing
            while not ended.wait(0.05):
                samples.append(torch.cuda.utilization(device))

    watcher = threading.Thread(target=sample, daemon=True)
    if device != "cpu":
        watcher.start()
    try:
        result = work()
    finally:
        ended.set()
    return result, float(np.mean(samples)) / 100 if samples else None


def speed(device: str, pixels: np.ndarray, share_only: bool = False) -> None:
    """Print the table of speeds."""
    megapixels = pixels.shape[1] * pixels.shape[2] / 1e6
    codec = Codec(device=device)
    chosen = facade.share_out
    print("| workers × batch | stage | s | Mpx/s | processor s by stage | GPU computes |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fdegc"
        work: dict[str, Callable[[], Any]] = {
            "encode": lambda: codec.encode(
                ArraySource(pixels), path, EncodeOptions(4.0, check=False), overwrite=True
            ),
            "latents only": lambda: codec.verify(path),
            "decode": lambda: codec.decode(path),
        }
        for share in (None, *(Share(workers, batch, TOGETHER) for workers, batch in SHARES)):
            facade.share_out = chosen if share is None else lambda *_, share=share: share
            label = "as chosen" if share is None else f"{share.workers} × {share.batch}"
            for name, run in work.items():
                run()
                seconds: Seconds
                seconds, busy = device_share(device, lambda run=run: once(run))
                share_of_gpu = "–" if busy is None else f"{busy:.0%}"
                stages = ", ".join(
                    f"{stage} {value:.2f}"
                    for stage, value in sorted(seconds.stages.items(), key=lambda item: -item[1])
                )
                print(
                    f"| {label} | {name} | {seconds.wall:.2f} | {megapixels / seconds.wall:.1f} | {stages} "
                    f"| {share_of_gpu} |",
                    flush=True,
                )
            if device == "cpu" or share_only:
                break
    facade.share_out = chosen
    for network in codec.networks:
        if (repeats := network.repeats) is not None:
            print(f"{repeats.captured} graphs" + "".join(f"; failed: {why}" for why in repeats.failures))


def effort(device: str, pixels: np.ndarray) -> None:
    """Print what refining latents takes and gives; each twice, since graphs are captured the first time."""
    codec = Codec(device=device)
    print("| effort | s/Mpx | bpp | PSNR |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for number in (0, 0, 2, 2):
            options = EncodeOptions(4.0, check=False, effort=number)
            result = codec.encode(
                ArraySource(pixels), Path(folder) / "a.fdegc", options, reconstruct=True, overwrite=True
            )
            seconds = result.encode_seconds / (pixels.shape[1] * pixels.shape[2] / 1e6)
            print(f"| {number} | {seconds:.2f} | {result.bpp:.4f} | {result.psnr:.3f} dB |", flush=True)


def app(device: str, image: Path) -> None:
    """Run the app's jobs without a window: load, compress with the preview, estimate, decode."""
    try:
        from fdegc_gui.jobs.base import Context
        from fdegc_gui.jobs.coding import Compress, EstimateRates, LoadEngine
        from fdegc_gui.jobs.decoding import Decode, LookedAt
        from fdegc_gui.jobs.engine import REAL_ENGINE, EngineHost
        from fdegc_gui.jobs.rasters import Rasters
        from fdegc_gui.models.display import Display, Stretch
    except ImportError as error:
        print(f"The app cannot be imported here ({error}).")
        return
    from fdegc.format.info import read_info

    parts: list[object] = []
    context: Context[Any] = Context(
        cancel=CancelToken(),
        engine=EngineHost(REAL_ENGINE),
        rasters=Rasters(),
        on_progress=lambda _: None,
        on_part=parts.append,
    )
    with tempfile.TemporaryDirectory() as folder:
        ready = LoadEngine(device=device).run(context)
        print(f"loaded on {ready.label}; devices: {', '.join(label for _, label in ready.devices)}")
        shown: dict[str, Any] = {
            "device": device,
            "folder": Path(folder) / "reconstruction",
            "display": Display((0, 1, 2), Stretch.AS_IS),
            "rendering": None,
        }
        out = Path(folder) / "scene.fdegc"
        job = Compress(path=image, key=4, options=EncodeOptions(4.0), out=out, **shown)
        result = job.run(context)
        print(
            f"compressed: {result.bytes} bytes, {result.psnr:.2f} dB, {len(parts)} tiles shown, "
            f"{result.encode_seconds:.2f} s and {result.reconstruct_seconds:.2f} s of preview"
        )
        estimates = EstimateRates(path=image, device=device).run(context)
        print("estimated: " + ", ".join(f"{rate}: {e.bytes} bytes" for rate, e in estimates.items()))
        stream = read_info(result.path)
        apart = {"tile_size": stream.tile_size, "looked_at": LookedAt()}
        decoded = Decode(path=result.path, info=stream.raster, **apart, **shown).run(context)
        print(f"decoded in {decoded.decode.seconds:.2f} s, {len(decoded.decode.damaged)} tiles damaged")


def main() -> int:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--rates", nargs="+", type=int, default=list(range(1, 7)), help="of the matrix")
    parser.add_argument("--as-chosen", action="store_true", help="only the workers that are chosen")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    args = parser.parse_args()
    card = torch.cuda.get_device_name(args.device) if args.device != "cpu" else "no GPU"
    print(f"{card}, torch {torch.__version__}, {args.image.name}\n", flush=True)
    good = True
    if "exact" in args.parts:
        good = exactness(args.device, scene(args.image, min(args.side, EXACT_SIDE)), args.rates)
    if "speed" in args.parts:
        speed(args.device, scene(args.image, args.side), args.as_chosen)
    if "effort" in args.parts:
        effort(args.device, scene(args.image, min(args.side, EFFORT_SIDE)))
    if "app" in args.parts:
        app(args.device, args.image)
    if "trainer" in args.parts:
        script = Path(__file__).with_name("training.py")
        subprocess.run([sys.executable, str(script), "--device", args.device], check=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
