"""The ``.fdegc`` file: bytes to header, index, payloads and blocks, and back (``docs/format.md``).

Layout, little-endian throughout::

    magic | version, flags, header length | header | CRC-32
    index: one entry a unit | CRC-32
    payloads, in unit order, without gaps
    blocks: tag, length, CRC-32, data
    TAIL block: copy of version … header and of the index | trailer

A *unit* is one group of three bands of one tile; units are ordered by tile, then by group.
Payload offsets follow from the lengths, so the index does not store them.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from typing_extensions import Self

from fdegc.errors import CorruptStream, OutputExists, OutputFailed
from fdegc.header import PREFIX, StreamHeader

MAGIC = b"\x89FDEGC\r\n\x1a\n"
END_MAGIC = b"FDGE"

MAX_BLOCK = 256 << 20

_ENTRY = struct.Struct("<IBIII")
_BLOCK = struct.Struct("<4sII")
_TRAILER = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_TAIL = b"TAIL"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Where a unit's payload lies and what it must decode to."""

    offset: int
    length: int
    dither: int
    phi_hash: int
    y_hash: int
    crc: int

    def pack(self) -> bytes:
        """Bytes of the entry; the offset follows from the lengths before it."""
        return _ENTRY.pack(self.length, self.dither, self.phi_hash, self.y_hash, self.crc)


def _write_block(file: BinaryIO, tag: bytes, data: bytes) -> None:
    file.write(_BLOCK.pack(tag, len(data), zlib.crc32(tag + data)))
    file.write(data)


class ContainerWriter:
    """Writes a ``.fdegc`` under a temporary name and renames it when everything is in it.

    Parameters
    ----------
    path : Path
    header : StreamHeader
    overwrite : bool

    Raises
    ------
    OutputExists, OutputFailed
    """

    def __init__(self, path: Path, header: StreamHeader, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.header = header
        self.payload_bytes = 0
        self._entries: list[IndexEntry] = []
        self._blocks: list[tuple[bytes, bytes]] = []
        self._overwrite = overwrite
        if self.path.exists() and not overwrite:
            raise OutputExists(f"{self.path} exists already; choose another name or allow overwriting.")
        self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        packed = header.pack()
        self._index_at = len(MAGIC) + len(packed) + _CRC.size
        self._payload_at = self._index_at + header.units * _ENTRY.size + _CRC.size
        try:
            self._file = self._temporary.open("wb")
            self._file.write(MAGIC + packed + _CRC.pack(zlib.crc32(packed)))
            self._file.write(bytes(self._payload_at - self._index_at))
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputFailed:
        self.abort()
        return OutputFailed(
            f"{self.path} cannot be written: {error.strerror or error}. "
            "Choose another folder or make room, then try again."
        )

    def add(self, payload: bytes, *, dither: int = 0, phi_hash: int = 0, y_hash: int = 0) -> None:
        """Append the next unit's payload."""
        offset = self._payload_at + self.payload_bytes
        entry = IndexEntry(offset, len(payload), dither, phi_hash, y_hash, zlib.crc32(payload))
        self._entries.append(entry)
        self.payload_bytes += len(payload)
        try:
            self._file.write(payload)
        except OSError as error:
            raise self._failed(error) from error

    def add_block(self, tag: bytes, data: bytes) -> None:
        """Add a block; a tag that starts in upper case must be understood by every reader."""
        if len(data) > MAX_BLOCK:
            raise OutputFailed(f"The block {tag.decode()} is larger than the format allows.")
        self._blocks.append((tag, data))

    def commit(self) -> int:
        """Complete the file and give it its name; returns its size in bytes."""
        if len(self._entries) != self.header.units:
            raise ValueError(f"{len(self._entries)} of {self.header.units} units were written")
        index = b"".join(entry.pack() for entry in self._entries)
        file = self._file
        try:
            for tag, data in self._blocks:
                _write_block(file, tag, data)
            tail_at = file.tell()
            _write_block(file, _TAIL, self.header.pack() + index)
            trailer = _TRAILER.pack(tail_at)
            file.write(trailer + _CRC.pack(zlib.crc32(trailer)) + END_MAGIC)
            size = file.tell()
            file.seek(self._index_at)
            file.write(index + _CRC.pack(zlib.crc32(index)))
            file.flush()
            os.fsync(file.fileno())
            file.close()
            if self.path.exists() and not self._overwrite:
                raise OutputExists(f"{self.path} appeared meanwhile; choose another name.")
            os.replace(self._temporary, self.path)
        except OSError as error:
            raise self._failed(error) from error
        return size

    def abort(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "_file"):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            self.abort()
        elif kind is not None:
            self._temporary.unlink(missing_ok=True)


class ContainerReader:
    """Reads a ``.fdegc``; everything is checked before it is believed or allocated.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    header : StreamHeader
    entries : tuple of IndexEntry
    blocks : mapping of bytes to bytes
    size : int
        Bytes of the file.
    recovered : bool
        Whether the copy at the end had to be used.
    damaged_blocks : tuple of bytes
        Tags of blocks that were dropped because their CRC is wrong.
    chain_broken : bool
        Whether blocks may be missing that are not even known by tag: the file ends early, or a
        block's length is damaged.

    Raises
    ------
    CorruptStream, UnsupportedStream
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self._file = self.path.open("rb")
            self.size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise CorruptStream(f"{self.path} cannot be read: {error.strerror or error}.") from error
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> None:
        start = self._file.read(len(MAGIC))
        if start != MAGIC:
            raise CorruptStream(
                f"{self.path.name} is not an FDEGC file"
                + (
                    ", or was damaged by a text-mode transfer."
                    if start[:6] == MAGIC[:6]
                    else "; open it as an image."
                )
            )
        self.recovered = False
        try:
            self.header, self.entries, end = self._read_front()
        except CorruptStream:
            # Damage at the front: the copy at the end holds the same.
            self.header, self.entries, end = self._read_tail()
            self.recovered = True
        self.damaged_blocks: tuple[bytes, ...] = ()
        self.blocks = self._read_blocks(end)

    def _take(self, count: int) -> bytes:
        if count > self.size:
            raise CorruptStream(f"{self.path.name} is truncated.")
        data = self._file.read(count)
        if len(data) != count:
            raise CorruptStream(f"{self.path.name} is truncated.")
        return data

    def _read_front(self) -> tuple[StreamHeader, tuple[IndexEntry, ...], int]:
        prefix = self._take(PREFIX.size)
        packed = prefix + self._take(PREFIX.unpack(prefix)[2])
        if _CRC.unpack(self._take(_CRC.size))[0] != zlib.crc32(packed):
            raise CorruptStream(f"The header of {self.path.name} is damaged.")
        header = StreamHeader.unpack(packed)
        start = self._file.tell() + header.units * _ENTRY.size + _CRC.size
        index = self._take(header.units * _ENTRY.size)
        if _CRC.unpack(self._take(_CRC.size))[0] != zlib.crc32(index):
            raise CorruptStream(f"The index of {self.path.name} is damaged.")
        return header, *self._parse_index(index, start)

    def _read_tail(self) -> tuple[StreamHeader, tuple[IndexEntry, ...], int]:
        length = _TRAILER.size + _CRC.size + len(END_MAGIC)
        hopeless = CorruptStream(f"{self.path.name} is damaged or truncated beyond recovery.")
        if self.size < length:
            raise hopeless
        self._file.seek(self.size - length)
        trailer = self._take(length)
        (crc,) = _CRC.unpack_from(trailer, _TRAILER.size)
        if crc != zlib.crc32(trailer[: _TRAILER.size]) or trailer[-4:] != END_MAGIC:
            raise hopeless
        (at,) = _TRAILER.unpack_from(trailer)
        if at > self.size - length:
            raise hopeless
        self._file.seek(at)
        block = self._next_block()
        if block is None or block[0] != _TAIL or block[1] is None:
            raise hopeless
        data = block[1]
        if len(data) < PREFIX.size:
            raise hopeless
        end = PREFIX.size + PREFIX.unpack_from(data)[2]
        header = StreamHeader.unpack(data[:end])
        if len(data) - end != header.units * _ENTRY.size:
            raise hopeless
        start = len(MAGIC) + end + _CRC.size + header.units * _ENTRY.size + _CRC.size
        return header, *self._parse_index(data[end:], start)

    def _parse_index(self, index: bytes, offset: int) -> tuple[tuple[IndexEntry, ...], int]:
        entries = []
        for length, dither, phi_hash, y_hash, crc in _ENTRY.iter_unpack(index):
            entries.append(IndexEntry(offset, length, dither, phi_hash, y_hash, crc))
            offset += length
        return tuple(entries), offset

    def _next_block(self) -> tuple[bytes, bytes | None] | None:
        """Tag and data of the block here; data is None if damaged; None at a broken chain."""
        head = self._file.read(_BLOCK.size)
        if len(head) < _BLOCK.size:
            return None
        tag, length, crc = _BLOCK.unpack(head)
        if length > min(MAX_BLOCK, self.size - self._file.tell()):
            return None
        data = self._take(length)
        return tag, data if zlib.crc32(tag + data) == crc else None

    def _read_blocks(self, start: int) -> Mapping[bytes, bytes]:
        blocks: dict[bytes, bytes] = {}
        damaged = []
        self.chain_broken = False
        self._file.seek(min(start, self.size))
        while True:
            block = self._next_block()
            if block is None:
                self.chain_broken = True
                damaged.append(_TAIL)
                break
            tag, data = block
            if tag == _TAIL:
                if data is None:
                    damaged.append(_TAIL)
                break
            if data is None:
                damaged.append(tag)
            else:
                blocks[tag] = data
        self.damaged_blocks = tuple(damaged)
        return blocks

    def payload(self, unit: int) -> bytes:
        """Payload of a unit.

        Raises
        ------
        CorruptStream
            If it is missing or its CRC is wrong.
        """
        entry = self.entries[unit]
        tile = unit // self.header.groups
        if entry.offset + entry.length > self.size:
            raise CorruptStream(f"Tile {tile} of {self.path.name} is missing: the file is truncated.")
        self._file.seek(entry.offset)
        data = self._take(entry.length)
        if zlib.crc32(data) != entry.crc:
            raise CorruptStream(f"Tile {tile} of {self.path.name} is damaged.")
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
