"""What rounding costs and what the transforms lose without it, per rate point.

Usage::

    python benchmarks/ceiling.py DIR... [--weights FILE] [--limit N]

For upper left crops of 384 pixels: estimated bpp and PSNR, PSNR of the same latents *not* rounded, the share
of the squared error that is there without rounding, channels in use (more than half a bit a sample) and the
hyper-latent's bpp.  Beside it the loss λ·MSE + bpp, and that of JPEG 2000 (OpenJPEG, 9/7) at the size at
which it has the least: where that is smaller, JPEG 2000 is the better choice for somebody who values bits as
λ says.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from fdegc.evaluation.coder import Coder
from fdegc.evaluation.peers import find_peers
from fdegc.options import RATE_POINTS
from fdegc.training.data import image_paths
from fdegc.training.restarting import USED_BITS
from fdegc.training.starting import load_start
from fdegc.training.validation import mixed_precision, rate_distortion, validation_crop
from fdegc.weights import find

#: Bits a pixel that JPEG 2000 tries.
TARGETS = np.geomspace(0.12, 6, 40)


def jpeg2000_losses(coder: Coder, pixels: np.ndarray) -> list[float]:
    """Least λ·MSE + bpp over the tried sizes, for each rate point."""
    points = []
    for target in TARGETS:
        data = coder.encode(pixels, float(target))
        error = (coder.decode(data).astype(np.float64) - pixels) / 255
        points.append((np.square(error).mean(), 8 * len(data) / pixels[..., 0].size))
    return [min(point.lmbda * mse + bpp for mse, bpp in points) for point in RATE_POINTS]


def decibels(mse: float) -> float:
    """PSNR of a mean squared error of pixels in [0, 1]."""
    return -10 * math.log10(max(mse, 1e-10))


@torch.no_grad()
def main() -> None:
    """Print a row a rate point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument(
        "--weights", type=Path, help="a .safetensors or checkpoint (default: the shipped ones)"
    )
    parser.add_argument("--limit", type=int, help="images a folder, evenly spread")
    args = parser.parse_args()
    net = load_start(args.weights or find().path).network().eval()
    (peer_coder,), _ = find_peers(["jpeg2000"])
    for folder in args.folders:
        paths = image_paths(folder)
        paths = paths[:: max(1, len(paths) // args.limit)] if args.limit else paths
        crops = [crop for crop in map(validation_crop, paths) if crop is not None]
        pictures = [(crop[0].permute(1, 2, 0) * 255).round().byte().numpy() for crop in crops]
        peers = np.mean([jpeg2000_losses(peer_coder, picture) for picture in pictures], 0)
        print(f"{folder}: {len(crops)} images")
        print("rate   bpp   PSNR  unrounded  lost without rounding  channels  z bpp |  loss  JPEG 2000")
        for point, peer in zip(RATE_POINTS, peers, strict=True):
            quality, lmbda = torch.tensor([float(point.index)]), torch.tensor([point.lmbda])
            gain, inverse = net.gains(quality)
            rows = []
            bits = torch.zeros(net.latent)
            for x in crops:
                with mixed_precision("cpu", "auto"):
                    out = net(x, quality)
                    whole = net.synthesise(net.analyse(x, gain), inverse)
                loss, mse, bpp = (float(v) for v in rate_distortion(out, x, lmbda))
                bits -= out["likelihoods"]["y"].log2().mean((0, 2, 3)) / len(crops)
                z = -float(out["likelihoods"]["z"].log2().sum()) / (x.shape[2] * x.shape[3])
                floor = float((whole.float() - x).square().mean())
                rows.append((bpp, decibels(mse), decibels(floor), floor / mse, z, loss))
            bpp, psnr, unrounded, share, z, loss = np.mean(rows, 0)
            print(
                f"{point.index:4d} {bpp:6.3f} {psnr:6.2f} {unrounded:10.2f} {share:22.0%} "
                f"{int((bits > USED_BITS).sum()):9d} {z:6.4f} | {loss:6.3f} {peer:9.3f}"
            )


if __name__ == "__main__":
    main()
