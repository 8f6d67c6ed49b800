"""The command line ``fdegc``: compress, decompress, info, metrics, verify, evaluate, train, test, weights.

Nothing heavy is imported until a command needs it, so ``--help`` and usage errors answer at once.
Exit codes: 0 done, 1 failed (the reason on stderr), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc import __version__
from fdegc.batch.arguments import add_paths, settle
from fdegc.choices import add_part, add_range, add_targets, join_signed
from fdegc.errors import Cancelled, FdegcError
from fdegc.process import QuickExit, collect_less, import_less, keep_memory

if TYPE_CHECKING:
    from types import FrameType

    from fdegc.command_parts import Report
    from fdegc.control import CancelToken

INTERRUPTED = 130
#: Commands that use the network as it is.
_CODING = ("compress", "decompress", "verify")


def _quality(text: str) -> float:
    value = float(text)
    if not 1.0 <= value <= 6.0:
        raise argparse.ArgumentTypeError(f"must lie between 1.0 and 6.0, not {text}")
    return value


def _tile_size(text: str) -> int:
    value = int(text)
    if value % 64 or not 64 <= value <= 2048:
        raise argparse.ArgumentTypeError(f"must be a multiple of 64 between 64 and 2048, not {text}")
    return value


def _threads(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1024:
        raise argparse.ArgumentTypeError(f"must lie between 1 and 1024, not {text}")
    return value


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", text):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, cuda, cuda:N or mps, not {text}")
    return text


# What argparse calls the type in "invalid … value".
_quality.__name__, _tile_size.__name__, _threads.__name__ = "quality", "tile size", "number of threads"
_device.__name__ = "device"


class _CommandParser(argparse.ArgumentParser):
    """A command's parser; some get their options only when they are to parse."""

    late_options: Callable[[argparse.ArgumentParser], None] | None = None
    settle: Callable[[argparse.ArgumentParser, argparse.Namespace], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the late options, parse, and settle which of its forms the command has."""
        if self.late_options is not None:
            late, self.late_options = self.late_options, None
            late(self)
        parsed, rest = super().parse_known_args(args, namespace)
        if self.settle is not None and not any(text.startswith("-") for text in rest):
            # argparse takes paths only as far as they are not interrupted by options.
            parsed.paths += rest
            rest = []
            self.settle(self, parsed)
        return parsed, rest


def _training_options(name: str) -> Callable[[argparse.ArgumentParser], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        from fdegc.training.cli import OPTIONS

        OPTIONS[name](parser)

    return add


def _evaluation_options(parser: argparse.ArgumentParser) -> None:
    from fdegc.evaluation.cli import add_arguments

    add_arguments(parser)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    common = _CommandParser(add_help=False)
    shared = common.add_argument_group("on every command")
    shared.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    shared.add_argument(
        "--device",
        type=_device,
        metavar="auto|cpu|cuda[:N]|mps",
        default="auto",
        help="where the network runs (default: auto, a GPU if there is one; cuda:1 is the second of several)",
    )
    shared.add_argument(
        "--threads", type=_threads, metavar="N", help="tiles in work at a time (default: as many as cores)"
    )

    parser = argparse.ArgumentParser(
        prog="fdegc",
        description="Compress satellite and aerial imagery with a learned codec.",
        epilog="fdegc COMMAND --help lists the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"fdegc {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=_CommandParser
    )

    def add(name: str, summary: str, description: str) -> _CommandParser:
        return commands.add_parser(name, parents=[common], help=summary, description=description)

    sub = add(
        "compress",
        "raster → .fdegc",
        "Compress a raster (GeoTIFF, PNG, JPEG, WebP and others) into a .fdegc file, or many into a folder.",
    )
    add_paths(sub, "IN", "OUT.fdegc")
    sub.settle = settle
    sub.add_argument(
        "--scheduler", metavar="ADDRESS", help="let a Dask cluster do many files (tcp://HOST:PORT)"
    )
    rate = sub.add_mutually_exclusive_group()
    rate.add_argument(
        "--rate",
        type=int,
        choices=range(1, 7),
        metavar="1..6",
        help="trained rate point, 1 smallest, 6 best (default: 4)",
    )
    rate.add_argument(
        "--quality", type=_quality, metavar="1.0..6.0", help="the same scale, continuous between rate points"
    )
    add_targets(rate)
    add_range(sub)
    add_part(sub, area=True)
    sub.add_argument("--profile", metavar="NAME", help="weights to compress with (default: lite)")
    sub.add_argument("--tile-size", type=_tile_size, default=512, metavar="N", help="pixels (default: 512)")
    sub.add_argument("--psnr", action="store_true", help="also reconstruct, and report PSNR and other errors")
    sub.add_argument(
        "--no-resume",
        dest="resume",
        action="store_false",
        help="start anew, and keep nothing when interrupted (default: go on where a run stopped)",
    )
    sub.add_argument("--force", action="store_true", help="overwrite an existing output")

    sub = add(
        "decompress",
        ".fdegc → GeoTIFF, COG, PNG or JPEG 2000",
        "Decode a .fdegc file. GeoTIFF keeps nearly everything that the file knows; what a format cannot "
        "hold is said.",
    )
    add_paths(sub, "IN.fdegc", "OUT.{tif,png,jp2}")
    sub.settle = settle
    sub.add_argument(
        "--format",
        choices=("geotiff", "cog", "png", "jp2"),
        help="kind of file (default: what the name ends in, geotiff with --out-dir; cog is a GeoTIFF with "
        "tiles and overviews)",
    )
    sub.add_argument(
        "--compression",
        choices=("deflate", "zstd", "none"),
        help="of GeoTIFF and COG, without loss (default: deflate)",
    )
    add_part(sub, area=False)
    sub.add_argument("--force", action="store_true", help="overwrite an existing output")

    sub = add(
        "info",
        "what a .fdegc file or a raster is",
        "Print what a file is. For a raster also what compressing it would cost at each rate.",
    )
    sub.add_argument("input", type=Path, metavar="FILE", help=".fdegc file or raster")

    sub = add(
        "metrics",
        "how close two rasters are",
        "Compare a raster with its reconstruction: PSNR, errors in its units, spectral angle, MS-SSIM, VIFp, "
        "LPIPS.",
    )
    sub.add_argument("original", type=Path, metavar="ORIGINAL", help="reference raster")
    sub.add_argument("other", type=Path, metavar="OTHER", help="raster or .fdegc file (decoded first)")

    sub = add(
        "verify",
        "whether a .fdegc file is sound",
        "Check all checksums of a file and decode it to its latents, whose SHA-256 is the same everywhere.",
    )
    sub.add_argument("input", type=Path, metavar="FILE.fdegc", help="file to check")
    sub.add_argument("--digest", action="store_true", help="print only the SHA-256 of the latents")

    evaluate = add(
        "evaluate",
        "compare with other codecs",
        "Code folders of images with FDEGC, JPEG, JPEG 2000, WebP, AVIF, JPEG XL and HEVC at many rates, and "
        "write tables, plots and a report. A run that was interrupted goes on when it is started again.",
    )
    evaluate.late_options = _evaluation_options

    train = add(
        "train",
        "train the network",
        "Train all rate points of a profile in one run, or one network for one λ with --config. "
        "A run that was interrupted resumes.",
    )
    train.late_options = _training_options("train")

    test = add(
        "test",
        "what weights achieve",
        "Code every image of a folder to a real file, decode it and report bits per pixel and metrics.",
    )
    test.late_options = _training_options("test")

    weights = commands.add_parser("weights", help="add weights", description="Add weights.")
    actions = weights.add_subparsers(
        dest="action", metavar="ACTION", required=True, parser_class=_CommandParser
    )
    imported = actions.add_parser(
        "import",
        parents=[common],
        help="checkpoint → weights that can code",
        description="Turn a checkpoint, the research code's iter_*.pth.tar above all, into weights.",
    )
    imported.late_options = _training_options("import")
    return parser


# ------------------------------------------------------------------------------ running


@contextlib.contextmanager
def _interruptible(cancel: CancelToken) -> Iterator[None]:
    """Let the first Ctrl-C ask the work to stop, and a second one break it off."""

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        if cancel.cancelled:
            raise KeyboardInterrupt
        cancel.cancel()

    try:
        before = signal.signal(signal.SIGINT, on_interrupt)
    except ValueError:  # not on the main thread: whoever called us handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _fail(message: str) -> int:
    print(f"fdegc: error: {message}", file=sys.stderr)
    return 1


def _print_report(report: Report, *, as_json: bool) -> None:
    if not report.data:  # one of several processes that train together; another one reports
        return
    if as_json:
        print(json.dumps(report.data, ensure_ascii=False, allow_nan=False))
        return
    facts = {label: text for label, text in report.facts.items() if text is not None}
    width = max(len(label) for label in facts)
    for label, text in facts.items():
        print(f"{label:<{width}}  {text}")


def _run(args: argparse.Namespace) -> int:
    """Run a parsed command; every expected failure becomes a sentence on stderr."""
    from fdegc import commands
    from fdegc.command_parts import Suspended
    from fdegc.control import CancelToken

    cancel = CancelToken()
    try:
        # Whatever a library prints must not mix with the answer on stdout.
        with _interruptible(cancel), contextlib.redirect_stdout(sys.stderr):
            report = commands.COMMANDS[args.command](args, cancel)
    except (Cancelled, KeyboardInterrupt) as error:
        kept = f": {error}" if isinstance(error, Suspended) else ""
        print(f"fdegc: interrupted{kept}", file=sys.stderr)
        return INTERRUPTED
    except FdegcError as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("There is not enough memory for this. A smaller --tile-size needs less.")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
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
    """Run the command line.

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
    """Run the command line as a whole process: what ``fdegc`` and ``python -m fdegc`` start."""
    leaving = QuickExit()
    leaving.code = main()
    return leaving.code


if __name__ == "__main__":
    sys.exit(program())
