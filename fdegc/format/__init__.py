"""The ``.fdegc`` file: bytes to header, index, payloads and blocks, and back (``docs/format.md``)."""

from __future__ import annotations

import os
from pathlib import Path

#: What the names of such files end in.
SUFFIX = ".fdegc"
#: What they begin with.
MAGIC = b"\x89FDEGC\r\n\x1a\n"


def is_stream(path: Path) -> bool:
    """Whether a path is a ``.fdegc`` file, by its name, or its first bytes after a bad transfer."""
    if path.suffix.lower() == SUFFIX:
        return True
    # Opening a pipe would wait for somebody who writes.
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(6)[1:] == MAGIC[1:6]
    except OSError:
        return False
