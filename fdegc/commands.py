"""What the commands of ``fdegc`` do: arguments in, a report out.

Each command checks what it can before it imports anything heavy, so mistakes are told at once.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fdegc import batch_commands, training_commands
from fdegc.command_parts import SUFFIX, Report, Suspended, check_output, is_stream, progress_bar, quality_of
from fdegc.container import part_path
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, CorruptStream, FdegcError, InvalidOption
from fdegc.types import RATE_POINTS, EncodeOptions, RasterInfo, Samples, TileResult, Window
from fdegc.wording import (
    bytes_text,
    decibels_text,
    finite,
    metric_facts,
    quality_text,
    raster_data,
    raster_facts,
    raster_text,
    seconds_text,
    size_text,
    window_data,
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


def decompress(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc decompress``."""
    if args.out_dir is not None:
        return batch_commands.decompress(args, cancel)
    check_output(args.input, args.output, force=args.force)
    from fdegc.raster import open_sink
    from fdegc.raster.saving import KINDS, kind_of
    from fdegc.stream import read_info

    kind = kind_of(args.output, args.format)
    if args.compression is not None and kind not in ("geotiff", "cog"):
        raise InvalidOption(f"--compression is for GeoTIFF and COG; {KINDS[kind][1]} has its own.")
    stream = read_info(args.input)
    raster = stream.raster
    if args.window is not None:
        args.window.check_inside(raster.width, raster.height)
        raster = raster.part(args.window)
    with contextlib.ExitStack() as stack:
        options = {"overwrite": args.force, "kind": kind, "compression": args.compression or "deflate"}
        sink = stack.enter_context(open_sink(args.output, raster, **options))
        from fdegc.codec import Codec

        codec = Codec(device=args.device, threads=args.threads)
        on_progress = stack.enter_context(progress_bar())
        result = codec.decode(args.input, sink, window=args.window, on_progress=on_progress, cancel=cancel)
    size = args.output.stat().st_size
    facts = {
        "Written": str(args.output),
        "Scene": raster_text(raster),
        "Size": f"{bytes_text(size)} from {bytes_text(stream.bytes)}",
        "Left out": f"{KINDS[kind][1]} cannot hold: {', '.join(sink.unheld)}" if sink.unheld else None,
        "Time": f"{seconds_text(result.seconds)} on {result.device}",
    }
    data = {
        "command": "decompress",
        "input": str(args.input),
        "output": str(args.output),
        **raster_data(raster),
        "window": None if args.window is None else window_data(args.window),
        "bytes": size,
        "format": kind,
        "not_held": list(sink.unheld),
        "compressed_bytes": stream.bytes,
        "bpp": stream.bpp,
        "ratio": stream.ratio,
        "quality": stream.quality,
        "tiles": stream.tiles,
        "device": result.device,
        "seconds": result.seconds,
        "damaged": [window_data(window) for window in result.damaged],
        "lost_metadata": list(stream.lost),
    }
    problems = []
    if result.damaged:
        places = "; ".join(f"{w.width}×{w.height} at column {w.x}, row {w.y}" for w in result.damaged)
        parts = "1 part of it is" if len(result.damaged) == 1 else f"{len(result.damaged)} parts of it are"
        problems.append(
            f"{args.input} is damaged: {parts} filled, not decoded ({places}), and {stream.halo} pixels "
            "around are inexact. The rest was written."
        )
    if stream.lost:
        problems.append(
            f"The metadata of {args.input} is damaged; {args.output} lacks: {', '.join(stream.lost)}. "
            "Copy the file again from where it came, if you can."
        )
    return Report(facts, data, " ".join(problems) or None, exit_code=int(bool(problems)))


def verify(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc verify``."""
    from fdegc.codec import Codec
    from fdegc.stream import read_info

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


def info(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc info``."""
    if is_stream(args.input):
        return _stream_report(args.input)
    from fdegc.raster import open_raster
    from fdegc.weights import quick_estimate

    with open_raster(args.input) as source:
        raster = source.info
    facts = {"File": str(args.input), **raster_facts(raster)}
    estimates: list[dict[str, Any]] = []
    for point in RATE_POINTS:
        cancel.check()
        try:
            cost = quick_estimate(raster, float(point.index))
        except FdegcError:  # no weights: the facts are still worth having
            break
        facts[f"At rate {point.index}"] = f"about {bytes_text(cost.bytes)}, {seconds_text(cost.seconds)}"
        estimates.append(
            {
                "rate": point.index,
                "lambda": point.lmbda,
                "bytes": cost.bytes,
                "seconds": cost.seconds,
                "memory_bytes": cost.memory_bytes,
            }
        )
    # A part of a file, as netCDF has them, has no size of its own.
    size = args.input.stat().st_size if args.input.exists() else None
    data = {"command": "info", "input": str(args.input), "bytes": size, **raster_data(raster, full=True)}
    return Report(facts, {**data, "estimates": estimates})


def _stream_report(path: Path) -> Report:
    from fdegc.stream import read_info

    stream = read_info(path)
    facts = {
        "File": str(path),
        **raster_facts(stream.raster),
        "Size": size_text(stream.bytes, stream.bpp, stream.ratio),
        "Quality": quality_text(stream.quality),
        "Network": f"{stream.profile}, weights {stream.weights_hash}",
        "Tiles": f"{stream.tiles} of {stream.tile_size}×{stream.tile_size}",
        "Version": str(stream.version),
    }
    data = {
        "command": "info",
        "input": str(path),
        "bytes": stream.bytes,
        "bpp": stream.bpp,
        "ratio": stream.ratio,
        "version": stream.version,
        "quality": stream.quality,
        "profile": stream.profile,
        "weights_hash": stream.weights_hash,
        "tile_size": stream.tile_size,
        "tiles": stream.tiles,
        **raster_data(stream.raster, full=True),
    }
    return Report(facts, data)


def metrics(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc metrics``."""
    from fdegc import metrics as measures
    from fdegc.memory import PROCESS_BYTES, check_memory
    from fdegc.raster import open_raster
    from fdegc.raster.mapping import peak_value, plan_mapping

    start = time.perf_counter()
    with open_raster(args.original) as source:
        raster = source.info
        _check_comparable(args, raster, _other_info(args.other))
        # Both scenes are held in memory, and windows of them in float64.
        check_memory(
            2.5 * raster.raw_bytes + PROCESS_BYTES, f"Comparing {args.original}", "cut it into parts"
        )
        peak = peak_value(raster.dtype, plan_mapping(source))
        reference = source.read(Window(0, 0, raster.width, raster.height))
    cancel.check()
    other = _read_other(args, cancel)
    result = measures.compute(reference, other, raster, peak, cancel=cancel)
    values = {name: getattr(result, name) for name in ("psnr", "ms_ssim", "ms_ssim_db", "vifp", "lpips")}
    facts = {"Original": str(args.original), "Other": str(args.other), **metric_facts(result)}
    data = {
        "command": "metrics",
        "original": str(args.original),
        "other": str(args.other),
        **raster_data(raster),
        **{name: finite(value) for name, value in values.items()},
        "lossless": None if result.psnr is None else math.isinf(result.psnr),
        "peak": peak,
        "notes": dict(result.notes),
        "seconds": time.perf_counter() - start,
    }
    return Report(facts, data)


def evaluate(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc evaluate``."""
    from fdegc.evaluation.cli import report_parts, run

    start = time.perf_counter()
    try:
        with progress_bar() as on_progress:
            result = run(args, on_progress, cancel)
    except Cancelled as error:
        if not args.out.is_dir():
            raise
        raise Suspended(
            f"what was measured is kept in {args.out}; the same command goes on from there"
        ) from error
    seconds = time.perf_counter() - start
    facts, data = report_parts(result)
    facts = {**facts, "Time": seconds_text(seconds)}
    return Report(facts, {"command": "evaluate", **data, "seconds": seconds})


COMMANDS: Mapping[str, Callable[[argparse.Namespace, CancelToken], Report]] = {
    "compress": compress,
    "decompress": decompress,
    "evaluate": evaluate,
    "info": info,
    "metrics": metrics,
    "test": training_commands.test,
    "train": training_commands.train,
    "verify": verify,
    "weights": training_commands.weights_import,
}

# ------------------------------------------------------------------------------ their parts


class _Collector:
    """Puts decoded tiles together in memory."""

    def __init__(self, raster: RasterInfo) -> None:
        shape = (raster.height, raster.width)
        self._pixels = np.zeros((raster.bands, *shape), raster.dtype)
        self._valid = np.ones(shape, bool)

    def __call__(self, tile: TileResult) -> None:
        """Put one tile in its place."""
        rows, cols = tile.window.rows, tile.window.cols
        self._pixels[:, rows, cols] = tile.samples.pixels
        if tile.samples.valid is not None:
            self._valid[rows, cols] = tile.samples.valid

    def samples(self) -> Samples:
        """Return the whole scene."""
        return Samples(self._pixels, None if self._valid.all() else self._valid)


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


def _other_info(path: Path) -> RasterInfo:
    if is_stream(path):
        from fdegc.stream import read_info

        return read_info(path).raster
    from fdegc.raster import open_raster

    with open_raster(path) as source:
        return source.info


def _check_comparable(args: argparse.Namespace, first: RasterInfo, second: RasterInfo) -> None:
    names = f"{args.original} and {args.other} cannot be compared"
    if (first.width, first.height) != (second.width, second.height):
        sizes = f"{first.width}×{first.height} and {second.width}×{second.height} pixels"
        raise InvalidOption(f"{names}: their sizes differ ({sizes}).")
    if first.bands != second.bands:
        raise InvalidOption(f"{names}: they have {first.bands} and {second.bands} bands.")
    if first.dtype != second.dtype:
        raise InvalidOption(f"{names}: their samples are {first.dtype} and {second.dtype}.")


def _read_other(args: argparse.Namespace, cancel: CancelToken) -> Samples:

    if not is_stream(args.other):
        from fdegc.raster import open_raster

        with open_raster(args.other) as source:
            return source.read(Window(0, 0, source.info.width, source.info.height))
    from fdegc.codec import Codec

    collector = _Collector(_other_info(args.other))
    codec = Codec(device=args.device, threads=args.threads)
    with progress_bar() as on_progress:
        result = codec.decode(args.other, on_progress=on_progress, on_tile=collector, cancel=cancel)
    if result.damaged:
        raise CorruptStream(f"{args.other} is damaged: {len(result.damaged)} parts of it cannot be decoded.")
    return collector.samples()
