"""What a look at some of a raster's samples suggests: where its values are, and what would be better."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fdegc.options import TAILS
from fdegc.raster.alpha import Likeness, likeness
from fdegc.raster.mapping import usable_samples
from fdegc.raster.part import PartSource
from fdegc.raster.several import frame_name, typed
from fdegc.raster.source import RasterSource
from fdegc.raster_info import RasterInfo, Window
from fdegc.types import BandMapping

#: Rasters of up to so many pixels are read whole, of larger ones windows along each side.
_WHOLE = 4_000_000
_WINDOWS, _SIDE = 8, 256
#: Per cent of the samples between which the spread lies.
SPREAD = (1.0, 99.0)
#: What has to be gained by cutting tails off: one bit.
_GAIN = 2.0
#: A larger one, which is rather what stands for missing samples, and what it has to gain.
_MISSING_TAIL, _FAR_GAIN = 5.0, 50.0

Values = list[npt.NDArray[np.generic]]


def some_values(source: RasterSource) -> Values:
    """Usable samples of each band: of all of a small raster, of 64 windows of a larger one.

    Raises
    ------
    UnsupportedRaster
        If the file turns out to be damaged.
    """
    found: list[list[npt.NDArray[np.generic]]] = [[] for _ in range(source.info.bands)]
    for window in _windows(source):
        samples = source.read(window)
        for values, band, good in zip(found, samples.pixels, usable_samples(samples), strict=True):
            values.append(band.ravel() if good is None else band[good])
    return [np.concatenate(values) for values in found]


def _windows(source: RasterSource) -> Iterator[Window]:
    info = source.info
    if info.pixels <= _WHOLE:
        yield from source.scan()
        return
    width, height = min(_SIDE, info.width), min(_SIDE, info.height)
    for row in range(_WINDOWS):
        for column in range(_WINDOWS):
            x, y = (info.width - width) * column, (info.height - height) * row
            yield Window(x // (_WINDOWS - 1), y // (_WINDOWS - 1), width, height)


def spreads(values: Values) -> list[tuple[float, float]]:
    """1st and 99th percentile of each band's values; NaN where there are none."""
    return [_limits(band, SPREAD[0]) for band in values]


def _limits(values: npt.NDArray[np.generic], tail: float) -> tuple[float, float]:
    """Nearest-rank percentiles that cut off a tail on both sides."""
    if not values.size:
        return math.nan, math.nan
    low, high = np.percentile(values.astype(np.float64), (tail, 100 - tail), method="inverted_cdf")
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Tail:
    """Tail of few samples that make the coded range wide.

    Attributes
    ----------
    percent : float or None
        Of the samples on either side, one of :data:`~fdegc.options.TAILS`; None where they are so many that
        they should not be cut off in all bands.
    words : str
        Sentence on what it costs.
    """

    percent: float | None
    words: str


def tail_advice(values: Values, mapping: Sequence[BandMapping]) -> str | None:
    """Sentence for a range that few samples make much wider than the others need; None if none do.

    Parameters are those of :func:`long_tail`.
    """
    tail = long_tail(values, mapping)
    if tail is None:
        return None
    if tail.percent is None:
        return f"{tail.words} --range with a range for each band cuts it off."
    return f"{tail.words} --range {tail.percent:g}%:{100 - tail.percent:g}% cuts them off."


def long_tail(values: Values, mapping: Sequence[BandMapping]) -> Tail | None:
    """Tail that makes the range much wider than the other samples need, the mildest; None if none does.

    Parameters
    ----------
    values : list of ndarray
        Some of each band's.
    mapping : sequence of BandMapping
        What is coded of each band: from the smallest to the largest value.
    """
    found = []
    for tail in (*TAILS, _MISSING_TAIL):
        for band, (own, entry) in enumerate(zip(values, mapping, strict=True)):
            low, high = _limits(own, tail)
            gain = entry.scale / (high - low) if high > low else 0.0
            if gain >= (_FAR_GAIN if tail == _MISSING_TAIL else _GAIN):
                found.append((gain, tail, band, low, high))
    if not found:
        return None
    # The fewest samples that are a quarter as bad as the worst.
    most = max(gain for gain, *_ in found)
    gain, tail, band, low, high = next(one for one in found if 4 * one[0] >= most)
    entry = mapping[band]
    whole = f"{entry.offset:.6g} to {entry.offset + entry.scale:.6g}"
    if tail == _MISSING_TAIL:
        words = (
            f"The coded range of band {band + 1}, {whole}, is {gain:.3g} times as wide as "
            f"{100 - 2 * tail:g} % of its samples need, {low:.6g} to {high:.6g}, and errors grow with it. If "
            "what lies far out stands for missing samples, declare it as nodata."
        )
        return Tail(None, words)
    words = (
        f"A few samples make the coded range {gain:.3g} times as wide as the other {100 - 2 * tail:g} % need "
        f"(band {band + 1}: {whole}, the others {low:.6g} to {high:.6g}), and errors grow with it."
    )
    return Tail(tail, words)


def notices(source: RasterSource) -> list[str]:
    """Sentences about what one might not expect of a raster, whatever its values are.

    Raises
    ------
    UnsupportedRaster
        If the file turns out to be damaged.
    """
    said = (
        _with_page(source, pictures_advice(source)),
        colours_advice(source),
        _with_options(source.info, alpha_advice(source)),
        reference_advice(source.info),
        outside_advice(source),
        crossing_advice(source.long_edge if isinstance(source, PartSource) else None),
    )
    return [sentence for sentence in said if sentence]


def pictures_advice(source: RasterSource) -> str | None:
    """Sentence for an animation of which the first picture is taken; None for other rasters."""
    count = source.pictures
    return (
        f"“{source.info.path}” is an animation of {count} pictures, of which only the first is taken."
        if count > 1
        else None
    )


def _with_page(source: RasterSource, said: str | None) -> str | None:
    """What is said of an animation, with the way to another of its pictures on a command line."""
    if said is None:
        return None
    count, name = source.pictures, typed(frame_name(Path(source.info.path), 2))
    return f"{said} --page {'2' if count == 2 else f'2 to {count}'} takes another, as does its name ({name})."


def _with_options(info: RasterInfo, said: str | None) -> str | None:
    """What is said of an alpha band, with what else can be done with it on a command line."""
    if said is None:
        return None
    other = (
        "as-data codes it as a band like the others" if info.has_alpha else "as-alpha keeps it without loss"
    )
    return f"{said} --alpha {other}, --alpha none leaves it out."


def colours_advice(source: RasterSource) -> str | None:
    """Sentence for colours that are read as red, green and blue but are not stored so; None for others."""
    if not source.colour_space:
        return None
    return (
        f"“{source.info.path}” has its colours in {source.colour_space}; they are read, and coded, as red, "
        "green and blue, and come back as those."
    )


def colours_text(source: RasterSource) -> str:
    """Words for colours that are stored otherwise than as red, green and blue; empty for others."""
    if source.colour_space:
        return f"{source.colour_space}, read and kept as RGB"
    if source.has_palette:
        return "of a palette, whose indices are in the file"
    if source.alpha_is_data:
        return "as stored; a band is called alpha, but taken for data"
    inks = ("cyan", "magenta", "yellow", "black")
    return "CMYK, as four bands of ink" if source.info.color_interpretation[:4] == inks else ""


def outside_advice(source: RasterSource) -> str | None:
    """Sentence for polygons that count for nothing; None if there are none."""
    count = source.outside if isinstance(source, PartSource) else 0
    lie = "1 more polygon lies" if count == 1 else f"{count} more polygons lie"
    return f"{lie} outside of “{source.info.path}”, without effect." if count else None


def crossing_advice(edge: tuple[float, float] | None) -> str | None:
    """Sentence for polygons with an edge that was taken across the antimeridian; None if there is no such.

    Parameters
    ----------
    edge : tuple of 2 floats, or None
        As of :class:`~fdegc.raster.area.Area`.
    """
    if edge is None:
        return None
    return (
        f"An edge of the area goes from {edge[0]:g}° to {edge[1]:g}° of longitude: it is taken by the "
        "shorter way, across 180°. If the long way is meant, give it points in between; RFC 7946 (3.1.9) "
        "wants areas to be cut at 180°."
    )


def alpha_advice(source: RasterSource) -> str | None:
    """Sentence for an alpha band with values as of data, and what it is taken for; None if there is no such.

    Raises
    ------
    UnsupportedRaster
        If the file turns out to be damaged.
    """
    if source.alpha_is_data:
        return (
            "A band is called alpha, but its values are those of data, near infrared perhaps: it is "
            "coded as a band like the others."
        )
    if likeness(source) is Likeness.ALPHA:
        return None
    number = source.info.bands + 1 if (band := source.info.alpha_band) is None else band.position + 1
    return (
        f"Band {number} is called alpha, but its values are those of data, near infrared perhaps: it is kept "
        "without loss, and pixels where it is 0 do not count."
    )


def reference_advice(info: RasterInfo) -> str | None:
    """Sentence for metadata that refer to other files; None if none do."""
    arrays = info.domains.get("GEOLOCATION", {})
    names = [text for key in ("X_DATASET", "Y_DATASET") if (text := arrays.get(key))]
    if not names:
        return None
    which = ", ".join(dict.fromkeys(names))
    return (
        f"Where its pixels lie is in other files ({which}), which are not coded: keep them with the result."
    )
