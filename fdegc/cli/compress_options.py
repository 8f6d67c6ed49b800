"""Options of ``fdegc compress``, and what is wrong with them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fdegc.cli.arguments import CommandParser, add_alpha, add_effort, add_page, add_part, add_paths
from fdegc.errors import InvalidOption
from fdegc.options import (
    LONGEST_TILE_SIZE,
    SMOOTH_TILE_SIZE,
    TILE_SIZE,
    EncodeOptions,
    Target,
    TargetKind,
    ValueRange,
)

_Value = TypeVar("_Value")

_UNITS = {
    "": 1, "b": 1, "k": 1000, "kb": 1000, "kib": 1 << 10, "m": 1000**2, "mb": 1000**2, "mib": 1 << 20,
    "g": 1000**3, "gb": 1000**3, "gib": 1 << 30,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", re.IGNORECASE)


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


def _bound(text: str) -> float:
    value = float(text)
    _checked(lambda: EncodeOptions(max_error=value))
    return value


def _weights(text: str) -> tuple[float, ...]:
    weights = tuple(float(part) for part in text.split(","))
    _checked(lambda: EncodeOptions(band_weights=weights))
    return weights


# What argparse calls the type in "invalid … value".
_bound.__name__, _weights.__name__ = "number", "weights"
_quality.__name__, _tile_size.__name__, _ranges.__name__ = "quality", "tile size", "range (low:high)"
_bpp.__name__ = _psnr.__name__ = "number"


def add_arguments(parser: CommandParser) -> None:
    """Options of ``fdegc compress``."""
    add_paths(parser, "IN", "OUT.fdegc")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="let a Dask cluster do many files (tcp://HOST:PORT)"
    )
    rate = parser.add_mutually_exclusive_group()
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
    _add_targets(rate)
    _add_range(parser)
    add_page(parser)
    add_alpha(parser)
    add_part(parser, area=True)
    _add_ways(parser)
    _add_region(parser)
    add_effort(
        parser,
        "how long to look for better latents, minutes a megapixel: the same bytes show more, and files "
        "decode as ever (default: 0; not with a target or a largest error)",
    )
    parser.add_argument("--profile", metavar="NAME", help="weights to compress with (default: lite)")
    parser.add_argument(
        "--tile-size",
        type=_tile_size,
        default=TILE_SIZE,
        metavar="N",
        help=f"pixels (default: {TILE_SIZE}; very smooth scenes up to {SMOOTH_TILE_SIZE}, thin ones up to "
        f"{LONGEST_TILE_SIZE})",
    )
    parser.add_argument(
        "--psnr",
        action="store_true",
        help="report PSNR and other errors even where --no-check or an interrupted run leaves them out",
    )
    parser.add_argument(
        "--no-resume",
        dest="resume",
        action="store_false",
        help="start anew, and keep nothing when interrupted (default: go on where a run stopped)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing output")


def _add_region(parser: argparse.ArgumentParser) -> None:
    """Add the options for a region with a quality of its own."""
    parser.add_argument(
        "--roi",
        type=Path,
        metavar="FILE",
        help="polygons, as of --aoi, where --roi-quality counts, by whole tiles: smaller ones are closer",
    )
    parser.add_argument("--roi-quality", type=_quality, metavar="1.0..6.0", help="quality there (default: 6)")


def _add_targets(group: Any) -> None:
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
        "--target-psnr",
        dest="target",
        type=_psnr,
        metavar="DB",
        help="a file with this PSNR: as small as its quality, or beyond the network's other ways, allow",
    )


def _add_range(parser: argparse.ArgumentParser) -> None:
    """Add the option for the values that are kept."""
    parser.add_argument(
        "--range",
        dest="ranges",
        type=_ranges,
        default=(),
        metavar="LOW:HIGH",
        help="values to keep, the others are clipped: 0:4095, or in per cent of the valid values 0.1%%:99.9%%"
        ", or one for each band, with commas (default: all of 8 bits, else from the smallest to the largest "
        "but for outliers, which are kept exactly)",
    )


def _add_ways(parser: argparse.ArgumentParser) -> None:
    """Add the options for what becomes of tiles that the network serves badly, or not at all."""
    parser.add_argument(
        "--no-check",
        dest="check",
        action="store_false",
        help="do not decode what was coded: faster on a CPU, but no figures in the file, and a scene that is "
        "unlike the training images may come out worse than as JPEG 2000",
    )
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument(
        "--max-error",
        type=_bound,
        metavar="E",
        help="no valid sample is off by more than E, in the samples' units; no rate applies",
    )
    bound.add_argument(
        "--lossless", dest="max_error", action="store_const", const=0.0, help="the same with no error at all"
    )
    parser.add_argument(
        "--lossy",
        action="store_true",
        help="compress palettes and classes with losses, too (default: without, whatever the rate)",
    )
    parser.add_argument(
        "--band-weight",
        dest="band_weights",
        type=_weights,
        default=(),
        metavar="W,W,...",
        help="how much errors of each band count beside the others, one number a band",
    )
