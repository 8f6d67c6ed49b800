"""The lossless and near-lossless coder of bands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.coding import compiling, floats, lossless
from fdegc.errors import Cancelled, CorruptStream, FdegcError, InvalidOption

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12))


def bands(
    seed: int, shape: tuple[int, int, int], dtype: str, spread: float
) -> np.ndarray[Any, np.dtype[Any]]:
    """Walks through a part of a type's range, or all of it."""
    random = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    size = spread * (float(limits.max) - float(limits.min))
    walk = random.normal(0, size, shape).cumsum(axis=2) + (float(limits.max) + float(limits.min)) / 2
    samples: np.ndarray[Any, np.dtype[Any]] = np.clip(walk, limits.min, limits.max).astype(dtype)
    return samples


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 999),
    SHAPES,
    st.sampled_from(INTEGERS),
    st.sampled_from((1e-9, 0.01, 0.1, 1.0)),
    st.sampled_from((0, 0, 1, 3, 100, 1 << 30)),
    st.booleans(),
)
def test_no_sample_is_off_by_more(
    seed: int, shape: tuple[int, int, int], dtype: str, spread: float, error: int, masked: bool
) -> None:
    samples = bands(seed, shape, dtype, spread)
    valid = np.random.default_rng(seed).random(shape) < 0.6 if masked else np.ones(shape, bool)
    data = lossless.encode(samples, error, valid if masked else None)
    decoded = lossless.decode(data, shape, dtype, error, valid if masked else None)
    assert decoded.dtype == samples.dtype
    assert decoded.shape == shape
    off = np.abs(decoded.astype(np.int64) - samples.astype(np.int64))[valid]
    assert off.size == 0 or off.max() <= error
    assert lossless.encode(samples, error, valid) == data


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 700), (3, 700, 1), (0, 3, 3), (2, 0, 5), (1, 300, 300)])
@pytest.mark.parametrize("error", [0, 2])
def test_shapes(shape: tuple[int, int, int], error: int) -> None:
    samples = np.random.default_rng(1).integers(0, 50, shape).astype(np.uint8)
    decoded = lossless.decode(lossless.encode(samples, error), shape, np.uint8, error)
    assert decoded.shape == shape
    assert np.all(np.abs(decoded.astype(int) - samples) <= error)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_noise_of_the_whole_range_costs_little_more_than_itself(dtype: str) -> None:
    limits = np.iinfo(dtype)
    samples = np.random.default_rng(0).integers(limits.min, limits.max, (2, 64, 64), dtype, endpoint=True)
    data = lossless.encode(samples)
    assert np.array_equal(lossless.decode(data, samples.shape, dtype), samples)
    assert len(data) < 1.15 * samples.nbytes


def test_multiples_cost_little_more() -> None:
    samples = bands(0, (1, 128, 512), "uint8", 0.05).astype(np.uint16)
    assert len(lossless.encode(samples * 16 + 5)) < len(lossless.encode(samples)) + 150


def test_columns_that_repeat_cost_little() -> None:
    samples = bands(0, (1, 64, 64), "uint16", 0.05)
    assert len(lossless.encode(samples.repeat(4, 2))) < 1.2 * len(lossless.encode(samples))


def test_one_mask_for_all_bands() -> None:
    samples = bands(0, (3, 40, 40), "uint16", 0.05)
    valid = np.zeros((40, 40), bool)
    valid[:, :20] = True
    decoded = lossless.decode(lossless.encode(samples, 0, valid), (3, 40, 40), np.uint16, 0, valid)
    assert np.array_equal(decoded[:, valid], samples[:, valid])
    nothing = np.zeros((40, 40), bool)
    assert lossless.encode(samples, 0, nothing) == b""
    assert lossless.decode(b"", (3, 40, 40), np.uint16, 0, nothing).shape == (3, 40, 40)


@settings(deadline=None, max_examples=80)
@given(st.binary(max_size=120), SHAPES, st.sampled_from(INTEGERS), st.sampled_from((0, 1, 1 << 30)))
def test_hostile_bytes(data: bytes, shape: tuple[int, int, int], dtype: str, error: int) -> None:
    try:
        decoded = lossless.decode(data, shape, dtype, error)
    except CorruptStream:
        return
    assert decoded.shape == shape
    assert decoded.dtype == dtype


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_damage_is_noticed(place: int, change: int) -> None:
    samples = bands(3, (2, 30, 30), "uint16", 0.01)
    data = bytearray(lossless.encode(samples))
    data[place % len(data)] ^= change
    try:  # the last bits may be said in more than one way
        assert np.array_equal(lossless.decode(bytes(data), samples.shape, np.uint16), samples)
    except CorruptStream:
        pass


@pytest.mark.parametrize(
    ("dtype", "error"), [("float32", 0), ("uint64", 0), ("uint8", -1), ("uint8", 1 << 31)]
)
def test_what_it_cannot_do(dtype: str, error: int) -> None:
    with pytest.raises(InvalidOption):
        lossless.encode(np.zeros((1, 2, 2), dtype), error)


def test_cancelling() -> None:
    def check() -> None:
        raise Cancelled("Cancelled.")

    samples = bands(3, (2, 30, 30), "uint16", 0.01)
    with pytest.raises(Cancelled):
        lossless.encode(samples, check=check)
    with pytest.raises(Cancelled):
        lossless.decode(lossless.encode(samples), samples.shape, np.uint16, check=check)


SPECIAL = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, -3.4e38, 1.0, -1.0], np.float32
).reshape(1, 1, -1)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999), SHAPES)
def test_floats_come_back_bit_by_bit(seed: int, shape: tuple[int, int, int]) -> None:
    samples = np.random.default_rng(seed).integers(0, 1 << 32, shape, np.uint32).view(np.float32)
    decoded = floats.decode(floats.encode(samples), shape)
    assert np.array_equal(decoded.view(np.uint32), samples.view(np.uint32))


def test_special_floats_come_back() -> None:
    decoded = floats.decode(floats.encode(SPECIAL), SPECIAL.shape)
    assert np.array_equal(decoded.view(np.uint32), SPECIAL.view(np.uint32))


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 999),
    SHAPES,
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.sampled_from((1e-12, 1e-3, 0.01, 0.5, 10.0, 1e9)),
)
def test_no_float_is_off_by_more(
    seed: int, shape: tuple[int, int, int], middle: float, spread: float, error: float
) -> None:
    samples = np.random.default_rng(seed).normal(middle, spread, shape).astype(np.float32)
    decoded = floats.decode(floats.encode(samples, error), shape)
    assert np.all(np.abs(decoded.astype(np.float64) - samples) <= error)


def test_what_is_not_finite_has_no_error() -> None:
    valid = np.isfinite(SPECIAL)
    decoded = floats.decode(floats.encode(SPECIAL, 0.5), SPECIAL.shape)
    assert np.array_equal(np.isnan(decoded), np.isnan(SPECIAL))
    data = floats.encode(SPECIAL, 0.5, valid)
    off = floats.decode(data, SPECIAL.shape, valid)[valid].astype(np.float64) - SPECIAL[valid]
    assert np.all(np.abs(off) <= 0.5)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=120), SHAPES)
def test_hostile_bytes_of_floats(data: bytes, shape: tuple[int, int, int]) -> None:
    try:
        assert floats.decode(data, shape).shape == shape
    except FdegcError as error:
        assert isinstance(error, CorruptStream)


def test_no_references_are_counted_where_bits_are_coded() -> None:
    # They take more time than all else, and nothing but that tells that they are back.
    names = {
        f"fdegc.coding.{name}" for name in ("bits", "classes", "lossless", "lossless_rows", "range_coder")
    }
    found = [function for function in compiling.FUNCTIONS if function.py_func.__module__ in names]
    assert len(found) > 20
    assert [f.py_func.__name__ for f in found if f.targetoptions.get("_nrt", True)] == []
