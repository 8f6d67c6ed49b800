"""Notices: what an opened file has lost, what is odd about a result, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fdegc.format.info import INDISPENSABLE
from fdegc.raster_info import Window
from fdegc.results import StreamInfo
from fdegc_gui.models.result import Result
from fdegc_gui.models.scene import Scene
from fdegc_gui.models.way import CUT_SWITCH, CUTS

#: Tiles that are named one by one.
_NAMED = 4
#: What can be typed after a command, in parentheses.
_OPTIONS = re.compile(r" \(--[^)]*\)")
_AGAIN = "Fetch the file again from where it came, or from a backup;"


@dataclass(frozen=True)
class Notice:
    """Notice that stays until the user dismisses it.

    Attributes
    ----------
    heading, text : str
    places : tuple of Window
        Where in the scene it can be seen.
    """

    heading: str
    text: str
    places: tuple[Window, ...] = ()


def damage_notice(scene: Scene | None, result: Result | None) -> Notice | None:
    """Notice of what was lost, where, and what to do; None for anything but a damaged ``.fdegc`` file.

    Parameters
    ----------
    scene : Scene or None
    result : Result or None
        Of decoding it, as far as that has come.
    """
    if scene is None or scene.stream is None:
        return None
    damaged = result.damaged if result is not None else ()
    lost = tuple(dict.fromkeys((*scene.stream.lost, *(result.lost if result is not None else ()))))
    if not damaged and not lost:
        return None
    said = []
    if damaged:
        said.append(_tiles(scene.stream, damaged))
    if lost:
        said.append(f"Lost with damaged bytes: {_listed(lost)}.")
    said.append(_advice(lost))
    if len(damaged) >= scene.stream.tiles:
        nothing = f"Nothing of “{scene.path.name}” can be decoded"
        return Notice(nothing, "All of its tiles are damaged or missing. " + _AGAIN[:-1] + ".")
    return Notice(f"“{scene.path.name}” is damaged", " ".join(said), damaged)


def unasked_notice(words: str) -> Notice | None:
    """Notice of a scene that is coded without loss although nobody asked; None for others."""
    return Notice("This scene is coded without loss", words) if words else None


def wide_notice(words: str, cut: int) -> Notice | None:
    """Notice of a scene whose range a few values make wide; None for others.

    Parameters
    ----------
    words : str
        On what they cost; empty for nothing.
    cut : int
        Number of the cut that helps, 0 if none does.
    """
    if not words:
        return None
    heading = "A few values cost all the others quality"
    if not cut:
        return Notice(heading, words)
    share = CUTS[cut]
    offer = (
        f"{CUT_SWITCH} codes what lies between {share:g} % and {100 - share:g} % of the values; what "
        "lies beyond comes back as the nearest limit."
    )
    return Notice(heading, f"{words} {offer}")


def advice_notice(result: Result | None) -> Notice | None:
    """Notice of a compression whose result would disappoint, or lacks what was cut off; None for others."""
    if result is None or result.encode is None:
        return None
    # What is an option of the command line is a row of the side bar here.
    said = [_OPTIONS.sub("", sentence) for sentence in result.encode.advice]
    if clipped := result.encode.clipped:
        which = "1 valid sample lies" if clipped == 1 else f"{clipped} valid samples lie"
        said.append(f"{which} outside of the range that is kept, and came back as its limits.")
    return Notice(f"Look closely at {result.way.name}", " ".join(said)) if said else None


def joined(first: Notice | None, second: Notice | None) -> Notice | None:
    """Notice that says what both say, under the first one's heading; None of none."""
    if first is None or second is None:
        return first or second
    return Notice(first.heading, f"{first.text} {second.heading}: {second.text}", first.places)


def _tiles(stream: StreamInfo, damaged: Sequence[Window]) -> str:
    named = [_place(stream, window) for window in damaged[:_NAMED]]
    if len(damaged) > _NAMED:
        named.append(f"{len(damaged) - _NAMED} more")
    stay = "stays" if len(damaged) == 1 else "stay"
    sentence = f"{len(damaged)} of {stream.tiles} tiles cannot be decoded and {stay} empty: {_listed(named)}."
    if stream.halo and stream.tiles > len(damaged):
        around = "it" if len(damaged) == 1 else "them"
        sentence += f" Up to {stream.halo} pixels around {around} are inexact."
    return sentence


def _place(stream: StreamInfo, window: Window) -> str:
    """Number of a tile, as ``fdegc verify`` counts, and its pixels."""
    side = stream.tile_size
    number = window.y // side * -(-stream.raster.width // side) + window.x // side
    x, y = window.x + window.width - 1, window.y + window.height - 1
    return f"tile {number} (x {window.x}–{x}, y {window.y}–{y})"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _advice(lost: Sequence[str]) -> str:
    if needed := [word for word in INDISPENSABLE if word in lost]:
        return f"Without its {_listed(needed)} it cannot be decoded. {_AGAIN} “fdegc verify” finds the bytes."
    return f"{_AGAIN} “fdegc verify” finds the bytes. Everything else can be used as it is."
