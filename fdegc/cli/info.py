"""``fdegc info``: what a ``.fdegc`` file or a raster is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.cli.arguments import add_alpha, add_page
from fdegc.cli.common import Report
from fdegc.errors import FdegcError
from fdegc.format import is_stream
from fdegc.options import RATE_POINTS, EncodeOptions
from fdegc.text import (
    bytes_text,
    exactness_text,
    fidelity_text,
    finite,
    quality_text,
    ranges_data,
    ranges_text,
    raster_data,
    raster_facts,
    seconds_text,
    size_text,
    ways_text,
)

if TYPE_CHECKING:
    from fdegc.control import CancelToken

DESCRIPTION = "Print what a file is. For a raster also what compressing it would cost at each rate."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fdegc info``."""
    parser.add_argument("input", type=Path, metavar="FILE", help=".fdegc file or raster")
    add_page(parser)
    add_alpha(parser)


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Execution of ``fdegc info``, with its report."""
    if is_stream(args.input):
        return _stream_report(args.input)
    from fdegc.raster import open_raster
    from fdegc.raster.advice import notices
    from fdegc.raster.classes import settle
    from fdegc.weights import quick_estimate

    with open_raster(args.input, page=args.page, alpha=args.alpha, palette="indices") as source:
        raster = source.info
        kept = settle(source, EncodeOptions())[1]
        said = [*([kept] if kept else []), *notices(source)]
    facts = {"File": str(args.input), **raster_facts(raster), "Notice": " ".join(said) or None}
    estimates: list[dict[str, Any]] = []
    for point in () if raster.palette else RATE_POINTS:  # they do not apply to indices
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
    return Report(facts, {**data, "notices": said, "estimates": estimates})


def _stream_report(path: Path) -> Report:
    from fdegc.format.info import read_info

    stream = read_info(path)
    facts = {
        "File": str(path),
        **raster_facts(stream.raster),
        "Size": size_text(stream.bytes, stream.bpp, stream.ratio),
        "Quality": exactness_text(stream.bound) or quality_text(stream.quality),
        "PSNR": fidelity_text(stream),
        "Range": ranges_text(stream.mapping),
        "Outliers": f"{stream.outliers} beyond the range, kept exactly" if stream.outliers else None,
        "Network": f"{stream.profile}, weights {stream.weights_hash}" if stream.profile else None,
        "Tiles": f"{stream.tiles} of {stream.tile_size}×{stream.tile_size}: {ways_text(stream.ways)}",
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
        "outliers": stream.outliers,
        "profile": stream.profile,
        "weights_hash": stream.weights_hash,
        "tile_size": stream.tile_size,
        "tiles": stream.tiles,
        "ways": dict(stream.ways),
        "psnr": finite(stream.psnr),
        "worst_psnr": finite(stream.worst),
        "max_error_bound": stream.bound,
        **raster_data(stream.raster, full=True),
    }
    return Report(facts, data)
