"""Latents to payloads and back: exact, causal, close to the entropy, safe against damage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.coding import wavefront
from fdegc.coding.phi import MARGIN, PHI_STEPS, choose_dither, snap
from fdegc.coding.tables import (
    CDF_BITS,
    FREQUENCY_FLOOR,
    SCALE_COUNT,
    WEIGHT_SUM,
    frequencies,
    laplace_table,
    quantise_mixture,
)
from fdegc.coding.unit import LATENT_LIMIT, CodedUnit, UnitCoder
from fdegc.coding.weights import TAPS, EntropyWeights
from fdegc.errors import CorruptStream, DecoderMismatch

M, HIDDEN = 16, 24


def make_weights(seed: int = 0) -> EntropyWeights:
    rng = np.random.default_rng(seed)

    def normal(*shape: int, scale: float = 0.15) -> np.ndarray:
        return rng.normal(0, scale, shape).astype(np.float32)

    layers = (
        normal(HIDDEN, 4 * M),
        normal(HIDDEN),
        normal(HIDDEN, HIDDEN),
        normal(HIDDEN),
        normal(9 * M, HIDDEN),
    )
    z_tables = rng.integers(1, 2000, (6, M, 31)).astype(np.uint16)
    active = rng.integers(1, 256, (6, M)).astype(np.uint8)
    return EntropyWeights.fold(normal(2 * M, M, 5, 5), normal(2 * M), layers, z_tables, active)


WEIGHTS = make_weights()
CODER = UnitCoder(WEIGHTS)


def make_unit(rng: np.random.Generator, height: int = 8, width: int = 12, spread: float = 1.0):
    y = np.rint(rng.laplace(0, spread, (M, height, width))).astype(np.int32)
    y[3] = 0
    z = rng.integers(-15, 16, (M, -(-height // 4), -(-width // 4))).astype(np.int32)
    phi = rng.normal(size=(2 * M, height, width))
    return y, z, lambda _z: phi


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.sampled_from([1, 2, 4, 7, 16]),
    width=st.sampled_from([1, 2, 3, 5, 20]),
    spread=st.sampled_from([0.05, 1.0, 30.0]),
)
def test_round_trip(seed: int, height: int, width: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    y, z, features = make_unit(rng, height, width, spread)
    rate = int(rng.integers(1, 7))
    unit = CODER.encode(y, z, features, rate)
    assert np.array_equal(CODER.decode(unit, y.shape, features, rate), y)


@pytest.mark.parametrize("value", [LATENT_LIMIT, -LATENT_LIMIT, 127, -128, 1])
def test_extreme_latents(value: int) -> None:
    y, z, features = make_unit(np.random.default_rng(1))
    y[:] = 0
    y[5, 2, 3] = value
    unit = CODER.encode(y, z, features, 6)
    assert np.array_equal(CODER.decode(unit, y.shape, features, 6), y)


def test_empty_latent_costs_only_side_information() -> None:
    y, z, features = make_unit(np.random.default_rng(1))
    unit = CODER.encode(np.zeros_like(y), z, features, 1)
    assert not CODER.decode(unit, y.shape, features, 1).any()


def test_wavefront_visits_every_position_after_its_context() -> None:
    done = np.zeros((7, 9), bool)
    for rows, cols in wavefront.schedule(7, 9):
        for row, col in zip(rows, cols, strict=True):
            for dy, dx in TAPS:
                r, c = row + dy, col + dx
                if 0 <= r < 7 and 0 <= c < 9:
                    assert done[r, c]
        assert not done[rows, cols].any()
        done[rows, cols] = True
    assert done.all()


def test_frequencies_are_integers_with_the_promised_sum() -> None:
    rng = np.random.default_rng(2)
    weights, means, scales = quantise_mixture(rng.normal(0, 3, (50, 9 * M)), M)
    assert (weights.sum(0) == WEIGHT_SUM).all()
    assert weights.min() >= 0
    assert scales.max() < SCALE_COUNT
    table = frequencies(weights, means, scales, 9)
    assert (table == np.rint(table)).all()
    assert table.min() >= FREQUENCY_FLOOR
    assert (table.astype(np.int64).sum(1) == (WEIGHT_SUM << CDF_BITS) + 19 * FREQUENCY_FLOOR).all()


def test_laplace_table_has_no_entry_near_a_rounding_boundary() -> None:
    """exp() may differ in the last bit between machines; no table entry may depend on that."""
    scales = 2.0 ** (np.arange(SCALE_COUNT) / 6 - 5.0)
    table = laplace_table()
    reach = table.shape[1] // 2
    x = np.arange(1, reach + 1) / 16
    exact = (1 - 0.5 * np.exp(-x[None] / scales[:, None])) * 2**CDF_BITS
    assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-9
    assert (np.diff(table, axis=1) >= 0).all()
    assert (table + table[:, ::-1] == 1 << CDF_BITS).all()


def test_dither_moves_values_off_the_boundary() -> None:
    phi = np.array([0.5 / PHI_STEPS, 0.1])
    dither = choose_dither(phi)
    assert dither > 0
    shifted = phi * PHI_STEPS + dither / 256
    assert np.abs(shifted - np.floor(shifted) - 0.5).min() >= MARGIN
    assert np.array_equal(snap(phi, dither), snap(phi + 1e-12, dither))


def test_other_features_are_a_mismatch_not_garbage() -> None:
    y, z, features = make_unit(np.random.default_rng(3))
    unit = CODER.encode(y, z, features, 2)
    with pytest.raises(DecoderMismatch):
        CODER.decode(unit, y.shape, lambda q: features(q) + 0.02, 2)


def test_damaged_payload_is_never_silent() -> None:
    y, z, features = make_unit(np.random.default_rng(4), spread=0.5)
    unit = CODER.encode(y, z, features, 2)
    for position in range(0, len(unit.payload), 7):
        payload = bytearray(unit.payload)
        payload[position] ^= 0x41
        damaged = CodedUnit(bytes(payload), unit.dither, unit.phi_hash, unit.y_hash)
        try:
            decoded = CODER.decode(damaged, y.shape, features, 2)
        except (CorruptStream, DecoderMismatch):
            continue
        assert np.array_equal(decoded, y)


def test_cancel_is_checked_at_every_step() -> None:
    y, z, features = make_unit(np.random.default_rng(5))
    calls = []
    CODER.encode(y, z, features, 2, lambda: calls.append(1))
    assert len(calls) == 2 * len(wavefront.schedule(8, 12))
