"""Files that GDAL makes of others as a whole, in a process that can be cancelled."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from fdegc.control import CancelToken
from fdegc.errors import Cancelled, OutputFailed
from fdegc.raster import copying, open_raster, open_sink
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples

WIDTH, HEIGHT = 90, 70
PIXELS = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH), np.uint8)
INFO = RasterInfo(
    "a.tif",
    "GTiff",
    WIDTH,
    HEIGHT,
    3,
    "uint8",
    color_interpretation=("red", "green", "blue"),
    transform=(0.5, 0.0, 500_000.0, 0.0, -0.5, 5_800_000.0),
    tags={"AREA_OR_POINT": "Point", "note": "ä “b”"},
)


def write(path: Path, kind: str, cancel: CancelToken | None) -> bytes:
    with open_sink(path, INFO, kind=kind, cancel=cancel) as sink:
        sink.write(Window(0, 0, WIDTH, HEIGHT), Samples(PIXELS))
    data = path.read_bytes()
    path.unlink()
    return data


@pytest.mark.parametrize(("kind", "suffix"), [("cog", ".tif"), ("png", ".png"), ("jp2", ".jp2")])
def test_a_process_of_its_own_makes_the_same_file(
    kind: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cancel = tmp_path / f"grün {suffix}", CancelToken()
    here = write(path, kind, cancel)  # as small as it is
    monkeypatch.setattr(copying, "_APART", 0)
    assert write(path, kind, cancel) == here == write(path, kind, None)
    assert list(tmp_path.iterdir()) == []


def test_it_ends_when_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_APART", 0)
    path, cancel = tmp_path / "a.jp2", CancelToken()
    sink = open_sink(path, INFO, cancel=cancel)
    sink.write(Window(0, 0, WIDTH, HEIGHT), Samples(PIXELS))
    started = threading.Event()
    popen, processes = copying.subprocess.Popen, []

    def watched(*args: object, **kwargs: object) -> object:
        processes.append(popen(*args, **kwargs))
        started.set()
        return processes[0]

    monkeypatch.setattr(copying.subprocess, "Popen", watched)
    ends: list[float] = []

    def cancelling() -> None:
        started.wait(10)
        ends.append(time.perf_counter())
        cancel.cancel()

    thread = threading.Thread(target=cancelling)
    thread.start()
    with pytest.raises(Cancelled):
        sink.commit()
    assert time.perf_counter() - ends[0] < 1
    thread.join()
    assert processes[0].poll() is not None, "nothing is left running"
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_there_is_told_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_APART", 0)
    monkeypatch.setattr("fdegc.raster.copy_sink.CogSink.driver", "NoSuchDriver")
    with pytest.raises(OutputFailed, match="cannot be written"):
        write(tmp_path / "a.tif", "cog", CancelToken())
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert write(tmp_path / "a.tif", "cog", CancelToken())[:2] == b"II"
    path = tmp_path / "b.png"
    with open_sink(path, INFO, cancel=CancelToken()) as sink:
        sink.write(Window(0, 0, WIDTH, HEIGHT), Samples(PIXELS))
    with open_raster(path) as source:
        assert np.array_equal(source.read(Window(0, 0, WIDTH, HEIGHT)).pixels, PIXELS)
