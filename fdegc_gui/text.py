"""Numbers as people read them; no Qt."""

from __future__ import annotations

import math
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
    parts = [Path(path).parts for path in paths]
    out = []
    for own in parts:
        others = [other for other in parts if other != own]
        count = 1
        while count < len(own) and any(other[-count:] == own[-count:] for other in others):
            count += 1
        folders = str(Path(*own[-count:-1])) if count > 1 else ""
        out.append(f"{own[-1]} – {folders}" if folders else Path(*own).name)
    return out
