"""Files written once decode to the same latents and, but for the last bits of g_s, the same pixels."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from fdegc.codec import Codec
from fdegc.raster_info import Window

FOLDER = Path(__file__).parent
FACTS: dict[str, dict[str, str]] = json.loads((FOLDER / "golden.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(FACTS))
def test_golden_file(name: str) -> None:
    path = FOLDER / f"{name}.fdegc"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == FACTS[name]["file"]
    codec = Codec(device="cpu")
    verified = codec.verify(path)
    assert verified.problems == ()
    assert verified.digest == FACTS[name]["latents"]
    with np.load(FOLDER / f"{name}.npz") as expected:
        planes = {key: expected[key] for key in expected.files}
    height, width = planes["pixels"].shape[1:]
    samples = codec.decode_window(path, Window(0, 0, width, height))
    for plane in ("valid", "alpha"):
        if plane in planes:
            assert np.array_equal(getattr(samples, plane), planes[plane])
    # g_s may run in bfloat16 where the processor has it, in float32 elsewhere.
    error = np.abs(samples.pixels.astype(int) - planes["pixels"]) / planes["pixels"].max() * 255
    assert error.mean() < 1.0
    assert error.max() <= 24
