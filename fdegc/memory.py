"""Whether there is memory for what somebody wants to do, before it is begun."""

from __future__ import annotations

import psutil

from fdegc.errors import OutOfMemory


def check_memory(needed: float) -> None:
    """Refuse work that will not fit.

    Parameters
    ----------
    needed : float
        Peak resident bytes of this process, what it holds already included.

    Raises
    ------
    OutOfMemory
    """
    missing = needed - psutil.Process().memory_info().rss
    free = psutil.virtual_memory().available
    if missing > free:
        raise OutOfMemory(
            f"This needs about {missing / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; "
            "use smaller tiles or close other programs."
        )
