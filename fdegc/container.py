"""The ``.fdegc`` file: bytes to header, index, payloads and blocks, and back (``docs/format.md``).

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

import contextlib
import hashlib
import os
import secrets
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from typing_extensions import Self

from fdegc.errors import Cancelled, CorruptStream, FdegcError, OutOfMemory, OutputExists, OutputFailed
from fdegc.header import MAX_BLOCK, MAX_PAYLOAD, PREFIX, StreamHeader
from fdegc.journal import Journal, open_plainly

MAGIC = b"\x89FDEGC\r\n\x1a\n"
END_MAGIC = b"FDGE"

#: Blocks of a file, the TAIL apart.
MAX_BLOCKS = 256

_ENTRY = struct.Struct("<IBIII")
_ENTRY_TYPE = np.dtype([("length", "<u4"), ("dither", "u1"), ("phi", "<u4"), ("y", "<u4"), ("crc", "<u4")])
_BLOCK = struct.Struct("<4sII")
_TRAILER = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_TAIL = b"TAIL"
_TRAILER_SIZE = _TRAILER.size + _CRC.size + len(END_MAGIC)
# The TAIL holds header, index and the blocks' heads, and may be larger than other blocks.
_MAX_TAIL = MAX_BLOCK + (64 << 10) + MAX_BLOCKS * _BLOCK.size
# Blocks up to this size are read and checked when a file is opened.
_SMALL_BLOCK = 64 << 10
_CHUNK = 1 << 20

# What the work can be continued after: nothing is wrong with what was written so far.
_RESUMABLE = (Cancelled, KeyboardInterrupt, OutputFailed, OutputExists, OutOfMemory, MemoryError)


def _with_crc(data: bytes) -> bytes:
    return data + _CRC.pack(zlib.crc32(data))


def _block_crc(tag: bytes, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(tag))


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Where a unit's payload lies and what it must decode to."""

    offset: int
    length: int
    dither: int
    phi_hash: int
    y_hash: int
    crc: int


class UnitIndex:
    """The index of a file: a sequence of :class:`IndexEntry`, 25 bytes of memory each.

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
class _BlockPlace:
    """Where a block's data lies, and its head."""

    tag: bytes
    offset: int
    length: int
    crc: int

    @property
    def head(self) -> bytes:
        return _BLOCK.pack(self.tag, self.length, self.crc)

    @property
    def end(self) -> int:
        return self.offset + self.length

    @property
    def name(self) -> str:
        return self.tag.decode("ascii", "replace") if self.tag.isalnum() else self.tag.hex()


def _places(heads: bytes, start: int) -> tuple[_BlockPlace, ...]:
    """Blocks that lie without gaps from an offset on."""
    places = []
    for tag, length, crc in _BLOCK.iter_unpack(heads):
        places.append(_BlockPlace(tag, start + _BLOCK.size, length, crc))
        start += _BLOCK.size + length
    return tuple(places)


def _front(header: StreamHeader, index: bytes) -> bytes:
    """Everything before the first payload."""
    return MAGIC + _with_crc(header.pack()) + _with_crc(index)


def _back(header: StreamHeader, index: bytes, heads: bytes, offset: int) -> bytes:
    """Everything behind the last block: the TAIL block, which starts at ``offset``, and the trailer."""
    data = header.pack() + index + heads
    tail = _BLOCK.pack(_TAIL, len(data), _block_crc(_TAIL, data)) + data
    return tail + _with_crc(_TRAILER.pack(offset)) + END_MAGIC


class ContainerWriter:
    """Writes a ``.fdegc`` under a temporary name and renames it when everything is in it.

    Parameters
    ----------
    path : Path
    header : StreamHeader
    overwrite : bool
    fingerprint : bytes, optional
        Says what is coded and how (for example a hash of source and options).  If given, the
        temporary name is ``<name>.part`` and a journal of the finished units lies beside it: a run
        that was killed or suspended is continued by the next writer with the same fingerprint and
        header; what another run left is overwritten.

    Attributes
    ----------
    payload_bytes : int
        Bytes of the payloads so far.

    Raises
    ------
    OutputExists
    OutputFailed
        Also if another process is writing the same file with a journal.
    """

    def __init__(
        self, path: Path, header: StreamHeader, *, overwrite: bool = False, fingerprint: bytes | None = None
    ) -> None:
        self.path = Path(path)
        self.header = header
        self.payload_bytes = 0
        self._index = bytearray()
        self._blocks: dict[bytes, bytes] = {}
        self._overwrite = overwrite
        self._file: BinaryIO | None = None
        self._journal: Journal | None = None
        self._temporary: Path | None = None
        if self.path.exists() and not overwrite:
            raise OutputExists(f"{self.path} exists already; choose another name or allow overwriting.")
        self._payload_at = len(_front(header, b"")) + header.units * _ENTRY.size
        try:
            self._open(fingerprint)
        except OSError as error:
            raise self._failed(error) from error
        except BaseException:
            self.suspend()
            raise

    def _open(self, fingerprint: bytes | None) -> None:
        if fingerprint is None:
            self._temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
            self._file = self._temporary.open("xb")
        else:
            part = self.path.with_name(f"{self.path.name}.part")
            digest = hashlib.sha256(hashlib.sha256(fingerprint).digest() + self.header.pack()).digest()
            self._journal = Journal(part.with_name(f"{part.name}.journal"), digest, _ENTRY.size)
            # Only the owner of the journal may touch the part.
            self._temporary = part
            self._file = open_plainly(part)
            self._pick_up(self._file, self._journal)
        self._file.seek(0)
        self._file.write(MAGIC + _with_crc(self.header.pack()))
        self._file.seek(self._payload_at + self.payload_bytes)

    def _pick_up(self, file: BinaryIO, journal: Journal) -> None:
        """Take over the units that are whole; what follows the first damaged one is dropped."""
        file.seek(self._payload_at)
        for length, dither, phi_hash, y_hash, crc in _ENTRY.iter_unpack(journal.records):
            payload = file.read(min(length, MAX_PAYLOAD))
            if len(payload) != length or zlib.crc32(payload) != crc or self.units_done == self.header.units:
                break
            self._index += _ENTRY.pack(length, dither, phi_hash, y_hash, crc)
            self.payload_bytes += length
        journal.keep(self.units_done)
        file.truncate(self._payload_at + self.payload_bytes)

    def _failed(self, error: OSError) -> OutputFailed:
        self._leave()
        return OutputFailed(
            f"{self.path} cannot be written: {error.strerror or error}. "
            "Choose another folder or make room, then try again."
        )

    def _running(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"{self.path} is no longer being written")
        return self._file

    @property
    def units_done(self) -> int:
        """Number of units that are in the file; the next one that :meth:`add` expects."""
        return len(self._index) // _ENTRY.size

    def add(self, payload: bytes, *, dither: int = 0, phi_hash: int = 0, y_hash: int = 0) -> None:
        """Append the next unit's payload.

        Raises
        ------
        OutputFailed
        """
        file = self._running()
        if len(payload) > MAX_PAYLOAD:
            raise OutputFailed(
                f"Unit {self.units_done} of {self.path} needs more than the {MAX_PAYLOAD >> 20} MiB that the "
                "format allows: choose smaller tiles."
            )
        entry = _ENTRY.pack(len(payload), dither, phi_hash, y_hash, zlib.crc32(payload))
        try:
            file.write(payload)
            if self._journal is not None:
                file.flush()
                self._journal.append(entry)
        except OSError as error:
            raise self._failed(error) from error
        self._index += entry
        self.payload_bytes += len(payload)

    def add_block(self, tag: bytes, data: bytes) -> None:
        """Add a block; a tag that starts in upper case must be understood by every reader.

        Raises
        ------
        OutputFailed
            If it is larger than the format allows.
        ValueError
            If the tag is not four bytes or was used already, or there are too many blocks.
        """
        if len(tag) != 4 or tag == _TAIL or tag in self._blocks or len(self._blocks) == MAX_BLOCKS:
            raise ValueError(f"a block {tag!r} cannot be added")
        if len(data) > MAX_BLOCK:
            raise OutputFailed(f"The block {tag.decode()} is larger than the format allows.")
        self._blocks[tag] = data

    def commit(self) -> int:
        """Complete the file and give it its name; returns its size in bytes.

        Raises
        ------
        OutputExists, OutputFailed
        ValueError
            If units are missing.
        """
        file = self._running()
        if self.units_done != self.header.units:
            raise ValueError(f"{self.units_done} of {self.header.units} units were written")
        try:
            size = self._complete(file)
            if self.path.exists() and not self._overwrite:
                raise OutputExists(f"{self.path} appeared meanwhile; choose another name.")
            file.close()
            assert self._temporary is not None
            os.replace(self._temporary, self.path)
            if self._journal is not None:
                self._journal.remove()
        except OSError as error:
            raise self._failed(error) from error
        self._file = self._journal = self._temporary = None
        return size

    def _complete(self, file: BinaryIO) -> int:
        """Write everything that is not a payload."""
        index = bytes(self._index)
        heads = b""
        for tag, data in self._blocks.items():
            head = _BLOCK.pack(tag, len(data), _block_crc(tag, data))
            file.write(head)
            file.write(data)
            heads += head
        file.write(_back(self.header, index, heads, file.tell()))
        size = file.tell()
        file.seek(self._payload_at - len(index) - _CRC.size)
        file.write(_with_crc(index))
        file.flush()
        os.fsync(file.fileno())
        return size

    def abort(self) -> None:
        """Leave nothing behind."""
        self._close_part()
        # What cannot be removed is no reason to hide why the work ended.
        with contextlib.suppress(OSError):
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)
        # The journal is the lock of the part: it goes last.
        if self._journal is not None:
            self._journal.remove()
        self._temporary = self._journal = None

    def suspend(self) -> None:
        """Stop, but keep what is finished for a later run; like :meth:`abort` without a fingerprint."""
        if self._journal is None:
            self.abort()
            return
        self._close_part()
        self._journal.close()
        self._temporary = self._journal = None

    def _close_part(self) -> None:
        if self._file is not None:
            # A full disk refuses the rest of the buffer once more.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _leave(self) -> None:
        if self.units_done:
            self.suspend()
        else:
            self.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, _RESUMABLE):
            self._leave()
        else:
            self.abort()


class _Blocks(Mapping[bytes, bytes]):
    """Sound blocks by tag: small ones are in memory, the others are read and checked when asked for."""

    def __init__(self, places: Sequence[_BlockPlace], load: Callable[[_BlockPlace], bytes | None]) -> None:
        self._places = {place.tag: place for place in places}
        self._load = load
        self._small: dict[bytes, bytes] = {}
        self.damaged: list[bytes] = []
        for place in tuple(self._places.values()):
            if place.length <= _SMALL_BLOCK and (data := self._read(place)) is not None:
                self._small[place.tag] = data

    def _read(self, place: _BlockPlace) -> bytes | None:
        data = self._load(place)
        if data is None:
            self.damaged.append(place.tag)
            del self._places[place.tag]
        return data

    def __getitem__(self, tag: bytes) -> bytes:
        if tag in self._small:
            return self._small[tag]
        data = self._read(self._places[tag])
        if data is None:
            raise KeyError(tag)
        return data

    def __iter__(self) -> Iterator[bytes]:
        return iter(tuple(self._places))

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True, slots=True)
class _Tail:
    """What the copy at the end says."""

    header: StreamHeader
    entries: UnitIndex
    heads: bytes


class ContainerReader:
    """Reads a ``.fdegc``; everything is checked before it is believed or allocated.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    header : StreamHeader
    entries : UnitIndex
    blocks : mapping of bytes to bytes
        By tag, without the damaged ones.  Blocks above 64 KiB are read and checked each time they
        are asked for; a damaged one is a KeyError then.
    size : int
        Bytes of the file.
    recovered : bool
        Whether header and index had to be taken from the copy at the end.
    chain_broken : bool
        Whether blocks may be missing that are not even known by tag: the file ends early, or both
        a block's length and the copy at the end are damaged.

    Raises
    ------
    CorruptStream, UnsupportedStream
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self._file = self.path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            self._open()
        except OSError as error:
            self._file.close()
            raise self._unreadable(error) from error
        except BaseException:
            self._file.close()
            raise

    def _unreadable(self, error: OSError) -> CorruptStream:
        return CorruptStream(f"{self.path} cannot be read: {error.strerror or error}.")

    # -------------------------------------------------------------------------- opening

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
            self.header, self.entries = self._read_front()
            tail = self._matching_tail(self._tail_offset())
        except CorruptStream:
            # Damage at the front: the copy at the end holds the same.
            tail = self._read_tail(self._tail_offset())
            if tail is None:
                raise CorruptStream(f"{self.path.name} is damaged or truncated beyond recovery.") from None
            self.header, self.entries = tail.header, tail.entries
            self.recovered = True
        self._find_blocks(tail)
        self._blocks = _Blocks(self._block_places, self._read_block)
        self.blocks: Mapping[bytes, bytes] = self._blocks

    def _take(self, count: int) -> bytes:
        data = self._file.read(count) if count <= self.size else b""
        if len(data) != count:
            raise CorruptStream(f"{self.path.name} is truncated.")
        return data

    def _read_front(self) -> tuple[StreamHeader, UnitIndex]:
        prefix = self._take(PREFIX.size)
        packed = prefix + self._take(PREFIX.unpack(prefix)[2])
        if _CRC.unpack(self._take(_CRC.size))[0] != zlib.crc32(packed):
            raise CorruptStream(f"The header of {self.path.name} is damaged.")
        header = StreamHeader.unpack(packed)
        index = self._take(header.units * _ENTRY.size)
        if _CRC.unpack(self._take(_CRC.size))[0] != zlib.crc32(index):
            raise CorruptStream(f"The index of {self.path.name} is damaged.")
        return header, UnitIndex(index, self._file.tell())

    def _tail_offset(self) -> int | None:
        """Where the trailer says that the TAIL block starts; None if the trailer is damaged."""
        if self.size < _TRAILER_SIZE:
            return None
        self._file.seek(self.size - _TRAILER_SIZE)
        trailer = self._take(_TRAILER_SIZE)
        if trailer != _with_crc(trailer[: _TRAILER.size]) + END_MAGIC:
            return None
        (offset,) = _TRAILER.unpack_from(trailer)
        return int(offset) if offset < self.size else None

    def _read_tail(self, offset: int | None) -> _Tail | None:
        """The TAIL block at an offset; None if it is damaged.

        Raises
        ------
        CorruptStream, UnsupportedStream
            If its header is sound but cannot be used.
        """
        if offset is None:
            return None
        head = self._block_head(offset)
        if head is None or head.tag != _TAIL or (data := self._read_block(head)) is None:
            return None
        end = PREFIX.size + PREFIX.unpack_from(data)[2] if len(data) >= PREFIX.size else 0
        header = StreamHeader.unpack(data[:end])
        heads_at = end + header.units * _ENTRY.size
        heads = data[heads_at:]
        if len(data) < heads_at or len(heads) % _BLOCK.size or len(heads) > MAX_BLOCKS * _BLOCK.size:
            return None
        index = data[end:heads_at]
        return _Tail(header, UnitIndex(index, len(_front(header, b"")) + len(index)), heads)

    def _matching_tail(self, offset: int | None) -> _Tail | None:
        """The TAIL block at an offset, if it is sound and belongs to the header and index at the front."""
        try:
            tail = self._read_tail(offset)
        except FdegcError:
            return None
        if tail is None or (tail.header, tail.entries) != (self.header, self.entries):
            return None
        return tail

    def _find_blocks(self, tail: _Tail | None) -> None:
        """Learn where the blocks are: from the copy at the end, else by following the chain of lengths."""
        self.chain_broken = self._tail_damaged = False
        if tail is None:
            self._block_places, tail_at = self._walk(self.entries.end)
            self.chain_broken = tail_at is None
            tail = self._matching_tail(tail_at)
            self._tail_damaged = tail is None
        if tail is not None:
            self._block_places = _places(tail.heads, self.entries.end)

    def _walk(self, offset: int) -> tuple[tuple[_BlockPlace, ...], int | None]:
        """Blocks from an offset on, and where the TAIL starts; None if the chain does not lead there."""
        places: list[_BlockPlace] = []
        while len(places) <= MAX_BLOCKS and (place := self._block_head(offset)) is not None:
            if place.tag == _TAIL:
                return tuple(places), offset
            places.append(place)
            offset = place.end
        return tuple(places[:MAX_BLOCKS]), None

    def _block_head(self, offset: int) -> _BlockPlace | None:
        """The block at an offset; None if it does not fit the file or the limits."""
        if offset + _BLOCK.size > self.size:
            return None
        self._file.seek(offset)
        tag, length, crc = _BLOCK.unpack(self._take(_BLOCK.size))
        place = _BlockPlace(tag, offset + _BLOCK.size, length, crc)
        return place if self._fits(place) else None

    def _fits(self, place: _BlockPlace) -> bool:
        limit = _MAX_TAIL if place.tag == _TAIL else MAX_BLOCK
        return place.length <= limit and place.end <= self.size

    # -------------------------------------------------------------------------- contents

    def _read_block(self, place: _BlockPlace) -> bytes | None:
        """Data of a block; None if it is damaged."""
        if not self._fits(place):
            return None
        try:
            self._file.seek(place.offset)
            data = self._take(place.length)
        except OSError as error:
            raise self._unreadable(error) from error
        return data if _block_crc(place.tag, data) == place.crc else None

    @property
    def damaged_blocks(self) -> tuple[bytes, ...]:
        """Tags of blocks found damaged so far; blocks above 64 KiB are not looked at before they are read."""
        return (*self._blocks.damaged, *([_TAIL] if self._tail_damaged else []))

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
        if entry.length > MAX_PAYLOAD:
            raise CorruptStream(f"Tile {tile} of {self.path.name} is larger than the format allows.")
        try:
            self._file.seek(entry.offset)
            data = self._take(entry.length)
        except OSError as error:
            raise self._unreadable(error) from error
        if zlib.crc32(data) != entry.crc:
            raise CorruptStream(f"Tile {tile} of {self.path.name} is damaged.")
        return data

    # -------------------------------------------------------------------------- checking

    def verify(self, tick: Callable[[], None] | None = None) -> list[str]:
        """Check every byte of the file against its checksums and copies.

        Parameters
        ----------
        tick : callable, optional
            Called after each unit, for progress and cancellation.

        Returns
        -------
        list of str
            One sentence a problem, with the bytes it concerns; empty for a sound file.

        Raises
        ------
        CorruptStream
            If the file cannot be read any further.
        """
        try:
            return [*self._verify_front(), *self._verify_payloads(tick), *self._verify_blocks()]
        except OSError as error:
            raise self._unreadable(error) from error

    def _verify_front(self) -> list[str]:
        front = _front(self.header, self.entries.packed)
        what = "header and index at the front are damaged; their copy at the end serves"
        return self._compare(0, front, what)

    def _verify_payloads(self, tick: Callable[[], None] | None) -> list[str]:
        problems = []
        for unit, entry in enumerate(self.entries):
            if entry.offset + entry.length > self.size:
                last = len(self.entries) - 1
                problems.append(f"The file ends at byte {self.size}: units {unit} to {last} are missing.")
                break
            try:
                self.payload(unit)
            except CorruptStream as error:
                where = _span(entry.offset, entry.offset + entry.length)
                group = unit % self.header.groups
                problems.append(f"{where} (unit {unit}, band group {group}): {error}")
            if tick is not None:
                tick()
        return problems

    def _verify_blocks(self) -> list[str]:
        problems = []
        for place in self._block_places:
            mended = f"the head of block {place.name} is damaged; its copy at the end serves"
            problems += self._compare(place.offset - _BLOCK.size, place.head, mended)
            if not self._sound(place):
                where = _span(place.offset, place.end)
                problems.append(f"{where}: the data of block {place.name} are damaged or missing.")
        if len({place.tag for place in self._block_places}) < len(self._block_places):
            problems.append("A block is there more than once.")
        end = self._block_places[-1].end if self._block_places else self.entries.end
        if self.chain_broken:
            problems.append(
                f"From byte {end} on blocks are damaged or missing; the file has {self.size} bytes."
            )
            return problems
        back = self._expected_back(end)
        problems += self._compare(end, back, "the copy of header, index and block heads is damaged")
        end += len(back)
        if self.size > end:
            problems.append(f"{_span(end, self.size)}: these do not belong to the file.")
        return problems

    def _expected_back(self, offset: int) -> bytes:
        heads = b"".join(place.head for place in self._block_places)
        return _back(self.header, self.entries.packed, heads, offset)

    def _sound(self, place: _BlockPlace) -> bool:
        """Whether a block's CRC is right, without holding all of it."""
        if not self._fits(place):
            return False
        self._file.seek(place.offset)
        crc, left = zlib.crc32(place.tag), place.length
        while left:
            data = self._take(min(left, _CHUNK))
            crc = zlib.crc32(data, crc)
            left -= len(data)
        return crc == place.crc

    def _compare(self, offset: int, expected: bytes, what: str) -> list[str]:
        """Say where the file differs from what must be at an offset."""
        self._file.seek(offset)
        found = self._file.read(len(expected))
        if found == expected:
            return []
        if len(found) < len(expected):
            return [f"The file ends at byte {self.size}, {len(expected) - len(found)} bytes early: {what}."]
        different = np.flatnonzero(np.frombuffer(found, np.uint8) != np.frombuffer(expected, np.uint8))
        return [f"{_span(offset + int(different[0]), offset + int(different[-1]) + 1)}: {what}."]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _span(start: int, end: int) -> str:
    return f"Byte {start}" if end - start == 1 else f"Bytes {start} to {end - 1}"
