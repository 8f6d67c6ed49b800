"""Write the golden files of ``tests/golden`` with the shipped weights.

Run it only when new weights are shipped before the first tagged release; afterwards golden files are kept for ever
and new ones are added beside them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from fdegc.codec import Codec
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import Window

ROOT = Path(__file__).resolve().parent.parent


def sources() -> dict[str, tuple[ArraySource, float]]:
    """Name → raster and quality: three-band bytes at three qualities, two bands of 16 bits with a hole and alpha."""
    with open_raster(ROOT / "resources" / "sample_scene.tif") as source:
        pixels = source.read(Window(400, 300, 150, 100)).pixels
    rows, cols = np.mgrid[:100, :150]
    hole = np.hypot(rows - 40, cols - 70) < 25
    alpha = np.where(cols < 20, 0, 1000 + 3 * rows).astype(np.uint16)
    deep = pixels[:2].astype(np.uint16) * 13 + 500
    out = {f"scene-{q:.1f}": (ArraySource(pixels), q) for q in (1.0, 3.5, 6.0)}
    return {**out, "masked-4.2": (ArraySource(deep, ~hole, alpha), 4.2)}


def main() -> None:
    """Code them in tiles of 64; keep the file, what it decodes to, and the digests."""
    folder = ROOT / "tests" / "golden"
    codec = Codec(device="cpu")
    facts = {}
    for name, (source, quality) in sources().items():
        path = folder / f"{name}.fdegc"
        codec.encode(source, path, EncodeOptions(quality, tile_size=64), overwrite=True)
        samples = codec.decode_window(path, Window(0, 0, source.info.width, source.info.height))
        planes = {"pixels": samples.pixels, "valid": samples.valid, "alpha": samples.alpha}
        np.savez_compressed(folder / f"{name}.npz", **{k: v for k, v in planes.items() if v is not None})
        facts[name] = {
            "file": hashlib.sha256(path.read_bytes()).hexdigest(),
            "latents": codec.verify(path).digest,
        }
    (folder / "golden.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
