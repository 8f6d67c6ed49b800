"""Ways of coding a tile that need no network: JPEG 2000, without loss or with a bound, and by classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.coding import colours, exact, jpeg2000
from fdegc.control import Check, never
from fdegc.errors import CorruptStream, UnsupportedStream
from fdegc.format.header import StreamHeader
from fdegc.format.info import mapping_of
from fdegc.format.kinds import UnitKind
from fdegc.raster.mapping import from_unit
from fdegc.raster_info import Window
from fdegc.types import BandMapping

Pixels = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]

#: Kinds that leave out samples which the lossless planes say are not there.
SPARING = (UnitKind.NOTHING, UnitKind.EXACT, UnitKind.CLASSES)
#: Pixels that are looked at, and the share of them that may differ, before a tile is tried by its colours.
_LOOKED_AT, _FEW = 4096, 0.1
#: Largest number of JPEG 2000 samples here.
_MOST = 65535


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


@dataclass(frozen=True, slots=True, eq=False)
class PlainTile:
    """Tile that was coded without the network: kind, payload, and the pixels that it decodes to, if known."""

    kind: UnitKind
    payload: bytes
    pixels: Pixels | None


def may_be_classes(pixels: Pixels) -> bool:
    """Whether a look at some pixels of a tile, (bands, height, width), finds few distinct ones."""
    some = pixels.reshape(len(pixels), -1)[:, :: max(pixels[0].size // _LOOKED_AT, 1)]
    return len(np.unique(some, axis=1).T) <= _FEW * some.shape[1]


def _smoothness_bytes(pixels: Pixels, known: Mask | None) -> float:
    """Bytes of a tile if differences between neighbours were coded one by one: a rough upper bound."""
    total = 0.0
    for number, band in enumerate(pixels):
        steps = np.diff(band.astype(np.int64), axis=1)
        if known is not None:
            steps = steps[known[number, :, 1:] & known[number, :, :-1]]
        if band.dtype.itemsize <= 2:  # counting is ten times as fast as sorting
            counts = np.bincount(steps.ravel() + (1 << 16))
            counts = counts[counts > 0]
        else:
            counts = np.unique(steps, return_counts=True)[1]
        total += float(counts @ np.log2(steps.size / counts)) / 8 if steps.size else 0.0
    return total


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

    def jpeg2000(self, unit: npt.NDArray[np.float32], size: int) -> PlainTile:
        """Tile as a JPEG 2000 codestream.

        Parameters
        ----------
        unit : ndarray of float32, shape (bands, height, width)
            All bands in [0, 1], known everywhere (:func:`~fdegc.raster.mapping.to_unit`).
        size : int
            Bytes of payload that are wanted.
        """
        kind = np.uint8 if self._bits <= 8 else np.uint16
        samples: jpeg2000.Integers = np.rint(unit * self._scale).astype(kind)
        way, payload = UnitKind.PACKETS, jpeg2000.encode_packets(samples, self._bits, size)
        if payload is None:
            way, payload = UnitKind.JPEG2000, jpeg2000.encode(samples, self._bits, size)
        _, height, width = unit.shape
        return PlainTile(way, payload, self.decode(way, payload, height, width))

    def exact_if(self, pixels: Pixels, known: Mask | None, most: float, check: Check) -> Iterator[PlainTile]:
        """The tile without loss, if a first look lets hope that this takes no more than about ``most`` bytes.

        Parameters
        ----------
        pixels : ndarray, shape (bands, height, width)
        known : ndarray of bool, shape (bands, height, width), or None
            Samples that the decoder knows to be there; None for all.
        most : float
        check : callable
            Called now and then; raises to cancel.
        """
        if pixels.dtype.kind not in "iu":
            return
        payloads: list[tuple[UnitKind, bytes | None]] = []
        if may_be_classes(pixels):
            payloads.append((UnitKind.CLASSES, colours.encode(pixels, known, check)))
        if _smoothness_bytes(pixels, known) <= most:
            payloads.append((UnitKind.EXACT, exact.encode(pixels, 0.0, known, check)))
        if payloads:
            yield from self._shortest(payloads, pixels, known, check)

    def exact(self, pixels: Pixels, known: Mask | None, bound: float, check: Check) -> PlainTile:
        """The tile with errors of at most a bound, in source units, in the better of two ways.

        Parameters
        ----------
        pixels, known, check
            As in :meth:`exact_if`.
        bound : float
        """
        payloads: list[tuple[UnitKind, bytes | None]]
        payloads = [(UnitKind.EXACT, exact.encode(pixels, bound, known, check))]
        if pixels.dtype.kind in "iu" and may_be_classes(pixels):
            payloads.append((UnitKind.CLASSES, colours.encode(pixels, known, check)))
        (tile,) = self._shortest(payloads, pixels, known, check)
        return tile

    def _shortest(
        self,
        payloads: Sequence[tuple[UnitKind, bytes | None]],
        pixels: Pixels,
        known: Mask | None,
        check: Check,
    ) -> Iterator[PlainTile]:
        """The shortest of some payloads, decoded again; nothing if none of the ways was one for the tile."""
        found = [(kind, payload) for kind, payload in payloads if payload is not None]
        if found:
            kind, payload = min(found, key=lambda way: len(way[1]))
            height, width = pixels.shape[1:]
            yield PlainTile(kind, payload, self.decode(kind, payload, height, width, known, check))

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
        if kind == UnitKind.PACKETS:
            return self._from_jpeg2000(jpeg2000.decode_packets(payload, shape, self._bits))
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
