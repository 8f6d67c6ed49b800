"""Write golden files that ``tests/golden`` has none of yet, with the shipped weights.

Golden files are kept for ever: those that are there are left alone, whatever version of the format they have, and
new ones are added beside them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from fdegc.codec import Codec
from fdegc.format.info import read_info
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import RasterInfo, Window

#: Of pixels that are compared with a tolerance, one in so many of each row and column is kept.
STEP = 3
ROOT = Path(__file__).resolve().parent.parent


def first_sources() -> dict[str, tuple[ArraySource, EncodeOptions]]:
    """Version 1: three-band bytes at three qualities, two bands of 16 bits with a hole and alpha."""
    with open_raster(ROOT / "resources" / "sample_scene.tif") as source:
        pixels = source.read(Window(400, 300, 150, 100)).pixels
    rows, cols = np.mgrid[:100, :150]
    hole = np.hypot(rows - 40, cols - 70) < 25
    alpha = np.where(cols < 20, 0, 1000 + 3 * rows).astype(np.uint16)
    deep = pixels[:2].astype(np.uint16) * 13 + 500
    out = {f"scene-{q:.1f}": (ArraySource(pixels), EncodeOptions(q, 64)) for q in (1.0, 3.5, 6.0)}
    return {**out, "masked-4.2": (ArraySource(deep, ~hole, alpha), EncodeOptions(4.2, 64))}


def sources() -> dict[str, tuple[ArraySource, EncodeOptions]]:
    """Version 2: a photograph, several ways beside each other, transforms, 16 bits without loss, planes."""
    with open_raster(ROOT / "resources" / "sample_scene.tif") as source:
        pixels = source.read(Window(400, 300, 112, 80)).pixels
    rows, cols = np.mgrid[:80, :112]
    random = np.random.default_rng(17)
    mixed = pixels.copy()
    # A chart in the lower right tile, noise in the one above.
    mixed[:, 64:, 64:] = np.where((rows // 3 + cols // 5) % 4 == 0, 30, 220)[64:, 64:]
    mixed[:, :64, 64:] = random.integers(0, 256, (3, 64, 48))
    mixture = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0.6, 0.4], [0.3, 0.3, 0.4]])
    six = np.einsum("bc,chw->bhw", mixture, pixels[:, :64, :80].astype(float)) * 13 + 500
    deep = (pixels[:1].astype(np.uint16) // 8 * 70)[:, :64, :80]
    hole = np.hypot(rows - 30, cols - 50)[:64, :80] < 20
    spoilt = random.normal(300, 40, (2, 80, 112))
    spoilt[0, 5, 7], spoilt[0, 79, 111], spoilt[1, :, 100], spoilt[1, 20:22] = 65535, -7000, 4e6, -9999
    spoilt[1, 40:50, 30:60] = np.nan
    # Bands that are mixtures of two, beside a photograph.
    four = np.einsum("bc,chw->bhw", mixture[[0, 1, 3, 4]], mixed[:, :64].astype(float)) * 13 + 500
    # Holes of bands and of pixels, and a soft alpha band.
    rough = np.stack([deep[0], deep[0] // 3])
    rough[random.random(rough.shape) < 0.2] = 7
    soft = (np.clip(np.hypot(rows - 40, cols - 40)[:64, :80] * 20 - 300, 0, 255) * 257).astype(np.uint16)
    rough_info = RasterInfo("", "MEM", 80, 64, 2, "uint16", nodata=7.0)
    return {
        "v2-scene-3.0": (ArraySource(pixels), EncodeOptions(3.0, 64)),
        "v2-mixed-1.5": (ArraySource(mixed), EncodeOptions(1.5, 64)),
        # The same with JPEG 2000 as packets alone.
        "v2-packets-2.5": (ArraySource(mixed), EncodeOptions(2.5, 64)),
        "v2-components-3.5": (ArraySource(six.astype(np.uint16)), EncodeOptions(3.5, 64)),
        # A transform of each tile's own.
        "v2-tile-components-2.0": (ArraySource(four.astype(np.uint16)), EncodeOptions(2.0, 64)),
        # Outliers, beside missing samples of one band; no tile is one for the network.
        "v2-outliers": (ArraySource(spoilt.astype(np.float32)), EncodeOptions(2.0, 64)),
        "v2-lossless": (ArraySource(deep, ~hole), EncodeOptions(tile_size=64, max_error=0.0)),
        # Planes coded by contexts.
        "v2-contexts": (
            ArraySource(rough, alpha=soft, info=rough_info),
            EncodeOptions(tile_size=64, max_error=0.0),
        ),
    }


def main() -> None:
    """Code them in tiles of 64; keep the file, what it decodes to, and the digests."""
    folder = ROOT / "tests" / "golden"
    codec = Codec(device="cpu")
    facts = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    missing = (first_sources().keys() | sources().keys()) - facts.keys()
    if missing & first_sources().keys():
        raise SystemExit("Files of version 1 can no longer be written.")
    for name, (source, options) in sources().items():
        if name in facts:
            continue
        path = folder / f"{name}.fdegc"
        codec.encode(source, path, options)
        samples = codec.decode_window(path, Window(0, 0, source.info.width, source.info.height))
        step = STEP if options.max_error is None and "outliers" not in name else 1
        planes = {"pixels": samples.pixels[:, ::step, ::step], "valid": samples.valid, "alpha": samples.alpha}
        np.savez_compressed(folder / f"{name}.npz", **{k: v for k, v in planes.items() if v is not None})
        info = read_info(path)
        facts[name] = {
            "file": hashlib.sha256(path.read_bytes()).hexdigest(),
            "latents": codec.verify(path).digest,
            "ways": dict(info.ways),
        }
    (folder / "golden.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
