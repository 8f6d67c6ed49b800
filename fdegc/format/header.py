"""The header of a ``.fdegc`` file (``docs/format.md``)."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass

from fdegc.errors import CorruptStream, UnsupportedStream
from fdegc.raster_info import DTYPES, MAX_BANDS, MAX_PIXELS, MAX_SIDE
from fdegc.types import STRIDE, BandMapping

VERSION = 1
#: Required features this version knows, by bit; a set bit that is not here is refused.
KNOWN_FLAGS: dict[int, str] = {}

#: Units of a file: its index, 17 bytes a unit, has to fit in memory.
MAX_UNITS = 1 << 23
#: Bytes of one unit's payload and of one block's data.
MAX_PAYLOAD = 64 << 20
MAX_BLOCK = 256 << 20

#: Version, required flags, bytes of the header that follows.
PREFIX = struct.Struct("<BHH")
_FIXED = struct.Struct("<IIHBBBH8sB")
_MAPPING = struct.Struct("<dd")
# The byte of the sample type also says which lossless planes there must be.
_MASK_BIT, _ALPHA_BIT, _BANDS_BIT, _DTYPE_MASK = 0x10, 0x20, 0x40, 0x0F
# The name is shown to users and looked up: no control characters, no separators of paths.
_PROFILE = re.compile(r"[A-Za-z0-9._-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """Header of a stream: sizes, sample type, quality, weights and mapping.

    Attributes
    ----------
    width, height : int
        Pixels, 1 to 1 000 000 each.
    bands : int
        Coded bands, 1 to 64.
    dtype : str
        One of :data:`DTYPES`.
    tile_size : int
        Pixels, a multiple of 64, 64 to 2048.
    halo : int
        Pixels of ring that transforms see, a multiple of 16.
    quality_steps : int
        Quality × 256, 256 to 1536.
    weights_hash : bytes
        First 8 bytes of the weights file's SHA-256.
    profile : str
        Name of the network's profile: ASCII letters, digits, ``.``, ``_`` and ``-``.
    mapping : tuple of BandMapping
        One a band; empty for uint8 that keeps all its values (offset 0, scale 255).
    has_mask, has_alpha, has_band_masks : bool
        Whether a lossless validity mask, alpha band or masks of single bands belong to the file, in a
        block.
    """

    width: int
    height: int
    bands: int
    dtype: str
    tile_size: int
    halo: int
    quality_steps: int
    weights_hash: bytes
    profile: str
    mapping: tuple[BandMapping, ...] = ()
    has_mask: bool = False
    has_alpha: bool = False
    has_band_masks: bool = False

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return -(-self.width // self.tile_size) * -(-self.height // self.tile_size)

    @property
    def groups(self) -> int:
        """Number of band groups."""
        return -(-self.bands // 3)

    @property
    def units(self) -> int:
        """Number of coded units."""
        return self.tiles * self.groups

    def pack(self) -> bytes:
        """Version, flags, length and header, as stored."""
        name = self.profile.encode("ascii")
        body = _FIXED.pack(
            self.width,
            self.height,
            self.bands,
            DTYPES.index(self.dtype)
            | self.has_mask * _MASK_BIT
            | self.has_alpha * _ALPHA_BIT
            | self.has_band_masks * _BANDS_BIT,
            self.tile_size // 64,
            self.halo // STRIDE,
            self.quality_steps,
            self.weights_hash,
            len(name),
        )
        body += name + b"".join(_MAPPING.pack(m.offset, m.scale) for m in self.mapping)
        return PREFIX.pack(VERSION, 0, len(body)) + body

    @staticmethod
    def unpack(data: bytes) -> StreamHeader:
        """Header that :meth:`pack` wrote, parsed.

        Raises
        ------
        CorruptStream
            If a value lies outside the limits of the format, or bytes are missing.
        UnsupportedStream
            If the file needs a newer version.
        """
        if len(data) < PREFIX.size:
            raise CorruptStream("The file's header is malformed.")
        version, flags, length = PREFIX.unpack_from(data)
        if len(data) != PREFIX.size + length:
            raise CorruptStream("The file's header is malformed.")
        if version != VERSION:
            raise UnsupportedStream(
                f"This file is of format version {version}, this program reads version {VERSION}: "
                "update FDEGC."
            )
        unknown = [bit for bit in range(16) if flags >> bit & 1 and bit not in KNOWN_FLAGS]
        if unknown:
            raise UnsupportedStream(
                f"This file needs a feature this program does not know (flag {unknown[0]}). Update FDEGC."
            )
        body = data[PREFIX.size :]
        try:
            width, height, bands, dtype, tile, halo, steps, weights, name_length = _FIXED.unpack_from(body)
            name = body[_FIXED.size : _FIXED.size + name_length].decode("ascii")
            pairs = body[_FIXED.size + name_length :]
            mapping = tuple(BandMapping(*pair) for pair in _MAPPING.iter_unpack(pairs))
        except (struct.error, UnicodeDecodeError) as error:
            raise CorruptStream("The file's header is malformed.") from error
        sound = (
            1 <= width <= MAX_SIDE
            and 1 <= height <= MAX_SIDE
            and width * height <= MAX_PIXELS
            and 1 <= bands <= MAX_BANDS
            and dtype & _DTYPE_MASK < len(DTYPES)
            and dtype < 2 * _BANDS_BIT
            and 1 <= tile <= 32
            and halo <= 4 * tile
            and 256 <= steps <= 1536
            and len(name) == name_length
            and _PROFILE.fullmatch(name)
            and (len(mapping) == bands or (not mapping and dtype & _DTYPE_MASK == 0))
            and all(math.isfinite(m.offset) and math.isfinite(m.scale) for m in mapping)
        )
        if not sound:
            raise CorruptStream("The file's header holds values outside the limits of the format.")
        header = StreamHeader(
            width=width,
            height=height,
            bands=bands,
            dtype=DTYPES[dtype & _DTYPE_MASK],
            tile_size=tile * 64,
            halo=halo * STRIDE,
            quality_steps=steps,
            weights_hash=weights,
            profile=name,
            mapping=mapping,
            has_mask=bool(dtype & _MASK_BIT),
            has_alpha=bool(dtype & _ALPHA_BIT),
            has_band_masks=bool(dtype & _BANDS_BIT),
        )
        if header.units > MAX_UNITS:
            raise CorruptStream("The file's header claims more tiles than the format allows.")
        return header
