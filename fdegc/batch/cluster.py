"""A batch on a Dask cluster: the workers read and write the files, on storage that all of them share.

A file is a task.  If its worker dies, the scheduler gives it to another one, which goes on from the
tiles that are on the disk; if the first one only seemed dead, the lock of the unfinished file makes
the second one wait for it.  So every file is completed once, whoever completes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import importlib
import logging
import platform
import queue
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc import __version__
from fdegc.atomic import beside
from fdegc.batch.listing import Job
from fdegc.batch.rows import FileRow
from fdegc.batch.running import BatchMeter, FileCallback, RowCallback
from fdegc.batch.work import Work, attempt
from fdegc.control import CancelToken, ProgressCallback
from fdegc.errors import ClusterUnavailable

if TYPE_CHECKING:
    from fdegc.codec import Codec

#: Seconds to connect to the scheduler.
CONNECT_SECONDS = 10
#: Seconds that a cluster may be without any worker: it may be one that starts them on demand.
WORKERLESS_SECONDS = 300.0
#: Seconds that files which are being worked on get to stop by themselves after Ctrl-C.
_STOP_SECONDS = 0.7
_POLL = 0.2
_KEPT = "finished files are kept, and the same command goes on"


# ------------------------------------------------------------------------------ on a worker

# A worker may run several tasks at once, in threads; a codec is for one.
_CODING = threading.Lock()
_STOPS: dict[str, CancelToken] = {}


@functools.lru_cache(maxsize=1)
def _codec(work: Work) -> Codec:
    return work.codec()


def _token(run: str) -> CancelToken:
    return _STOPS.setdefault(run, CancelToken())


def code_on_worker(source: str, output: str, work: Work, run: str) -> dict[str, Any]:
    """Fields of the row of one file, coded in a worker process."""
    job = Job(Path(source), Path(output), 0)
    cancel = _token(run)
    with _CODING:
        if cancel.cancelled:
            return dataclasses.asdict(FileRow(source, output, "pending", "Interrupted."))
        row = attempt(job, work, lambda: _codec(work), wait=True, cancel=cancel)
    return dataclasses.asdict(row)


def stop_on_worker(run: str) -> None:
    """Stop of a run's files that this process works on, and of those that it would begin."""
    _token(run).cancel()


def versions() -> dict[str, str]:
    """Versions that have to be the same on both ends."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"fdegc": __version__, "distributed": metadata.version("distributed"), "Python": python}


def sees(path: str) -> bool:
    """Whether a file is there for this process."""
    return Path(path).is_file()


# ------------------------------------------------------------------------------ at the client


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Client of the cluster at an address, whose workers are fit for the work.

    Raises
    ------
    ClusterUnavailable
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterUnavailable(
            "--scheduler needs the package distributed: pip install 'fdegc[cluster]' installs it."
        ) from error
    client = None
    with _silenced("distributed"):  # what it has to say, we say in a sentence
        try:
            client = _connect(Client, address)
            yield client
        finally:
            if client is not None:
                with contextlib.suppress(Exception):
                    client.close(timeout=2)


def _connect(client_type: Any, address: str) -> Any:
    client = None
    try:
        asyncio.run(_reach(address))
        client = client_type(address, timeout=CONNECT_SECONDS, set_as_default=False)
        _check_versions(client.run(versions, on_error="return"))
    except BaseException as error:  # from sockets, tornado, pickle and many others
        if client is not None:
            client.close(timeout=2)
        if isinstance(error, ClusterUnavailable) or not isinstance(error, Exception):
            raise
        raise ClusterUnavailable(
            f"There is no Dask scheduler to work with at {address}; start one with "
            f"“dask scheduler”, or give its address as tcp://HOST:PORT ({_short(error)})."
        ) from error
    return client


async def _reach(address: str) -> None:
    """Fail where nobody answers as a scheduler does.

    A client that cannot connect stays half made, and closes itself when it is collected: in whatever thread
    and under whatever lock that happens, which has been its own.  So there is none before someone answers.
    """
    package: Any = importlib.import_module("distributed")  # without types
    arguments = package.Security().get_connection_args("client")
    connection = await package.comm.connect(address, timeout=CONNECT_SECONDS, **arguments)
    await connection.close()


@contextlib.contextmanager
def _silenced(package: str) -> Iterator[None]:
    """Keep a package's loggers quiet, those of its modules too, which may have levels of their own."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == package]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _check_versions(answers: Mapping[str, Any]) -> None:
    ours = versions()
    for worker, theirs in answers.items():
        if isinstance(theirs, BaseException):
            raise ClusterUnavailable(
                f"The worker {worker} cannot run FDEGC; install fdegc[cluster] {__version__} there "
                f"({_short(theirs)})."
            )
        for name, version in ours.items():
            if theirs.get(name) != version:
                raise ClusterUnavailable(
                    f"The worker {worker} has {name} {theirs.get(name)} and this machine {version}; "
                    "install the same everywhere."
                )


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def check_shared(client: Any, folder: Path) -> None:
    """Check that the workers see a folder of this machine.

    Raises
    ------
    ClusterUnavailable, OSError
    """
    probe = beside(folder.absolute() / "probe")
    probe.touch(exist_ok=False)
    try:
        for worker, found in client.run(sees, str(probe)).items():
            if not found:
                raise ClusterUnavailable(
                    f"The worker {worker} does not see “{folder.absolute()}”; inputs and outputs have to "
                    "lie on storage that all machines share under the same names."
                )
    finally:
        probe.unlink()


def run_on_cluster(
    client: Any,
    jobs: Sequence[Job],
    work: Work,
    *,
    on_row: RowCallback,
    on_file: FileCallback | None = None,
    on_progress: ProgressCallback | None = None,
    fail_fast: bool = False,
    cancel: CancelToken,
) -> None:
    """Coding of the files by the workers, as many at a time as there are workers.

    Parameters
    ----------
    client : distributed.Client
        As of :func:`connected`.
    jobs, work, on_row, on_file, on_progress, fail_fast, cancel
        As of :func:`~fdegc.batch.running.run_here`; but rows come in the order in which files are finished,
        files are told of when they are finished, and there is only the progress of all together.

    Raises
    ------
    ClusterUnavailable
        If the scheduler is lost, or all workers for long.
    """
    run = secrets.token_hex(8)
    finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
    meter = BatchMeter(jobs, on_progress)
    waiting: dict[str, tuple[Job, Any]] = {}
    for number, job in enumerate(jobs):
        key = f"fdegc-{run}-{number}"
        paths = (str(job.source.absolute()), str(job.output.absolute()))
        future = client.submit(code_on_worker, *paths, work, run, key=key, pure=False)
        waiting[key] = (job, future)
        future.add_done_callback(finished.put)
    guard = _Guard(client)
    stop_at, enough = None, False
    try:
        while waiting and (stop_at is None or time.monotonic() < stop_at):
            with contextlib.suppress(queue.Empty):
                future = finished.get(timeout=_POLL)
                if future.cancelled():
                    raise ClusterUnavailable(f"The scheduler was lost or dropped the work; {_KEPT}.")
                job, _ = waiting.pop(future.key)
                row = _row(job, future)
                on_row(row)
                meter.finished(job)
                if on_file is not None:
                    on_file(len(jobs) - len(waiting), len(jobs), job)
                enough |= fail_fast and row.status == "failed"
            if (enough or cancel.cancelled) and stop_at is None:
                stop_at = time.monotonic() + _STOP_SECONDS
                _stop(client, run)
            guard.check()
    finally:
        for job, future in waiting.values():
            with contextlib.suppress(Exception):
                future.cancel()
            on_row(FileRow(str(job.source), str(job.output), "pending", "Interrupted."))


def _stop(client: Any, run: str) -> None:
    def tell() -> None:
        with contextlib.suppress(Exception):  # workers that are gone have stopped
            client.run(stop_on_worker, run, on_error="ignore")

    threading.Thread(target=tell, daemon=True).start()


def _row(job: Job, future: Any) -> FileRow:
    """Row of a task that ended, with the paths as they were given."""
    if future.status != "finished":
        error = future.exception()
        why = "the workers that tried it died" if type(error).__name__ == "KilledWorker" else _short(error)
        message = f"The cluster gave up “{job.source}”: {why}."
        return FileRow(str(job.source), str(job.output), "failed", message)
    row = FileRow(**{**future.result(), "input": str(job.source), "output": str(job.output)})
    if row.status == "skipped":  # none was finished when the work began: an attempt that was lost finished it
        row = dataclasses.replace(row, status="done", message="An attempt whose worker was lost finished it.")
    return row


class _Guard:
    """Notices that nobody is left to wait for."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._next = self._seen = time.monotonic()

    def check(self) -> None:
        now = time.monotonic()
        if self._client.status in ("closing", "closed"):
            raise ClusterUnavailable(f"The connection to the scheduler was lost; {_KEPT}.")
        if now < self._next or self._client.status != "running":
            return
        self._next = now + 5.0
        if self._client.scheduler_info()["workers"]:
            self._seen = now
        elif now - self._seen > WORKERLESS_SECONDS:
            raise ClusterUnavailable(f"The cluster has had no workers for minutes; {_KEPT}.")
