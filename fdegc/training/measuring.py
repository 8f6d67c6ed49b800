"""What files of a network really cost and how good they are: every image coded, decoded and compared."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fdegc.codec import Codec
from fdegc.control import CancelToken, ProgressCallback, ProgressMeter
from fdegc.metrics import compute
from fdegc.options import METRIC_FIGURES, EncodeOptions
from fdegc.raster import ArraySource
from fdegc.raster_info import Window
from fdegc.results import MetricSet
from fdegc.training.data import load_image
from fdegc.types import Samples

#: Figures of an image that are averaged.
FIGURES = ("bpp", *METRIC_FIGURES)


@dataclass(frozen=True, slots=True)
class ImageFigures:
    """Figures of one image at one quality, by way of a real file.

    Attributes
    ----------
    name : str
        Path below the folder of images.
    quality : float
    pixels, bytes : int
        Size of the image, and of the whole ``.fdegc`` file.
    metrics : MetricSet
        Of the decoded 8-bit pixels.
    encode_seconds, decode_seconds : float
    """

    name: str
    quality: float
    pixels: int
    bytes: int
    metrics: MetricSet
    encode_seconds: float
    decode_seconds: float

    @property
    def bpp(self) -> float:
        """Bits per pixel of the file."""
        return self.bytes * 8 / self.pixels

    def figure(self, name: str) -> float | None:
        """Value of one of :data:`FIGURES`."""
        return self.bpp if name == "bpp" else getattr(self.metrics, name)


def measure_profile(
    weights: Path,
    profile: str,
    images: Sequence[Path],
    root: Path,
    qualities: Sequence[float],
    *,
    device: str = "auto",
    on_progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> list[ImageFigures]:
    """Figures of images that are coded to files, decoded and compared.

    Parameters
    ----------
    weights : Path
        Folder of weights and manifest.
    profile : str
        Which of them.
    images : sequence of Path
        Read as 8-bit RGB.
    root : Path
        Folder that the images' names are relative to.
    qualities : sequence of float
    device : str
    on_progress : callable, optional
    cancel : CancelToken, optional

    Raises
    ------
    Cancelled, WeightsMissing, WeightsInvalid
    """
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        codec = Codec(device=device, profile=profile, weights=weights)
        out = Path(scratch) / "image.fdegc"
        meter = ProgressMeter("test", len(images) * len(qualities), on_progress)
        for path in images:
            pixels = np.ascontiguousarray(load_image(path).transpose(2, 0, 1))
            source = ArraySource(pixels)
            frame = Window(0, 0, source.info.width, source.info.height)
            for quality in qualities:
                encoded = codec.encode(source, out, EncodeOptions(quality), cancel=cancel, overwrite=True)
                start = time.perf_counter()
                decoded = codec.decode_window(out, frame, cancel=cancel)
                seconds = encoded.encode_seconds, time.perf_counter() - start
                metrics = compute(Samples(pixels), decoded, source.info, 255.0, cancel=cancel)
                name = path.relative_to(root).as_posix()
                result = ImageFigures(name, quality, frame.pixels, encoded.bytes, metrics, *seconds)
                results.append(result)
                meter.advance(1)
    return results


def averages(results: Sequence[ImageFigures]) -> list[dict[str, Any]]:
    """Mean figures of each quality over its images; None where no image has one.

    A figure that only some images have is the mean of those, and ``counts`` says of how many.
    """
    rows = []
    for quality in sorted({result.quality for result in results}):
        own = [result for result in results if result.quality == quality]
        row: dict[str, Any] = {"quality": quality, "images": len(own)}
        counts = {}
        for name in FIGURES:
            values = [v for r in own if (v := r.figure(name)) is not None and np.isfinite(v)]
            row[name] = float(np.mean(values)) if values else None
            counts[name] = len(values)
        rows.append(row | {"counts": counts})
    return rows
