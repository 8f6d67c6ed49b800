"""Continuing an interrupted run: what is finished is kept, whatever ended the run, and nothing else is."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.errors import Cancelled, FdegcError, OutOfMemory, OutputExists, OutputFailed
from fdegc.format.header import StreamHeader
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter

HEADER = StreamHeader(1000, 600, 4, "uint8", 512, 32, 1024, b"12345678", "lite")
PAYLOADS = [bytes([unit]) * (20 + unit) for unit in range(HEADER.units)]
PRINT = b"source and options"


def open_writer(path: Path, header: StreamHeader = HEADER, fingerprint: bytes = PRINT) -> ContainerWriter:
    return ContainerWriter(path, header, fingerprint=fingerprint)


def fill(writer: ContainerWriter, stop: int = HEADER.units) -> None:
    for unit in range(writer.units_done, stop):
        writer.add(PAYLOADS[unit], dither=unit, phi_hash=unit + 1, y_hash=unit + 2)


def finish(writer: ContainerWriter) -> bytes:
    with writer:
        fill(writer)
        writer.add_block(b"blck", b"data")
        writer.commit()
    return writer.path.read_bytes()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "a.fdegc"


@pytest.fixture
def expected(tmp_path: Path) -> bytes:
    """The file that an uninterrupted run without a journal writes."""
    path = tmp_path / "expected"
    with ContainerWriter(path, HEADER) as writer:
        data = finish(writer)
    path.unlink()
    return data


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


LEFT = ["a.fdegc.part", "a.fdegc.part.journal"]


def test_an_uninterrupted_run_writes_the_same_file(out: Path, expected: bytes) -> None:
    assert finish(open_writer(out)) == expected
    assert names(out.parent) == ["a.fdegc"]


@pytest.mark.parametrize("done", [1, 3, HEADER.units])
def test_a_suspended_run_is_continued(out: Path, expected: bytes, done: int) -> None:
    writer = open_writer(out)
    fill(writer, done)
    writer.suspend()
    assert names(out.parent) == LEFT
    writer = open_writer(out)
    assert writer.units_done == done
    assert writer.payload_bytes == sum(map(len, PAYLOADS[:done]))
    assert finish(writer) == expected
    with ContainerReader(out) as reader:
        assert reader.verify() == []
    assert names(out.parent) == ["a.fdegc"]


@pytest.mark.parametrize(
    "error", [Cancelled("x"), KeyboardInterrupt(), OutputFailed("x"), MemoryError(), OutOfMemory("x")]
)
def test_these_ends_keep_what_is_finished(out: Path, expected: bytes, error: BaseException) -> None:
    with pytest.raises(type(error)), open_writer(out) as writer:
        fill(writer, 2)
        raise error
    assert names(out.parent) == LEFT
    assert finish(open_writer(out)) == expected


@pytest.mark.parametrize(("error", "done"), [(RuntimeError(), 2), (Cancelled("x"), 0)])
def test_these_ends_keep_nothing(out: Path, error: BaseException, done: int) -> None:
    with pytest.raises(type(error)), open_writer(out) as writer:
        fill(writer, done)
        raise error
    assert names(out.parent) == []


def test_leaving_without_committing_keeps_nothing(out: Path) -> None:
    with open_writer(out) as writer:
        fill(writer, 2)
    assert names(out.parent) == []
    with pytest.raises(ValueError, match="no longer"):
        writer.add(b"1")


def test_without_a_fingerprint_nothing_is_kept(out: Path) -> None:
    with pytest.raises(Cancelled), ContainerWriter(out, HEADER) as writer:
        fill(writer, 2)
        raise Cancelled("x")
    writer = ContainerWriter(out, HEADER)
    fill(writer, 2)
    writer.suspend()
    assert names(out.parent) == []


@pytest.mark.parametrize(
    ("header", "fingerprint"), [(HEADER, b"other options"), (replace(HEADER, quality_steps=512), PRINT)]
)
def test_another_run_starts_over(out: Path, header: StreamHeader, fingerprint: bytes) -> None:
    writer = open_writer(out)
    fill(writer, 5)
    writer.suspend()
    with open_writer(out, header, fingerprint) as writer:
        assert writer.units_done == writer.payload_bytes == 0
        fill(writer)
        writer.commit()
    with ContainerReader(out) as reader:
        assert reader.header == header and reader.verify() == []
    assert names(out.parent) == ["a.fdegc"]


def test_a_file_that_appeared_meanwhile_loses_neither(out: Path, expected: bytes) -> None:
    with pytest.raises(OutputExists), open_writer(out) as writer:
        fill(writer)
        writer.add_block(b"blck", b"data")
        out.write_bytes(b"precious")
        writer.commit()
    assert out.read_bytes() == b"precious"
    out.unlink()
    assert finish(open_writer(out)) == expected


def test_what_is_said_at_the_end_does_not_keep_a_run_from_going_on(out: Path) -> None:
    header = replace(HEADER, has_mask=True)

    def written(writer: ContainerWriter) -> bytes:
        with writer:
            fill(writer)
            writer.allow_contexts()
            writer.commit()
        return out.read_bytes()

    once = written(open_writer(out, header))
    out.unlink()
    with pytest.raises(OutputFailed, match="No space left"), open_writer(out, header) as writer:
        fill(writer, 5)
        writer._file = Full(writer._running(), 250)
        written(writer)
    writer = open_writer(out, header)
    assert writer.units_done >= 5 and not writer.header.contexts
    assert written(writer) == once
    with ContainerReader(out) as reader:
        assert reader.header == replace(header, contexts=True)
        assert reader.verify() == [] and not reader.recovered
    damaged = bytearray(once)
    damaged[12] ^= 1
    out.write_bytes(damaged)
    with ContainerReader(out) as reader:
        assert reader.recovered and reader.header.contexts


# ------------------------------------------------------------------------------ damage


def interrupted(out: Path, done: int = 5) -> tuple[Path, Path]:
    """Part and journal of a run that was stopped after some units."""
    writer = open_writer(out)
    fill(writer, done)
    writer.suspend()
    return out.with_name(LEFT[0]), out.with_name(LEFT[1])


def test_a_torn_record_is_dropped(out: Path, expected: bytes) -> None:
    _, record_file = interrupted(out)
    record_file.write_bytes(record_file.read_bytes()[:-3])
    writer = open_writer(out)
    assert writer.units_done == 4
    assert finish(writer) == expected


def test_units_before_a_damaged_payload_are_kept(out: Path, expected: bytes) -> None:
    part, _ = interrupted(out)
    data = bytearray(part.read_bytes())
    data[data.index(PAYLOADS[2])] ^= 1
    part.write_bytes(data)
    writer = open_writer(out)
    assert writer.units_done == 2
    assert finish(writer) == expected


def test_payload_that_never_reached_the_disk_is_not_believed(out: Path, expected: bytes) -> None:
    part, _ = interrupted(out)
    part.write_bytes(part.read_bytes()[:-3])
    writer = open_writer(out)
    assert writer.units_done == 4
    assert finish(writer) == expected


@pytest.mark.parametrize("lost", [0, 1])
def test_either_file_may_be_gone(out: Path, expected: bytes, lost: int) -> None:
    interrupted(out)[lost].unlink()
    writer = open_writer(out)
    assert writer.units_done == 0
    assert finish(writer) == expected


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1), st.integers(0, 500), st.integers(1, 255), st.booleans())
def test_no_damage_to_part_or_journal_reaches_the_file(
    tmp_path_factory: pytest.TempPathFactory, which: int, at: int, change: int, cut: bool
) -> None:
    out = tmp_path_factory.mktemp("damage") / "a.fdegc"
    victim = interrupted(out)[which]
    data = bytearray(victim.read_bytes())
    at %= len(data)
    data[at] ^= change
    victim.write_bytes(data[: at + 1] if cut else data)
    finish(open_writer(out))
    with ContainerReader(out) as reader:
        assert reader.verify() == []
        assert [reader.payload(unit) for unit in range(HEADER.units)] == PAYLOADS
        assert [entry.y_hash for entry in reader.entries] == [unit + 2 for unit in range(HEADER.units)]


class Full:
    """A file on a full disk: takes so many bytes and no more."""

    def __init__(self, file: object, room: int) -> None:
        self._file, self._room = file, room

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)


def test_a_full_disk_keeps_what_fitted(out: Path, expected: bytes) -> None:
    with pytest.raises(OutputFailed, match="No space left"), open_writer(out) as writer:
        writer._file = Full(writer._file, 70)
        fill(writer)
    writer = open_writer(out)
    assert writer.units_done == 3
    assert finish(writer) == expected


def test_a_full_disk_at_the_end_keeps_all_units(out: Path, expected: bytes) -> None:
    with pytest.raises(OutputFailed), open_writer(out) as writer:
        fill(writer)
        writer.add_block(b"blck", b"data")
        writer._file = Full(writer._file, 30)
        writer.commit()
    writer = open_writer(out)
    assert writer.units_done == HEADER.units
    assert finish(writer) == expected


def test_what_cannot_be_removed_hides_no_error_and_holds_no_lock(
    out: Path, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(ZeroDivisionError), open_writer(out) as writer:
            fill(writer, 2)
            raise ZeroDivisionError
    assert names(out.parent) == LEFT
    assert finish(open_writer(out)) == expected


# ------------------------------------------------------------------------------ two at once


def test_only_one_writes(out: Path, expected: bytes) -> None:
    first = open_writer(out)
    fill(first, 3)
    for fingerprint in (PRINT, b"other"):
        with pytest.raises(OutputFailed, match=r"a\.fdegc” is being written by another process"):
            open_writer(out, fingerprint=fingerprint)
    assert finish(first) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be removed there")
@pytest.mark.parametrize("end", ["commit", "abort"])
def test_a_lock_on_a_journal_that_was_removed_is_worth_nothing(
    out: Path, expected: bytes, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    first = open_writer(out)
    fill(first)
    first.add_block(b"blck", b"data")
    fcntl = pytest.importorskip("fcntl")
    lock, waiting = fcntl.flock, [getattr(first, end)]

    def first_ends_before_we_lock(file: int, how: int) -> None:
        if waiting:
            waiting.pop()()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", first_ends_before_we_lock)
    second = ContainerWriter(out, HEADER, fingerprint=PRINT)
    assert second.units_done == 0
    if end == "commit":
        assert out.read_bytes() == expected, "the second must not write into the first one's file"
        out.unlink()
    assert finish(second) == expected


def test_a_file_system_without_locks_is_no_obstacle(
    out: Path, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("msvcrt.locking" if sys.platform == "win32" else "fcntl.flock", refuse)
    assert finish(open_writer(out)) == expected


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs O_NOFOLLOW")
@pytest.mark.parametrize("name", LEFT)
def test_links_are_not_followed(out: Path, name: str) -> None:
    precious = out.with_name("precious")
    precious.write_bytes(b"precious")
    out.with_name(name).symlink_to(precious)
    with pytest.raises(OutputFailed, match="cannot be written"):
        open_writer(out)
    assert precious.read_bytes() == b"precious"


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(FdegcError, match="cannot be written"):
        open_writer(tmp_path / "none" / "a.fdegc")


# ------------------------------------------------------------------------------ killed

CHILD = """
import sys
from pathlib import Path
from fdegc.format.writer import ContainerWriter
sys.path.insert(0, sys.argv[2])
from test_journal import PRINT, fill, open_writer
writer = open_writer(Path(sys.argv[1]))
fill(writer, 3)
writer._file.write(b"half a payload")
writer._file.flush()
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_process_leaves_what_it_finished_and_no_lock(out: Path, expected: bytes) -> None:
    command = [sys.executable, "-c", CHILD, str(out), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "written\n"
        with pytest.raises(OutputFailed, match="another process"):
            open_writer(out)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert names(out.parent) == LEFT
    writer = open_writer(out)
    assert writer.units_done == 3
    assert finish(writer) == expected
    assert names(out.parent) == ["a.fdegc"]
