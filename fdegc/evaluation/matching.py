"""Coding with another codec at a given size or quality: the parameter that comes nearest is searched."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fdegc.control import CancelToken
from fdegc.errors import InvalidOption
from fdegc.evaluation.coder import Coder, ScenePixels

#: Called before a try: how far the search is (0 to 1), how far it will be after it, seconds it may take.
OnTry = Callable[[float, float, float], None]

#: A size within half a percent, or a PSNR within 0.02 dB, is near enough.
_NEAR_SIZE, _NEAR_PSNR = math.log2(1.005), 0.02
#: Parameters that are not whole numbers are searched in steps of so much.
_STEP = 1.005
#: Ends of those: bits per pixel, and distances of JPEG XL, from coarse to fine.
_ENDS = {"bpp": (0.01, 24.0), "distance": (25.0, 0.05)}
_TRIES = 14
#: Side of the squares of which four make the sample that a first guess is looked up on.
_SQUARE = 160
#: Tries on the sample and on the whole that are expected, for the progress only.
_EXPECTED_SAMPLE, _EXPECTED = 5.0, 4.0


@dataclass(frozen=True)
class Match:
    """File of another codec that comes nearest to what was asked for.

    Attributes
    ----------
    parameter : float
        Of the codec: what its :attr:`~fdegc.evaluation.coder.Coder.parameter` says.
    data : bytes
        The file.
    decoded : ndarray, shape (height, width, bands)
        What decoding it gives.
    encode_seconds, decode_seconds : float
        Of that one file, not of the search.
    tries : int
        How often the whole picture was coded.
    """

    parameter: float
    data: bytes
    decoded: ScenePixels
    encode_seconds: float
    decode_seconds: float
    tries: int


def code_to_match(
    coder: Coder,
    pixels: ScenePixels,
    *,
    size: int | None = None,
    psnr: float | None = None,
    peak: float = 255.0,
    on_try: OnTry | None = None,
    cancel: CancelToken | None = None,
) -> Match:
    """File of a codec at a size in bytes or at a PSNR, as near as its parameter allows.

    A codec that cannot be so small (or so good) gives its smallest (or best) file.

    Parameters
    ----------
    coder : Coder
    pixels : ndarray, shape (height, width, bands)
    size : int, optional
        Bytes of the whole file.
    psnr : float, optional
        dB, over all bands jointly; one of the two has to be given.
    peak : float
        Peak value of that PSNR.
    on_try : callable, optional
    cancel : CancelToken, optional
        Checked before every try; a try itself cannot be interrupted.

    Raises
    ------
    CoderFailed
        If the codec fails, or what it decodes has another size or type.
    InvalidOption
        If not exactly one of ``size`` and ``psnr`` is given.
    Cancelled
    """
    if (size is None) == (psnr is None):
        raise InvalidOption("Give either a size or a PSNR to match.")
    ladder = _Ladder(coder)
    plan = _Plan(on_try, cancel or CancelToken())
    guess, slope = ladder.count // 3, math.log2(_STEP) if ladder.fine else 0.06
    slope = slope if psnr is None else slope * 4  # some 4 dB a doubling of the size
    sample = _sample(pixels)
    share = 1.0 if sample is None else sample.size / pixels.size

    def target_of(part: float) -> float:
        return math.log2(max(1.0, (size or 0) * part)) if psnr is None else psnr

    def value_of(picture: ScenePixels, match: Match) -> float:
        return math.log2(len(match.data)) if psnr is None else _psnr(picture, match.decoded, peak)

    near = _NEAR_SIZE if psnr is None else _NEAR_PSNR
    plan.expect(_EXPECTED_SAMPLE * share if sample is not None else 0.0, _EXPECTED)
    if sample is not None:
        small: dict[int, float] = {}

        def try_sample(index: int) -> float:
            with plan.trying(share):
                small[index] = value_of(sample, _through(coder, sample, ladder[index]))
            return small[index]

        guess = _nearest(try_sample, ladder.count, target_of(share), 4 * near, guess, slope)
        slope = _slope(small, slope)
        plan.start_whole()
    best: dict[int, Match] = {}
    distances: dict[int, float] = {}

    def try_whole(index: int) -> float:
        with plan.trying(1.0):
            match = _through(coder, pixels, ladder[index])
        value = value_of(pixels, match)
        distances[index] = abs(value - target_of(1.0))
        if not best or distances[index] < min(distances[key] for key in best):
            best.clear()  # no more than one whole picture beside the original
            best[index] = match
        return value

    chosen = _nearest(try_whole, ladder.count, target_of(1.0), near, guess, slope)
    match = best[chosen]
    return Match(
        match.parameter, match.data, match.decoded, match.encode_seconds, match.decode_seconds, len(distances)
    )


class _Ladder:
    """All parameters of a codec, from its smallest file to its largest."""

    def __init__(self, coder: Coder) -> None:
        self.fine = coder.parameter in _ENDS
        if self.fine:
            self._first, last = coder.ends or _ENDS[coder.parameter]
            self.count = 1 + math.ceil(abs(math.log(last / self._first)) / math.log(_STEP))
            self._factor = (last / self._first) ** (1 / (self.count - 1))
        else:  # qualities; some of them begin at 1
            self._first, self._factor = float(min(coder.ladder[0], 1)), 1.0
            self.count = 101 - int(self._first)

    def __getitem__(self, index: int) -> float:
        return self._first * self._factor**index if self.fine else self._first + index


class _Plan:
    """Plan of the tries: tells before each how far the search is."""

    def __init__(self, on_try: OnTry | None, cancel: CancelToken) -> None:
        self._on_try, self._cancel = on_try, cancel
        self._done, self._expected, self._sample = 0.0, 1.0, 0.0
        self._seconds = 0.0  # of one try of the whole
        self._cost, self._start = 0.0, 0.0

    def expect(self, sample: float, whole: float) -> None:
        self._sample, self._expected = sample, sample + whole

    def start_whole(self) -> None:
        self._done = max(self._done, self._sample)
        self._expected = max(self._expected, self._done + _EXPECTED)

    def trying(self, cost: float) -> _Plan:
        self._cost = cost
        return self

    def __enter__(self) -> None:
        self._cancel.check()
        # What takes longer than expected slows down; it does not go back.
        left = max(self._expected - self._done, self._cost * 1.5)
        self._expected = self._done + left
        if self._on_try is not None:
            first, then = self._done / self._expected, (self._done + self._cost) / self._expected
            self._on_try(first, then, self._seconds * self._cost)
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._done += self._cost
        self._seconds = (time.perf_counter() - self._start) / self._cost


def _nearest(
    value: Callable[[int], float], count: int, target: float, near: float, guess: int, slope: float
) -> int:
    """Index whose value comes nearest to a target; values rise with the index, but for some noise."""
    seen: dict[int, float] = {}
    low, high = -1, count
    index, same = min(max(guess, 0), count - 1), 0
    while len(seen) < _TRIES:
        found = seen[index] = value(index)
        if abs(found - target) <= near:
            break
        before = low, high
        low, high = (index, high) if found < target else (low, index)
        if high - low <= 1:
            break
        if low >= 0 and high < count:
            same = same + 1 if before[0 if found < target else 1] not in (-1, count) else 0
            span = seen[high] - seen[low]
            step = (target - seen[low]) / span if span > 0 and same < 2 else 0.5
            index = low + round(step * (high - low))
        else:
            slope = _slope(seen, slope)
            # A little further than that, so that the target is likely to lie between two.
            index += round(1.15 * (target - found) / slope)
        index = min(max(index, low + 1), high - 1)
    return min(seen, key=lambda key: abs(seen[key] - target))


def _slope(seen: dict[int, float], otherwise: float) -> float:
    """Rise of the value for an index, between the two that were looked at last."""
    if len(seen) < 2:
        return otherwise
    (i, x), (j, y) = list(seen.items())[-2:]
    slope = (y - x) / (j - i)
    return slope if slope > otherwise / 8 else otherwise


def _sample(pixels: ScenePixels) -> ScenePixels | None:
    """Four squares of a picture, put together; None where that would save little."""
    height, width = pixels.shape[:2]
    side = _SQUARE
    if height * width < 16 * side**2 or min(height, width) < 2 * side:
        return None
    rows = [(k * height) // 4 - side // 2 for k in (1, 3)]
    columns = [(k * width) // 4 - side // 2 for k in (1, 3)]
    parts = [
        [pixels[max(0, y) : max(0, y) + side, max(0, x) : max(0, x) + side] for x in columns] for y in rows
    ]
    return np.ascontiguousarray(np.block([[[part] for part in line] for line in parts]))


def _through(coder: Coder, pixels: ScenePixels, parameter: float) -> Match:
    """Picture through a file of a codec and back."""
    trip = coder.round_trip(pixels, parameter, "this picture")
    return Match(parameter, trip.data, trip.decoded, trip.encode_seconds, trip.decode_seconds, 1)


def _psnr(pixels: ScenePixels, decoded: ScenePixels, peak: float) -> float:
    """PSNR in dB, row by row; 100 and more are 100, for infinity cannot be interpolated."""
    total = 0.0
    for a, b in zip(pixels, decoded, strict=True):
        total += float(np.square(a.astype(np.float64) - b).sum())
    return 100.0 if total == 0 else min(100.0, 10 * math.log10(peak**2 * pixels.size / total))
