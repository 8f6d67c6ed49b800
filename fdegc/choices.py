"""Arguments by which a command is told what to code and how much; light enough for ``--help``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fdegc.errors import InvalidOption
from fdegc.options import Target, TargetKind, ValueRange

if TYPE_CHECKING:
    from fdegc.raster_info import Window

_Value = TypeVar("_Value")

_UNITS = {
    "": 1, "b": 1, "k": 1000, "kb": 1000, "kib": 1 << 10, "m": 1000**2, "mb": 1000**2, "mib": 1 << 20,
    "g": 1000**3, "gb": 1000**3, "gib": 1 << 30,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", re.IGNORECASE)
#: Options whose values may start with a minus, which argparse takes for an option.
_SIGNED = ("--bbox", "--range")


def join_signed(arguments: Sequence[str]) -> list[str]:
    """Tie values that start with a minus to their options: ``--bbox -10,…`` becomes ``--bbox=-10,…``."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in _SIGNED and re.match(r"-[\d.]", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _window(text: str) -> Window:
    from fdegc.raster_info import Window

    x, y, width, height = (int(part) for part in text.split(","))
    return Window(x, y, width, height)


def _box(text: str) -> tuple[float, float, float, float]:
    west, south, east, north = (float(part) for part in text.split(","))
    return west, south, east, north


def _checked(make: Callable[[], _Value]) -> _Value:
    """Let argparse say why a value is refused."""
    try:
        return make()
    except InvalidOption as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _ranges(text: str) -> tuple[ValueRange, ...]:
    return tuple(_range(part) for part in text.split(","))


def _range(text: str) -> ValueRange:
    low, high = text.split(":")
    if low.endswith("%") != high.endswith("%"):
        raise argparse.ArgumentTypeError(f"must have per cent on both sides or on none, not {text}")
    limits = float(low.rstrip("%")), float(high.rstrip("%"))
    return _checked(lambda: ValueRange(*limits, percent=low.endswith("%")))


def _size(text: str) -> Target:
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].lower() not in _UNITS:
        raise argparse.ArgumentTypeError(f"must be bytes such as 300000, 300k, 1.5MB or 2MiB, not {text}")
    size = float(match[1]) * _UNITS[match[2].lower()]
    return _checked(lambda: Target(TargetKind.SIZE, size))


def _bpp(text: str) -> Target:
    value = float(text)
    return _checked(lambda: Target(TargetKind.BPP, value))


def _psnr(text: str) -> Target:
    value = float(text)
    return _checked(lambda: Target(TargetKind.PSNR, value))


# What argparse calls the type in "invalid … value".
_window.__name__, _box.__name__ = "window (x,y,width,height)", "box (west,south,east,north)"
_ranges.__name__ = "range (low:high)"
_bpp.__name__ = _psnr.__name__ = "number"


def add_targets(group: Any) -> None:
    """Add the targets to the group of ways to choose a quality."""
    group.add_argument(
        "--target-size",
        dest="target",
        type=_size,
        metavar="SIZE",
        help="the best quality whose file is not larger: bytes, or with k, M, G, MB, MiB ...",
    )
    group.add_argument(
        "--target-bpp",
        dest="target",
        type=_bpp,
        metavar="BPP",
        help="the same in bits per pixel of the scene",
    )
    group.add_argument(
        "--target-psnr", dest="target", type=_psnr, metavar="DB", help="the smallest file with this PSNR"
    )


def add_range(parser: argparse.ArgumentParser) -> None:
    """Add the option for the values that are kept."""
    parser.add_argument(
        "--range",
        dest="ranges",
        type=_ranges,
        default=(),
        metavar="LOW:HIGH",
        help="values to keep, the others are clipped: 0:4095, or in per cent of the valid values 0.1%%:99.9%%"
        ", or one for each band, with commas (default: all of 8 bits, else from the smallest to the largest)",
    )


def add_part(parser: argparse.ArgumentParser, *, area: bool) -> None:
    """Add the options for a part of a scene; ``area`` with polygons."""
    part = parser.add_mutually_exclusive_group()
    part.add_argument(
        "--window", type=_window, metavar="X,Y,W,H", help="only these pixels: column, row, width, height"
    )
    part.add_argument(
        "--bbox", type=_box, metavar="W,S,E,N", help="only the pixels of this box: west, south, east, north"
    )
    if area:
        part.add_argument(
            "--aoi", type=Path, metavar="FILE.geojson", help="only what lies in the polygons of this file"
        )
    parser.add_argument(
        "--bbox-crs", metavar="CRS", help="of --bbox, EPSG:4326 for example (default: the scene's)"
    )
