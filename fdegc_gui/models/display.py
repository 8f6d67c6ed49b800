"""Display of samples: the bands and the stretch that the user chose, and the rendering that follows."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from fdegc.raster_info import RasterInfo
from fdegc.types import BandStatistics, RasterStatistics

Limits = tuple[tuple[float, float], ...]

#: Steps of gamma to either side of 1, and where they end.
GAMMA_STEPS, _GAMMA_END = 20, 4.0


class Stretch(enum.Enum):
    """Stretch: which values are shown as black and white."""

    AS_IS = "As stored"
    MIN_MAX = "Minimum – maximum"
    PERCENTILE = "2 – 98 %"
    CUSTOM = "My own limits"


@dataclass(frozen=True)
class Display:
    """Choice of bands and stretch.

    Attributes
    ----------
    bands : tuple of int
        Indices from 0: one band as grey, or three as red, green and blue.
    stretch : Stretch
    linked : bool
        Whether the three share one range, from the lowest to the highest of theirs.
    limits : tuple of (float, float)
        For ``Stretch.CUSTOM``: one pair a shown band, in source units.
    gamma : float
        Exponent of what is between black and white, inverted: above 1, it is brighter.
    """

    bands: tuple[int, ...]
    stretch: Stretch
    linked: bool = False
    limits: Limits = ()
    gamma: float = 1.0

    def with_limit(self, channel: int, pair: tuple[float, float], shown: Limits) -> Display:
        """Choice with limits of the user's own for one channel, or all if they are linked.

        Parameters
        ----------
        channel : int
        pair : (float, float)
        shown : tuple of (float, float)
            Limits that are in use now; the other channels keep theirs.
        """
        limits = tuple(pair if self.linked or i == channel else old for i, old in enumerate(shown))
        return replace(self, stretch=Stretch.CUSTOM, limits=limits)

    def with_bands(self, bands: tuple[int, ...]) -> Display:
        """Choice for other bands; limits of the user's own stay if they still fit."""
        if self.stretch is Stretch.CUSTOM and len(bands) != len(self.limits):
            return replace(self, bands=bands, stretch=Stretch.PERCENTILE, limits=())
        return replace(self, bands=bands)


@dataclass(frozen=True)
class Rendering:
    """Rendering of samples: pictures with the same one can be compared.

    Attributes
    ----------
    bands : tuple of int
    limits : tuple of (float, float) or None
        Values of black and white, one pair a shown band; None for 8 bits as they are.
    opaque : float or None
        Value of alpha that means opaque, if there is alpha.
    gamma : float
    """

    bands: tuple[int, ...]
    limits: Limits | None
    opaque: float | None = None
    gamma: float = 1.0


def default_display(info: RasterInfo, bands: tuple[int, ...]) -> Display:
    """Default choice for a scene nobody has chosen for: 8 bits as they are, others 2–98 %."""
    return Display(bands, Stretch.AS_IS if info.dtype == "uint8" else Stretch.PERCENTILE)


def gamma_at(step: int) -> float:
    """Gamma of a step, from -``GAMMA_STEPS`` to ``GAMMA_STEPS``, equally far apart as ratios."""
    return float(round(_GAMMA_END ** (step / GAMMA_STEPS), 2))


def gamma_step(gamma: float) -> int:
    """Step next to a gamma."""
    return round(GAMMA_STEPS * math.log(gamma, _GAMMA_END))


def stretches_for(dtype: str) -> tuple[Stretch, ...]:
    """Stretches that make sense for a type: numbers with a point have no range of their own."""
    return tuple(s for s in Stretch if s is not Stretch.AS_IS or np.dtype(dtype).kind != "f")


@overload
def resolve(display: Display, dtype: str, statistics: RasterStatistics) -> Rendering: ...


@overload
def resolve(display: Display, dtype: str, statistics: RasterStatistics | None) -> Rendering | None: ...


def resolve(display: Display, dtype: str, statistics: RasterStatistics | None) -> Rendering | None:
    """Rendering of a choice.

    Parameters
    ----------
    display : Display
    dtype : str
        numpy name of the samples' type.
    statistics : RasterStatistics or None
        Of the scene; None while they are not known.

    Returns
    -------
    Rendering or None
        None if it takes statistics that are not known.
    """
    opaque = None if statistics is None or dtype == "uint8" else statistics.opaque
    if display.stretch is Stretch.AS_IS:
        if dtype == "uint8":
            return Rendering(display.bands, None, opaque, display.gamma)
        span = np.iinfo(dtype)
        limits: Limits = ((float(span.min), float(span.max)),) * len(display.bands)
        return Rendering(display.bands, limits, opaque, display.gamma)
    if display.stretch is Stretch.CUSTOM:
        limits = display.limits
    elif statistics is None:
        return None
    else:
        limits = tuple(_range(statistics.bands[band], display.stretch) for band in display.bands)
    if display.linked:
        limits = ((min(low for low, _ in limits), max(high for _, high in limits)),) * len(limits)
    return Rendering(display.bands, limits, opaque, display.gamma)


def _range(band: BandStatistics, stretch: Stretch) -> tuple[float, float]:
    if stretch is Stretch.MIN_MAX:
        return band.minimum, band.maximum
    return band.low, band.high


def band_name(info: RasterInfo, index: int) -> str:
    """Band's number with its name, or else its colour, for example ``4  nir``."""
    name = info.band_names[index] if index < len(info.band_names) else None
    color = info.color_interpretation[index] if index < len(info.color_interpretation) else ""
    # GDAL calls the first of many bands grey, whatever it is.
    unsaid = color in ("undefined", "") or (color == "gray" and info.bands > 2)
    said = "" if unsaid else color.replace("gray", "grey")
    words = "  ·  ".join(dict.fromkeys(part for part in (name, said) if part))
    return f"{index + 1}   {words}" if words else str(index + 1)


def short_band_name(info: RasterInfo, index: int) -> str:
    """Band's name or colour in a few letters, else its number."""
    name = info.band_names[index] if index < len(info.band_names) else None
    if name:
        return name if len(name) <= 10 else f"{name[:9]}…"
    color = info.color_interpretation[index] if index < len(info.color_interpretation) else ""
    known = color in ("red", "green", "blue") or (color == "gray" and info.bands <= 2)
    return color.replace("gray", "grey").capitalize() if known else f"Band {index + 1}"
