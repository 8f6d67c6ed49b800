"""Bytes of palettes and classes in ``.fdegc`` files beside those of other lossless files.

    python benchmarks/palettes.py [RASTER ...] [--side 2048]

Prints the table of docs/palettes.md: bytes of whole files, metadata and palette included, of at most
``--side`` pixels a side from the middle of each raster, and of drawings from ``battery_pictures.py`` in at
most 16 colours or as classes. "deflate" is GeoTIFF without predictor (DEFLATE, level 9, tiles of 512), "PNG"
Pillow's at its best, "WebP" lossless at its best, of the colours, or of the classes as grey. Ours are decoded
and compared.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import battery_pictures
import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image

from fdegc.codec import Codec
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource, RasterSource, open_raster
from fdegc.raster.classes import settle
from fdegc.raster.palettes import coloured, info_table
from fdegc.raster.part import PartSource
from fdegc.raster_info import Palette, RasterInfo, Window

DRAWINGS = ("plan", "chart", "contour_map", "page", "bars")
Indices = npt.NDArray[np.integer]


def part(path: Path, side: int) -> RasterSource:
    """Middle of a raster, as its indices."""
    source = open_raster(path, palette="indices")
    info = source.info
    width, height = min(side, info.width), min(side, info.height)
    return PartSource(source, Window((info.width - width) // 2, (info.height - height) // 2, width, height))


def raster(indices: Indices, palette: Palette = ()) -> ArraySource:
    """Raster of indices or classes."""
    height, width = indices.shape
    color = ("palette",) if palette else ("gray",)
    info = RasterInfo("", "MEM", width, height, 1, "uint8", color_interpretation=color, palette=palette)
    source = ArraySource(indices[None].astype(np.uint8), info=info)
    source.has_palette = bool(palette)
    return source


def drawn(name: str, side: int) -> tuple[Indices, Palette]:
    """Drawing of which each pixel has the nearest of 16 colours."""
    picture = getattr(battery_pictures, name)(side, np.random.default_rng(1))
    image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).quantize(16, dither=0)
    colours = np.array(image.getpalette(), np.uint8).reshape(-1, 3).tolist()
    return np.asarray(image), tuple((r, g, b, 255) for r, g, b in colours)


def grown(side: int, classes: int, noise: float) -> Indices:
    """Classes of a satellite's kind: the largest of smooth random fields, with single wrong pixels."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(2)
    fields = [gaussian_filter(random.normal(size=(side, side)), 5) for _ in range(classes)]
    found = np.argmax(fields, axis=0)
    wrong = random.random(found.shape) < noise
    found[wrong] = random.integers(0, classes, int(wrong.sum()))
    return found * 10 + 10


def rasters(paths: list[Path], side: int) -> Iterator[tuple[str, RasterSource]]:
    """What is compressed, and what it is called."""
    for path in paths:
        yield path.name, part(path, side)
    for name in DRAWINGS:
        yield f"{name}, 16 colours", raster(*drawn(name, 512))
    for noise in (0.0, 0.01, 0.05):
        yield f"11 classes, {noise:.0%} noise", raster(grown(512, 11, noise))


def fdegc_bytes(codec: Codec, source: RasterSource, folder: Path) -> tuple[int, str]:
    """Bytes of our file, and what the raster was taken for; 0 if for a picture."""
    options, _ = settle(source, EncodeOptions())
    if options.max_error is None:
        return 0, "not taken for classes"
    result = codec.encode(source, folder / "a.fdegc", options, overwrite=True)
    info = source.info
    back = codec.decode_window(folder / "a.fdegc", Window(0, 0, info.width, info.height))
    if not np.array_equal(back.pixels, source.read(Window(0, 0, info.width, info.height)).pixels):
        raise AssertionError("What was decoded is not what was encoded.")
    return result.bytes, "palette" if info.palette else "classes"


def deflate_bytes(source: RasterSource, folder: Path) -> int:
    """Bytes of a GeoTIFF."""
    info, path = source.info, folder / "a.tif"
    pixels = source.read(Window(0, 0, info.width, info.height)).pixels
    with rasterio.open(
        path, "w", driver="GTiff", width=info.width, height=info.height, count=1, dtype=info.dtype,
        compress="deflate", zlevel=9, predictor=1, tiled=True, blockxsize=512, blockysize=512,
        photometric="palette" if info.palette else "minisblack",
    ) as dataset:  # fmt: skip
        if info.palette:
            dataset.write_colormap(1, dict(enumerate(info.palette)))
        dataset.write(pixels)
    return path.stat().st_size


def png_bytes(source: RasterSource, _: Path) -> int | None:
    """Bytes of a PNG; None if it cannot hold the samples."""
    info, out = source.info, io.BytesIO()
    pixels = source.read(Window(0, 0, info.width, info.height)).pixels[0]
    if pixels.min() < 0 or pixels.max() > 255:
        return None
    image = Image.fromarray(pixels.astype(np.uint8))
    if info.palette:
        image.putpalette([value for entry in info.palette for value in entry[:3]])
    image.save(out, "PNG", optimize=True)
    return out.tell()


def webp_bytes(source: RasterSource, _: Path) -> int | None:
    """Bytes of a WebP; None if it cannot hold the samples."""
    info, out = source.info, io.BytesIO()
    samples = source.read(Window(0, 0, info.width, info.height))
    if samples.pixels.min() < 0 or samples.pixels.max() > 255:
        return None
    table = info_table(info)
    pixels = samples.pixels.astype(np.uint8) if table is None else coloured(samples, table).pixels
    pixels = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.save(out, "WEBP", lossless=True, quality=100, method=6)
    return out.tell()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rasters", type=Path, nargs="*")
    parser.add_argument("--side", type=int, default=2048)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    codec = Codec(device="cpu")
    print("| raster | size | kept as | .fdegc | deflate | PNG | WebP | of deflate |")
    print("|---|---|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, source in rasters(options.rasters, options.side):
            with source:
                ours, kind = fdegc_bytes(codec, source, folder)
                others = [size(source, folder) for size in (deflate_bytes, png_bytes, webp_bytes)]
                cells = [title, f"{source.info.width}×{source.info.height}", kind]
                cells += ["–" if not size else str(size) for size in (ours, *others)]
                print(
                    "| " + " | ".join([*cells, f"{ours / others[0]:.0%}" if ours else "–"]) + " |", flush=True
                )


if __name__ == "__main__":
    main()
