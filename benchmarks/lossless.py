"""Size and speed of the lossless coders beside other lossless formats.

    python benchmarks/lossless.py ../shared/data/val/*.webp ../shared/data/multiband/s2_*.tif ... [--side 512]

Prints the table of docs/lossless.md: KB (1000 bytes) of the upper left corner of each raster, and of
drawings, charts and maps from ``battery_pictures.py``.  "classes", "bands" and "floats" are ours; "deflate"
is GeoTIFF with predictor 2 (3 for floats), level 9; JPEG XL is at its default effort of 7, all bands at once
up to four, each for itself above, and has no signed samples.  "E 1", "E 2" and "LERC 1" are near-lossless.
Speeds are in millions of samples a second of CPU time, of ours and the first of "classes", "bands" and
"floats" that has a number.  A format that cannot hold a raster, or is not installed, has a dash.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import battery_pictures
import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image
from rasterio.io import MemoryFile

from fdegc.coding import classes, floats, lossless

Samples = npt.NDArray[Any]
#: A raster with fewer distinct values is one of classes.
FEW = 2049
COLUMNS = (
    "classes", "bands", "floats", "deflate", "WebP", "JPEG XL", "JPEG 2000", "LERC",
    "E 1", "E 2", "LERC 1", "in", "out",
)  # fmt: skip
DRAWINGS = ("plan", "page", "chart", "contour_map", "scanned_map")


def geotiff(samples: Samples, driver: str = "GTiff", **options: Any) -> int:
    """Bytes of a file that rasterio writes."""
    bands, height, width = samples.shape
    with MemoryFile() as memory:
        with memory.open(
            driver=driver, count=bands, height=height, width=width, dtype=samples.dtype.name, **options
        ) as file:
            file.write(samples)
        return len(memory.read())


def deflate(samples: Samples) -> int:
    """Bytes of a deflated GeoTIFF."""
    predictor = 3 if samples.dtype.kind == "f" else 2
    return geotiff(samples, compress="deflate", zlevel=9, predictor=predictor)


def jpeg2000(samples: Samples) -> int:
    """Bytes of JPEG 2000 with the reversible 5/3 wavelet."""
    return geotiff(samples, "JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES", YCBCR420="NO")


def lerc(samples: Samples, error: float = 0) -> int:
    """Bytes of a GeoTIFF with LERC."""
    return geotiff(samples, compress="lerc", max_z_error=error)


def webp(samples: Samples) -> int:
    """Bytes of lossless WebP."""
    if samples.dtype != np.uint8 or len(samples) not in (1, 3, 4):
        raise ValueError
    picture = np.repeat(samples, 3, axis=0) if len(samples) == 1 else samples
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).save(
        out, "WEBP", lossless=True, quality=100, method=6, exact=True
    )
    return out.tell()


def jpegxl(samples: Samples) -> int:
    """Bytes of lossless JPEG XL."""
    import imagecodecs

    if samples.dtype not in (np.uint8, np.uint16, np.float32):
        raise ValueError
    if len(samples) in (2, 3, 4) and samples.dtype != np.float32:
        groups = [np.ascontiguousarray(samples.transpose(1, 2, 0))]
    else:
        groups = [np.ascontiguousarray(band) for band in samples]
    return sum(len(imagecodecs.jpegxl_encode(group, lossless=True, effort=7)) for group in groups)


def size(coder: Callable[..., int], *arguments: Any) -> int | None:
    """Bytes, or None where a coder cannot."""
    try:
        return coder(*arguments)
    except Exception:  # whatever a format says about what it does not hold
        return None


def both_ways(encode: Callable[[], bytes], decode: Callable[[bytes], Samples], right: Samples) -> list[float]:
    """Bytes, and CPU seconds there and back."""
    begin = time.process_time()
    data = encode()
    middle = time.process_time()
    decoded = decode(data)
    end = time.process_time()
    if decoded.tobytes() != right.tobytes():
        raise AssertionError("What was decoded is not what was encoded.")
    return [len(data), middle - begin, end - middle]


def rasters(paths: list[Path], side: int) -> Iterator[tuple[str, Samples]]:
    """Names and samples, shape (bands, rows, columns)."""
    for path in paths:
        with rasterio.open(path) as file:
            yield path.stem, file.read()[:, :side, :side]
    for name in DRAWINGS:
        picture = getattr(battery_pictures, name)(side, np.random.default_rng(1))
        yield f"{name} (drawn)", as_classes(picture)


def as_classes(picture: Samples) -> Samples:
    """Numbers of a picture's colours, as one band."""
    colours, numbers = np.unique(picture.reshape(len(picture), -1), axis=1, return_inverse=True)
    kind = np.uint8 if colours.shape[1] <= 256 else np.uint16
    return numbers.reshape(1, *picture.shape[1:]).astype(kind)


def measure(samples: Samples) -> dict[str, float | None]:
    """One line of the table."""
    shape, dtype = samples.shape, samples.dtype
    row: dict[str, float | None] = dict.fromkeys(COLUMNS)
    times: list[float] = []
    if dtype == np.float32:
        times = both_ways(lambda: floats.encode(samples), lambda data: floats.decode(data, shape), samples)
        row["floats"] = times[0]
    else:
        few = len(samples) == 1 and samples.dtype.kind == "u" and len(np.unique(samples)) < FEW
        times = both_ways(
            lambda: lossless.encode(samples), lambda data: lossless.decode(data, shape, dtype), samples
        )
        row["bands"] = times[0]
        if few:
            times = both_ways(
                lambda: classes.encode(samples[0]),
                lambda data: classes.decode(data, shape[1:], dtype),
                samples[0],
            )
            row["classes"] = times[0]
        if not few:
            row["E 1"], row["E 2"] = (len(lossless.encode(samples, error)) for error in (1, 2))
            row["LERC 1"] = size(lerc, samples, 1)
    row["deflate"], row["WebP"] = size(deflate, samples), size(webp, samples)
    row["JPEG XL"], row["JPEG 2000"] = size(jpegxl, samples), size(jpeg2000, samples)
    row["LERC"] = size(lerc, samples)
    row["in"], row["out"] = (samples.size / max(seconds, 1e-9) / 1e6 for seconds in times[1:])
    return row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rasters", type=Path, nargs="*")
    parser.add_argument("--side", type=int, default=512)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    small = np.random.default_rng(0).integers(0, 9, (3, 16, 16)).astype(np.uint8)
    gaps = (np.arange(4096).reshape(1, 64, 64) % 7).astype(np.uint16) * 1000
    for some in (small, gaps):  # compiled now, not while it is timed
        lossless.decode(lossless.encode(some), some.shape, some.dtype)
    classes.decode(classes.encode(small[0]), (16, 16), np.uint8)
    print("| raster | shape | type | " + " | ".join(COLUMNS) + " |")
    print("|---" * (3 + len(COLUMNS)) + "|")
    for name, samples in rasters(options.rasters, options.side):
        cells = [name, "×".join(map(str, samples.shape)), samples.dtype.name]
        for column, number in measure(samples).items():
            scale, places = (1, 2) if column in ("in", "out") else (1000, 1)
            cells.append("–" if number is None else f"{number / scale:.{places}f}")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
