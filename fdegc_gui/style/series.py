"""Colours and marks of the curves of a plot: the first is ours, any two differ in both."""

from __future__ import annotations

from fdegc_gui.style.theme import DARK, Tokens

#: At least 3 : 1 against the panel they are drawn on.
_LIGHT = ("#b4540a", "#7a3db8", "#2b7a2b", "#b3261e", "#3a55c4", "#806000", "#b02a72", "#5a6472")
_DARK = ("#f0a35e", "#bd93f0", "#7fd07f", "#ff8a80", "#93a7ff", "#d8bc4a", "#f08cc0", "#9aa5b1")
#: As pyqtgraph names them, and a letter that looks like it.
_MARKS = (("o", "●"), ("t1", "▲"), ("s", "■"), ("d", "◆"), ("t", "▼"), ("p", "⬟"), ("h", "⬢"), ("star", "★"))


def series_color(number: int, tokens: Tokens) -> str:
    """Colour of a curve by its number, from 0 for ours."""
    colors = _DARK if tokens is DARK else _LIGHT
    return tokens.accent if number == 0 else colors[(number - 1) % len(colors)]


def series_mark(number: int) -> tuple[str, str]:
    """Mark of a curve by its number: its name for pyqtgraph, and a character for a legend."""
    return _MARKS[number % len(_MARKS)]
