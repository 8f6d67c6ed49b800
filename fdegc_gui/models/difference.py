"""Difference of two pictures: how it is shown, and its map of what is in view."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import Window
from fdegc_gui.models.colormaps import DIVERGING, SEQUENTIAL, table
from fdegc_gui.models.pyramid import Bgra, Patch

#: Factors by which differences can be enlarged.
GAINS = (1, 2, 4, 8, 16, 32, 64)
#: An automatic gain leaves this part of what is in view beyond the end of the scale.
_BEYOND = 0.005
_SAMPLE = 200_000


@dataclass(frozen=True)
class DifferenceStyle:
    """Style of a difference.

    Attributes
    ----------
    signed : bool
        Whether more and less are told apart.
    similar : bool
        Whether it is local SSIM that is shown, in place of differences; then it is not signed.
    band : int or None
        Index from 0; None for the mean over all.
    gain : int or None
        One of ``GAINS``: the scale ends at the range of the samples divided by it; None for one that
        fits what is in view.
    absolute_map, signed_map : str
        Colour maps.
    """

    signed: bool = False
    similar: bool = False
    band: int | None = None
    gain: int | None = None
    absolute_map: str = SEQUENTIAL[0]
    signed_map: str = DIVERGING[0]

    @property
    def colors(self) -> str:
        """Colour map in use."""
        return self.signed_map if self.signed else self.absolute_map

    @property
    def maps(self) -> tuple[str, ...]:
        """Colour maps that suit it."""
        return DIVERGING if self.signed else SEQUENTIAL

    def with_colors(self, name: str) -> DifferenceStyle:
        """Same in another colour map, for differences of this kind."""
        return replace(self, signed_map=name) if self.signed else replace(self, absolute_map=name)

    def with_more_gain(self, steps: int, span: float, limit: float) -> DifferenceStyle:
        """Same with a gain some steps higher or lower, from the one that is seen on.

        Parameters
        ----------
        steps : int
        span : float
            Range of the samples.
        limit : float
            End of the scale that is seen.
        """
        now = self.gain if self.gain is not None else span / max(limit, 1e-30)
        nearest = min(range(len(GAINS)), key=lambda i: abs(math.log(GAINS[i] / max(now, 1e-9))))
        return replace(self, gain=GAINS[min(max(nearest + steps, 0), len(GAINS) - 1)])


@dataclass(frozen=True, eq=False)
class DifferenceMap:
    """Map of differences in a part of the scene, as fine as the screen shows it.

    Attributes
    ----------
    window : Window
    factor : int
        Pixels of the scene a side that one value is the mean of.
    values : ndarray of float32, shape (height, width)
        B minus A in sample units, or the size of it, or 1 − SSIM; not a number where either has no sample.
    pair : tuple
        Names of the two, in this scene.
    signed : bool
    band : int or None
    similar : bool
    """

    window: Window
    factor: int
    values: npt.NDArray[np.float32]
    pair: tuple[object, ...]
    signed: bool
    band: int | None
    similar: bool = False

    def part(self, window: Window) -> npt.NDArray[np.float32]:
        """Values in a part of the scene."""
        at, factor = window.relative_to(self.window), self.factor
        rows = slice(max(0, at.y // factor), max(1, -(-(at.y + at.height) // factor)))
        columns = slice(max(0, at.x // factor), max(1, -(-(at.x + at.width) // factor)))
        return self.values[rows, columns]

    def shows(self, pair: tuple[object, ...], style: DifferenceStyle) -> bool:
        """Whether it is one of these two, in this style but for gain and colours."""
        return (self.pair, self.signed, self.similar, self.band) == (
            pair,
            style.signed,
            style.similar,
            style.band,
        )


@dataclass(frozen=True, eq=False)
class Difference:
    """Difference as it is shown: map, picture, and the end of the scale.

    Attributes
    ----------
    map : DifferenceMap
    patch : Patch
    limit : float
        In sample units, or those of 1 − SSIM.
    style : DifferenceStyle
    seen : Window
        Part that an automatic scale was chosen for.
    complete : bool
        Whether all of it has been computed.
    """

    map: DifferenceMap
    patch: Patch
    limit: float
    style: DifferenceStyle
    seen: Window
    complete: bool


@dataclass(frozen=True)
class Legend:
    """Legend of a difference.

    Attributes
    ----------
    colors : str
        Colour map.
    signed : bool
    limit : float
        End of the scale, in ``unit``.
    unit : str
        Of what the scene measures; empty for plain samples.
    words : str
        What is shown.
    similar : bool
        Whether it is of SSIM, which falls from 1 on.
    """

    colors: str
    signed: bool
    limit: float
    unit: str
    words: str
    similar: bool = False

    @property
    def ticks(self) -> tuple[float, ...]:
        """Values to write beside it, from its start to its end."""
        if self.similar:
            return 1.0, 1.0 - self.limit / 2, 1.0 - self.limit
        return (-self.limit, 0.0, self.limit) if self.signed else (0.0, self.limit / 2, self.limit)


def fitting_limit(values: npt.NDArray[np.float32], span: float) -> float:
    """End of a scale that fits some differences: 1, 2 or 5 times a power of ten, at most the whole range.

    Parameters
    ----------
    values : ndarray of float32
        Not a number where there is none.
    span : float
        Range of the samples, > 0.
    """
    flat = values.ravel()
    flat = np.abs(flat[:: max(1, flat.size // _SAMPLE)])
    flat = flat[np.isfinite(flat)]
    largest = float(np.quantile(flat, 1 - _BEYOND)) if flat.size else 0.0
    if largest <= 0.0:
        return span / GAINS[-1]
    power = 10.0 ** math.floor(math.log10(largest))
    steps = (1, 2, 5, 10)
    return min(next(step for step in steps if step * power >= largest * 0.999) * power, span)


def colored(values: npt.NDArray[np.float32], limit: float, signed: bool, name: str) -> Bgra:
    """Picture of differences.

    Parameters
    ----------
    values : ndarray of float32, shape (height, width)
    limit : float
        Value of the map's last colour, > 0.
    signed : bool
        Whether its first colour is −limit; 0 otherwise.
    name : str
        Colour map.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        Premultiplied; transparent where a value is not a number.
    """
    colors = np.zeros((257, 4), np.uint8)
    colors[:256, 2::-1] = table(name)
    colors[:256, 3] = 255
    low = -limit if signed else 0.0
    scaled = values - np.float32(low)
    scaled *= np.float32(256 / (limit - low))
    unknown = np.isnan(scaled)
    np.clip(scaled, 0, 255, out=scaled)
    scaled[unknown] = 256
    # A row of the table as one word: four times as fast as four bytes.
    words = colors.view(np.uint32)[:, 0]
    return words[scaled.astype(np.uint16)].view(np.uint8).reshape(*values.shape, 4)
