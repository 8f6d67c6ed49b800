r"""Seams between tiles of the network and tiles that were kept another way.

Usage::

    python benchmarks/mixed.py IMAGE ... [--side 1024] [--tile 256] [--rate 4]

The middle of each image is coded with every other tile as JPEG 2000, like a chessboard, and decoded with
two kinds of neighbours for the network's tiles: the latents of what those tiles decode to, as the format
says, and zeros.  Printed is the PSNR of the network's tiles within 8 pixels of an edge to a tile of the other
kind, beside that of the same pixels where all tiles are the network's, and that of the JPEG 2000 tiles on
their side of the edges.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from fdegc.codec import Codec
from fdegc.codec.judging import Judge
from fdegc.codec.tile_synthesis import TileSynthesis
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource, open_raster
from fdegc.raster.mapping import IDENTITY, to_unit
from fdegc.raster_info import Window
from fdegc.types import Samples

EDGE = 8


@contextmanager
def chessboard(pixels: np.ndarray, tile: int, *, zeros: bool) -> Iterator[None]:
    """Context in which every other tile is kept as JPEG 2000, and neighbours see latents or zeros of it."""

    def better(self: Judge, samples: Samples, known: Any, shown: Any, size: int, *rest: Any) -> Any:
        if (row_and_column(pixels, samples.pixels, tile) % 2) == 0:
            return None
        return self.ways.jpeg2000(to_unit(samples, (IDENTITY,) * len(pixels)), size)

    ring = TileSynthesis.ring

    def nothing(self: TileSynthesis, *args: Any) -> Any:
        return [np.zeros_like(latent) for latent in ring(self, *args)]

    with mock.patch.object(Judge, "better", better):
        if zeros:
            with mock.patch.object(TileSynthesis, "ring", nothing):
                yield
        else:
            yield


def row_and_column(pixels: np.ndarray, part: np.ndarray, tile: int) -> int:
    """Row plus column of a tile, which is found by its pixels."""
    for y in range(0, pixels.shape[1], tile):
        for x in range(0, pixels.shape[2], tile):
            if np.array_equal(pixels[:, y : y + tile, x : x + tile], part):
                return y // tile + x // tile
    raise ValueError("a tile that is none of the picture")


def edges(shape: tuple[int, ...], tile: int, odd: int) -> np.ndarray:
    """Pixels of the chessboard's even (0) or odd (1) tiles that lie beside an inner edge."""
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    near = np.zeros(shape[1:], bool)
    for position, size in ((rows, shape[1]), (columns, shape[2])):
        inside = position % tile
        near |= (inside < EDGE) & (position >= tile)
        near |= (inside >= tile - EDGE) & (position < (size - 1) // tile * tile)
    return near & ((rows // tile + columns // tile) % 2 == odd)


def psnr(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    """PSNR of 8 bits at some pixels."""
    error = (a.astype(np.float64) - b)[:, where]
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--rate", type=float, default=4.0)
    args = parser.parse_args()
    codec = Codec(device="cpu")
    print("| image | all the network's | latents of the pixels | zeros | JPEG 2000 beside it |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "scene.fdegc"
        for image in args.images:
            with open_raster(image) as source:
                width, height = (min(args.side, size) for size in (source.info.width, source.info.height))
                window = Window(
                    (source.info.width - width) // 2, (source.info.height - height) // 2, width, height
                )
                pixels = source.read(window).pixels[:3].copy()

            def decoded(pixels: np.ndarray = pixels) -> np.ndarray:
                options = EncodeOptions(args.rate, args.tile)
                codec.encode(ArraySource(pixels), path, options, overwrite=True)
                return codec.decode_window(path, Window(0, 0, pixels.shape[2], pixels.shape[1])).pixels

            own, other = (edges(pixels.shape, args.tile, odd) for odd in (0, 1))
            plain = decoded()
            with chessboard(pixels, args.tile, zeros=False):
                latents = decoded()
            with chessboard(pixels, args.tile, zeros=True):
                nothing = decoded()
            figures = [psnr(pixels, found, own) for found in (plain, latents, nothing)]
            cells = [f"{value:.2f}" for value in (*figures, psnr(pixels, latents, other))]
            print(f"| {image.stem} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
