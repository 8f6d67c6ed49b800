"""Costs as the rows of the side bar say them: measured, or about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fdegc.results import Estimate
from fdegc_gui.models.result import Result, State
from fdegc_gui.text import NONE, about_seconds, human_bytes, human_seconds

#: Seconds after which something whose time nobody knows says how long it has been running.
_SOON = 2.0


@dataclass(frozen=True)
class Cost:
    """Cost of a rate point; ``exact`` once it is finished, ``queued`` before it has begun."""

    size: str = NONE
    time: str = NONE
    exact: bool = False
    progress: float | None = None
    queued: bool = False


def cost_of(estimate: Estimate | None, result: Result | None, *, timed: bool = True) -> Cost:
    """Cost that a row shows: measured if finished, otherwise estimated; the time as the work tells it.

    Parameters
    ----------
    estimate : Estimate or None
    result : Result or None
    timed : bool
        Whether the estimate's time is known; it is not before the network has been tried on this machine.
    """
    if result is not None and result.state is State.DONE and result.encode is not None:
        encode = result.encode
        seconds = encode.encode_seconds + encode.reconstruct_seconds
        least = "≥ " if encode.resumed_tiles else ""  # of tiles that were finished before nobody knows
        return Cost(human_bytes(encode.bytes), f"{least}{human_seconds(seconds)}", True)
    size = NONE if estimate is None else f"≈ {human_bytes(estimate.bytes)}"
    expected = estimate.seconds if estimate is not None and timed else None
    if result is not None and result.state is State.RUNNING:
        if result.left is not None:
            expected = result.seconds + result.left
        elif result.seconds > (expected or _SOON):
            return Cost(size, f"> {human_seconds(round(result.seconds))}")
    return Cost(size, NONE if expected is None else about_seconds(expected))


def memory_words(estimates: Iterable[Estimate]) -> str:
    """Sentence on the memory that compressing takes at most; empty if nobody knows yet."""
    most = max((estimate.memory_bytes for estimate in estimates), default=None)
    return "" if most is None else f"Takes about {human_bytes(most)} of memory at any rate."
