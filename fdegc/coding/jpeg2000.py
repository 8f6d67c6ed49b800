"""JPEG 2000 codestreams of small pictures, through GDAL: made at a size, bounded before they are decoded.

Rec. ITU-T T.800 | ISO/IEC 15444-1.  A codestream here has one tile, one layer, no precincts, code-blocks of
64 × 64, the 9/7 transform, and the irreversible colour transform where three components are colours.  Its
main header is SIZ, COD and QCD alone, its only tile-part has no header of its own.  What is written elsewhere
is refused before a library sees it.

All but the packets of such a codestream follows from its shape, its depth and its length; so files hold the
packets alone (:func:`strip`), and whoever reads them puts the rest around them again (:func:`restore`).
"""

from __future__ import annotations

import functools
import inspect
import itertools
import struct
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.errors import CorruptStream

Integers = npt.NDArray[np.unsignedinteger[npt.NBitBase]]

_SOC, _SIZ, _COD, _QCD, _COM, _SOT, _SOD, _EOC = (
    0xFF4F, 0xFF51, 0xFF52, 0xFF5C, 0xFF64, 0xFF90, 0xFF93, 0xFFD9,
)  # fmt: skip
_PART = 14  # bytes of SOT and SOD
_END = struct.pack(">H", _EOC)
_DRIVER = "JP2OpenJPEG"
# rasterio warns of whatever has no place on Earth, and filters of warnings are no matter of single threads.
_PLACE = (2.0, 0.0, 0.0, 0.0, -2.0, 0.0)
_WORLD = b"2\n0\n0\n-2\n0\n0\n"
_MOST_LEVELS = 5
_LARGE = 256  # shorter side of a picture that is worth all of them
_DEFAULT_BLOCK = 1024
_CODE_BLOCK = bytes([4, 4])  # exponents less two: 64 × 64
_IRREVERSIBLE = b"\0"
_EXPOUNDED = 2  # style of quantization
_GUARD_BITS = 2
# Steps of quantization of eight bits, as OpenJPEG derives them from the norms of the 9/7 transform: exponent
# · 2¹¹ + mantissa of the lowest subband after so many halvings, and of HL, LH and HH of each halving, the
# finest first.  Each bit more is one more in the exponent.
_LOWEST = (0x4000, 0x4824, 0x5F52, 0x6738, 0x6F20, 0x7720)
_DETAIL = (
    (0x57D3, 0x57D3, 0x5762),
    (0x5005, 0x5005, 0x5047),
    (0x6750, 0x6750, 0x6768),
    (0x6F00, 0x6F00, 0x6EE0),
    (0x76F0, 0x76F0, 0x76C0),
)
# OpenJPEG counts its comment, which is not kept, as part of the size, but not SOT, SOD and EOC.
_UNCOUNTED = 22
# Per cent of the samples' own size: from 100 on, OpenJPEG knows no bounds.
_BOUNDED = 99.99
#: Threads that OpenJPEG starts for each picture and ends with it: tiles are coded beside each other, and of a
#: small one they take longer than all the rest.
_ONE_THREAD = {"GDAL_NUM_THREADS": "1"}
_here = threading.local()


@contextmanager
def environment() -> Iterator[None]:
    """GDAL's settings for codestreams, made once for all that this thread codes within it.

    Whatever is called without it makes its own, which takes a good part of the time of a small picture.
    """
    if getattr(_here, "made", False):
        yield
        return
    import rasterio

    with rasterio.Env(**_ONE_THREAD):
        _here.made = True
        try:
            yield
        finally:
            _here.made = False


def all_levels(height: int, width: int) -> int:
    """Halvings where the codestream is kept: five, or as many as GDAL allows for its shorter side."""
    return min(_MOST_LEVELS, max(min(height, width).bit_length() - 2, 0))


def usual_levels(height: int, width: int) -> int:
    """Halvings of packets that nothing else is said of: fewer of what is small.

    One of some few samples a side takes more bytes than it saves: of tiles of 64, up to two decibels' worth.
    Of a slow ramp it saves most of the bytes.
    """
    shorter = min(height, width)
    most = _MOST_LEVELS if shorter >= _LARGE else _MOST_LEVELS - 1
    return min(most, max(shorter.bit_length() - 3, 0))


def encode(samples: Integers, bits: int, size: int) -> bytes:
    """JPEG 2000 codestream of a picture, of at most about a size.

    Parameters
    ----------
    samples : ndarray of uint8 or uint16, shape (components, height, width)
    bits : int
        1 to 16; samples are below 2^bits.
    size : int
        Bytes that are wanted.  OpenJPEG keeps below it, apart from what nothing at all takes.
    """
    return _encode(samples, bits, size, all_levels(*samples.shape[1:]))


def encode_packets(
    samples: Integers, bits: int, size: int, levels: int | None = None, colours: bool = True
) -> bytes | None:
    """Packets of a codestream of a picture, of at most about a size.

    Parameters
    ----------
    samples, bits, size
        As for :func:`encode`.
    levels : int or None
        Halvings, 0 to :func:`all_levels`; None for :func:`usual_levels`.
    colours : bool
        Whether three components are mixed by the colour transform.

    Returns
    -------
    bytes or None
        None if this OpenJPEG writes what :func:`restore` does not: then there is only :func:`encode`.
    """
    components, height, width = samples.shape
    shape = components, height, width
    levels = usual_levels(height, width) if levels is None else levels
    frame = len(restore(b"", shape, bits, levels, colours))
    return strip(_encode(samples, bits, size + frame, levels, colours), shape, bits, levels, colours)


def _encode(samples: Integers, bits: int, size: int, levels: int, colours: bool = True) -> bytes:
    """Codestream of a picture with so many halvings."""
    data = _written(samples, bits, [size], levels, colours)
    kept = [data[start:stop] for marker, start, stop in _segments(data) if marker != _COM]
    # Which profile OpenJPEG had in mind depends on the shape, and binds nobody.
    return b"".join(_no_profile(segment) for segment in kept)


def _written(
    samples: Integers, bits: int, sizes: Sequence[int], levels: int, colours: bool = True, **more: str
) -> bytes:
    """Codestream of a picture as OpenJPEG writes it, with a layer for each of growing sizes."""
    from affine import Affine
    from rasterio.io import MemoryFile

    opened, copy = _calls()
    components, height, width = samples.shape
    # GDAL warns of one resolution where it would take no more itself.
    levels_said = {"RESOLUTIONS": str(levels + 1)} if min(height, width) > 1 else {}
    place = {"transform": Affine(*_PLACE)}
    with (
        environment(),
        opened("", "w", "MEM", width, height, components, dtype=samples.dtype, **place) as picture,
        MemoryFile(ext=".j2k") as file,
    ):
        picture.write(samples)
        # Not written through rasterio, which keeps Python's lock while GDAL encodes: others wait so long.
        copy(
            picture,
            file.name,
            driver=_DRIVER,
            CODEC="J2K",
            REVERSIBLE="NO",
            QUALITY=",".join(_rates(samples, bits, sizes, levels)),
            PRECINCTS="",
            YCC="YES" if _mixes(components, colours) else "NO",
            BLOCKXSIZE=str(max(width, _DEFAULT_BLOCK)),
            BLOCKYSIZE="2048",
            NBITS=str(bits),
            **levels_said,
            **more,
        )
        return bytes(file.getbuffer())


@functools.cache
def _calls() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What opens and what copies a picture, without the environment that rasterio makes for every call.

    To make one takes a good part of the time of a small picture, and there is one (:func:`environment`).
    """
    import rasterio
    import rasterio.shutil

    return inspect.unwrap(rasterio.open), inspect.unwrap(rasterio.shutil.copy)


def _rates(samples: Integers, bits: int, sizes: Sequence[int], levels: int) -> list[str]:
    """Sizes in per cent of the samples' own, as GDAL wants them, each once."""
    components, height, width = samples.shape
    own = samples.size * bits / 8
    bounded = own + len(_framed(b"", (components, height, width), bits, levels))
    rates = []
    for size in sizes:
        rate = 100.0 * (size + _UNCOUNTED) / own
        rate = min(rate, _BOUNDED) if size < bounded else rate
        rates.append(f"{min(max(rate, 1e-3), 100.0):.6f}")
    return list(dict.fromkeys(rates))


class Ladder:
    """Picture at several sizes that share one encoding: what each of them loses, before any is chosen.

    What takes long is to model the bits of all samples.  A codestream of several layers does so once, and
    each layer ends where a codestream of about its size would end.

    Parameters
    ----------
    samples : ndarray of uint8 or uint16, shape (components, height, width)
    bits : int
        1 to 16; samples are below 2^bits.
    sizes : sequence of int
        Bytes of packets that are wanted, growing.
    levels, colours
        As for :func:`encode_packets`.

    Attributes
    ----------
    sizes : tuple of int
        Bytes that :func:`encode_packets` would take for the same, a few more or less; of those that were
        wanted, what makes no difference is left out.
    """

    def __init__(
        self,
        samples: Integers,
        bits: int,
        sizes: Sequence[int],
        levels: int | None = None,
        colours: bool = True,
    ) -> None:
        self._shape = samples.shape[0], samples.shape[1], samples.shape[2]
        self._bits = bits
        levels = usual_levels(*self._shape[1:]) if levels is None else levels
        frame = len(restore(b"", self._shape, bits, levels, colours))
        # Each further layer pays for its tile-part.
        wanted = [size + frame + _PART * number for number, size in enumerate(sizes)]
        parts = {"TILEPARTS": "LAYERS"} if len(_rates(samples, bits, wanted, levels)) > 1 else {}
        data = _written(samples, bits, wanted, levels, colours, **parts)
        kept = [data[start:stop] for marker, start, stop in _segments(data) if marker not in (_COM, _SOT)]
        self._head = b"".join(kept)
        at = data.index(struct.pack(">HHH", _SOT, 10, 0), len(self._head))
        self._parts = []
        while data.startswith(struct.pack(">H", _SOT), at):
            length = struct.unpack_from(">I", data, at + 6)[0]
            self._parts.append(data[at : at + length])
            at += length
        # A packet in which a code-block has nothing to say of it takes a byte.
        packets = (levels + 1) * self._shape[0]
        lengths = itertools.accumulate(len(part) - _PART for part in self._parts)
        self.sizes = tuple(length - packets * number for number, length in enumerate(lengths))

    def decode(self, number: int) -> Integers:
        """Samples at one of the sizes."""
        count = number + 1
        layers = self._head.index(struct.pack(">H", _COD)) + 6
        head = self._head[:layers] + struct.pack(">H", count) + self._head[layers + 2 :]
        parts = (part[:11] + bytes([count]) + part[12:] for part in self._parts[:count])
        return _decode(head + b"".join(parts) + _END, self._shape, self._bits)


def strip(
    data: bytes,
    shape: tuple[int, int, int],
    bits: int,
    levels: int | None = None,
    colours: bool = True,
) -> bytes | None:
    """Packets of a codestream, if :func:`restore` makes the same codestream of them; else None.

    Parameters
    ----------
    data : bytes
    shape : (components, height, width)
    bits : int
    levels, colours
        As for :func:`encode_packets`.
    """
    packets = data[len(restore(b"", shape, bits, levels, colours)) - len(_END) : -len(_END)]
    return packets if restore(packets, shape, bits, levels, colours) == data else None


def restore(
    packets: bytes,
    shape: tuple[int, int, int],
    bits: int,
    levels: int | None = None,
    colours: bool = True,
) -> bytes:
    """Codestream of a picture around its packets.

    Parameters
    ----------
    packets : bytes
        Anything; what the library is told of the picture is what the shape says.
    shape : (components, height, width)
    bits : int
    levels, colours
        As for :func:`encode_packets`.
    """
    levels = usual_levels(*shape[1:]) if levels is None else levels
    return _framed(packets, shape, bits, levels, colours)


def decode_packets(
    packets: bytes,
    shape: tuple[int, int, int],
    bits: int,
    levels: int | None = None,
    colours: bool = True,
) -> Integers:
    """Samples of packets of :func:`encode_packets`; parameters, result and exception as of :func:`decode`."""
    return _decode(restore(packets, shape, bits, levels, colours), shape, bits)


def _mixes(components: int, colours: bool) -> bool:
    """Whether the colour transform is used."""
    return colours and components == 3


def decode(data: bytes, shape: tuple[int, int, int], bits: int) -> Integers:
    """Samples of a codestream of :func:`encode`.

    Parameters
    ----------
    data : bytes
    shape : (components, height, width)
        That it must have.
    bits : int
        That it must have.

    Returns
    -------
    ndarray of uint8 (up to 8 bits) or uint16, of ``shape``

    Raises
    ------
    CorruptStream
        If it is none of :func:`encode`, or of another shape, or cannot be decoded.
    """
    _check(data, shape, bits)
    return _decode(data, shape, bits)


def _decode(data: bytes, shape: tuple[int, int, int], bits: int) -> Integers:
    """Samples of a codestream whose headers are those of the shape."""
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile

    kind = np.uint8 if bits <= 8 else np.uint16
    try:
        folder = uuid.uuid4().hex
        with (
            environment(),
            MemoryFile(_WORLD, dirname=folder, filename="tile.wld"),
            MemoryFile(data, dirname=folder, filename="tile.j2k") as file,
            file.open(driver=_DRIVER) as picture,
        ):
            samples = picture.read()
    except RasterioError as error:
        raise CorruptStream("The JPEG 2000 codestream of a tile cannot be decoded.") from error
    if samples.shape != shape or samples.dtype != kind:
        raise CorruptStream("The JPEG 2000 codestream of a tile is of another shape than the tile.")
    return np.minimum(samples, kind((1 << bits) - 1))


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment of a main header, the rest of the codestream as the last one.

    Raises
    ------
    CorruptStream
        If they do not lead to a tile-part.
    """
    at = 0
    while at + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == _SOT:
            yield marker, at, len(data)
            return
        end = at + 2 if marker == _SOC else at + 2 + length
        yield marker, at, end
        at = end
    raise CorruptStream("The JPEG 2000 codestream of a tile has no data.")


def _no_profile(segment: bytes) -> bytes:
    """Segment without capabilities, if it is the one that has them."""
    return segment[:4] + b"\0\0" + segment[6:] if segment[:2] == struct.pack(">H", _SIZ) else segment


def _framed(
    packets: bytes, shape: tuple[int, int, int], bits: int, levels: int, colours: bool = True
) -> bytes:
    """Codestream of OpenJPEG's around packets."""
    return _main_header(shape, bits, levels, colours) + _tile_part(len(packets)) + packets + _END


def _siz(shape: tuple[int, int, int], bits: int) -> bytes:
    """Segment that says how large a picture is: one tile, all components alike."""
    components, height, width = shape
    places = (width, height, 0, 0, width, height, 0, 0)
    head = struct.pack(">HHH8IH", _SIZ, 38 + 3 * components, 0, *places, components)
    return head + bytes([bits - 1, 1, 1]) * components


def _cod(components: int, levels: int, colours: bool = True) -> bytes:
    """Segment that says how a picture is coded."""
    mct = _mixes(components, colours)
    return struct.pack(">HHBBHBB", _COD, 12, 0, 0, 1, mct, levels) + _CODE_BLOCK + b"\0" + _IRREVERSIBLE


def _main_header(shape: tuple[int, int, int], bits: int, levels: int, colours: bool) -> bytes:
    """Main header of a codestream of OpenJPEG's."""
    steps = [_LOWEST[levels], *(step for level in reversed(_DETAIL[:levels]) for step in level)]
    steps = [step + (bits - 8 << 11) for step in steps]
    style = _GUARD_BITS << 5 | _EXPOUNDED
    qcd = struct.pack(f">HHB{len(steps)}H", _QCD, 3 + 2 * len(steps), style, *steps)
    return struct.pack(">H", _SOC) + _siz(shape, bits) + _cod(shape[0], levels, colours) + qcd


def _tile_part(count: int) -> bytes:
    """Header of the only tile-part, of so many bytes of packets."""
    return struct.pack(">HHHIBBH", _SOT, 10, 0, count + 14, 0, 1, _SOD)


def _check(data: bytes, shape: tuple[int, int, int], bits: int) -> None:
    """Refusal of all but what :func:`encode` writes, so that decoding is bounded by the shape."""
    levels = all_levels(*shape[1:])
    expected = {_SOC: struct.pack(">H", _SOC), _SIZ: _siz(shape, bits), _COD: _cod(shape[0], levels)}
    found = []
    for marker, start, stop in _segments(data):
        found.append(marker)
        segment = data[start:stop]
        if marker in expected:
            if _no_profile(segment) != expected[marker]:
                raise CorruptStream("The JPEG 2000 codestream of a tile is of another shape than the tile.")
        elif marker == _QCD:
            # Two bytes for each subband, of a style that has as many; guard bits may be any.
            if len(segment) != 5 + 2 * (3 * levels + 1) or segment[4] & 0x1F != _EXPOUNDED:
                raise CorruptStream("The JPEG 2000 codestream of a tile is malformed.")
        elif marker == _SOT:
            whole = _tile_part(len(segment) - 16)
            if segment[: len(whole)] != whole or segment[-2:] != _END:
                raise CorruptStream("The JPEG 2000 codestream of a tile is malformed.")
    if found != [_SOC, _SIZ, _COD, _QCD, _SOT]:
        raise CorruptStream("The JPEG 2000 codestream of a tile is not one that belongs there.")
