"""Devices that the network computes on, their memory, and shares of it for workers and batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
from llvmlite.binding import get_host_cpu_name

from fdegc.errors import DeviceUnavailable, OutOfMemory
from fdegc.memory import MEMORY_SHARE, tiles_at_once, usable_cores
from fdegc.text import bytes_text

T = TypeVar("T")
R = TypeVar("R")

#: Tiles that a GPU takes at a time: enough for a launch to be small beside its work.
GPU_BATCH = 8
#: Threads that feed a GPU and code beside it; they launch in turn.
GPU_WORKERS = 16
#: Latent positions whose wavefronts advance together: four tiles of 512².
BATCH_POSITIONS = 4096
#: Smallest float64: zero where denormals are.
_DENORMAL = 5e-324


def available_devices() -> list[tuple[str, str]]:
    """Devices of this machine as (id, label), best first."""
    devices = [
        (f"cuda:{i}", f"GPU {i}: {torch.cuda.get_device_name(i)}") for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        devices.append(("mps", "GPU (Apple Metal)"))
    cores = usable_cores()
    return [*devices, ("cpu", f"CPU ({cores} {'core' if cores == 1 else 'cores'})")]


def resolve_device(name: str) -> tuple[str, str]:
    """Device (id, label) that "auto", "cpu", "cuda", "cuda:1" or "mps" means.

    Raises
    ------
    DeviceUnavailable
        If this machine has no such device.
    """
    devices = available_devices()
    for device, label in devices:
        if name in ("auto", device) or (name == "cuda" and device == "cuda:0"):
            return device, label
    names = ", ".join(device for device, _ in devices)
    raise DeviceUnavailable(f"There is no device '{name}' on this machine; choose one of: auto, {names}.")


def quick_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 faster than in float32.

    It does with matrix tiles (AMX), and on AMD's cores, whose vectors multiply twice as many bfloat16 as
    float32 at a time.  Intel's multiply no more of them than of float32 (an Emerald Rapids without tiles:
    half as many), and in float32 convolutions take a quarter of the products
    (:mod:`fdegc.codec.convolutions`); others have to emulate bfloat16.
    """
    tiles, vectors = (
        getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    )
    if tiles and tiles():
        return True
    return bool(vectors and vectors()) and get_host_cpu_name().startswith("znver")


def _denormals_are_zero() -> bool:
    return _DENORMAL * 1.0 == 0.0  # Python multiplies by the instructions, and in the mode, that torch does


@contextmanager
def no_denormals() -> Iterator[None]:
    """Flush of denormals to zero in float32 and float64 arithmetic of this thread, for a while.

    Processors take some twenty times as long over numbers below 1.2e-38, such as attention of nearly nothing
    makes of a few channels: half of the time of g_a.  Nothing but pixels, and latents before they are
    rounded, may be computed so.
    """
    if _denormals_are_zero():
        yield
        return
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def transform_type(device: torch.device) -> torch.dtype:
    """Type that g_a computes in: bfloat16 where that is the faster one.

    g_s always computes in float32: in bfloat16 on one device, pixels differed from another's by up to 1.2
    levels of 8 bits, which rounding makes two; in float32, as on a GPU (TF32), by less than a tenth.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    return torch.bfloat16 if device.type == "cpu" and quick_bfloat16() else torch.float32


def has_float64(device: torch.device) -> bool:
    """Whether a device computes in float64, on which exact coding rests."""
    return device.type != "mps"


@dataclass(frozen=True, slots=True)
class Share:
    """Numbers of workers and sizes of batches on a device.

    Attributes
    ----------
    workers : int
        Threads, each with a batch of its own.
    batch : int
        Inputs of g_a and g_s that the device gets at a time.
    wavefronts : int
        Tiles whose wavefronts advance together.
    """

    workers: int
    batch: int
    wavefronts: int


def share_out(
    device: torch.device, tile_bytes: float, tiles: int, positions: int, threads: int | None = None
) -> Share:
    """Share of each worker in the tiles of a scene, for as many workers as there is memory for.

    Parameters
    ----------
    device : torch.device
    tile_bytes : float
        Memory that one tile takes while it is in the network.
    tiles : int
        Tiles to be done.
    positions : int
        Latent positions of a tile, of all its band groups.
    threads : int, optional
        Workers that are asked for; by default one for each core, and :data:`GPU_WORKERS` at most for a GPU.

    Raises
    ------
    OutOfMemory
        If a GPU has no room for a single tile.
    """
    if device.type == "cpu":
        workers = tiles_at_once(tile_bytes, tiles, threads)
        together = max(1, BATCH_POSITIONS // positions)
        # Weights are read once for all wavefronts of a batch; two batches a worker keep all of them busy.
        return Share(workers, 1, max(1, min(together, tiles // (2 * workers))))
    if device.type == "mps":
        return Share(1, 1, max(1, BATCH_POSITIONS // positions))
    free = free_on_gpu(device)
    room = int(MEMORY_SHARE * free // max(tile_bytes, 1.0))
    if room < 1:
        raise OutOfMemory(
            f"One tile needs about {bytes_text(tile_bytes)} on the GPU, which has no more than "
            f"{bytes_text(free)} free; use smaller tiles or --device cpu."
        )
    return gpu_share(
        room, tiles, min(threads or GPU_WORKERS, threads or usable_cores()), BATCH_POSITIONS // positions
    )


def free_on_gpu(device: torch.device) -> int:
    """Bytes of a GPU that work may take: what nobody has, and what torch keeps but does not use."""
    with memory_errors(device):
        free = torch.cuda.mem_get_info(device)[0]
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def gpu_share(room: int, tiles: int, workers: int, wavefronts: int) -> Share:
    """Workers and batches of a GPU with room for some tiles at a time; batches come first."""
    batch = max(1, min(GPU_BATCH, room, -(-tiles // workers)))
    workers = max(1, min(workers, room // batch, -(-tiles // batch)))
    return Share(workers, batch, max(1, min(room, wavefronts, tiles // (2 * workers))))


#: What torch says besides raising its own OutOfMemoryError.
_SIGNS = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")
_crowded = threading.RLock()


@contextmanager
def memory_errors(device: torch.device) -> Iterator[None]:
    """Context in which torch's out-of-memory errors become :class:`~fdegc.errors.OutOfMemory`.

    Raises
    ------
    OutOfMemory
    """
    remedy = "use smaller tiles or close other programs"
    if device.type == "cuda":
        remedy = "use smaller tiles, close what else uses the GPU, or choose --device cpu"
    sentence = f"Memory {'of the GPU ' if device.type == 'cuda' else ''}ran out; {remedy}."
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemory(sentence) from error
    except RuntimeError as error:
        if any(sign in str(error) for sign in _SIGNS):
            raise OutOfMemory(sentence) from error
        raise


def in_batches(work: Callable[[Sequence[T]], Sequence[R]], inputs: Sequence[T], size: int) -> list[R]:
    """Results of a function that takes several inputs, in batches that fit into memory.

    Parameters
    ----------
    work : callable
        Takes a batch and returns as many results.
    inputs : sequence
    size : int
        Largest batch; one that does not fit is halved.

    Raises
    ------
    OutOfMemory
        If a single input does not fit, even tried again.
    """
    results: list[R] = []
    again = False
    while len(results) < len(inputs):
        batch = inputs[len(results) : len(results) + size]
        try:
            # One thread at a time tries again what did not fit beside the others.
            with _crowded if again else nullcontext():
                results += work(batch)
            again = False
            continue
        except OutOfMemory:
            if len(batch) == 1 and (again or not torch.cuda.is_available()):
                raise
        # Here nothing holds on to what the failed batch had.
        size, again = max(len(batch) // 2, 1), True
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # what is kept in pieces of another size
    return results
