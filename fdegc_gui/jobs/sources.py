"""Sources of samples of the pictures that are compared: a raster file or a stored reconstruction."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import Window
from fdegc.types import Samples
from fdegc_gui.jobs.base import Context
from fdegc_gui.jobs.reduction import Reducible
from fdegc_gui.models.sample_store import SampleStore

#: What a job is told to read: the original by its path, or a reconstruction.
Origin = Path | SampleStore


class Source(Reducible, Protocol):
    """Source that is read as it is, or reduced."""

    def read(self, window: Window) -> Samples:
        """Samples of a window."""


def open_origin(origin: Origin, context: Context[Any]) -> Source:
    """Source behind an origin, open for the running job."""
    return origin if isinstance(origin, SampleStore) else context.rasters.get(origin).source


def known_samples(a: Samples, b: Samples, bands: slice) -> npt.NDArray[np.bool_] | None:
    """Samples that both of two pictures have: valid, not transparent, finite; None if all are.

    Returns
    -------
    ndarray of bool, shape (bands, height, width), or (height, width) where bands do not differ, or None
    """
    known: npt.NDArray[np.bool_] | None = None
    for samples in (a, b):
        parts = [samples.valid]
        if samples.alpha is not None:
            parts.append(np.greater(samples.alpha, 0))
        if samples.missing is not None:
            parts.append(~samples.missing[bands])
        if samples.pixels.dtype.kind == "f":
            parts.append(np.isfinite(samples.pixels[bands]))
        for part in parts:
            if part is not None:
                known = part if known is None else known & part
    return None if known is None or known.all() else known
