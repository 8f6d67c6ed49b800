"""What the machine has: cores, and whether there is memory for what somebody wants to do."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import psutil

from fdegc.errors import OutOfMemory
from fdegc.text import bytes_text

#: Resident bytes of the program with the network loaded and nothing to do.
PROCESS_BYTES = 0.8e9
#: Share of a device's free memory that tiles in flight may take.
MEMORY_SHARE = 0.7
#: Least and most bytes that GDAL may keep of decoded blocks; left alone it takes a twentieth of the machine.
BLOCK_CACHE = (64 << 20, 512 << 20)


def usable_cores() -> int:
    """Cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells
        return os.cpu_count() or 1


def tiles_at_once(tile_bytes: float, tiles: int, threads: int | None = None) -> int:
    """Tiles that processors work at together: one for each core, and no more than there is memory for.

    Parameters
    ----------
    tile_bytes : float
        Memory that each takes.
    tiles : int
        That there are.
    threads : int, optional
        In place of the number of cores.
    """
    room = int(MEMORY_SHARE * psutil.virtual_memory().available // max(tile_bytes, 1.0))
    return max(1, min(threads or usable_cores(), tiles, room))


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


def cache_for(dataset: Any, rows: int) -> int:
    """Bytes of blocks for GDAL to keep, so that none is coded twice in work from top to bottom.

    Parameters
    ----------
    dataset : rasterio dataset
        An open one.
    rows : int
        Rows that are read or written at a time, in pieces from left to right.

    Returns
    -------
    int
        Enough for all blocks that such rows touch, within :data:`BLOCK_CACHE`, and for a single block.
    """
    height, width = (int(side) for side in dataset.block_shapes[0])
    pixel = 1 + sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    return max(block_cache(rows + 2 * height, int(dataset.width), pixel), height * width * pixel)


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
            f"{what} needs about {bytes_text(missing)} of memory and {bytes_text(free)} are free; {remedy}."
        )
