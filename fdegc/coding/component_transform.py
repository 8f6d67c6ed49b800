"""Orthonormal transforms of a tile's bands, for JPEG 2000 to code components that are little alike.

A tile has its own, in a few bytes in front of its packets: a mean a band and an angle a pair of bands, of as
many as the components that are kept have.  Whatever the bytes, the transform is orthonormal, so errors of the
components are errors of the bands, and one step serves all components.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fdegc.coding.jpeg2000 import Integers
from fdegc.coding.products import product
from fdegc.errors import CorruptStream

Float64Array = npt.NDArray[np.float64]
UnitPixels = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_HEAD = struct.Struct("<BBB")
_BITS, _DEEP, _FACTORS = 0x0F, 0x10, 0x20
#: Angles are multiples of π over this.
_ANGLES = 256
#: Steps an octave of the samples' scale and of the bands' factors, both of which are stored as exponents.
_OCTAVE = 8
#: Least factor of a band, and share of the widest span from which on bands count by their spans.
_LEAST, _LEAST_SPAN = 2.0**-32, 1 / 8
#: What rounding, and components that are left out, may add to the error, as shares of it.
_ROUNDING, _LEFT_OUT = 1 / 1600, 1 / 100
#: Factor within which errors of components count alike in the bands.
_ALIKE = 1.1
#: Where they do not, logarithms of what errors may be of the mean one, both ways, and halvings of the range.
_REACH, _HALVINGS = 40.0, 40
#: Rows of the irreversible colour transform, each by what an error of its component is in the bands, as JPEG
#: 2000 weighs it.
COLOURS = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
COLOURS *= np.linalg.norm(np.linalg.inv(COLOURS), axis=0)[:, None]


def band_factors(spans: Float64Array, exponents: Bytes | None) -> Float64Array:
    """Factors of the bands in [0, 1], with which their errors count alike.

    Parameters
    ----------
    spans : ndarray, shape (bands,)
        Of the bands: in units of the widest they are the factors if nothing else says them.
    exponents : ndarray of uint8, shape (bands,), or None
        The factors are 2^(−exponent / 8); None for the spans.
    """
    if exponents is None:
        positive = np.maximum(spans, 0)
        return np.maximum(positive / (float(positive.max()) or 1.0), _LEAST)
    factors: Float64Array = 2.0 ** (-exponents.astype(np.float64) / _OCTAVE)
    return factors


def are_quantities(spans: Float64Array, whole: bool) -> bool:
    """Whether bands are different quantities, of which each counts by its own span: floats of spans apart.

    Parameters
    ----------
    spans : ndarray, shape (bands,)
    whole : bool
        Whether samples are integers.
    """
    return not whole and not bool(np.all(band_factors(spans, None)[spans > 0] >= _LEAST_SPAN))


def counted_spans(spans: Float64Array, whole: bool) -> Float64Array:
    """Factors by which errors of bands in [0, 1] count, of which the largest is 1.

    Bands count by their spans, in the samples' own units.  Where one would count for next to nothing so, that
    of integers counts by an eighth of the widest span; and floats are taken for different quantities, of
    which each counts by its own span.

    Parameters
    ----------
    spans : ndarray, shape (bands,)
    whole : bool
        Whether samples are integers.
    """
    shares = band_factors(spans, None)
    return np.ones(len(shares)) if are_quantities(spans, whole) else np.maximum(shares, _LEAST_SPAN)


def band_exponents(spans: Float64Array, weights: npt.ArrayLike, whole: bool) -> Bytes | None:
    """Exponents for :func:`band_factors` of bands with weights; None where their spans alone will do.

    Parameters
    ----------
    spans : ndarray, shape (bands,)
    weights : array_like, shape (bands,)
        Of the bands' errors; the largest is 1.
    whole : bool
        Whether samples are integers.
    """
    given, shares = np.asarray(weights, np.float64), band_factors(spans, None)
    alike = bool(np.all(shares[spans > 0] >= _LEAST_SPAN))
    if alike and np.all(given == 1):
        return None
    factors = counted_spans(spans, whole) * given
    exponents = np.rint(-_OCTAVE * np.log2(np.maximum(factors, _LEAST)))
    return np.clip(exponents, 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class ComponentTransform:
    """Transform of the bands of a tile, and what its components are stored with.

    Attributes
    ----------
    bits : int
        Of the components' samples, 1 to 16.
    scale : int
        These are 2^(scale / 8) times the components; 0 to 255.
    components : int
        That are kept, at most as many as there are bands; the others are 0.
    means : ndarray of uint8, shape (bands,)
        In 1/255 of the bands' spans.
    exponents : ndarray of uint8, shape (bands,), or None
        As for :func:`band_factors`.
    angles : ndarray of uint8
        In 1/256 of π, of pairs (i, j), i < j, of those with i below ``components``, ordered by i, then j.
    """

    bits: int
    scale: int
    components: int
    means: Bytes
    exponents: Bytes | None
    angles: Bytes

    def pack(self, deep: bool) -> bytes:
        """What stands in front of packets, and says whether they are deep."""
        first = self.bits - 1 | deep * _DEEP | (self.exponents is not None) * _FACTORS
        parts = (
            [self.means, self.angles] if self.exponents is None else [self.means, self.exponents, self.angles]
        )
        return _HEAD.pack(first, self.scale, self.components) + b"".join(part.tobytes() for part in parts)

    @staticmethod
    def unpack(data: bytes, bands: int) -> tuple[ComponentTransform, bool, bytes]:
        """Transform of a payload, whether the packets behind it are deep, and these.

        Raises
        ------
        CorruptStream
            If it is malformed.
        """
        if len(data) < _HEAD.size:
            raise CorruptStream("The component transform of a tile is cut off.")
        first, scale, components = _HEAD.unpack_from(data)
        if first > (_BITS | _DEEP | _FACTORS) or not 1 <= components <= bands:
            raise CorruptStream("The component transform of a tile holds impossible values.")
        given = bool(first & _FACTORS)
        counts = [bands, bands * given, _pairs(bands, components)]
        ends = np.cumsum([_HEAD.size, *counts])
        if len(data) < ends[-1]:
            raise CorruptStream("The component transform of a tile is cut off.")
        means, exponents, angles = np.split(np.frombuffer(data[: ends[-1]], np.uint8), ends[:-1])[1:]
        transform = ComponentTransform(
            (first & _BITS) + 1, scale, components, means, exponents if given else None, angles
        )
        return transform, bool(first & _DEEP), data[ends[-1] :]

    def matrix(self) -> Float64Array:
        """Components that are kept, as rows of orthonormal combinations of the bands."""
        bands = len(self.means)
        rows = np.eye(self.components, bands)
        number = len(self.angles)
        for i in reversed(range(min(self.components, bands - 1))):
            for j in reversed(range(i + 1, bands)):
                number -= 1
                _rotate(rows, i, j, -int(self.angles[number]))
        return rows

    def forward(self, unit: UnitPixels, spans: Float64Array) -> Integers:
        """Samples of the components: (components, height, width), below 2^bits.

        Parameters
        ----------
        unit : ndarray of float32, shape (bands, height, width)
            In [0, 1].
        spans : ndarray, shape (bands,)
            As for :func:`band_factors`.
        """
        matrix = self.matrix() * band_factors(spans, self.exponents) * 2.0 ** (self.scale / _OCTAVE)
        half = 1 << self.bits - 1
        shift = half - matrix @ (self.means / 255.0)
        flat = product(matrix.astype(np.float32), unit.reshape(len(unit), -1))
        flat += shift.astype(np.float32)[:, None]
        kind = np.uint8 if self.bits <= 8 else np.uint16
        samples: Integers = np.rint(flat, out=flat).clip(0, 2 * half - 1, out=flat).astype(kind)
        return samples.reshape(self.components, *unit.shape[1:])

    def backward(self, samples: Integers, spans: Float64Array) -> UnitPixels:
        """Bands of such samples, not clipped; parameters as of :meth:`forward`."""
        factors = band_factors(spans, self.exponents)
        matrix = self.matrix().T / factors[:, None] / 2.0 ** (self.scale / _OCTAVE)
        half = 1 << self.bits - 1
        flat = product(matrix.astype(np.float32), samples.reshape(len(samples), -1).astype(np.float32) - half)
        flat += (self.means / 255.0).astype(np.float32)[:, None]
        return flat.reshape(len(factors), *samples.shape[1:])


def fit(
    unit: UnitPixels, spans: Float64Array, exponents: Bytes | None, plain: Float64Array, error: float
) -> tuple[ComponentTransform, float]:
    """Transform that serves a tile, and bits that it saves by estimate.

    The axes are the principal ones of the bands and of the differences of neighbouring pixels, both together:
    those of the bands alone are mostly those of what few samples of the lowest subband say.

    Parameters
    ----------
    unit, spans, exponents
        As for :meth:`ComponentTransform.forward` and :func:`band_factors`.
    plain : ndarray, shape (bands,)
        What JPEG 2000 multiplies bands in [0, 1] with where they are its components.
    error : float
        Squared error of all bands of a pixel that is expected, in units of the widest span.
    """
    bands, error = len(unit), max(error, 1e-15)
    factors = band_factors(spans, exponents)
    flat = unit.reshape(bands, -1)
    means = np.clip(np.rint(flat.mean(axis=1, dtype=np.float64) * 255), 0, 255).astype(np.uint8)
    centred = (flat - (means / 255.0).astype(np.float32)[:, None]) * factors.astype(np.float32)[:, None]
    whole = _moments(centred)
    planes, detail = centred.reshape(unit.shape), np.zeros((bands, bands))
    for axis in (1, 2):
        if unit.shape[axis] > 1:
            detail += _moments(np.diff(planes, axis=axis).reshape(bands, -1)) / 2
    both = whole / max(np.trace(whole), 1e-30) + detail / max(np.trace(detail), 1e-30)
    angles, axes = _angles(np.linalg.eigh(both)[1][:, ::-1].T)
    variances = np.einsum("ij,jk,ik->i", axes, whole, axes)
    kept = bands
    while kept > 1 and variances[kept - 1 :].sum() <= _LEFT_OUT * error:
        kept -= 1
    largest = float(np.abs(product(axes[:kept].astype(np.float32), centred)).max())
    bits, scale = _depth(largest, error / bands)
    transform = ComponentTransform(bits, scale, kept, means, exponents, angles[: _pairs(bands, kept)])
    bare = np.diag(plain / factors)
    mixed = np.asarray(COLOURS @ bare if bands == 3 else bare, np.float64)
    saved = _bits(detail, mixed, axes, error / bands)
    return transform, saved * unit[0].size - 8 * len(transform.pack(False))


def centred(
    unit: UnitPixels,
    spans: Float64Array,
    exponents: Bytes | None,
    error: float,
    axes: ComponentTransform | None = None,
) -> ComponentTransform:
    """Transform of bands whose medians become 0, by the axes of another one or else by none.

    Without wavelets nothing else makes the ground that lettering, dots and stars are on cost nothing.

    Parameters
    ----------
    unit, spans, exponents, error
        As for :func:`fit`.
    axes : ComponentTransform or None
        Whose components are kept; None: the bands as they are.
    """
    bands, error = len(unit), max(error, 1e-15)
    medians = np.median(unit.reshape(bands, -1), axis=1)
    means = np.clip(np.rint(medians * 255), 0, 255).astype(np.uint8)
    kept = bands if axes is None else axes.components
    angles = np.zeros(_pairs(bands, bands), np.uint8) if axes is None else axes.angles
    whole = ComponentTransform(1, 0, kept, means, exponents, angles)
    off = unit.reshape(bands, -1) - (means / 255.0).astype(np.float32)[:, None]
    found = product((whole.matrix() * band_factors(spans, exponents)).astype(np.float32), off)
    bits, scale = _depth(float(np.abs(found).max()), error / bands)
    return replace(whole, bits=bits, scale=scale)


def _depth(largest: float, error: float) -> tuple[int, int]:
    """Bits and scale of components up to a largest magnitude, for an expected squared error of each."""
    # Rounding to steps of s is off by s²/12 a component.
    wanted = 1 / math.sqrt(12 * _ROUNDING * error)
    # An expected error may be infinite.
    scale = min(math.floor(_OCTAVE * math.log2(max(min(wanted, 32766 / max(largest, 1e-6)), 1.0))), 255)
    bits = (math.ceil(largest * 2 ** (scale / _OCTAVE)) + 1).bit_length() + 1
    return min(bits, 16), scale


def _pairs(bands: int, components: int) -> int:
    """Number of pairs of bands of which the first is one of the components."""
    return sum(bands - 1 - i for i in range(components))


def _rotate(rows: Float64Array, i: int, j: int, angle: int) -> None:
    """Turn of two columns by so many steps of an angle."""
    cosine, sine = math.cos(angle * math.pi / _ANGLES), math.sin(angle * math.pi / _ANGLES)
    rows[:, [i, j]] = rows[:, [i, j]] @ np.array([[cosine, -sine], [sine, cosine]])


def _angles(axes: Float64Array) -> tuple[Bytes, Float64Array]:
    """Angles by which columns of orthonormal rows are turned until they are axes; what they stand for."""
    rest, bands = axes.copy(), len(axes)
    angles = np.zeros(_pairs(bands, bands), np.uint8)
    number = 0
    for i in range(bands - 1):
        for j in range(i + 1, bands):
            angle = round(math.atan2(rest[i, j], rest[i, i]) * _ANGLES / math.pi) % _ANGLES
            _rotate(rest, i, j, angle)
            angles[number], number = angle, number + 1
    whole = ComponentTransform(1, 0, bands, np.zeros(bands, np.uint8), None, angles)
    return angles, whole.matrix()


def _moments(flat: npt.NDArray[np.float32]) -> Float64Array:
    """Means of products of the rows."""
    return product(flat, flat.T).astype(np.float64) / flat.shape[1]


def _bits(detail: Float64Array, mixed: Float64Array, axes: Float64Array, error: float) -> float:
    """Bits a pixel that orthonormal axes save beside other components, by what neighbours differ by.

    JPEG 2000 gives all components of either the same error, which is so much of the axes.
    """
    own, theirs = (np.einsum("ij,jk,ik->i", matrix, detail, matrix) for matrix in (axes, mixed))
    worth = np.square(np.linalg.inv(mixed)).sum(axis=0)
    step = error / float(worth.mean())
    if worth.max() > _ALIKE * worth.min():
        # What has less variance than the error loses no more than that.
        lost, ends = (
            float((own * error / (own + error)).sum()),
            [math.log(step) - _REACH, math.log(step) + _REACH],
        )
        for _ in range(_HALVINGS):
            step = math.exp(sum(ends) / 2)
            ends[int(float((worth * theirs * step / (theirs + step)).sum()) > lost)] = math.log(step)
    return float(np.log2(1 + theirs / step).sum() - np.log2(1 + own / error).sum()) / 2
