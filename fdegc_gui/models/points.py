"""Points of the rate-distortion plot and rows of the table of results; no Qt."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass

from fdegc.results import EncodeResult
from fdegc.text import ways_text
from fdegc_gui.models.guest import FIRST_GUEST
from fdegc_gui.models.result import Result, State
from fdegc_gui.models.way import CUTS, choices_text
from fdegc_gui.text import NONE, decibels, fixed, human_bytes, human_seconds

#: Series of what is made here.
OURS, BOUNDED = "FDEGC", "FDEGC, bounded error"


@dataclass(frozen=True, slots=True)
class Point:
    """Point: a finished result with its figures.

    Attributes
    ----------
    key : int
        Of the result.
    name : str
        Of what made it, or of the rate point.
    series : str
        Points of one series lie on one curve; empty for one that lies on none.
    label : str
        Name of the series for people.
    part : bool
        Whether only a part of the scene was coded, so that its figures stand beside no others.
    found : bool
        Whether it is a raster that was opened as it was found, whose size is nobody's choice here.
    facts : str
        Settings, library, what was coded.
    bytes, bpp, psnr, ms_ssim, vifp, lpips, max_error, encode_seconds, decode_seconds
        None where there is no such figure; PSNR is infinite without loss.
    """

    key: int
    name: str
    series: str
    label: str
    part: bool
    found: bool
    facts: str
    bytes: int | None
    bpp: float | None
    psnr: float | None
    ms_ssim: float | None
    vifp: float | None
    lpips: float | None
    max_error: float | None
    encode_seconds: float | None
    decode_seconds: float | None

    @property
    def ms_ssim_db(self) -> float | None:
        """MS-SSIM as −10·log₁₀(1 − MS-SSIM)."""
        value = self.ms_ssim
        return None if value is None or value >= 1 else -10 * math.log10(1 - value)

    @property
    def words(self) -> str:
        """Figures in lines, to be read at the point."""
        lines = [self.label if self.key >= FIRST_GUEST else f"{OURS}, {self.name.lower()}"]
        if self.bytes is not None:
            lines.append(f"{human_bytes(self.bytes)}, {fixed(self.bpp, 3)} bpp")
        lines.append(f"PSNR {decibels(self.psnr)}")
        if self.ms_ssim is not None:
            lines.append(f"MS-SSIM {fixed(self.ms_ssim, 4)} ({decibels(self.ms_ssim_db)})")
        if self.vifp is not None:
            lines.append(f"VIFp {fixed(self.vifp, 3)}")
        if self.max_error is not None:
            lines.append(f"largest error {self.max_error:g}")
        if self.encode_seconds is not None:
            lines.append(f"coded in {human_seconds(self.encode_seconds)}")
        return "\n".join(lines)


def points_of(results: Iterable[Result], pixels: int) -> list[Point]:
    """Points of the finished results of a scene: ours by rate and effort, then the others as they came.

    Parameters
    ----------
    results : iterable of Result
    pixels : int
        Of the scene.
    """
    found = []
    for result in sorted(results, key=order):
        if result.state is State.DONE and (result.encode is not None or result.guest is not None):
            found.append(_point(result, pixels))
    return found


def order(result: Result) -> tuple[int, bool, float, int, int]:
    """Place of a result in lists: ours by quality, effort, cut, what promises errors, guests as they came."""
    guest = result.key if result.guest is not None else 0
    return guest, result.bound is not None, result.quality, result.effort, result.cut


def _point(result: Result, pixels: int) -> Point:
    guest, encode, metrics = result.guest, result.encode, result.metrics
    ours = guest is None
    facts, coding, decoding = "", None, None
    if encode is not None:
        facts = f"FDEGC {result.way.how}, on {encode.device}; {tiles_text(encode)}."
        coding, decoding = encode.encode_seconds, encode.reconstruct_seconds or None
    elif guest is not None:
        facts, coding, decoding = guest.words, guest.encode_seconds, guest.decode_seconds
    return Point(
        key=result.key,
        name=result.way.title if ours else result.title,
        series=_series(result) if guest is None else guest.series,
        label=_series(result) if guest is None else guest.name,
        part=guest is not None and guest.window is not None,
        # Of files only a ``.fdegc`` takes time to decode.
        found=guest is not None and guest.path is not None and guest.decode_seconds is None,
        facts=facts,
        bytes=result.bytes or None,
        bpp=result.bpp(pixels),
        psnr=result.live_psnr(None),
        ms_ssim=metrics.ms_ssim if metrics else None,
        vifp=metrics.vifp if metrics else None,
        lpips=metrics.lpips if metrics else None,
        max_error=metrics.errors.max_error if metrics and metrics.errors else None,
        encode_seconds=coding,
        decode_seconds=decoding,
    )


def tiles_text(encode: EncodeResult) -> str:
    """How the tiles of a compression were coded, and what the worst one is like."""
    worst = encode.worst if encode.tiles > 1 else None
    said = f"tiles: {ways_text(encode.ways)}" if encode.ways else f"tiles: {encode.tiles}"
    return said if worst is None else f"{said}, the worst {decibels(worst)}"


def _series(result: Result) -> str:
    """Series of what is made here: a curve for each effort and cut, one of what promises a largest error."""
    return curve_name(result.effort, result.cut) if result.bound is None else BOUNDED


def curve_name(effort: int, cut: int = 0) -> str:
    """Series of what the network makes at an effort, with a cut."""
    return ", ".join((OURS, *choices_text(effort, CUTS[cut])))


#: Figures that can be an axis: attribute, label.  Sizes first, then qualities.
SIZES = (("bpp", "bits per pixel"), ("bytes", "size, kB"))
QUALITIES = (
    ("psnr", "PSNR, dB"),
    ("ms_ssim_db", "MS-SSIM, dB"),
    ("vifp", "VIFp"),
    ("max_error", "Largest error"),
)


def place_of(point: Point, size: str, quality: str) -> tuple[float, float] | None:
    """Place of a point in a plot of two figures; None if it has none there."""
    x, y = getattr(point, size), getattr(point, quality)
    if point.part or x is None or y is None or not math.isfinite(y):
        return None
    return (x / 1e3 if size == "bytes" else float(x)), float(y)


_COLUMNS = (
    "result", "part_of_scene", "bytes", "bpp", "psnr_db", "ms_ssim", "ms_ssim_db", "vifp", "lpips",
    "max_error", "encode_seconds", "decode_seconds", "settings",
)  # fmt: skip


def table_text(points: Iterable[Point], separator: str) -> str:
    """Table of results as text: a comma between the figures for a file, a tab for the clipboard.

    LPIPS, which few have installed, is a column only where there is one.
    """
    points = tuple(points)
    left_out = () if any(point.lpips is not None for point in points) else ("lpips",)
    out = io.StringIO()
    writer = csv.DictWriter(
        out,
        [name for name in _COLUMNS if name not in left_out],
        extrasaction="ignore",
        delimiter=separator,
        lineterminator="\n",
    )
    writer.writeheader()
    for point in points:
        figures = (
            point.name if point.key >= FIRST_GUEST else f"{OURS} {point.name.lower()}",
            "yes" if point.part else "no",
            "" if point.bytes is None else point.bytes,
            _plain(point.bpp, 5),
            _plain(point.psnr, 3),
            _plain(point.ms_ssim, 6),
            _plain(point.ms_ssim_db, 3),
            _plain(point.vifp, 5),
            _plain(point.lpips, 5),
            "" if point.max_error is None else f"{point.max_error:g}",
            _plain(point.encode_seconds, 3),
            _plain(point.decode_seconds, 3),
            " ".join(point.facts.split()),
        )
        writer.writerow(dict(zip(_COLUMNS, figures, strict=True)))
    return out.getvalue()


def _plain(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def row_of(point: Point) -> tuple[str, ...]:
    """Figures of a row as they are read in the window."""
    psnr = "∞" if point.psnr == math.inf else fixed(point.psnr, 2)
    size = NONE if point.bytes is None else human_bytes(point.bytes)
    return (
        point.name,
        size,
        fixed(point.bpp, 3),
        psnr,
        fixed(point.ms_ssim, 4),
        fixed(point.vifp, 3),
        fixed(point.lpips, 3),
    )
