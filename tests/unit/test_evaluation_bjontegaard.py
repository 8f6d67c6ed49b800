"""BD-rate and BD-PSNR: published values, cases with a known answer, curves that do not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fdegc.evaluation.bjontegaard import bd_quality, bd_rate, clean, integral

Curve = list[tuple[float, float]]

# Two sequences of JCTVC-E137 with the BD-rates of the JCT-VC spreadsheet (PCHIP), as published in the
# tests of Netflix's vmaf: python/test/bd_rate_calculator_test.py, BDrateCalculatorJCTVCTest.
# Rate in kbit/s, PSNR in dB.
PUBLISHED: list[tuple[Curve, Curve, float]] = [
    (
        [(108048.8736, 43.6471), (61279.976, 40.3953), (33905.6656, 37.247), (18883.6928, 34.2911)],
        [(108061.2784, 43.6768), (61299.9936, 40.4232), (33928.7472, 37.2761), (18910.912, 34.3147)],
        -0.00465215420752807,
    ),
    (
        [(40433.8848, 37.5761), (7622.7456, 35.3756), (2394.488, 33.8977), (1017.6184, 32.0603)],
        [(40370.12, 37.5982), (7587.0024, 35.4025), (2390.0944, 33.9194), (1017.0984, 32.0822)],
        -0.018779823450567612,
    ),
]

RATES = [0.15, 0.3, 0.55, 0.9, 1.6]
PSNR = [24.1, 27.0, 29.6, 31.7, 34.9]


def split(curve: Curve) -> tuple[list[float], list[float]]:
    return [rate for rate, _ in curve], [quality for _, quality in curve]


@pytest.mark.parametrize(("anchor", "test", "expected"), PUBLISHED)
def test_bd_rate_of_the_common_test_conditions(anchor: Curve, test: Curve, expected: float) -> None:
    found = bd_rate(*split(anchor), *split(test))
    assert found.value == pytest.approx(100 * expected, abs=1e-9)
    assert found.overlap > 0.99


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.25, 3.0])
def test_a_constant_factor_in_rate_is_found_exactly(factor: float) -> None:
    found = bd_rate(RATES, PSNR, [factor * rate for rate in RATES], PSNR)
    assert found.value == pytest.approx(100 * (factor - 1), abs=1e-10)
    assert found.overlap == pytest.approx(1)


@pytest.mark.parametrize("offset", [-1.5, 0.0, 0.4])
def test_a_constant_offset_in_quality_is_found_exactly(offset: float) -> None:
    found = bd_quality(RATES, PSNR, RATES, [value + offset for value in PSNR])
    assert found.value == pytest.approx(offset, abs=1e-10)


def test_straight_lines_have_a_closed_form() -> None:
    # PSNR = 6 · log2(rate) + 30 and the same 1.2 dB higher: 2^(−1.2 / 6) − 1, wherever the points lie.
    anchor, test = np.array([0.2, 0.5, 1.1, 2.0]), np.array([0.17, 0.4, 0.6, 1.5, 1.9])
    found = bd_rate(list(anchor), list(6 * np.log2(anchor) + 30), list(test), list(6 * np.log2(test) + 31.2))
    assert found.value == pytest.approx(100 * (2 ** (-1.2 / 6) - 1))
    gain = bd_quality(
        list(anchor), list(6 * np.log2(anchor) + 30), list(test), list(6 * np.log2(test) + 31.2)
    )
    assert gain.value == pytest.approx(1.2)


def test_exchanging_the_curves_inverts_the_ratio() -> None:
    other = [26.0, 27.9, 30.1, 32.9, 35.0]
    there, back = bd_rate(RATES, PSNR, RATES, other).value, bd_rate(RATES, other, RATES, PSNR).value
    assert there is not None and back is not None
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)
    assert there < 0 < back


def test_the_interpolant_is_scipys() -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    rng = np.random.default_rng(3)
    for number in range(100):
        count = int(rng.integers(2, 10))
        x = np.cumsum(rng.uniform(0.05, 2, count))
        y = np.cumsum(rng.uniform(0, 3, count)) if number % 2 else rng.normal(size=count)
        low, high = sorted(rng.uniform(x[0], x[-1], 2))
        expected = interpolate.PchipInterpolator(x, y).integrate(low, high)
        assert integral(x, y, low, high) == pytest.approx(expected, abs=1e-9)


def test_points_are_sorted_and_those_without_gain_are_left_out() -> None:
    rates = [2.0, 0.5, 1.0, 1.0, 3.0, 4.0, 0.0, 5.0]
    values = [33.0, 30.0, 31.0, 32.0, 32.5, math.inf, 20.0, math.nan]
    x, y = clean(rates, values)
    assert x.tolist() == [0.5, 1.0, 2.0]
    assert y.tolist() == [30.0, 32.0, 33.0]


def test_curves_that_hardly_overlap_have_no_difference() -> None:
    far = [value + 10 for value in PSNR]
    found = bd_rate(RATES, PSNR, RATES, far)
    assert found.value is None
    assert 0 < found.overlap < 0.25
    assert found.note.startswith("The curves share only 7%")
    apart = bd_rate(RATES, PSNR, RATES, [value + 50 for value in PSNR])
    assert apart.value is None and apart.overlap == 0


def test_one_point_is_no_curve() -> None:
    found = bd_quality([0.5], [30.0], RATES, PSNR)
    assert found.value is None
    assert "fewer than two points" in found.note
    assert bd_rate([], [], RATES, PSNR).value is None
