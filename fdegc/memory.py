"""What the machine has: cores, and whether there is memory for what somebody wants to do."""

from __future__ import annotations

import os

import psutil

from fdegc.errors import OutOfMemory

#: Resident bytes of the program with the network loaded and nothing to do.
PROCESS_BYTES = 0.8e9
#: Least and most bytes that GDAL may keep of decoded blocks; left alone it takes a twentieth of the machine.
BLOCK_CACHE = (64 << 20, 512 << 20)


def usable_cores() -> int:
    """Cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells
        return os.cpu_count() or 1


def block_cache(rows: int, width: int, pixel: int) -> int:
    """Bytes of decoded blocks for GDAL to keep.

    Parameters
    ----------
    rows : int
        Rows of a raster that the blocks in use touch, from end to end.
    width : int
        Its width.
    pixel : int
        Bytes of one pixel, a byte for its validity included.
    """
    least, most = BLOCK_CACHE
    return min(max(rows * width * pixel, least), most)


def check_memory(
    needed: float, what: str = "This", remedy: str = "use smaller tiles or close other programs"
) -> None:
    """Memory check that refuses work that will not fit.

    Parameters
    ----------
    needed : float
        Peak resident bytes of this process, :data:`PROCESS_BYTES` included.
    what : str
        Subject of the sentence that says so.
    remedy : str
        What to do about it, as its end.

    Raises
    ------
    OutOfMemory
    """
    # Whatever else the process holds, such as a picture, is not memory that the work could use.
    held = min(psutil.Process().memory_info().rss, PROCESS_BYTES)
    check_free(needed - held, what, remedy)


def check_free(missing: float, what: str, remedy: str) -> None:
    """Memory check that refuses work that needs more than is free; parameters as of :func:`check_memory`.

    Parameters
    ----------
    missing : float
        Bytes beyond what the process holds.
    what, remedy : str

    Raises
    ------
    OutOfMemory
    """
    free = psutil.virtual_memory().available
    if missing > free:
        raise OutOfMemory(
            f"{what} needs about {missing / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; {remedy}."
        )
