"""Comparison of ways to keep a tile: what they take, and what they lose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.codec.ways import PlainTile
from fdegc.coding.component_transform import are_quantities
from fdegc.control import Check
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.options import RATE_POINTS, EncodeOptions, TargetKind
from fdegc.raster.mapping import peak_value, to_unit, valid_samples
from fdegc.types import Samples


def worth_of(quality: float, bands: int) -> float:
    """Bits that a unit of squared error, of samples in [0, 1], is worth at a quality."""
    # As the training loss weighs them: bits a pixel + λ · mean squared error of three channels.  A single
    # band enters the network three times, and three times its errors count.
    lmbda: float = RATE_POINTS[0].lmbda * 2.0 ** (quality - 1)
    return lmbda / (1 if bands == 1 else 3)


def squared_error(
    reference: npt.NDArray[np.generic],
    other: npt.NDArray[np.generic],
    mask: npt.NDArray[np.bool_] | None,
    peak: float,
    weights: Sequence[float],
) -> float:
    """Sum of squared differences of the samples that are valid, in units of the peak, weighted by band.

    Parameters
    ----------
    reference, other : ndarray, shape (bands, height, width)
    mask : ndarray of bool, of the same shape or (1, height, width), or None
        Samples that are valid; None for all.
    peak : float
    weights : sequence of float
        Of the differences of each band.
    """
    kind = np.float32 if reference.dtype.itemsize <= 2 else np.float64
    with np.errstate(over="ignore", invalid="ignore"):
        difference = reference.astype(kind) - other.astype(kind)
        if mask is not None:
            difference = np.where(mask, difference, 0)
        # Squares of float64's largest and smallest numbers are none.
        errors = np.sum(np.square(difference / kind(peak)), axis=(1, 2), dtype=np.float64)
    return float(errors @ np.square(weights))


class Standard:
    """What is to be small of the ways of all tiles of one compression.

    Parameters
    ----------
    header : StreamHeader
    options : EncodeOptions

    Attributes
    ----------
    mapping : sequence of BandMapping
    peak : float
        That of the mapping, in whose units errors are.
    weights, counts : list of float
        Of the errors of bands: as was asked for, the largest 1, and as they count without a target.
    capped : bool
        Whether no tile may become larger or worse than the network made it, since there is a target.
    fills : bool
        Whether all bytes that there are may be used, so that only errors count.
    """

    def __init__(self, header: StreamHeader, options: EncodeOptions) -> None:
        self.capped = options.target is not None
        # The bytes are there to be used: who saved some would miss the size that was asked for.
        self.fills = options.target is not None and options.target.kind is not TargetKind.PSNR
        weights = options.band_weights or (1.0,) * header.bands
        # As where the way into the network is chosen, the largest is 1.
        self.weights = [weight / max(weights) for weight in weights]
        self.mapping = mapping_of(header)
        self.peak = peak_value(self.mapping)
        self.counts = self.weights
        spans = np.array([entry.scale for entry in self.mapping])
        # A PSNR that is asked for is one of all bands in the same units.
        if options.target is None and are_quantities(spans, np.dtype(header.dtype).kind in "iu"):
            own = spans.max() / np.where(spans > 0, spans, spans.max())
            self.counts = (own * self.weights).tolist()


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Way to keep a tile (None: the latents), its bytes, its squared error, and what is to be small."""

    tile: PlainTile | None
    bytes: int
    squared_error: float
    total: float


class Comparison:
    """Comparison of the ways of one tile.

    Parameters
    ----------
    standard : Standard
    samples : Samples
        The tile as it was read.
    worth : float
        Bits that a unit of squared error is worth.
    check : callable
        Called for each way; raises to cancel.

    Attributes
    ----------
    unit : ndarray of float32, shape (bands, height, width)
        The samples in [0, 1], known everywhere.
    count : float
        Pixels that count.
    """

    def __init__(self, standard: Standard, samples: Samples, worth: float, check: Check) -> None:
        self.standard, self.check = standard, check
        self._pixels, self._mask, self._worth = samples.pixels, valid_samples(samples), worth
        self.unit = to_unit(samples, standard.mapping)
        pixels, mask = samples.pixels[0].size, self._mask
        self.count = pixels if mask is None else float(mask.sum()) / (mask.size / pixels)

    def of(
        self, pixels: npt.NDArray[np.generic], size: int, tile: PlainTile | None, spared: float = 0.0
    ) -> Candidate:
        """Candidate of so many bytes that decodes to some pixels, of whose error a part does not count."""
        self.check()
        standard = self.standard
        error = squared_error(self._pixels, pixels, self._mask, standard.peak, standard.counts)
        error = max(error - spared, 0.0)
        return Candidate(tile, size, error, self.total(size, error))

    def of_plain(self, tile: PlainTile) -> Candidate:
        """Candidate of a tile of which is known what it decodes to."""
        assert tile.pixels is not None
        return self.of(tile.pixels, len(tile.payload), tile)

    def total(self, size: float, error: float) -> float:
        """What is to be small of so many bytes and such a squared error: bits, or the error."""
        return error if self.standard.fills else 8 * size + self._worth * error
