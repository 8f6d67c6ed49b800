"""What ``fdegc decompress`` and ``fdegc verify`` do: arguments in, a report out."""

from __future__ import annotations

import argparse
import contextlib

from fdegc import batch_commands
from fdegc.command_parts import Report, check_output, part_window, progress_bar
from fdegc.control import CancelToken
from fdegc.errors import InvalidOption
from fdegc.text import bytes_text, raster_data, raster_text, seconds_text, window_data


def decompress(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc decompress``."""
    if args.out_dir is not None:
        return batch_commands.decompress(args, cancel)
    check_output(args.input, args.output, force=args.force)
    from fdegc.format.info import read_info
    from fdegc.raster import open_sink
    from fdegc.raster.saving import KINDS, kind_of

    kind = kind_of(args.output, args.format)
    if args.compression is not None and kind not in ("geotiff", "cog"):
        raise InvalidOption(f"--compression is for GeoTIFF and COG; {KINDS[kind][1]} has its own.")
    stream = read_info(args.input)
    raster = stream.raster
    window = part_window(args, raster)
    if window is not None:
        raster = raster.part(window)
    with contextlib.ExitStack() as stack:
        options = {"overwrite": args.force, "kind": kind, "compression": args.compression or "deflate"}
        sink = stack.enter_context(open_sink(args.output, raster, **options))
        from fdegc.codec import Codec

        codec = Codec(device=args.device, threads=args.threads)
        on_progress = stack.enter_context(progress_bar())
        result = codec.decode(args.input, sink, window=window, on_progress=on_progress, cancel=cancel)
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
        "window": None if window is None else window_data(window),
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
    from fdegc.format.info import read_info

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
