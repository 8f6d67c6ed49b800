"""The tables that are written beside the report: averages and differences as CSV, a summary as JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fdegc.evaluation.summary import SCALES, Comparison, SetSummary


def write_averages(path: Path, summaries: Sequence[SetSummary], metrics: Sequence[str]) -> None:
    """CSV table of averages: a row a set, codec and parameter; figures without any image are empty."""
    figures = [SCALES[metric].figure for metric in metrics]
    header = ["set", "codec", "parameter", "bpp", *figures, "encode_s_per_mpx", "decode_s_per_mpx", "images"]
    rows = [
        [
            *(summary.name, step.codec, f"{step.parameter:g}", f"{step.bpp:.5f}"),
            *(_cell(step.figures.get(metric)) for metric in metrics),
            *(f"{step.encode_seconds:.4f}", f"{step.decode_seconds:.4f}"),
            " ".join(str(step.images[metric]) for metric in metrics),
        ]
        for summary in summaries
        for steps in summary.averages.values()
        for step in steps
    ]
    _write(path, header, rows)


def write_differences(path: Path, summaries: Sequence[SetSummary]) -> None:
    """CSV table of FDEGC against its peers: a row a set, metric and peer, by both ways of averaging."""
    header = [
        *("set", "metric", "peer", "bd_rate_percent", "bd_quality", "images_counted", "images"),
        *("bd_rate_least", "bd_rate_greatest"),
        *("bd_rate_of_means_percent", "bd_quality_of_means", "overlap_of_means", "note"),
    ]
    rows = [
        [
            *(summary.name, metric, item.peer, _cell(item.rate), _cell(item.quality)),
            *(str(item.counted), str(item.images)),
            *(_cell(value) for value in item.extremes or (None, None)),
            _cell(item.curve_rate.value),
            *(_cell(item.curve_quality.value), f"{item.curve_rate.overlap:.3f}", item.note),
        ]
        for summary in summaries
        for metric, items in summary.comparisons.items()
        for item in items.values()
    ]
    _write(path, header, rows)


def summary_data(summaries: Sequence[SetSummary]) -> list[dict[str, Any]]:
    """Summary of every set, as JSON values."""
    return [
        {
            "name": summary.name,
            "images": len(summary.images),
            "bd": {
                metric: {peer: _comparison_data(item) for peer, item in items.items()}
                for metric, items in summary.comparisons.items()
            },
            "averages": {
                codec: [
                    {
                        "parameter": step.parameter,
                        "bpp": step.bpp,
                        **{SCALES[metric].figure: value for metric, value in step.figures.items()},
                        "encode_seconds_per_mpx": step.encode_seconds,
                        "decode_seconds_per_mpx": step.decode_seconds,
                    }
                    for step in steps
                ]
                for codec, steps in summary.averages.items()
            },
        }
        for summary in summaries
    ]


def _comparison_data(item: Comparison) -> dict[str, Any]:
    return {
        "bd_rate_percent": item.rate,
        "bd_quality": item.quality,
        "images_counted": item.counted,
        "images": item.images,
        "bd_rate_extremes": item.extremes,
        "bd_rate_of_means_percent": item.curve_rate.value,
        "bd_quality_of_means": item.curve_quality.value,
        "note": item.note or item.curve_rate.note,
    }


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
