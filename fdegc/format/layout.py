"""Layout of a ``.fdegc`` file: front, unit index, blocks, trailer.

Layout, little-endian throughout::

    magic | version, flags, header length | header | CRC-32
    index: one entry a unit | CRC-32
    payloads, in unit order, without gaps
    blocks: tag, length, CRC-32, data
    TAIL block: copy of version … header, of the index, and of the blocks' heads | trailer

A *unit* is one group of three bands of one tile; units are ordered by tile, then by group.
Payload offsets follow from the lengths, so the index does not store them.  From version 2 on, a file of
few units that has no blocks ends without a TAIL block: its trailer is the four bytes that end all files.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.format import MAGIC
from fdegc.format.header import MAX_BLOCK, StreamHeader
from fdegc.format.kinds import UnitKind

END_MAGIC = b"FDGE"

#: Blocks of a file, the TAIL apart.
MAX_BLOCKS = 256

#: Index entries by version of the format.
_ENTRY_TYPES = {
    1: np.dtype([("length", "<u4"), ("dither", "u1"), ("phi", "<u4"), ("y", "<u4"), ("crc", "<u4")]),
    2: np.dtype(
        [
            ("length", "<u4"),
            ("kind", "u1"),
            ("quality", "u1"),
            ("fidelity", "u1"),
            ("dither", "u1"),
            ("phi", "<u2"),
            ("y", "<u2"),
            ("crc", "<u4"),
        ]
    ),
}
#: Bits of the hashes of φ and ŷ by version: all of their CRC-32, or the lower half of it.
HASH_BITS = {1: 32, 2: 16}
#: Units of a file that may end without a TAIL block.
SHORT_UNITS = 4
BLOCK = struct.Struct("<4sII")
TRAILER = struct.Struct("<Q")
CRC = struct.Struct("<I")
TAIL = b"TAIL"
TRAILER_SIZE = TRAILER.size + CRC.size + len(END_MAGIC)
# The TAIL holds header, index and the blocks' heads, and may be larger than other blocks.
_MAX_TAIL = MAX_BLOCK + (64 << 10) + MAX_BLOCKS * BLOCK.size


def crc32(data: bytes, start: int = 0) -> int:
    """CRC-32 checksum that the format uses everywhere; ``start`` is that of the bytes before."""
    return zlib.crc32(data, start)


def with_crc(data: bytes) -> bytes:
    """Data, then their CRC-32."""
    return data + CRC.pack(crc32(data))


def block_crc(tag: bytes, data: bytes) -> int:
    """CRC-32 in the head of a block."""
    return crc32(data, crc32(tag))


def entry_size(version: int) -> int:
    """Bytes of an index entry in a version of the format."""
    return _ENTRY_TYPES[version].itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """Index entry of a unit: place of its payload, what it is, and what it must decode to.

    Attributes
    ----------
    offset, length : int
        Of the payload in the file.
    kind : int
        A :class:`~fdegc.format.kinds.UnitKind`, or a number that only a later program knows.
    quality, fidelity : int
        Of the tile, in the first of its units, as :mod:`fdegc.format.kinds` packs them.
    dither, phi_hash, y_hash : int
        Of latents; hashes have as many bits as the version stores.
    crc : int
        CRC-32 of the payload.
    """

    offset: int = 0
    length: int
    kind: int = UnitKind.LATENTS
    quality: int = 0
    fidelity: int = 0
    dither: int = 0
    phi_hash: int = 0
    y_hash: int = 0
    crc: int

    def pack(self, version: int) -> bytes:
        """The entry as stored by a version of the format."""
        mask = (1 << HASH_BITS[version]) - 1
        names = {"phi": self.phi_hash & mask, "y": self.y_hash & mask}
        kind = _ENTRY_TYPES[version]
        values = tuple(names[n] if n in names else getattr(self, n) for n in kind.names or ())
        return np.array([values], kind).tobytes()


class UnitIndex:
    """Index of a file: a sequence of :class:`IndexEntry`, some 25 bytes of memory each.

    Parameters
    ----------
    packed : bytes
        The entries as stored.
    start : int
        Offset of the first payload.
    version : int
        Of the format.
    """

    def __init__(self, packed: bytes, start: int, version: int) -> None:
        self.packed = packed
        self.start = start
        self._table = np.frombuffer(packed, _ENTRY_TYPES[version])
        self._ends = start + np.cumsum(self._table["length"], dtype=np.int64)

    @property
    def end(self) -> int:
        """Offset behind the last payload."""
        return int(self._ends[-1]) if len(self) else self.start

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, unit: int) -> IndexEntry:
        row = self._table[unit]
        fields = dict(zip(self._table.dtype.names or (), row.item(), strict=True))
        fields["phi_hash"], fields["y_hash"] = fields.pop("phi"), fields.pop("y")
        return IndexEntry(offset=int(self._ends[unit]) - fields["length"], **fields)

    def __iter__(self) -> Iterator[IndexEntry]:
        return (self[unit] for unit in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnitIndex):
            return NotImplemented
        return (self.packed, self.start) == (other.packed, other.start)

    __hash__ = None  # type: ignore[assignment]  # compared by content, never a key

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """Kind of every unit."""
        return self._column("kind")

    @property
    def fidelities(self) -> npt.NDArray[np.uint8]:
        """Fidelity of every unit's tile, as stored; meant where the unit is the first of its tile."""
        return self._column("fidelity")

    def _column(self, name: str) -> npt.NDArray[np.uint8]:
        if name not in (self._table.dtype.names or ()):
            return np.zeros(len(self), np.uint8)
        return np.ascontiguousarray(self._table[name])


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Place of a block's data, and its head."""

    tag: bytes
    offset: int
    length: int
    crc: int

    @property
    def head(self) -> bytes:
        """Head of the block, as stored before the data."""
        return BLOCK.pack(self.tag, self.length, self.crc)

    @property
    def end(self) -> int:
        """Offset behind the data."""
        return self.offset + self.length

    @property
    def name(self) -> str:
        """Tag of the block, fit to be shown."""
        return self.tag.decode("ascii", "replace") if self.tag.isalnum() else self.tag.hex()

    def fits(self, file_size: int) -> bool:
        """Whether the data lie inside the file and are no larger than the format allows."""
        return self.length <= (_MAX_TAIL if self.tag == TAIL else MAX_BLOCK) and self.end <= file_size


def block_places(heads: bytes, start: int) -> tuple[BlockPlace, ...]:
    """Places of blocks that lie without gaps from an offset on."""
    places = []
    for tag, length, crc in BLOCK.iter_unpack(heads):
        places.append(BlockPlace(tag, start + BLOCK.size, length, crc))
        start += BLOCK.size + length
    return tuple(places)


def pack_front(header: StreamHeader, index: bytes) -> bytes:
    """Bytes before the first payload."""
    return MAGIC + with_crc(header.pack()) + with_crc(index)


def file_size(header: StreamHeader, payload_bytes: int, blocks: Mapping[bytes, bytes]) -> int:
    """Bytes of a file with such payloads and blocks."""
    index = bytes(header.units * entry_size(header.version))
    front = len(pack_front(header, index))
    back = len(pack_back(header, index, bytes(BLOCK.size * len(blocks)), 0))
    return front + payload_bytes + sum(BLOCK.size + len(data) for data in blocks.values()) + back


def is_short(header: StreamHeader, heads: bytes) -> bool:
    """Whether a file with such heads of blocks ends without a TAIL block."""
    return header.version > 1 and header.units <= SHORT_UNITS and not heads


def pack_back(header: StreamHeader, index: bytes, heads: bytes, offset: int) -> bytes:
    """Bytes behind the last block: the TAIL block, which starts at ``offset``, and the trailer."""
    if is_short(header, heads):
        return END_MAGIC
    data = header.pack() + index + heads
    tail = BLOCK.pack(TAIL, len(data), block_crc(TAIL, data)) + data
    return tail + with_crc(TRAILER.pack(offset)) + END_MAGIC
