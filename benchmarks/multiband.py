r"""Scenes of many bands: FDEGC's component transforms beside JPEG 2000, and three bands at a time alone.

Usage::

    python benchmarks/multiband.py FILE_OR_DIR ... [--rates 2 5] [--side 512]

Of the middle of each raster, of at most ``--side`` pixels in both directions, it prints the bytes and PSNR
(over all bands jointly, against the widest span) of FDEGC's file, and how many decibels it is ahead of
JPEG 2000 in as many bytes (OpenJPEG, 9/7): with one component a band, Part 1's colour transform where there
are three; and of more than three bands as Part 2 allows, with their principal components over the scene, all
in the bands' units so that OpenJPEG shares out the bytes among them by slope, and two bytes for each number
of means and matrix.  "By own spans" is the lead over such components of bands that are divided by their
spans, in PSNR of those; bands of 8 bits all have one span.  "Alone" says what its bytes are of those that the
same quality takes with every three bands in a file of its own, and the PSNR of those.  "Gain" is what the
transform gains at equal bytes: the difference of PSNR, brought to equal bytes by the slope between the two
rates of the files alone.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path

import numpy as np

from fdegc.codec import Codec
from fdegc.coding import jpeg2000
from fdegc.errors import FdegcError
from fdegc.format.kinds import UnitKind
from fdegc.format.reader import ContainerReader
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import Window
from fdegc.types import Samples


def rasters(paths: list[Path]) -> list[Path]:
    """Files that are named, and GeoTIFFs of folders that are."""
    return [file for path in paths for file in (sorted(path.glob("*.tif")) if path.is_dir() else [path])]


def middle(path: Path, side: int) -> tuple[str, Samples]:
    """Type and samples of the middle of a raster."""
    with open_raster(path) as source:
        info = source.info
        width, height = min(side, info.width), min(side, info.height)
        window = Window((info.width - width) // 2, (info.height - height) // 2, width, height)
        return info.dtype, source.read(window)


def spans_of(original: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Span of each band's valid samples."""
    if original.dtype == np.uint8:
        return np.full(len(original), 255.0)
    return np.array([float(band[valid].max()) - float(band[valid].min()) or 1.0 for band in original])


def psnr(original: np.ndarray, found: np.ndarray, valid: np.ndarray, own: bool = False) -> float:
    """PSNR over all bands, against the widest span of the valid samples, or each against its own."""
    spans = spans_of(original, valid)
    peaks = spans if own else np.full(len(spans), spans.max())
    error = (original.astype(np.float64) - found)[:, valid] / peaks[:, None]
    squared = float(np.mean(error**2))
    return math.inf if squared == 0 else -10 * math.log10(squared)


def coded(
    codec: Codec, samples: Samples, bands: slice, rate: float, folder: Path
) -> tuple[int, np.ndarray, str]:
    """Bytes of some bands' file, what it decodes to, and how it was made."""
    path = folder / "scene.fdegc"
    source = ArraySource(samples.pixels[bands], samples.valid)
    result = codec.encode(source, path, EncodeOptions(rate), overwrite=True)
    height, width = samples.pixels.shape[1:]
    with ContainerReader(path) as reader:
        components = reader.header.components
        kinds = reader.entries.kinds[:: reader.header.groups].tolist()
    how = "as they are" if components is None else f"{components.groups} groups"
    if components is not None and components.predicts:
        how = "predicted"
    ways = ", ".join(f"{count} {name}" for name, count in result.ways.items() if name != "network")
    ways += " of components" if UnitKind.COMPONENTS in kinds else ""
    found = codec.decode_window(path, Window(0, 0, width, height)).pixels
    return result.bytes, found, f"{how}, {ways}" if ways else how


def squeezed(integers: np.ndarray, bits: int, size: int) -> np.ndarray:
    """What JPEG 2000 makes of integers in at most a number of bytes."""
    wanted = size
    while True:
        data = jpeg2000.encode(integers, bits, wanted)
        if len(data) <= size or wanted < size // 2:
            break
        wanted -= max(len(data) - size, 1)
    return jpeg2000.decode(data, integers.shape, bits)


def rival(samples: Samples, size: int, valid: np.ndarray) -> float:
    """PSNR of JPEG 2000 in at most a number of bytes, one component a band."""
    pixels = samples.pixels
    low = pixels[:, valid].min(axis=1)[:, None, None].astype(np.float64)
    high = pixels[:, valid].max(axis=1)[:, None, None].astype(np.float64)
    whole = pixels.dtype.kind in "iu" and float((high - low).max()) <= 65535
    scale = np.ones_like(low) if whole else 65535 / np.maximum(high - low, 1e-12)
    shifted = np.clip(np.rint((pixels - low) * scale), 0, 65535)
    bits = max(int(shifted.max()).bit_length(), 1)
    kind = np.uint8 if bits <= 8 else np.uint16
    return psnr(pixels, squeezed(shifted.astype(kind), bits, size) / scale + low, valid)


def strong_rival(samples: Samples, size: int, valid: np.ndarray, own: bool = False) -> float:
    """PSNR of JPEG 2000 in at most a number of bytes, one component a principal component of the bands."""
    bands = len(samples.pixels)
    if bands <= 3:
        return rival(samples, size, valid)
    factors = spans_of(samples.pixels, valid)[:, None, None] if own else np.ones((bands, 1, 1))
    pixels = samples.pixels / factors
    means = pixels[:, valid].mean(axis=1)
    axes = np.linalg.eigh(np.cov(pixels[:, valid]))[1].T
    axes = np.rint(axes * 32767) / 32767
    components = np.einsum("ij,jhw->ihw", axes, pixels - means[:, None, None])
    scale = 32767 / max(float(np.abs(components[:, valid]).max()), 1e-12)
    shifted = np.clip(np.rint(components * scale) + 32768, 0, 65535).astype(np.uint16)
    found = (squeezed(shifted, 16, size - 2 * bands * (bands + 1)) - 32768.0) / scale
    back = (np.einsum("ij,jhw->ihw", np.linalg.inv(axes), found) + means[:, None, None]) * factors
    if samples.pixels.dtype.kind in "iu":
        limits = np.iinfo(samples.pixels.dtype)
        back = np.clip(np.rint(back), limits.min, limits.max)
    return psnr(samples.pixels, back, valid, own)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE_OR_DIR")
    parser.add_argument("--rates", nargs=2, type=float, default=[2.0, 5.0])
    parser.add_argument("--side", type=int, default=512)
    args = parser.parse_args()
    codec = Codec(device="cpu")
    columns = (
        "scene, bands, rate, way, bytes, dB, − JPEG 2000, − its components, by own spans, "
        "bytes of alone, alone dB, gain"
    )
    print("| " + " | ".join(columns.split(", ")) + " |")
    print("|---" * len(columns.split(", ")) + "|")
    with tempfile.TemporaryDirectory() as name:
        for path in rasters(args.paths):
            try:
                dtype, samples = middle(path, args.side)
            except FdegcError as error:
                parser.error(str(error))
            bands = len(samples.pixels)
            valid = np.ones(samples.pixels.shape[1:], bool) if samples.valid is None else samples.valid
            if samples.missing is not None:
                valid = valid & ~samples.missing.any(axis=0)
            rows, alone = [], []
            for rate in args.rates:
                size, found, how = coded(codec, samples, slice(None), rate, Path(name))
                parts = [
                    coded(codec, samples, slice(first, first + 3), rate, Path(name))
                    for first in range(0, bands, 3)
                ]
                quality = psnr(samples.pixels, found, valid)
                leads = (quality - peer(samples, size, valid) for peer in (rival, strong_rival))
                by_own = "–"
                if samples.pixels.dtype != np.uint8 and bands > 3:
                    lead = psnr(samples.pixels, found, valid, True) - strong_rival(samples, size, valid, True)
                    by_own = f"{lead:+.2f}"
                rows.append((rate, how, size, quality, *leads, by_own))
                together = np.concatenate([pixels for _, pixels, _ in parts])
                alone.append((sum(count for count, _, _ in parts), psnr(samples.pixels, together, valid)))
            (first, low), (second, high) = alone
            slope = (high - low) / math.log(second / first) if second > first else 0.0
            for (rate, how, size, quality, lead, strong, by_own), (count, other) in zip(
                rows, alone, strict=True
            ):
                gain = quality - other - slope * math.log(size / count)
                row = (
                    f"| {path.stem} | {bands} × {dtype} | {rate:g} | {how} | {size} | {quality:.2f} "
                    f"| {lead:+.2f} | {strong:+.2f} | {by_own} | {100 * size / count:.0f} % | {other:.2f} "
                    f"| {gain:+.2f} |"
                )
                print(row.replace("-", "−"), flush=True)


if __name__ == "__main__":
    main()
