"""Ranges that are asked for: percentiles, limits, what is clipped; and what fills invalid pixels."""

from __future__ import annotations

import numpy as np
import pytest

from fdegc.errors import InvalidOption
from fdegc.options import ValueRange
from fdegc.raster import ArraySource, plan_mapping, to_unit
from fdegc.raster.fill import fill_unknown
from fdegc.raster.mapping import count_clipped
from fdegc.raster.statistics import percentiles
from fdegc.raster_info import DTYPES, Window
from fdegc.types import BandMapping, Samples

SHARES = (0.0, 0.1, 2.0, 37.5, 50.0, 99.9, 100.0)


def values_of(dtype: str, count: int = 5000) -> np.ndarray:
    rng = np.random.default_rng(3)
    if np.dtype(dtype).kind == "f":
        values = rng.normal(0, 1, count) * np.exp(rng.normal(0, 8, count))
        values[:5] = 0.0, -0.0, np.finfo(dtype).max, np.finfo(dtype).min, np.finfo(dtype).tiny
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, count, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_percentiles_are_those_of_all_values_at_once(dtype: str) -> None:
    values = values_of(dtype)
    (found,) = percentiles(lambda: ([part] for part in np.array_split(values, 7)), dtype, [SHARES])
    expected = np.percentile(values, SHARES, method="inverted_cdf")
    if dtype == "float64":
        np.testing.assert_allclose(found, expected, rtol=2.0**-20)
        assert all(np.asarray(found) <= expected)
    else:
        assert found == [float(value) for value in expected]


def test_percentiles_of_each_band_and_of_none() -> None:
    bands = [np.arange(101, dtype=np.int16), np.full(3, -7, np.int16), np.zeros(0, np.int16)]
    low, same, nothing = percentiles(lambda: [bands], "int16", [(10.0, 90.0), (1.0,), (50.0,)])
    assert (low, same) == ([10.0, 90.0], [-7.0])
    assert np.isnan(nothing).all()


def test_a_percentile_range_leaves_out_what_is_rare_and_never_sees_invalid_pixels() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(1000, 2001, (1, 100, 100)).astype(np.float32)
    pixels[0, 0, :5] = 60000.0
    pixels[0, 1, :50] = np.nan
    pixels[0, 2, :50] = np.inf
    pixels[0, 3] = -9999.0
    valid = np.ones((100, 100), bool)
    valid[3] = False
    source = ArraySource(pixels, valid)
    mapping = plan_mapping(source, (ValueRange(0.1, 99.9, percent=True),))
    assert mapping[0].offset == pytest.approx(1000, abs=1)
    assert mapping[0].offset + mapping[0].scale == pytest.approx(2000, abs=1)
    clipped = count_clipped(source.read(Window(0, 0, 100, 100)), mapping)
    assert 5 <= clipped <= 40
    unit = to_unit(source.read(Window(0, 0, 100, 100)), mapping)
    assert np.isfinite(unit).all() and (unit[0, 0, :5] == 1.0).all()


def test_limits_for_all_bands_and_for_each() -> None:
    class Unreadable(ArraySource):
        def _read(self, window: Window) -> Samples:
            raise AssertionError

    source = Unreadable(np.zeros((2, 4, 4), np.uint8))
    assert plan_mapping(source, (ValueRange(10, 60),)) == (BandMapping(10.0, 50.0),) * 2
    assert plan_mapping(source, (ValueRange(0, 9), ValueRange(-5, 5))) == (
        BandMapping(0.0, 9.0),
        BandMapping(-5.0, 10.0),
    )
    with pytest.raises(InvalidOption, match="3 ranges were given for 2 bands"):
        plan_mapping(source, (ValueRange(0, 9),) * 3)


def test_a_percentile_for_one_band_and_limits_for_another() -> None:
    pixels = np.stack([np.arange(100), np.arange(100)]).reshape(2, 10, 10).astype(np.uint16)
    ranges = (ValueRange(10, 90, percent=True), ValueRange(20, 30))
    assert plan_mapping(ArraySource(pixels), ranges) == (BandMapping(9.0, 80.0), BandMapping(20.0, 10.0))


def test_clipped_samples_are_counted() -> None:
    pixels = np.arange(200, dtype=np.uint8).reshape(2, 10, 10)
    mapping = (BandMapping(10.0, 80.0), BandMapping(0.0, 255.0))
    assert count_clipped(Samples(pixels), mapping) == 10 + 9
    valid = np.ones((10, 10), bool)
    valid[0] = False
    assert count_clipped(Samples(pixels, valid), mapping) == 9


@pytest.mark.parametrize(
    "limits", [(5, 5, False), (9, 1, False), (-1, 50, True), (2, 101, True), (0, float("inf"), False)]
)
def test_ranges_that_are_none_are_refused(limits: tuple[float, float, bool]) -> None:
    with pytest.raises(InvalidOption, match="from a smaller to a larger"):
        ValueRange(*limits)


# ------------------------------------------------------------------------------ fill


def test_known_pixels_stay_and_a_constant_is_continued() -> None:
    rng = np.random.default_rng(1)
    planes = rng.random((3, 65, 130)).astype(np.float32)
    known = rng.random((65, 130)) > 0.7
    before = planes.copy()
    planes[:, ~known] = np.nan
    fill_unknown(planes, known)
    np.testing.assert_array_equal(planes[:, known], before[:, known])
    assert np.isfinite(planes).all()
    assert before[:, known].min() - 1e-5 <= planes.min() and planes.max() <= before[:, known].max() + 1e-5
    flat = np.full((1, 40, 33), 7.0, np.float32)
    flat[0, 3:, 5:] = 0.25
    fill_unknown(flat, flat[0] == 0.25)
    np.testing.assert_allclose(flat, 0.25, rtol=1e-6)


def test_the_fill_meets_its_border_without_a_step() -> None:
    rows, cols = np.mgrid[:96, :96]
    smooth = ((rows + cols) / 190).astype(np.float32)[None]
    known = np.hypot(rows - 48, cols - 48) > 20
    filled = smooth.copy()
    filled[:, ~known] = 0.0
    fill_unknown(filled, known)
    rim = ~known & (np.hypot(rows - 48, cols - 48) > 18)
    assert np.abs(filled - smooth)[0, rim].max() < 0.05


def test_nothing_known_is_the_middle_of_the_range() -> None:
    planes = np.full((2, 5, 5), np.nan, np.float32)
    fill_unknown(planes, np.zeros((5, 5), bool))
    assert (planes == 0.5).all()
