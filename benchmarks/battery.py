r"""Pictures unlike the training images: FDEGC's real files beside JPEG 2000 at the same size.

Usage::

    python benchmarks/battery.py DIR [--multiband DIR] [--geo DIR] [--variants 'scene: *' 'green × 0.1'] \
        [--rates 2 5] [--images 3] [--side 320] [--peer jpeg2000 jxl] [--weights DIR] [--json OUT]

What the variants are is in ``battery_pictures.py``, and ``--sheet OUT.png`` draws them.  They are made of
images of DIR, of the scenes of four and more bands in the folders of ``--multiband`` and ``--geo`` (samples
of 8 bits stay as they are, others are stretched from the 2nd to the 98th percentile of each band), and of
nothing at all; each of ``--images`` images, spread evenly over those there are, of whose middle at most
``--side`` pixels in both directions are taken.

The other codec gets at most as many bytes as FDEGC took; where it cannot be as small, its smallest file
counts, and the JSON says so.  PSNR counts up to 60 dB.  Differences are FDEGC's PSNR less that of the other
codec: the mean, the worst, and the share of images that are below −0.3 dB.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from battery_pictures import Picture, Scene, Variant, choose, crop, load_scenes
from PIL import Image, ImageDraw, ImageFont

from fdegc.codec import Codec
from fdegc.errors import FdegcError
from fdegc.evaluation.coder import Coder, Rgb8Pixels
from fdegc.evaluation.images import images_of_set, load
from fdegc.evaluation.ours import fdegc_coder
from fdegc.evaluation.peers import find_peers

#: Names of codecs here and in the evaluation, and a parameter for what grows with the size of the file.
PEERS: dict[str, tuple[str, Callable[[float], float]]] = {
    "jpeg2000": ("jpeg2000", lambda bpp: bpp),
    "jxl": ("jpegxl", lambda fineness: min(max(2 / fineness, 0.05), 25)),
}
#: Differences in dB below this count as a loss.
LOSS = -0.3
#: PSNR in dB beyond which nobody sees what is better.
CEILING = 60.0
SEARCH_STEPS = 8
WIDENINGS = 40


@dataclass(frozen=True)
class Rival:
    """Another codec's file: its bytes, its PSNR in dB, and whether it is larger than FDEGC's."""

    bytes: int
    psnr: float
    larger: bool


@dataclass(frozen=True)
class Result:
    """One picture at one rate point: where it is from, size and PSNR of FDEGC's file and of others."""

    variant: str
    image: str
    rate: float
    width: int
    height: int
    bands: int
    bytes: int
    psnr: float
    peers: dict[str, Rival]

    @property
    def bpp(self) -> float:
        """Bits a pixel of FDEGC's file."""
        return self.bytes * 8 / (self.width * self.height)

    def lead(self, peer: str) -> float:
        """How far FDEGC is ahead of another codec, dB."""
        return self.psnr - self.peers[peer].psnr


def psnr(a: Rgb8Pixels, b: Rgb8Pixels) -> float:
    """PSNR in dB, peak 255, at most :data:`CEILING`."""
    error = float(np.square(a.astype(np.float64) - b.astype(np.float64)).mean())
    return min(10 * np.log10(255**2 / error), CEILING) if error else CEILING


def largest_file(encode: Callable[[float], bytes], start: float, target: int) -> bytes:
    """Largest file of at most ``target`` bytes, or the smallest there is.

    Parameters
    ----------
    encode : callable
        Parameter → file; files grow with the parameter.
    start : float
        Where to look first.
    target : int
    """
    files: dict[float, bytes] = {}

    def fits(value: float) -> bool:
        files[value] = encode(value)
        return len(files[value]) <= target

    grow = fits(start)
    edge = beyond = start
    same = 0
    for _ in range(WIDENINGS):
        beyond = edge * 1.25 if grow else edge / 1.25
        if fits(beyond) != grow:
            break
        same = same + 1 if len(files[beyond]) == len(files[edge]) else 0
        edge = beyond
        if same == 3:  # more, or less, is not to be had
            break
    low, high = sorted((edge, beyond))
    for _ in range(SEARCH_STEPS if low < high else 0):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if fits(middle) else (low, middle)
    small = [file for file in files.values() if len(file) <= target]
    return max(small, key=len) if small else min(files.values(), key=len)


def _encoder(name: str, peer: Coder, pixels: Rgb8Pixels) -> Callable[[float], bytes]:
    """Files of a picture that grow with a number, which is about bits a pixel of three bands."""
    parameter = PEERS[name][1]
    return lambda value: peer.encode(pixels, parameter(value))


def compare(
    ours: Coder, peers: Mapping[str, Coder], picture: Picture, rate: float
) -> tuple[int, float, dict[str, Rival]]:
    """Bytes and PSNR of FDEGC for a picture, and what others make of as many bytes."""
    pixels = np.ascontiguousarray(picture.transpose(1, 2, 0))
    data = ours.encode(pixels, rate)
    found = psnr(pixels, ours.decode(data))
    rivals = {}
    for name, peer in peers.items():
        seen = pixels if pixels.shape[2] > 1 else pixels[..., 0]
        encode, start = _encoder(name, peer, seen), len(data) * 24 / seen.size
        other = largest_file(encode, start, len(data))
        shown = peer.decode(other).reshape(*pixels.shape[:2], -1)
        rivals[name] = Rival(len(other), psnr(pixels, shown), len(other) > len(data))
    return len(data), found, rivals


# ------------------------------------------------------------------------------ what is coded


@dataclass(frozen=True)
class Sources:
    """What pictures are made of: aerial ones by name, scenes, and the side of those that are drawn."""

    pictures: Mapping[str, Picture]
    scenes: Sequence[Scene]
    side: int
    images: int

    def of(self, name: str, variant: Variant) -> list[tuple[str, Picture | Scene | int]]:
        """Names and sources for a variant, spread evenly over those that suit it.

        Variants of scenes do not all begin with the first, so that together they are of most of them.
        """
        if variant.source == "size":
            return [(f"drawing {k + 1}", self.side) for k in range(self.images)]
        if variant.source == "picture":
            return list(self.pictures.items())
        suited = [scene for scene in self.scenes if variant.suits(scene)]
        count = min(self.images, len(suited))
        first = zlib.crc32(name.encode()) % (len(suited) // count) if count and variant.of == "*" else 0
        chosen = [suited[k * len(suited) // count + first] for k in range(count)]
        return [(scene.name, scene) for scene in chosen]


def load_sources(folder: Path, scenes: Sequence[Path], images: int, side: int) -> Sources:
    """Images of a folder, spread evenly over it, and all scenes of others, cut to a side."""
    found, _ = images_of_set(folder, folder.name, limit=images)
    pictures = {image.name: crop(load(image.path).transpose(2, 0, 1), side) for image in found}
    return Sources(pictures, load_scenes(scenes, side), side, images)


def run(
    variants: Mapping[str, Variant],
    sources: Sources,
    rates: Sequence[float],
    ours: Coder,
    peers: Mapping[str, Coder],
    tell: Callable[[str], None],
) -> Iterator[Result]:
    """Results of all variants, one after another.

    Parameters
    ----------
    variants, sources, rates, ours, peers
    tell : callable
        Gets a sentence for each variant that there is no source for.
    """
    for name, variant in variants.items():
        chosen = sources.of(name, variant)
        if not chosen:
            tell(f"“{name}” is left out: no image here has what it is made of.")
        for image, source in chosen:
            picture = variant.picture(source, image)
            bands, height, width = picture.shape
            for rate in rates:
                size, found, rivals = compare(ours, peers, picture, rate)
                yield Result(name, image, rate, width, height, bands, size, found, rivals)


# ------------------------------------------------------------------------------ the table


def _signed(value: float | np.floating[Any]) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _cells(results: Sequence[Result], peers: Sequence[str]) -> list[str]:
    """Cells of one row at one rate point; the first codec's are the detailed ones."""
    if not results:
        return ["–"] * (3 + len(peers))
    leads = [result.lead(peers[0]) for result in results]
    worst = int(np.argmin(leads))
    cells = [
        f"{np.mean([result.bpp for result in results]):.2f}",
        _signed(np.mean(leads)),
        f"{_signed(leads[worst])} ({Path(results[worst].image).stem})",
        f"{100 * np.mean(np.array(leads) < LOSS):.0f} %",
    ]
    for peer in peers[1:]:
        others = [result.lead(peer) for result in results]
        cells.append(f"{_signed(np.mean(others))} / {_signed(min(others))}")
    return cells


def table(results: Sequence[Result], rates: Sequence[float], peers: Sequence[str]) -> str:
    """Markdown: a row a variant, those with the worst image first, and one of all."""
    head = ["variant"]
    for rate in rates:
        head += [f"{rate:g}: bpp", f"− {peers[0]}, dB", "worst", f"below {LOSS:g}".replace("-", "−")]
        head += [f"− {peer}, mean / worst" for peer in peers[1:]]
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.variant, []).append(result)
    order = sorted(rows, key=lambda name: min(result.lead(peers[0]) for result in rows[name]))
    lines = [head, ["---"] * len(head)]
    for name, found in [*((name, rows[name]) for name in order), ("all", list(results))]:
        cells = [name]
        for rate in rates:
            cells += _cells([result for result in found if result.rate == rate], peers)
        lines.append(cells)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def sheet(
    variants: Mapping[str, Variant], sources: Sources, columns: int = 8, side: int = 160
) -> Image.Image:
    """First picture of every variant, with its name, as one image."""
    shown = [
        (name, variant.picture(chosen[0][1], chosen[0][0]))
        for name, variant in variants.items()
        if (chosen := sources.of(name, variant))
    ]
    rows = -(-len(shown) // columns)
    image = Image.new("RGB", (columns * (side + 4), rows * (side + 18)), "white")
    draw = ImageDraw.Draw(image)
    for number, (name, picture) in enumerate(shown):
        place = (number % columns * (side + 4), number // columns * (side + 18))
        small = np.broadcast_to(picture, (3, *picture.shape[1:])).transpose(1, 2, 0)
        image.paste(Image.fromarray(np.ascontiguousarray(small)).resize((side, side)), place)
        draw.text(
            (place[0] + 2, place[1] + side + 2),
            name.replace("×", "x"),
            "black",
            font=ImageFont.load_default(size=11),
        )
    return image


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="aerial images of three 8-bit bands")
    parser.add_argument("--multiband", type=Path, help="GeoTIFFs of four and more bands")
    parser.add_argument("--geo", type=Path, help="more of them")
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="names or patterns; by default all")
    parser.add_argument("--rates", nargs="+", type=float, default=[2.0, 5.0])
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--peer", nargs="+", choices=list(PEERS), default=["jpeg2000"])
    parser.add_argument("--weights", type=Path, help="folder of weights, as in FDEGC_WEIGHTS")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path, help="draw the pictures into a PNG, and code nothing")
    args = parser.parse_args()
    if args.weights:
        os.environ["FDEGC_WEIGHTS"] = str(args.weights)

    def tell(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    try:
        variants = choose(args.variants)
        folders = [folder for folder in (args.multiband, args.geo) if folder is not None]
        sources = load_sources(args.folder, folders, args.images, args.side)
        found, missing = find_peers([PEERS[name][0] for name in args.peer])
    except (FdegcError, ValueError) as error:
        parser.error(str(error))
    if missing:
        parser.error(" ".join(missing))
    if args.sheet:
        sheet(variants, sources).save(args.sheet)
        return
    by_name = {coder.name: coder for coder in found}
    peers = {name: by_name[PEERS[name][0]] for name in args.peer}
    results = []
    with tempfile.TemporaryDirectory() as folder:
        codec = Codec(device="cpu", threads=args.threads)
        ours, stream = fdegc_coder(codec, Path(folder), tuple(args.rates))
        for result in run(variants, sources, args.rates, ours, peers, tell):
            results.append(result)
            tell(f"{result.variant}, {result.image}, {result.rate:g}: {result.lead(args.peer[0]):+.2f} dB")
    print(f"FDEGC: {ours.settings}; {'; '.join(peer.version for peer in peers.values())}")
    print(f"Side {args.side}, {args.images} images a variant\n")
    print(table(results, args.rates, args.peer))
    if args.json:
        document = {
            "weights": stream.weights_hash,
            "profile": stream.profile,
            "peers": {name: f"{peer.settings} [{peer.version}]" for name, peer in peers.items()},
            "side": args.side,
            "images": args.images,
            "results": [asdict(result) for result in results],
        }
        args.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
