"""Under which circumstances something was measured: software, hardware, weights, time."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fdegc import __version__
from fdegc.results import StreamInfo

_PACKAGES = ("torch", "numpy", "numba", "pillow", "imagecodecs", "pillow-heif", "matplotlib", "rasterio")


@dataclass(frozen=True)
class Circumstances:
    """Circumstances of a measurement: label → text of all that repeating it needs, and the weights' hash."""

    facts: Mapping[str, str]
    weights_hash: str


def circumstances(stream: StreamInfo, device: str, threads: int | None) -> Circumstances:
    """Circumstances of a run: software, hardware, weights, time.

    Parameters
    ----------
    stream : StreamInfo
        Of a file that the evaluated codec wrote.
    device : str
        What the network ran on.
    threads : int or None
        That FDEGC was allowed; None for the default.
    """
    now = datetime.datetime.now().astimezone()
    versions = [f"{name} {version}" for name in _PACKAGES if (version := _version(name))]
    allowed = "all" if threads is None else str(threads)
    facts = {
        "Date": now.strftime("%Y-%m-%d %H:%M %Z"),
        "FDEGC": f"{__version__}, file format {stream.version}",
        "Weights": f"profile {stream.profile}, {stream.weights_hash}",
        "Tiles": f"{stream.tile_size} pixels",
        "Network ran on": device,
        "Processor": f"{_processor()}, {os.cpu_count()} logical cores",
        "Threads": f"FDEGC {allowed}, other codecs 1",
        "System": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "Libraries": ", ".join(versions),
    }
    return Circumstances(facts, stream.weights_hash)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """Name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
