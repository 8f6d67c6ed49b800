"""What ``fdegc compress`` does: arguments in, a report out."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc import batch_commands
from fdegc.command_parts import (
    Facts,
    Report,
    Suspended,
    check_output,
    part_window,
    progress_bar,
    quality_of,
)
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, InvalidOption
from fdegc.format import SUFFIX
from fdegc.format.writer import part_path
from fdegc.options import EncodeOptions
from fdegc.raster_info import RasterInfo
from fdegc.results import EncodeResult, Estimate
from fdegc.text import (
    bytes_text,
    error_data,
    error_facts,
    quality_text,
    raster_data,
    raster_text,
    seconds_text,
    size_text,
)

if TYPE_CHECKING:
    from fdegc.raster import RasterSource


def compress(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc compress``."""
    if args.out_dir is not None:
        return batch_commands.compress(args, cancel)
    if args.output.suffix.lower() != SUFFIX:
        raise InvalidOption(f"The output of compress must be named *{SUFFIX}, not {args.output.name}.")
    check_output(args.input, args.output, force=args.force)
    options = EncodeOptions(quality_of(args), args.tile_size, args.ranges, args.target)
    with _opened(args) as source:
        from fdegc.codec import Codec

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
        raster = source.info
    return Report(_facts(args, raster, result), _data(args, raster, result))


# ------------------------------------------------------------------------------ its parts


@contextlib.contextmanager
def _suspension(output: Path, *, resume: bool) -> Iterator[None]:
    """Tell whoever interrupts a compression what was kept of it."""
    try:
        yield
    except Cancelled as error:
        part = part_path(output)
        if not resume or not part.exists():
            raise
        raise Suspended(
            f"the finished tiles are kept in {part}; the same command goes on from there "
            "(--no-resume starts anew)"
        ) from error


def _opened(args: argparse.Namespace) -> RasterSource:
    """The scene, or the part of it that is asked for."""
    from fdegc.raster import open_raster
    from fdegc.raster.area import read_area
    from fdegc.raster.part import PartSource

    source = open_raster(args.input)
    try:
        window = part_window(args, source.info)
        if args.aoi is not None:
            area = read_area(args.aoi, source.info)
            return PartSource(source, area.window, area.polygons)
        return source if window is None else PartSource(source, window)
    except BaseException:
        source.close()
        raise


def _listener(args: argparse.Namespace) -> Callable[[Estimate], None] | None:
    """Who wants to know what the work will cost; None if nobody does, for it takes a moment to find out."""
    if sys.stderr.isatty():
        return _say_estimate
    return (lambda _: None) if args.json else None


def _say_estimate(cost: Estimate) -> None:
    from tqdm import tqdm

    size, memory = bytes_text(cost.bytes), bytes_text(cost.memory_bytes)
    # Above the bar, which would be torn by a print.
    tqdm.write(f"fdegc: about {size}, {seconds_text(cost.seconds)}, {memory} of memory", file=sys.stderr)


def _facts(args: argparse.Namespace, raster: RasterInfo, result: EncodeResult) -> Facts:
    clipped = f"{result.clipped} valid samples lie outside of the range and come back as its limits"
    return {
        "Written": str(args.output),
        "Scene": raster_text(raster),
        "Size": size_text(result.bytes, result.bpp, result.ratio),
        "Quality": quality_text(result.quality),
        "Target": result.note or None,
        "Clipped": clipped if result.clipped else None,
        **error_facts(result.errors),
        "Time": f"{seconds_text(result.encode_seconds)} on {result.device}",
        "Resumed": f"{result.resumed_tiles} tiles were done already" if result.resumed_tiles else None,
    }


def _data(args: argparse.Namespace, raster: RasterInfo, result: EncodeResult) -> dict[str, Any]:
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
        "tile_size": args.tile_size,
        "tiles": result.tiles,
        "resumed_tiles": result.resumed_tiles,
        "device": result.device,
        "seconds": result.encode_seconds,
        "reconstruct_seconds": result.reconstruct_seconds if args.psnr else None,
        "lossless": None if result.psnr is None else math.isinf(result.psnr),
        **error_data(result.errors),
    }
