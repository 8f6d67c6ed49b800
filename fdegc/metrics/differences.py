"""Errors in sample units, summed up piece by piece: PSNR, largest and mean error, spectral angle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fdegc.errors import InvalidOption, MetricUnavailable
from fdegc.metrics.inputs import Array, Mask, check_shapes
from fdegc.raster_info import DTYPES
from fdegc.results import BandErrors, ErrorFigures

#: Samples converted to float64 at a time, so that a big piece is not copied as a whole.
_CHUNK = 1 << 20
_SPAN_OF = {
    dtype: float(np.iinfo(dtype).max) - float(np.iinfo(dtype).min)
    for dtype in DTYPES
    if np.dtype(dtype).kind in "iu"
}
#: Errors of at most, and at least, two to this power are squared as they are; others would be no numbers.
_PLAIN = 400


class ErrorAccumulator:
    """Differences of any number of pieces of one image.

    Pieces may come in any order; the result is exact, not an average of averages.

    Parameters
    ----------
    bands : int
    angles : bool
        Whether to sum up spectral angles too; of one band there are none.

    Attributes
    ----------
    squared_error, count : float, int
        Sum of squared differences so far, in squared sample units, and number of samples behind it.
    """

    def __init__(self, bands: int, *, angles: bool = True) -> None:
        self._squared, self._sums, self._largest = np.zeros((3, bands))
        # Powers of two by which errors were divided before they were squared or summed up.
        self._exponents = np.zeros(bands, np.int64)
        self._counts = np.zeros(bands, np.int64)
        self._angles = angles and bands > 1
        self._angle_sum, self._angle_count = 0.0, 0

    @property
    def squared_error(self) -> float:
        """Sum of squared differences so far; infinite beyond float64."""
        total, exponent = self._joint
        with np.errstate(over="ignore"):
            return float(np.ldexp(total, 2 * exponent))

    @property
    def _joint(self) -> tuple[float, int]:
        """Sum of squared differences of all bands, divided by two to a power, and half of that power."""
        exponent = self._largest_exponent
        return float(np.ldexp(self._squared, 2 * (self._exponents - exponent)).sum()), exponent

    @property
    def _largest_exponent(self) -> int:
        own = self._exponents[self._squared != 0]
        return int(own.max()) if own.size else 0

    @property
    def count(self) -> int:
        """Number of samples so far."""
        return int(self._counts.sum())

    def relative_error(self, peak: float) -> float:
        """Sum of squared differences so far, in units of a peak."""
        (total, exponent), (mantissa, own) = self._joint, math.frexp(peak)
        with np.errstate(over="ignore"):
            return float(np.ldexp(total / mantissa**2, 2 * (exponent - own)))

    def add(self, reference: Array, other: Array, valid: Mask | None = None) -> None:
        """Addition of one piece.

        Parameters
        ----------
        reference, other : ndarray, shape (bands, height, width), any real dtype
        valid : ndarray of bool, shape (height, width) or (bands, height, width), or None
            Samples that count; None for all.

        Raises
        ------
        InvalidOption
            If the shapes differ.
        """
        check_shapes(reference, other)
        if valid is not None and valid.shape not in (reference.shape, reference.shape[1:]):
            raise InvalidOption("The validity mask must have the size of the image.")
        bands, height, width = reference.shape
        rows = max(1, _CHUNK // (bands * width))
        for top in range(0, height, rows):
            part = slice(top, top + rows)
            mask = None if valid is None else valid[..., part, :]
            # Unsigned types would wrap around, and uint32 is not exact in float32.
            a, b = (np.asarray(image[:, part], np.float64) for image in (reference, other))
            for band in range(bands):
                own = mask if mask is None or mask.ndim == 2 else mask[band]
                self._add_band(band, a[band], b[band], own)
            if self._angles:
                self._add_angles(a, b, mask)

    def merge(self, other: ErrorAccumulator) -> None:
        """Addition of everything that another one has summed up, of other pieces of the same image."""
        for band in range(len(self._squared)):
            sums = float(other._squared[band]), float(other._sums[band])
            self._gather(band, *sums, int(other._exponents[band]))
        self._largest = np.maximum(self._largest, other._largest)
        self._counts += other._counts
        self._angle_sum += other._angle_sum
        self._angle_count += other._angle_count

    def _add_band(
        self, band: int, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], mask: Mask | None
    ) -> None:
        with np.errstate(invalid="ignore"):
            error = (b - a).ravel() if mask is None else b[mask] - a[mask]
            if not error.size:
                return
            largest = float(max(error.max(), -error.min()))
            exponent = math.frexp(largest)[1] if math.isfinite(largest) else 0
            if abs(exponent) <= _PLAIN:
                exponent = 0
            else:
                error = np.ldexp(error, -exponent)
            with np.errstate(over="ignore"):
                # Not a product of BLAS, which NumPy gives threads of its own.
                squared = float(np.einsum("i,i->", error, error))
                self._gather(band, squared, float(error.sum()), exponent)
            self._largest[band] = max(self._largest[band], largest)
            self._counts[band] += error.size

    def _gather(self, band: int, squared: float, total: float, exponent: int) -> None:
        """Addition of sums to those of a band, in the larger unit of both."""
        if squared == 0:
            return
        if self._squared[band] == 0:
            self._exponents[band] = exponent
        common = max(int(self._exponents[band]), exponent)
        own, other = int(self._exponents[band]) - common, exponent - common
        self._squared[band] = np.ldexp(self._squared[band], 2 * own) + np.ldexp(squared, 2 * other)
        self._sums[band] = np.ldexp(self._sums[band], own) + np.ldexp(total, other)
        self._exponents[band] = common

    def _add_angles(self, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], mask: Mask | None) -> None:
        if mask is not None:
            known = mask if mask.ndim == 2 else mask.all(axis=0)
            a, b = a[:, known], b[:, known]
        a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
        with np.errstate(all="ignore"):
            # Scaled first, as squares of float64's largest numbers are none.
            a, b = (spectra / np.abs(spectra).max(axis=0) for spectra in (a, b))
            a, b = (spectra / np.sqrt(np.square(spectra).sum(axis=0)) for spectra in (a, b))
            apart, along = (np.sqrt(np.square(v).sum(axis=0)) for v in (a - b, a + b))
            # Exact for small angles too, where an arc cosine has lost half of its digits.
            angles = 2 * np.arctan2(apart, along)
        angles = angles[np.isfinite(angles)]
        self._angle_sum += float(angles.sum())
        self._angle_count += angles.size

    def psnr(self, peak: float) -> float:
        """PSNR over all samples of all bands jointly.

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
        total, exponent = self._joint
        return _psnr(peak, total, self.count, exponent)

    def figures(self, spans: Sequence[float], dtype: str) -> ErrorFigures:
        """Figures of errors, all of them.

        Parameters
        ----------
        spans : sequence of float
            Span of each band's mapping, in sample units; of a constant band 0.
        dtype : str
            numpy name of the samples' type, for the PSNR against its range.

        Raises
        ------
        MetricUnavailable
            As :meth:`psnr` does.
        """
        full = _SPAN_OF.get(dtype)
        (total, exponent), count = self._joint, self.count
        joint = _psnr(max(spans) or 1.0, total, count, exponent)
        sums = float(np.ldexp(self._sums, self._exponents - exponent).sum())
        bands = [self._band(band, span or 1.0, full) for band, span in enumerate(spans)]
        return ErrorFigures(
            psnr=joint,
            psnr_dtype=None if full is None else _psnr(full, total, count, exponent),
            max_error=float(self._largest.max()),
            rmse=math.ldexp(math.sqrt(total / count), exponent),
            mean_error=math.ldexp(sums / count, exponent),
            sam=math.degrees(self._angle_sum / self._angle_count) if self._angle_count else None,
            bands=tuple(bands),
        )

    def _band(self, band: int, span: float, full: float | None) -> BandErrors | None:
        count, squared = int(self._counts[band]), float(self._squared[band])
        exponent = int(self._exponents[band])
        if not count:
            return None
        return BandErrors(
            psnr=_psnr(span, squared, count, exponent),
            psnr_dtype=None if full is None else _psnr(full, squared, count, exponent),
            max_error=float(self._largest[band]),
            rmse=math.ldexp(math.sqrt(squared / count), exponent),
            mean_error=math.ldexp(float(self._sums[band] / count), exponent),
        )


def _psnr(peak: float, squared_error: float, count: int, exponent: int) -> float:
    """PSNR of a sum of squares of errors that were divided by two to a power."""
    if not (math.isfinite(peak) and peak > 0.0):
        raise InvalidOption(f"The peak of PSNR must be a positive number, not {peak:g}.")
    if count == 0:
        raise MetricUnavailable("PSNR is undefined because the image has no valid pixel.")
    if not math.isfinite(squared_error):
        raise MetricUnavailable("PSNR is undefined because valid pixels hold values that are not finite.")
    if squared_error == 0.0:
        return math.inf
    scale = 20.0 * exponent * math.log10(2.0)
    return 20.0 * math.log10(peak) - scale - 10.0 * math.log10(squared_error / count)


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
    total = ErrorAccumulator(len(reference), angles=False)
    total.add(reference, other, valid)
    return total.psnr(peak)
