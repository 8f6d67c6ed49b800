"""Coded units (a tile's group of three bands): latents to payloads and back."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.coding import mixture, range_coder
from fdegc.coding.integers import ACTIVE_BITS, Z_BITS, EntropyWeights
from fdegc.coding.laplace_tables import cumulative
from fdegc.coding.mixture import LATENT_LIMIT
from fdegc.coding.phi import choose_dither, snap
from fdegc.coding.wavefront import (
    DeviceParameterNetwork,
    ParameterNetwork,
    blank,
    positions_last,
    put,
    walk,
)
from fdegc.control import Check, never
from fdegc.errors import CorruptStream, DecoderMismatch

__all__ = ["LATENT_LIMIT", "CodedUnit", "UnitCoder"]

#: Share of latents that may need an escape; decides the alphabet of a unit.
ESCAPE_SHARE = 5e-4
MAX_RADIUS = 127
#: Positions that the encoder evaluates at a time; bounds its memory.
CHUNK = 1024
#: Payload of a unit whose latents are all zero: no radius, nothing else.
EMPTY = b"\0"

IntArray = npt.NDArray[np.int32]
Float64Array = npt.NDArray[np.float64]
Products = ParameterNetwork | DeviceParameterNetwork
#: Computes φ (float64, shape (2M, 4h, 4w)) of each of several rounded hyper-latents (int32, shape (H, h, w)).
FeatureFunction = Callable[[Sequence[IntArray]], Sequence[Float64Array]]


@dataclass(frozen=True, slots=True)
class CodedUnit:
    """Payload of a unit with what the index keeps of it; of the hashes so many of their lower bits."""

    payload: bytes
    dither: int
    phi_hash: int
    y_hash: int
    hash_bits: int = 32

    def mismatch(self, kept: int, array: IntArray) -> bool:
        """Whether an array is not the one of which a hash was kept."""
        return bool((kept ^ digest(array)) & ((1 << self.hash_bits) - 1))


def digest(array: IntArray) -> int:
    """CRC-32 of an integer array's little-endian int32 bytes."""
    return zlib.crc32(np.ascontiguousarray(array, dtype="<i4").tobytes())


def empty_unit(y: IntArray) -> CodedUnit:
    """Unit of an all-zero latent, which needs neither a hyper-latent nor features."""
    return CodedUnit(EMPTY, 0, 0, digest(y))


class UnitCoder:
    """Coder of units with one set of weights; for any number of threads at once.

    Parameters
    ----------
    weights : EntropyWeights
    network : ParameterNetwork or DeviceParameterNetwork, optional
        Where the context and parameter network is evaluated for encoding, which needs all positions at once:
        on the CPU by default.  Decoding evaluates it there anyway, since a device would be asked for some
        dozen positions at a time, and waited for.
    """

    def __init__(self, weights: EntropyWeights, network: Products | None = None) -> None:
        self.weights = weights
        self._stepwise = ParameterNetwork(weights)
        self._network = network or self._stepwise
        share = weights.active.astype(np.int64)
        self._active = cumulative(np.stack([(1 << ACTIVE_BITS) - share, share], axis=2), ACTIVE_BITS)
        self._z = cumulative(weights.z_tables, Z_BITS)
        self._constants = mixture.tables()

    def encode(
        self, y: IntArray, z: IntArray, raw_phi: Float64Array, rate: int, check: Check = never
    ) -> CodedUnit:
        """Coded unit of a latent, all its positions at once.

        Parameters
        ----------
        y : ndarray of int32, shape (M, h, w), within ±LATENT_LIMIT
        z : ndarray of int32, shape (H, ⌈h/4⌉, ⌈w/4⌉), within ±z_radius
        raw_phi : ndarray of float64, shape (2M, ≥ h, ≥ w)
            φ of ``z``, not snapped.
        rate : int
            Rate point (from 1) whose z tables apply.
        check : callable
            Called now and then; raises to cancel.

        Raises
        ------
        DecoderMismatch
            If φ cannot be made safe to decode elsewhere.
        """
        if not y.any():
            return empty_unit(y)
        raw_phi = raw_phi[:, : y.shape[1], : y.shape[2]]
        dither = choose_dither(raw_phi)
        phi = snap(raw_phi, dither)
        channels = np.flatnonzero(y.any(axis=(1, 2)))
        radius = _radius(y[channels])
        state = range_coder.new_encoder()
        # A symbol leaves at most one word, an escape at most 31 bits in as many symbols.
        escapes = int((np.abs(y) >= radius).sum())
        words = np.zeros(len(y) + z.size + y.size + 31 * escapes + 2, np.uint32)
        flags = np.zeros((len(y), 1), np.int32)
        flags[channels] = 1
        range_coder.encode_table(state, words, flags, self._active[rate - 1])
        symbols = np.ascontiguousarray(z.reshape(len(z), -1) + self.weights.z_radius)
        range_coder.encode_table(state, words, symbols, self._z[rate - 1])
        order = walk((y.shape[1:],))
        values = np.ascontiguousarray(y.reshape(len(y), -1).T)[order.place]
        field = blank(order, len(y))
        put(field, order.field, values)
        coded = np.ascontiguousarray(values[:, channels])
        evaluate = self._network.evaluator(channels, min(CHUNK, len(coded)), phi.reshape(len(phi), -1))
        for start in range(0, len(coded), CHUNK):
            check()
            part = slice(start, start + CHUNK)
            raw = evaluate(field, order.taps[part], order.place[part])
            mixture.encode(state, words, raw, coded[part], radius, *self._constants)
        payload = bytes([radius]) + range_coder.finish(state, words)
        return CodedUnit(payload, dither, digest(phi), digest(y))

    def decode(
        self,
        units: Sequence[CodedUnit],
        shapes: Sequence[tuple[int, int]],
        features: FeatureFunction,
        rates: int | Sequence[int],
        check: Check = never,
    ) -> list[IntArray | CorruptStream | DecoderMismatch]:
        """Latents of a batch of coded units, whose wavefronts advance together.

        Parameters
        ----------
        units : sequence of CodedUnit
        shapes : sequence of (h, w)
            Of each unit's latent.
        features, check
            As in :meth:`encode`.
        rates : int, or sequence of int
            As ``rate`` there, of all units or of each.

        Returns
        -------
        list
            For each unit its latent, int32, shape (M, h, w), or what is wrong with it:
            CorruptStream for a malformed payload, DecoderMismatch if this machine computed other
            entropy features or latents than the encoder.
        """
        out: list[IntArray | CorruptStream | DecoderMismatch] = []
        heads: list[tuple[int, _Head]] = []
        rate_of = [rates] * len(units) if isinstance(rates, int) else rates
        for i, (unit, shape, rate) in enumerate(zip(units, shapes, rate_of, strict=True)):
            out.append(np.zeros((self.weights.latent, *shape), np.int32))
            if unit.payload == EMPTY:
                continue
            try:
                heads.append((i, self._head(unit, shape, rate)))
            except CorruptStream as error:
                out[i] = error
        check()
        busy: list[tuple[int, _Head, IntArray]] = []
        for (i, head), raw in zip(heads, features([head.z for _, head in heads]), strict=True):
            phi = snap(raw[:, : head.shape[0], : head.shape[1]], units[i].dither)
            if units[i].mismatch(units[i].phi_hash, phi):
                out[i] = DecoderMismatch(
                    "This machine computed other entropy features than the one that wrote the file."
                )
            elif len(head.channels):
                busy.append((i, head, phi))
        check()
        if busy:
            decoded = self._walk([head for _, head, _ in busy], [phi for _, _, phi in busy], check)
            for (i, _, _), result in zip(busy, decoded, strict=True):
                out[i] = result
        for i, latent in enumerate(out):
            if isinstance(latent, np.ndarray) and units[i].mismatch(units[i].y_hash, latent):
                out[i] = DecoderMismatch("A tile decoded to other latents than were encoded.")
        return out

    def _head(self, unit: CodedUnit, shape: tuple[int, int], rate: int) -> _Head:
        """Decode everything of a unit that comes before its latents."""
        if not unit.payload or not 1 <= unit.payload[0] <= MAX_RADIUS:
            raise CorruptStream("A tile's payload is malformed.")
        latent, (height, width) = self.weights.latent, shape
        words = range_coder.words_of(unit.payload[1:])
        state = range_coder.new_encoder()
        range_coder.start(state, words)
        flags = np.empty((latent, 1), np.int32)
        range_coder.decode_table(state, words, flags, self._active[rate - 1])
        z_shape = (self.weights.hyper, -(-height // 4), -(-width // 4))
        symbols = np.empty((z_shape[0], z_shape[1] * z_shape[2]), np.int32)
        range_coder.decode_table(state, words, symbols, self._z[rate - 1])
        z = symbols.reshape(z_shape) - self.weights.z_radius
        return _Head(shape, unit.payload[0], np.flatnonzero(flags[:, 0]), z, state, words)

    def _walk(self, heads: list[_Head], phis: list[IntArray], check: Check) -> list[IntArray | CorruptStream]:
        latent = self.weights.latent
        order = walk(tuple(head.shape for head in heads))
        field = blank(order, latent)
        ids = np.unique(np.concatenate([head.channels for head in heads]))
        columns = np.concatenate([np.searchsorted(ids, head.channels) for head in heads])
        column_starts = _starts([len(head.channels) for head in heads])
        words = np.concatenate([head.words for head in heads])
        word_starts = _starts([len(head.words) for head in heads])
        states = np.stack([head.state for head in heads])
        radii = np.array([head.radius for head in heads])
        broken = np.zeros(len(heads), bool)
        latents = np.zeros((len(order.place), latent), np.int32)
        most = int(np.diff(order.steps).max())
        evaluate = self._stepwise.evaluator(ids, most, positions_last(phis))
        values = np.zeros((most, latent), np.int32)
        for start, stop in zip(order.steps[:-1], order.steps[1:], strict=True):
            check()
            part, count = slice(start, stop), stop - start
            raw = evaluate(field, order.taps[part], order.place[part])
            values[:count] = 0
            mixture.decode(
                states,
                words,
                word_starts,
                order.unit[part],
                raw,
                columns,
                column_starts,
                radii,
                values[:count],
                ids,
                broken,
                *self._constants,
            )
            put(field, order.field[part], values[:count])
            latents[order.place[part]] = values[:count]
        latents_of: list[IntArray | CorruptStream] = []
        for unit, head in enumerate(heads):
            if broken[unit]:
                latents_of.append(CorruptStream("A tile's payload holds an impossible latent."))
                continue
            mine = latents[order.starts[unit] : order.starts[unit + 1]]
            latents_of.append(np.ascontiguousarray(mine.T).reshape(latent, *head.shape))
        return latents_of


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    """What a unit's payload says before its latents."""

    shape: tuple[int, int]
    radius: int
    channels: npt.NDArray[np.intp]
    z: IntArray
    state: range_coder.State
    words: range_coder.Words


def _starts(lengths: list[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _radius(y: IntArray) -> int:
    """Alphabet that holds all but a few of the values, at least ±1."""
    if y.size == 0:
        return 1
    counts = np.bincount(np.minimum(np.abs(y), MAX_RADIUS).ravel(), minlength=MAX_RADIUS + 1)
    tail = np.cumsum(counts[::-1])[::-1]
    # The outermost symbol always carries an escape, so it should be rare too.
    return int(np.clip(np.argmax(tail <= ESCAPE_SHARE * y.size) or MAX_RADIUS, 1, MAX_RADIUS))
