"""Writer of ``.fdegc`` files."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from typing_extensions import Self

from fdegc.atomic import beside, open_plainly, put
from fdegc.errors import Cancelled, OutOfMemory, OutputExists, OutputFailed
from fdegc.format import MAGIC
from fdegc.format.header import MAX_BLOCK, MAX_PAYLOAD, StreamHeader
from fdegc.format.journal import Journal
from fdegc.format.kinds import UnitKind
from fdegc.format.layout import (
    BLOCK,
    MAX_BLOCKS,
    TAIL,
    IndexEntry,
    UnitIndex,
    block_crc,
    crc32,
    entry_size,
    pack_back,
    pack_front,
    with_crc,
)

# What the work can be continued after: nothing is wrong with what was written so far.
_RESUMABLE = (Cancelled, KeyboardInterrupt, OutputFailed, OutputExists, OutOfMemory, MemoryError)

# Bytes that are moved at a time.
_CHUNK = 1 << 20


def part_path(path: Path) -> Path:
    """Name of the unfinished file that a suspended or killed run leaves beside its output."""
    return path.with_name(f"{path.name}.part")


class ContainerWriter:
    """Writer of a ``.fdegc`` under a temporary name, renamed when everything is in it.

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
    left : UnitIndex
        Units that an earlier run has left in the file.

    Raises
    ------
    OutputExists
    OutputBusy
        If another process is writing the same file with a journal.
    OutputFailed
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
            raise OutputExists(f"“{self.path}” exists already; choose another name or allow overwriting.")
        self._entry_size = entry_size(header.version)
        self._payload_at = len(pack_front(header, b"")) + header.units * self._entry_size
        # Where payloads lie until the file is completed.
        self._written_at = self._payload_at
        self.left = UnitIndex(b"", self._payload_at, header.version)
        try:
            self._open(fingerprint)
        except OSError as error:
            raise self._failed(error) from error
        except BaseException:
            self.suspend()
            raise

    def _open(self, fingerprint: bytes | None) -> None:
        if fingerprint is None:
            self._temporary = beside(self.path)
            self._file = self._temporary.open("x+b")
        else:
            part = part_path(self.path)
            digest = hashlib.sha256(hashlib.sha256(fingerprint).digest() + self.header.pack()).digest()
            self._journal = Journal(part.with_name(f"{part.name}.journal"), digest, self._entry_size)
            # Only the owner of the journal may touch the part.
            self._temporary = part
            self._file = open_plainly(part)
            self._pick_up(self._file, self._journal)
        self._file.seek(0)
        self._file.write(MAGIC + with_crc(self.header.pack()))
        self._file.seek(self._payload_at + self.payload_bytes)

    def _pick_up(self, file: BinaryIO, journal: Journal) -> None:
        """Take over the units that are whole; what follows the first damaged one is dropped."""
        file.seek(self._payload_at)
        for entry in UnitIndex(journal.records, self._payload_at, self.header.version):
            payload = file.read(min(entry.length, MAX_PAYLOAD))
            sound = len(payload) == entry.length and crc32(payload) == entry.crc
            if not sound or self.units_done == self.header.units:
                break
            self._index += entry.pack(self.header.version)
            self.payload_bytes += entry.length
        journal.keep(self.units_done)
        self.left = UnitIndex(bytes(self._index), self._payload_at, self.header.version)
        file.truncate(self._payload_at + self.payload_bytes)

    def _failed(self, error: OSError) -> OutputFailed:
        self._leave()
        return OutputFailed(
            f"“{self.path}” cannot be written: {error.strerror or error}. "
            "Choose another folder or make room, then try again."
        )

    def _running(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"“{self.path}” is no longer being written")
        return self._file

    @property
    def units_done(self) -> int:
        """Number of units that are in the file; the next one that :meth:`add` expects."""
        return len(self._index) // self._entry_size

    def payload(self, entry: IndexEntry) -> bytes:
        """Payload of a unit that an earlier run has left in the file, of its entry in :attr:`left`.

        Raises
        ------
        OutputFailed
        """
        file = self._running()
        try:
            file.flush()
            place = file.tell()
            file.seek(entry.offset)
            payload = file.read(entry.length)
            file.seek(place)
        except OSError as error:
            raise self._failed(error) from error
        return payload

    def add(
        self,
        payload: bytes,
        *,
        kind: UnitKind = UnitKind.LATENTS,
        quality: int = 0,
        fidelity: int = 0,
        dither: int = 0,
        phi_hash: int = 0,
        y_hash: int = 0,
    ) -> None:
        """Addition of the next unit's payload; see :class:`~fdegc.format.layout.IndexEntry`.

        Raises
        ------
        OutputFailed
        """
        file = self._running()
        if len(payload) > MAX_PAYLOAD:
            raise OutputFailed(
                f"Unit {self.units_done} of “{self.path}” needs more than the {MAX_PAYLOAD >> 20} MiB that "
                "the format allows: choose smaller tiles."
            )
        entry = IndexEntry(
            length=len(payload),
            kind=kind,
            quality=quality,
            fidelity=fidelity,
            dither=dither,
            phi_hash=phi_hash,
            y_hash=y_hash,
            crc=crc32(payload),
        ).pack(self.header.version)
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
        """Addition of a block; a tag that starts in upper case must be understood by every reader.

        Raises
        ------
        OutputFailed
            If it is larger than the format allows.
        ValueError
            If the tag is not four bytes or was used already, or there are too many blocks.
        """
        if len(tag) != 4 or tag == TAIL or tag in self._blocks or len(self._blocks) == MAX_BLOCKS:
            raise ValueError(f"a block {tag!r} cannot be added")
        if len(data) > MAX_BLOCK:
            raise OutputFailed(f"The block {tag.decode()} is larger than the format allows.")
        self._blocks[tag] = data

    def leave_out_network(self) -> None:
        """Removal of what the file says for a network, once all units are in it and none is latents.

        The header gets shorter, a tile one unit, and the payloads move up when the file is completed.

        Raises
        ------
        ValueError
            If units are missing or latents.
        """
        old = self.header
        entries = UnitIndex(bytes(self._index), self._payload_at, old.version)
        if len(entries) != old.units or (entries.kinds == UnitKind.LATENTS).any():
            raise ValueError("only a file that is complete and has no latents needs no network")
        header = old.without_network
        step = self._entry_size
        # All but the first unit of a tile are empty, and of the rest the places follow from the lengths.
        self._index = bytearray().join(
            self._index[at : at + step] for at in range(0, len(self._index), step * old.groups)
        )
        self.header = header
        self._payload_at = len(pack_front(header, bytes(self._index)))

    def allow_contexts(self) -> None:
        """Leave for lossless planes to have strips that are coded by contexts, once it is known that some do.

        Only then: earlier builds read all other files, and an interrupted run goes on from its header.
        """
        self.header = replace(self.header, contexts=True)

    def commit(self) -> int:
        """Completion of the file, which gets its name; returns its size in bytes.

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
            file.close()
            assert self._temporary is not None
            put(self._temporary, self.path, overwrite=self._overwrite)
            if self._journal is not None:
                self._journal.remove()
        except OSError as error:
            raise self._failed(error) from error
        self._file = self._journal = self._temporary = None
        return size

    def _complete(self, file: BinaryIO) -> int:
        """Write everything that is not a payload."""
        index = bytes(self._index)
        heads, ahead = b"", self._written_at - self._payload_at
        for tag, data in self._blocks.items():
            head = BLOCK.pack(tag, len(data), block_crc(tag, data))
            file.write(head)
            file.write(data)
            heads += head
        file.write(pack_back(self.header, index, heads, file.tell() - ahead))
        size = file.tell() - ahead
        file.flush()
        if ahead:
            # Not before: where room runs out the next run goes on from the units that are there.
            self._move_up(file, size)
        file.seek(0)
        file.write(pack_front(self.header, index))
        file.flush()
        os.fsync(file.fileno())
        return size

    def _move_up(self, file: BinaryIO, size: int) -> None:
        """Move everything behind the index to its place in a file of so many bytes, behind the header."""
        for at in range(self._payload_at, size, _CHUNK):
            file.seek(at + self._written_at - self._payload_at)
            data = file.read(min(_CHUNK, size - at))
            file.seek(at)
            file.write(data)
        file.truncate(size)

    def abort(self) -> None:
        """Abandonment of the file: nothing is left behind."""
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
        """Suspension: what is finished is kept for a later run; as :meth:`abort` without a fingerprint."""
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
