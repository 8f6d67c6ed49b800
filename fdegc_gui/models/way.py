"""Ways to compress, in words: the six rate points, and the one with a bound on every error."""

from __future__ import annotations

from fdegc_gui.text import quality_name

#: Key of the result, and of the row, without loss or with a largest error; rate points are 1 to 6.
EXACT = 7
#: What the switch is called that has palettes and classes coded with losses.
NETWORK_SWITCH = "“Use the network all the same”"


def how(key: int, bound: float) -> str:
    """Way in a sentence: ``at rate 4``, ``without loss``, ``with errors up to 2``."""
    if key != EXACT:
        return f"at rate {key}"
    return "without loss" if bound == 0 else f"with errors up to {bound:g}"


def way_title(key: int, bound: float) -> str:
    """Way as the beginning of a row or a sentence: ``Rate 4``, ``Without loss``, ``Errors up to 2``."""
    if key != EXACT:
        return f"Rate {key}"
    return "Without loss" if bound == 0 else f"Errors up to {bound:g}"


def way_name(quality: float, bound: float | None) -> str:
    """Name of what was coded: by the error that it promises if it does, else by its quality."""
    if bound is None:
        return quality_name(quality)
    return "without loss" if bound == 0 else f"errors up to {bound:g}"


def file_mark(key: int, bound: float) -> str:
    """Part of a file's name that tells the way: ``rate4``, ``lossless``, ``error2``."""
    if key != EXACT:
        return f"rate{key}"
    return "lossless" if bound == 0 else f"error{bound:g}"
