"""Which files are meant, and what their outputs are called."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fdegc.batch.rows import FileRow
from fdegc.errors import InvalidOption
from fdegc.format import SUFFIX
from fdegc.options import RASTER_SUFFIXES

#: Overviews and masks that GDAL keeps beside a raster: rasters by content, but none of their own.
_COMPANIONS = frozenset({".ovr", ".msk"})
#: What rasters of other kinds keep beside their data, some of which GDAL would take for data.
_DESCRIPTIONS = frozenset(
    {".hdr", ".prj", ".stx", ".clr", ".rdc", ".ref", ".doc", ".smp", ".sgrd", ".mgrd", ".aux", ".wld", ".blw"}
)

#: Says why a file that was found in a folder is none of the inputs; None if it is one.
Judge = Callable[[Path], "str | None"]


@dataclass(frozen=True, slots=True)
class Job:
    """File to code, and its output.

    Attributes
    ----------
    source, output : Path
    size : int
        Bytes of the source, by which its share of the work is judged; 0 if it cannot be told.
    """

    source: Path
    output: Path
    size: int


@dataclass(slots=True)
class Listing:
    """Listing of what the arguments stand for: jobs in order, and rows for what folders hold besides."""

    jobs: list[Job] = field(default_factory=list)
    rows: list[FileRow] = field(default_factory=list)


def judge_raster(path: Path) -> str | None:
    """Reason why a file of a folder is not to be compressed, None if it is; a :data:`Judge`."""
    suffix = path.suffix.lower()
    if suffix == SUFFIX:
        return "It is compressed already."
    if suffix in _COMPANIONS and path.with_suffix("").exists():
        return f"It belongs to “{path.stem}”."
    if path.exists() and not path.is_file():
        return "It is not an ordinary file."
    if suffix in _DESCRIPTIONS or path.name.lower().endswith(".aux.xml"):
        return "It describes other files."
    if suffix in RASTER_SUFFIXES:  # even if its contents are damaged
        return None
    from fdegc.raster import looks_like_raster

    return None if looks_like_raster(path) else "It is none of the rasters that are known here."


def judge_stream(path: Path) -> str | None:
    """Reason why a file of a folder is not to be decompressed, None if it is; a :data:`Judge`."""
    if path.suffix.lower() != SUFFIX:
        return f"It is not a {SUFFIX} file."
    return "It is not an ordinary file." if path.exists() and not path.is_file() else None


def list_jobs(
    inputs: Sequence[str],
    out_dir: Path,
    suffix: str,
    judge: Judge,
    *,
    recursive: bool = False,
    keep_extension: bool = False,
) -> Listing:
    """Inputs that were found, and names of their outputs.

    A file is written into ``out_dir`` itself, the files of a folder mirror the folder's tree there, and
    those of a pattern the tree below its first wildcard.  Files that are named, or match a pattern,
    are taken whatever they are; those of folders only if ``judge`` takes them.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders and patterns (``*``, ``?``, ``[…]``, ``**``).
    out_dir : Path
        Not searched itself where it lies inside of a folder.
    suffix : str
        Of the outputs.
    judge : callable
    recursive : bool
        Whether to look into the subfolders of folders.
    keep_extension : bool
        Whether ``a.tif`` becomes ``a.tif.fdegc`` and not ``a.fdegc``.

    Raises
    ------
    InvalidOption
        If a pattern or a folder yields nothing, or two inputs would have the same output.
    """
    listing = Listing()
    sources: dict[str, Path] = {}

    def add(source: Path, relative: Path) -> None:
        name = relative.name if keep_extension else relative.stem
        output = out_dir / relative.with_name(f"{name}{suffix}")
        key = os.path.normcase(output)
        if key not in sources:
            sources[key] = source
            listing.jobs.append(Job(source, output, _size(source)))
        elif not _same(sources[key], source):
            raise InvalidOption(
                f"“{sources[key]}” and “{source}” would both be written to “{output}”; --keep-extension "
                "keeps names with different extensions apart, and folders keep their own names with "
                "--recursive."
            )

    for text in inputs:
        path = Path(text)
        if not os.path.lexists(path) and glob.has_magic(text):
            _add_pattern(text, add)
        elif os.path.isdir(path):
            before = len(listing.jobs) + len(listing.rows)
            for item in _walk(path, recursive, out_dir, judge):
                if isinstance(item, FileRow):
                    listing.rows.append(item)
                else:
                    add(item, item.relative_to(path))
            if len(listing.jobs) + len(listing.rows) == before:
                hint = "" if recursive else "; --recursive looks into its subfolders"
                raise InvalidOption(f"There are no files in “{path}”{hint}.")
        else:
            add(path, Path(path.name))
    return listing


def _add_pattern(pattern: str, add: Callable[[Path, Path], None]) -> None:
    parts = Path(pattern).parts
    base = Path(*parts[: next(i for i, part in enumerate(parts) if glob.has_magic(part))])
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True)) if not os.path.isdir(name)]
    if not found:
        raise InvalidOption(f"No file matches {pattern}.")
    for path in found:
        add(path, path.relative_to(base))


def _walk(folder: Path, recursive: bool, out_dir: Path, judge: Judge) -> Iterator[Path | FileRow]:
    """Inputs in a folder in order, and rows for what is none; hidden files are left out.

    Links to folders are not followed: a tree has an end, links may lead in circles.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield FileRow(str(folder), "", "failed", f"“{folder}” cannot be listed: {error.strerror or error}.")
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if recursive and not _same(path, out_dir):
                yield from _walk(path, recursive, out_dir, judge)
            continue
        if os.path.isdir(path):
            why: str | None = "It is a link to a folder; name it itself to include it." if recursive else ""
        else:
            why = judge(path)
        if why is None:
            yield path
        elif why:
            yield FileRow(str(path), "", "skipped", why)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _same(first: Path, second: Path) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return os.path.abspath(first) == os.path.abspath(second)
