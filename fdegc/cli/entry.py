"""The whole command line: its parser, and what running a command means for the process.

Exit codes: 0 done, 1 failed (the reason on stderr), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import io
import json
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from fdegc import __version__
from fdegc.cli.arguments import CommandParser, add_shared, join_signed
from fdegc.cli.common import Report, Suspended, signal_handled
from fdegc.errors import Cancelled, FdegcError
from fdegc.process import QuickExit, collect_less, import_less, keep_memory

if TYPE_CHECKING:
    from fdegc.control import CancelToken

INTERRUPTED = 130


class Command(Protocol):
    """Interface of a command: what each file of one has."""

    DESCRIPTION: str

    def add_arguments(self, parser: CommandParser) -> None:
        """Options of the command."""

    def run(self, args: argparse.Namespace, cancel: CancelToken) -> Report:
        """Execution of the command, with its report; FdegcError if it cannot be done."""


#: Commands and what each is for; ``fdegc.cli.NAME`` has the rest, and is imported when it is needed.
_COMMANDS = {
    "compress": "raster → .fdegc",
    "decompress": ".fdegc → GeoTIFF, COG, PNG or JPEG 2000",
    "info": "what a .fdegc file or a raster is",
    "metrics": "how close two rasters are",
    "verify": "whether a .fdegc file is sound",
    "evaluate": "compare with other codecs",
    "train": "train the network",
    "test": "what weights achieve",
    "weights": "add weights",
}
#: Commands that use the network as it is.
_CODING = ("compress", "decompress", "verify")


def build_parser() -> argparse.ArgumentParser:
    """Parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="fdegc",
        description="Compress satellite and aerial imagery with a learned codec.",
        epilog="fdegc COMMAND --help lists the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"fdegc {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=CommandParser
    )
    for name, summary in _COMMANDS.items():
        if name == "weights":  # has actions, of which there is but one so far
            group = commands.add_parser(name, help=summary, description="Add weights.")
            actions = group.add_subparsers(
                dest="action", metavar="ACTION", required=True, parser_class=CommandParser
            )
            sub = actions.add_parser("import", help="checkpoint → weights that can code")
        else:
            sub = commands.add_parser(name, help=summary)
        sub.fill = functools.partial(_fill, name)
    return parser


def _command(name: str) -> Command:
    return cast(Command, importlib.import_module(f"fdegc.cli.{name}"))


def _fill(name: str, parser: CommandParser) -> None:
    command = _command(name)
    parser.description = command.DESCRIPTION
    add_shared(parser)
    command.add_arguments(parser)


# ------------------------------------------------------------------------------ running


def _interruptible(cancel: CancelToken) -> contextlib.AbstractContextManager[None]:
    """Let the first Ctrl-C ask the work to stop, and a second one break it off."""

    def on_interrupt() -> None:
        if cancel.cancelled:
            raise KeyboardInterrupt
        cancel.cancel()

    return signal_handled(signal.SIGINT, on_interrupt)


def _fail(message: str) -> int:
    print(f"fdegc: error: {message}", file=sys.stderr)
    return 1


def _print_report(report: Report, *, as_json: bool) -> None:
    if not report.data:  # one of several processes that train together; another one reports
        return
    to = sys.stderr if report.on_stderr else sys.stdout
    if as_json:
        print(json.dumps(report.data, ensure_ascii=False, allow_nan=False), file=to)
        return
    facts = {label: text for label, text in report.facts.items() if text is not None}
    width = max(len(label) for label in facts)
    for label, text in facts.items():
        print(f"{label:<{width}}  {text}", file=to)


def _run(args: argparse.Namespace) -> int:
    """Run a parsed command; every expected failure becomes a sentence on stderr."""
    from fdegc.control import CancelToken

    cancel = CancelToken()
    try:
        # Whatever a library prints must not mix with the answer on stdout.
        with _interruptible(cancel), contextlib.redirect_stdout(sys.stderr):
            report = _command(args.command).run(args, cancel)
    except (Cancelled, KeyboardInterrupt) as error:
        kept = f": {error}" if isinstance(error, Suspended) else ""
        print(f"fdegc: interrupted{kept}", file=sys.stderr)
        return INTERRUPTED
    except FdegcError as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("There is not enough memory for this. A smaller --tile-size needs less.")
    except OSError as error:
        where = f"“{error.filename}”: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}.")
    try:
        _print_report(report, as_json=args.json)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if report.problem is not None:
        _fail(report.problem)
    return report.exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Execution of the command line ``fdegc``.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if left out.

    Returns
    -------
    int
        Exit code; wrong usage raises ``SystemExit(2)`` as argparse does.
    """
    args = build_parser().parse_args(join_signed(sys.argv[1:] if argv is None else argv))
    if argv is None:
        for stream in (sys.stdout, sys.stderr):  # a name that is no valid text must not end the program
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        collect_less()
        keep_memory()
        if args.command in _CODING:
            import_less()
    with warnings.catch_warnings():
        if argv is None and not sys.warnoptions:
            warnings.simplefilter("ignore")  # libraries' notes to developers, not to users
        return _run(args)


def program() -> int:
    """Whole process of the command line: what ``fdegc`` and ``python -m fdegc`` start."""
    leaving = QuickExit()
    leaving.code = main()
    return leaving.code
