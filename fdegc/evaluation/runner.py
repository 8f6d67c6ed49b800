"""The whole evaluation: measure what is missing, sum up, write tables, plots and the report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fdegc.codec import Codec
from fdegc.control import CancelToken, ProgressCallback, ProgressMeter
from fdegc.errors import InvalidOption, MetricUnavailable, OutputFailed
from fdegc.evaluation import csv_tables, plots, report
from fdegc.evaluation.coder import Coder, CoderFailed
from fdegc.evaluation.images import Image, images_of_set, load, set_names
from fdegc.evaluation.machine import Circumstances, circumstances
from fdegc.evaluation.measure import Point, measure_point
from fdegc.evaluation.ours import fdegc_coder
from fdegc.evaluation.peers import find_peers
from fdegc.evaluation.points import Results
from fdegc.evaluation.summary import SCALES, SetSummary, summarise
from fdegc.options import METRIC_NAMES

#: File of the measured points, in the output folder.
POINTS = "images.csv"


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation: what to evaluate.

    Attributes
    ----------
    folders : tuple of Path
        One set each.
    out : Path
        Folder to write to; what has been measured there is not measured again.
    sets : tuple of str, optional
        Names of the sets; those of the folders without it.
    peers : tuple of str, optional
        Names of the other codecs; all without it.
    qualities : tuple of float
        FDEGC's ladder, 1.0 to 6.0.
    metrics : tuple of str
        Of :data:`fdegc.metrics.METRIC_NAMES`.
    limit : int, optional
        Images a set.
    device : str
    threads : int, optional
    effort : int
        FDEGC's, 0 to 4; where it is not 0, FDEGC without one is another of the codecs.
    """

    folders: tuple[Path, ...]
    out: Path
    sets: tuple[str, ...] | None = None
    peers: tuple[str, ...] | None = None
    qualities: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    metrics: tuple[str, ...] = METRIC_NAMES
    limit: int | None = None
    device: str = "auto"
    threads: int | None = None
    effort: int = 0


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    ``coders`` start with FDEGC; ``measured`` and ``reused`` count points; ``left_out`` and ``skipped`` are
    sentences about codecs, metrics or points, and about files.
    """

    report: Path
    coders: tuple[Coder, ...]
    metrics: tuple[str, ...]
    summaries: tuple[SetSummary, ...]
    circumstances: Circumstances
    measured: int
    reused: int
    left_out: tuple[str, ...] = ()
    skipped: tuple[str, ...] = field(default=())


def evaluate(
    options: EvaluationOptions,
    on_progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    *,
    finder: Callable[[Collection[str] | None], tuple[list[Coder], list[str]]] = find_peers,
) -> Evaluation:
    """Evaluation of the codecs on images; see the module.

    Parameters
    ----------
    options : EvaluationOptions
    on_progress : callable, optional
    cancel : CancelToken, optional
    finder : callable, optional
        Gives the other codecs of these names (None: all), and a sentence for each that is not here.

    Raises
    ------
    InvalidOption, OutputFailed, WeightsMissing, WeightsInvalid, DeviceUnavailable, OutOfMemory
    Cancelled
        What was measured is kept.
    """
    cancel = cancel or CancelToken()
    names = set_names(options.folders, options.sets)
    peers, left_out = finder(options.peers)
    metrics, missing = _usable_metrics(options.metrics)
    left_out += missing
    images: list[Image] = []
    skipped: list[str] = []
    for folder, name in zip(options.folders, names, strict=True):
        found, not_used = images_of_set(folder, name, limit=options.limit, exclude=options.out, cancel=cancel)
        images += found
        skipped += not_used
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"The folder “{options.out}” cannot be made ({error.strerror}).") from error
    results = Results(options.out / POINTS)
    with tempfile.TemporaryDirectory(prefix="fdegc-evaluate-") as place:
        codec = Codec(device=options.device, threads=options.threads)
        efforts = (options.effort, 0) if options.effort else (0,)
        made = [
            fdegc_coder(codec, Path(place), options.qualities, cancel, effort=effort) for effort in efforts
        ]
        stream = made[0][1]
        coders = (*(coder for coder, _ in made), *peers)
        run = _Run(coders, metrics, results, cancel)
        run.measure_all(images, on_progress)
    left_out += run.failures
    if not run.points:
        raise InvalidOption("No image could be coded. " + " ".join(run.failures))
    summaries = summarise(run.points, coders, metrics, coders[0].name)
    evaluation = Evaluation(
        report=options.out / "report.html",
        coders=coders,
        metrics=metrics,
        summaries=tuple(summaries),
        circumstances=circumstances(stream, codec.device_label, options.threads),
        measured=run.measured,
        reused=len(run.points) - run.measured,
        left_out=tuple(left_out),
        skipped=tuple(skipped),
    )
    _write(evaluation, options.out, cancel)
    return evaluation


class _Run:
    """Measures all points, those first that have not been measured before."""

    def __init__(
        self, coders: Sequence[Coder], metrics: tuple[str, ...], results: Results, cancel: CancelToken
    ) -> None:
        self.points: list[Point] = []
        self.failures: list[str] = []
        self.measured = 0
        self._coders = coders
        self._metrics = metrics
        self._results = results
        self._cancel = cancel

    def measure_all(self, images: Sequence[Image], on_progress: ProgressCallback | None) -> None:
        """Measurement image by image, so that what an interrupted run leaves is of some use."""
        cost = sum(
            self._cost(image, coder, q) for image in images for coder in self._coders for q in coder.ladder
        )
        meter = ProgressMeter("evaluate", cost, on_progress)
        for image in images:
            missing = any(self._cost(image, coder, q) for coder in self._coders for q in coder.ladder)
            pixels = load(image.path) if missing else None
            for coder in self._coders:
                try:
                    for parameter in coder.ladder:
                        cost = self._cost(image, coder, parameter)
                        point = self._results.find(coder, image, parameter, self._metrics)
                        if point is None:
                            self._cancel.check()
                            assert pixels is not None
                            point = measure_point(
                                coder, image, pixels, parameter, self._metrics, self._cancel
                            )
                            self._results.add(point)
                            self.measured += 1
                            meter.advance(cost)
                        self.points.append(point)
                except CoderFailed as error:
                    self.failures.append(str(error))

    def _cost(self, image: Image, coder: Coder, parameter: float) -> float:
        """Rough seconds that a point will take, none if it is there."""
        if self._results.find(coder, image, parameter, self._metrics) is not None:
            return 0.0
        metric_cost = 0.5 * len(self._metrics)
        return (coder.cost + metric_cost) * image.pixels / 1e6


def _usable_metrics(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Metrics that can be computed here, in the order of :data:`SCALES`, and a sentence for LPIPS if not."""
    chosen = tuple(name for name in SCALES if name in names)
    if "lpips" not in chosen:
        return chosen, []
    import numpy as np

    from fdegc.metrics import lpips

    try:
        lpips(np.zeros((3, 64, 64), np.uint8), np.ones((3, 64, 64), np.uint8))
    except MetricUnavailable as error:
        rest = tuple(name for name in chosen if name != "lpips")
        if not rest:
            raise InvalidOption(f"No metric is left to compare by. {error}") from error
        return rest, [f"LPIPS is left out. {error}"]
    return chosen, []


def _write(evaluation: Evaluation, out: Path, cancel: CancelToken) -> None:
    """Write tables, plots and the report."""
    csv_tables.write_averages(out / "averages.csv", evaluation.summaries, evaluation.metrics)
    csv_tables.write_differences(out / "bd.csv", evaluation.summaries)
    no_plots = plots.available()
    figures: dict[tuple[str, str], str] = {}
    names = plots.file_names([summary.name for summary in evaluation.summaries])
    if no_plots is None:
        for number, summary in enumerate(evaluation.summaries):
            for metric in evaluation.metrics:
                cancel.check()
                figure = plots.draw(summary, SCALES[metric], evaluation.coders)
                plots.save(figure, out / "plots" / f"{names[number]}-{metric}")
                figures[summary.name, metric] = plots.inline(figure, f"plot{number}-{metric}")
    text = report.page(evaluation, figures, no_plots)
    evaluation.report.write_text(text, encoding="utf-8")
