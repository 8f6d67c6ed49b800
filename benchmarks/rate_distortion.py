"""Rate-distortion on a folder of images: FDEGC's real files beside JPEG 2000 at the same size.

Usage::

    python benchmarks/rate_distortion.py DIR [--manifest weights/manifest.json]

Every figure is of real files: bits per pixel count the whole file, PSNR is of decoded 8-bit pixels.
JPEG 2000 is OpenJPEG through Pillow (9/7 wavelet, colour transform, one layer), given for each image
and rate point as many bytes as FDEGC took.  With ``--manifest`` the averages are written into it.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from fdegc.codec import Codec
from fdegc.metrics import psnr
from fdegc.raster import ArraySource
from fdegc.training.data import find_images, load_image
from fdegc.types import RATE_POINTS, EncodeOptions, TileResult


def jpeg2000(image: np.ndarray, target: int) -> tuple[int, np.ndarray]:
    """Bytes and decoded pixels of the largest JPEG 2000 file that is not above ``target`` bytes."""
    # OpenJPEG comes close to the ratio it is asked for, so the search starts around it.
    ratio = image.nbytes / target
    low, high, best = ratio * 0.8, ratio * 1.5, None
    for _ in range(9):
        ratio = (low * high) ** 0.5
        buffer = io.BytesIO()
        Image.fromarray(image).save(
            buffer, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True, mct=1
        )
        if buffer.tell() <= target:
            high, best = ratio, buffer
        else:
            low = ratio
    if best is None:
        raise SystemExit(f"JPEG 2000 cannot reach {target} bytes")
    with Image.open(best) as decoded:
        return best.getbuffer().nbytes, np.asarray(decoded.convert("RGB"))


def measure(codec: Codec, image: np.ndarray, quality: float, folder: Path) -> dict[str, float]:
    """Figures of one image at one quality, by way of a file."""
    source = ArraySource(np.ascontiguousarray(image.transpose(2, 0, 1)))
    out = np.empty_like(image.transpose(2, 0, 1))

    def paste(tile: TileResult) -> None:
        out[:, tile.window.rows, tile.window.cols] = tile.samples.pixels

    result = codec.encode(source, folder / "a.fdegc", EncodeOptions(quality), overwrite=True)
    decoded = codec.decode(folder / "a.fdegc", on_tile=paste)
    peer_bytes, peer = jpeg2000(image, result.bytes)
    pixels = image.shape[0] * image.shape[1]
    reference = image.transpose(2, 0, 1)
    return {
        "bpp": result.bpp,
        "psnr": psnr(reference, out, 255.0),
        "jp2_bpp": peer_bytes * 8 / pixels,
        "jp2_psnr": psnr(reference, peer.transpose(2, 0, 1), 255.0),
        "encode_s_per_mpx": result.encode_seconds / pixels * 1e6,
        "decode_s_per_mpx": decoded.seconds / pixels * 1e6,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--manifest", type=Path, help="manifest whose first model gets the averages")
    args = parser.parse_args()
    codec = Codec(device="cpu")
    images = [load_image(path) for path in find_images(args.folder)]
    rows = []
    print(f"{len(images)} images of {args.folder.name}")
    print("rate  lambda    bpp   PSNR | JPEG 2000 bpp   PSNR | difference | s/Mpx in  out")
    with tempfile.TemporaryDirectory() as folder:
        for point in RATE_POINTS:
            figures = [measure(codec, image, float(point.index), Path(folder)) for image in images]
            mean = {key: float(np.mean([f[key] for f in figures])) for key in figures[0]}
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
