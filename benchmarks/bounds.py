r"""Files with a bound on every error beside LERC with the same bound.

Usage::

    python benchmarks/bounds.py FILE ... [--errors 0.01 0.1 1] [--side 512]

Of the middle of each raster, of at most ``--side`` pixels in both directions, it prints the bytes of the
tile as FDEGC keeps it, of a GeoTIFF with LERC, and of one with LERC and Zstandard (one block of 512 × 512
pixels, headers included), and the largest error of what FDEGC's bytes decode to.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.io import MemoryFile

from fdegc.coding import exact
from fdegc.control import never
from fdegc.raster import open_raster
from fdegc.raster_info import Window


def lerc_bytes(pixels: np.ndarray, known: np.ndarray | None, error: float, compression: str) -> int:
    """Bytes of a GeoTIFF of LERC; what is not there is 0, and said to be so."""
    bands, height, width = pixels.shape
    shown = pixels if known is None else np.where(known, pixels, 0)
    with MemoryFile() as file:
        with file.open(
            driver="GTiff",
            width=width,
            height=height,
            count=bands,
            dtype=pixels.dtype,
            nodata=None if known is None else 0,
            transform=Affine(2, 0, 0, 0, -2, 0),
            COMPRESS=compression,
            MAX_Z_ERROR=str(error),
            INTERLEAVE="PIXEL",
            TILED="YES",
            BLOCKXSIZE="512",
            BLOCKYSIZE="512",
        ) as raster:
            raster.write(shown)
        return len(file.getbuffer())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--errors", type=float, nargs="+", default=[0.01, 0.1, 1.0])
    parser.add_argument("--side", type=int, default=512)
    args = parser.parse_args()
    print("| raster | type | bound | bytes | LERC | LERC, Zstandard | of the smaller | largest error |")
    print("|---|---|---|---|---|---|---|---|")
    for path in args.files:
        with open_raster(path) as source:
            info = source.info
            width, height = min(args.side, info.width), min(args.side, info.height)
            window = Window((info.width - width) // 2, (info.height - height) // 2, width, height)
            samples = source.read(window)
        pixels = samples.pixels
        known = None
        if samples.valid is not None:
            known = np.broadcast_to(samples.valid, pixels.shape)
        for error in args.errors:
            payload = exact.encode(pixels, error, known, never)
            decoded = exact.decode(payload, pixels.shape, pixels.dtype, known, never)
            off = np.abs(decoded.astype(np.float64) - pixels)[... if known is None else known].max()
            others = [lerc_bytes(pixels, known, error, how) for how in ("LERC", "LERC_ZSTD")]
            print(
                f"| {path.stem} | {pixels.dtype} | {error:g} | {len(payload)} | {others[0]} | {others[1]} "
                f"| {100 * len(payload) / min(others):.0f} % | {off:.4g} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
