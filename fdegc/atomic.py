"""Files that are there as a whole or not at all, and in the hands of one process at a time."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fdegc.errors import OutputBusy, OutputExists

# ------------------------------------------------------------------------------ written, then renamed


def beside(path: Path, end: str = ".tmp") -> Path:
    """Name that nobody else takes, in the folder of a file: the last step is a rename then, not a copy."""
    return path.with_name(f".fdegc-{secrets.token_hex(8)}{end}")


def put(temporary: Path, path: Path, *, overwrite: bool = True) -> None:
    """Renaming of a finished temporary file to its own name.

    Raises
    ------
    OutputExists
        If there is one of that name, which must not be overwritten.
    OSError
    """
    if not overwrite and path.exists():
        raise OutputExists(f"“{path}” appeared meanwhile; choose another name.")
    os.replace(temporary, path)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """File that takes the place of another once all of it is on the disk; if that fails, nothing is changed.

    Raises
    ------
    OSError
    """
    temporary = beside(path)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put(temporary, path)
    except BaseException:
        # What cannot be removed is no reason to hide why the work ended.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def identity(path: str | os.PathLike[str]) -> bytes | None:
    """State of a file, which tells it from others and its own earlier ones; None if it is not there."""
    try:
        resolved = Path(path).resolve(strict=True)
        state = resolved.stat()
    except (OSError, RuntimeError):
        return None
    return os.fsencode(f"{resolved}\0{state.st_size}\0{state.st_mtime_ns}")


# ------------------------------------------------------------------------------ locked

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        # Locked bytes cannot be read by others, so one far behind the records is taken.
        os.lseek(file.fileno(), 1 << 40, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        os.lseek(file.fileno(), 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


_HELD = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}


def open_plainly(path: Path) -> BinaryIO:
    """File of a predictable name, open for reading and writing, created if needed; no links are followed."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b")


def _still_named(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def open_locked(path: Path) -> BinaryIO:
    """File, opened and locked, that no other process has locked; closing it gives it free.

    Raises
    ------
    OutputBusy
    """
    while True:
        file = open_plainly(path)
        try:
            _lock(file)
        except OSError as error:
            if error.errno not in _HELD:
                # A file system without locks: better unprotected than not at all.
                return file
            file.close()
            raise OutputBusy(
                f"“{path.with_suffix('').with_suffix('')}” is being written by another process. "
                "Wait for it, or choose another name."
            ) from error
        if _still_named(file, path):
            return file
        # Its former owner finished and removed it between our opening and locking it.
        file.close()


def in_use(path: Path) -> bool:
    """Whether a file is there and another process has it locked."""
    try:
        with open(path, "r+b") as file:
            _lock(file)
    except OSError as error:
        return error.errno in _HELD
    return False


def remove_stale(path: Path) -> None:
    """Removal of a file that nobody has locked: of a process that was killed before it could."""
    with contextlib.suppress(OSError), open(path, "r+b") as file:
        _lock(file)
        path.unlink()
