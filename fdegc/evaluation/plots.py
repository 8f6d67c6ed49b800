"""Rate-distortion plots, for files (PNG, SVG) and for the report (SVG in the page's colours)."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fdegc.evaluation.coder import Coder
from fdegc.evaluation.summary import Scale, SetSummary

#: Colour and marker by codec; the colours are legible on white and on black.
STYLES: Mapping[str, tuple[str, str]] = {
    "fdegc": ("#e4572e", "o"),
    "jpeg-444": ("#8a8a8a", "s"),
    "jpeg-420": ("#b08d57", "D"),
    "jpeg2000": ("#3b82c4", "^"),
    "webp": ("#3f9b4f", "v"),
    "jpegxl": ("#9568c4", "P"),
    "hevc": ("#18a0a8", "X"),
    "hevc-ssim": ("#18a0a8", "x"),
    "avif": ("#c9a21a", "d"),
    "avif-default": ("#c9a21a", "1"),
}
_SECOND_TUNINGS = ("hevc-ssim", "avif-default")
_OTHER = ("#c45a9a", "*")
#: Stands for the page's text colour in an SVG; no codec has it.
_INK = "#010203"
#: Widest range of rates shown, bpp; peers go on beyond what matters here.
_MAX_BPP = 2.4


def available() -> str | None:
    """Sentence that says what to install for plots; None if they can be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return "Plots are left out: matplotlib is not installed (pip install 'fdegc[evaluate]')."
    return None


def draw(summary: SetSummary, scale: Scale, coders: Sequence[Coder]) -> Any:
    """Matplotlib figure of mean quality over mean rate, a line a codec."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Not pyplot: nothing global, no window system, safe beside a running application.
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor("none")  # the figure's own background shows, or the page's
    ours = coders[0].name
    second = _SECOND_TUNINGS if ours == "fdegc" else (*_SECOND_TUNINGS, "fdegc")
    for coder in reversed(coders):  # FDEGC is drawn last, on top
        steps = [a for a in summary.averages.get(coder.name, ()) if scale.metric in a.figures]
        if not steps:
            continue
        # With an effort FDEGC looks as it does without, which is then dashed.
        color, marker = STYLES.get(coder.name.split("-effort")[0], _OTHER)
        axes.plot(
            [step.curve_bpp[scale.metric] for step in steps],
            [step.figures[scale.metric] for step in steps],
            color=color,
            marker=marker,
            markersize=7 if coder.name == ours else 5,
            linewidth=2.6 if coder.name == ours else 1.4,
            # The same codec in another tuning.
            linestyle="--" if coder.name in second else "-",
            label=coder.label,
        )
    axes.set_xlim(0.0, min(_MAX_BPP, 1.04 * axes.get_xlim()[1]))
    axes.set_xlabel("bits per pixel", color=_INK)
    axes.set_ylabel(scale.axis, color=_INK)
    axes.grid(True, color=_INK, alpha=0.15, linewidth=0.6)
    axes.tick_params(colors=_INK)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(_INK)
    if axes.lines:
        handles, labels = axes.get_legend_handles_labels()
        place: Any = "upper right" if scale.sign < 0 else "lower right"
        axes.legend(handles[::-1], labels[::-1], loc=place, frameon=False, labelcolor=_INK)
    return figure


def save(figure: Any, stem: Path) -> None:
    """Files ``stem.png`` (150 dots an inch) and ``stem.svg`` of a figure, on white."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(stem.with_name(stem.name + ".png"), dpi=150, facecolor="white")
    stem.with_name(stem.name + ".svg").write_text(_svg(figure, stem.name, "white"), encoding="utf-8")


def inline(figure: Any, name: str) -> str:
    """SVG element of a figure for a page: no background, ink in the page's text colour."""
    text = _svg(figure, name, "none")
    text = text[text.index("<svg") :]
    # Identifiers must differ from those of other figures of the page.
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    return text.replace(_INK, "currentColor")


def _svg(figure: Any, name: str, background: str) -> str:
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", facecolor=background, metadata={"Date": None})
    return buffer.getvalue()


def file_names(names: Sequence[str]) -> list[str]:
    """Names of sets as parts of files' names, all different on every file system."""
    found: list[str] = []
    for number, name in enumerate(names, 1):
        plain = re.sub(r"[^\w.-]+", "_", name).strip("._") or "set"
        taken = plain.lower() in (other.lower() for other in found)
        found.append(f"{plain}-{number}" if taken else plain)
    return found
