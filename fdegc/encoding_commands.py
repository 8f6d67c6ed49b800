"""What ``fdegc compress`` does: arguments in, a report out."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

from fdegc import batch_commands
from fdegc.command_parts import SUFFIX, Report, Suspended, check_output, progress_bar, quality_of
from fdegc.container import part_path
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, InvalidOption
from fdegc.types import EncodeOptions
from fdegc.wording import (
    decibels_text,
    finite,
    quality_text,
    raster_data,
    raster_text,
    seconds_text,
    size_text,
)


def compress(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc compress``."""
    if args.out_dir is not None:
        return batch_commands.compress(args, cancel)
    if args.output.suffix.lower() != SUFFIX:
        raise InvalidOption(f"The output of compress must be named *{SUFFIX}, not {args.output.name}.")
    check_output(args.input, args.output, force=args.force)
    from fdegc.raster import open_raster

    quality = quality_of(args)
    options = EncodeOptions(quality=quality, tile_size=args.tile_size)
    with open_raster(args.input) as source:
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
                cancel=cancel,
                overwrite=args.force,
            )
        raster = source.info
    seconds = f"{seconds_text(result.encode_seconds)} on {result.device}"
    facts = {
        "Written": str(args.output),
        "Scene": raster_text(raster),
        "Size": size_text(result.bytes, result.bpp, result.ratio),
        "Quality": quality_text(quality),
        "PSNR": None if result.psnr is None else decibels_text(result.psnr),
        "Time": seconds,
        "Resumed": f"{result.resumed_tiles} tiles were done already" if result.resumed_tiles else None,
    }
    data = {
        "command": "compress",
        "input": str(args.input),
        "output": str(args.output),
        **raster_data(raster),
        "bytes": result.bytes,
        "bpp": result.bpp,
        "ratio": result.ratio,
        "rate": int(quality) if quality.is_integer() else None,
        "quality": quality,
        "tile_size": args.tile_size,
        "tiles": result.tiles,
        "resumed_tiles": result.resumed_tiles,
        "device": result.device,
        "seconds": result.encode_seconds,
        "reconstruct_seconds": result.reconstruct_seconds if args.psnr else None,
        "psnr": finite(result.psnr),
        "lossless": None if result.psnr is None else math.isinf(result.psnr),
    }
    return Report(facts, data)


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
