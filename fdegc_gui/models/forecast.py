"""Forecasts of what rate points will cost, corrected by what compressions have cost so far."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fdegc.raster_info import RasterInfo
from fdegc.results import Estimate

#: Seconds that a compression takes whatever its size, before there is any experience.
FIXED_SECONDS = 0.2
#: Runs of a kind that are remembered, and kinds: the latest ones.
_RUNS, _KINDS = 12, 20
#: How far a single run can move the forecast, as a factor: it may have met a busy machine.
_FIRST_STEP = 2.0
#: So many small and large runs, apart by this factor, tell fixed from proportional costs.
_HALF, _APART = 3, 2.0


@dataclass(frozen=True, slots=True)
class Run:
    """Compression that was finished: what its size alone would have taken, and what it took, in seconds."""

    expected: float
    seconds: float


def kind_of(info: RasterInfo, device: str, effort: int = 0) -> str:
    """Kind of work whose experiences go together: one device, number and type of bands, and effort."""
    kind = f"{device}|{info.bands}|{info.dtype}"
    return f"{kind}|effort {effort}" if effort else kind


class Pace:
    """Experience of how long compressions take here, by kind of work; see :func:`kind_of`.

    A run takes a fixed time, and another one in proportion to its size.  One that met a busy machine changes
    little: the first run moves the forecast by a limited factor, and from two on it is the run in the middle
    that counts, with what is expected without experience as one of them while there are few.
    """

    def __init__(self, runs: Mapping[str, tuple[Run, ...]] | None = None) -> None:
        self._runs = dict(runs or {})

    @classmethod
    def from_text(cls, text: str) -> Pace:
        """Experience from what :attr:`text` gave; none from anything else."""
        try:
            found = json.loads(text)
            return cls({kind: tuple(_run(*run) for run in found[kind][-_RUNS:]) for kind in found})
        except (ValueError, TypeError, KeyError, RecursionError):
            return cls()

    @property
    def device(self) -> str:
        """Device of the last run; empty without one."""
        return next(reversed(self._runs), "").partition("|")[0]

    @property
    def text(self) -> str:
        """Experience as text, to be remembered."""
        kinds = list(self._runs)[-_KINDS:]
        return json.dumps({kind: [(run.expected, run.seconds) for run in self._runs[kind]] for kind in kinds})

    def learn(self, kind: str, expected: float, seconds: float) -> None:
        """Addition of a finished run.

        Parameters
        ----------
        kind : str
        expected : float
            Seconds in proportion to its size, as estimated without experience.
        seconds : float
            What it took.
        """
        if expected > 0 and seconds > 0:
            runs = self._runs.pop(kind, ())  # the kind that was met last stands last
            self._runs[kind] = (*runs, Run(round(expected, 4), round(seconds, 4)))[-_RUNS:]

    def seconds(self, kind: str, expected: float, *others: str) -> float:
        """Seconds that a run will take; see :meth:`learn`.  Without runs of its kind those of others tell."""
        runs = next((self._runs[one] for one in (kind, *others) if self._runs.get(one)), ())
        line = _line(runs)
        if line is not None:
            slope, fixed = line
            return fixed + slope * expected
        ratios = [run.seconds / (FIXED_SECONDS + run.expected) for run in runs]
        if len(ratios) == 1:
            factor = min(_FIRST_STEP, max(1 / _FIRST_STEP, ratios[0]))
        elif len(ratios) == 2:
            factor = statistics.median([1.0, *ratios])
        else:
            factor = statistics.median(ratios or [1.0])
        return factor * (FIXED_SECONDS + expected)


def _run(expected: object, seconds: object) -> Run:
    return Run(_time(expected), _time(seconds))


def _time(value: object) -> float:
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{value!r} is no time")
    return float(value)


def _line(runs: tuple[Run, ...]) -> tuple[float, float] | None:
    """Proportional and fixed part by the resistant line: through the medians of small and of large runs."""
    ordered = sorted(runs, key=lambda run: run.expected)
    half = len(ordered) // 2
    if half < _HALF:
        return None
    (x0, y0), (x1, y1) = (
        (statistics.median(run.expected for run in part), statistics.median(run.seconds for run in part))
        for part in (ordered[:half], ordered[-half:])
    )
    if x1 < _APART * x0 or y1 <= y0:
        return None
    slope = (y1 - y0) / (x1 - x0)
    fixed = statistics.median(run.seconds - slope * run.expected for run in runs)
    return (slope, fixed) if fixed >= 0 else None


def between(estimates: Mapping[float, Estimate], quality: float) -> Estimate:
    """Estimate of a quality from those of the rate points around it; sizes by their logarithms.

    Parameters
    ----------
    estimates : mapping of float to Estimate
        By quality, one at least.
    quality : float
    """
    below = max((q for q in estimates if q <= quality), default=min(estimates))
    above = min((q for q in estimates if q >= quality), default=max(estimates))
    if below >= above:
        return estimates[below]
    one, other = estimates[below], estimates[above]
    share = (quality - below) / (above - below)
    return Estimate(
        round(max(one.bytes, 1) ** (1 - share) * max(other.bytes, 1) ** share),
        (1 - share) * one.seconds + share * other.seconds,
        max(one.memory_bytes, other.memory_bytes),
    )


def forecasts(
    estimates: Mapping[float, Estimate], finished: Mapping[float, int], seconds: Mapping[float, float]
) -> dict[float, Estimate]:
    """Estimates of qualities that agree with those that are finished: sizes grow with the quality.

    Parameters
    ----------
    estimates : mapping of float to Estimate
        By quality; whole numbers are rate points.
    finished : mapping of float to int
        Bytes of the finished ones.
    seconds : mapping of float to float
        Seconds of each, as :class:`Pace` has them.

    Returns
    -------
    dict of float to Estimate
        Of those that are not finished.
    """
    factors = {
        rate: size / estimates[rate].bytes
        for rate, size in finished.items()
        if rate in estimates and estimates[rate].bytes > 0
    }
    sizes = {rate: round(one.bytes * _factor(factors, rate)) for rate, one in estimates.items()} | dict(
        finished
    )
    out = {}
    for rate, estimate in sorted(estimates.items()):
        if rate in finished:
            continue
        above = min((size for other, size in finished.items() if other > rate), default=None)
        below = max((size for other, size in sizes.items() if other < rate), default=0)
        size = max(sizes[rate], below)
        if above is not None:
            size = min(size, above)
        sizes[rate] = size
        out[rate] = replace(estimate, bytes=size, seconds=seconds[rate])
    return out


def _factor(factors: Mapping[float, float], rate: float) -> float:
    """Factor by which a rate point's size is off, from those of its finished neighbours."""
    if not factors:
        return 1.0
    lower = max((other for other in factors if other <= rate), default=None)
    upper = min((other for other in factors if other >= rate), default=None)
    if lower is None or upper is None:
        return factors[min(factors) if lower is None else max(factors)]
    if lower == upper:
        return factors[lower]
    share = (rate - lower) / (upper - lower)
    return math.exp((1 - share) * math.log(factors[lower]) + share * math.log(factors[upper]))
