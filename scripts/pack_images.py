"""Training images as AVIF 4:4:4 of a given PSNR, for machines to which little can be carried.

    python scripts/pack_images.py TRAIN OUT [--psnr 42.5] [--jobs 2]

Folders and names stay, but for the suffix; what is there already is left as it is.  Lossless images become about a
third as large at 42.5 dB, well above what the network reaches on them.
"""

from __future__ import annotations

import argparse
import io
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from fdegc.training.data import image_paths, load_image

#: Qualities between which PSNR is about linear, and the range that is used.
PROBES, QUALITIES = (82, 92), (60, 98)


def encoded(pixels: np.ndarray, quality: int) -> tuple[bytes, float]:
    """An AVIF file of an image, and its PSNR in dB."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(buffer, "AVIF", quality=quality, subsampling="4:4:4", speed=6, max_threads=1)
    with Image.open(io.BytesIO(buffer.getvalue())) as decoded:
        error = np.asarray(decoded.convert("RGB")).astype(float) - pixels
    return buffer.getvalue(), float(-10 * np.log10(max(np.mean(error**2), 1e-6) / 255**2))


def pack(path: Path, out: Path, psnr: float) -> int:
    """Write one image; returns its bytes."""
    if not out.exists():
        pixels = load_image(path)
        low, high = (encoded(pixels, quality)[1] for quality in PROBES)
        quality = PROBES[0] + (psnr - low) * (PROBES[1] - PROBES[0]) / max(high - low, 0.1)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(encoded(pixels, int(np.clip(round(quality), *QUALITIES)))[0])
    return out.stat().st_size


def main() -> None:
    """Pack a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("train", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--psnr", type=float, default=42.5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    paths = image_paths(args.train)
    targets = [args.out / path.relative_to(args.train).with_suffix(".avif") for path in paths]
    with ProcessPoolExecutor(args.jobs) as pool:
        total = sum(pool.map(pack, paths, targets, [args.psnr] * len(paths)))
    print(f"{len(paths)} images, {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
