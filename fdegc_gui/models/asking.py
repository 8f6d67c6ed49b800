"""What a place on the curve of our results asks for: the rate point whose size comes nearest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fdegc_gui.text import decibels, human_bytes


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    Attributes
    ----------
    bytes : float
        At the place itself.
    psnr : float or None
        dB there, between the results on both sides; None beyond them.
    rate : int
        Rate point whose size comes nearest.
    rate_bytes : float
        Its size.
    exact : bool
        Whether that was measured.
    """

    bytes: float
    psnr: float | None
    rate: int
    rate_bytes: float
    exact: bool

    @property
    def words(self) -> str:
        """It in lines; what is estimated says so."""
        quality = "" if self.psnr is None else f", ≈ {decibels(self.psnr)}"
        about = "" if self.exact else "≈ "
        return (
            f"≈ {human_bytes(round(self.bytes))}{quality}\n"
            f"rate {self.rate}: {about}{human_bytes(round(self.rate_bytes))}"
        )


def asked_at(
    size: float, estimates: Mapping[int, float], known: Sequence[tuple[int, float, float]]
) -> Asked | None:
    """What a size asks for; None if no rate point's size is known.

    Parameters
    ----------
    size : float
        Bytes; taken to the nearest there is where it lies beyond all.
    estimates : mapping of int to float
        Estimated bytes of rate points.
    known : sequence of (int, float, float)
        Rate point, bytes and PSNR in dB of results.
    """
    measured = {rate: count for rate, count, _ in known}
    sizes = {**estimates, **measured}
    if not sizes:
        return None
    size = min(max(size, min(sizes.values())), max(sizes.values()))
    rate = min(sizes, key=lambda key: abs(math.log(sizes[key] / size)))
    points = sorted((count, psnr) for _, count, psnr in known if math.isfinite(psnr))
    psnr = None
    if points and points[0][0] <= size <= points[-1][0]:
        # Curves are nearly straight over the logarithm of the size.
        psnr = float(np.interp(math.log(size), [math.log(x) for x, _ in points], [y for _, y in points]))
    return Asked(size, psnr, rate, sizes[rate], rate in measured)
