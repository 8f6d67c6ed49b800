"""One measured point: an image through a file of a codec and back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from fdegc.control import CancelToken
from fdegc.evaluation.coder import Coder, Rgb8Pixels
from fdegc.evaluation.images import Image
from fdegc.metrics import compute
from fdegc.raster_info import RasterInfo
from fdegc.results import MetricSet
from fdegc.types import Samples


@dataclass(frozen=True)
class Point:
    """Figures of one image at one parameter of one codec.

    Attributes
    ----------
    set, image, digest : str
        Which image; see :class:`~fdegc.evaluation.images.Image`.
    width, height : int
        Pixels.
    codec, key : str
        Name of the codec, and its settings and versions.
    parameter : float
    bytes : int
        Size of the whole file.
    encode_seconds, decode_seconds : float
        Wall-clock time from pixels to the bytes of the file, and back.
    figures : MetricSet
    metrics : tuple of str
        Which figures were asked for; one that is None nevertheless is undefined for this image.
    """

    set: str
    image: str
    digest: str
    width: int
    height: int
    codec: str
    key: str
    parameter: float
    bytes: int
    encode_seconds: float
    decode_seconds: float
    figures: MetricSet
    metrics: tuple[str, ...]

    @property
    def bpp(self) -> float:
        """Bits of the file per pixel of the image."""
        return self.bytes * 8 / (self.width * self.height)


def measure_point(
    coder: Coder,
    image: Image,
    pixels: Rgb8Pixels,
    parameter: float,
    metrics: Collection[str],
    cancel: CancelToken | None = None,
) -> Point:
    """Figures of an image that a codec encodes and decodes, compared with the original.

    Parameters
    ----------
    coder : Coder
    image : Image
    pixels : ndarray of uint8, shape (height, width, 3)
        Of that image.
    parameter : float
        Of the codec's ladder or any other that it takes.
    metrics : collection of str
        Of :data:`fdegc.metrics.METRIC_NAMES`.
    cancel : CancelToken, optional

    Raises
    ------
    CoderFailed
        If the codec fails, or what it decodes has another size or type.
    Cancelled
    """
    trip = coder.round_trip(pixels, parameter, f"“{image.name}”")
    info = RasterInfo("", "", image.width, image.height, 3, "uint8")
    figures = compute(_samples(pixels), _samples(trip.decoded), info, 255.0, names=metrics, cancel=cancel)
    return Point(
        set=image.set,
        image=image.name,
        digest=image.digest,
        width=image.width,
        height=image.height,
        codec=coder.name,
        key=coder.key,
        parameter=parameter,
        bytes=len(trip.data),
        encode_seconds=trip.encode_seconds,
        decode_seconds=trip.decode_seconds,
        figures=figures,
        metrics=tuple(sorted(metrics)),
    )


def _samples(pixels: Rgb8Pixels) -> Samples:
    return Samples(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
