"""Which tile size and halo: rate, PSNR, seams, time and memory, measured.

    python benchmarks/tiling.py IMAGE… --tiles 256 512 1024 --halos 0 16 32 64 --quality 4

For every combination the images are coded for real and decoded.  "Seam" is the criterion of the
format: the PSNR in strips of 8 px on each side of inner tile edges, minus that of the same pixels
coded with the grid shifted by half a tile, where they lie inside of tiles (dB; below −0.1 a seam counts).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from fdegc.codec import Codec, plan
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import Window
from fdegc.results import TileResult

STRIP = 8


def squared_errors(
    codec: Codec, pixels: np.ndarray, options: EncodeOptions
) -> tuple[np.ndarray, int, float, float]:
    """Squared error of every pixel (height, width), bytes, encode seconds, decode seconds."""
    out = np.zeros_like(pixels)

    def paste(tile: TileResult) -> None:
        out[:, tile.window.rows, tile.window.cols] = tile.samples.pixels

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fdegc"
        start = time.perf_counter()
        result = codec.encode(ArraySource(pixels), path, options)
        middle = time.perf_counter()
        codec.decode(path, on_tile=paste)
        end = time.perf_counter()
    error = np.square(out.astype(np.float32) - pixels).mean(0)
    return error, result.bytes, middle - start, end - middle


def edge_strips(height: int, width: int, tile: int) -> np.ndarray:
    """Where pixels lie within 8 px of an inner tile edge."""
    rows, cols = np.arange(height), np.arange(width)

    def near(position: np.ndarray, size: int) -> np.ndarray:
        edge = np.rint(position / tile) * tile
        return (np.abs(position + 0.5 - edge) < STRIP) & (edge > 0) & (edge < size)

    return near(rows, height)[:, None] | near(cols, width)[None, :]


def seam(codec: Codec, pixels: np.ndarray, options: EncodeOptions, errors: np.ndarray) -> float | None:
    """PSNR along inner tile edges against that of the shifted grid; None if there are no edges."""
    tile, half = options.tile_size, options.tile_size // 2
    strips = edge_strips(*errors.shape, tile)
    strips[:half] = strips[:, :half] = False
    if not strips.any():
        return None
    shifted, *_ = squared_errors(codec, np.ascontiguousarray(pixels[:, half:, half:]), options)
    inside = strips[half:, half:] & ~edge_strips(*shifted.shape, tile)
    if not inside.any():
        return None
    return float(10 * np.log10(shifted[inside].mean() / errors[half:, half:][inside].mean()))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--tiles", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--halos", type=int, nargs="+", default=[0, 16, 32, 64])
    parser.add_argument("--quality", type=float, default=4.0)
    parser.add_argument("--crop", type=int, default=2048, help="largest side of what is coded of an image")
    args = parser.parse_args()
    codec = Codec(device="cpu")
    print("| image | tile | halo | bpp | PSNR dB | seam dB | encode s/Mpx | decode s/Mpx | peak RSS MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for image in args.images:
        with open_raster(image) as source:
            window = Window(0, 0, min(source.info.width, args.crop), min(source.info.height, args.crop))
            pixels = source.read(window).pixels[:3]
        megapixels = window.pixels / 1e6
        for tile in args.tiles:
            for halo in args.halos:
                plan.HALO = halo
                options = EncodeOptions(args.quality, tile)
                errors, size, encode, decode = squared_errors(codec, pixels, options)
                gap = seam(codec, pixels, options, errors)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                shown = "–" if gap is None else f"{gap:+.3f}"
                print(
                    f"| {image.stem} | {tile} | {halo} | {size * 8 / window.pixels:.4f} "
                    f"| {10 * np.log10(255**2 / errors.mean()):.3f} | {shown} "
                    f"| {encode / megapixels:.2f} | {decode / megapixels:.2f} | {peak:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
