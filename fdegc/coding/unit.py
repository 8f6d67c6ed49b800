"""One coded unit (a tile's group of three bands): latents to a payload and back."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from fdegc.coding import wavefront
from fdegc.coding.phi import choose_dither, snap
from fdegc.coding.weights import EntropyWeights
from fdegc.errors import CorruptStream, DecoderMismatch

#: |ŷ| is bounded, so that a damaged stream cannot make the decoder count for ever.
LATENT_LIMIT = 32767
#: Share of latents that may need an escape; decides the alphabet of a unit.
ESCAPE_SHARE = 5e-4
MAX_RADIUS = 127

IntArray = npt.NDArray[np.int32]
#: Computes φ (float64, shape (2M, 4h, 4w)) of a rounded hyper-latent (int32, shape (M, h, w)).
Features = Callable[[IntArray], npt.NDArray[np.float64]]
Check = Callable[[], None]

_categorical = constriction.stream.model.Categorical(perfect=False)
_bit = constriction.stream.model.Uniform(2)


@dataclass(frozen=True, slots=True)
class CodedUnit:
    """Payload of a unit with what the index keeps of it."""

    payload: bytes
    dither: int
    phi_hash: int
    y_hash: int


def digest(array: IntArray) -> int:
    """CRC-32 of an integer array's little-endian int32 bytes."""
    return zlib.crc32(np.ascontiguousarray(array, dtype="<i4").tobytes())


def _nothing() -> None:
    return None


class UnitCoder:
    """Codes units with one set of weights.

    Parameters
    ----------
    weights : EntropyWeights
    """

    def __init__(self, weights: EntropyWeights) -> None:
        self.weights = weights

    def encode(
        self, y: IntArray, z: IntArray, features: Features, rate: int, check: Check = _nothing
    ) -> CodedUnit:
        """Code one unit and prove that it decodes.

        Parameters
        ----------
        y : ndarray of int32, shape (M, h, w), within ±LATENT_LIMIT
        z : ndarray of int32, shape (M, ⌈h/4⌉, ⌈w/4⌉), within ±z_radius
        features : callable
        rate : int
            Rate point (1–6) whose z tables apply.
        check : callable
            Called at every step; raises to cancel.

        Raises
        ------
        DecoderMismatch
            If the payload does not decode to ``y`` on this very machine.
        """
        raw_phi = features(z)[:, : y.shape[1], : y.shape[2]]
        dither = choose_dither(raw_phi)
        phi = snap(raw_phi, dither)
        channels = np.flatnonzero(y.any(axis=(1, 2)))
        radius = _radius(y[channels])
        coder = constriction.stream.queue.RangeEncoder()
        active = np.zeros(len(y), np.int32)
        active[channels] = 1
        coder.encode(active, _categorical, self._active_model(rate))
        coder.encode((z + self.weights.z_radius).ravel(), _categorical, self._z_model(rate, z.shape))

        def step(
            rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], table: npt.NDArray[np.float32]
        ) -> IntArray:
            check()
            values = y[channels[None, :], rows[:, None], cols[:, None]]
            symbols = np.clip(values, -radius, radius)
            coder.encode((symbols + radius).ravel(), _categorical, table)
            excess = np.abs(values).ravel() - radius
            for value in excess[excess >= 0]:
                _encode_escape(coder, int(value))
            return values

        if len(channels):
            wavefront.run(self.weights, phi, channels, radius, step)
        words = coder.get_compressed().astype("<u4").tobytes()
        unit = CodedUnit(bytes([radius]) + words, dither, digest(phi), digest(y))
        if not np.array_equal(self.decode(unit, y.shape, features, rate, check), y):
            raise DecoderMismatch("The encoder could not read its own output back; nothing was written.")
        return unit

    def decode(
        self,
        unit: CodedUnit,
        shape: tuple[int, ...],
        features: Features,
        rate: int,
        check: Check = _nothing,
    ) -> IntArray:
        """Decode one unit.

        Parameters
        ----------
        unit : CodedUnit
        shape : (M, h, w)
        features, rate, check
            As in :meth:`encode`.

        Returns
        -------
        ndarray of int32, shape (M, h, w)

        Raises
        ------
        CorruptStream
            If the payload is malformed.
        DecoderMismatch
            If this machine computed other entropy features or latents than the encoder.
        """
        latent, height, width = shape
        if len(unit.payload) < 1 or len(unit.payload) % 4 != 1 or unit.payload[0] < 1:
            raise CorruptStream("A tile's payload is malformed.")
        radius = unit.payload[0]
        coder = constriction.stream.queue.RangeDecoder(
            np.frombuffer(unit.payload, "<u4", offset=1).astype(np.uint32)
        )
        channels = np.flatnonzero(_read(coder, _categorical, self._active_model(rate)))
        z_shape = (latent, -(-height // 4), -(-width // 4))
        z = _read(coder, _categorical, self._z_model(rate, z_shape)) - self.weights.z_radius
        phi = snap(features(z.reshape(z_shape))[:, :height, :width], unit.dither)
        if digest(phi) != unit.phi_hash:
            raise DecoderMismatch(
                "This machine computed other entropy features than the one that wrote the file."
            )

        def step(
            rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], table: npt.NDArray[np.float32]
        ) -> IntArray:
            check()
            values = _read(coder, _categorical, table) - radius
            for i in np.flatnonzero(np.abs(values) == radius):
                values[i] += np.sign(values[i]) * _decode_escape(coder)
            return values.reshape(len(rows), len(channels))

        if len(channels):
            y = wavefront.run(self.weights, phi, channels, radius, step)
        else:
            y = np.zeros(shape, np.int32)
        if digest(y) != unit.y_hash:
            raise DecoderMismatch("A tile decoded to other latents than were encoded.")
        return y

    def _active_model(self, rate: int) -> npt.NDArray[np.float32]:
        share = self.weights.active[rate - 1].astype(np.float32)
        return np.stack([256 - share, share], axis=1)

    def _z_model(self, rate: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        table = self.weights.z_tables[rate - 1].astype(np.float32)
        return np.repeat(table, shape[1] * shape[2], axis=0)


def _radius(y: IntArray) -> int:
    """Alphabet that holds all but a few of the values, at least ±1."""
    if y.size == 0:
        return 1
    counts = np.bincount(np.minimum(np.abs(y), MAX_RADIUS).ravel(), minlength=MAX_RADIUS + 1)
    tail = np.cumsum(counts[::-1])[::-1]
    # The outermost symbol always carries an escape, so it should be rare too.
    return int(np.clip(np.argmax(tail <= ESCAPE_SHARE * y.size) or MAX_RADIUS, 1, MAX_RADIUS))


def _encode_escape(coder: constriction.stream.queue.RangeEncoder, value: int) -> None:
    """Exp-Golomb code of order 0, most significant bit first."""
    bits = bin(value + 1)[2:]
    digits = [0] * (len(bits) - 1) + [int(b) for b in bits]
    coder.encode(np.array(digits, np.int32), _bit)


def _read(coder: constriction.stream.queue.RangeDecoder, *model: Any) -> Any:
    """Decode with constriction, whose complaints about impossible data are assertions."""
    try:
        return coder.decode(*model)
    except (AssertionError, ValueError) as error:
        raise CorruptStream("A tile's payload holds impossible data.") from error


def _decode_escape(coder: constriction.stream.queue.RangeDecoder) -> int:
    zeros = 0
    while not _read(coder, _bit):
        zeros += 1
        if zeros > LATENT_LIMIT.bit_length():
            raise CorruptStream("A tile's payload holds an impossible latent.")
    value = 1
    for bit in _read(coder, _bit, zeros) if zeros else ():
        value = 2 * value + int(bit)
    return value - 1
