"""Job that finds how the values of the shown bands are spread, in all of a scene or in what is in view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import Never

from fdegc.raster_info import Window
from fdegc.types import Samples
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.reduction import aligned, chunks
from fdegc_gui.jobs.sources import Origin, open_origin
from fdegc_gui.models.sample_store import SampleStore
from fdegc_gui.models.spread import Spread, spread_of

#: Pixels of a whole scene that are looked at, at most about so many.
_PIXELS = 250_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FindSpread(Job[Spread | None, Never]):
    """Histograms and percentiles of bands; None where no pixel is valid.

    Attributes
    ----------
    origin : Path or SampleStore
        What is looked at.
    samples : Samples or None
        Reduced samples of all of it, where they are in memory.
    window : Window or None
        The part that is in view; None for all.
    factor : int
        Pixels of the scene for one of the screen, which is their mean.
    bands : tuple of int
        Indices from 0.
    """

    origin: Origin
    samples: Samples | None
    window: Window | None
    factor: int
    bands: tuple[int, ...]

    priority: ClassVar[int] = 4

    @property
    def kind(self) -> str:
        """Kind by what is looked at: one pending request each."""
        return "FindSpread" if self.window is None else "FindSpread-view"

    def run(self, context: Context[Never]) -> Spread | None:
        from fdegc.raster.mapping import usable_samples

        found: dict[int, list[np.ndarray]] = {band: [] for band in self.bands}  # type: ignore[type-arg]
        for samples in self._read(context):
            context.cancel.check()
            usable = usable_samples(samples)
            for band, values in found.items():
                good, pixels = usable[band], samples.pixels[band]
                values.append((pixels.ravel() if good is None else pixels[good]).astype(np.float64))
        return spread_of(self.bands, {band: np.concatenate(values) for band, values in found.items()})

    def _read(self, context: Context[Never]) -> Iterator[Samples]:
        if self.window is not None:
            source = open_origin(self.origin, context)
            window = aligned(self.window, self.factor, source.info.width, source.info.height)
            yield from (samples for _, samples in chunks(source, window, self.factor))
        elif isinstance(self.origin, SampleStore):
            info = self.origin.info
            yield self.origin.read_every(max(1, round((info.pixels / _PIXELS) ** 0.5)))
        elif self.samples is not None:
            pixels = self.samples.pixels[0].size
            step = max(1, round((pixels / _PIXELS) ** 0.5))
            yield self.samples.map(lambda array: array[..., ::step, ::step])
