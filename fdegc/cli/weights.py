"""``fdegc weights import``: a checkpoint to weights that can code."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fdegc.cli.common import Report
from fdegc.cli.training import read_config, row_text, use_threads

if TYPE_CHECKING:
    from fdegc.control import CancelToken

DESCRIPTION = "Turn a checkpoint, the research code's iter_*.pth.tar above all, into weights."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fdegc weights import``."""
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="iter_*.pth.tar or a run's checkpoint.pt"
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="DIR",
        help="images like those to be compressed, on which the prior of the hyper-latent is fitted",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of weights (default: the user's own)")
    parser.add_argument("--profile", metavar="NAME", help="what to call them (default: by their size)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the configuration that they were trained with: says λ"
    )


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Execution of ``fdegc weights import``, with its report."""
    config = read_config(args.config)
    start = time.perf_counter()
    from fdegc.training.importing import import_checkpoint
    from fdegc.weights import user_folder

    use_threads(args)
    out = args.out or user_folder()
    done = import_checkpoint(
        args.checkpoint,
        args.images,
        out,
        name=args.profile,
        config=config,
        device=args.device,
        cancel=cancel,
    )
    facts: dict[str, str | None] = {
        "Written": str(done.path),
        "Profile": done.profile,
        "Use": f"fdegc compress IN OUT.fdegc --profile {done.profile}",
    }
    if args.out is not None:
        facts["Use"] = f"FDEGC_WEIGHTS={out} {facts['Use']}"
    for row in done.figures:
        facts[f"At {row['quality']:g}"] = row_text(row)
    if done.clamped > 0.001:
        facts["Note"] = f"{done.clamped:.1%} of the hyper-latents are beyond the format's range and cut off"
    data = {
        "command": "weights import",
        "path": str(done.path),
        "profile": done.profile,
        "figures": list(done.figures),
        "clamped": done.clamped,
        "seconds": time.perf_counter() - start,
    }
    return Report(facts, data)
