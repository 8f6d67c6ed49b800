r"""Scenes of several tiles beside JPEG 2000 of the whole in as many bytes.

Usage::

    python benchmarks/tiled.py IMAGE [--only smooth ramp noise mixed photo] [--rates 1 3 6] [--tiles 512]

Pictures that JPEG 2000 codes well, so that it is our tiles' way, too: a piece of the image enlarged
fifteenfold to 900 × 700 pixels (`smooth`), a ramp dithered to 8 bits of the same size (`ramp`), white noise
of 384 × 384 (`noise`), the middle of the image with a third of it noise (`mixed`) and without (`photo`).
JPEG 2000 gets the largest codestream of :func:`fdegc.coding.jpeg2000.encode`, that is without comments and
without a file around it, which is no larger than our file.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fdegc.codec import Codec
from fdegc.coding import jpeg2000
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource
from fdegc.raster_info import Window

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT, ENLARGED, SIDE = 900, 700, 15, 384
SEARCH_STEPS = 14


def _planes(image: Image.Image) -> Pixels:
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def _middle(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def smooth(image: Image.Image) -> Pixels:
    """The middle of an image, enlarged."""
    small = _middle(image, WIDTH // ENLARGED, -(-HEIGHT // ENLARGED))
    large = small.resize((small.width * ENLARGED, small.height * ENLARGED), Image.Resampling.BICUBIC)
    return _planes(large.crop((0, 0, WIDTH, HEIGHT)))


def ramp(image: Image.Image) -> Pixels:
    """A slow ramp of three colours, whose fractions noise decides."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    exact = np.stack([40 + x / 6, 60 + y / 6, 200 - (x + y) / 12])
    return np.floor(exact + np.random.default_rng(0).random(exact.shape)).astype(np.uint8)


def noise(image: Image.Image) -> Pixels:
    """White noise of all values."""
    return np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)


def mixed(image: Image.Image) -> Pixels:
    """The middle of an image, a third of it noise."""
    out = _planes(_middle(image, SIDE, SIDE))
    out[:, :, -(SIDE // 3) :] = noise(image)[:, :, : SIDE // 3]
    return out


def photo(image: Image.Image) -> Pixels:
    """The middle of an image."""
    return _planes(_middle(image, SIDE, SIDE))


PICTURES: dict[str, Callable[[Image.Image], Pixels]] = {
    "smooth": smooth,
    "ramp": ramp,
    "noise": noise,
    "mixed": mixed,
    "photo": photo,
}


def psnr(first: Pixels, second: Pixels) -> float:
    """PSNR in dB, peak 255."""
    error = np.square(first.astype(np.float64) - second.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(float(error), 1e-9)))


def within(pixels: Pixels, size: int) -> bytes:
    """Largest codestream of a picture of at most a size, or the smallest there is."""
    low, high, best = size / 2, size * 2.0, b""
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        data = jpeg2000.encode(pixels, 8, round(middle))
        if len(data) <= size:
            low, best = middle, max(best, data, key=len)
        else:
            high = middle
    return best or jpeg2000.encode(pixels, 8, 1)


def main() -> None:
    """Print a line a picture, size of tiles and rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    parser.add_argument("--rates", nargs="+", type=float, default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--tiles", nargs="+", type=int, default=[512])
    args = parser.parse_args()
    codec = Codec(device="cpu")
    with Image.open(args.image) as opened, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fdegc"
        for name in args.only:
            pixels = PICTURES[name](opened)
            height, width = pixels.shape[1:]
            for tile in args.tiles:
                for rate in args.rates:
                    options = EncodeOptions(rate, tile)
                    result = codec.encode(ArraySource(pixels), path, options, overwrite=True)
                    ours = psnr(codec.decode_window(path, Window(0, 0, width, height)).pixels, pixels)
                    peer = within(pixels, result.bytes)
                    theirs = psnr(jpeg2000.decode(peer, pixels.shape, 8), pixels)
                    print(
                        f"{name}, tiles of {tile}, rate {rate:g}: {result.bytes} bytes, {ours:.2f} dB; "
                        f"JPEG 2000 {len(peer)} bytes, {theirs:.2f} dB; {ours - theirs:+.2f} dB; "
                        f"{dict(result.ways)}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
