"""A weights file in parts, for ways that carry no large files, and back."""

from __future__ import annotations

import re
from pathlib import Path

from fdegc.errors import WeightsInvalid

_MIB = 2**20
#: ``lite-5286a459.safetensors.2-of-3``
_NAME = re.compile(r"(?P<name>.+)\.(?P<number>\d+)-of-(?P<count>\d+)")


def write_parts(path: Path, mib: float) -> list[Path]:
    """Parts of a file beside it, of at most so many MiB each; joined they are the file again.

    Parameters
    ----------
    path : Path
    mib : float

    Returns
    -------
    list of Path
        ``<name>.1-of-<n>`` and so on; one if the file is small enough.
    """
    content, size = path.read_bytes(), max(int(mib * _MIB), 1)
    count = max(-(-len(content) // size), 1)
    parts = [path.with_name(f"{path.name}.{number}-of-{count}") for number in range(1, count + 1)]
    for number, part in enumerate(parts):
        part.write_bytes(content[number * size : (number + 1) * size])
    return parts


def whole_name(path: Path) -> str:
    """Name of the file that a part, or a whole file, is of."""
    match = _NAME.fullmatch(path.name)
    return match["name"] if match else path.name


def read_whole(path: Path) -> bytes:
    """Content of a file, joined if the path is one of its parts.

    Raises
    ------
    WeightsInvalid
        If a part is missing.
    OSError
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        return path.read_bytes()
    count = int(match["count"])
    parts = [path.with_name(f"{match['name']}.{number}-of-{count}") for number in range(1, count + 1)]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise WeightsInvalid(f"“{path}” is one of {count} parts, of which “{missing[0]}” is not beside it.")
    return b"".join(part.read_bytes() for part in parts)
