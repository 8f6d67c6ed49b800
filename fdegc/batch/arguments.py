"""Arguments of ``fdegc compress`` and ``fdegc decompress``: one file, or many with ``--out-dir``."""

from __future__ import annotations

import argparse
from pathlib import Path

#: Arguments that mean something only together with ``--out-dir``, and their values when they are not given.
_MANY_ONLY = {
    "recursive": False,
    "keep_extension": False,
    "fail_fast": False,
    "report": None,
    "scheduler": None,
}


def add_paths(parser: argparse.ArgumentParser, source: str, output: str) -> None:
    """Add the paths; :func:`settle` tells afterwards which of the two forms was meant."""
    many = f"{source} [{source} ...] --out-dir DIR"
    parser.usage = f"%(prog)s [options] {source} {output}\n       %(prog)s [options] {many}"
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help=f"{source} and {output}; with --out-dir any number of files, folders and patterns",
    )
    group = parser.add_argument_group("many files")
    group.add_argument(
        "--out-dir", type=Path, metavar="DIR", help="write one output a file into this folder; needs no OUT"
    )
    group.add_argument("--recursive", action="store_true", help="look into the subfolders of folders, too")
    group.add_argument(
        "--keep-extension", action="store_true", help="name outputs after the whole name: a.tif → a.tif.fdegc"
    )
    group.add_argument(
        "--fail-fast", action="store_true", help="stop at the first file that fails (default: go on)"
    )
    group.add_argument(
        "--report", type=Path, metavar="FILE", help="write a row a file into FILE.csv or FILE.json"
    )


def settle(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Set ``args.input`` and ``args.output`` of the form for one file; wrong usage ends the program."""
    if args.out_dir is not None:
        return
    for name, default in _MANY_ONLY.items():
        if getattr(args, name, default) != default:
            parser.error(f"--{name.replace('_', '-')} goes only with --out-dir")
    if len(args.paths) != 2:
        parser.error("one input and one output are needed; many inputs go with --out-dir")
    args.input, args.output = (Path(path) for path in args.paths)
