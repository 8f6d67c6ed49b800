"""Ways to compress, in words: the six rate points, a quality of one's own, and a bound on every error."""

from __future__ import annotations

from dataclasses import dataclass

from fdegc_gui.text import quality_name

#: Key of the result, and of the row, without loss or with a largest error; rate points are 1 to 6.
EXACT = 7
#: Key of those at a quality of one's own, which may lie between the rate points.
FREE = 8
#: What the switch is called that has palettes and classes coded with losses.
NETWORK_SWITCH = "“Use the network all the same”"


@dataclass(frozen=True, slots=True)
class Way:
    """Way to compress.

    Attributes
    ----------
    key : int
        Rate point 1 to 6, ``FREE``, or ``EXACT``.
    quality : float
        1 to 6; it says nothing of ``EXACT``.
    bound : float
        Largest error of ``EXACT``, 0 for none at all.
    """

    key: int
    quality: float
    bound: float = 0.0

    @property
    def title(self) -> str:
        """It as the beginning of a row or a sentence: ``Rate 4``, ``Quality 3.42``, ``Errors up to 2``."""
        if self.key == EXACT:
            return "Without loss" if self.bound == 0 else f"Errors up to {self.bound:g}"
        return f"Quality {self.quality:.3g}" if self.key == FREE else f"Rate {self.key}"

    @property
    def name(self) -> str:
        """It within a sentence: ``rate 4``."""
        return self.title.lower()

    @property
    def how(self) -> str:
        """It in a sentence: ``at rate 4``, ``at quality 3.42``, ``without loss``, ``with errors up to 2``."""
        if self.key == EXACT:
            return self.name if self.bound == 0 else f"with {self.name}"
        return f"at {self.name}"

    @property
    def file_mark(self) -> str:
        """Part of a file's name that tells it: ``rate4``, ``quality3.42``, ``lossless``, ``error2``."""
        if self.key == EXACT:
            return "lossless" if self.bound == 0 else f"error{self.bound:g}"
        return self.name.replace(" ", "")


def way_name(quality: float, bound: float | None) -> str:
    """Name of what was coded: by the error that it promises if it does, else by its quality."""
    if bound is None:
        return quality_name(quality)
    return "without loss" if bound == 0 else f"errors up to {bound:g}"
