"""What the tests of training runs share: a tiny profile, some images, options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fdegc.model.fdegcnet import Profile
from fdegc.training.run_options import TrainOptions

TINY = Profile("tiny", (16, 16, 16), 16, hidden=32, rate_points=6, centred=True)


def tiny_options(folder: Path, side: int) -> TrainOptions:
    """Options of a run of the profile ``tiny`` on three smooth images of a side, made in a folder."""
    images = folder / "images"
    images.mkdir()
    for number in range(3):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (round(side / 10.5), round(side / 10.5), 3)).astype(np.uint8)
        image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        image.save(images / f"{number}.png")
    return TrainOptions(images, images, folder / "run", profile="tiny", batch=4, crop=64, warmup_steps=3)
