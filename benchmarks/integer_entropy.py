"""What coding in integers costs: payloads against the bits that the entropy model in floats expects.

Usage::

    python benchmarks/integer_entropy.py DIR [--limit N]

Codes the upper left 384 pixels of each image at every rate point as a file's units are, without
container, and sums −log2 of the likelihoods of the same latents, in float32 and with the shipped weights.
The difference is all that training with the integers of docs/format.md could bring.  Included in it are
what payloads have and the estimate has not: which channels are used, z's tables in place of its density,
the last word.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from fdegc.codec.latents import LatentCoder
from fdegc.codec.network import Network
from fdegc.model.context import mixture_likelihood
from fdegc.options import RATE_POINTS
from fdegc.training.data import image_paths
from fdegc.training.validation import validation_crop
from fdegc.weights import find


def expected_bits(network: Network, y: np.ndarray, z: np.ndarray) -> float:
    """Bits that rounded latents take under the network's own likelihoods."""
    y_hat, z_hat = (torch.from_numpy(values).float()[None] for values in (y, z))
    net = network.net
    phi = net.hyper_synthesise(z_hat)[:, :, : y.shape[1], : y.shape[2]]
    likelihoods = (mixture_likelihood(y_hat, net.context(y_hat, phi)), net.hyper_likelihood(z_hat))
    return float(-sum(p.double().log2().sum() for p in likelihoods))


@torch.inference_mode()
def main() -> None:
    """Print a row a rate point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--limit", type=int, help="images, evenly spread")
    args = parser.parse_args()
    network = Network(find(), "cpu")
    paths = image_paths(args.folder)
    paths = paths[:: max(1, len(paths) // args.limit)] if args.limit else paths
    crops = [crop[0].numpy() for crop in map(validation_crop, paths) if crop is not None]
    latents = [network.analyse(crop) for crop in crops]
    pixels = sum(crop[0].size for crop in crops)
    print(f"{args.folder}: {len(crops)} images\nrate  payload bpp  expected bpp  difference")
    for point in RATE_POINTS:
        coder, quality = LatentCoder(network, float(point.index)), float(point.index)
        payload = expected = 0.0
        for y in latents:
            z = network.hyper_analyse(y * network.gain(quality))
            payload += 8 * len(coder.code(y, lambda: None).payload)
            expected += expected_bits(network, coder.rounded(y), z)
        print(
            f"{point.index:4d} {payload / pixels:12.4f} {expected / pixels:13.4f} "
            f"{100 * (payload / expected - 1):+10.2f} %"
        )


if __name__ == "__main__":
    main()
