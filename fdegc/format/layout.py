"""Layout of a ``.fdegc`` file: front, unit index, blocks, trailer.

Layout, little-endian throughout::

    magic | version, flags, header length | header | CRC-32
    index: one entry a unit | CRC-32
    payloads, in unit order, without gaps
    blocks: tag, length, CRC-32, data
    TAIL block: copy of version … header, of the index, and of the blocks' heads | trailer

A *unit* is one group of three bands of one tile; units are ordered by tile, then by group.
Payload offsets follow from the lengths, so the index does not store them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fdegc.format import MAGIC
from fdegc.format.header import MAX_BLOCK, StreamHeader

END_MAGIC = b"FDGE"

#: Blocks of a file, the TAIL apart.
MAX_BLOCKS = 256

ENTRY = struct.Struct("<IBIII")
_ENTRY_TYPE = np.dtype([("length", "<u4"), ("dither", "u1"), ("phi", "<u4"), ("y", "<u4"), ("crc", "<u4")])
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


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Index entry of a unit: place of its payload, and what it must decode to."""

    offset: int
    length: int
    dither: int
    phi_hash: int
    y_hash: int
    crc: int


class UnitIndex:
    """Index of a file: a sequence of :class:`IndexEntry`, 25 bytes of memory each.

    Parameters
    ----------
    packed : bytes
        The entries as stored.
    start : int
        Offset of the first payload.
    """

    def __init__(self, packed: bytes, start: int) -> None:
        self.packed = packed
        self.start = start
        self._table = np.frombuffer(packed, _ENTRY_TYPE)
        self._ends = start + np.cumsum(self._table["length"], dtype=np.int64)

    @property
    def end(self) -> int:
        """Offset behind the last payload."""
        return int(self._ends[-1]) if len(self) else self.start

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, unit: int) -> IndexEntry:
        length, dither, phi_hash, y_hash, crc = self._table[unit].item()
        return IndexEntry(int(self._ends[unit]) - length, length, dither, phi_hash, y_hash, crc)

    def __iter__(self) -> Iterator[IndexEntry]:
        return (self[unit] for unit in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnitIndex):
            return NotImplemented
        return (self.packed, self.start) == (other.packed, other.start)

    __hash__ = None  # type: ignore[assignment]  # compared by content, never a key


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
    index = bytes(header.units * ENTRY.size)
    front = len(pack_front(header, index))
    back = len(pack_back(header, index, bytes(BLOCK.size * len(blocks)), 0))
    return front + payload_bytes + sum(BLOCK.size + len(data) for data in blocks.values()) + back


def pack_back(header: StreamHeader, index: bytes, heads: bytes, offset: int) -> bytes:
    """Bytes behind the last block: the TAIL block, which starts at ``offset``, and the trailer."""
    data = header.pack() + index + heads
    tail = BLOCK.pack(TAIL, len(data), block_crc(TAIL, data)) + data
    return tail + with_crc(TRAILER.pack(offset)) + END_MAGIC
