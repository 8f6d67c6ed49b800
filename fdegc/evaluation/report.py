"""The report that a person reads: what goes into the page whose form is ``report.html.jinja``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fdegc.evaluation.bjontegaard import MIN_OVERLAP
from fdegc.evaluation.summary import ALL, MIN_IMAGES, SCALES, ImageId, SetSummary
from fdegc.metrics import DEFINITIONS

if TYPE_CHECKING:
    from fdegc.evaluation.runner import Evaluation

#: Decimals by metric.
_DIGITS = {"psnr": 2, "ms_ssim": 2, "vifp": 4, "lpips": 4}
#: Images at either end that are called best and worst, and rows that the table of images has at most.
_EXTREMES, _MAX_ROWS = 3, 400


@dataclass(frozen=True)
class Cell:
    """Cell of a table that is more than text.

    Parameters
    ----------
    text : str
    kind : str
        ``good``, ``bad``, ``soft``, or nothing.
    note : str
        Why a figure is as it is; shown with a star.
    tag : str
        ``best``, ``worst``, or nothing.
    """

    text: str
    kind: str = ""
    note: str = ""
    tag: str = ""


@dataclass(frozen=True)
class Table:
    """Table of the report: its header and its rows."""

    header: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]


def page(evaluation: Evaluation, figures: Mapping[tuple[str, str], str], no_plots: str | None) -> str:
    """HTML report, one page that needs no other file.

    Parameters
    ----------
    evaluation : Evaluation
    figures : mapping
        (set, metric) → plot as an SVG element.
    no_plots : str or None
        A sentence if there are none.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fdegc", "evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("report.html.jinja")
    return template.render(_content(evaluation, figures), no_plots=no_plots)


def _content(evaluation: Evaluation, figures: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    summaries = evaluation.summaries
    sets = [summary for summary in summaries if summary.name != ALL or len(summaries) == 1]
    return {
        "count": _count(sum(len(summary.images) for summary in sets)),
        "sets": [f"{summary.name} ({len(summary.images)})" for summary in sets],
        "facts": evaluation.circumstances.facts,
        # all images first
        "parts": [_part(evaluation, summary, figures) for summary in (summaries[-1], *summaries[:-1])],
        "images": _images(evaluation),
        "times": _times(evaluation),
        "coders": _coders(evaluation),
        "left_out": evaluation.left_out,
        "skipped": evaluation.skipped,
        "min_overlap": f"{MIN_OVERLAP:.0%}",
        "min_images": f"{MIN_IMAGES:.0%}",
        "definitions": list(_definitions(evaluation)),
        "circumstances": Table(("", ""), list(evaluation.circumstances.facts.items())),
    }


def _part(
    evaluation: Evaluation, summary: SetSummary, figures: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """What the page says of a set of images."""
    labels = _labels(evaluation)
    return {
        "title": f"{'All images' if summary.name == ALL else summary.name} ({_count(len(summary.images))})",
        "differences": _differences(labels, summary),
        "notes": [
            f"{labels[peer]}, {SCALES[metric].label}: {item.note[0].lower()}{item.note[1:]}"
            for metric, items in summary.comparisons.items()
            for peer, item in items.items()
            if item.note
        ],
        "more": _more(labels, summary),
        "plots": [
            (SCALES[metric].label, figures[summary.name, metric])
            for metric in evaluation.metrics
            if (summary.name, metric) in figures
        ],
        "points": _points(evaluation, summary),
    }


def _count(images: int) -> str:
    return f"{images} {'image' if images == 1 else 'images'}"


def _labels(evaluation: Evaluation) -> dict[str, str]:
    return {coder.name: coder.label for coder in evaluation.coders}


def _differences(labels: Mapping[str, str], summary: SetSummary) -> Table | None:
    """BD-rates with BD-PSNR; None without another codec."""
    peers = list(next(iter(summary.comparisons.values()), {}))
    if not peers:
        return None
    header = ["", *(f"BD-rate, {SCALES[metric].label}" for metric in summary.comparisons)]
    rows: list[list[str | Cell]] = [
        [
            f"against {labels[peer]}",
            *(_percent(items[peer].rate, items[peer].note) for items in summary.comparisons.values()),
        ]
        for peer in peers
    ]
    if "psnr" in summary.comparisons:
        header.append("BD-PSNR")
        for row, peer in zip(rows, peers, strict=True):
            row.append(_gain(summary.comparisons["psnr"][peer].quality, "dB", 2))
    return Table(header, rows)


def _more(labels: Mapping[str, str], summary: SetSummary) -> Table:
    """BD-quality, and both differences of the averaged curves."""
    header = ("", "BD-quality", "BD-rate of averaged curves", "BD-quality of averaged curves", "Range shared")
    rows: list[list[str | Cell]] = []
    for metric, items in summary.comparisons.items():
        scale, digits = SCALES[metric], _DIGITS[metric]
        for peer, item in items.items():
            rows.append(
                [
                    f"{scale.label}, against {labels[peer]}",
                    _gain(item.quality, scale.unit, digits),
                    _percent(item.curve_rate.value, item.curve_rate.note),
                    _gain(item.curve_quality.value, scale.unit, digits, item.curve_quality.note),
                    f"{item.curve_rate.overlap:.0%}",
                ]
            )
    return Table(header, rows)


def _points(evaluation: Evaluation, summary: SetSummary) -> Table:
    header = ["Codec", "Setting", "bpp", *(SCALES[metric].axis for metric in evaluation.metrics), "Images"]
    labels = _labels(evaluation)
    rows = [
        [
            labels[codec],
            f"{step.parameter:g}",
            _number(step.bpp, 3),
            *(_number(step.figures.get(metric), _DIGITS[metric]) for metric in evaluation.metrics),
            " / ".join(dict.fromkeys(str(step.images[metric]) for metric in evaluation.metrics)),
        ]
        for codec, steps in summary.averages.items()
        for step in steps
    ]
    return Table(header, rows)


def _images(evaluation: Evaluation) -> dict[str, Any] | None:
    """Every image's BD-rates (of the first metric), best for FDEGC first."""
    whole = evaluation.summaries[-1]
    if not evaluation.metrics or not whole.comparisons:
        return None
    scale = SCALES[evaluation.metrics[0]]
    items = whole.comparisons[scale.metric]
    labels = _labels(evaluation)
    known: dict[ImageId, float] = {}
    for image in whole.images:
        values = [
            v for item in items.values() if image in item.each and (v := item.each[image].value) is not None
        ]
        if values:
            known[image] = sum(values) / len(values)
    order = sorted(known, key=lambda image: known[image]) + [i for i in whole.images if i not in known]
    rows: list[list[str | Cell]] = []
    shown = order if len(order) <= _MAX_ROWS else [*order[: _MAX_ROWS // 2], *order[-_MAX_ROWS // 2 :]]
    for image in shown:
        deltas = [item.each.get(image) for item in items.values()]
        rows.append(
            [
                _named(image, order, known, len(evaluation.summaries) > 1),
                *(_percent(None) if delta is None else _percent(delta.value, delta.note) for delta in deltas),
                _percent(known.get(image)),
            ]
        )
    return {
        "label": scale.label,
        "content": Table(["Image", *(labels[peer] for peer in items), "Mean"], rows),
        "hidden": len(order) - len(shown),
    }


def _named(image: ImageId, order: list[ImageId], known: Mapping[ImageId, float], with_set: bool) -> Cell:
    """Name of an image, tagged if it is one of the best or worst."""
    tag = ""
    if len(known) > 2 * _EXTREMES and image in known:
        if order.index(image) < _EXTREMES:
            tag = "best"
        elif order.index(image) >= len(known) - _EXTREMES:
            tag = "worst"
    return Cell(f"{image[0]}: {image[1]}" if with_set else image[1], tag=tag)


def _times(evaluation: Evaluation) -> Table:
    whole = evaluation.summaries[-1]
    labels = _labels(evaluation)
    rows = []
    for codec, steps in whole.averages.items():
        spans = []
        for name in ("encode_seconds", "decode_seconds"):
            values = [getattr(step, name) for step in steps]
            spans.append(f"{min(values):.2g} – {max(values):.2g}")
        rows.append((labels[codec], *spans))
    return Table(("Codec", "Encode, s/Mpx", "Decode, s/Mpx"), rows)


def _coders(evaluation: Evaluation) -> Table:
    rows = [
        (
            coder.label,
            f"{coder.parameter}: " + ", ".join(f"{q:g}" for q in coder.ladder),
            coder.settings,
            coder.version,
        )
        for coder in evaluation.coders
    ]
    return Table(("Codec", "Ladder", "Settings", "Library"), rows)


def _definitions(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    yield "Bits per pixel", DEFINITIONS["bpp"]
    for metric in evaluation.metrics:
        yield SCALES[metric].label, DEFINITIONS[metric]


def _percent(value: float | None, note: str = "") -> Cell:
    """Return a BD-rate, green where FDEGC needs fewer bits; a dash with the reason where there is none."""
    return _difference(value, -1.0, "{:.1f} %", note)


def _gain(value: float | None, unit: str, digits: int, note: str = "") -> Cell:
    """Return a difference in quality, green where FDEGC is better."""
    return _difference(value, 1.0, f"{{:.{digits}f}}{' ' + unit if unit else ''}", note)


def _difference(value: float | None, better: float, form: str, note: str) -> Cell:
    if value is None:
        return Cell("–", "soft", note)
    sign = "−" if value < 0.0 else "+"
    return Cell(sign + form.format(abs(value)), "good" if value * better > 0.0 else "bad", note)


def _number(value: float | None, digits: int) -> str:
    """Return a number; a dash if there is none, ∞ for a lossless image's PSNR."""
    if value is None or math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"
