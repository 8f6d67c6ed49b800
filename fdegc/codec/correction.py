"""Linear correction of what the network gives, fitted to one scene: least squares over 3 × 3 × 3 neighbours.

The network serves every scene alike; what its errors have in common within one, a cast, a blur or an
overshoot at edges, a few dozen numbers in the header take out of it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.codec.crops import through_network
from fdegc.codec.inputs import NetworkInputs
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tiling import reflect_pad
from fdegc.codec.workers import Workers
from fdegc.coding.correcting import BIAS_STEPS, TAPS, WEIGHT_STEPS, neighbours
from fdegc.format.header import pack_correction
from fdegc.options import RATE_POINTS
from fdegc.raster.mapping import to_unit, valid_samples
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Correction

Float64Array = npt.NDArray[np.float64]

#: How few crops tell anything, how many are enough.
_FEWEST, _MOST = 2, 6
#: Side of the crops, and the share of a scene that they may take; the same where latents are refined, which
#: takes so long that smaller scenes may be looked at more closely.
_SIDE, _SHARE = 256, 0.1
_REFINED_SIDE, _REFINED_SHARE = 128, 0.3
#: The correction has to take away this share of the squared errors of crops that it was not fitted to.
_MARGIN = 0.003
#: Pulls numbers that hardly matter to zero, so that crops with little in them do not let them run away.
_RIDGE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Sums over the pixels of a crop from which the best correction, and what it leaves, follow.

    ``products`` of the terms with one another, (28, 28); ``targets``, of the terms with the errors, (28, 3);
    ``error``, squared errors without correction; ``pixels``, how many.
    """

    products: Float64Array
    targets: Float64Array
    error: float
    pixels: int

    @classmethod
    def total(cls, parts: Sequence[_Moments]) -> _Moments:
        """Moments of several crops together."""
        return cls(
            sum((part.products for part in parts), np.zeros((TAPS + 1, TAPS + 1))),
            sum((part.targets for part in parts), np.zeros((TAPS + 1, 3))),
            sum(part.error for part in parts),
            sum(part.pixels for part in parts),
        )

    def fit(self) -> npt.NDArray[np.int64]:
        """Steps of the correction that leaves least, (3, 28): of each output the bias, then the weights."""
        ridge = _RIDGE * self.pixels * np.eye(TAPS + 1)
        best = np.linalg.solve(self.products + ridge, self.targets).T
        steps: npt.NDArray[np.int64] = np.rint(best * _units()).astype(np.int64)
        return np.clip(steps, -Correction.LIMIT, Correction.LIMIT)

    def left(self, steps: npt.NDArray[np.int64]) -> float:
        """Squared errors that a correction leaves."""
        numbers = (steps / _units()).T
        return float(
            self.error
            - 2 * np.sum(numbers * self.targets)
            + np.einsum("ik,ij,jk->", numbers, self.products, numbers)
        )


def _units() -> Float64Array:
    return np.array([BIAS_STEPS] + [WEIGHT_STEPS] * TAPS, np.float64)


def choose_correction(plan: EncodingPlan, workers: Workers) -> Correction | None:
    """Correction that serves a scene, or None where none is worth its bytes.

    It is fitted to a few crops, coded at the plan's quality, and has to do them good where it was fitted to
    the others.

    Parameters
    ----------
    plan : EncodingPlan
        Complete but for the correction.
    workers : Workers

    Raises
    ------
    Cancelled
    """
    if plan.exact:
        return None
    windows = _windows(plan.info, _SIDE, _SHARE)
    if len(windows) < _FEWEST and plan.options.refinement:
        windows = _windows(plan.info, _REFINED_SIDE, _REFINED_SHARE)
    if len(windows) < _FEWEST:
        return None
    read = (_Crop.of(plan, window) for window in windows)
    crops = [found for found in workers.ordered(lambda crop: _moments(plan, crop, workers), read) if found]
    if len(crops) < _FEWEST:
        return None
    share = sum(crop[0].pixels for crop in crops) / plan.info.pixels
    lmbda = RATE_POINTS[0].lmbda * 2.0 ** (plan.quality - 1) / 3
    groups = []
    for parts in zip(*crops, strict=True):
        without = sum(part.error for part in parts)
        left = 0.0
        for number, part in enumerate(parts):
            others = _Moments.total(parts[:number] + parts[number + 1 :])
            left += part.left(others.fit())
        steps = _Moments.total(parts).fit()
        # Bits that the errors taken away are worth in the whole scene, by the rate's own exchange.
        numbers = tuple(steps.ravel().tolist())
        bits = 16.0 * len(pack_correction(Correction((numbers,))))  # the file holds its header twice
        pays = without - left > _MARGIN * without and lmbda * (without - left) > share * bits
        groups.append(numbers if pays else ())
    return Correction(tuple(groups)) if any(map(any, groups)) else None


def _windows(info: RasterInfo, side: int, share: float) -> list[Window]:
    """Crops spread over a scene in rows and columns of their own, as many as its size allows."""
    width, height = min(side, info.width), min(side, info.height)
    count = min(int(share * info.pixels / (width * height)), _MOST)
    found = [
        Window(
            round((info.width - width) * (number + 0.5) / count),
            round((info.height - height) * (((number + 0.5) * 0.618034) % 1.0)),
            width,
            height,
        )
        for number in range(count)
    ]
    return sorted(found, key=lambda window: window.y)  # some files are decoded from the top again to go back


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    """Crop of a scene: size, bands in [0, 1] padded for the network, which pixels have all of them."""

    height: int
    width: int
    unit: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_] | None

    @classmethod
    def of(cls, plan: EncodingPlan, window: Window) -> _Crop:
        """Crop at a place."""
        samples = plan.source.read(window)
        mask = valid_samples(samples)
        unit = to_unit(samples, plan.mapping)
        sizes = (-(-side // 64) * 64 for side in unit.shape[1:])
        return cls(
            window.height,
            window.width,
            reflect_pad(unit, *sizes).astype(np.float32, copy=False),
            mask if mask is None or mask.ndim == 2 else mask.all(axis=0),
        )


def _moments(plan: EncodingPlan, crop: _Crop, workers: Workers) -> tuple[_Moments, ...] | None:
    """Moments of a crop, one a group of bands; None where nothing of it is valid."""
    if crop.valid is not None and not crop.valid.any():
        return None
    network, quality, check = plan.network, plan.quality, workers.check
    inputs = NetworkInputs(plan.header)
    cut, outputs = through_network(network, inputs, crop.unit, quality, check, clip=False)
    return tuple(
        _moments_of(x[:, : crop.height, : crop.width], y[:, : crop.height, : crop.width], crop.valid)
        for x, y in zip(cut, outputs, strict=True)
    )


def _moments_of(
    wanted: npt.NDArray[np.float32], found: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_] | None
) -> _Moments:
    products, targets = np.zeros((TAPS + 1, TAPS + 1)), np.zeros((TAPS + 1, 3))
    error, pixels = 0.0, 0
    for terms, missing in _strips(wanted, found, valid):
        # Not matrix products: those of numpy start threads, and add up in an order of their own.
        products += np.einsum("ip,jp->ij", terms, terms)
        targets += np.einsum("ip,kp->ik", terms, missing)
        error += float(np.einsum("kp,kp->", missing, missing))
        pixels += terms.shape[1]
    return _Moments(products, targets, error, pixels)


def _strips(
    wanted: npt.NDArray[np.float32], found: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_] | None
) -> Iterator[tuple[Float64Array, Float64Array]]:
    """Terms, (28, n), and errors, (3, n), of some rows at a time."""
    rows = 32
    terms = neighbours(found)
    missing = wanted - found
    for top in range(0, found.shape[1], rows):
        part = slice(top, top + rows)
        known = slice(None) if valid is None else valid[part].ravel()
        yield (
            terms[:, part].reshape(TAPS + 1, -1)[:, known].astype(np.float64),
            missing[:, part].reshape(3, -1)[:, known].astype(np.float64),
        )
