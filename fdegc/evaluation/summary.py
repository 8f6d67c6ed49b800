"""What many points say together: averages of a set, and differences between codecs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fdegc.evaluation.bjontegaard import Delta, bd_quality, bd_rate
from fdegc.evaluation.coder import Coder
from fdegc.evaluation.measure import Point
from fdegc.options import METRIC_LABELS

#: Below this part of a set's images that have a figure of their own, no mean of them is given.
MIN_IMAGES = 0.5
#: Name of the set of all images, if there are several sets.
ALL = "all"


@dataclass(frozen=True)
class Scale:
    """Figure of quality, as curves and plots take it.

    Attributes
    ----------
    metric : str
        Of :data:`fdegc.metrics.METRIC_NAMES`.
    unit, hint : str
        For people; the hint follows the label on the axis of a plot.
    figure : str
        Attribute of :class:`~fdegc.results.MetricSet` that is averaged and plotted.
    sign : float
        −1 where less is better; curves for differences hold sign × figure.
    """

    metric: str
    unit: str
    hint: str
    figure: str
    sign: float = 1.0

    @property
    def label(self) -> str:
        """What people call the metric."""
        return METRIC_LABELS[self.metric]

    @property
    def axis(self) -> str:
        """Title of a plot's axis."""
        return self.label + self.hint


SCALES: Mapping[str, Scale] = {
    "psnr": Scale("psnr", "dB", " (dB)", "psnr"),
    "ms_ssim": Scale("ms_ssim", "dB", ", −10·log₁₀(1 − v) (dB)", "ms_ssim_db"),
    "vifp": Scale("vifp", "", "", "vifp"),
    "lpips": Scale("lpips", "", " (less is better)", "lpips", -1.0),
}

#: Points of one image and codec, in the ladder's order.
Curve = Sequence[Point]
#: An image in all sets: set and name.
ImageId = tuple[str, str]


@dataclass(frozen=True)
class Average:
    """Means over a set at one parameter of one codec; figures over the images that have all of them.

    ``images`` counts those per metric; seconds are per megapixel, sums over sums.
    """

    codec: str
    parameter: float
    bpp: float
    figures: Mapping[str, float]
    images: Mapping[str, int]
    encode_seconds: float
    decode_seconds: float
    curve_bpp: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """Comparison of FDEGC with one peer in one figure of quality.

    Attributes
    ----------
    peer, metric : str
    rate : float or None
        Mean over the images of their BD-rates, percent: the headline; negative if FDEGC needs fewer bits.
    quality : float or None
        Mean over the images of their BD differences in quality, in the scale's unit; positive if FDEGC is
        better.
    counted, images : int
        Images with a BD-rate, and all that both codecs coded.
    curve_rate, curve_quality : Delta
        The same of the averaged curves.
    each : mapping
        Image → its BD-rate.
    note : str
        A sentence if `rate` is None or not of all images.
    """

    peer: str
    metric: str
    rate: float | None
    quality: float | None
    counted: int
    images: int
    curve_rate: Delta
    curve_quality: Delta
    each: Mapping[ImageId, Delta]
    note: str = ""

    @property
    def extremes(self) -> tuple[float, float] | None:
        """Least and greatest BD-rate of an image: the best and the worst case for FDEGC."""
        rates = [delta.value for delta in self.each.values() if delta.value is not None]
        return (min(rates), max(rates)) if rates else None


@dataclass(frozen=True)
class SetSummary:
    """Summary of one set: all that is said about it.

    ``comparisons`` are by metric and peer; ``images`` in the order in which they were found.
    """

    name: str
    images: tuple[ImageId, ...]
    averages: Mapping[str, tuple[Average, ...]]
    comparisons: Mapping[str, Mapping[str, Comparison]] = field(default_factory=dict)


def summarise(
    points: Sequence[Point], coders: Sequence[Coder], metrics: Sequence[str], ours: str
) -> list[SetSummary]:
    """Summaries of every set, and of all images if there are several sets.

    Parameters
    ----------
    points : sequence of Point
        Of this run; a codec without some of its ladder's points for an image is left out there.
    coders : sequence of Coder
    metrics : sequence of str
    ours : str
        Name of the codec that is compared with all others.
    """
    curves = _curves(points, coders)
    sets = list(dict.fromkeys(point.set for point in points))
    names = [*sets, ALL] if len(sets) > 1 else sets
    return [
        _summary(name, {i: c for i, c in curves.items() if name in (ALL, i[0])}, coders, metrics, ours)
        for name in names
    ]


def _curves(points: Sequence[Point], coders: Sequence[Coder]) -> dict[ImageId, dict[str, Curve]]:
    """Complete curves by image and codec."""
    found: dict[ImageId, dict[tuple[str, float], Point]] = {}
    for point in points:
        found.setdefault((point.set, point.image), {})[point.codec, point.parameter] = point
    return {
        image: {
            coder.name: [of[coder.name, parameter] for parameter in coder.ladder]
            for coder in coders
            if all((coder.name, parameter) in of for parameter in coder.ladder)
        }
        for image, of in found.items()
    }


def _summary(
    name: str,
    curves: Mapping[ImageId, Mapping[str, Curve]],
    coders: Sequence[Coder],
    metrics: Sequence[str],
    ours: str,
) -> SetSummary:
    averages = {}
    for coder in coders:
        of = [curve[coder.name] for curve in curves.values() if coder.name in curve]
        if of:
            averages[coder.name] = tuple(
                _average(list(column), of, metrics) for column in zip(*of, strict=True)
            )
    comparisons = {
        metric: {
            coder.name: _compare(curves, coder.name, ours, SCALES[metric])
            for coder in coders
            if coder.name != ours and coder.name in averages and ours in averages
        }
        for metric in metrics
    }
    return SetSummary(name, tuple(curves), averages, comparisons)


def _average(column: Sequence[Point], curves: Sequence[Curve], metrics: Sequence[str]) -> Average:
    """Average of one ladder step; `column` holds its points, image by image as `curves`."""
    figures, images, rates = {}, {}, {}
    for metric in metrics:
        finite = [all(math.isfinite(value) for value in _pair(curve, SCALES[metric])[1]) for curve in curves]
        usable = [point for point, good in zip(column, finite, strict=True) if good]
        images[metric] = len(usable)
        if usable:
            figures[metric] = _mean([_figure(p, SCALES[metric]) for p in usable])
            rates[metric] = _mean([p.bpp for p in usable])
    megapixels = sum(p.width * p.height for p in column) / 1e6
    return Average(
        codec=column[0].codec,
        parameter=column[0].parameter,
        bpp=_mean([p.bpp for p in column]),
        figures=figures,
        images=images,
        encode_seconds=sum(p.encode_seconds for p in column) / megapixels,
        decode_seconds=sum(p.decode_seconds for p in column) / megapixels,
        curve_bpp=rates,
    )


def _figure(point: Point, scale: Scale) -> float:
    value: float | None = getattr(point.figures, scale.figure)
    return math.nan if value is None else value


def _compare(curves: Mapping[ImageId, Mapping[str, Curve]], peer: str, ours: str, scale: Scale) -> Comparison:
    each: dict[ImageId, Delta] = {}
    gains: list[float] = []
    anchors, tests = [], []
    for image, of in curves.items():
        if peer not in of or ours not in of:
            continue
        anchor, test = _pair(of[peer], scale), _pair(of[ours], scale)
        each[image] = bd_rate(*anchor, *test)
        gain = bd_quality(*anchor, *test).value
        if gain is not None:
            gains.append(gain)
        # A point without a finite figure is left out of its own curve, but would spoil an average.
        if all(math.isfinite(value) for value in (*anchor[1], *test[1])):
            anchors.append(anchor)
            tests.append(test)
    rates = [delta.value for delta in each.values() if delta.value is not None]
    least = max(1.0, MIN_IMAGES * len(each))
    note = ""
    if len(rates) < len(each):
        note = f"From {len(rates)} of {len(each)} images; the others' curves share too little or nothing."
    nothing = Delta(None, 0.0, "No image has complete curves of both.")
    if not each:
        note = nothing.note
    mean_anchor, mean_test = _mean_curve(anchors), _mean_curve(tests)
    return Comparison(
        peer=peer,
        metric=scale.metric,
        rate=_mean(rates) if len(rates) >= least else None,
        quality=_mean(gains) if len(gains) >= least else None,
        counted=len(rates),
        images=len(each),
        curve_rate=bd_rate(*mean_anchor, *mean_test) if anchors else nothing,
        curve_quality=bd_quality(*mean_anchor, *mean_test) if anchors else nothing,
        each=each,
        note=note,
    )


_Pair = tuple[list[float], list[float]]


def _pair(curve: Curve, scale: Scale) -> _Pair:
    """Rates and qualities of a curve, more is better."""
    return [point.bpp for point in curve], [scale.sign * _figure(point, scale) for point in curve]


def _mean_curve(pairs: Sequence[_Pair]) -> _Pair:
    """Means over images at every ladder step."""
    rates, qualities = ([pair[i] for pair in pairs] for i in (0, 1))
    return (
        [_mean(step) for step in zip(*rates, strict=True)],
        [_mean(step) for step in zip(*qualities, strict=True)],
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
