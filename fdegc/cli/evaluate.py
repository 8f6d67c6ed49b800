"""``fdegc evaluate``: a comparison with other codecs; they are imported only when it starts."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.cli.arguments import add_effort
from fdegc.cli.common import Report, Suspended, progress_bar
from fdegc.errors import Cancelled
from fdegc.options import METRIC_NAMES
from fdegc.text import seconds_text

if TYPE_CHECKING:
    from fdegc.control import CancelToken, ProgressCallback
    from fdegc.evaluation.runner import Evaluation

DESCRIPTION = (
    "Code folders of images with FDEGC, JPEG, JPEG 2000, WebP, AVIF, JPEG XL and HEVC at many rates, and "
    "write tables, plots and a report. A run that was interrupted goes on when it is started again."
)

_METRICS = tuple(name.replace("_", "-") for name in METRIC_NAMES)


def _list(check: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    """Type of a list with commas; items that come twice count once."""

    def convert(text: str) -> tuple[str, ...]:
        items = [check(item.strip()) for item in text.split(",") if item.strip()]
        if not items:
            raise argparse.ArgumentTypeError("must not be empty")
        return tuple(dict.fromkeys(items))

    return convert


def _metric(text: str) -> str:
    if text not in _METRICS:
        raise argparse.ArgumentTypeError(f"must be of {', '.join(_METRICS)}, not {text}")
    return text.replace("-", "_")


def _qualities(text: str) -> tuple[float, ...]:
    values = sorted({float(item) for item in text.split(",") if item.strip()})
    if not values or not all(1.0 <= value <= 6.0 for value in values):
        raise argparse.ArgumentTypeError(f"must lie between 1.0 and 6.0, not {text}")
    return tuple(values)


def _limit(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


# What argparse calls the type in "invalid … value".
_qualities.__name__, _limit.__name__ = "list of qualities", "number of images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fdegc evaluate``."""
    parser.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="folder of images, searched with its subfolders; each is a set of its own",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("evaluation"),
        metavar="DIR",
        help="folder for the report and its tables (default: evaluation); measured points there are kept",
    )
    parser.add_argument(
        "--sets",
        type=_list(str),
        metavar="NAME,…",
        help="a name for each set (default: the folders' names)",
    )
    parser.add_argument(
        "--peers",
        type=_list(str),
        metavar="NAME,…",
        help="only these other codecs, of jpeg-444, jpeg-420, jpeg2000, webp, jpegxl, hevc, hevc-ssim, "
        "avif, avif-default; or none (default: all)",
    )
    parser.add_argument(
        "--qualities",
        type=_qualities,
        default=tuple(float(i) for i in range(1, 7)),
        metavar="Q,…",
        help="qualities of FDEGC, 1.0 to 6.0 (default: 1,2,3,4,5,6)",
    )
    add_effort(
        parser,
        "how long FDEGC looks for better latents, as compress has it; FDEGC at 0 is then one of the others "
        "(default: 0)",
    )
    parser.add_argument(
        "--metrics",
        type=_list(_metric),
        default=tuple(name.replace("-", "_") for name in _METRICS),
        metavar="NAME,…",
        help=f"of {', '.join(_METRICS)} (default: all that can be computed here)",
    )
    parser.add_argument(
        "--limit",
        type=_limit,
        metavar="N",
        help="at most N images of each set, spread evenly over their names",
    )


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Execution of ``fdegc evaluate``, with its report."""
    start = time.perf_counter()
    try:
        with progress_bar() as on_progress:
            result = _evaluated(args, on_progress, cancel)
    except Cancelled as error:
        if not args.out.is_dir():
            raise
        raise Suspended(
            f"what was measured is kept in “{args.out}”; the same command goes on from there"
        ) from error
    seconds = time.perf_counter() - start
    facts, data = _report_parts(result)
    facts = {**facts, "Time": seconds_text(seconds)}
    return Report(facts, {"command": "evaluate", **data, "seconds": seconds})


def _evaluated(
    args: argparse.Namespace,
    on_progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Run the evaluation that was asked for."""
    from fdegc.evaluation.runner import EvaluationOptions, evaluate

    options = EvaluationOptions(
        folders=tuple(args.folders),
        out=args.out,
        sets=args.sets,
        peers=args.peers,
        qualities=args.qualities,
        effort=args.effort,
        metrics=args.metrics,
        limit=args.limit,
        device=args.device,
        threads=args.threads,
    )
    return evaluate(options, on_progress, cancel)


def _report_parts(result: Evaluation) -> tuple[dict[str, str | None], dict[str, Any]]:
    """Return what the command says of an evaluation: facts for people, data for programs."""
    from fdegc.evaluation.csv_tables import summary_data
    from fdegc.evaluation.summary import SCALES

    whole = result.summaries[-1]
    labels = {coder.name: coder.label for coder in result.coders}
    facts: dict[str, str | None] = {
        "Report": str(result.report),
        "Images": str(len(whole.images)),
        "Measured": f"{result.measured} points" + (f", {result.reused} were there" if result.reused else ""),
    }
    for peer in next(iter(whole.comparisons.values()), {}):
        parts = []
        for metric, items in whole.comparisons.items():
            rate = items[peer].rate
            parts.append(f"{'–' if rate is None else f'{rate:+.1f} %'} ({SCALES[metric].label})")
        facts[f"Bits against {labels[peer]}"] = ", ".join(parts)
    for number, sentence in enumerate(result.left_out):
        facts["Left out" if not number else f"Left out, {number + 1}"] = sentence
    if result.skipped:
        more = f" ({len(result.skipped) - 1} more in the report)" if len(result.skipped) > 1 else ""
        facts["Skipped"] = result.skipped[0] + more
    data = {
        "out": str(result.report.parent),
        "report": str(result.report),
        "weights_hash": result.circumstances.weights_hash,
        "images": len(whole.images),
        "measured": result.measured,
        "reused": result.reused,
        "metrics": list(result.metrics),
        "codecs": {
            coder.name: {
                "label": coder.label,
                "parameter": coder.parameter,
                "ladder": list(coder.ladder),
                "settings": coder.settings,
                "version": coder.version,
            }
            for coder in result.coders
        },
        "sets": summary_data(result.summaries),
        "left_out": list(result.left_out),
        "skipped": list(result.skipped),
    }
    return facts, data
