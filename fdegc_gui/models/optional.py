"""Optional parts of the app: what is not installed is not shown."""

from __future__ import annotations

import functools
from importlib.util import find_spec


@functools.cache
def lpips_installed() -> bool:
    """Whether the package of LPIPS is here; its backbone may still have to be downloaded."""
    return find_spec("lpips") is not None
