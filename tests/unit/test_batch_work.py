"""One file of a batch: two attempts at one output, what an output was made from, a source that is gone."""

from __future__ import annotations

import functools
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from fdegc.batch import work
from fdegc.batch.listing import Job
from fdegc.batch.rows import FileRow
from fdegc.batch.work import Work, attempt, origin_of, standing
from fdegc.codec import Codec
from fdegc.control import CancelToken
from fdegc.format.header import StreamHeader
from fdegc.format.writer import ContainerWriter
from fdegc.options import EncodeOptions

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="locks of one process do not exclude each other there"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two pictures in ``in``."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("in/a.png", "in/b.tif"):
        Image.radial_gradient("L").convert("RGB").resize((130, 50)).save(name)
    return tmp_path


def outputs() -> list[str]:
    return sorted(path.name for path in Path("out").iterdir())


def job_and_work(folder: Path) -> tuple[Job, Work]:
    job = Job(folder / "in" / "a.png", folder / "out" / "a.fdegc", 0)
    job.output.parent.mkdir()
    return job, Work(EncodeOptions(4.0, 64), weights_hash=b"12345678")


def held(job: Job) -> ContainerWriter:
    """A writer of the same output, as of another process."""
    header = StreamHeader(64, 64, 1, "uint8", 64, 16, 1024, b"12345678", "lite")
    return ContainerWriter(job.output, header, fingerprint=b"other")


@functools.cache
def codec() -> Codec:
    """One codec for the attempts of all tests."""
    return Codec(device="cpu", threads=1)


class TellingToken(CancelToken):
    """A token that tells when somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Event()

    def wait(self, seconds: float) -> bool:
        self.waiting.set()
        return super().wait(seconds)


def started_attempt(job: Job, todo: Work, cancel: TellingToken) -> tuple[threading.Thread, list[FileRow]]:
    """An attempt in another thread that has come as far as to wait for its output."""
    result: list[FileRow] = []
    thread = threading.Thread(
        target=lambda: result.append(attempt(job, todo, codec, wait=True, cancel=cancel))
    )
    thread.start()
    assert cancel.waiting.wait(60)
    return thread, result


def test_an_attempt_waits_for_another_that_gives_up(folder: Path) -> None:
    job, todo = job_and_work(folder)
    other = held(job)
    assert "another process" in attempt(job, todo, codec, cancel=CancelToken()).message
    thread, result = started_attempt(job, todo, TellingToken())
    other.suspend()
    thread.join(60)
    assert result[0].status == "done"
    assert outputs() == ["a.fdegc"]


def test_an_attempt_takes_the_result_of_another(folder: Path) -> None:
    job, todo = job_and_work(folder)
    assert attempt(job, todo, codec, cancel=CancelToken()).status == "done"
    finished = job.output.rename(folder / "finished")
    other = held(job)
    thread, result = started_attempt(job, todo, TellingToken())
    finished.rename(job.output)
    other.suspend()  # killed after the output was in place: its journal is still there
    thread.join(60)
    assert result[0].status == "skipped"
    (folder / "out" / "a.fdegc.part").unlink(missing_ok=True)
    assert outputs() == ["a.fdegc"]


def test_waiting_ends_when_cancelled_or_without_hope(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, todo = job_and_work(folder)
    other = held(job)
    cancel = TellingToken()
    thread, result = started_attempt(job, todo, cancel)
    cancel.cancel()
    thread.join(60)
    assert result[0].status == "pending"
    monkeypatch.setattr(work, "PATIENCE", -1.0)
    row = attempt(job, todo, codec, wait=True, cancel=CancelToken())
    assert (row.status, "gets no further" in row.message) == ("failed", True)
    other.abort()


def test_an_origin_tells_sources_and_options_apart(folder: Path) -> None:
    todo = Work(EncodeOptions(4.0, 64), weights_hash=b"12345678")
    first = origin_of(Path("in/a.png"), todo)
    assert first is not None and first == origin_of((folder / "in" / "a.png"), todo)
    others = [Work(EncodeOptions(4.5, 64), weights_hash=b"12345678")]
    others += [Work(EncodeOptions(4.0, 128), weights_hash=b"12345678")]
    others += [Work(EncodeOptions(4.0, 64), weights_hash=b"1234567x")]
    for other in others:
        origin = origin_of(Path("in/a.png"), other)
        assert origin is not None and origin[:8] == first[:8] and origin[8:] != first[8:]
    origin = origin_of(Path("in/b.tif"), todo)
    assert origin is not None and origin[:8] != first[:8] and origin[8:] == first[8:]
    assert origin_of(Path("in/none.png"), todo) is None


def test_a_missing_source_is_not_judged_by_its_output(folder: Path) -> None:
    job, todo = job_and_work(folder)
    job.output.write_bytes(b"something")
    job.source.unlink()
    assert standing(job, todo) is None
    row = attempt(job, todo, codec, cancel=CancelToken())
    assert row.status == "failed" and "does not exist" in row.message
