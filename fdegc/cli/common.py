"""What several commands share: their report, checks of arguments, the progress bar.

Like all of this room it imports nothing heavy before a command runs, so mistakes are told at once.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.errors import Cancelled, InvalidOption, OutputExists, OutputFailed
from fdegc.options import EncodeOptions

if TYPE_CHECKING:
    from fdegc.control import CancelToken
    from fdegc.raster_info import RasterInfo, Window
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
    """

    facts: Facts
    data: Mapping[str, Any]
    problem: str | None = None
    exit_code: int = 0


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
    return EncodeOptions(
        quality_of(args),
        args.tile_size,
        args.ranges,
        args.target,
        check=args.check,
        max_error=args.max_error,
        band_weights=args.band_weights,
        lossy=args.lossy,
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


def part_window(args: argparse.Namespace, raster: RasterInfo) -> Window | None:
    """Window that ``--window`` or ``--bbox`` ask for; None for everything.

    Raises
    ------
    InvalidOption
        If it does not lie in the raster.
    """
    if args.bbox is None:
        if args.bbox_crs is not None:
            raise InvalidOption("--bbox-crs says what the numbers of --bbox mean; give that too.")
        window: Window | None = args.window
        if window is not None:
            window.check_inside(raster.width, raster.height)
        return window
    from fdegc.raster.area import find_box

    return find_box(raster, args.bbox, args.bbox_crs)
