"""``fdegc metrics``: how close two rasters are."""

from __future__ import annotations

import argparse
import contextlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fdegc.cli.arguments import add_alpha, add_page
from fdegc.cli.common import Report, progress_bar
from fdegc.errors import CorruptStream, InvalidOption
from fdegc.format import is_stream
from fdegc.options import METRIC_FIGURES
from fdegc.text import (
    error_data,
    error_facts,
    finite,
    metric_facts,
    ranges_data,
    raster_data,
    spread_data,
    spread_facts,
    window_data,
)

if TYPE_CHECKING:
    from fdegc.control import CancelToken
    from fdegc.raster import RasterSource
    from fdegc.raster_info import RasterInfo
    from fdegc.types import BandMapping

DESCRIPTION = (
    "Compare a raster with its reconstruction: PSNR, errors in its units, spectral angle, MS-SSIM, VIFp, "
    "LPIPS."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fdegc metrics``."""
    parser.add_argument("original", type=Path, metavar="ORIGINAL", help="reference raster")
    parser.add_argument("other", type=Path, metavar="OTHER", help="raster or .fdegc file (decoded first)")
    add_page(parser)
    add_alpha(parser)


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Execution of ``fdegc metrics``, with its report."""
    from fdegc import metrics as measures
    from fdegc.raster import open_raster
    from fdegc.raster.advice import some_values, spreads
    from fdegc.raster.aligning import align
    from fdegc.raster.coded_range import plan_mapping
    from fdegc.raster.mapping import peak_value
    from fdegc.raster.part import PartSource

    start = time.perf_counter()
    args.alpha = _alpha(args)
    with open_raster(args.original, page=args.page, alpha=args.alpha) as whole:
        _check_comparable(args, whole.info, _other_info(args.other, args))
        place = align(whole.info, _other_info(args.other, args))
        source = PartSource(whole, place.first)
        raster = source.info
        mapping = _mapping_of(args.other) or plan_mapping(source)
        with _opened(args.other, args, cancel) as other:
            part = PartSource(other, place.second)
            result = measures.compare(source, part, raster, mapping, cancel=cancel)
        spread = spreads(some_values(source))
    remarks = (*place.remarks, *result.remarks)
    values = {name: getattr(result, name) for name in METRIC_FIGURES if name != "psnr"}
    shown = {
        **metric_facts(result),
        **error_facts(result.errors),
        **spread_facts(result.errors, spread),
    }
    facts = {
        "Original": str(args.original),
        "Other": str(args.other),
        **shown,
        "Different": " ".join(remarks) or None,
    }
    data = {
        "command": "metrics",
        "original": str(args.original),
        "other": str(args.other),
        **raster_data(raster),
        **error_data(result.errors),
        **spread_data(result.errors, spread),
        **{name: finite(value) for name, value in values.items()},
        "lossless": None
        if result.psnr is None
        else math.isinf(result.psnr) and not (result.missing or result.extra),
        "peak": peak_value(mapping),
        "ranges": ranges_data(mapping),
        "notes": dict(result.notes),
        "window": window_data(place.first),
        "missing": result.missing,
        "extra": result.extra,
        "differences": list(remarks),
        "seconds": time.perf_counter() - start,
    }
    return Report(facts, data)


def _alpha(args: argparse.Namespace) -> str:
    """What the original's alpha band is to be taken for: what the other has made of it, unless it is said."""
    from fdegc.raster import open_raster

    if args.alpha != "auto":
        return str(args.alpha)
    bands = _other_info(args.other, args).bands
    for alpha in ("auto", "as-alpha", "as-data"):
        with open_raster(args.original, page=args.page, alpha=alpha) as source:
            if source.info.bands == bands:
                return alpha
    return "auto"


def _other_info(path: Path, args: argparse.Namespace) -> RasterInfo:
    if is_stream(path):
        from fdegc.format.info import read_info
        from fdegc.raster.palettes import coloured_info

        return coloured_info(read_info(path).raster)
    from fdegc.raster import open_raster

    with open_raster(path, alpha=args.alpha) as source:
        return source.info


def _check_comparable(args: argparse.Namespace, first: RasterInfo, second: RasterInfo) -> None:
    names = f"“{args.original}” and “{args.other}” cannot be compared"
    if first.bands != second.bands:
        raise InvalidOption(f"{names}: they have {first.bands} and {second.bands} bands.")
    if first.dtype != second.dtype:
        raise InvalidOption(f"{names}: their samples are {first.dtype} and {second.dtype}.")


def _mapping_of(path: Path) -> tuple[BandMapping, ...] | None:
    """The mapping that a ``.fdegc`` file records, unless it is one of indices; None for other files."""
    if not is_stream(path):
        return None
    from fdegc.format.info import read_info

    info = read_info(path)
    return None if info.raster.palette else info.mapping


@contextlib.contextmanager
def _opened(path: Path, args: argparse.Namespace, cancel: CancelToken) -> Iterator[RasterSource]:
    """Give a raster to be read by windows; a ``.fdegc`` file is decoded into a temporary one first."""
    import tempfile

    from fdegc.raster import open_raster, open_sink

    if not is_stream(path):
        with open_raster(path, alpha=args.alpha) as source:
            yield source
        return
    from fdegc.codec import Codec
    from fdegc.format.info import read_info

    codec = Codec(device=args.device, threads=args.threads)
    with tempfile.TemporaryDirectory(prefix="fdegc-") as folder:
        decoded = Path(folder) / "decoded.tif"
        indices = read_info(path).raster
        with open_sink(decoded, indices, palette="colours") as sink, progress_bar() as on_progress:
            result = codec.decode(path, sink, on_progress=on_progress, cancel=cancel)
        if result.damaged:
            raise CorruptStream(f"“{path}” is damaged: {len(result.damaged)} parts of it cannot be decoded.")
        with open_raster(decoded) as source:
            yield source
