"""Choice of how the bands of a scene enter the network, by coding a few crops in each way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fdegc.codec.crops import through_network
from fdegc.codec.inputs import NetworkInputs
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.tiling import reflect_pad
from fdegc.codec.workers import Workers
from fdegc.coding.component_transform import counted_spans
from fdegc.options import RATE_POINTS
from fdegc.raster.mapping import to_unit, valid_samples
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Components, Samples

Float64Array = npt.NDArray[np.float64]

#: Side of the crops that are coded in each way, how many of them, and the share of a scene that all may take.
_SIDE, _CROPS, _SHARE = 256, 3, 0.15
#: Side and number (in each direction) of the windows whose statistics count.
LOOK_SIDE, LOOKS = 128, 4
#: Bands of the same picture, of which only three enter as they are, are as alike as this in natural colours.
_ALIKE = 0.6
#: More bands than this are not tried one by one.
_MOST_GREYS = 6
#: Bits a pixel that the error of components which are left out may be worth, at the highest rate.
_LEFT_OUT = 0.02
#: Variance of errors of the bands, in [0, 1], that others are predicted from.
_RIDGE = 1e-3
#: Ways must be better by this share to be worth their bytes in the header.
_MARGIN = 0.01
# Axes of natural colours: grey, from red to blue, from green to both.  Rows, orthonormal.
_AXES = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    """Crop of a scene: samples, and bands in [0, 1] padded for the network."""

    samples: Samples
    unit: npt.NDArray[np.float32]


def choose_components(plan: EncodingPlan, workers: Workers) -> Components | None:
    """Component transform that serves a scene best, by what its crops take and lose; None for none.

    Tried are bands as they are, three at a time; the Karhunen–Loève transform, whose first components
    become the network's axes of natural colours; every band as grey; and of more than three bands what a
    linear function of the first three, as they are decoded, leaves of the others.  Where bands were given
    weights, all of these heed them.

    Parameters
    ----------
    plan : EncodingPlan
        Whose bands enter as they are.
    workers : Workers

    Raises
    ------
    Cancelled
    """
    bands = plan.header.bands
    if bands == 1 or plan.exact:
        return None
    moments = _moments(plan)
    if moments is None:
        return None
    means, covariance = moments
    weights = _weights(plan)
    plain = bool(np.all(weights == 1)) or not plan.options.band_weights
    if bands <= 3 and plain and _correlation(covariance) >= _ALIKE:
        return None
    ways = [None if plain else _picked(means, weights), _karhunen_loeve(means, covariance, weights)]
    if bands <= _MOST_GREYS:
        ways.append(_greys(means, weights))
    # A search for a target analyses a scene once for all qualities, and a prediction depends on them.
    if bands > 3 and plan.options.target is None and np.all(weights > 0):
        ways.append(_predicted(means, covariance, weights))
    crops = list(_crops(plan))

    share = float(sum(crop.samples.pixels[0].size for crop in crops)) / plan.info.pixels

    def work(way: Components | None) -> float:
        # Four bytes a number, and an index entry for each group of a tile: the crops pay their share.
        stored = 128.0 * len(plan.tiles) * (-(-bands // 3) if way is None else way.groups)
        stored += 0.0 if way is None else 32.0 * bands * (1 + 3 * way.groups)
        return share * stored + sum(_cost(plan, weights, way, crop, workers) for crop in crops)

    costs = list(workers.ordered(work, ways))
    best = min(range(len(ways)), key=lambda number: costs[number])
    return ways[best] if costs[best] < (1 - _MARGIN) * costs[0] else ways[0]


def _weights(plan: EncodingPlan) -> Float64Array:
    """Factor of each band's errors, of which the largest is 1: as in comparisons; 0 of a constant band."""
    spans = np.array([entry.scale for entry in plan.mapping])
    factors = counted_spans(spans, np.dtype(plan.header.dtype).kind in "iu")
    factors = factors * (spans > 0) * (plan.options.band_weights or 1.0)
    largest: float = factors.max()
    return factors / largest if largest > 0 else np.ones(len(spans))


def spread_windows(info: RasterInfo, side: int, count: int) -> Iterator[Window]:
    """Windows spread over a scene, ``count`` in each direction, or as many as there are."""
    width, height = min(side, info.width), min(side, info.height)
    columns, rows = (min(count, -(-size // side)) for size in (info.width, info.height))
    for row in range(rows):
        for column in range(columns):
            x = round((info.width - width) * (column + 0.5) / columns)
            y = round((info.height - height) * (row + 0.5) / rows)
            yield Window(x, y, width, height)


def _moments(plan: EncodingPlan) -> tuple[Float64Array, Float64Array] | None:
    """Means and covariances of the bands in [0, 1], of the pixels that have all of them; None without any."""
    bands, count = plan.header.bands, 0
    sums, products = np.zeros(bands), np.zeros((bands, bands))
    for window in spread_windows(plan.info, LOOK_SIDE, LOOKS):
        samples = plan.source.read(window)
        unit = to_unit(samples, plan.mapping).reshape(bands, -1).astype(np.float64)
        mask = valid_samples(samples)
        if mask is not None:
            unit = unit[:, (mask if mask.ndim == 2 else mask.all(axis=0)).ravel()]
        count += unit.shape[1]
        sums += unit.sum(axis=1)
        products += np.einsum("ip,jp->ij", unit, unit)
    if count < 2:
        return None
    means = sums / count
    return means, products / count - np.outer(means, means)


def _correlation(covariance: Float64Array) -> float:
    """Smallest correlation between two bands that are not constant; 1 without such bands."""
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0))
    varied = deviations > 1e-4
    if varied.sum() < 2:
        return 1.0
    scaled = covariance[np.ix_(varied, varied)] / np.outer(deviations[varied], deviations[varied])
    return float(scaled.min())


def _components(matrix: Float64Array, means: Float64Array) -> Components:
    rows = np.asarray(matrix, np.float32).tolist()
    return Components(tuple(map(tuple, rows)), tuple(np.asarray(means, np.float32).tolist()))


def _picked(means: Float64Array, weights: Float64Array) -> Components:
    """Bands three at a time, each with its weight; the last group repeats its last band."""
    bands = len(means)
    rows = [min(row, bands - 1) for row in range(3 * -(-bands // 3))]
    return _components(np.diag(weights)[rows], means)


def _greys(means: Float64Array, weights: Float64Array) -> Components:
    """Every band as grey, of lower contrast, since its errors count once and not three times."""
    return _components(np.repeat(np.diag(weights), 3, axis=0) / math.sqrt(3), means)


def _karhunen_loeve(means: Float64Array, covariance: Float64Array, weights: Float64Array) -> Components:
    """Principal components along the axes of natural colours, three at a time, without worthless ones."""
    weighted = covariance * np.outer(weights, weights)
    variances, vectors = np.linalg.eigh(weighted)
    variances, vectors = variances[::-1], vectors[:, ::-1].T
    vectors = vectors * np.where(vectors.sum(axis=1, keepdims=True) < 0, -1, 1)
    kept = len(means)
    worth = RATE_POINTS[-1].lmbda / 3
    while kept > 1 and worth * variances[kept - 1 :].clip(0).sum() < _LEFT_OUT:
        kept -= 1
    if kept % 3 == 2 and kept < len(means):
        # Two over three axes, rounded to single precision, are of rank three by a hair: what takes them back
        # would be made of rounding errors.  Three are not, and the third one costs next to nothing.
        kept += 1
    matrix = []
    for start in range(0, kept, 3):
        part = vectors[start : min(start + 3, kept)]
        matrix.append(_AXES[: len(part)].T @ part)
    return _components(np.concatenate(matrix) * weights, means)


def _predicted(means: Float64Array, covariance: Float64Array, weights: Float64Array) -> Components:
    """The first three bands, and of others what a linear function of those leaves, three at a time."""
    bands = len(means)
    known = covariance[:3, :3]
    slopes = np.linalg.solve(known + _RIDGE * np.eye(3), covariance[:3, 3:]).T
    rows = [min(row, bands - 1) for row in range(3 * -(-bands // 3))]
    leave = np.eye(bands)
    leave[3:, :3] = -slopes
    matrix = (weights[:, None] * leave)[rows]
    if bands % 3 == 1:  # whose errors count once and not three times
        matrix[-3:] /= math.sqrt(3)
    return _components(matrix, means)


def _crops(plan: EncodingPlan) -> Iterator[_Crop]:
    """Crops of a scene on its diagonal, as few as its size allows."""
    count = min(max(int(_SHARE * plan.info.pixels / _SIDE**2), 1), _CROPS)
    info = plan.info
    width, height = min(_SIDE, info.width), min(_SIDE, info.height)
    for number in range(count):
        place = (number + 0.5) / count
        window = Window(
            round((info.width - width) * place), round((info.height - height) * place), width, height
        )
        samples = plan.source.read(window)
        unit = to_unit(samples, plan.mapping)
        sizes = (-(-side // 64) * 64 for side in unit.shape[1:])
        yield _Crop(samples, reflect_pad(unit, *sizes).astype(np.float32, copy=False))


def _cost(
    plan: EncodingPlan, weights: Float64Array, way: Components | None, crop: _Crop, workers: Workers
) -> float:
    """Bits and λ times the error of a crop, as the training loss weighs them."""
    network, quality, check = plan.network, plan.quality, workers.check
    inputs = NetworkInputs(replace(plan.header, components=way))
    cut, outputs = through_network(network, inputs, crop.unit, quality, check, clip=inputs.plain)
    bits = sum(network.estimate_bits(x, [quality], check)[0] for x in cut)
    height, width = crop.samples.pixels.shape[1:]
    found = np.clip(inputs.bands(outputs)[:, :height, :width], 0, 1)
    error = (found - crop.unit[:, :height, :width]) * weights.astype(np.float32)[:, None, None]
    mask = valid_samples(crop.samples)
    squared = float(np.sum(np.square(error if mask is None else np.where(mask, error, 0)), dtype=np.float64))
    lmbda = RATE_POINTS[0].lmbda * 2.0 ** (quality - 1)
    return float(bits + lmbda * squared / 3)
