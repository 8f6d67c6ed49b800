"""Samples, their mapping and statistics, progress: frozen values that cross the borders between the rooms."""

from __future__ import annotations

from dataclasses import dataclass

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

    def picked(self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Samples:
        """Those where some rows and columns cross, copied."""
        at = np.ix_(rows, columns)
        return Samples(
            self.pixels[:, at[0], at[1]],
            None if self.valid is None else self.valid[at],
            None if self.alpha is None else self.alpha[at],
            None if self.missing is None else self.missing[:, at[0], at[1]],
        )

    def part(self, window: Window) -> Samples:
        """Views of a window of them."""
        at = (window.rows, window.cols)
        return Samples(
            self.pixels[:, window.rows, window.cols],
            None if self.valid is None else self.valid[at],
            None if self.alpha is None else self.alpha[at],
            None if self.missing is None else self.missing[:, window.rows, window.cols],
        )


@dataclass(frozen=True, slots=True)
class BandMapping:
    """Recorded affine mapping of one band to the network's range: value = offset + scale · t, t ∈ [0, 1]."""

    offset: float
    scale: float


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
    """What has to be known of samples to show them.

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
    """How far a stage is: ``fraction`` in [0, 1], seconds elapsed, seconds left or None if unknown."""

    stage: str
    fraction: float
    elapsed: float
    remaining: float | None
