"""Tiles in parallel: order, bounds, ends; and the same results however the work is divided."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hostile import files_up_to
from PIL import Image

from fdegc import memory
from fdegc.codec import Codec, devices, facade
from fdegc.codec.devices import Share, gpu_share, in_batches, memory_errors, share_out
from fdegc.codec.network import Network
from fdegc.codec.workers import WAITING, Workers, chunks, keep_to_one_thread
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, DeviceUnavailable, OutOfMemory, OutputFailed
from fdegc.options import EncodeOptions
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import Window
from fdegc.results import TileResult

pytestmark = pytest.mark.usefixtures("few_tries_here")


def pixels(height: int, width: int, bands: int = 3) -> np.ndarray:
    """Texture at several scales."""
    rng = np.random.default_rng(5)
    rows, cols = np.mgrid[0:height, 0:width]
    out = np.zeros((bands, height, width))
    for octave in range(1, 6):
        grain = rng.normal(size=(bands, height // 2**octave + 2, width // 2**octave + 2))
        out += grain[:, rows // 2**octave, cols // 2**octave] * 1.6**octave
    return np.clip(128 + 40 * out / out.std(), 0, 255).astype(np.uint8)


def crew(count: int, cancel: CancelToken | None = None) -> Workers:
    return Workers(Share(count, 1, 1), cancel or CancelToken())


@pytest.fixture
def torch_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# ------------------------------------------------------------------ order and bounds


def test_what_is_done_beside_is_answered_on_the_thread_that_waits() -> None:
    here, heard, done = threading.current_thread(), [], threading.Event()

    def aside() -> str:
        done.set()
        return threading.current_thread().name

    def answer(name: str) -> None:
        heard.append((name, threading.current_thread()))

    with crew(1) as workers:
        workers.beside(aside, answer)
        assert done.wait(10)
        while not heard:
            list(workers.ordered(str, [1]))
    name, thread = heard[0]
    assert name.startswith("fdegc-beside") and thread is here and len(heard) == 1


def test_what_is_done_beside_harms_nothing() -> None:
    heard: list[object] = []
    failed, begun, ended = threading.Event(), threading.Event(), threading.Event()

    def fail() -> None:
        failed.set()
        raise ValueError("beside")

    def never() -> None:
        begun.set()
        try:
            while True:
                workers.check()
        finally:
            ended.set()

    with crew(1) as workers:
        workers.beside(fail, heard.append)
        workers.beside(never, heard.append)
        assert failed.wait(10) and begun.wait(10)
        assert list(workers.ordered(str, [1, 2, 3])) == ["1", "2", "3"]
    assert ended.wait(10), "it ends with the context, which does not wait for it"
    assert not heard


def test_results_come_in_order_and_items_are_taken_a_few_ahead() -> None:
    taken, ahead = [], []
    first = threading.Event()

    def items() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number == 0:
            assert first.wait(60)  # the others overtake it
        elif number >= 1 + WAITING:
            first.set()
        return number * number

    with crew(3) as workers:
        found = []
        for result in workers.ordered(work, items()):
            found.append(result)
            ahead.append(len(taken) - len(found))
    assert found == [number * number for number in range(40)]
    assert max(ahead) <= 3 + WAITING


def test_one_stage_feeds_another() -> None:
    with crew(2) as workers:
        inner = workers.ordered(lambda x: x + 1, range(20))
        assert list(workers.ordered(sum, chunks(inner, 3))) == [
            sum(range(i + 1, min(i + 4, 21))) for i in range(0, 20, 3)
        ]


def test_a_failure_is_raised_and_ends_the_others() -> None:
    started, ended = threading.Barrier(2, timeout=60), []

    def work(number: int) -> None:
        started.wait()
        if number == 0:
            raise OutputFailed("This one failed.")
        try:
            while True:
                workers.check()
        except Cancelled:
            ended.append(number)
            raise

    with pytest.raises(OutputFailed, match="This one failed"), crew(2) as workers:
        list(workers.ordered(work, range(2)))
    assert ended == [1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fdegc-worker")]


def test_whoever_cancels_sees_nothing_more_happen() -> None:
    cancel = CancelToken()
    found = []
    with pytest.raises(Cancelled), crew(2, cancel) as workers:
        for result in workers.ordered(lambda x: x, range(10)):
            found.append(result)
            cancel.cancel()
    assert found == [0]


def test_whoever_cancels_does_not_wait_for_an_operation() -> None:
    cancel, started, release = CancelToken(), threading.Event(), threading.Event()

    def work(_: int) -> None:
        started.set()
        assert release.wait(60)

    def cancel_it() -> None:
        assert started.wait(60)
        cancel.cancel()

    canceller = threading.Thread(target=cancel_it)
    canceller.start()
    with pytest.raises(Cancelled), crew(2, cancel) as workers:
        list(workers.ordered(work, range(5)))
    assert not release.is_set()
    release.set()
    canceller.join()


@pytest.mark.usefixtures("torch_threads")
def test_threads_of_others_are_left_alone() -> None:
    torch.set_num_threads(3)
    seen: list[int] = []
    with crew(2) as workers:
        inside = list(workers.ordered(lambda _: (torch.get_num_threads(), spread()), range(4)))
        other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert torch.get_num_threads() == 3
    own = threading.Thread(target=lambda: (keep_to_one_thread(), seen.append(torch.get_num_threads())))
    own.start()
    own.join()
    assert inside == [(1, 1)] * 4
    assert seen == [3, 1]
    assert torch.get_num_threads() == 3
    Codec(device="cpu", threads=1)
    assert torch.get_num_threads() == 3


def spread() -> int:
    """Threads that a matrix product of this thread runs on, by MKL's or torch's own word."""
    return max(
        int(line.rsplit(":", 1)[1])
        for line in torch.__config__.parallel_info().splitlines()
        if "get_max_threads" in line
    )


@pytest.fixture
def no_components(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands enter the network as they are, which others are tried for otherwise."""
    monkeypatch.setattr(facade, "choose_components", lambda *_: None)


# ------------------------------------------------------------------ the same results


class Picture:
    """Collects tiles of a preview or a decoded scene."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.pixels = np.zeros(shape, np.uint8)

    def __call__(self, tile: TileResult) -> None:
        self.pixels[:, tile.window.rows, tile.window.cols] = tile.samples.pixels


def test_file_and_picture_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    scene = pixels(100, 170)
    files, pictures = [], []
    for threads, batch in ((1, 1), (2, None), (5, 3)):
        codec = Codec(device="cpu", threads=threads, batch=batch)
        path, preview, decoded = tmp_path / f"{threads}.fdegc", Picture(scene.shape), Picture(scene.shape)
        options = EncodeOptions(3.3, tile_size=64)
        result = codec.encode(ArraySource(scene), path, options, reconstruct=True, on_tile=preview)
        codec.decode(path, on_tile=decoded)
        files.append((path.read_bytes(), result.psnr))
        pictures += [preview.pixels, decoded.pixels]
        assert 0 < result.reconstruct_seconds and 0 < result.encode_seconds
    assert len(set(files)) == 1
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


def test_batches_as_a_gpu_takes_them_give_files_that_decode_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same code as on a GPU: tiles of several shapes in batches, several of them at a time."""
    scene = pixels(70, 130, bands=4)
    plain = Codec(device="cpu")
    # Nothing but a GPU gets batches of its own accord, and a machine without one has to test them.
    monkeypatch.setattr(facade, "share_out", lambda *_: gpu_share(room=12, tiles=6, workers=2, wavefronts=16))
    batched = Codec(device="cpu")
    assert batched._crew(batched._default, ArraySource(scene).info, 64, CancelToken()).share.batch > 1
    for writer, name in ((plain, "plain"), (batched, "batched")):
        path = tmp_path / f"{name}.fdegc"
        writer.encode(ArraySource(scene), path, EncodeOptions(4.0, tile_size=64))
        digests, pictures = [], []
        for reader in (plain, batched):
            digests.append(reader.verify(path).digest)
            picture = Picture(scene.shape)
            reader.decode(path, on_tile=picture)
            pictures.append(picture.pixels.astype(int))
        assert digests[0] == digests[1] is not None
        assert np.abs(pictures[0] - pictures[1]).max() <= 1


def test_an_array_can_be_written_into_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An array has no path, which is not that of the folder that changes."""
    monkeypatch.chdir(tmp_path)
    Codec(device="cpu").encode(ArraySource(pixels(64, 64)), Path("a.fdegc"), EncodeOptions(2.0))
    assert Path("a.fdegc").stat().st_size > 0


@pytest.mark.usefixtures("no_components")
def test_an_interrupted_run_goes_on_with_another_number_of_workers(tmp_path: Path) -> None:
    source = tmp_path / "a.tif"
    Image.fromarray(np.moveaxis(pixels(100, 170), 0, 2)).save(source)
    whole, path = tmp_path / "whole.fdegc", tmp_path / "a.fdegc"
    options = EncodeOptions(2.0, tile_size=64)
    cancel = CancelToken()
    with open_raster(source) as raster:
        Codec(device="cpu", threads=2).encode(raster, whole, options)
        with pytest.raises(Cancelled):
            Codec(device="cpu", threads=3).encode(
                raster,
                path,
                options,
                resume=True,
                cancel=cancel,
                on_progress=lambda p: cancel.cancel() if p.fraction > 0.7 else None,
            )
        result = Codec(device="cpu", threads=1).encode(raster, path, options, resume=True)
    assert 0 < result.resumed_tiles < result.tiles
    assert path.read_bytes() == whole.read_bytes()


# ------------------------------------------------------------------ ends


def test_work_on_one_tile_can_be_cancelled_between_layers() -> None:
    network = Codec(device="cpu")._default
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 4:
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        network.analyse([np.zeros((3, 64, 64), np.float32)], check)
    assert len(calls) == 4
    calls.clear()
    with pytest.raises(Cancelled):
        network.synthesise([np.zeros((network.latent, 4, 4), np.int32)], 3.0, check)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_a_writer_that_fails_ends_the_run(tmp_path: Path) -> None:
    codec = Codec(device="cpu")
    with files_up_to(1000), pytest.raises(OutputFailed, match="make room"):
        codec.encode(ArraySource(pixels(100, 170)), tmp_path / "a.fdegc", EncodeOptions(2.0, tile_size=64))
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ memory


def test_a_batch_that_does_not_fit_is_halved() -> None:
    sizes: list[int] = []

    def work(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > 3:
            with memory_errors(torch.device("cuda")):
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return [-number for number in batch]

    assert in_batches(work, range(11), 8) == [-number for number in range(11)]
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 1]

    def never(_: Sequence[int]) -> list[int]:
        with memory_errors(torch.device("cuda")):
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(OutOfMemory, match=r"Memory of the GPU ran out; use smaller tiles.*--device cpu"):
        in_batches(never, range(4), 4)


def test_a_gpu_gets_what_it_has_room_for() -> None:
    assert gpu_share(room=1000, tiles=400, workers=8, wavefronts=16) == Share(8, 8, 16)
    assert gpu_share(room=20, tiles=400, workers=8, wavefronts=16) == Share(2, 8, 16)
    assert gpu_share(room=5, tiles=400, workers=8, wavefronts=16) == Share(1, 5, 5)
    assert gpu_share(room=1, tiles=400, workers=8, wavefronts=16) == Share(1, 1, 1)
    assert gpu_share(room=1000, tiles=4, workers=8, wavefronts=16) == Share(4, 1, 1)
    assert gpu_share(room=1000, tiles=40, workers=16, wavefronts=3) == Share(14, 3, 1)
    assert gpu_share(room=1000, tiles=400, workers=8, wavefronts=0) == Share(8, 8, 1)  # of many bands


def test_several_gpus_are_listed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: ("Large", "Small")[number])
    monkeypatch.setattr(devices, "usable_cores", lambda: 8)
    cpu = ("cpu", "CPU (8 cores)")
    assert devices.available_devices() == [("cuda:0", "GPU 0: Large"), ("cuda:1", "GPU 1: Small"), cpu]
    assert devices.resolve_device("cuda:1") == ("cuda:1", "GPU 1: Small")
    assert devices.resolve_device("auto") == devices.resolve_device("cuda") == ("cuda:0", "GPU 0: Large")
    with pytest.raises(DeviceUnavailable, match="choose one of: auto, cuda:0, cuda:1, cpu"):
        devices.resolve_device("cuda:2")


def test_a_single_core_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "usable_cores", lambda: 1)
    assert devices.available_devices()[-1] == ("cpu", "CPU (1 core)")


def test_a_gpu_without_room_for_a_tile_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (600_000_000, 8_000_000_000))
    # What torch keeps of earlier runs can be had.
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 900_000_000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 500_000_000)
    gpu = torch.device("cuda")
    assert share_out(gpu, 0.1e9, 400, 1024).workers == 1
    with pytest.raises(OutOfMemory, match=r"about 900 MB on the GPU, which has no more than 1 GB free"):
        share_out(gpu, 0.9e9, 400, 1024)


def test_cpu_workers_are_as_many_as_cores_tiles_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(memory, "usable_cores", lambda: 16)
    free = psutil.virtual_memory()._replace(available=10e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    assert share_out(cpu, 0.1e9, 1000, 1024) == Share(16, 1, 4)
    assert share_out(cpu, 0.1e9, 80, 64) == Share(16, 1, 2)
    assert share_out(cpu, 0.1e9, 5, 1024) == Share(5, 1, 1)
    assert share_out(cpu, 2e9, 1000, 1024).workers == 3
    assert share_out(cpu, 20e9, 1000, 1024).workers == 1
    assert share_out(cpu, 0.1e9, 1000, 1024, threads=3).workers == 3
    assert share_out(cpu, 0.1e9, 1000, 16384).wavefronts == 1


@pytest.mark.usefixtures("no_components")
def test_a_window_has_the_pixels_of_the_whole(tmp_path: Path) -> None:
    codec = Codec(device="cpu", threads=4)
    path = tmp_path / "a.fdegc"
    scene = pixels(100, 130)
    codec.encode(ArraySource(scene), path, EncodeOptions(3.0, tile_size=64))
    part = codec.decode_window(path, Window(10, 20, 30, 40))
    whole = codec.decode_window(path, Window(0, 0, 130, 100))
    assert np.array_equal(part.pixels, whole.pixels[:, 20:60, 10:40])


@pytest.mark.usefixtures("no_components")
def test_the_network_computes_on_workers_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere torch divides operations among threads of its own, which wait for each other."""
    computing: dict[str, set[threading.Thread]] = {}

    def watched(name: str) -> Callable[..., object]:
        method = getattr(Network, name)

        def compute(*args: object, **kwargs: object) -> object:
            computing.setdefault(name, set()).add(threading.current_thread())
            return method(*args, **kwargs)

        return compute

    for name in ("estimate_bits", "analyse", "hyper_analyse", "synthesise"):
        monkeypatch.setattr(Network, name, watched(name))
    Codec(device="cpu").encode(
        ArraySource(pixels(460, 520, 1) // 4 + 90), tmp_path / "a.fdegc", EncodeOptions(2.0)
    )
    assert len(computing) == 4
    assert threading.current_thread() not in set().union(*computing.values())
