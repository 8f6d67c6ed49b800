"""Mixture parameters to integer probabilities, through constants of the format.

Everything that leaves this module is an integer: scales become an index into a log-spaced grid,
means a multiple of 1/16, weights multiples of 1/256, and the Laplace distribution is a table.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

#: Means lie on a grid of 1 / MEAN_STEPS.
MEAN_STEPS = 16
#: Mixture weights are multiples of 1 / WEIGHT_SUM.
WEIGHT_SUM = 256
#: Scale k is 2 ** (k / SCALES_PER_OCTAVE + SCALE_MIN_LOG2).
SCALE_COUNT = 80
SCALES_PER_OCTAVE = 6
SCALE_MIN_LOG2 = -5.0
#: The CDF table covers arguments of ±CDF_REACH / MEAN_STEPS; beyond, it is 0 or 1.
CDF_REACH = 4096
#: Bits of a tabulated cumulative probability.
CDF_BITS = 16
#: Added to every symbol's frequency (of 2 ** 24), so that everything can be coded.
FREQUENCY_FLOOR = 64


@functools.cache
def laplace_table() -> npt.NDArray[np.int32]:
    """Cumulative Laplace probabilities, shape (SCALE_COUNT, 2·CDF_REACH + 1), 0 to 2**CDF_BITS."""
    scales = 2.0 ** (np.arange(SCALE_COUNT) / SCALES_PER_OCTAVE + SCALE_MIN_LOG2)
    x = np.arange(-CDF_REACH, CDF_REACH + 1) / MEAN_STEPS
    t = x[None, :] / scales[:, None]
    cdf = np.where(t < 0, 0.5 * np.exp(-np.abs(t)), 1.0 - 0.5 * np.exp(-np.abs(t)))
    return np.rint(cdf * (1 << CDF_BITS)).astype(np.int32)


@functools.cache
def _scale_bounds() -> npt.NDArray[np.float64]:
    steps = (np.arange(SCALE_COUNT - 1) + 0.5) / SCALES_PER_OCTAVE + SCALE_MIN_LOG2
    return np.exp2(steps)


def quantise_mixture(
    raw: npt.NDArray[np.float64], channels: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Snap raw outputs of the parameter network to the grids of the format.

    Parameters
    ----------
    raw : ndarray of float64, shape (positions, 9 · channels)
        Blocks w0 m0 s0 w1 m1 s1 w2 m2 s2.
    channels : int

    Returns
    -------
    weights, means, scales : ndarray of int32, shape (3, positions · channels)
        In 1/256, in 1/16, and as an index into the scale grid.
    """
    blocks = raw.reshape(raw.shape[0], 3, 3, channels).transpose(1, 2, 0, 3).reshape(3, 3, -1)
    logits, means, scales = blocks[:, 0], blocks[:, 1], blocks[:, 2]
    exps = np.exp(logits - logits.max(0))
    shares = np.rint(exps * (WEIGHT_SUM / exps.sum(0))).astype(np.int32)
    shares[2] = np.maximum(WEIGHT_SUM - shares[0] - shares[1], 0)
    shares[1] = WEIGHT_SUM - shares[0] - shares[2]
    # A mean far outside only ever meets the saturated ends of the table.
    limit = CDF_REACH
    snapped = np.clip(np.rint(means * MEAN_STEPS), -limit, limit).astype(np.int32)
    index = np.searchsorted(_scale_bounds(), np.abs(scales)).astype(np.int32)
    return shares, snapped, index


def frequencies(
    weights: npt.NDArray[np.int32],
    means: npt.NDArray[np.int32],
    scales: npt.NDArray[np.int32],
    radius: int,
) -> npt.NDArray[np.float32]:
    """Integer frequencies of the symbols −radius … radius; the outer two hold the tails.

    Parameters
    ----------
    weights, means, scales : ndarray of int32, shape (3, n)
        As :func:`quantise_mixture` returns them.
    radius : int
        ≥ 1.

    Returns
    -------
    ndarray of float32, shape (n, 2·radius + 1)
        Integers below 2**24 + 64, exact in float32 up to the last bit that matters to no one:
        every machine converts them alike.
    """
    table = laplace_table()
    # Lower edges of the symbols −radius+1 … radius, in units of the mean grid.
    edges = np.arange(-radius + 1, radius + 1, dtype=np.int32) * MEAN_STEPS - MEAN_STEPS // 2
    count = means.shape[1]
    cumulative = np.zeros((count, 2 * radius + 2), np.int32)
    for weight, mean, scale in zip(weights, means, scales, strict=True):
        position = np.clip(edges[None, :] - mean[:, None], -CDF_REACH, CDF_REACH) + CDF_REACH
        position += scale[:, None] * table.shape[1]
        cumulative[:, 1:-1] += weight[:, None] * table.ravel()[position]
    cumulative[:, -1] = WEIGHT_SUM << CDF_BITS
    return (np.diff(cumulative, axis=1) + FREQUENCY_FLOOR).astype(np.float32)
