"""What ``fdegc info``, ``fdegc metrics`` and ``fdegc evaluate`` do: arguments in, a report out."""

from __future__ import annotations

import argparse
import contextlib
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.command_parts import Report, Suspended, progress_bar
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, CorruptStream, FdegcError, InvalidOption
from fdegc.format import is_stream
from fdegc.options import METRIC_FIGURES, RATE_POINTS
from fdegc.raster_info import RasterInfo
from fdegc.text import (
    bytes_text,
    error_data,
    error_facts,
    finite,
    metric_facts,
    quality_text,
    ranges_data,
    ranges_text,
    raster_data,
    raster_facts,
    seconds_text,
    size_text,
)
from fdegc.types import BandMapping

if TYPE_CHECKING:
    from fdegc.raster import RasterSource


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
    from fdegc.format.info import read_info

    stream = read_info(path)
    facts = {
        "File": str(path),
        **raster_facts(stream.raster),
        "Size": size_text(stream.bytes, stream.bpp, stream.ratio),
        "Quality": quality_text(stream.quality),
        "Range": ranges_text(stream.mapping),
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
        "ranges": ranges_data(stream.mapping),
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
    from fdegc.raster import open_raster
    from fdegc.raster.mapping import peak_value, plan_mapping

    start = time.perf_counter()
    with open_raster(args.original) as source:
        raster = source.info
        _check_comparable(args, raster, _other_info(args.other))
        mapping = _mapping_of(args.other) or plan_mapping(source)
        with _opened(args.other, args, cancel) as other:
            result = measures.compare(source, other, raster, mapping, cancel=cancel)
    values = {name: getattr(result, name) for name in METRIC_FIGURES if name != "psnr"}
    shown = {**metric_facts(result), **error_facts(result.errors)}
    facts = {"Original": str(args.original), "Other": str(args.other), **shown}
    data = {
        "command": "metrics",
        "original": str(args.original),
        "other": str(args.other),
        **raster_data(raster),
        **error_data(result.errors),
        **{name: finite(value) for name, value in values.items()},
        "lossless": None if result.psnr is None else math.isinf(result.psnr),
        "peak": peak_value(mapping),
        "ranges": ranges_data(mapping),
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


def _other_info(path: Path) -> RasterInfo:
    if is_stream(path):
        from fdegc.format.info import read_info

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


def _mapping_of(path: Path) -> tuple[BandMapping, ...] | None:
    """The mapping that a ``.fdegc`` file records; None for other files."""
    if not is_stream(path):
        return None
    from fdegc.format.info import read_info

    return read_info(path).mapping


@contextlib.contextmanager
def _opened(path: Path, args: argparse.Namespace, cancel: CancelToken) -> Iterator[RasterSource]:
    """Give a raster to be read by windows; a ``.fdegc`` file is decoded into a temporary one first."""
    from fdegc.raster import open_raster, open_sink

    if not is_stream(path):
        with open_raster(path) as source:
            yield source
        return
    from fdegc.codec import Codec

    codec = Codec(device=args.device, threads=args.threads)
    with tempfile.TemporaryDirectory(prefix="fdegc-") as folder:
        decoded = Path(folder) / "decoded.tif"
        with open_sink(decoded, _other_info(path)) as sink, progress_bar() as on_progress:
            result = codec.decode(path, sink, on_progress=on_progress, cancel=cancel)
        if result.damaged:
            raise CorruptStream(f"{path} is damaged: {len(result.damaged)} parts of it cannot be decoded.")
        with open_raster(decoded) as source:
            yield source
