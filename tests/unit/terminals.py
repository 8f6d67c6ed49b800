"""A terminal whose reader does something when they see a line of a progress bar."""

from __future__ import annotations

import io
import itertools
import re
import sys
from collections.abc import Callable

import pytest


class WatchedTerminal(io.StringIO):
    """A terminal; what is done at the first text that matches each of the patterns."""

    def __init__(self, acts: dict[str, Callable[[], object]]) -> None:
        super().__init__()
        self._acts = dict(acts)

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for pattern in [pattern for pattern in self._acts if re.search(pattern, text)]:
            self._acts.pop(pattern)()
        return super().write(text)


def watch(monkeypatch: pytest.MonkeyPatch, acts: dict[str, Callable[[], object]]) -> WatchedTerminal:
    """Make stderr such a terminal, and let time fly, so that a bar is drawn at every bit of progress."""
    terminal = WatchedTerminal(acts)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("tqdm.std.time", itertools.count().__next__)
    return terminal
