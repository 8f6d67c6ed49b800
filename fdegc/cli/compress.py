"""``fdegc compress``: a raster, or many of them, to ``.fdegc`` files."""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fdegc.cli.arguments import CommandParser, add_alpha, add_effort, add_page, add_part, add_paths
from fdegc.cli.common import (
    Facts,
    Report,
    Suspended,
    check_output,
    options_of,
    progress_bar,
    wish_of,
    with_streams,
)
from fdegc.errors import Cancelled, InvalidOption
from fdegc.format import SUFFIX
from fdegc.options import (
    LONGEST_TILE_SIZE,
    QUALITY_MAX,
    SMOOTH_TILE_SIZE,
    TILE_SIZE,
    EncodeOptions,
    QualityRegion,
    Target,
    TargetKind,
    ValueRange,
)
from fdegc.text import (
    bytes_text,
    decibels_text,
    error_data,
    error_facts,
    exactness_text,
    finite,
    palette_text,
    quality_text,
    raster_data,
    raster_text,
    seconds_text,
    size_text,
    spread_data,
    spread_facts,
    ways_text,
)

if TYPE_CHECKING:
    from fdegc.control import CancelToken
    from fdegc.raster import RasterSource
    from fdegc.raster_info import RasterInfo
    from fdegc.results import EncodeResult, Estimate

DESCRIPTION = (
    "Compress a raster (GeoTIFF, PNG, JPEG, WebP and others) into a .fdegc file, or many into a folder."
)

_Value = TypeVar("_Value")

_UNITS = {
    "": 1, "b": 1, "k": 1000, "kb": 1000, "kib": 1 << 10, "m": 1000**2, "mb": 1000**2, "mib": 1 << 20,
    "g": 1000**3, "gb": 1000**3, "gib": 1 << 30,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", re.IGNORECASE)

# ------------------------------------------------------------------------------ its options


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
        "--target-psnr", dest="target", type=_psnr, metavar="DB", help="the smallest file with this PSNR"
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
        ", or one for each band, with commas (default: all of 8 bits, else from the smallest to the largest)",
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


# ------------------------------------------------------------------------------ what it does


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Execution of ``fdegc compress``, with its report."""
    if args.out_dir is not None:
        from fdegc.cli import batch

        return batch.compress(args, cancel)
    return with_streams(args, SUFFIX, lambda: _run(args, cancel))


def _run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Compress one file."""
    if args.output.suffix.lower() != SUFFIX:
        raise InvalidOption(f"The output of compress must be named *{SUFFIX}, not “{args.output.name}”.")
    check_output(args.input, args.output, force=args.force)
    from fdegc.raster.classes import palette_way, settle

    options = options_of(args)
    if args.roi_quality is not None and args.roi is None:
        raise InvalidOption("--roi-quality says how good a region is to be; name the region with --roi.")
    with _opened(args, palette_way(options)) as source:
        from fdegc.codec import Codec

        doubt: list[str] = []
        if args.roi is not None:
            region, doubt = _region(args, source.info)
            options = replace(options, region=region)
        from fdegc.raster.advice import notices

        options, kept = settle(source, options)
        said = [*notices(source), *doubt]
        codec = Codec(device=args.device, threads=args.threads, profile=args.profile)
        with progress_bar() as on_progress, _suspension(args.output, resume=args.resume):
            result = codec.encode(
                source,
                args.output,
                options,
                reconstruct=args.psnr,
                resume=args.resume,
                on_progress=on_progress,
                on_estimate=_listener(args),
                cancel=cancel,
                overwrite=args.force,
            )
        if kept:
            result = replace(result, advice=(kept, *result.advice))
        raster = source.info
        spread = _look(args, options, source, said)
    facts = {**_facts(args, options, raster, result), "Notice": " ".join(said) or None}
    if spread is not None:
        facts |= spread_facts(result.errors, spread)
    data = {**_data(args, options, raster, result), **spread_data(result.errors, spread), "notices": said}
    return Report(facts, data)


def _look(
    args: argparse.Namespace, options: EncodeOptions, source: RasterSource, said: list[str]
) -> list[tuple[float, float]] | None:
    """Look at the values: whether a few make the range wide, which is said; for errors, where most are."""
    wide = not args.ranges and source.info.dtype != "uint8" and options.max_error is None
    if not (wide or args.psnr):
        return None
    from fdegc.format.info import read_info
    from fdegc.raster.advice import some_values, spreads, tail_advice

    values = some_values(source)
    if wide and (tail := tail_advice(values, read_info(args.output).mapping)):
        said.append(tail)
    return spreads(values) if args.psnr else None


@contextlib.contextmanager
def _suspension(output: Path, *, resume: bool) -> Iterator[None]:
    """Tell whoever interrupts a compression what was kept of it."""
    from fdegc.format.writer import part_path

    try:
        yield
    except Cancelled as error:
        part = part_path(output)
        if not resume or not part.exists():
            raise
        raise Suspended(
            f"the finished tiles are kept in “{part}”; the same command goes on from there "
            "(--no-resume starts anew)"
        ) from error


def _opened(args: argparse.Namespace, palette: str = "colours") -> RasterSource:
    """The scene, or the part of it that is asked for."""
    return wish_of(args).open(args.input, palette)


def _region(args: argparse.Namespace, info: RasterInfo) -> tuple[QualityRegion, list[str]]:
    """Region with a quality of its own, and what is to be said of it."""
    from fdegc.raster.advice import crossing_advice
    from fdegc.raster.area import read_area

    quality = QUALITY_MAX if args.roi_quality is None else args.roi_quality
    area = read_area(args.roi, info)
    said = crossing_advice(area.long_edge)
    return QualityRegion(area.polygons, quality), [said] if said else []


def _listener(args: argparse.Namespace) -> Callable[[Estimate], None] | None:
    """Who wants to know what the work will cost; None if nobody does, for it takes some work to find out."""
    if sys.stderr.isatty():
        return _say_estimate
    return (lambda _: None) if args.json else None


def _say_estimate(cost: Estimate) -> None:
    from tqdm import tqdm

    size, memory = bytes_text(cost.bytes), bytes_text(cost.memory_bytes)
    # Above the bar, which would be torn by a print.
    tqdm.write(f"fdegc: about {size}, {seconds_text(cost.seconds)}, {memory} of memory", file=sys.stderr)


def _facts(
    args: argparse.Namespace, options: EncodeOptions, raster: RasterInfo, result: EncodeResult
) -> Facts:
    clipped = f"{result.clipped} valid samples lie outside of the range and come back as its limits"
    return {
        "Written": str(args.output),
        "Scene": raster_text(raster),
        "Size": size_text(result.bytes, result.bpp, result.ratio),
        "Palette": palette_text(raster),
        "Quality": exactness_text(options.max_error) or quality_text(result.quality),
        "Tiles": ways_text(result.ways),
        "Worst tile": decibels_text(result.worst) if result.worst is not None and result.tiles > 1 else None,
        "Note": " ".join(result.advice) or None,
        "Target": result.note or None,
        "Clipped": clipped if result.clipped else None,
        **error_facts(result.errors),
        "Time": f"{seconds_text(result.encode_seconds)} on {result.device}",
        "Resumed": f"{result.resumed_tiles} tiles were done already" if result.resumed_tiles else None,
    }


def _data(
    args: argparse.Namespace, options: EncodeOptions, raster: RasterInfo, result: EncodeResult
) -> dict[str, Any]:
    quality, target = result.quality, args.target
    return {
        "command": "compress",
        "input": str(args.input),
        "output": str(args.output),
        **raster_data(raster),
        "bytes": result.bytes,
        "bpp": result.bpp,
        "ratio": result.ratio,
        "rate": int(quality) if quality.is_integer() else None,
        "quality": quality,
        "target": None if target is None else {"value": target.value, "unit": target.kind.value},
        "note": result.note or None,
        "estimate": None if result.estimate is None else asdict(result.estimate),
        "clipped": result.clipped,
        "effort": options.effort,
        "tile_size": result.tile_size,
        "tiles": result.tiles,
        "ways": dict(result.ways),
        "worst_psnr": finite(result.worst),
        "max_error_bound": options.max_error,
        "advice": list(result.advice),
        "resumed_tiles": result.resumed_tiles,
        "device": result.device,
        "seconds": result.encode_seconds,
        "reconstruct_seconds": result.reconstruct_seconds if args.psnr else None,
        "lossless": None if result.psnr is None else math.isinf(result.psnr),
        **error_data(result.errors),
    }
