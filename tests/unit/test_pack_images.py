"""Training images packed as AVIF for machines to which little can be carried."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
def test_images_keep_their_folders_and_come_near_to_the_psnr(tmp_path: Path) -> None:
    with Image.open(ROOT / "resources" / "sample_scene.tif") as scene:
        picture = scene.convert("RGB").crop((200, 200, 328, 328))
    (tmp_path / "train" / "source").mkdir(parents=True)
    picture.save(tmp_path / "train" / "source" / "a.png")
    command = [sys.executable, str(ROOT / "scripts" / "pack_images.py"), "train", "out", "--jobs", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1 images, ")
    with Image.open(tmp_path / "out" / "source" / "a.avif") as packed:
        error = np.asarray(packed.convert("RGB")).astype(float) - np.asarray(picture)
    assert 41 < -10 * np.log10(np.mean(error**2) / 255**2) < 45
