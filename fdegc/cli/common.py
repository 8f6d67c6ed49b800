"""What several commands share: their report, checks of arguments, the progress bar.

Like all of this room it imports nothing heavy before a command runs, so mistakes are told at once.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.errors import Cancelled, InvalidOption, OutputExists, OutputFailed
from fdegc.options import EncodeOptions

if TYPE_CHECKING:
    from fdegc.control import CancelToken
    from fdegc.raster.wish import RasterWish
    from fdegc.types import Progress

DEFAULT_RATE = 4

#: Label → value, printed as aligned lines.
Facts = Mapping[str, str | None]


@dataclass(frozen=True)
class Report:
    """Report of a command: what it has to say.

    Attributes
    ----------
    facts : mapping
        For people: label → text; labels without text are left out.
    data : mapping
        For programs: the one JSON object.
    problem : str or None
        A sentence for stderr where the output exists and yet something is wrong with it: exit 1.
    exit_code : int
    on_stderr : bool
        Whether it is told there, since the result itself went to stdout.
    """

    facts: Facts
    data: Mapping[str, Any]
    problem: str | None = None
    exit_code: int = 0
    on_stderr: bool = False


def quality_of(args: argparse.Namespace) -> float:
    """Quality that was asked for; weights for a single λ have but one."""
    asked: float | None = args.quality if args.rate is None else float(args.rate)
    from fdegc.weights import default_profile, find

    profile = args.profile or default_profile()
    rates = find(profile=profile).rates
    if len(rates) == 1:
        only = rates[0].quality
        if asked not in (None, only):
            raise InvalidOption(
                f"The weights of profile {profile} have one rate point, {only:g}; leave out --rate and "
                "--quality."
            )
        return only
    return float(DEFAULT_RATE) if asked is None else asked


def options_of(args: argparse.Namespace) -> EncodeOptions:
    """Options of the compression that a command line asks for.

    Raises
    ------
    InvalidOption
        If two of them exclude each other.
    """
    if args.max_error is not None and (args.rate is not None or args.quality is not None):
        raise InvalidOption(
            "A largest error and a rate exclude each other: a bound takes what it takes. Leave one out."
        )
    if args.effort and (args.max_error is not None or args.target is not None):
        raise InvalidOption(
            "--effort goes with a rate or a quality, not with a target or a largest error. Leave one out."
        )
    return EncodeOptions(
        quality_of(args),
        args.tile_size,
        args.ranges,
        args.target,
        check=args.check,
        max_error=args.max_error,
        band_weights=args.band_weights,
        lossy=args.lossy,
        effort=args.effort,
    )


class Suspended(Cancelled):
    """Interruption of a command, with finished work kept for later."""


def check_output(source: Path, output: Path, *, force: bool) -> None:
    """Refusal of an output that cannot be right, before any work is done."""
    if output.is_dir():
        raise OutputFailed(f"“{output}” is a folder, not a file.")
    if output.exists():
        if source.exists() and output.samefile(source):
            raise InvalidOption(f"“{output}” is the input itself; choose another name for the output.")
        if not force:
            raise OutputExists(f"“{output}” exists already; --force overwrites it.")
    if not output.absolute().parent.is_dir():
        raise OutputFailed(f"There is no folder “{output.absolute().parent}” to write “{output.name}” into.")


@contextlib.contextmanager
def signal_handled(number: signal.Signals, handler: Callable[[], None]) -> Iterator[None]:
    """Signal that is handled by a function for a while; off the main thread whoever called us handles it."""
    try:
        before = signal.signal(number, lambda *_: handler())
    except ValueError:  # not on the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(number, before)


def terminable(cancel: CancelToken) -> contextlib.AbstractContextManager[None]:
    """SIGTERM, by which schedulers and ``torchrun`` end a run, taken as a request to stop, as Ctrl-C is."""
    return signal_handled(signal.SIGTERM, cancel.cancel)


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """Callback that draws a progress bar on a terminal, or None where stderr is not one."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    bar = tqdm(
        total=1.0,
        file=sys.stderr,
        leave=False,
        bar_format="{desc:<12}{percentage:3.0f}% |{bar}| {elapsed}<{remaining}",
    )
    stage = ""

    def show(progress: Progress) -> None:
        nonlocal stage
        if progress.stage != stage:
            stage = progress.stage
            bar.reset(total=1.0)
            bar.set_description_str(stage, refresh=False)
        bar.update(max(progress.fraction - bar.n, 0.0))

    try:
        yield show
    finally:
        bar.close()


def wish_of(args: argparse.Namespace) -> RasterWish:
    """What of a raster the arguments ask for."""
    from fdegc.raster.wish import RasterWish

    return RasterWish(
        page=getattr(args, "page", None),
        alpha=getattr(args, "alpha", "auto"),
        window=args.window,
        box=args.bbox,
        box_crs=args.bbox_crs,
        area=getattr(args, "aoi", None),
    )


def with_streams(args: argparse.Namespace, ending: str, work: Callable[[], Report]) -> Report:
    """Report of work on one file, with files in place of the standard streams that ``-`` stands for.

    Parameters
    ----------
    args : Namespace
        ``input`` and ``output``.
    ending : str
        What the name of an output ends in.
    work : callable

    Raises
    ------
    InvalidOption
        If the result would go to a terminal.
    """
    source, output = str(args.input), str(args.output)
    if "-" not in (source, output):
        return work()
    # The current one is where what libraries print goes.
    out = sys.__stdout__
    if output == "-" and (out is None or out.isatty()):
        raise InvalidOption("The result is no text for a terminal: send it to a file or a program (> or |).")
    with tempfile.TemporaryDirectory(prefix="fdegc-") as folder:
        if source == "-":
            args.input = Path(folder) / "stdin"
            with args.input.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        if output == "-":
            args.output, args.resume = Path(folder) / f"stdout{ending}", False
        report = work()
        if output == "-" and out is not None:
            with args.output.open("rb") as file:
                shutil.copyfileobj(file, out.buffer)
            out.buffer.flush()
    facts = {**report.facts, "Written": output} if "Written" in report.facts else report.facts
    data = {**report.data, "input": source, "output": output}
    return replace(report, facts=facts, data=data, on_stderr=output == "-")
