"""What a run does when: sizes of its batches, its part of the schedule, the moment at which it has to end."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import psutil

from fdegc.errors import InvalidOption


@dataclass(frozen=True, slots=True)
class Phase:
    """Part of the schedule with batches of one size.

    Attributes
    ----------
    batch, crop : int
        Crops a step over all processes, and their side.
    start : float
        Fraction of the schedule at which it begins.
    """

    batch: int
    crop: int
    start: float = 0.0


def check_crop(crop: int) -> None:
    """Refusal of crop sides that the network cannot take.

    Raises
    ------
    InvalidOption
    """
    if crop % 64 or crop < 64:
        raise InvalidOption(f"The crop must be a multiple of 64 pixels, not {crop}.")


def parse_finish(text: str) -> Phase:
    """Phase of ``8x512@0.8``: from 0.8 of the schedule on, 8 crops of 512 pixels a step.

    Raises
    ------
    InvalidOption
    """
    match = re.fullmatch(r"(\d+)x(\d+)@(\d*\.?\d+)", text)
    if match is None or not 0.0 < float(match[3]) < 1.0 or not int(match[1]):
        raise InvalidOption(
            f"--finish must look like 8x512@0.8 (crops a step, their side, and the fraction of the schedule "
            f"from which on), not {text}."
        )
    phase = Phase(int(match[1]), int(match[2]), float(match[3]))
    check_crop(phase.crop)
    return phase


def parse_span(text: str) -> tuple[float, float]:
    """Span of the schedule from text: ``0.5:1`` is the second half.

    Raises
    ------
    InvalidOption
    """
    match = re.fullmatch(r"(\d*\.?\d+):(\d*\.?\d+)", text)
    first, last = (float(match[1]), float(match[2])) if match else (1.0, 0.0)
    if not 0.0 <= first < last <= 1.0:
        raise InvalidOption(f"--span must look like 0:0.5 or 0.5:1 (fractions of the schedule), not {text}.")
    return first, last


def process_age() -> float:
    """Seconds since this process was started, imports and all, by the clock of the wall."""
    return max(0.0, time.time() - psutil.Process().create_time())


def seconds_to_train(stop_at: float, age: float, writing: float) -> float:
    """Seconds that are left for steps.

    Parameters
    ----------
    stop_at : float
        Age of the process at which all must be written.
    age : float
        Its age now.
    writing : float
        What writing takes.

    Raises
    ------
    InvalidOption
        If nothing is left.
    """
    left = stop_at - age - writing
    if left <= 0.0:
        raise InvalidOption(
            f"--stop-at {stop_at:g} leaves no time to train: {age:.0f} s are gone already, and writing the "
            f"weights takes about {writing:.0f} s."
        )
    return left
