"""Numbers as people read them; no Qt."""

from __future__ import annotations

import math

from fdegc.types import RATE_POINTS

#: Shown where there is no value.
NONE = "–"


def human_bytes(count: float) -> str:
    """Return a file size in SI units with three significant digits, for example ``1.24 MB``."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.5 or unit == "TB":
            break
    digits = 2 if count < 9.995 else 1 if count < 99.95 else 0
    return f"{count:.{digits}f} {unit}"


def human_seconds(seconds: float) -> str:
    """Return a duration as ``0.42 s``, ``12 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def time_left(seconds: float) -> str:
    """Return a remaining time in words that do not flicker: coarse steps above ten seconds."""
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
    """Return a level as ``34.21 dB``; ``lossless`` for infinity."""
    if value is None or math.isnan(value):
        return NONE
    return "lossless" if math.isinf(value) else f"{value:.2f} dB"


def fixed(value: float | None, digits: int) -> str:
    """Return a number with fixed digits, or the dash."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"


def ratio(value: float | None) -> str:
    """Return a compression ratio as ``27.4 : 1``."""
    if value is None:
        return NONE
    return f"{value:.1f} : 1" if value < 999.5 else f"{value:,.0f} : 1"


def zoom_percent(zoom: float) -> str:
    """Return a zoom factor in percent, one decimal below ten."""
    percent = zoom * 100
    return f"{percent:.1f} %" if percent < 9.95 else f"{percent:.0f} %"


def lmbda(rate: int) -> str:
    """Return λ of a rate point without needless decimals."""
    return f"{RATE_POINTS[rate - 1].lmbda:g}"


def quality_name(quality: float) -> str:
    """Return ``rate 4 · λ 1024`` for a trained point, ``quality 3.5`` between two."""
    if float(quality).is_integer():
        return f"rate {int(quality)} · λ {lmbda(int(quality))}"
    return f"quality {quality:.3g}"
