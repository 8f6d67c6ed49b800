"""Samples, their mapping and statistics, progress: frozen values that cross the borders between the rooms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import Window

#: Pixels of a latent position along each axis.
STRIDE = 16
#: Pixels of neighbouring tiles that g_a sees, and of whose latents g_s sees (``docs/format.md``).
HALO = 16


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Pixels of one window.

    Attributes
    ----------
    pixels : ndarray, shape (bands, height, width), the raster's dtype
    valid : ndarray of bool, shape (height, width), or None
        False where no band has a sample (nodata, not finite) or the mask says so; None when everything
        is valid.
    alpha : ndarray, shape (height, width), the raster's dtype, or None
    missing : ndarray of bool, shape (bands, height, width), or None
        True where a pixel that is valid lacks the sample of a band; None when none is lacking.
    """

    pixels: npt.NDArray[np.generic]
    valid: npt.NDArray[np.bool_] | None = None
    alpha: npt.NDArray[np.generic] | None = None
    missing: npt.NDArray[np.bool_] | None = None

    def map(self, change: Callable[[Any], Any]) -> Samples:
        """Samples of which every array went through a function that keeps its type.

        Parameters
        ----------
        change : callable
            Gets arrays of shape (…, height, width), with bands or without.
        """
        return Samples(
            change(self.pixels),
            None if self.valid is None else change(self.valid),
            None if self.alpha is None else change(self.alpha),
            None if self.missing is None else change(self.missing),
        )

    def picked(self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Samples:
        """Samples where some rows and columns cross, copied."""
        at = (..., *np.ix_(rows, columns))
        return self.map(lambda array: array[at])

    def part(self, window: Window) -> Samples:
        """Samples of a window of these, as views."""
        return self.map(lambda array: array[..., window.rows, window.cols])

    def copy(self) -> Samples:
        """Copies of the samples, one after the other in memory."""
        return self.map(lambda array: array.copy())

    def paste(self, window: Window, part: Samples) -> None:
        """Replacement of a window of these; what only one of the two has (a mask, say) is left alone."""
        for own, other in (
            (self.pixels, part.pixels),
            (self.valid, part.valid),
            (self.alpha, part.alpha),
            (self.missing, part.missing),
        ):
            if own is not None and other is not None:
                own[..., window.rows, window.cols] = other

    @classmethod
    def concatenate(cls, parts: Sequence[Samples], axis: int) -> Samples:
        """Samples of windows beside each other (axis -1) or below each other (axis -2).

        A part without a mask is all valid, where another part has one; all of them have an alpha band, or
        none.
        """

        def join(planes: Sequence[Any]) -> Any:
            return np.concatenate(planes, axis=axis)

        valid = missing = None
        if any(part.valid is not None for part in parts):
            everywhere = [
                np.ones(p.pixels.shape[1:], np.bool_) if p.valid is None else p.valid for p in parts
            ]
            valid = join(everywhere)
        if any(part.missing is not None for part in parts):
            missing = join(
                [np.zeros(p.pixels.shape, np.bool_) if p.missing is None else p.missing for p in parts]
            )
        alpha = [part.alpha for part in parts if part.alpha is not None]
        return cls(join([part.pixels for part in parts]), valid, join(alpha) if alpha else None, missing)


@dataclass(frozen=True, slots=True)
class BandMapping:
    """Recorded affine mapping of one band to the network's range: value = offset + scale · t, t ∈ [0, 1]."""

    offset: float
    scale: float


@dataclass(frozen=True, slots=True)
class Components:
    """Component transform: how bands in [0, 1], t, enter the network: x = ½ + matrix · (t − means).

    Attributes
    ----------
    matrix : tuple of tuples of float
        3 · groups rows of as many numbers as there are bands, all finite, of float32's precision.
    means : tuple of float
        One a band, finite, of float32's precision.
    """

    matrix: tuple[tuple[float, ...], ...]
    means: tuple[float, ...]

    @property
    def groups(self) -> int:
        """Number of network inputs, of three rows each."""
        return len(self.matrix) // 3

    @property
    def predicts(self) -> bool:
        """Whether the first group is three bands, one a row, and later ones what others differ by from them.

        Then an encoder forms the later groups with what the decoder will make of the first one.
        """
        first, later = self.matrix[:3], self.matrix[3:]
        alone = all(
            bool(number) == (row == band) for row, own in enumerate(first) for band, number in enumerate(own)
        )
        return alone and any(any(row[:3]) and any(row[3:]) for row in later)


@dataclass(frozen=True, slots=True)
class Correction:
    """Linear correction of what the network gives for each group of bands, from 3 × 3 × 3 neighbours.

    Attributes
    ----------
    groups : tuple of tuples of int
        One a group, in the order of the groups: empty where it stays as it is, else 84 numbers of at most
        :attr:`LIMIT`: of each of the three outputs the bias, then the weight of every plane's, row's and
        column's neighbour, in the steps of :mod:`fdegc.coding.correcting`.
    """

    groups: tuple[tuple[int, ...], ...]

    NUMBERS: ClassVar[int] = 84
    LIMIT: ClassVar[int] = 8191


@dataclass(frozen=True, slots=True, eq=False)
class Outliers:
    """Samples far outside of all others of their band, which are kept as they are.

    Attributes
    ----------
    width : int
        Pixels of a row of the scene.
    starts, lengths : tuple of ndarray of int64, shape (runs,)
        One a band: where runs of samples begin, counted along the rows from the scene's first sample, in
        ascending order; and how long they are, also beyond the end of a row.
    values : tuple of ndarray, shape (runs,), the raster's dtype
        One a band: what all samples of a run are.
    """

    width: int
    starts: tuple[npt.NDArray[np.int64], ...]
    lengths: tuple[npt.NDArray[np.int64], ...]
    values: tuple[npt.NDArray[np.generic], ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of samples of each band."""
        return tuple(int(lengths.sum()) for lengths in self.lengths)

    def marks(self, window: Window) -> npt.NDArray[np.bool_] | None:
        """Mask of these samples in a window: bool (bands, height, width), None if none is there."""
        found: npt.NDArray[np.bool_] | None = None
        for band in range(len(self.starts)):
            _, places = self._places(band, window)
            if places.size:
                if found is None:
                    found = np.zeros((len(self.starts), window.height, window.width), np.bool_)
                found[band].reshape(-1)[places] = True
        return found

    def added(self, window: Window, missing: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_] | None:
        """Mask of a window's missing samples (as of :class:`Samples`) and of these."""
        marks = self.marks(window)
        if marks is None or missing is None:
            return missing if marks is None else marks
        return missing | marks

    def removed(self, window: Window, missing: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_] | None:
        """Mask of a window's missing samples without these; undoes :meth:`added`."""
        marks = None if missing is None else self.marks(window)
        return missing if missing is None or marks is None else missing & ~marks

    def restored(self, window: Window, pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Pixels (bands, height, width) of a window with these samples in their places."""
        found = pixels
        for band in range(len(pixels)):
            runs, places = self._places(band, window)
            if places.size:
                found = pixels.copy() if found is pixels else found
                rows, columns = np.divmod(places, window.width)
                found[band][rows, columns] = self.values[band][runs]
        return found

    def _places(self, band: int, window: Window) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Runs of a band's samples in a window, one a sample, and where in the window these are."""
        width, starts = self.width, self.starts[band]
        ends = starts + self.lengths[band]
        first = int(np.searchsorted(ends, window.y * width, "right"))
        last = int(np.searchsorted(starts, (window.y + window.height) * width, "left"))
        starts, ends = starts[first:last], ends[first:last]
        # A run's pieces, one a row.
        top = np.maximum(starts // width, window.y)
        rows = np.minimum((ends - 1) // width, window.y + window.height - 1) - top + 1
        run = np.repeat(np.arange(len(rows)), rows)
        row = np.repeat(top - np.cumsum(rows) + rows, rows) + np.arange(run.size)
        left = np.maximum(starts[run] - row * width, window.x) - window.x
        right = np.minimum(ends[run] - row * width, window.x + window.width) - window.x
        # Then a piece's samples.
        sizes = np.maximum(right - left, 0)
        piece = np.repeat(np.arange(sizes.size), sizes)
        begin = (row - window.y) * window.width + left
        places = np.repeat(begin - np.cumsum(sizes) + sizes, sizes) + np.arange(piece.size)
        return run[piece] + first, places


#: All values of 8 bits.
IDENTITY = BandMapping(0.0, 255.0)


@dataclass(frozen=True, slots=True)
class BandStatistics:
    """Values of one band's usable pixels, in source units.

    ``minimum`` and ``maximum``; ``low`` and ``high``, the 2nd and 98th percentile.
    """

    minimum: float
    maximum: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RasterStatistics:
    """Statistics that have to be known of samples to show them.

    Attributes
    ----------
    bands : tuple of BandStatistics
        One a coded band.
    opaque : float or None
        Value of alpha that means opaque; None without alpha.
    """

    bands: tuple[BandStatistics, ...]
    opaque: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a stage: ``fraction`` in [0, 1], seconds elapsed, seconds left or None if unknown."""

    stage: str
    fraction: float
    elapsed: float
    remaining: float | None
