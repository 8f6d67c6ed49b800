"""PSNR, for a whole image or summed up piece by piece."""

from __future__ import annotations

import math

import numpy as np

from fdegc.errors import InvalidOption, MetricUnavailable
from fdegc.metrics.checks import Array, Mask, check_shapes

#: Samples converted to float64 at a time, so that a big scene is not copied as a whole.
_CHUNK = 1 << 20


class PsnrAccumulator:
    """Squared errors of any number of pieces of one image.

    Pieces may come in any order; the result is exact, not an average of averages.

    Attributes
    ----------
    squared_error : float
        Sum of squared differences so far, in squared sample units.
    count : int
        Number of samples behind it.
    """

    def __init__(self) -> None:
        self.squared_error = 0.0
        self.count = 0

    def add(self, reference: Array, other: Array, valid: Mask | None = None) -> None:
        """Add one piece.

        Parameters
        ----------
        reference, other : ndarray, shape (bands, height, width), any real dtype
        valid : ndarray of bool, shape (height, width), or None
            Pixels that count; None for all.

        Raises
        ------
        InvalidOption
            If the shapes differ.
        """
        check_shapes(reference, other)
        if valid is not None and valid.shape != reference.shape[1:]:
            raise InvalidOption("The validity mask must have the size of the image.")
        rows = max(1, _CHUNK // max(1, reference.shape[2]))
        for band, band_other in zip(reference, other, strict=True):
            for top in range(0, reference.shape[1], rows):
                part = slice(top, top + rows)
                mask = None if valid is None else valid[part]
                a, b = band[part], band_other[part]
                if mask is not None:
                    a, b = a[mask], b[mask]
                # Unsigned types would wrap around, and uint32 is not exact in float32.
                error = (np.asarray(a, np.float64) - np.asarray(b, np.float64)).ravel()
                self.add_error(float(np.dot(error, error)), error.size)

    def add_error(self, sse: float, count: int) -> None:
        """Add a sum of squared errors `sse` over `count` samples that was computed elsewhere."""
        self.squared_error += sse
        self.count += count

    def value(self, peak: float) -> float:
        """Return the PSNR.

        Parameters
        ----------
        peak : float
            Largest sample value (255 for uint8), > 0.

        Returns
        -------
        float
            dB; ``inf`` if all samples are equal.

        Raises
        ------
        InvalidOption
            If the peak is not positive.
        MetricUnavailable
            If there was no valid sample, or one of them is not finite.
        """
        if not (math.isfinite(peak) and peak > 0.0):
            raise InvalidOption(f"The peak of PSNR must be a positive number, not {peak:g}.")
        if self.count == 0:
            raise MetricUnavailable("PSNR is undefined because the image has no valid pixel.")
        if not math.isfinite(self.squared_error):
            raise MetricUnavailable("PSNR is undefined because valid pixels hold values that are not finite.")
        if self.squared_error == 0.0:
            return math.inf
        return 20.0 * math.log10(peak) - 10.0 * math.log10(self.squared_error / self.count)


def psnr(reference: Array, other: Array, peak: float, valid: Mask | None = None) -> float:
    """Peak signal-to-noise ratio over all valid pixels and bands jointly.

    Parameters
    ----------
    reference, other : ndarray, shape (bands, height, width), any real dtype
        Compared in float64.
    peak : float
        Largest sample value, in sample units, > 0.
    valid : ndarray of bool, shape (height, width), or None
        Pixels that count; None for all.

    Returns
    -------
    float
        dB; ``inf`` if the images are equal.

    Raises
    ------
    InvalidOption
        If the shapes differ or the peak is not positive.
    MetricUnavailable
        If no pixel is valid, or valid ones are not finite.
    """
    total = PsnrAccumulator()
    total.add(reference, other, valid)
    return total.value(peak)
