"""Bjøntegaard's average differences between two rate-distortion curves, with PCHIP interpolation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: The curves must share at least this part of the shorter one's span, or no figure is given: an average
#: over a sliver says nothing about the curves.
MIN_OVERLAP = 0.25


@dataclass(frozen=True)
class Delta:
    """Average difference between two rate-distortion curves, or why there is none.

    Attributes
    ----------
    value : float or None
        Percent for a difference in rate, units of the quality figure for one in quality.
    overlap : float
        Part of the shorter curve's span that both curves share, 0 to 1.
    note : str
        A sentence if `value` is None; else empty.
    """

    value: float | None
    overlap: float
    note: str = ""


def bd_rate(
    anchor_rate: Sequence[float],
    anchor_quality: Sequence[float],
    test_rate: Sequence[float],
    test_quality: Sequence[float],
) -> Delta:
    """Average difference in rate at equal quality (BD-rate).

    The logarithm of the rate is interpolated over quality by PCHIP and averaged over the interval of
    quality that both curves cover.

    Parameters
    ----------
    anchor_rate, test_rate : sequence of float
        Rates, > 0, in any unit (bpp here), in any order.
    anchor_quality, test_quality : sequence of float
        PSNR in dB or any figure that grows with quality.

    Returns
    -------
    Delta
        Percent; negative if the test curve needs fewer bits than the anchor.

    References
    ----------
    G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001;
    piecewise cubic interpolation as in VCEG-AI11 (2008) and the common test conditions JCTVC-L1100 (2013).
    """
    anchor, test = clean(anchor_rate, anchor_quality), clean(test_rate, test_quality)
    difference = _mean_difference((anchor[1], np.log(anchor[0])), (test[1], np.log(test[0])), "quality")
    if difference.value is None:
        return difference
    return Delta(100.0 * math.expm1(difference.value), difference.overlap)


def bd_quality(
    anchor_rate: Sequence[float],
    anchor_quality: Sequence[float],
    test_rate: Sequence[float],
    test_quality: Sequence[float],
) -> Delta:
    """Average difference in quality at equal rate (BD-PSNR if quality is PSNR).

    Parameters and references as for :func:`bd_rate`; the average is over the logarithm of the rate.

    Returns
    -------
    Delta
        In units of quality (dB for PSNR); positive if the test curve is the better one.
    """
    anchor, test = clean(anchor_rate, anchor_quality), clean(test_rate, test_quality)
    return _mean_difference((np.log(anchor[0]), anchor[1]), (np.log(test[0]), test[1]), "rate")


def clean(rate: Sequence[float], quality: Sequence[float]) -> tuple[Floats, Floats]:
    """Points of a curve in order of rate, without those that cost more bits for no better quality.

    Points that are not finite (a lossless file has infinite PSNR) are left out too; what remains
    rises strictly in both coordinates, as interpolation in either direction needs.
    """
    kept: list[tuple[float, float]] = []
    points = zip(rate, quality, strict=True)
    # Of equal rates the better one comes first.
    for r, q in sorted(points, key=lambda point: (point[0], -point[1])):
        if r > 0.0 and math.isfinite(r) and math.isfinite(q) and (not kept or q > kept[-1][1]):
            kept.append((r, q))
    array = np.array(kept, np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _mean_difference(anchor: tuple[Floats, Floats], test: tuple[Floats, Floats], what: str) -> Delta:
    """Mean of test − anchor over the abscissas that both have; curves as (x, y), x rising."""
    if min(len(anchor[0]), len(test[0])) < 2:
        return Delta(None, 0.0, "A curve has fewer than two points of rising quality.")
    low = max(anchor[0][0], test[0][0])
    high = min(anchor[0][-1], test[0][-1])
    shorter = min(anchor[0][-1] - anchor[0][0], test[0][-1] - test[0][0])
    overlap = max(0.0, float((high - low) / shorter))
    if overlap < MIN_OVERLAP:
        return Delta(None, overlap, f"The curves share only {overlap:.0%} of their range of {what}.")
    area = integral(*test, low, high) - integral(*anchor, low, high)
    return Delta(float(area / (high - low)), overlap)


def integral(x: Floats, y: Floats, low: float, high: float) -> float:
    """Integral from `low` to `high`, inside the points, of their PCHIP interpolant.

    Parameters
    ----------
    x : ndarray of float64, shape (n,), n ≥ 2
        Strictly rising.
    y : ndarray of float64, shape (n,)
    low, high : float
    """
    step = np.diff(x)
    slope = np.diff(y) / step
    d = slopes(step, slope)
    # On each interval the cubic is y + d·t + c·t² + b·t³ of the distance t from its left end.
    c = (3.0 * slope - 2.0 * d[:-1] - d[1:]) / step
    b = (d[:-1] - 2.0 * slope + d[1:]) / step**2

    def antiderivative(t: Floats) -> Floats:
        value: Floats = t * (y[:-1] + t * (d[:-1] / 2.0 + t * (c / 3.0 + t * b / 4.0)))
        return value

    start = np.clip(low - x[:-1], 0.0, step)
    end = np.clip(high - x[:-1], 0.0, step)
    return float((antiderivative(end) - antiderivative(start)).sum())


def slopes(step: Floats, slope: Floats) -> Floats:
    """Derivatives of the monotone piecewise cubic at its points.

    Inside, a weighted harmonic mean of the two secants, zero where they disagree in sign; at the
    ends, the three-point formula, cut back where it would break monotony.

    References
    ----------
    F. N. Fritsch, J. Butland, "A method for constructing local monotone piecewise cubic
    interpolants", SIAM J. Sci. Stat. Comput. 5(2), 1984; end formula as in C. Moler, "Numerical
    computing with MATLAB", 2004, section 3.6.
    """
    if len(slope) == 1:
        return np.repeat(slope, 2)
    d = np.zeros(len(slope) + 1)
    left, right = slope[:-1], slope[1:]
    agree = left * right > 0.0
    w1 = (2.0 * step[1:] + step[:-1])[agree]
    w2 = (step[1:] + 2.0 * step[:-1])[agree]
    d[1:-1][agree] = (w1 + w2) / (w1 / left[agree] + w2 / right[agree])
    d[0] = _end_slope(step[0], step[1], slope[0], slope[1])
    d[-1] = _end_slope(step[-1], step[-2], slope[-1], slope[-2])
    return d


def _end_slope(step: float, next_step: float, slope: float, next_slope: float) -> float:
    d = ((2.0 * step + next_step) * slope - step * next_slope) / (step + next_step)
    if d * slope <= 0.0:
        return 0.0
    if slope * next_slope <= 0.0 and abs(d) > 3.0 * abs(slope):
        return 3.0 * slope
    return d
