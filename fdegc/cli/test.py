"""``fdegc test``: what weights achieve on images, by way of real files."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fdegc.cli.common import Report, progress_bar
from fdegc.cli.training import read_config, result_facts, results_data, use_threads
from fdegc.text import seconds_text

if TYPE_CHECKING:
    from fdegc.control import CancelToken

DESCRIPTION = "Code every image of a folder to a real file, decode it and report bits per pixel and metrics."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fdegc test``."""
    parser.add_argument(
        "--pretrain",
        type=Path,
        required=True,
        metavar="PATH",
        help="weights to test: .safetensors, a run's checkpoint.pt or iter_*.pth.tar",
    )
    parser.add_argument("--val", type=Path, required=True, help="folder of images (searched recursively)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the research code's configuration that they belong to"
    )
    parser.add_argument(
        "--train",
        type=Path,
        metavar="DIR",
        help="images on which the tables of the hyper-latent are fitted (default: those of a .safetensors, "
        "else the images under test)",
    )


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Execution of ``fdegc test``, with its report."""
    config = read_config(args.config)
    start = time.perf_counter()
    from fdegc.training.importing import measure_weights

    use_threads(args)
    with progress_bar() as on_progress:
        results, own_tables = measure_weights(
            args.pretrain,
            args.val,
            tables=args.train,
            config=config,
            device=args.device,
            on_progress=on_progress,
            cancel=cancel,
        )
    seconds = time.perf_counter() - start
    note = None
    if not own_tables:
        note = "tables were fitted on these same images, so bpp is a little too good; --train says others"
    facts: dict[str, str | None] = {"Weights": str(args.pretrain), "Images": str(args.val), "Note": note}
    data = {"command": "test", "weights": str(args.pretrain), "images_folder": str(args.val), "note": note}
    time_facts = {"Time": seconds_text(seconds)}
    return Report(
        facts | result_facts(results) | time_facts, {**data, "seconds": seconds, **results_data(results)}
    )
