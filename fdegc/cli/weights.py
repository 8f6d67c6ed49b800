"""``fdegc weights import``: a checkpoint to weights that can code."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from fdegc.cli.common import Report
from fdegc.cli.training import read_config, row_text, use_threads
from fdegc.training.cli import add_import_options as add_arguments

if TYPE_CHECKING:
    from fdegc.control import CancelToken

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = "Turn a checkpoint, the research code's iter_*.pth.tar above all, into weights."


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc weights import``."""
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
