"""Numbers as people read them; no Qt."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from fdegc.options import RATE_POINTS
from fdegc.text import bytes_text as human_bytes
from fdegc.text import decibels_text
from fdegc.text import seconds_text as human_seconds

__all__ = [
    "NONE",
    "about_seconds",
    "decibels",
    "fixed",
    "human_bytes",
    "human_seconds",
    "lmbda",
    "quality_name",
    "ratio",
    "time_left",
    "zoom_percent",
]

#: Shown where there is no value.
NONE = "–"


def about_seconds(seconds: float) -> str:
    """Duration that is an estimate, in two digits and no parts of seconds: ``≈ 22 s``, ``≈ 3 min 30 s``."""
    return f"≈ {human_seconds(max(round(float(f'{seconds:.2g}')), 1))}"


def time_left(seconds: float) -> str:
    """Remaining time in words that do not flicker: coarse steps above ten seconds."""
    if seconds < 1.5:
        return "a second left"
    if seconds < 10:
        return f"{seconds:.0f} s left"
    if seconds < 55:
        return f"{5 * round(seconds / 5):.0f} s left"
    if seconds < 3600:
        return f"{max(1, round(seconds / 60)):.0f} min left"
    return f"{seconds / 3600:.1f} h left"


def decibels(value: float | None) -> str:
    """Level in decibels as ``34.21 dB``; ``lossless`` for infinity."""
    return NONE if value is None or math.isnan(value) else decibels_text(value)


def fixed(value: float | None, digits: int) -> str:
    """Number with fixed digits, or the dash."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"


def ratio(value: float | None) -> str:
    """Compression ratio as ``27.4 : 1``."""
    if value is None:
        return NONE
    return f"{value:.1f} : 1" if value < 999.5 else f"{value:,.0f} : 1"


def zoom_percent(zoom: float) -> str:
    """Percentage of a zoom factor, one decimal below ten."""
    percent = zoom * 100
    return f"{percent:.1f} %" if percent < 9.95 else f"{percent:.0f} %"


def lmbda(rate: int) -> str:
    """λ of a rate point without needless decimals."""
    return f"{RATE_POINTS[rate - 1].lmbda:g}"


def quality_name(quality: float) -> str:
    """Quality in words: ``rate 4 · λ 1024`` for a trained point, ``quality 3.5`` between two."""
    if float(quality).is_integer():
        return f"rate {int(quality)} · λ {lmbda(int(quality))}"
    return f"quality {quality:.3g}"


def distinct_names(paths: Sequence[str]) -> list[str]:
    """Names of files; those that are alike with as many of their folders as tell them apart."""
    found = [part_of(Path(path)) or (Path(path), "") for path in paths]
    parts = [file.parts for file, _ in found]
    out = []
    for own, (_, part) in zip(parts, found, strict=True):
        others = [other for other in parts if other != own]
        count = 1
        while count < len(own) and any(other[-count:] == own[-count:] for other in others):
            count += 1
        folders = str(Path(*own[-count:-1])) if count > 1 else ""
        name = part_name(own[-1] if folders else Path(*own).name, part)
        out.append(f"{name} – {folders}" if folders else name)
    return out


def part_names(path: Path, parts: tuple[str, ...]) -> list[str]:
    """Names of the rasters in a file without what they have in common: page 2, or a variable's name.

    Parameters
    ----------
    path : Path
    parts : tuple of str
        As GDAL names them.
    """
    names = []
    for part in parts:
        page = re.match(r"(?:GTIFF_DIR|FRAME):(\d+):", part)
        names.append(f"Page {page[1]}" if page else part.partition(str(path))[2].strip('":/'))
    return names if all(names) and len(set(names)) == len(names) else list(parts)


#: Names of rasters in a file by their number, and by a name that follows the file's.
_NUMBERED = re.compile(r"\w{2,}:(?:off:)?\d+:(.+)", re.DOTALL)
_NAMED = re.compile(r'\w{2,}:(?:"([^"]+)"|((?:[A-Za-z]:)?[^:"]+)):.+', re.DOTALL)


def part_of(path: Path) -> tuple[Path, str] | None:
    """File and part that the name of one of several rasters in it is about; None for the path of a file."""
    name = str(path)
    match = _NUMBERED.fullmatch(name) or _NAMED.fullmatch(name)
    if match is None:
        return None
    file = Path(match[1] or match[2])
    return file, part_names(file, (name,))[0]


def part_name(file: str, part: str) -> str:
    """Name of a file with what of it is meant, if it is not all of it."""
    return f"{file} · {part}" if part else file
