"""What can be asked of a compression, apart from a quality; the stdlib only."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from enum import Enum

from fdegc.errors import InvalidOption


@dataclass(frozen=True, slots=True)
class ValueRange:
    """Values of a band that the network's range is to cover.

    Attributes
    ----------
    low, high : float
        In source units, or in per cent of the band's valid values; low < high.
    percent : bool

    Raises
    ------
    InvalidOption
    """

    low: float
    high: float
    percent: bool = False

    def __post_init__(self) -> None:
        largest = sys.float_info.max
        limits = (0.0, 100.0) if self.percent else (-largest, largest)
        if not limits[0] <= self.low < self.high <= limits[1]:
            unit = "%" if self.percent else ""
            within = " within 0% to 100%" if self.percent else ""
            raise InvalidOption(
                f"A range must go from a smaller to a larger value{within}, not from {self.low:g}{unit} "
                f"to {self.high:g}{unit}."
            )


class TargetKind(Enum):
    """What a target is about."""

    SIZE = "bytes"
    BPP = "bpp"
    PSNR = "dB"


@dataclass(frozen=True, slots=True)
class Target:
    """What a file is to reach, by the choice of its quality.

    Attributes
    ----------
    kind : TargetKind
        SIZE and BPP: the best quality whose file is not larger.  PSNR: the smallest quality that is not
        worse, against the span of the mapping (``EncodeResult.psnr``).
    value : float
        Bytes of the file, its bits per pixel, or dB; > 0.

    Raises
    ------
    InvalidOption
    """

    kind: TargetKind
    value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise InvalidOption(f"A target must be a positive number, not {self.value:g}.")

    def bytes(self, pixels: int) -> int | None:
        """Largest size of the file of a scene of so many pixels; None for a PSNR."""
        if self.kind is TargetKind.PSNR:
            return None
        return math.floor(self.value if self.kind is TargetKind.SIZE else self.value * pixels / 8)
