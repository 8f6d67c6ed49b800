"""``fdegc verify``: whether a ``.fdegc`` file is sound."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fdegc.cli.common import Report, progress_bar
from fdegc.text import seconds_text

if TYPE_CHECKING:
    from fdegc.control import CancelToken

DESCRIPTION = (
    "Check all checksums of a file and decode it to its latents, whose SHA-256 is the same everywhere."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fdegc verify``."""
    parser.add_argument("input", type=Path, metavar="FILE.fdegc", help="file to check")
    parser.add_argument("--digest", action="store_true", help="print only the SHA-256 of the latents")


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Execution of ``fdegc verify``, with its report."""
    from fdegc.codec import Codec
    from fdegc.format.info import read_info

    read_info(args.input)  # what is no .fdegc file is told before the network is loaded
    codec = Codec(device="cpu", threads=args.threads)
    with progress_bar() as on_progress:
        result = codec.verify(args.input, on_progress=on_progress, cancel=cancel)
    sound = not result.problems
    facts = {
        "File": str(args.input),
        "Tiles": str(result.info.tiles),
        "Checked": "every checksum and hash holds" if sound else f"{len(result.problems)} problems",
        "Latents": result.digest,
        "Time": seconds_text(result.seconds),
    }
    if args.digest:
        facts = {"SHA-256 of the latents": result.digest or "none: tiles are damaged"}
    data = {
        "command": "verify",
        "input": str(args.input),
        "tiles": result.info.tiles,
        "sound": sound,
        "problems": list(result.problems),
        "digest": result.digest,
        "seconds": result.seconds,
    }
    problem = None if sound else f"{args.input} is damaged. " + " ".join(result.problems)
    return Report(facts, data, problem, exit_code=int(not sound))
