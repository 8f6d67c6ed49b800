"""Many files on a real Dask cluster: a scheduler and two worker processes, one of which is killed at work."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fdegc.batch import cluster
from fdegc.cli import main
from fdegc.errors import ClusterUnavailable

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and FIFOs"),
    # dask_worker asks asyncio for an event loop policy
    pytest.mark.filterwarnings("ignore:.*event loop:DeprecationWarning"),
]

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("a", "b", "c", "d", "victim")
#: Whether tiles are checked is no matter to a cluster, and takes most of the time.
CODED = ("--tile-size", "64", "--no-check")


class Cluster:
    """A scheduler in this process and workers in others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        os.mkfifo(folder / "stopped")
        self.stopped = os.open(folder / "stopped", os.O_RDWR)  # never at its end
        self.local = distributed.LocalCluster(n_workers=0, dashboard_address=None)
        self.address: str = self.local.scheduler_address
        self.workers = [self._worker(name) for name in ("one", "two")]

    def _worker(self, name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--no-nanny"]
        command += ["--nthreads", "1", "--no-dashboard", "--name", name]
        command += [
            "--local-directory",
            str(self.folder),
            "--preload",
            str(ROOT / "tests/cluster_preload.py"),
        ]
        environment = {**os.environ, "FDEGC_TEST_FOLDER": str(self.folder)}
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    def wait_for_stop(self) -> tuple[str, int]:
        """The file at which a worker has stopped, and the worker's process."""
        ready, _, _ = select.select([self.stopped], [], [], 60)
        assert ready, "no worker came that far"
        name, pid = os.read(self.stopped, 1000).decode().split()
        return name, int(pid)

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait(30)
        self.local.close()
        os.close(self.stopped)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        with distributed.Client(running.address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield running
    finally:
        running.close()


@contextlib.contextmanager
def when_stopped(running: Cluster, act: Callable[[str, int], None]) -> Iterator[None]:
    """Act, in another thread, as soon as a worker has stopped in the middle of a file."""
    thread = threading.Thread(target=lambda: act(*running.wait_for_stop()))
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


def scenes(folder: Path, names: tuple[str, ...]) -> Path:
    folder.mkdir()
    y, x = np.mgrid[:70, :190]
    for number, name in enumerate(names):
        # With noise, as no drawing has it: those are kept without loss.
        noise = np.random.default_rng(number).normal(0, 9, (70, 190, 1))
        pixels = 90 + noise + np.stack([x + 10 * number, y + x / 2, x + y], axis=2) / 3
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def rows(report: Path) -> dict[str, dict[str, Any]]:
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    found = {Path(row["input"]).name: row for row in files}
    assert len(found) == len(files)
    return found


def test_every_file_ends_complete_and_once_when_a_worker_is_killed(running: Cluster, tmp_path: Path) -> None:
    source = scenes(tmp_path / "in", NAMES)
    (source / "bad.png").write_bytes(b"not a picture")
    options = [*CODED, "--threads", "1"]
    command = ["compress", str(source), *options, "--out-dir", str(tmp_path / "out")]
    killed = []

    def kill(name: str, pid: int) -> None:
        assert (tmp_path / "out" / "victim.fdegc.part").stat().st_size > 0
        os.kill(pid, signal.SIGKILL)
        killed.append(name)

    report = tmp_path / "report.json"
    with when_stopped(running, kill):
        code = main([*command, "--scheduler", running.address, "--report", str(report)])
    assert killed == ["victim.fdegc"]
    assert sorted(worker.poll() is None for worker in running.workers) == [False, True]

    assert code == 1  # because of bad.png alone
    found = rows(report)
    assert {name: row["status"] for name, row in found.items()} == {
        **{f"{name}.png": "done" for name in NAMES},
        "bad.png": "failed",
    }
    assert {name: row["resumed_tiles"] for name, row in found.items() if row["resumed_tiles"]} == {
        "victim.png": 2
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{name}.fdegc" for name in NAMES]
    assert main(["compress", str(source), *options, "--out-dir", str(tmp_path / "here")]) == 1
    for name in NAMES:
        coded = tmp_path / "out" / f"{name}.fdegc"
        assert coded.read_bytes() == (tmp_path / "here" / coded.name).read_bytes()


def test_an_interrupted_run_stops_at_once_and_goes_on(
    running: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = scenes(tmp_path / "in", ("a", "paused"))
    report = tmp_path / "report.json"
    command = ["compress", str(source), "--out-dir", str(tmp_path / "out"), *CODED]
    command += ["--scheduler", running.address, "--report", str(report)]
    with when_stopped(running, lambda _name, _pid: os.kill(os.getpid(), signal.SIGTERM)):
        assert main(command) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert rows(report)["paused.png"]["status"] == "pending"
    assert not (tmp_path / "out" / "paused.fdegc").exists()
    assert main(command) == 0
    found = rows(report)
    assert found["paused.png"]["status"] == "done" and found["paused.png"]["resumed_tiles"] == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.fdegc", "paused.fdegc"]


def test_other_versions_on_the_workers_are_named(
    running: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = scenes(tmp_path / "in", ("a",))
    monkeypatch.setattr(cluster, "__version__", "99.0")
    line = refusal(capsys, "compress", source, "--out-dir", tmp_path / "out", "--scheduler", running.address)
    assert "fdegc" in line and "99.0" in line and "install the same everywhere" in line


def test_a_scheduler_that_is_lost_ends_the_run_with_a_report(
    running: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = scenes(tmp_path / "in", ("lost",))
    report = tmp_path / "report.json"
    command = ["compress", source, "--out-dir", tmp_path / "out", *CODED, "--report", report]
    with when_stopped(running, lambda _name, _pid: running.local.close()):
        line = refusal(capsys, *command, "--scheduler", running.address)
    assert "the same command goes on" in line
    assert rows(report)["lost.png"]["status"] == "pending"
    assert not (tmp_path / "out" / "lost.fdegc").exists()


def half_made() -> list[Any]:
    """Clients that are neither connected nor closed."""
    clients = [found for found in gc.get_objects() if issubclass(type(found), distributed.Client)]
    return [client for client in clients if client.status not in ("running", "closed")]


def test_a_cluster_that_is_not_there_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    source = scenes(tmp_path / "in", ("a",))
    for address in ("tcp://127.0.0.1:9", "nonsense", "what://ever:1"):
        line = refusal(capsys, "compress", source, "--out-dir", tmp_path / "out", "--scheduler", address)
        assert f"no Dask scheduler to work with at {address}" in line
        assert not half_made(), "it would close itself whenever it is collected, and may wait forever"
    assert list((tmp_path / "out").iterdir()) == []


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    source = scenes(tmp_path / "in", ("a",))
    line = refusal(capsys, "compress", source, "--out-dir", tmp_path / "out", "--scheduler", "tcp://a:1")
    assert "pip install 'fdegc[cluster]'" in line


def test_workers_that_do_not_see_the_storage_are_named(tmp_path: Path) -> None:
    class Elsewhere:
        def run(self, function: Callable[[str], bool], path: str) -> dict[str, bool]:
            return {"tcp://far:1": function(f"/elsewhere{path}")}

    with pytest.raises(ClusterUnavailable, match="tcp://far:1 does not see"):
        cluster.check_shared(Elsewhere(), tmp_path)
    assert list(tmp_path.iterdir()) == []
