"""The coder of rasters with few distinct values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.coding import classes
from fdegc.errors import Cancelled, CorruptStream, InvalidOption

INTEGERS = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def picture(seed: int, shape: tuple[int, int], dtype: str, values: int) -> np.ndarray[Any, np.dtype[Any]]:
    """Patches of values from all over a type's range."""
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    limits = np.iinfo(dtype)
    palette = random.integers(limits.min, limits.max, values, dtype=dtype, endpoint=True)
    palette[:2] = limits.min, limits.max
    indices = random.integers(0, values, shape) * (random.random(shape) < 0.4)
    return palette[np.maximum.accumulate(indices, axis=1)]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 999), SHAPES, st.sampled_from(INTEGERS), st.integers(2, 40), st.booleans())
def test_round_trip(seed: int, shape: tuple[int, int], dtype: str, values: int, masked: bool) -> None:
    samples = picture(seed, shape, dtype, values)
    valid = np.random.default_rng(seed).random(shape) < 0.6 if masked else np.ones(shape, bool)
    data = classes.encode(samples, valid if masked else None)
    decoded = classes.decode(data, shape, dtype, valid if masked else None)
    assert decoded.dtype == samples.dtype
    assert decoded.shape == shape
    assert np.array_equal(decoded[valid], samples[valid])
    assert classes.encode(samples, valid) == data


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (0, 5), (5, 0), (300, 300)])
def test_shapes(shape: tuple[int, int]) -> None:
    samples = np.random.default_rng(1).integers(0, 5, shape).astype(np.uint8)
    assert np.array_equal(classes.decode(classes.encode(samples), shape, np.uint8), samples)


def test_what_is_not_valid_costs_nothing() -> None:
    samples = np.random.default_rng(0).integers(0, 200, (64, 64)).astype(np.uint8)
    valid = np.zeros((64, 64), bool)
    valid[:8] = True
    samples[:8] = 7
    assert len(classes.encode(samples, valid)) < 6
    assert classes.encode(samples, np.zeros((64, 64), bool)) == b""
    assert classes.decode(b"", (64, 64), np.uint8, np.zeros((64, 64), bool)).shape == (64, 64)


def test_all_values_of_16_bits() -> None:
    samples = np.random.default_rng(0).permutation(1 << 16).astype(np.uint16).reshape(256, 256)
    assert np.array_equal(classes.decode(classes.encode(samples), (256, 256), np.uint16), samples)


def test_too_many_values() -> None:
    with pytest.raises(InvalidOption):
        classes.encode(np.arange((1 << 16) + 1).reshape(1, -1))


def test_calm_areas_cost_next_to_nothing() -> None:
    samples = np.zeros((1024, 1024), np.uint8)
    samples[512:, 512:] = 3
    assert len(classes.encode(samples)) < 150


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=80), SHAPES, st.sampled_from(INTEGERS))
def test_hostile_bytes(data: bytes, shape: tuple[int, int], dtype: str) -> None:
    try:
        decoded = classes.decode(data, shape, dtype)
    except CorruptStream:
        return
    assert decoded.shape == shape
    assert decoded.dtype == dtype


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_damage_is_noticed(place: int, change: int) -> None:
    samples = picture(3, (60, 60), "uint8", 9)
    data = bytearray(classes.encode(samples))
    data[place % (len(data) - 8)] ^= change
    try:  # the last bits may be said in more than one way
        assert np.array_equal(classes.decode(bytes(data), (60, 60), np.uint8), samples)
    except CorruptStream:
        pass


def test_what_would_be_too_long_is_given_up_early() -> None:
    noise = np.random.default_rng(0).integers(0, 200, (256, 256), np.uint8)
    looks = []
    assert classes.encode_within(noise, 20_000, check=lambda: looks.append(1)) is None
    assert len(looks) <= 4  # of 16


@pytest.mark.parametrize("rows", [slice(0, 64), slice(192, 256)])
def test_what_is_of_use_is_the_same_wherever_the_busy_part_lies(rows: slice) -> None:
    samples = np.zeros((256, 256), np.uint8)
    samples[rows] = np.random.default_rng(0).integers(0, 200, (64, 256), np.uint8)
    data = classes.encode(samples)
    assert classes.encode_within(samples, len(data)) == data
    assert classes.encode_within(samples, len(data) / 2) is None


def test_cancelling() -> None:
    def check() -> None:
        raise Cancelled("Cancelled.")

    samples = picture(3, (60, 60), "uint8", 9)
    with pytest.raises(Cancelled):
        classes.encode(samples, check=check)
    with pytest.raises(Cancelled):
        classes.decode(classes.encode(samples), (60, 60), np.uint8, check=check)
