"""Ways of coding a tile that need no network: JPEG 2000, without loss or with a bound, and by classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fdegc.codec.exact_looks import few_ranks, may_be_classes, smoothness_bytes
from fdegc.codec.forms import BANDS, PACKETS, Form
from fdegc.coding import colours, component_transform, exact, jpeg2000
from fdegc.coding.component_transform import ComponentTransform
from fdegc.coding.halving import detail_ratio
from fdegc.coding.jpeg2000 import Integers
from fdegc.coding.plane_entropy import plane_entropies, tone_errors
from fdegc.coding.products import product
from fdegc.control import Check, never
from fdegc.errors import CorruptStream, UnsupportedStream
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.format.kinds import UnitKind
from fdegc.raster.mapping import from_unit, peak_value
from fdegc.raster_info import Window
from fdegc.types import BandMapping

Pixels = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]

#: Kinds that leave out samples which the lossless planes say are not there.
SPARING = (UnitKind.NOTHING, UnitKind.EXACT, UnitKind.CLASSES)
#: Largest number of JPEG 2000 samples here.
_MOST = 65535
#: Shorter side below which how far bands are from the middle of JPEG 2000's range costs more than details.
_SHALLOW = 32
#: Bits that looks at what JPEG 2000 makes of a tile have at least.
_LEAST_BITS = 4
#: Bits a pixel that details of three bands take, up to which their entropies say little of wavelets, and how
#: many times as many samples do then: of aerial images details take more, or samples less.
_LITTLE, _RAMPS = 1.4, 6.0
#: What few tones may miss of bands to say enough of them: a share of the error that is expected, and one of
#: their variance, of which tones miss twice to four times as much where they are none but levels of grey.
_TONES_GAIN, _TONES_SHARE = 0.3, 0.01
#: Details at odd samples, as a share of those at even ones, up to which a tile was JPEG 2000 before: of
#: aerial images it is 0.98 to 1.04, of what had been kept in a tenth of the bytes 0.82 to 0.94.
_HALVED = 0.92


def known_samples(
    bands: int,
    window: Window,
    valid: npt.NDArray[np.generic] | None,
    missing: npt.NDArray[np.generic] | None,
) -> Mask | None:
    """Samples of a window that are there: bool (bands, height, width), None for all of them.

    Parameters
    ----------
    bands : int
    window : Window
    valid : ndarray, shape (height, width), or None
        Not 0 where pixels are valid.
    missing : ndarray, shape (bands, height, width), or None
        Not 0 where valid pixels lack a sample.
    """
    if valid is None and missing is None:
        return None
    known = np.ones((bands, window.height, window.width), bool)
    if valid is not None:
        known &= valid.astype(bool)
    if missing is not None:
        known &= ~missing.astype(bool)
    return None if known.all() else known


@dataclass(frozen=True, slots=True)
class Hints:
    """What is to be hoped of forms of JPEG 2000 for a tile.

    Attributes
    ----------
    share : float
        What wavelets leave: the entropy of samples over that of their details, or 0 where few tones serve.
    apart : bool
        Whether three bands may be better off if they are not mixed.
    halved : bool
        Whether the tile was JPEG 2000 before, of which the same wavelets get most back.
    """

    share: float
    apart: bool
    halved: bool


@dataclass(frozen=True, slots=True, eq=False)
class PlainTile:
    """Tile that was coded without the network: kind, payload, and the pixels that it decodes to, if known."""

    kind: UnitKind
    payload: bytes
    pixels: Pixels | None


@dataclass(frozen=True, slots=True, eq=False)
class Rungs:
    """What JPEG 2000 makes of a tile at several sizes: bytes of payloads, about, and pixels at each."""

    sizes: tuple[int, ...]
    pixels: Callable[[int], Pixels]


def _span(entry: BandMapping, dtype: str) -> int:
    """Number that JPEG 2000 knows the upper end of a band's range by.

    Integers keep their steps; what has none, or more than 16 bits, gets 65535.
    """
    whole = entry.offset.is_integer() and entry.scale.is_integer() and entry.scale <= _MOST
    return max(int(entry.scale), 1) if np.dtype(dtype).kind in "iu" and whole else _MOST


class PlainWays:
    """Coder and decoder of tiles without the network; for any number of threads at once.

    Parameters
    ----------
    header : StreamHeader
    """

    def __init__(self, header: StreamHeader) -> None:
        self._dtype, self._mapping = header.dtype, mapping_of(header)
        self._spans = [_span(entry, header.dtype) for entry in self._mapping]
        self._bits = max(self._spans).bit_length()
        self._scale = np.array(self._spans, np.float32)[:, None, None]
        self._widths = np.array([entry.scale for entry in self._mapping])
        peak = peak_value(self._mapping)
        steps = [entry.scale / span / peak for entry, span in zip(self._mapping, self._spans, strict=True)]
        self._steps = np.array(steps)

    @property
    def has_colours(self) -> bool:
        """Whether JPEG 2000 takes the bands for red, green and blue, and transforms them itself."""
        return len(self._mapping) == 3

    def jpeg2000(self, unit: npt.NDArray[np.float32], size: int, form: Form = BANDS) -> PlainTile:
        """Tile as a JPEG 2000 codestream.

        Parameters
        ----------
        unit : ndarray of float32, shape (bands, height, width)
            All bands in [0, 1], known everywhere (:func:`~fdegc.raster.mapping.to_unit`).
        size : int
            Bytes of payload that are wanted.
        form : Form
        """
        bands, height, width = unit.shape
        kind, head = form.said(bands, height, width)
        samples, bits, colours = self._components(unit, form, 0)
        packets = jpeg2000.encode_packets(samples, bits, max(size - len(head), 1), form.levels, colours)
        if packets is None:  # nothing else holds components or says its levels
            data = jpeg2000.encode(self._integers(unit, 0), self._bits, size)
            return self._made(UnitKind.JPEG2000, data, height, width)
        return self._made(kind, head + packets, height, width)

    def _components(
        self, unit: npt.NDArray[np.float32], form: Form, dropped: int
    ) -> tuple[Integers, int, bool]:
        """Samples of a form without so many bits, the bits that they have, and whether they are mixed."""
        if form.transform is not None:
            return form.transform.forward(unit, self._widths), form.transform.bits, False
        return self._integers(unit, dropped), self._bits - dropped, form.colours

    def _made(self, kind: UnitKind, payload: bytes, height: int, width: int) -> PlainTile:
        """Tile of so many pixels with what it decodes to."""
        return PlainTile(kind, payload, self.decode(kind, payload, height, width))

    def transform(
        self, unit: npt.NDArray[np.float32], weights: Sequence[float], error: float
    ) -> tuple[ComponentTransform | None, float]:
        """Component transform of a tile and bits that it saves JPEG 2000, by estimate; None if none.

        Infinite of tiles with few halvings: the estimate is one of details, and most of their bytes are not.

        Parameters
        ----------
        unit
            As for :meth:`jpeg2000`.
        weights : sequence of float
            Of the bands' errors; the largest is 1.
        error : float
            Squared error a pixel that is expected, in units of the peak.
        """
        if len(unit) == 1:
            return None, 0.0
        exponents = self._exponents(weights)
        scale = self._scale.ravel().astype(np.float64)
        transform, saved = component_transform.fit(unit, self._widths, exponents, scale, error)
        if min(unit.shape[1:]) < _SHALLOW:
            return transform, math.inf
        return (transform, saved) if saved > 0 else (None, 0.0)

    def _exponents(self, weights: Sequence[float]) -> component_transform.Bytes | None:
        whole = np.dtype(self._dtype).kind in "iu"
        return component_transform.band_exponents(self._widths, weights, whole)

    def centred(
        self,
        unit: npt.NDArray[np.float32],
        weights: Sequence[float],
        error: float,
        axes: ComponentTransform | None,
    ) -> ComponentTransform:
        """Transform of a tile that makes medians of bands 0, by the axes of another one if that is given.

        Parameters
        ----------
        unit, weights, error
            As for :meth:`transform`.
        axes : ComponentTransform or None
        """
        return component_transform.centred(unit, self._widths, self._exponents(weights), error, axes)

    def hints(self, unit: npt.NDArray[np.float32], error: float) -> Hints:
        """What is to be hoped of forms of JPEG 2000 for a tile, before any is looked at.

        What wavelets leave is the entropy of samples over that of differences of neighbours: of lettering,
        dots and stars it is below 1.  It is 0 where a few tones say far more of the bands than is expected,
        as of maps and masks with some grain, whose samples alone do not tell how seldom neighbours differ.
        Of bands that have little in common the differences say less than those of what they are mixed to;
        where either say next to nothing, as of smooth ramps, mixing may cost all the same.

        Parameters
        ----------
        unit
            As for :meth:`jpeg2000`.
        error : float
            Squared error a sample that is expected, in units of the peak.
        """
        steps = math.sqrt(12 * error) / np.maximum(self._steps * np.array(self._spans), 1e-6)
        found = [plane_entropies(*plane) for plane in zip(unit, steps, strict=True)]
        own, details = (sum(some) for some in zip(*found, strict=True))
        own = 0.0 if self._has_few_tones(unit, error) else own
        share, halved = own / max(details, 1e-9), detail_ratio(unit) <= _HALVED
        if not self.has_colours:
            return Hints(share, False, halved)
        mixed = product(component_transform.COLOURS.astype(np.float32), unit.reshape(len(unit), -1))
        others = sum(plane_entropies(p, float(steps.mean()))[1] for p in mixed.reshape(unit.shape))
        ramps = details <= _LITTLE and own > _RAMPS * details
        return Hints(share, ramps or details <= others, halved)

    def _has_few_tones(self, unit: npt.NDArray[np.float32], error: float) -> bool:
        """Whether few tones a band are nearer to it than a squared error a sample, in units of the peak."""
        factors = np.square(self._steps * np.array(self._spans))
        left, variance = factors @ np.array([tone_errors(plane) for plane in unit])
        return bool(left <= min(_TONES_GAIN * error * len(unit), _TONES_SHARE * variance))

    def _integers(self, unit: npt.NDArray[np.float32], dropped: int) -> Integers:
        """Samples of JPEG 2000, without so many of their lowest bits."""
        kind = np.uint8 if self._bits - dropped <= 8 else np.uint16
        samples: Integers = np.rint(unit * (self._scale / self._coarser(dropped))).astype(kind)
        return samples

    def _coarser(self, dropped: int) -> np.float32:
        """Factor of the steps of samples without so many bits, with which the largest still fits."""
        return np.float32(((1 << self._bits) - 1) / ((1 << self._bits - dropped) - 1))

    def bits_to_drop(self, weights: Sequence[float], tolerated: float) -> tuple[int, float]:
        """Bits of JPEG 2000's samples that matter little, and the squared error a pixel without them.

        Parameters
        ----------
        weights : sequence of float
            Of the bands' errors.
        tolerated : float
            Squared error a pixel, in units of the peak.
        """
        fine = float(np.square(self._steps * weights).sum()) / 12
        dropped, error = 0, 0.0
        while dropped < self._bits - _LEAST_BITS:
            more = fine * (float(self._coarser(dropped + 1)) ** 2 - 1)
            if more > tolerated:
                break
            dropped, error = dropped + 1, more
        return dropped, error

    def rungs(
        self, unit: npt.NDArray[np.float32], sizes: Sequence[int], dropped: int, form: Form = BANDS
    ) -> Rungs:
        """Looks at what JPEG 2000 makes of a tile at several sizes.

        Parameters
        ----------
        unit, form
            As for :meth:`jpeg2000`.
        sizes : sequence of int
            Bytes of payload, growing.
        dropped : int
            Bits that samples of bands are to lack; those of components have no more than they need.
        """
        transform, scale = form.transform, self._scale / self._coarser(dropped)
        head = len(form.said(*unit.shape)[1])
        wanted = sorted({max(size - head, 1) for size in sizes})
        samples, bits, colours = self._components(unit, form, dropped)
        ladder = jpeg2000.Ladder(samples, bits, wanted, form.levels, colours)

        def pixels(number: int) -> Pixels:
            if transform is not None:
                return self._from_components(ladder.decode(number), transform)
            found = ladder.decode(number).astype(np.float32) / scale
            return from_unit(np.minimum(found, 1), self._mapping, self._dtype)

        return Rungs(tuple(size + head for size in ladder.sizes), pixels)

    def exact_if(
        self, pixels: Pixels, known: Mask | None, hoped: float, most: float, check: Check
    ) -> Iterator[PlainTile]:
        """The tile without loss, if that may be of use; its pixels are not decoded again.

        Parameters
        ----------
        pixels : ndarray, shape (bands, height, width)
        known : ndarray of bool, shape (bands, height, width), or None
            Samples that the decoder knows to be there; None for all.
        hoped : float
            Bytes by a first look up to which differences of neighbours are tried.
        most : float
            Bytes beyond which no payload is of use.
        check : callable
            Called now and then; raises to cancel.
        """
        if pixels.dtype.kind not in "iu":
            ranks = few_ranks(pixels, known)
            if ranks is not None and smoothness_bytes(ranks, known) <= hoped:
                yield PlainTile(UnitKind.EXACT, exact.encode(pixels, 0.0, known, check), None)
            return
        if may_be_classes(pixels):
            payload = colours.encode(pixels, known, check, most)
            if payload is not None:
                yield PlainTile(UnitKind.CLASSES, payload, None)
                hoped = max(hoped, 2.0 * len(payload))
        if smoothness_bytes(pixels, known) <= hoped:
            yield PlainTile(UnitKind.EXACT, exact.encode(pixels, 0.0, known, check), None)

    def decoded(
        self, tile: PlainTile, height: int, width: int, known: Mask | None, check: Check
    ) -> PlainTile:
        """A tile of so many pixels with what it decodes to."""
        if tile.pixels is not None:
            return tile
        return replace(tile, pixels=self.decode(tile.kind, tile.payload, height, width, known, check))

    def exact(self, pixels: Pixels, known: Mask | None, bound: float, check: Check) -> PlainTile:
        """The tile with errors of at most a bound, in source units, in the better of two ways.

        Parameters
        ----------
        pixels, known, check
            As in :meth:`exact_if`.
        bound : float
        """
        kind, payload = self._exact(pixels, known, bound, check)
        height, width = pixels.shape[1:]
        return PlainTile(kind, payload, self.decode(kind, payload, height, width, known, check))

    def exact_bytes(self, pixels: Pixels, known: Mask | None, check: Check) -> int:
        """Bytes of the tile without loss, as :meth:`exact` makes them."""
        return len(self._exact(pixels, known, 0.0, check)[1])

    @staticmethod
    def _exact(pixels: Pixels, known: Mask | None, bound: float, check: Check) -> tuple[UnitKind, bytes]:
        """Kind and payload of the tile with errors of at most a bound."""
        payloads = [(UnitKind.EXACT, exact.encode(pixels, bound, known, check))]
        if pixels.dtype.kind in "iu" and may_be_classes(pixels):
            found = colours.encode(pixels, known, check, len(payloads[0][1]))
            payloads += [] if found is None else [(UnitKind.CLASSES, found)]
        return min(payloads, key=lambda way: len(way[1]))

    def _from_components(self, samples: Integers, transform: ComponentTransform) -> Pixels:
        return from_unit(transform.backward(samples, self._widths), self._mapping, self._dtype)

    def _from_jpeg2000(self, samples: Pixels) -> Pixels:
        return from_unit(samples.astype(np.float32) / self._scale, self._mapping, self._dtype)

    def decode(
        self,
        kind: int,
        payload: bytes,
        height: int,
        width: int,
        known: Mask | None = None,
        check: Check = never,
    ) -> Pixels:
        """Pixels of a tile that was coded without the network: (bands, height, width).

        Parameters
        ----------
        kind : int
        payload : bytes
        height, width : int
        known : ndarray of bool, shape (bands, height, width), or None
            Samples that are there, for kinds in :data:`SPARING`; None for all.
        check : callable
            Called now and then; raises to cancel.

        Raises
        ------
        CorruptStream
            If the payload is malformed.
        UnsupportedStream
            If the kind is not known.
        """
        shape = (len(self._mapping), height, width)
        if kind == UnitKind.JPEG2000:
            return self._from_jpeg2000(jpeg2000.decode(payload, shape, self._bits))
        if kind in PACKETS:
            form, packets = Form.of(kind, payload, *shape)
            if form.transform is None:
                found = jpeg2000.decode_packets(packets, shape, self._bits, form.levels, form.colours)
                return self._from_jpeg2000(found)
            bits, shape = form.transform.bits, (form.transform.components, height, width)
            samples = jpeg2000.decode_packets(packets, shape, bits, form.levels, colours=False)
            return self._from_components(samples, form.transform)
        if kind == UnitKind.EXACT:
            return exact.decode(payload, shape, self._dtype, known, check)
        if kind == UnitKind.CLASSES:
            return colours.decode(payload, shape, self._dtype, known, check)
        if kind == UnitKind.NOTHING:
            if known is None or known.any():
                raise CorruptStream("A tile has samples and no payload.")
            return np.zeros(shape, self._dtype)
        raise UnsupportedStream(
            f"A tile is coded in a way this program does not know ({kind}): update FDEGC."
        )
