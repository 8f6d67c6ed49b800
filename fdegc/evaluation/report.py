"""The report that a person reads: one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fdegc.evaluation import markup
from fdegc.evaluation.bjontegaard import MIN_OVERLAP
from fdegc.evaluation.markup import Cell, Markup
from fdegc.evaluation.summary import ALL, MIN_IMAGES, SCALES, Comparison, ImageId, SetSummary
from fdegc.metrics import DEFINITIONS

if TYPE_CHECKING:
    from fdegc.evaluation.runner import Evaluation

#: Decimals by metric.
_DIGITS = {"psnr": 2, "ms_ssim": 2, "vifp": 4, "lpips": 4}
#: Images at either end that are called best and worst, and rows that the table of images has at most.
_EXTREMES, _MAX_ROWS = 3, 400

_BD_RATE = (
    "Average difference in file size at equal quality, in percent, after Bjøntegaard (VCEG-M33, 2001): the "
    "logarithm of the rate is interpolated over quality by PCHIP, as in the common test conditions of JCT-VC "
    "(JCTVC-L1100), and averaged where both curves have points. The main figure is the mean over the images "
    "of each image's own BD-rate; “of averaged curves” is the BD-rate of the curves of means. "
    f"There is no figure where curves share less than {MIN_OVERLAP:.0%} of the shorter one's range, and no "
    f"mean from less than {MIN_IMAGES:.0%} of the images."
)
_BD_QUALITY = (
    "Average difference in quality at equal rate (BD-PSNR if quality is PSNR), over the logarithm of the "
    "rate, by the same interpolation; mean over the images. Positive is better, for LPIPS too, whose sign is "
    "turned for this."
)
_AVERAGES = (
    "Points of the plots and tables are means over images at one setting: of bits per pixel and of quality "
    "(MS-SSIM in dB, taken of each image first). An image that a codec cannot code, or for which a figure is "
    "not finite at one of its settings, does not count for that codec and figure."
)


def page(evaluation: Evaluation, figures: Mapping[tuple[str, str], str], no_plots: str | None) -> str:
    """Return the report.

    Parameters
    ----------
    evaluation : Evaluation
    figures : mapping
        (set, metric) → plot as an SVG element.
    no_plots : str or None
        A sentence if there are none.
    """
    return markup.document("FDEGC compared", _parts(evaluation, figures, no_plots))


def _parts(
    evaluation: Evaluation, figures: Mapping[tuple[str, str], str], no_plots: str | None
) -> Iterator[str]:
    sets = [
        summary for summary in evaluation.summaries if summary.name != ALL or len(evaluation.summaries) == 1
    ]
    count = sum(len(summary.images) for summary in sets)
    facts = evaluation.circumstances.facts
    yield f"<h1>FDEGC compared on {count} {'image' if count == 1 else 'images'}</h1>"
    names = ", ".join(f"{summary.name} ({len(summary.images)})" for summary in sets)
    yield markup.paragraph(f"Sets: {names}. Weights: {facts['Weights']}. {facts['Date']}.", "soft")
    yield "<h2>Difference in file size</h2>"
    yield markup.paragraph(
        "FDEGC against each codec at equal quality (BD-rate), mean over the images. Negative (green): FDEGC "
        "needs fewer bits. Every figure counts whole files and compares decoded pixels."
    )
    summaries = (evaluation.summaries[-1], *evaluation.summaries[:-1])  # all images first
    for summary in summaries:
        if len(evaluation.summaries) > 1:
            yield f"<h3>{markup.escape(_title(summary))}</h3>"
        yield _differences(evaluation, summary)
    yield "<h2>Rate and distortion</h2>"
    if no_plots is not None:
        yield markup.paragraph(no_plots)
    for summary in summaries:
        yield from _plots(evaluation, summary, figures)
    yield "<h2>Image by image</h2>"
    yield from _images(evaluation)
    yield "<h2>Time</h2>"
    yield markup.paragraph(
        "Seconds a megapixel from pixels to the file's bytes and back: the range over the settings, all "
        "images. Measured once, on a machine that may have had other work; the other codecs with one thread."
    )
    yield _times(evaluation)
    yield "<h2>What was compared</h2>"
    rows = [
        (
            coder.label,
            f"{coder.parameter}: " + ", ".join(f"{q:g}" for q in coder.ladder),
            coder.settings,
            coder.version,
        )
        for coder in evaluation.coders
    ]
    yield markup.table(("Codec", "Ladder", "Settings", "Library"), rows, (1, 2, 3))
    yield from _remarks(evaluation)
    yield "<h2>Definitions</h2>"
    yield markup.definitions(_definitions(evaluation))
    yield "<h2>Circumstances</h2>"
    yield markup.table(("", ""), list(facts.items()), (1,))


def _title(summary: SetSummary) -> str:
    count = f"{len(summary.images)} {'image' if len(summary.images) == 1 else 'images'}"
    return f"All images ({count})" if summary.name == ALL else f"{summary.name} ({count})"


def _labels(evaluation: Evaluation) -> dict[str, str]:
    return {coder.name: coder.label for coder in evaluation.coders}


def _differences(evaluation: Evaluation, summary: SetSummary) -> str:
    """Table of BD-rates with BD-PSNR, and in a fold everything else about differences."""
    labels = _labels(evaluation)
    peers = list(next(iter(summary.comparisons.values()), {}))
    if not peers:
        return markup.paragraph("There is no other codec to compare with.")
    header: list[Cell] = ["", *(f"BD-rate, {SCALES[metric].label}" for metric in summary.comparisons)]
    rows: list[list[Cell]] = [
        [f"against {labels[peer]}", *(_headline(items[peer]) for items in summary.comparisons.values())]
        for peer in peers
    ]
    if "psnr" in summary.comparisons:
        header.append("BD-PSNR")
        for row, peer in zip(rows, peers, strict=True):
            row.append(markup.gain(summary.comparisons["psnr"][peer].quality, "dB", 2))
    notes = [
        f"{labels[peer]}, {SCALES[metric].label}: {item.note[0].lower()}{item.note[1:]}"
        for metric, items in summary.comparisons.items()
        for peer, item in items.items()
        if item.note
    ]
    main = markup.table(header, rows)
    if notes:
        main += f"<p><small>* {markup.escape(' '.join(notes))}</small></p>"
    return main + markup.folded("Differences in quality, and of averaged curves", _more(labels, summary))


def _headline(item: Comparison) -> Markup:
    return markup.percent(item.rate, item.note)


def _more(labels: Mapping[str, str], summary: SetSummary) -> str:
    """Table of BD-quality, and of both differences of the averaged curves."""
    header = ("", "BD-quality", "BD-rate of averaged curves", "BD-quality of averaged curves", "Range shared")
    rows: list[list[Cell]] = []
    for metric, items in summary.comparisons.items():
        scale, digits = SCALES[metric], _DIGITS[metric]
        for peer, item in items.items():
            rows.append(
                [
                    f"{scale.label}, against {labels[peer]}",
                    markup.gain(item.quality, scale.unit, digits),
                    markup.percent(item.curve_rate.value, item.curve_rate.note),
                    markup.gain(item.curve_quality.value, scale.unit, digits, item.curve_quality.note),
                    f"{item.curve_rate.overlap:.0%}",
                ]
            )
    return markup.table(header, rows)


def _plots(
    evaluation: Evaluation, summary: SetSummary, figures: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    if len(evaluation.summaries) > 1:
        yield f"<h3>{markup.escape(_title(summary))}</h3>"
    drawn = [
        f"<figure><figcaption>{SCALES[metric].label}, {markup.escape(_title(summary))}</figcaption>"
        f"{figures[summary.name, metric]}</figure>"
        for metric in evaluation.metrics
        if (summary.name, metric) in figures
    ]
    if drawn:
        yield '<div class="plots">' + "\n".join(drawn) + "</div>"
    header = ["Codec", "Setting", "bpp", *(SCALES[metric].axis for metric in evaluation.metrics), "Images"]
    labels = _labels(evaluation)
    rows = [
        [
            labels[codec],
            f"{step.parameter:g}",
            markup.number(step.bpp, 3),
            *(markup.number(step.figures.get(metric), _DIGITS[metric]) for metric in evaluation.metrics),
            " / ".join(dict.fromkeys(str(step.images[metric]) for metric in evaluation.metrics)),
        ]
        for codec, steps in summary.averages.items()
        for step in steps
    ]
    yield markup.folded("All points", markup.table(header, rows))


def _images(evaluation: Evaluation) -> Iterator[str]:
    """Table of every image's BD-rates (of the first metric), best for FDEGC first."""
    whole = evaluation.summaries[-1]
    if not evaluation.metrics or not whole.comparisons:
        return
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
    yield markup.paragraph(
        f"BD-rate of {scale.label}, sorted by the mean over the codecs: where FDEGC does best comes first."
    )
    rows: list[list[Cell]] = []
    shown = order if len(order) <= _MAX_ROWS else [*order[: _MAX_ROWS // 2], *order[-_MAX_ROWS // 2 :]]
    for image in shown:
        deltas = [item.each.get(image) for item in items.values()]
        cells = [
            markup.percent(None) if delta is None else markup.percent(delta.value, delta.note)
            for delta in deltas
        ]
        rows.append(
            [
                _named(image, order, known, len(evaluation.summaries) > 1),
                *cells,
                markup.percent(known.get(image)),
            ]
        )
    yield markup.table(["Image", *(labels[peer] for peer in items), "Mean"], rows)
    if len(shown) < len(order):
        yield markup.paragraph(
            f"{len(order) - len(shown)} images in the middle are not shown; images.csv has all."
        )


def _named(image: ImageId, order: list[ImageId], known: Mapping[ImageId, float], with_set: bool) -> Markup:
    """Name of an image, tagged if it is one of the best or worst."""
    text = markup.escape(f"{image[0]}: {image[1]}" if with_set else image[1])
    if len(known) > 2 * _EXTREMES and image in known:
        if order.index(image) < _EXTREMES:
            text += '<span class="tag good">best</span>'
        elif order.index(image) >= len(known) - _EXTREMES:
            text += '<span class="tag bad">worst</span>'
    return Markup(text)


def _times(evaluation: Evaluation) -> str:
    whole = evaluation.summaries[-1]
    labels = _labels(evaluation)
    rows = []
    for codec, steps in whole.averages.items():
        spans = []
        for name in ("encode_seconds", "decode_seconds"):
            values = [getattr(step, name) for step in steps]
            spans.append(f"{min(values):.2g} – {max(values):.2g}")
        rows.append((labels[codec], *spans))
    return markup.table(("Codec", "Encode, s/Mpx", "Decode, s/Mpx"), rows)


def _remarks(evaluation: Evaluation) -> Iterator[str]:
    """What is not in the figures."""
    if evaluation.left_out:
        yield "<h3>Left out</h3>"
        yield "<ul>" + "".join(f"<li>{markup.escape(text)}</li>" for text in evaluation.left_out) + "</ul>"
    if evaluation.skipped:
        items = "".join(f"<li>{markup.escape(text)}</li>" for text in evaluation.skipped)
        files = "1 file was" if len(evaluation.skipped) == 1 else f"{len(evaluation.skipped)} files were"
        yield markup.folded(f"{files} skipped", f"<ul>{items}</ul>")


def _definitions(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    yield "BD-rate", _BD_RATE
    yield "BD-quality", _BD_QUALITY
    yield "Averages", _AVERAGES
    yield "Bits per pixel", DEFINITIONS["bpp"]
    for metric in evaluation.metrics:
        yield SCALES[metric].label, DEFINITIONS[metric]
    yield "Encode time", "Wall-clock seconds from pixels in memory to the bytes of the whole file."
    yield "Decode time", "Wall-clock seconds from those bytes to all pixels in memory."
