"""Arguments that several commands have."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.options import EFFORT_STEPS

if TYPE_CHECKING:
    from fdegc.raster_info import Window

#: Options whose values may start with a minus, which argparse takes for an option.
_SIGNED = ("--bbox", "--range")
#: Arguments that mean something only together with ``--out-dir``, and their values when they are not given.
_MANY_ONLY = {
    "recursive": False,
    "keep_extension": False,
    "fail_fast": False,
    "report": None,
    "scheduler": None,
}


class CommandParser(argparse.ArgumentParser):
    """Parser of a command's arguments.

    Attributes
    ----------
    fill : callable or None
        Adds the options, once they are to be parsed.
    settle : callable or None
        Finds out which of several forms of a command was meant.
    """

    fill: Callable[[CommandParser], None] | None = None
    settle: Callable[[argparse.ArgumentParser, argparse.Namespace], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Known arguments, after the options were added; then the form of the command is settled."""
        if self.fill is not None:
            fill, self.fill = self.fill, None
            fill(self)
        parsed, rest = super().parse_known_args(args, namespace)
        if self.settle is not None and not any(text.startswith("-") and text != "-" for text in rest):
            # argparse takes paths only as far as they are not interrupted by options.
            parsed.paths += rest
            rest = []
            self.settle(self, parsed)
        return parsed, rest


def join_signed(arguments: Sequence[str]) -> list[str]:
    """Arguments with signed values tied to their options: ``--bbox -10,…`` becomes ``--bbox=-10,…``."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in _SIGNED and re.match(r"-[\d.]", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _threads(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1024:
        raise argparse.ArgumentTypeError(f"must lie between 1 and 1024, not {text}")
    return value


def _device(text: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", text):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, cuda, cuda:N or mps, not {text}")
    return text


def _window(text: str) -> Window:
    from fdegc.raster_info import Window

    x, y, width, height = (int(part) for part in text.split(","))
    return Window(x, y, width, height)


def _box(text: str) -> tuple[float, float, float, float]:
    west, south, east, north = (float(part) for part in text.split(","))
    return west, south, east, north


# What argparse calls the type in "invalid … value".
_threads.__name__, _device.__name__ = "number of threads", "device"
_window.__name__, _box.__name__ = "window (x,y,width,height)", "box (west,south,east,north)"


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Options that every command has."""
    shared = parser.add_argument_group("on every command")
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


# ------------------------------------------------------------------------------ a part of a scene


def add_page(parser: argparse.ArgumentParser) -> None:
    """Option for one of several rasters in a file."""
    parser.add_argument(
        "--page",
        type=int,
        metavar="N",
        help="of a file that holds several rasters: which, from 1 (without it they are named; of an "
        "animation the first is taken)",
    )


def add_alpha(parser: argparse.ArgumentParser) -> None:
    """Option for what a band that is called alpha is taken for."""
    parser.add_argument(
        "--alpha",
        choices=("auto", "as-alpha", "as-data", "none"),
        default="auto",
        help="of a band that is called alpha: keep it without loss, code it as a band like the others (near "
        "infrared, say), or leave it out (default: by its values one of the first two)",
    )


def add_effort(parser: argparse.ArgumentParser, text: str) -> None:
    """Option for how long latents are looked for; ``text`` is its help."""
    parser.add_argument(
        "--effort", type=int, choices=range(len(EFFORT_STEPS)), default=0, metavar="0..4", help=text
    )


def add_part(parser: argparse.ArgumentParser, *, area: bool) -> None:
    """Options for a part of a scene; ``area`` with polygons."""
    part = parser.add_mutually_exclusive_group()
    part.add_argument(
        "--window", type=_window, metavar="X,Y,W,H", help="only these pixels: column, row, width, height"
    )
    part.add_argument(
        "--bbox",
        type=_box,
        metavar="W,S,E,N",
        help="only the pixels of this box: west, south, east, north (west > east: across the antimeridian)",
    )
    if area:
        part.add_argument(
            "--aoi",
            type=Path,
            metavar="FILE.geojson",
            help="only what lies in the polygons of this file: GeoJSON (also one object a line), GeoPackage "
            "or Shapefile",
        )
    parser.add_argument(
        "--bbox-crs", metavar="CRS", help="of --bbox, EPSG:4326 for example (default: the scene's)"
    )


# ------------------------------------------------------------------------------ one file or many


def add_paths(parser: CommandParser, source: str, output: str) -> None:
    """Arguments for paths; :func:`settle` tells after parsing which of the two forms was meant."""
    parser.settle = settle
    many = f"{source} [{source} ...] --out-dir DIR"
    parser.usage = f"%(prog)s [options] {source} {output}\n       %(prog)s [options] {many}"
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help=f"{source} and {output}, - for the standard streams; with --out-dir any number of files, "
        "folders and patterns",
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
    """Paths ``args.input`` and ``args.output`` of the form for one file; wrong usage ends the program."""
    if args.out_dir is not None:
        return
    for name, default in _MANY_ONLY.items():
        if getattr(args, name, default) != default:
            parser.error(f"--{name.replace('_', '-')} goes only with --out-dir")
    if len(args.paths) != 2:
        parser.error("one input and one output are needed; many inputs go with --out-dir")
    args.input, args.output = (Path(path) for path in args.paths)
