"""Ways to compress, in words: rate points, a quality of one's own, a bound on errors, effort, and a cut."""

from __future__ import annotations

from dataclasses import dataclass

from fdegc.options import TAILS, ValueRange
from fdegc_gui.text import quality_name

#: Row, and key of the result, without loss or with a largest error; rate points are 1 to 6.
EXACT = 7
#: Row of those at a quality of one's own, which may lie between the rate points.
FREE = 8
#: A result has its row for a key, and with an effort this much more for each step of that.
_EFFORT_KEYS = 10
#: Efforts by number, as people call them.
EFFORTS = ("Normal", "Longer", "Much longer", "Very long", "Longest")
#: What the switch is called that has palettes and classes coded with losses.
NETWORK_SWITCH = "“Use the network all the same”"
#: Cuts by number: per cent of the values, on either side, that come back as the nearest limit.
CUTS = (0.0, *TAILS)
#: A result has for each cut this much more for a key.
_CUT_KEYS = _EFFORT_KEYS * len(EFFORTS)
#: What the switch is called that has the outermost values cut off.
CUT_SWITCH = "“Cut off the outermost values”"


@dataclass(frozen=True, slots=True)
class Way:
    """Way to compress.

    Attributes
    ----------
    row : int
        Rate point 1 to 6, ``FREE``, or ``EXACT``.
    quality : float
        1 to 6; it says nothing of ``EXACT``.
    bound : float
        Largest error of ``EXACT``, 0 for none at all.
    effort : int
        0 to 4; it says nothing of ``EXACT``.
    cut : float
        Per cent of the values that are cut off on either side; it says nothing of ``EXACT``.
    """

    row: int
    quality: float
    bound: float = 0.0
    effort: int = 0
    cut: float = 0.0

    @property
    def title(self) -> str:
        """It as the beginning of a row or a sentence: ``Rate 4``, ``Quality 3.42, effort 2, cut 0.1 %``."""
        if self.row == EXACT:
            return "Without loss" if self.bound == 0 else f"Errors up to {self.bound:g}"
        quality = f"Quality {self.quality:.3g}" if self.row == FREE else f"Rate {self.row}"
        return ", ".join((quality, *choices_text(self.effort, self.cut)))

    @property
    def name(self) -> str:
        """It within a sentence: ``rate 4``."""
        return self.title.lower()

    @property
    def how(self) -> str:
        """It in a sentence: ``at rate 4``, ``at quality 3.42``, ``without loss``, ``with errors up to 2``."""
        if self.row == EXACT:
            return self.name if self.bound == 0 else f"with {self.name}"
        return f"at {self.name}"

    @property
    def file_mark(self) -> str:
        """Part of a file's name that tells it: ``rate4``, ``quality3.42-effort2``, ``lossless``."""
        if self.row == EXACT:
            return "lossless" if self.bound == 0 else f"error{self.bound:g}"
        return self.name.replace(", ", "-").replace(" ", "").replace("%", "")


def choices_text(effort: int, cut: float) -> list[str]:
    """Words for an effort and a cut, those that are none left out."""
    words = (f"effort {effort}" if effort else "", f"cut {cut:g} %" if cut else "")
    return [word for word in words if word]


def key_of(row: int, effort: int, cut: int = 0) -> int:
    """Key of a row's result at an effort, with a cut; neither counts for anything with a largest error."""
    return row if row == EXACT else row + _EFFORT_KEYS * effort + _CUT_KEYS * cut


def keys_of(row: int) -> tuple[int, ...]:
    """Keys that a row can have, at any effort and with any cut."""
    return tuple(key_of(row, effort, cut) for effort in range(len(EFFORTS)) for cut in range(len(CUTS)))


def row_of(key: int) -> int:
    """Row of a result that was made here, by its key."""
    return key % _EFFORT_KEYS


def effort_of(key: int) -> int:
    """Effort of a result that was made here, by its key."""
    return key % _CUT_KEYS // _EFFORT_KEYS


def cut_of(key: int) -> int:
    """Number of the cut of a result that was made here, by its key."""
    return key // _CUT_KEYS


def ranges_of(cut: int) -> tuple[ValueRange, ...]:
    """Ranges to keep with a cut, as options of a compression have them; none without one."""
    return (ValueRange(CUTS[cut], 100 - CUTS[cut], percent=True),) if cut else ()


def way_name(quality: float, bound: float | None, effort: int = 0, cut: float = 0.0) -> str:
    """Name of what was coded: by the error that it promises if it does, else by quality, effort and cut."""
    if bound is None:
        return " · ".join((quality_name(quality), *choices_text(effort, cut)))
    return "without loss" if bound == 0 else f"errors up to {bound:g}"
