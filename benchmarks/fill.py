"""What pixels that are not valid should hold before coding: bytes, and PSNR close to them.

    python benchmarks/fill.py ../shared/data/geo/RGB.byte.tif ... [--quality 4]

Prints the table of docs/format.md. "border" is the PSNR of the valid pixels within 8 px of an invalid one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt

from fdegc.codec import Codec
from fdegc.metrics import psnr
from fdegc.options import EncodeOptions
from fdegc.raster import open_raster, plan_mapping
from fdegc.raster.fill import fill_unknown
from fdegc.raster.mapping import peak_value, usable_pixels
from fdegc.raster_info import Window
from fdegc.results import TileResult

Planes = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Fill = Callable[[Planes, Mask], None]
BORDER = 8


def as_stored(planes: Planes, known: Mask) -> None:
    """What the file holds there; 0 for what is not finite."""
    np.nan_to_num(planes, copy=False, nan=0.0)


def mean(planes: Planes, known: Mask) -> None:
    """Mean of the known pixels."""
    for plane in planes:
        plane[~known] = plane[known].mean(dtype=np.float64) if known.any() else 0.5


FILLS: dict[str, Fill] = {"as stored": as_stored, "mean": mean, "pull-push": fill_unknown}


def near_invalid(usable: Mask) -> Mask:
    """Valid pixels within ``BORDER`` steps of an invalid one."""
    grown = ~usable
    for _ in range(BORDER):
        padded = np.pad(grown, 1)
        grown = (
            padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
        )
    return grown & usable


def rows(path: Path, quality: float, codec: Codec) -> Iterator[str]:
    """Lines of the table for one scene."""
    with open_raster(path) as source, tempfile.TemporaryDirectory() as folder:
        info = source.info
        original = source.read(Window(0, 0, info.width, info.height))
        usable = usable_pixels(original)
        assert usable is not None, f"{path} has no invalid pixels"
        peak = peak_value(plan_mapping(source))
        for name, fill in FILLS.items():
            back = np.zeros_like(original.pixels)

            def keep(tile: TileResult, back: npt.NDArray[np.generic] = back) -> None:
                back[:, tile.window.rows, tile.window.cols] = tile.samples.pixels

            with mock.patch("fdegc.raster.mapping.fill_unknown", fill):
                result = codec.encode(
                    source,
                    Path(folder, f"{name}.fdegc"),
                    EncodeOptions(quality),
                    reconstruct=True,
                    on_tile=keep,
                )
            planes = original.pixels[:3].astype(np.float32)
            start = time.perf_counter()
            fill(planes, usable)
            seconds = (time.perf_counter() - start) / (info.pixels / 1e6)
            all_valid, border = (
                psnr(original.pixels, back, peak, mask) for mask in (usable, near_invalid(usable))
            )
            yield (
                f"| {path.stem} | {name} | {result.bytes} | {all_valid:.3f} | {border:.3f} | {seconds:.3f} |"
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", type=Path, nargs="+")
    parser.add_argument("--quality", type=float, default=4.0)
    args = parser.parse_args()
    codec = Codec(device="cpu")
    print("| scene | fill | bytes | PSNR dB | border dB | s/Mpx |\n|---|---|---|---|---|---|")
    for path in args.scenes:
        for line in rows(path, args.quality, codec):
            print(line, flush=True)


if __name__ == "__main__":
    main()
