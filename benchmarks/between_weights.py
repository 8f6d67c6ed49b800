"""One file of weights against another, from the points that evaluations of both have left.

Usage::

    python benchmarks/between_weights.py OUT/images.csv OLD NEW [--metric ms_ssim_db]

OLD and NEW are the first digits of the weights' hashes, as in ``settings``.  ``fdegc evaluate`` keeps the
points of all weights that were ever measured into the same folder.  Printed is the mean of the images'
BD-rates of each set and of all, and their range: bits that NEW needs at equal PSNR (or MS-SSIM) where the
curves overlap, in percent of OLD's.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from fdegc.evaluation.bjontegaard import bd_rate

Curves = dict[tuple[str, str], list[tuple[float, float]]]


def curves(path: Path, weights: str, metric: str) -> Curves:
    """Set and image to bpp and a metric in dB, in order of rate."""
    found: Curves = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["codec"] == "fdegc" and f"weights {weights}" in row["settings"]:
                found[row["set"], row["image"]].append((float(row["bpp"]), float(row[metric])))
    return {image: sorted(points) for image, points in found.items()}


def main() -> None:
    """Print a row a set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("points", type=Path, metavar="IMAGES_CSV")
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--metric", default="psnr", choices=("psnr", "ms_ssim_db"))
    args = parser.parse_args()
    old, new = (curves(args.points, weights, args.metric) for weights in (args.old, args.new))
    rates: dict[str, list[float]] = defaultdict(list)
    for image in old.keys() & new.keys():
        delta = bd_rate(*zip(*old[image], strict=True), *zip(*new[image], strict=True)).value
        if delta is not None:
            rates[image[0]].append(delta)
            rates["all"].append(delta)
    if not rates:
        parser.error("the file has no image that both weights coded")
    for name, values in sorted(rates.items(), key=lambda pair: pair[0] == "all"):
        low, high = min(values), max(values)
        print(f"{name}: {np.mean(values):+.1f} % of {len(values)} images, {low:+.1f} to {high:+.1f}")


if __name__ == "__main__":
    main()
