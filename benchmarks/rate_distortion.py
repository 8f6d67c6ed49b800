"""Rate-distortion on a folder of images: FDEGC's real files beside JPEG 2000 at the same size.

Usage::

    python benchmarks/rate_distortion.py DIR [--manifest weights/manifest.json]

This is the short table of the model card, and with ``--manifest`` the averages that the weights'
manifest holds; ``fdegc evaluate`` compares with all codecs at all rates.  The parts are the same: real
files, all their bytes counted, decoded 8-bit pixels.  JPEG 2000 is given for each image and rate
point as many bytes as FDEGC took.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from fdegc.codec import Codec
from fdegc.evaluation.coder import Coder, Rgb8Pixels
from fdegc.evaluation.images import Image, images_of_set, load
from fdegc.evaluation.measure import measure_point
from fdegc.evaluation.ours import fdegc_coder
from fdegc.evaluation.peers import find_peers
from fdegc.options import RATE_POINTS

SEARCH_STEPS = 9


def largest_within(coder: Coder, image: Image, pixels: Rgb8Pixels, target: int) -> float:
    """Parameter, a rate, of a codec's largest file of at most ``target`` bytes."""
    rate = target * 8 / image.pixels
    # The codec comes close to the rate it is asked for, so the search starts around it.
    low, high, best = rate / 1.5, rate / 0.8, None
    for _ in range(SEARCH_STEPS):
        rate = (low * high) ** 0.5
        if len(coder.encode(pixels, rate)) <= target:
            low = best = rate
        else:
            high = rate
    if best is None:
        raise SystemExit(f"{coder.label} cannot reach {target} bytes")
    return best


def figures(ours: Coder, peer: Coder, image: Image, quality: float) -> dict[str, float]:
    """Figures of one image at one quality."""
    pixels = load(image.path)
    point = measure_point(ours, image, pixels, quality, ["psnr"])
    rate = largest_within(peer, image, pixels, point.bytes)
    other = measure_point(peer, image, pixels, rate, ["psnr"])
    assert point.figures.psnr is not None and other.figures.psnr is not None
    return {
        "bpp": point.bpp,
        "psnr": point.figures.psnr,
        "jp2_bpp": other.bpp,
        "jp2_psnr": other.figures.psnr,
        "encode_s_per_mpx": point.encode_seconds / image.pixels * 1e6,
        "decode_s_per_mpx": point.decode_seconds / image.pixels * 1e6,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--manifest", type=Path, help="manifest whose first model gets the averages")
    parser.add_argument("--limit", type=int, help="at most so many images")
    args = parser.parse_args()
    images, _ = images_of_set(args.folder, args.folder.name, limit=args.limit)
    (peer,), _ = find_peers(["jpeg2000"])
    rows = []
    print(f"{len(images)} images of {args.folder.name}")
    print("rate  lambda    bpp   PSNR | JPEG 2000 bpp   PSNR | difference | s/Mpx in  out")
    with tempfile.TemporaryDirectory() as folder:
        qualities = tuple(float(point.index) for point in RATE_POINTS)
        ours, _ = fdegc_coder(Codec(device="cpu"), Path(folder), qualities)
        for point in RATE_POINTS:
            found = [figures(ours, peer, image, float(point.index)) for image in images]
            mean = {key: float(np.mean([f[key] for f in found])) for key in found[0]}
            rows.append({"quality": point.index} | mean)
            print(
                f"{point.index:4} {point.lmbda:7.0f} {mean['bpp']:6.3f} {mean['psnr']:6.2f} | "
                f"{mean['jp2_bpp']:13.3f} {mean['jp2_psnr']:6.2f} | "
                f"{mean['psnr'] - mean['jp2_psnr']:+7.2f} dB | "
                f"{mean['encode_s_per_mpx']:8.2f} {mean['decode_s_per_mpx']:4.2f}",
                flush=True,
            )
    if args.manifest:
        document = json.loads(args.manifest.read_text(encoding="utf-8"))
        model = document["models"][0]
        for key in ("encode", "decode"):
            mean = float(np.mean([row[f"{key}_s_per_mpx"] for row in rows]))
            model[f"{key}_seconds_per_mpx"] = round(mean, 2)
        model["rates"] = [
            {key: round(value, 4) for key, value in row.items() if key in ("quality", "bpp", "psnr")}
            for row in rows
        ]
        args.manifest.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
