"""``fdegc compress``: a raster, or many of them, to ``.fdegc`` files."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from fdegc.cli.compress_options import add_arguments
from fdegc.errors import Cancelled, InvalidOption
from fdegc.format import SUFFIX
from fdegc.options import QUALITY_MAX, EncodeOptions, QualityRegion
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

__all__ = ["DESCRIPTION", "add_arguments", "run"]


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
        "Outliers": result.outliers or None,
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
        "outliers": result.outliers or None,
        "advice": list(result.advice),
        "resumed_tiles": result.resumed_tiles,
        "device": result.device,
        "seconds": result.encode_seconds,
        "reconstruct_seconds": result.reconstruct_seconds if args.psnr else None,
        "lossless": None if result.psnr is None else math.isinf(result.psnr),
        **error_data(result.errors),
    }
