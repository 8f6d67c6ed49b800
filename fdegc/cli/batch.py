"""What ``fdegc compress`` and ``fdegc decompress`` do with ``--out-dir``: many files, one report."""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.batch.listing import Job, Listing, judge_raster, judge_stream, list_jobs
from fdegc.batch.rows import FileRow, check_report, row_data, write_report
from fdegc.batch.running import run_here, split
from fdegc.batch.work import Work
from fdegc.cli.common import Report, Suspended, options_of, terminable, wish_of
from fdegc.control import CancelToken
from fdegc.errors import InvalidOption, OutputFailed
from fdegc.format import SUFFIX
from fdegc.options import KINDS, TIFF_KINDS
from fdegc.text import bytes_text, decibels_text, seconds_text
from fdegc.types import Progress

if TYPE_CHECKING:
    from fdegc.raster.wish import RasterWish

#: Files that were skipped as no input, or failed, and are named in the summary.
_NAMED = 5


def compress(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Batch of ``fdegc compress --out-dir``, with its report."""
    if args.scheduler is not None and not args.resume:
        raise InvalidOption(
            "--no-resume does not go with --scheduler: workers go on where a lost one stopped."
        )
    _refuse_region(args)
    listing = _listing(args, SUFFIX, judge_raster)
    from fdegc.weights import default_profile, find

    profile = args.profile or default_profile()
    work = Work(
        options_of(args),
        profile=profile,
        weights_hash=find(profile=profile).short_hash,
        psnr=args.psnr,
        force=args.force,
        resume=args.resume,
        device=args.device,
        threads=args.threads,
        wish=_wish(args),
    )
    return _run(args, listing, work, cancel)


def decompress(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Batch of ``fdegc decompress --out-dir``, with its report."""
    kind = args.format or "geotiff"
    endings, title = KINDS[kind]
    if args.compression is not None and kind not in TIFF_KINDS:
        raise InvalidOption(f"--compression is for GeoTIFF and COG; {title} has its own.")
    if args.sparse and kind not in TIFF_KINDS:
        raise InvalidOption(f"--sparse is for GeoTIFF and COG; {title} has no tiles to leave out.")
    listing = _listing(args, endings[0], judge_stream)
    work = Work(
        None,
        force=args.force,
        device=args.device,
        threads=args.threads,
        wish=_wish(args),
        kind=kind,
        compression=args.compression or "deflate",
        sparse=args.sparse,
    )
    return _run(args, listing, work, cancel)


def _refuse_region(args: argparse.Namespace) -> None:
    if args.roi is not None:
        raise InvalidOption("--roi is for one file; it does not go with --out-dir.")


def _wish(args: argparse.Namespace) -> RasterWish | None:
    """What of each raster is asked for; None for all of it."""
    plain = (getattr(args, "alpha", "auto"), getattr(args, "page", None), getattr(args, "aoi", None))
    if (*plain, args.window, args.bbox, args.bbox_crs) == ("auto", *(None,) * 5):
        return None
    return wish_of(args)


def _listing(args: argparse.Namespace, suffix: str, judge: Callable[[Path], str | None]) -> Listing:
    out = args.out_dir
    if out.exists() and not out.is_dir():
        raise OutputFailed(f"“{out}” is a file, not a folder.")
    if not out.absolute().parent.is_dir():
        raise OutputFailed(f"There is no folder “{out.absolute().parent}” to make “{out.name}” in.")
    if args.report is not None:
        check_report(args.report, force=args.force)
    return list_jobs(
        args.paths, out, suffix, judge, recursive=args.recursive, keep_extension=args.keep_extension
    )


def _run(args: argparse.Namespace, listing: Listing, work: Work, cancel: CancelToken) -> Report:
    """Do the work and report it, however it ends."""
    start = time.perf_counter()
    try:
        args.out_dir.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputFailed(
            f"The folder “{args.out_dir}” cannot be made: {error.strerror or error}."
        ) from error
    rows: list[FileRow] = []
    with terminable(cancel), _runner(args) as run, _Screen(quiet=args.json) as screen:

        def keep(row: FileRow) -> None:
            rows.append(row)
            screen.row(row)

        try:
            for row in listing.rows:
                keep(row)
            todo = split(listing.jobs, work, keep)
            run(
                todo,
                work,
                on_row=keep,
                on_file=screen.file,
                on_progress=screen.progress,
                fail_fast=args.fail_fast,
                cancel=cancel,
            )
        finally:
            places = {str(job.output): place for place, job in enumerate(listing.jobs)}
            rows.sort(key=lambda row: places.get(row.output, len(places)))
            seconds = time.perf_counter() - start
            if args.report is not None:
                write_report(args.report, rows, _summary(args, rows, seconds))
    return _finish(args, rows, seconds, interrupted=cancel.cancelled)


@contextlib.contextmanager
def _runner(args: argparse.Namespace) -> Iterator[Callable[..., None]]:
    """What does the files: this process, or a cluster that answers."""
    if getattr(args, "scheduler", None) is None:
        yield run_here
        return
    from fdegc.batch.cluster import check_shared, connected, run_on_cluster

    with connected(args.scheduler) as client:
        check_shared(client, args.out_dir)
        yield functools.partial(run_on_cluster, client)


# ------------------------------------------------------------------------------ what is said


class _Screen:
    """What is shown while the work goes on, all of it on stderr.

    A line for every file that failed or was done; on a terminal also a bar for the file at hand and
    one for all of them, with the time that is left.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._all: Any = None
        self._one: Any = None

    def __enter__(self) -> _Screen:
        if sys.stderr.isatty():
            from tqdm import tqdm

            form = "{desc:<24.24}{percentage:3.0f}% |{bar}| {elapsed}<{remaining}"
            self._all = tqdm(total=1.0, file=sys.stderr, leave=False, bar_format=form, desc="all files")
            self._one = tqdm(total=1.0, file=sys.stderr, leave=False, bar_format=form, position=1)
        return self

    def __exit__(self, *_: object) -> None:
        for bar in (self._one, self._all):
            if bar is not None:
                bar.close()

    def file(self, number: int, count: int, job: Job) -> None:
        """Name of the file that is begun, shown."""
        if self._all is not None:
            self._all.set_description_str(f"file {number} of {count}", refresh=False)
            self._one.reset(total=1.0)
            self._one.set_description_str(job.source.name)

    def progress(self, progress: Progress) -> None:
        """Progress of the file at hand, or of the whole, shown."""
        bar = self._all if progress.stage == "batch" else self._one
        if bar is not None:
            bar.update(max(progress.fraction - bar.n, 0.0))

    def row(self, row: FileRow) -> None:
        """Outcome of a file, as a line."""
        if row.status == "failed":
            self._say(f"fdegc: error: {row.message}")
        elif row.status == "done" and not self._quiet:
            psnr = "" if row.psnr is None else f", {decibels_text(row.psnr)}"
            self._say(f"{row.input} → {row.output}, {bytes_text(row.bytes or 0)}{psnr}")

    def _say(self, line: str) -> None:
        if self._all is None:
            print(line, file=sys.stderr)
        else:
            self._all.write(line, file=sys.stderr)


def _summary(args: argparse.Namespace, rows: Sequence[FileRow], seconds: float) -> dict[str, Any]:
    counts = Counter(row.status for row in rows)
    return {
        "command": args.command,
        "out_dir": str(args.out_dir),
        "done": counts["done"],
        "skipped": counts["skipped"],
        "failed": counts["failed"],
        "pending": counts["pending"],
        "bytes": sum(row.bytes or 0 for row in rows if row.output),
        "seconds": seconds,
    }


def _finish(
    args: argparse.Namespace, rows: Sequence[FileRow], seconds: float, *, interrupted: bool
) -> Report:
    data = _summary(args, rows, seconds)
    if interrupted:
        raise Suspended(
            f"{data['done'] + data['skipped']} of {len(rows)} files are finished; the same command goes on "
            "from there"
        )
    passed = [Path(row.input).name for row in rows if row.status == "skipped" and not row.output]
    before = data["skipped"] - len(passed)
    facts: dict[str, str | None] = {
        "Written to": str(args.out_dir),
        "Done": f"{_files(data['done'])}, {seconds_text(seconds)}",
        "Finished before": _files(before) if before else None,
        "Left out": _names(passed) if passed else None,
        "Failed": _files(data["failed"]) if data["failed"] else None,
        "Not begun": _files(data["pending"]) if data["pending"] else None,
        "All outputs": bytes_text(data["bytes"]),
        "Report": None if args.report is None else str(args.report),
    }
    problem = None
    if data["failed"]:
        failed = [row.input for row in rows if row.status == "failed"]
        problem = f"{data['failed']} of {_files(len(rows))} failed: {_names(failed)}."
    answer = {**data, "files": [row_data(row) for row in rows]}
    return Report(facts, answer, problem, exit_code=int(problem is not None))


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{shown}{more}"
