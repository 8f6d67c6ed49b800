"""Journal of finished records beside an unfinished file, so that a killed run can be continued.

The journal holds a digest of what the run is about, then one fixed-size record with its CRC-32 for
each finished piece of work.  It is also the lock: whoever has it open has the unfinished file to
himself, and the system releases the lock of a process that dies.
"""

from __future__ import annotations

import contextlib
import sys
import zlib
from pathlib import Path

from fdegc.atomic import open_locked

_MAGIC = b"FDEGCJ1\n"
_CRC_SIZE = 4


class Journal:
    """Journal of records that survive the process; see the module.

    Parameters
    ----------
    path : Path
        ``<name>.part.journal``.
    digest : bytes
        32 bytes that say what the run is about: records of another run are dropped.
    record_size : int
        Bytes of a record.

    Attributes
    ----------
    records : bytes
        The sound records found at opening, one after the other; a torn one ends them.

    Raises
    ------
    OutputBusy
        If another process has it open.
    OSError
    """

    def __init__(self, path: Path, digest: bytes, record_size: int) -> None:
        self.path = path
        self._head = _MAGIC + digest
        self._record_size = record_size
        self._file = open_locked(path)
        try:
            self.records = self._load()
            if not self.records:
                self._file.truncate(0)
                self._file.seek(0)
                self._file.write(self._head)
                self._file.flush()
        except BaseException:
            self._file.close()
            raise

    def _load(self) -> bytes:
        if self._file.read(len(self._head)) != self._head:
            return b""
        records = bytearray()
        while True:
            record = self._file.read(self._record_size)
            if self._file.read(_CRC_SIZE) != self._crc(record):
                return bytes(records)
            records += record

    @staticmethod
    def _crc(record: bytes) -> bytes:
        return zlib.crc32(record).to_bytes(_CRC_SIZE, "little")

    def keep(self, count: int) -> None:
        """Removal of all but the first records; the next one follows them."""
        end = len(self._head) + count * (self._record_size + _CRC_SIZE)
        self._file.truncate(end)
        self._file.seek(end)
        self.records = self.records[: count * self._record_size]

    def append(self, record: bytes) -> None:
        """Addition of a record; it is with the system when this returns."""
        self._file.write(record + self._crc(record))
        self._file.flush()

    def close(self) -> None:
        """Closing of the journal, which others can have then."""
        # What a full disk did not take is no finished record.
        with contextlib.suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        """Closing and, if possible, deletion of the journal; others may have it then."""
        # Windows does not remove open files; elsewhere nobody must lock it before it is gone.
        if sys.platform == "win32":
            self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.close()
