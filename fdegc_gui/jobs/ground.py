"""Job of the region lane: how large a region is on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import Never

from fdegc.raster_info import RasterInfo, Window
from fdegc.results import GroundExtent
from fdegc_gui.jobs.base import Context, Job


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasureGround(Job[GroundExtent | None, Never]):
    """Extent of a window on the ground; None where the scene has no place on Earth."""

    info: RasterInfo
    window: Window

    priority: ClassVar[int] = 1  # it takes a few milliseconds

    def run(self, context: Context[Never]) -> GroundExtent | None:
        from fdegc.raster import ground_extent

        return ground_extent(self.info, self.window)
