"""``fdegc decompress``: a ``.fdegc`` file, or many of them, to rasters."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from fdegc.cli.arguments import CommandParser, add_part, add_paths
from fdegc.cli.common import Report, check_output, progress_bar, wish_of, with_streams
from fdegc.errors import InvalidOption
from fdegc.options import COMPRESSIONS, KINDS, TIFF_KINDS
from fdegc.text import bytes_text, damage_text, raster_data, raster_text, seconds_text, window_data

if TYPE_CHECKING:
    from fdegc.control import CancelToken

DESCRIPTION = (
    "Decode a .fdegc file. GeoTIFF keeps nearly everything that the file knows; what a format cannot "
    "hold is said."
)


def add_arguments(parser: CommandParser) -> None:
    """Options of ``fdegc decompress``."""
    add_paths(parser, "IN.fdegc", "OUT.{tif,png,jp2}")
    parser.add_argument(
        "--format",
        choices=tuple(KINDS),
        help="kind of file (default: what the name ends in, geotiff with --out-dir; cog is a GeoTIFF with "
        "tiles and overviews)",
    )
    parser.add_argument(
        "--compression",
        choices=COMPRESSIONS,
        help="of GeoTIFF and COG, without loss (default: deflate)",
    )
    parser.add_argument(
        "--sparse",
        action="store_true",
        help="leave out the tiles of a GeoTIFF or COG in which nothing is valid: GDAL reads them as such, "
        "but most other readers refuse the file",
    )
    add_part(parser, area=False)
    parser.add_argument("--force", action="store_true", help="overwrite an existing output")


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Execution of ``fdegc decompress``, with its report."""
    if args.out_dir is not None:
        from fdegc.cli import batch

        return batch.decompress(args, cancel)
    ending = {"png": ".png", "jp2": ".jp2"}.get(args.format, ".tif")
    return with_streams(args, ending, lambda: _run(args, cancel))


def _run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Decompress one file."""
    check_output(args.input, args.output, force=args.force)
    from fdegc.format.info import read_info
    from fdegc.raster import open_sink
    from fdegc.raster.saving import kind_of

    kind = kind_of(args.output, args.format)
    if args.compression is not None and kind not in TIFF_KINDS:
        raise InvalidOption(f"--compression is for GeoTIFF and COG; {KINDS[kind][1]} has its own.")
    if args.sparse and kind not in TIFF_KINDS:
        raise InvalidOption(f"--sparse is for GeoTIFF and COG; {KINDS[kind][1]} has no tiles to leave out.")
    stream = read_info(args.input)
    raster = stream.raster
    window = wish_of(args).find(raster)
    if window is not None:
        raster = raster.part(window)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(
            open_sink(
                args.output,
                raster,
                overwrite=args.force,
                kind=kind,
                compression=args.compression or "deflate",
                sparse=args.sparse,
                cancel=cancel,
            )
        )
        from fdegc.codec import Codec

        codec = Codec(device=args.device, threads=args.threads)
        on_progress = stack.enter_context(progress_bar())
        result = codec.decode(args.input, sink, window=window, on_progress=on_progress, cancel=cancel)
    size = args.output.stat().st_size
    facts = {
        "Written": str(args.output),
        "Scene": raster_text(raster),
        "Size": f"{bytes_text(size)} from {bytes_text(stream.bytes)}",
        "Left out": f"{KINDS[kind][1]} cannot hold: {', '.join(sink.unsupported_metadata)}"
        if sink.unsupported_metadata
        else None,
        "Time": f"{seconds_text(result.seconds)} on {result.device}",
    }
    data = {
        "command": "decompress",
        "input": str(args.input),
        "output": str(args.output),
        **raster_data(raster),
        "window": None if window is None else window_data(window),
        "bytes": size,
        "format": kind,
        "not_held": list(sink.unsupported_metadata),
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
    problem = damage_text(args.input, args.output, result)
    return Report(facts, data, problem, exit_code=int(problem is not None))
