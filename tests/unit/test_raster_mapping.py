"""Samples to the network's range and back, and to the screen."""

from __future__ import annotations

import numpy as np
import pytest

from fdegc.errors import InvalidOption
from fdegc.raster import (
    ArraySource,
    band_groups,
    display_limits,
    from_unit,
    peak_value,
    plan_mapping,
    to_rgb8,
    to_unit,
)
from fdegc.raster_info import DTYPES, Window
from fdegc.types import BandMapping, Samples


def read(source):
    return source.read(Window(0, 0, source.info.width, source.info.height))


@pytest.mark.parametrize("dtype", DTYPES)
def test_full_range_comes_back(dtype):
    if np.dtype(dtype).kind == "f":
        pixels = np.random.default_rng(0).normal(5.0, 1e4, (2, 64, 64)).astype(dtype)
        limits = float(pixels.min()), float(pixels.max())
    else:
        limits = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
        pixels = np.linspace(*limits, 2 * 64 * 64).astype(dtype).reshape(2, 64, 64)
        pixels[:, 0, 0], pixels[:, -1, -1] = np.iinfo(dtype).min, np.iinfo(dtype).max
    source = ArraySource(pixels)
    mapping = plan_mapping(source)
    unit = to_unit(read(source), mapping)
    assert unit.dtype == np.float32 and unit.min() >= 0.0 and unit.max() <= 1.0
    back = from_unit(unit, mapping, dtype)
    assert back.dtype == dtype
    error = np.abs(back.astype(np.float64) - pixels.astype(np.float64)).max()
    if np.dtype(dtype).itemsize <= 2:
        assert error == 0.0  # half a step or less before rounding
    else:
        assert error <= (limits[1] - limits[0]) * 2.0**-23


def test_uint8_is_not_read():
    class Unreadable(ArraySource):
        def _read(self, window):
            raise AssertionError

    assert plan_mapping(Unreadable(np.zeros((2, 3, 3), np.uint8))) == (BandMapping(0.0, 255.0),) * 2


def test_mapping_ignores_unusable_pixels():
    pixels = np.array([[[-9999.0, 1.0, 3.0, np.nan, 50.0]]], np.float32)
    valid = np.array([[False, True, True, True, True]])
    alpha = np.array([[1, 1, 1, 1, 0]], np.float32)
    source = ArraySource(pixels, valid, alpha)
    mapping = plan_mapping(source)
    assert mapping == (BandMapping(1.0, 2.0),)
    unit = to_unit(read(source), mapping)[0, 0]
    assert unit[1:3].tolist() == [0.0, 1.0]
    assert 0.0 <= unit[0] < 0.5 < unit[3] <= 1.0  # continued from both sides


def test_constant_and_empty_bands():
    pixels = np.full((1, 2, 2), 42, np.int16)
    source = ArraySource(pixels)
    mapping = plan_mapping(source)
    assert mapping == (BandMapping(42.0, 0.0),)
    unit = to_unit(read(source), mapping)
    np.testing.assert_array_equal(from_unit(unit + 0.3, mapping, "int16"), pixels)
    empty = ArraySource(pixels, np.zeros((2, 2), bool))
    assert plan_mapping(empty) == (BandMapping(0.0, 0.0),)
    assert (to_unit(read(empty), plan_mapping(empty)) == 0.5).all()


@pytest.mark.parametrize(
    ("low", "high", "single"),
    [(0.1, 0.7, True), (-271.3, 12.9, True), (5e5 + 0.1, 5e5 + 0.2, False), (-1e39, 1e39, False)],
)
def test_ranges_are_such_that_single_precision_holds_them_where_that_is_no_wider(low, high, single):
    source = ArraySource(np.array([[[low, (low + high) / 2, high]]]))
    (mapping,) = plan_mapping(source)
    assert mapping.offset <= low and mapping.offset + mapping.scale >= high
    assert mapping.scale <= (high - low) * (1 + 1.01e-6)
    assert single == all(abs(v) < 1e38 and np.float32(v) == v for v in (mapping.offset, mapping.scale))
    if not single:
        assert (mapping.offset, mapping.scale) == (low, high - low)


def test_whole_range_of_float64():
    pixels = np.array([[[-1.7e308, 0.0, 1.7e308]]])
    mapping = plan_mapping(ArraySource(pixels))
    assert np.isfinite(mapping[0].scale)
    assert np.isfinite(from_unit(to_unit(Samples(pixels), mapping), mapping, "float64")).all()


def test_from_unit_clips():
    unit = np.array([[[-1.0, 0.5, 2.0, np.nan]]], np.float32)
    assert from_unit(unit, (BandMapping(0.0, 255.0),), "uint8").tolist() == [[[0, 128, 255, 0]]]
    assert from_unit(unit, (BandMapping(-200.0, 400.0),), "int8").tolist() == [[[-128, 0, 127, -128]]]


def test_scan_covers_everything_once():
    source = ArraySource(np.zeros((1, 3, 9000), np.uint8))
    seen = np.zeros((3, 9000), int)
    for window in source.scan():
        seen[window.rows, window.cols] += 1
    assert (seen == 1).all()


def test_band_groups():
    assert band_groups(1) == ((0, 0, 0),)
    assert band_groups(4) == ((0, 1, 2), (3, 3, 3))
    assert band_groups(5) == ((0, 1, 2), (3, 4, 4))
    with pytest.raises(ValueError):
        band_groups(0)


def test_peak():
    assert peak_value((BandMapping(0.0, 3.0), BandMapping(1.0, 9.0))) == 9.0
    assert peak_value((BandMapping(4.0, 0.0),)) == 1.0


# ------------------------------------------------------------------ display


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_display_shapes(dtype, bands):
    pixels = np.random.default_rng(0).integers(0, 100, (bands, 20, 30)).astype(dtype)
    source = ArraySource(pixels)
    samples = read(source)
    assert len(display_limits(samples)) == (1 if bands < 3 else 3)
    picture = to_rgb8(samples, source.info)
    assert picture.shape == (20, 30, 4) and picture.dtype == np.uint8 and (picture[..., 3] == 255).all()
    if dtype == "uint8":
        np.testing.assert_array_equal(picture[..., 0], pixels[0])
    else:
        assert picture[..., 0].min() == 0 and picture[..., 0].max() == 255


def test_display_limits_and_transparency():
    pixels = np.array([[[0, 50, 100, 60000]]], np.uint16)
    source = ArraySource(pixels, np.array([[True, True, True, False]]))
    assert display_limits(read(source))[0][1] <= 100.0
    picture = to_rgb8(read(source), source.info, [(0.0, 100.0)])
    assert picture[0, :, 0].tolist() == [0, 128, 255, 0] and picture[0, :, 3].tolist() == [255, 255, 255, 0]
    alpha = ArraySource(pixels, alpha=np.array([[0, 257, 65535, 65535]], np.uint16))
    assert to_rgb8(read(alpha), alpha.info)[0, :, 3].tolist() == [0, 1, 255, 255]


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_pixel(dtype):
    source = ArraySource(np.full((1, 1, 1), 3, dtype))
    mapping = plan_mapping(source)
    back = from_unit(to_unit(read(source), mapping), mapping, dtype)
    np.testing.assert_array_equal(back, read(source).pixels)
    assert to_rgb8(source.read_overview(1), source.info).shape == (1, 1, 4)


def test_windows_must_lie_inside():
    source = ArraySource(np.zeros((1, 4, 4), np.uint8))
    for window in (Window(-1, 0, 2, 2), Window(3, 3, 2, 1), Window(0, 0, 0, 1)):
        with pytest.raises(InvalidOption, match="inside"):
            source.read(window)
    with pytest.raises(InvalidOption):
        source.read_overview(0)
