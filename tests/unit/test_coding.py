"""Latents to payloads and back: exact, causal, close to the entropy, safe against damage."""

from __future__ import annotations

import dataclasses
import math
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.coding import integers, mixture, range_coder, wavefront
from fdegc.coding.integers import Z_BITS, EntropyWeights, quantise
from fdegc.coding.laplace_tables import (
    CDF_BITS,
    CDF_REACH,
    LOGIT_STEPS,
    SCALE_COUNT,
    TOTAL_BITS,
    cumulative,
    exponentials,
    frequencies,
    laplace_tails,
)
from fdegc.coding.phi import MARGIN, PHI_STEPS, choose_dither, snap
from fdegc.coding.unit import EMPTY, LATENT_LIMIT, CodedUnit, UnitCoder
from fdegc.errors import CorruptStream, DecoderMismatch

M, HIDDEN = 16, 24


def make_weights(seed: int = 0, scale: float = 0.15) -> EntropyWeights:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, scale, shape).astype(np.float32)

    layers = (
        normal(HIDDEN, 4 * M),
        normal(HIDDEN),
        normal(HIDDEN, HIDDEN),
        normal(HIDDEN),
        normal(9 * M, HIDDEN),
    )
    z_tables = frequencies(rng.integers(1, 2000, (6, M, 31)), Z_BITS).astype(np.uint16)
    active = rng.integers(1, 256, (6, M)).astype(np.uint8)
    return quantise(normal(2 * M, M, 5, 5), normal(2 * M), layers, z_tables, active)


WEIGHTS = make_weights()
CODER = UnitCoder(WEIGHTS)


def make_unit(rng: np.random.Generator, height: int = 8, width: int = 12, spread: float = 1.0):
    y = np.rint(rng.laplace(0, spread, (M, height, width))).astype(np.int32)
    y[3] = 0
    z = rng.integers(-15, 16, (M, -(-height // 4), -(-width // 4))).astype(np.int32)
    phi = rng.normal(size=(2 * M, height, width))
    return y, z, lambda zs: [phi for _ in zs]


def decode(unit: CodedUnit, shape: tuple[int, ...], features, rate: int) -> np.ndarray:
    (result,) = CODER.decode([unit], [shape[1:]], features, rate)
    if isinstance(result, Exception):
        raise result
    return result


# ------------------------------------------------------------------------------ round trips


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
    unit = CODER.encode(y, z, features([z])[0], rate)
    assert np.array_equal(decode(unit, y.shape, features, rate), y)


@pytest.mark.parametrize("value", [LATENT_LIMIT, -LATENT_LIMIT, 127, -128, 1])
def test_extreme_latents(value: int) -> None:
    y, z, features = make_unit(np.random.default_rng(1))
    y[:] = 0
    y[5, 2, 3] = value
    unit = CODER.encode(y, z, features([z])[0], 6)
    assert np.array_equal(decode(unit, y.shape, features, 6), y)


def test_a_latent_of_zeros_costs_one_byte_and_harms_no_other() -> None:
    y, z, features = make_unit(np.random.default_rng(1))
    unit = CODER.encode(np.zeros_like(y), z, features([z])[0], 1)
    assert len(unit.payload) == 1
    assert not decode(unit, y.shape, features, 1).any()
    other = CODER.encode(y, z, features([z])[0], 1)
    found = CODER.decode([unit, other, unit], [y.shape[1:]] * 3, features, 1)
    assert not found[0].any() and not found[2].any()
    assert np.array_equal(found[1], y)


def test_a_latent_of_zeros_that_should_not_be_is_a_mismatch() -> None:
    y, z, features = make_unit(np.random.default_rng(1))
    unit = dataclasses.replace(CODER.encode(y, z, features([z])[0], 1), payload=EMPTY)
    (found,) = CODER.decode([unit], [y.shape[1:]], features, 1)
    assert isinstance(found, DecoderMismatch)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_units_of_any_shape_decode_together(batch: int) -> None:
    """Whatever goes along in a batch, a unit's latents are the same; a broken one harms no other."""
    rng = np.random.default_rng(7)
    shapes = [(8, 12), (3, 1), (1, 9), (16, 16), (5, 4)]
    made = [make_unit(rng, *shape) for shape in shapes]
    units = [CODER.encode(y, z, own([z])[0], 4) for y, z, own in made]
    units[1] = dataclasses.replace(units[1], payload=b"\x00" + units[1].payload[1:])
    out = []
    for start in range(0, len(units), batch):
        part = slice(start, start + batch)
        phis = [own([z])[0] for i, (_, z, own) in enumerate(made[part], start) if i != 1]
        out += CODER.decode(units[part], shapes[part], lambda zs, phis=phis: phis, 4)
    assert isinstance(out[1], CorruptStream)
    for i in (0, 2, 3, 4):
        assert np.array_equal(out[i], made[i][0])


# ------------------------------------------------------------------------------ exactness


def test_wavefront_visits_every_position_after_its_context() -> None:
    order = wavefront.walk(((7, 9), (4, 2)))
    assert sorted(order.place) == list(range(7 * 9 + 4 * 2))
    known = set()
    for start, stop in zip(order.steps[:-1], order.steps[1:], strict=True):
        inside = np.isin(order.taps[start:stop], order.field)
        assert set(order.taps[start:stop][inside]) <= known
        known |= set(order.field[start:stop])


def test_sums_are_exact_in_any_order() -> None:
    """Operands at the ends of their ranges: float64 products equal those of Python's integers."""
    rng = np.random.default_rng(5)
    context = np.full((12 * M,), integers.CONTEXT_LIMIT) * rng.choice([-1, 1], 12 * M)
    hidden = np.full((HIDDEN,), integers.HIDDEN_LIMIT) * rng.choice([-1, 1], HIDDEN)
    for operand, matrix in ((context, WEIGHTS.context), (hidden, WEIGHTS.layer2), (hidden, WEIGHTS.layer3)):
        exact = [sum(int(a) * int(w) for a, w in zip(operand, column, strict=True)) for column in matrix.T]
        for order in (slice(None), slice(None, None, -1), rng.permutation(len(operand))):
            a = torch.from_numpy(operand[order].astype(np.float64))[None]
            w = torch.from_numpy(matrix[order].astype(np.float64))
            assert torch.mm(a, w)[0].tolist() == exact


def test_weights_whose_sums_could_round_are_refused() -> None:
    for name in ("context", "features", "layer2", "layer3"):
        matrix = np.full_like(getattr(WEIGHTS, name), np.iinfo(np.int32).max)
        with pytest.raises(ValueError, match="too large for exact sums"):
            dataclasses.replace(WEIGHTS, **{name: matrix})
    with pytest.raises(ValueError, match="not finite or too large"):
        integers.to_fixed(np.array([np.inf]), 4)


def test_integer_network_follows_the_float_network() -> None:
    """Fixed point costs next to nothing: outputs agree with a float64 evaluation."""
    rng = np.random.default_rng(9)
    y, _, features = make_unit(rng)
    phi = snap(features([y])[0], 0)
    network = wavefront.ParameterNetwork(WEIGHTS)
    order = wavefront.walk((y.shape[1:],))
    field = wavefront.blank(order, M)
    values = np.ascontiguousarray(y.reshape(M, -1).T)[order.place]
    wavefront.put(field, order.field, values)
    evaluate = network.evaluator(np.arange(M), len(values), phi.reshape(2 * M, -1))
    got = evaluate(field, order.taps, order.place) / 2.0**integers.OUTPUT_BITS

    contexts = np.zeros((order.rows, M))
    contexts[order.field] = values
    x = contexts[order.taps].reshape(len(values), -1) @ (WEIGHTS.context / 2.0**22)
    x += (phi.reshape(2 * M, -1).T / PHI_STEPS @ (WEIGHTS.features / 2.0**16))[order.place]
    x += WEIGHTS.bias1 / 2.0**22
    x = np.maximum(x, 0.01 * x) @ (WEIGHTS.layer2 / 2.0**16) + WEIGHTS.bias2 / 2.0**28
    x = np.maximum(x, 0.01 * x) @ (WEIGHTS.layer3 / 2.0**16)
    assert np.abs(got - x).max() < 2e-3


@pytest.mark.parametrize("spread", [0.1, 3.0, 3000.0])
def test_both_parameter_networks_give_the_same_integers(spread: float) -> None:
    """Sums over what is not zero, on the CPU, and dense products, as a GPU has them."""
    rng = np.random.default_rng(2)
    y, z, features = make_unit(rng, 16, 12, spread)
    order = wavefront.walk((y.shape[1:],))
    field = wavefront.blank(order, M)
    wavefront.put(field, order.field, np.ascontiguousarray(y.reshape(M, -1).T)[order.place])
    channels = np.flatnonzero(y.any(axis=(1, 2)))
    phi = snap(features([z])[0], 3).reshape(2 * M, -1)
    dense = wavefront.DeviceParameterNetwork(WEIGHTS, torch.device("cpu"))
    outputs = []
    for network in (wavefront.ParameterNetwork(WEIGHTS), dense):
        evaluate = network.evaluator(channels, 50, phi)
        rows = [slice(start, start + 50) for start in range(0, len(order.place), 50)]
        outputs.append([evaluate(field, order.taps[part], order.place[part]).copy() for part in rows])
    assert all(np.array_equal(a, b) for a, b in zip(*outputs, strict=True))
    coder = UnitCoder(WEIGHTS, dense)
    unit = coder.encode(y, z, features([z])[0], 4)
    assert unit == CODER.encode(y, z, features([z])[0], 4)
    (found,) = coder.decode([unit], [y.shape[1:]], features, 4)
    assert np.array_equal(found, y)


# ------------------------------------------------------------------------------ constants


def test_tables_are_the_constants_of_the_format() -> None:
    """Whoever changes them changes what every file means."""
    tails, exps = laplace_tails(), exponentials()
    assert tails.shape == (SCALE_COUNT, CDF_REACH + 1)
    assert np.abs(exps - 2**16 * np.exp(-np.arange(exps.size) / LOGIT_STEPS)).max() <= 0.5 + 1e-9
    octave, part = np.divmod(np.arange(SCALE_COUNT), 8)
    scales = 2.0 ** (octave - 6) * (17 + 2 * part) / 16
    exact = 2 ** (CDF_BITS - 1) * np.exp(-np.arange(CDF_REACH + 1)[None] / 16 / scales[:, None])
    assert np.abs(tails - exact).max() <= 0.5 + 1e-6
    assert (np.diff(tails.astype(np.int64), axis=1) <= 0).all()
    assert zlib.crc32(tails.astype("<u2").tobytes()) == 0x8726C83C
    assert zlib.crc32(exps.astype("<i8").tobytes()) == 0x49630FB6


def test_frequencies_have_the_promised_sum() -> None:
    shares = np.random.default_rng(0).random((5, 9)) ** 8
    shares[2] = 0
    shares[2, 4] = 1
    table = frequencies(shares, 16)
    assert table.min() >= 1
    assert (table.sum(1) == 1 << 16).all()
    assert (cumulative(table, 16)[:, -1] == 1 << TOTAL_BITS).all()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 40))
def test_range_coder_round_trip_close_to_entropy(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.random((rows, 7)) ** 20
    table = frequencies(shares, 16)
    tables = cumulative(table, 16)
    symbols = np.stack([rng.choice(7, 50, p=t / t.sum()) for t in table]).astype(np.int32)
    state, words = range_coder.new_encoder(), np.zeros(symbols.size + 2, np.uint32)
    range_coder.encode_table(state, words, symbols, tables)
    data = range_coder.finish(state, words)
    bits = -np.log2(np.take_along_axis(table / 65536, symbols, 1)).sum()
    assert len(data) * 8 <= bits * 1.001 + 16
    state, words = range_coder.new_encoder(), range_coder.words_of(data)
    range_coder.start(state, words)
    decoded = np.empty_like(symbols)
    range_coder.decode_table(state, words, decoded, tables)
    assert np.array_equal(decoded, symbols)


def test_carries_run_through_all_words() -> None:
    """The top symbol again and again drives ``low`` to the edge of a carry."""
    table = frequencies(np.array([[1.0, 1e9]]), 16)
    tables = cumulative(table, 16)
    for tail in ([0], [1], [0, 0], [1, 0], [0, 1]):
        symbols = np.array([[1] * 30000 + tail], np.int32)
        state, words = range_coder.new_encoder(), np.zeros(symbols.size + 2, np.uint32)
        range_coder.encode_table(state, words, symbols, tables)
        data = range_coder.finish(state, words)
        state, words = range_coder.new_encoder(), range_coder.words_of(data)
        range_coder.start(state, words)
        decoded = np.empty_like(symbols)
        range_coder.decode_table(state, words, decoded, tables)
        assert np.array_equal(decoded, symbols)


def test_mixture_costs_what_its_probabilities_say() -> None:
    """Bits of coded latents against the Laplace mixture computed in floating point."""
    rng = np.random.default_rng(3)
    n = 4000
    logits, means = rng.normal(0, 1, (3, n)), rng.normal(0, 3, (3, n))
    scales = np.exp2(rng.uniform(-4, 3, (3, n)))
    raw = np.rint(np.stack([logits, means, scales], 1).reshape(9, n).T * 2.0**integers.OUTPUT_BITS)
    share = np.exp(logits) / np.exp(logits).sum(0)
    pick = (rng.random(n)[None] > np.cumsum(share, 0)).sum(0)
    values = np.rint(rng.laplace(means[pick, np.arange(n)], scales[pick, np.arange(n)]))
    values = np.clip(values, -120, 120).astype(np.int32)[:, None]

    def cdf(t: np.ndarray) -> np.ndarray:
        return np.where(t < 0, 0.5 * np.exp(-np.abs(t)), 1 - 0.5 * np.exp(-np.abs(t)))

    v = values[:, 0]
    mass = (share * (cdf((v + 0.5 - means) / scales) - cdf((v - 0.5 - means) / scales))).sum(0)
    state, words = range_coder.new_encoder(), np.zeros(n + 40, np.uint32)
    mixture.encode(state, words, raw, values, 127, *mixture.tables())
    size = len(range_coder.finish(state, words)) * 8
    ideal = -np.log2(np.maximum(mass, 2.0**-20)).sum()
    assert math.isclose(size, ideal, rel_tol=0.005)


# ------------------------------------------------------------------------------ trouble


def test_dither_moves_values_off_the_boundary() -> None:
    phi = np.array([0.5 / PHI_STEPS, 0.1])
    dither = choose_dither(phi)
    assert dither > 0
    shifted = phi * PHI_STEPS + dither / 256
    assert np.abs(shifted - np.floor(shifted) - 0.5).min() >= MARGIN
    assert np.array_equal(snap(phi, dither), snap(phi + 1e-12, dither))


def test_other_features_are_a_mismatch_not_garbage() -> None:
    y, z, features = make_unit(np.random.default_rng(3))
    unit = CODER.encode(y, z, features([z])[0], 2)

    def perturbed(zs: list[np.ndarray]) -> list[np.ndarray]:
        phi = features(zs)[0].copy()
        phi[4, 3, 2] += 1 / PHI_STEPS
        return [phi]

    with pytest.raises(DecoderMismatch, match="entropy features"):
        decode(unit, y.shape, perturbed, 2)


@pytest.mark.parametrize("name", ["context", "features", "bias1", "layer2", "bias2", "layer3"])
def test_another_network_is_a_mismatch_not_garbage(name: str) -> None:
    y, z, features = make_unit(np.random.default_rng(3), spread=3.0)
    unit = CODER.encode(y, z, features([z])[0], 2)
    wrong = getattr(WEIGHTS, name).copy()
    wrong.flat[:: max(1, wrong.size // 50)] += 20000
    other = UnitCoder(dataclasses.replace(WEIGHTS, **{name: wrong}))
    (result,) = other.decode([unit], [y.shape[1:]], features, 2)
    assert isinstance(result, (DecoderMismatch, CorruptStream))


@pytest.mark.parametrize("entry", [0, 1])
def test_wrong_table_entry_is_a_mismatch_not_garbage(entry: int) -> None:
    y, z, features = make_unit(np.random.default_rng(3), spread=3.0)
    unit = CODER.encode(y, z, features([z])[0], 2)
    other = UnitCoder(WEIGHTS)
    tables = [t.copy() for t in other._constants]
    if entry == 0:
        tables[0][:, 8] -= np.minimum(tables[0][:, 8], 300)
    else:
        tables[1][:200] += 900
    other._constants = tuple(tables)
    (result,) = other.decode([unit], [y.shape[1:]], features, 2)
    assert isinstance(result, (DecoderMismatch, CorruptStream))


def test_flipped_latent_is_a_mismatch() -> None:
    y, z, features = make_unit(np.random.default_rng(3))
    unit = CODER.encode(y, z, features([z])[0], 2)
    y[2, 1, 1] ^= 1
    told = dataclasses.replace(unit, y_hash=CODER.encode(y, z, features([z])[0], 2).y_hash)
    with pytest.raises(DecoderMismatch, match="other latents"):
        decode(told, y.shape, features, 2)


def test_damaged_payload_is_never_silent() -> None:
    y, z, features = make_unit(np.random.default_rng(4), spread=0.5)
    unit = CODER.encode(y, z, features([z])[0], 2)
    for position in range(len(unit.payload)):
        payload = bytearray(unit.payload)
        payload[position] ^= 0x41
        damaged = dataclasses.replace(unit, payload=bytes(payload))
        try:
            decoded = decode(damaged, y.shape, features, 2)
        except (CorruptStream, DecoderMismatch):
            continue
        assert np.array_equal(decoded, y)
    for length in range(0, len(unit.payload), 5):
        with pytest.raises((CorruptStream, DecoderMismatch)):
            decode(dataclasses.replace(unit, payload=unit.payload[:length]), y.shape, features, 2)


def test_cancel_is_checked_at_every_step() -> None:
    y, z, features = make_unit(np.random.default_rng(5))
    unit = CODER.encode(y, z, features([z])[0], 2)
    calls: list[int] = []
    CODER.decode([unit], [y.shape[1:]], features, 2, lambda: calls.append(1))
    steps = len(wavefront.walk((y.shape[1:],)).steps) - 1
    assert steps == 12 + 3 * 7
    assert len(calls) == 2 + steps  # before and after φ, too
