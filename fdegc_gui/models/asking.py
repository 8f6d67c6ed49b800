"""What a place on the curve of our results asks for: a quality, with its forecast of size and PSNR."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fdegc.options import QUALITY_MAX, QUALITY_MIN
from fdegc_gui.models.costs import forecasts_of
from fdegc_gui.models.session import Session
from fdegc_gui.models.way import FREE, Way
from fdegc_gui.text import decibels, human_bytes

#: Steps of a quality that is asked for, and how near a rate point it means that one.
STEP, _SNAP = 0.01, 0.04


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    Attributes
    ----------
    quality : float
        1 to 6; a whole number is a rate point.
    bytes : float
    psnr : float or None
        dB, between the results on both sides; None beyond them.
    exact : bool
        Whether both were measured.
    """

    quality: float
    bytes: float
    psnr: float | None
    exact: bool

    @property
    def way(self) -> Way:
        """Way to get it."""
        whole = self.quality.is_integer()
        return Way(int(self.quality) if whole else FREE, self.quality)

    @property
    def figures(self) -> str:
        """Size and PSNR; what is forecast says so."""
        about = "" if self.exact else "≈ "
        quality = "" if self.psnr is None else f", {about}{decibels(self.psnr)}"
        return f"{about}{human_bytes(round(self.bytes))}{quality}"

    @property
    def words(self) -> str:
        """It in lines."""
        return f"{self.way.name}\n{self.figures}"


class Course:
    """Course of size and PSNR over the quality, through what is known of a scene.

    Both are nearly straight, the size by its logarithm.

    Parameters
    ----------
    sizes : mapping of float to float
        Bytes by quality, measured or forecast.
    measured : mapping of float to float
        PSNR in dB of the qualities that are finished.
    """

    def __init__(self, sizes: Mapping[float, float], measured: Mapping[float, float]) -> None:
        self._known = frozenset(measured)
        known = sorted((quality, size) for quality, size in sizes.items() if size > 0)
        self._qualities = [quality for quality, _ in known]
        # A size that falls where the quality grows would have no one quality.
        self._logs = np.maximum.accumulate([math.log(size) for _, size in known]) if known else np.zeros(0)
        self._psnrs = sorted((quality, psnr) for quality, psnr in measured.items() if math.isfinite(psnr))

    def at(self, quality: float) -> Asked | None:
        """What a quality gives; None if nothing is known.  One beside a rate point is that rate point."""
        if not self._qualities:
            return None
        quality = min(max(round(quality / STEP) * STEP, QUALITY_MIN), QUALITY_MAX)
        quality = round(quality) if abs(quality - round(quality)) <= _SNAP else quality
        return self.exactly_at(round(float(quality), 2))

    def exactly_at(self, quality: float) -> Asked | None:
        """What this very quality gives; None if nothing is known."""
        if not self._qualities:
            return None
        size = math.exp(float(np.interp(quality, self._qualities, self._logs)))
        psnr = None
        if self._psnrs and self._psnrs[0][0] <= quality <= self._psnrs[-1][0]:
            qualities, psnrs = zip(*self._psnrs, strict=True)
            psnr = float(np.interp(quality, qualities, psnrs))
        return Asked(quality, size, psnr, quality in self._known)

    def at_size(self, size: float) -> Asked | None:
        """What gives a size in bytes, or the nearest to it; None if nothing is known."""
        if not self._qualities or size <= 0:
            return self.at(QUALITY_MIN)
        return self.at(float(np.interp(math.log(size), self._logs, self._qualities)))


def course_of(session: Session) -> Course:
    """Course through the open scene's rate points at the chosen effort and cut, and what is finished."""
    forecasts = {session.way(row).quality: one.bytes for row, one in forecasts_of(session).items()}
    finished = {
        round(result.quality, 2): result
        for result in session.results.values()
        if result.encode is not None
        and result.bound is None
        and (result.effort, result.cut) == (session.effort, session.cut)
    }
    sizes = {**forecasts, **{quality: result.bytes for quality, result in finished.items()}}
    psnrs = {quality: one.encode.psnr for quality, one in finished.items() if one.encode is not None}
    return Course(sizes, {quality: psnr for quality, psnr in psnrs.items() if psnr is not None})


def ask(session: Session, asked: Asked) -> None:
    """Choice of what is asked for as what the next compression does."""
    if asked.way.row == FREE:
        session.set_quality(asked.quality)
    session.set_rate(asked.way.row)
