"""Reader of ``.fdegc`` files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Self

from fdegc.errors import CorruptStream, FdegcError
from fdegc.format import MAGIC
from fdegc.format.checks import Checker
from fdegc.format.header import MAX_PAYLOAD, PREFIX, StreamHeader
from fdegc.format.layout import (
    BLOCK,
    CRC,
    END_MAGIC,
    MAX_BLOCKS,
    TAIL,
    TRAILER,
    TRAILER_SIZE,
    BlockPlace,
    UnitIndex,
    block_crc,
    block_places,
    crc32,
    entry_size,
    is_short,
    pack_front,
    with_crc,
)

# Blocks up to this size are read and checked when a file is opened.
_SMALL_BLOCK = 64 << 10


class _Blocks(Mapping[bytes, bytes]):
    """Sound blocks by tag: small ones are in memory, the others are read and checked when asked for."""

    def __init__(self, places: Sequence[BlockPlace], load: Callable[[BlockPlace], bytes | None]) -> None:
        self._places = {place.tag: place for place in places}
        self._load = load
        self._small: dict[bytes, bytes] = {}
        self.damaged: list[bytes] = []
        for place in tuple(self._places.values()):
            if place.length <= _SMALL_BLOCK and (data := self._read(place)) is not None:
                self._small[place.tag] = data

    def _read(self, place: BlockPlace) -> bytes | None:
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
    """Reader of a ``.fdegc`` file; everything is checked before it is believed or allocated.

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
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            # Opening a pipe would wait for somebody who writes.
            raise CorruptStream(f"“{self.path}” is not an ordinary file; choose a .fdegc file.")
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
        return CorruptStream(f"“{self.path}” cannot be read: {error.strerror or error}.")

    # -------------------------------------------------------------------------- opening

    def _open(self) -> None:
        start = self._file.read(len(MAGIC))
        if not start:
            raise CorruptStream(f"“{self.path.name}” is empty; copy or download it again.")
        if start != MAGIC:
            raise CorruptStream(
                f"“{self.path.name}” is not an FDEGC file"
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
                raise CorruptStream(f"“{self.path.name}” is damaged or truncated beyond recovery.") from None
            self.header, self.entries = tail.header, tail.entries
            self.recovered = True
        self._find_blocks(tail)
        self._blocks = _Blocks(self._block_places, self._read_block)
        self.blocks: Mapping[bytes, bytes] = self._blocks

    def _take(self, count: int) -> bytes:
        data = self._file.read(count) if count <= self.size else b""
        if len(data) != count:
            raise CorruptStream(f"“{self.path.name}” is truncated.")
        return data

    def _read_front(self) -> tuple[StreamHeader, UnitIndex]:
        prefix = self._take(PREFIX.size)
        packed = prefix + self._take(PREFIX.unpack(prefix)[2])
        if CRC.unpack(self._take(CRC.size))[0] != crc32(packed):
            raise CorruptStream(f"The header of “{self.path.name}” is damaged.")
        header = StreamHeader.unpack(packed)
        index = self._take(header.units * entry_size(header.version))
        if CRC.unpack(self._take(CRC.size))[0] != crc32(index):
            raise CorruptStream(f"The index of “{self.path.name}” is damaged.")
        return header, UnitIndex(index, self._file.tell(), header.version)

    def _tail_offset(self) -> int | None:
        """Where the trailer says that the TAIL block starts; None if the trailer is damaged."""
        if self.size < TRAILER_SIZE:
            return None
        self._file.seek(self.size - TRAILER_SIZE)
        trailer = self._take(TRAILER_SIZE)
        if trailer != with_crc(trailer[: TRAILER.size]) + END_MAGIC:
            return None
        (offset,) = TRAILER.unpack_from(trailer)
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
        if head is None or head.tag != TAIL or (data := self._read_block(head)) is None:
            return None
        end = PREFIX.size + PREFIX.unpack_from(data)[2] if len(data) >= PREFIX.size else 0
        header = StreamHeader.unpack(data[:end])
        heads_at = end + header.units * entry_size(header.version)
        heads = data[heads_at:]
        if len(data) < heads_at or len(heads) % BLOCK.size or len(heads) > MAX_BLOCKS * BLOCK.size:
            return None
        index = data[end:heads_at]
        start = len(pack_front(header, b"")) + len(index)
        return _Tail(header, UnitIndex(index, start, header.version), heads)

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
        self._block_places: tuple[BlockPlace, ...] = ()
        self.chain_broken = self._tail_damaged = False
        if tail is None and not self._ends_short():
            self._block_places, tail_at = self._walk(self.entries.end)
            self.chain_broken = tail_at is None
            tail = self._matching_tail(tail_at)
            self._tail_damaged = tail is None
        if tail is not None:
            self._block_places = block_places(tail.heads, self.entries.end)

    def _ends_short(self) -> bool:
        """Whether nothing but the end of a file follows the payloads, as in one that needs no TAIL."""
        end = self.entries.end
        if not is_short(self.header, b"") or end + len(END_MAGIC) > self.size:
            return False
        self._file.seek(end)
        return self._take(len(END_MAGIC)) == END_MAGIC

    def _walk(self, offset: int) -> tuple[tuple[BlockPlace, ...], int | None]:
        """Blocks from an offset on, and where the TAIL starts; None if the chain does not lead there."""
        places: list[BlockPlace] = []
        while len(places) <= MAX_BLOCKS and (place := self._block_head(offset)) is not None:
            if place.tag == TAIL:
                return tuple(places), offset
            places.append(place)
            offset = place.end
        return tuple(places[:MAX_BLOCKS]), None

    def _block_head(self, offset: int) -> BlockPlace | None:
        """The block at an offset; None if it does not fit the file or the limits."""
        if offset + BLOCK.size > self.size:
            return None
        self._file.seek(offset)
        tag, length, crc = BLOCK.unpack(self._take(BLOCK.size))
        place = BlockPlace(tag, offset + BLOCK.size, length, crc)
        return place if place.fits(self.size) else None

    # -------------------------------------------------------------------------- contents

    def _read_block(self, place: BlockPlace) -> bytes | None:
        """Data of a block; None if it is damaged."""
        if not place.fits(self.size):
            return None
        try:
            self._file.seek(place.offset)
            data = self._take(place.length)
        except OSError as error:
            raise self._unreadable(error) from error
        return data if block_crc(place.tag, data) == place.crc else None

    @property
    def damaged_blocks(self) -> tuple[bytes, ...]:
        """Tags of blocks found damaged so far; blocks above 64 KiB are not looked at before they are read."""
        return (*self._blocks.damaged, *([TAIL] if self._tail_damaged else []))

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
            raise CorruptStream(f"Tile {tile} of “{self.path.name}” is missing: the file is truncated.")
        if entry.length > MAX_PAYLOAD:
            raise CorruptStream(f"Tile {tile} of “{self.path.name}” is larger than the format allows.")
        try:
            self._file.seek(entry.offset)
            data = self._take(entry.length)
        except OSError as error:
            raise self._unreadable(error) from error
        if crc32(data) != entry.crc:
            raise CorruptStream(f"Tile {tile} of “{self.path.name}” is damaged.")
        return data

    # -------------------------------------------------------------------------- checking

    def verify(self, tick: Callable[[], None] | None = None) -> list[str]:
        """Problems of the file, from every byte of it, its checksums and copies.

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
            return Checker(self._file, self, self._block_places).problems(tick)
        except OSError as error:
            raise self._unreadable(error) from error

    def close(self) -> None:
        """Closing of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
