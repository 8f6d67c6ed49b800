"""Comparison of two pictures of a scene: which two, and how they share the stage."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from fdegc.raster_info import RasterInfo

#: The original, where a picture is named by a result's key.
ORIGINAL = -1
#: The result that is selected, whichever that is.
SELECTED = -2


class Side(enum.Enum):
    """Side of a comparison."""

    A = "A"
    B = "B"


@dataclass(frozen=True)
class Sides:
    """Pictures that are compared.

    Attributes
    ----------
    a, b : int
        ``ORIGINAL``, ``SELECTED``, or the key of a result.
    """

    a: int = ORIGINAL
    b: int = SELECTED

    def __getitem__(self, side: Side) -> int:
        return self.a if side is Side.A else self.b

    def swapped(self) -> Sides:
        """Same pictures, the other way round."""
        return Sides(self.b, self.a)

    def with_side(self, side: Side, key: int) -> Sides:
        """Same but for one side."""
        return Sides(key, self.b) if side is Side.A else Sides(self.a, key)

    def without(self, key: int) -> Sides:
        """Same, where a result that is gone gives way to the selected one."""
        a, b = (SELECTED if side == key else side for side in (self.a, self.b))
        return Sides(a, b)


class Layout(enum.Enum):
    """Layout of the stage, by the name that it is remembered under."""

    AUTOMATIC = "automatic"
    SIDE_BY_SIDE = "side_by_side"
    STACKED = "stacked"
    SINGLE = "single"
    SWIPE = "swipe"
    FLIP = "flip"
    DIFFERENCE = "difference"

    @property
    def is_pair(self) -> bool:
        """Whether both pictures have a pane of their own."""
        return self in (Layout.AUTOMATIC, Layout.SIDE_BY_SIDE, Layout.STACKED)


def best_pair(scene: tuple[float, float], stage: tuple[float, float]) -> Layout:
    """Pair layout in which a scene is shown larger; side by side if neither.

    Parameters
    ----------
    scene, stage : (float, float)
        Width and height.
    """
    beside = min(stage[0] / 2 / scene[0], stage[1] / scene[1])
    above = min(stage[0] / scene[0], stage[1] / 2 / scene[1])
    return Layout.STACKED if above > beside else Layout.SIDE_BY_SIDE


def unit_of(info: RasterInfo, bands: tuple[int, ...]) -> tuple[float, str]:
    """Scale and unit of what some bands measure: (1, "") where they differ or nothing is known.

    Parameters
    ----------
    info : RasterInfo
    bands : tuple of int
        Indices from 0.

    Returns
    -------
    scale : float
        What a difference of samples is multiplied by.
    unit : str
    """
    units = {info.units[band] if band < len(info.units) else None for band in bands}
    scales = {info.scales[band] if band < len(info.scales) else 1.0 for band in bands}
    unit = units.pop() if len(units) == 1 else None
    if unit is None or len(scales) != 1:
        return 1.0, ""
    return scales.pop(), unit
