"""Arguments and entry point of ``fdegc train``; torch is imported only when training starts."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from fdegc.control import CancelToken


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fdegc train``."""
    parser.add_argument(
        "--train", type=Path, required=True, help="folder of training images (searched recursively)"
    )
    parser.add_argument("--val", type=Path, required=True, help="folder of validation images")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint, log and weights")
    parser.add_argument("--profile", default="lite", help="network profile (default: lite)")
    parser.add_argument("--minutes", type=float, default=60.0, help="wall-clock budget in all (default: 60)")
    parser.add_argument("--batch", type=int, default=8, help="crops a step (default: 8)")
    parser.add_argument(
        "--crop", type=int, default=128, help="side of a crop, a multiple of 64 (default: 128)"
    )
    parser.add_argument(
        "--lr", type=float, default=1.5e-3, help="peak learning rate of Adam (default: 1.5e-3)"
    )
    parser.add_argument("--seed", type=int, default=1)


def run(args: argparse.Namespace) -> int:
    """Train until the budget is used up; an interrupted run leaves a checkpoint and resumes from it.

    Returns
    -------
    int
        Exit code: 0 when finished, 130 when interrupted.
    """
    import torch

    from fdegc.training.export import export_weights
    from fdegc.training.loop import Trainer, TrainOptions

    if args.threads:
        torch.set_num_threads(args.threads)
    options = TrainOptions(
        train=args.train,
        val=args.val,
        out=args.out,
        profile=args.profile,
        minutes=args.minutes,
        batch=args.batch,
        crop=args.crop,
        lr=args.lr,
        seed=args.seed,
    )
    cancel = CancelToken()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: cancel.cancel())
    trainer = Trainer(options)
    trainer.train(cancel)
    if cancel.cancelled:
        return 130
    export_weights(trainer)
    return 0
