"""Guests: pictures of the scene that were not made here, by another codec or from another file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fdegc.raster_info import RasterInfo, Window

#: Keys of guests among the results begin here; all that is made here has lower ones.
FIRST_GUEST = 1000

#: Tries that a search takes as a rule, the longest that it may take (seconds), and pixels at most:
#: the codecs hold all of a picture in memory, some of them many times.
_TRIES, _PATIENCE, _MOST_PIXELS = 4.0, 180.0, 48_000_000


@dataclass(frozen=True, slots=True)
class Guest:
    """Guest: where a picture came from, and its figures.

    Attributes
    ----------
    name : str
        Short, for chips, tables and legends.
    series : str
        Guests of one series lie on one curve; empty for a picture that lies on none.
    facts : str
        Settings, library and version, in words.
    bytes : int or None
        Of the whole file; None where that says nothing, as of an uncompressed raster.
    psnr : float or None
        dB against the original, where it is.
    window : Window or None
        What was coded, and is shown; None for all of the scene.
    encode_seconds, decode_seconds : float or None
    reference : str
        What the size (or the PSNR) was taken from, and how well it was met, a sentence.
    note : str
        A sentence more, to be said when it comes.
    path : Path or None
        File that it was read from; None for what a codec made.
    """

    name: str
    series: str
    facts: str
    bytes: int | None = None
    psnr: float | None = None
    window: Window | None = None
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    reference: str = ""
    note: str = ""
    path: Path | None = None

    @property
    def words(self) -> str:
        """All that is known about it, in lines."""
        return "\n".join(line for line in (self.facts, self.reference, self.note) if line)


@dataclass(frozen=True, slots=True)
class Offer:
    """Other codec that can be used here.

    Attributes
    ----------
    name, label, parameter, settings, version
        As of :class:`fdegc.evaluation.coder.Coder`.
    cost : float
        Rough seconds a megapixel and try.
    bands : int
        What it is given: those of the scene, or 3 where grey goes as colour.
    """

    name: str
    label: str
    parameter: str
    settings: str
    version: str
    cost: float
    bands: int = 3

    def seconds(self, pixels: int) -> float:
        """Rough seconds to find the size of so many pixels."""
        return self.cost * pixels / 1e6 * _TRIES + 1.0

    @property
    def room(self) -> int:
        """Most pixels that it is asked to code at once."""
        most = _MOST_PIXELS * 3 // max(3, self.bands)
        return min(most, int(_PATIENCE / (self.cost * _TRIES) * 1e6))


@dataclass(frozen=True, slots=True)
class Unfit:
    """Other codec that works here but cannot hold the scene.

    Attributes
    ----------
    label : str
    why : str
        What it can hold, in words that follow its name.
    """

    label: str
    why: str


def coded_window(
    info: RasterInfo, room: int, view: Window | None, tile: int, only_view: bool = False
) -> Window | None:
    """Part of a scene that a codec codes: None for all of it, else the tiles in view, or the middle ones.

    Whole tiles, because it is known what each of them costs us.

    Parameters
    ----------
    info : RasterInfo
    room : int
        Most pixels.
    view : Window or None
        What is in view.
    tile : int
        Side of our tiles.
    only_view : bool
        Whether to keep to what is in view even if there is room for the scene.
    """
    whole = Window(0, 0, info.width, info.height)
    if info.pixels <= room and not only_view:
        return None
    seen = (view and view.intersection(whole)) or whole
    left, top = seen.x // tile, seen.y // tile
    right, bottom = -(-(seen.x + seen.width) // tile), -(-(seen.y + seen.height) // tile)
    middle = (seen.x + seen.width / 2) / tile, (seen.y + seen.height / 2) / tile
    while True:
        part = Window(left * tile, top * tile, (right - left) * tile, (bottom - top) * tile).intersection(
            whole
        )
        if part is None or part.pixels <= room:
            return None if part == whole else part
        if right - left == 1 and bottom - top == 1:
            return _shrunk(part.intersection(seen) or part, room)
        # The longer way gets shorter, where it is further from the middle of the view.
        if right - left >= bottom - top:
            left, right = (left + 1, right) if middle[0] - left > right - middle[0] else (left, right - 1)
        else:
            top, bottom = (top + 1, bottom) if middle[1] - top > bottom - middle[1] else (top, bottom - 1)


def _shrunk(part: Window, room: int) -> Window:
    """Middle of a part that has no more pixels than there is room for."""
    if part.pixels <= room:
        return part
    shrink = (room / part.pixels) ** 0.5
    width, height = max(1, int(part.width * shrink)), max(1, int(part.height * shrink))
    return Window(part.x + (part.width - width) // 2, part.y + (part.height - height) // 2, width, height)


def why_unlike(info: RasterInfo, other: RasterInfo, name: str) -> str:
    """Sentence that says why a file cannot be compared with a scene; empty if it can.

    Parameters
    ----------
    info, other : RasterInfo
        Of the scene, and of the file.
    name : str
        Of the file.
    """
    if (info.width, info.height) != (other.width, other.height):
        return (
            f"“{name}” has {other.width} × {other.height} pixels and the scene {info.width} × {info.height}; "
            "only pictures of the same size can be compared pixel by pixel."
        )
    if (info.bands, info.dtype) != (other.bands, other.dtype):
        return (
            f"“{name}” has {samples_of(other)} and the scene {samples_of(info)}; "
            "only samples of the same kind can be compared."
        )
    return ""


def samples_of(info: RasterInfo) -> str:
    """Number and type of a raster's bands in words."""
    return f"{info.bands} band{'s' if info.bands > 1 else ''} of {info.dtype}"
