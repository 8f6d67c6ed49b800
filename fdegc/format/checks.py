"""Integrity checks of every byte of a ``.fdegc`` file, and what is wrong in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO, Protocol

import numpy as np

from fdegc.errors import CorruptStream
from fdegc.format.header import StreamHeader
from fdegc.format.layout import BLOCK, BlockPlace, UnitIndex, crc32, pack_back, pack_front

_CHUNK = 1 << 20


class Contents(Protocol):
    """Header, index and blocks that the reader of a file found in it."""

    header: StreamHeader
    entries: UnitIndex
    size: int
    chain_broken: bool

    def payload(self, unit: int) -> bytes:
        """Payload of a unit; CorruptStream if it is missing or damaged."""


class Checker:
    """Comparison of a file with its checksums and copies.

    Parameters
    ----------
    file : binary file
    contents : Contents
        Of the file.
    places : sequence of BlockPlace
        The blocks, the TAIL apart.
    """

    def __init__(self, file: BinaryIO, contents: Contents, places: Sequence[BlockPlace]) -> None:
        self._file = file
        self._contents = contents
        self._places = places

    def problems(self, tick: Callable[[], None] | None = None) -> list[str]:
        """Problems of the file, one sentence each; ``tick`` is called after each unit.

        Raises
        ------
        OSError
        """
        return [*self._front(), *self._payloads(tick), *self._blocks()]

    def _front(self) -> list[str]:
        front = pack_front(self._contents.header, self._contents.entries.packed)
        what = "header and index at the front are damaged; their copy at the end serves"
        return self._compare(0, front, what)

    def _payloads(self, tick: Callable[[], None] | None) -> list[str]:
        contents, problems = self._contents, []
        for unit, entry in enumerate(contents.entries):
            if entry.offset + entry.length > contents.size:
                last = len(contents.entries) - 1
                problems.append(f"The file ends at byte {contents.size}: units {unit} to {last} are missing.")
                break
            try:
                contents.payload(unit)
            except CorruptStream as error:
                where = _span(entry.offset, entry.offset + entry.length)
                group = unit % contents.header.groups
                problems.append(f"{where} (unit {unit}, band group {group}): {error}")
            if tick is not None:
                tick()
        return problems

    def _blocks(self) -> list[str]:
        contents, problems = self._contents, []
        for place in self._places:
            mended = f"the head of block {place.name} is damaged; its copy at the end serves"
            problems += self._compare(place.offset - BLOCK.size, place.head, mended)
            if not self._sound(place):
                where = _span(place.offset, place.end)
                problems.append(f"{where}: the data of block {place.name} are damaged or missing.")
        if len({place.tag for place in self._places}) < len(self._places):
            problems.append("A block is there more than once.")
        end = self._places[-1].end if self._places else contents.entries.end
        if contents.chain_broken:
            problems.append(
                f"From byte {end} on blocks are damaged or missing; the file has {contents.size} bytes."
            )
            return problems
        back = self._expected_back(end)
        problems += self._compare(end, back, "the copy of header, index and block heads is damaged")
        end += len(back)
        if contents.size > end:
            problems.append(f"{_span(end, contents.size)}: these do not belong to the file.")
        return problems

    def _expected_back(self, offset: int) -> bytes:
        heads = b"".join(place.head for place in self._places)
        return pack_back(self._contents.header, self._contents.entries.packed, heads, offset)

    def _sound(self, place: BlockPlace) -> bool:
        """Whether a block's CRC is right, without holding all of it."""
        if not place.fits(self._contents.size):
            return False
        self._file.seek(place.offset)
        crc, left = crc32(place.tag), place.length
        while left:
            data = self._file.read(min(left, _CHUNK))
            if not data:
                return False
            crc = crc32(data, crc)
            left -= len(data)
        return crc == place.crc

    def _compare(self, offset: int, expected: bytes, what: str) -> list[str]:
        """Say where the file differs from what must be at an offset."""
        self._file.seek(offset)
        found = self._file.read(len(expected))
        if found == expected:
            return []
        if len(found) < len(expected):
            early = len(expected) - len(found)
            return [f"The file ends at byte {self._contents.size}, {early} bytes early: {what}."]
        different = np.flatnonzero(np.frombuffer(found, np.uint8) != np.frombuffer(expected, np.uint8))
        return [f"{_span(offset + int(different[0]), offset + int(different[-1]) + 1)}: {what}."]


def _span(start: int, end: int) -> str:
    return f"Byte {start}" if end - start == 1 else f"Bytes {start} to {end - 1}"
