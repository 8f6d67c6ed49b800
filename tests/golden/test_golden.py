"""Files written once decode to the same latents and, but for the last bit of g_s, the same pixels.

A decode checks the hashes of φ and ŷ that each file carries, so an intact result proves the latents.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdegc.codec import Codec
from fdegc.types import TileResult

FOLDER = Path(__file__).parent
FACTS: dict[str, str] = json.loads((FOLDER / "golden.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(FACTS))
def test_golden_file(name: str) -> None:
    path = FOLDER / f"{name}.fdegc"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == FACTS[name]
    expected = np.asarray(Image.open(FOLDER / f"{name}.png")).astype(int)
    out = np.zeros_like(expected)

    def paste(tile: TileResult) -> None:
        out[tile.window.rows, tile.window.cols] = tile.samples.pixels.transpose(1, 2, 0)

    assert Codec(device="cpu").decode(path, on_tile=paste).damaged == ()
    # g_s may run in bfloat16 where the processor has it, in float32 elsewhere.
    assert np.abs(out - expected).mean() < 1.0
    assert np.abs(out - expected).max() <= 24
