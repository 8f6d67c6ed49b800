"""Write the golden files of ``tests/golden`` with the shipped weights.

Run it only when new weights are shipped before the first tagged release; afterwards golden files are kept for ever
and new ones are added beside them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

from fdegc.codec import Codec
from fdegc.raster import ArraySource, open_raster
from fdegc.types import EncodeOptions, TileResult, Window

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Code a corner of the sample scene at three qualities."""
    folder = ROOT / "tests" / "golden"
    with open_raster(ROOT / "resources" / "sample_scene.tif") as source:
        pixels = source.read(Window(400, 300, 150, 100)).pixels
    codec = Codec(device="cpu")
    facts = {}
    for quality in (1.0, 3.5, 6.0):
        name = f"scene-{quality:.1f}"
        out = np.zeros_like(pixels)

        def paste(tile: TileResult, out: np.ndarray = out) -> None:
            out[:, tile.window.rows, tile.window.cols] = tile.samples.pixels

        path = folder / f"{name}.fdegc"
        codec.encode(ArraySource(pixels), path, EncodeOptions(quality, tile_size=64), overwrite=True)
        codec.decode(path, on_tile=paste)
        Image.fromarray(out.transpose(1, 2, 0)).save(folder / f"{name}.png")
        facts[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "golden.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
