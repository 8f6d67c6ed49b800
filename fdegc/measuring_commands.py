"""What ``fdegc info``, ``fdegc metrics`` and ``fdegc evaluate`` do: arguments in, a report out."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from fdegc.command_parts import Report, Suspended, is_stream, progress_bar
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, CorruptStream, FdegcError, InvalidOption
from fdegc.types import RATE_POINTS, RasterInfo, Samples, TileResult, Window
from fdegc.wording import (
    bytes_text,
    finite,
    metric_facts,
    quality_text,
    raster_data,
    raster_facts,
    seconds_text,
    size_text,
)


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
