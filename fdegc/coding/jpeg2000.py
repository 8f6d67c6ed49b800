"""JPEG 2000 codestreams of small pictures, through GDAL: made at a size, bounded before they are decoded.

Rec. ITU-T T.800 | ISO/IEC 15444-1.  A codestream here has one tile, one layer, no precincts, code-blocks of
64 × 64, the 9/7 transform, and the irreversible colour transform where there are three components.  Its main
header is SIZ, COD and QCD alone, its only tile-part has no header of its own.  What is written elsewhere is
refused before a library sees it.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fdegc.errors import CorruptStream

Integers = npt.NDArray[np.unsignedinteger[npt.NBitBase]]

_SOC, _SIZ, _COD, _QCD, _COM, _SOT, _SOD, _EOC = (
    0xFF4F, 0xFF51, 0xFF52, 0xFF5C, 0xFF64, 0xFF90, 0xFF93, 0xFFD9,
)  # fmt: skip
_DRIVER = "JP2OpenJPEG"
# rasterio warns of whatever has no place on Earth, and filters of warnings are no matter of single threads.
_PLACE = (2.0, 0.0, 0.0, 0.0, -2.0, 0.0)
_WORLD = b"2\n0\n0\n-2\n0\n0\n"
_MOST_LEVELS = 5
_DEFAULT_BLOCK = 1024
_CODE_BLOCK = bytes([4, 4])  # exponents less two: 64 × 64
_IRREVERSIBLE = b"\0"
_EXPOUNDED = 2  # style of quantization


def _levels(height: int, width: int) -> int:
    """Halvings of a picture: five, or as many as GDAL allows for its shorter side."""
    return min(_MOST_LEVELS, max(min(height, width).bit_length() - 2, 0))


def encode(samples: Integers, bits: int, size: int) -> bytes:
    """JPEG 2000 codestream of a picture, of at most about a size.

    Parameters
    ----------
    samples : ndarray of uint8 or uint16, shape (components, height, width)
    bits : int
        1 to 16; samples are below 2^bits.
    size : int
        Bytes that are wanted.  OpenJPEG keeps below it, apart from the headers of tiny pictures.
    """
    from affine import Affine
    from rasterio.io import MemoryFile

    components, height, width = samples.shape
    # rasterio keeps GDAL's 1024 unless asked in small letters, and then drops what is wider than the picture.
    options = {"blockxsize": str(width)} if width > _DEFAULT_BLOCK else {}
    # GDAL warns of one resolution where it would take no more itself.
    options |= {"RESOLUTIONS": str(_levels(height, width) + 1)} if min(height, width) > 1 else {}
    rate = 100.0 * 8 * size / (samples.size * bits)
    with MemoryFile() as file:
        with file.open(
            driver=_DRIVER,
            width=width,
            height=height,
            count=components,
            dtype=samples.dtype,
            transform=Affine(*_PLACE),
            CODEC="J2K",
            REVERSIBLE="NO",
            QUALITY=f"{min(max(rate, 1e-3), 100.0):.6f}",
            PRECINCTS="",
            YCC="YES" if components == 3 else "NO",
            BLOCKYSIZE="2048",
            NBITS=str(bits),
            **options,
        ) as picture:
            picture.write(samples)
        data = bytes(file.getbuffer())
    return b"".join(data[start:stop] for marker, start, stop in _segments(data) if marker != _COM)


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
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile

    _check(data, shape, bits)
    kind = np.uint8 if bits <= 8 else np.uint16
    try:
        folder = uuid.uuid4().hex
        with (
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


def _check(data: bytes, shape: tuple[int, int, int], bits: int) -> None:
    """Refusal of all but what :func:`encode` writes, so that decoding is bounded by the shape."""
    components, height, width = shape
    levels = _levels(height, width)
    siz = (
        struct.pack(
            ">HHH8IH", _SIZ, 38 + 3 * components, 0, width, height, 0, 0, width, height, 0, 0, components
        )
        + bytes([bits - 1, 1, 1]) * components
    )
    mct = components == 3
    cod = struct.pack(">HHBBHBB", _COD, 12, 0, 0, 1, mct, levels) + _CODE_BLOCK + b"\0" + _IRREVERSIBLE
    expected = {_SOC: struct.pack(">H", _SOC), _SIZ: siz, _COD: cod}
    found = []
    for marker, start, stop in _segments(data):
        found.append(marker)
        segment = data[start:stop]
        if marker in expected:
            # The capabilities say which profile the encoder had in mind, and bind nobody.
            if (segment[:4] + b"\0\0" + segment[6:] if marker == _SIZ else segment) != expected[marker]:
                raise CorruptStream("The JPEG 2000 codestream of a tile is of another shape than the tile.")
        elif marker == _QCD:
            # Two bytes for each subband, of a style that has as many; guard bits may be any.
            if len(segment) != 5 + 2 * (3 * levels + 1) or segment[4] & 0x1F != _EXPOUNDED:
                raise CorruptStream("The JPEG 2000 codestream of a tile is malformed.")
        elif marker == _SOT:
            whole = struct.pack(">HHHIBBH", _SOT, 10, 0, len(segment) - 2, 0, 1, _SOD)
            if segment[: len(whole)] != whole or segment[-2:] != struct.pack(">H", _EOC):
                raise CorruptStream("The JPEG 2000 codestream of a tile is malformed.")
    if found != [_SOC, _SIZ, _COD, _QCD, _SOT]:
        raise CorruptStream("The JPEG 2000 codestream of a tile is not one that belongs there.")
