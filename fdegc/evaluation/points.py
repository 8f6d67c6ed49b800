"""The table of measured points: a CSV file that grows, so that an interrupted run can go on."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from fdegc.errors import OutputFailed
from fdegc.evaluation.coder import Coder
from fdegc.evaluation.images import Image
from fdegc.evaluation.measure import Point
from fdegc.options import METRIC_FIGURES
from fdegc.results import MetricSet

COLUMNS = (
    *("set", "image", "width", "height", "codec", "parameter", "bytes", "bpp"),
    *METRIC_FIGURES,
    *("encode_seconds", "decode_seconds", "metrics", "settings", "pixels_sha256"),
)


class Results:
    """Points of a file, all of them, found again by image, codec, settings and parameter.

    Parameters
    ----------
    path : Path
        Created if it is not there.  A last line that was cut off is overwritten by the next point.

    Raises
    ------
    OutputFailed
        If there is a file that is no such table.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._points: dict[tuple[str, ...], Point] = {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        whole, _, rest = text.rpartition("\n")
        rows = csv.reader(io.StringIO(whole))
        header = next(rows, None)
        cut_short = header is None and ",".join(COLUMNS).startswith(rest)
        if not cut_short and tuple(header or ()) != COLUMNS:
            raise OutputFailed(f"“{path}” is not a table of this version; choose another folder with --out.")
        for row in rows:
            point = _parse(row)
            if point is not None:
                self._points[
                    _key(point.set, point.image, point.digest, point.codec, point.key, point.parameter)
                ] = point
        if rest:
            path.write_text(whole + "\n" if whole else "", encoding="utf-8", newline="")

    def __len__(self) -> int:
        return len(self._points)

    def find(self, coder: Coder, image: Image, parameter: float, metrics: Collection[str]) -> Point | None:
        """Point that has been measured with all these metrics, if there is one."""
        point = self._points.get(_key(image.set, image.name, image.digest, coder.name, coder.key, parameter))
        return point if point is not None and set(metrics) <= set(point.metrics) else None

    def add(self, point: Point) -> None:
        """Appending of a point to the file."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        if not self.path.exists() or not self.path.stat().st_size:
            writer.writerow(COLUMNS)
        writer.writerow(_format(point))
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(buffer.getvalue())
        self._points[_key(point.set, point.image, point.digest, point.codec, point.key, point.parameter)] = (
            point
        )


def _key(
    set_name: str, image: str, digest: str, codec: str, settings: str, parameter: float
) -> tuple[str, ...]:
    return set_name, image, digest, codec, settings, f"{parameter:g}"


def _format(point: Point) -> list[str]:
    return [
        *(point.set, point.image, str(point.width), str(point.height), point.codec, f"{point.parameter:g}"),
        *(str(point.bytes), f"{point.bpp:.6f}"),
        *(_number(getattr(point.figures, name)) for name in METRIC_FIGURES),
        *(f"{point.encode_seconds:.4f}", f"{point.decode_seconds:.4f}"),
        *(" ".join(point.metrics), point.key, point.digest),
    ]


def _number(value: float | None) -> str:
    # All digits, so that a run that goes on says exactly what one without a break says.
    return "" if value is None else repr(value)


def _parse(row: list[str]) -> Point | None:
    """Return a row as a point; None if it is damaged."""
    if len(row) != len(COLUMNS):
        return None
    cells = dict(zip(COLUMNS, row, strict=True))
    try:
        values: dict[str, Any] = {
            name: float(cells[name]) if cells[name] else None for name in METRIC_FIGURES
        }
        point = Point(
            set=cells["set"],
            image=cells["image"],
            digest=cells["pixels_sha256"],
            width=int(cells["width"]),
            height=int(cells["height"]),
            codec=cells["codec"],
            key=cells["settings"],
            parameter=float(cells["parameter"]),
            bytes=int(cells["bytes"]),
            encode_seconds=float(cells["encode_seconds"]),
            decode_seconds=float(cells["decode_seconds"]),
            figures=replace(MetricSet(), **values),
            metrics=tuple(cells["metrics"].split()),
        )
    except ValueError:
        return None
    sound = point.width > 0 and point.height > 0 and point.bytes > 0
    sound = sound and not any(value is not None and math.isnan(value) for value in values.values())
    return point if sound else None
