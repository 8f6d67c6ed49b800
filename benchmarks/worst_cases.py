"""Where FDEGC loses most against JPEG 2000 at the same size, as a picture.

Usage::

    python benchmarks/worst_cases.py DIR OUT.png [--quality 4] [--side 192] [--count 3]

Every image of a folder goes through a real file of FDEGC and through a JPEG 2000 file of as many bytes.
Squares of ``--side`` pixels are then ranked by how many decibels JPEG 2000 is ahead in them, and the worst
ones, at most one an image, are put below each other: original, FDEGC, JPEG 2000.  Figures are printed.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from rate_distortion import largest_within

from fdegc.codec import Codec
from fdegc.evaluation.coder import Coder, Rgb8Pixels
from fdegc.evaluation.images import Image, images_of_set, load
from fdegc.evaluation.ours import fdegc_coder
from fdegc.evaluation.peers import find_peers

#: White pixels between the pictures.
GAP = 4


@dataclass(frozen=True)
class Square:
    """One place of an image: its pixels, ours and theirs, and PSNR of both in dB."""

    image: str
    x: int
    y: int
    views: tuple[Rgb8Pixels, Rgb8Pixels, Rgb8Pixels]
    ours: float
    theirs: float

    @property
    def lead(self) -> float:
        """How far FDEGC is ahead, dB; negative where it is behind."""
        return self.ours - self.theirs


def psnr(a: Rgb8Pixels, b: Rgb8Pixels) -> float:
    """PSNR in dB, peak 255."""
    error = np.square(a.astype(np.float64) - b.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(float(error), 1e-9)))


def worst_square(ours: Coder, peer: Coder, image: Image, quality: float, side: int) -> Square:
    """The square of one image in which FDEGC is furthest behind."""
    pixels = load(image.path)
    data = ours.encode(pixels, quality)
    mine = ours.decode(data)
    rate = largest_within(peer, image, pixels, len(data))
    theirs = peer.decode(peer.encode(pixels, rate))
    squares = []
    step = side // 2
    for y in range(0, max(image.height - side, 0) + 1, step):
        for x in range(0, max(image.width - side, 0) + 1, step):
            views = tuple(view[y : y + side, x : x + side] for view in (pixels, mine, theirs))
            scores = (psnr(views[0], views[1]), psnr(views[0], views[2]))
            squares.append(Square(image.name, x, y, (views[0], views[1], views[2]), *scores))
    return min(squares, key=lambda square: square.lead)


def sheet(squares: list[Square]) -> npt.NDArray[np.uint8]:
    """The squares below each other, three views of each beside each other."""
    rows = []
    for square in squares:
        parts = []
        for view in square.views:
            parts += [view, np.full((len(view), GAP, 3), 255, np.uint8)]
        row = np.concatenate(parts[:-1], 1)
        rows += [row, np.full((GAP, row.shape[1], 3), 255, np.uint8)]
    return np.concatenate(rows[:-1])


def main() -> None:
    """Print the worst places and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quality", type=float, default=4.0)
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--count", type=int, default=3)
    args = parser.parse_args()
    images, _ = images_of_set(args.folder, args.folder.name)
    images = [image for image in images if min(image.width, image.height) >= args.side]
    (peer,), _ = find_peers(["jpeg2000"])
    with tempfile.TemporaryDirectory() as folder:
        ours, _ = fdegc_coder(Codec(device="cpu"), Path(folder), (args.quality,))
        found = [worst_square(ours, peer, image, args.quality, args.side) for image in images]
    worst = sorted(found, key=lambda square: square.lead)[: args.count]
    print(f"The worst of {len(found)} images at quality {args.quality:g}, squares of {args.side} px")
    for square in worst:
        print(
            f"{square.image} at column {square.x}, row {square.y}: FDEGC {square.ours:.2f} dB, "
            f"JPEG 2000 {square.theirs:.2f} dB, {square.lead:+.2f} dB"
        )
    PillowImage.fromarray(sheet(worst)).save(args.out)


if __name__ == "__main__":
    main()
