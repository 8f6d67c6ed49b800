"""Draws small scenes of what people compress besides photographs: charts, noise, and all of it mixed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from fdegc.raster import open_raster
from fdegc.raster_info import Window

SAMPLE = Path(__file__).parent.parent / "resources" / "sample_scene.tif"

Pixels = npt.NDArray[np.uint8]


def photo(width: int, height: int, x: int = 300, y: int = 200) -> Pixels:
    """Crop of the sample scene, (3, height, width)."""
    with open_raster(SAMPLE) as source:
        return np.asarray(source.read(Window(x, y, width, height)).pixels, np.uint8)


def drawing(width: int, height: int) -> Pixels:
    """Chart with bars, lines and text in a few colours."""
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    for number, x in enumerate(range(6, width - 8, 14)):
        top = height - 8 - (number * 37 + 11) % (height - 24)
        pen.rectangle((x, top, x + 8, height - 8), ("navy", "orange", "green")[number % 3])
    pen.line((0, height - 8, width, height - 8), "black")
    pen.line((0, 3, width, height // 2), "red", width=2)
    for y in range(4, height - 12, 18):
        pen.text((3, y), "Parcel 17/4  0.83 ha", "black")
    return np.ascontiguousarray(np.moveaxis(np.asarray(image), 2, 0))


def noise(width: int, height: int, seed: int = 0) -> Pixels:
    """White noise of all values."""
    return np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8)


def mixed(width: int = 256, height: int = 192) -> Pixels:
    """Photograph, drawing and noise beside each other, on no grid of tiles."""
    out = photo(width, height)
    out[:, 50:150, 100:220] = drawing(120, 100)
    out[:, : height // 3, -70:] = noise(70, height // 3)
    out[:, -40:, :100] = 200
    return out
