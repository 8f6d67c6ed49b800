"""Pieces of the HTML report: a page that stands alone, tables, numbers as text."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1f23; --soft: #5c6570; --line: #dfe3e8; --page: #fbfbfa;
  --card: #ffffff; --good: #1a7f4b; --bad: #b3372c; --mark: #f1f3f5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #9aa4af; --line: #343a41;
  --page: #15181b; --card: #1c2024; --good: #5cc98f; --bad: #f0897e; --mark: #24292e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 68rem;
  background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .6rem; }
h3 { font-size: 1.02rem; margin: 1.6rem 0 .4rem; }
p { max-width: 46rem; margin: .5rem 0; }
.soft { color: var(--soft); } small { font-size: .85rem; color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .8rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; }
tbody tr:hover { background: var(--mark); }
.good { color: var(--good); } .bad { color: var(--bad); }
.tag { font-size: .75rem; border: 1px solid currentColor; border-radius: .6rem; padding: 0 .45rem;
  margin-left: .5rem; }
figure { margin: 0; padding: .8rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem; }
figure svg { width: 100%; height: auto; display: block; color: var(--ink); }
figcaption { font-size: .88rem; color: var(--soft); margin: 0 0 .4rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(27rem, 100%), 1fr)); gap: 1rem; }
dt { font-weight: 600; margin-top: .7rem; } dd { margin: 0; max-width: 50rem; color: var(--soft); }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); }
@media print { body { max-width: none; padding: 0; } figure, tr { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Markup:
    """Text that is HTML already."""

    text: str


#: What a cell of a table may hold: text is escaped.
Cell = str | Markup


def escape(cell: Cell) -> str:
    """Return a cell as HTML."""
    return cell.text if isinstance(cell, Markup) else html.escape(cell)


def document(title: str, parts: Iterable[str]) -> str:
    """Return a page that needs no other file."""
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def table(header: Sequence[Cell], rows: Iterable[Sequence[Cell]], text_columns: Iterable[int] = ()) -> str:
    """Return a table whose first column and `text_columns` are text, the others numbers."""
    texts = set(text_columns)

    def line(tag: str, cells: Sequence[Cell]) -> str:
        attributes = [' class="text"' if i in texts else "" for i in range(len(cells))]
        inner = "".join(f"<{tag}{a}>{escape(c)}</{tag}>" for a, c in zip(attributes, cells, strict=True))
        return f"<tr>{inner}</tr>"

    body = "\n".join(line("td", row) for row in rows)
    head = line("th", header)
    return f'<div class="scroll"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    return f'<p class="{kind}">{html.escape(text)}</p>' if kind else f"<p>{html.escape(text)}</p>"


def definitions(items: Iterable[tuple[str, str]]) -> str:
    """Return terms with what they mean."""
    inner = "\n".join(f"<dt>{html.escape(term)}</dt><dd>{html.escape(text)}</dd>" for term, text in items)
    return f"<dl>{inner}</dl>"


def folded(summary: str, inner: str) -> str:
    """Return something long that opens when it is clicked."""
    return f"<details><summary>{html.escape(summary)}</summary>\n{inner}\n</details>"


def percent(value: float | None, note: str = "") -> Markup:
    """Return a BD-rate, green where FDEGC needs fewer bits; a dash with the reason where there is none."""
    return _difference(value, -1.0, "{:.1f} %", note)


def gain(value: float | None, unit: str, digits: int, note: str = "") -> Markup:
    """Return a difference in quality, green where FDEGC is better."""
    return _difference(value, 1.0, f"{{:.{digits}f}}{' ' + unit if unit else ''}", note)


def _difference(value: float | None, better: float, form: str, note: str) -> Markup:
    title = f' title="{html.escape(note)}"' if note else ""
    star = "*" if note else ""
    if value is None:
        return Markup(f'<span class="soft"{title}>–{star}</span>')
    kind = "good" if value * better > 0.0 else "bad"
    sign = "−" if value < 0.0 else "+"
    return Markup(f'<span class="{kind}"{title}>{sign}{form.format(abs(value))}{star}</span>')


def number(value: float | None, digits: int) -> str:
    """Return a number; a dash if there is none, ∞ for a lossless image's PSNR."""
    if value is None or math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"
