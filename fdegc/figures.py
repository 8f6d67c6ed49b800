"""How far a reconstruction is from its source, in the source's units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BandErrors:
    """Errors of one band over its valid samples.

    Attributes
    ----------
    psnr : float
        dB against the span of the band's own mapping; ``inf`` if lossless.
    psnr_dtype : float or None
        dB against the range of the sample type; None for floating point, which has none to speak of.
    max_error, rmse : float
        Largest absolute error and root of the mean squared error.
    mean_error : float
        Mean of reconstruction − source: the bias.
    """

    psnr: float
    psnr_dtype: float | None
    max_error: float
    rmse: float
    mean_error: float


@dataclass(frozen=True, slots=True)
class ErrorFigures:
    """Errors of a scene over all its valid samples.

    Attributes
    ----------
    psnr : float
        dB over all bands jointly, against the widest span of the bands' mappings.
    psnr_dtype, max_error, rmse, mean_error
        As in :class:`BandErrors`, over all bands jointly.
    sam : float or None
        Mean spectral angle in degrees over the valid pixels where neither spectrum is zero; None for one
        band, or if there is no such pixel.
    bands : tuple of (BandErrors or None)
        One a band; None where it has no valid sample.
    """

    psnr: float
    psnr_dtype: float | None
    max_error: float
    rmse: float
    mean_error: float
    sam: float | None
    bands: tuple[BandErrors | None, ...]
