"""What became of each file, and the report that says so."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fdegc.atomic import whole
from fdegc.errors import InvalidOption, OutputExists, OutputFailed
from fdegc.text import finite

Status = Literal["done", "skipped", "failed", "pending"]

#: Version of the report's form, and its first key, by which a report is known.
_MARK = '{"fdegc_report": 1'


@dataclass(frozen=True, slots=True)
class FileRow:
    """Row of the report: what became of one file.

    Attributes
    ----------
    input : str
    output : str
        Empty for what is no input at all.
    status : str
        "done", "skipped" (finished earlier, or no input), "failed", or "pending": interrupted before
        it was done.
    message : str
        A sentence, or nothing.
    bytes : int or None
        Size of the output.
    bpp, ratio, quality : float or None
        Of the ``.fdegc`` file, as of :class:`~fdegc.results.StreamInfo`.
    psnr : float or None
        dB, if it was asked for; infinite if lossless.
    seconds : float or None
        Wall-clock seconds that this run spent on it.
    device : str or None
    resumed_tiles : int or None
        Tiles that an earlier attempt had finished.
    """

    input: str
    output: str
    status: Status
    message: str = ""
    bytes: int | None = None
    bpp: float | None = None
    ratio: float | None = None
    quality: float | None = None
    psnr: float | None = None
    seconds: float | None = None
    device: str | None = None
    resumed_tiles: int | None = None


COLUMNS = tuple(field.name for field in dataclasses.fields(FileRow))


def row_data(row: FileRow) -> dict[str, Any]:
    """Row as JSON values."""
    return {**dataclasses.asdict(row), "psnr": finite(row.psnr)}


def check_report(path: Path, *, force: bool) -> None:
    """Refusal of a report that could not be written, or would replace something that is none.

    Raises
    ------
    InvalidOption, OutputExists, OutputFailed
    """
    if path.suffix.lower() not in (".csv", ".json"):
        raise InvalidOption(f"A report must be named *.csv or *.json, not “{path.name}”.")
    if path.is_dir():
        raise OutputFailed(f"“{path}” is a folder, not a file.")
    if not path.absolute().parent.is_dir():
        raise OutputFailed(f"There is no folder “{path.absolute().parent}” to write “{path.name}” into.")
    if path.exists() and not force and not _is_report(path):
        raise OutputExists(f"“{path}” exists already and is no report; --force overwrites it.")


def _is_report(path: Path) -> bool:
    marks = (_MARK.encode(), ",".join(COLUMNS).encode())
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(max(map(len, marks))).startswith(marks)
    except OSError:
        return False


def write_report(path: Path, rows: Sequence[FileRow], summary: dict[str, Any]) -> None:
    """Report, written whole or not at all; an older one is replaced.

    Parameters
    ----------
    path : Path
        ``*.csv``: a line a file; ``*.json``: an object with ``summary`` and ``files``.
    rows : sequence of FileRow
    summary : dict
        JSON values about all files together.

    Raises
    ------
    OutputFailed
    """
    if path.suffix.lower() == ".csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in rows)
        text = out.getvalue()
    else:
        data = {**summary, "files": [row_data(row) for row in rows]}
        text = f"{_MARK}, {json.dumps(data, ensure_ascii=False, allow_nan=False)[1:]}\n"
    try:
        with whole(path) as file:
            # Names that are not UTF-8 must not cost the report.
            file.write(text.encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        raise OutputFailed(f"The report “{path}” cannot be written: {error.strerror or error}.") from error
