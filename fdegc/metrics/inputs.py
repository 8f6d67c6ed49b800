"""Checks that every metric makes of its two images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.errors import InvalidOption, MetricUnavailable

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


def check_shapes(reference: Array, other: Array) -> None:
    """Shape check that refuses images that cannot be compared sample by sample.

    Parameters
    ----------
    reference, other : ndarray, shape (bands, height, width)

    Raises
    ------
    InvalidOption
        If the shapes differ or are not three-dimensional.
    """
    if reference.ndim != 3 or other.ndim != 3:
        raise InvalidOption("Images to compare must have the shape (bands, height, width).")
    if reference.shape != other.shape:
        sizes = [f"{w} × {h} pixels with {b} bands" for b, h, w in (reference.shape, other.shape)]
        raise InvalidOption(f"Images of different size cannot be compared: {sizes[0]} and {sizes[1]}.")


def check_side(image: Array, smallest: int, metric: str) -> None:
    """Side check of a (bands, height, width) image: MetricUnavailable if one is below `smallest`."""
    height, width = image.shape[-2:]
    if min(height, width) < smallest:
        raise MetricUnavailable(
            f"{metric} needs at least {smallest} pixels a side; the image has {width} × {height}."
        )
