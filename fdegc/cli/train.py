"""``fdegc train``: weights of one's own."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.cli.common import Report, Suspended, progress_bar, terminable
from fdegc.cli.training import read_config, result_facts, results_data, use_threads
from fdegc.errors import InvalidOption
from fdegc.text import seconds_text
from fdegc.training.cli import add_train_options as add_arguments

if TYPE_CHECKING:
    from fdegc.control import CancelToken
    from fdegc.training.distributed import Group
    from fdegc.training.measuring import ImageFigures
    from fdegc.training.options import TrainOptions

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = (
    "Train all rate points of a profile in one run, or one network for one λ with --config. "
    "A run that was interrupted resumes."
)


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc train``; an interrupted run leaves a checkpoint and resumes from it."""
    config = read_config(args.config)
    own = ("profile", "minutes", "lr", "lambda_boost", "hold", "freeze_norm", "balance", "grow")
    given = {name: getattr(args, name) for name in own if getattr(args, name) is not None}
    if config is not None and given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InvalidOption(f"A configuration says all of that itself; leave out {names} or --config.")
    if args.stop_at is not None and "minutes" in given:
        raise InvalidOption("--stop-at and --minutes both say when the run ends; give one of them.")
    name = args.config.stem if config is not None else given.get("profile", "lite")
    out = args.out or Path("runs", name)
    start = time.perf_counter()
    from fdegc.training.distributed import process_group
    from fdegc.training.options import TrainOptions
    from fdegc.training.plan import parse_span

    use_threads(args)
    if args.span is not None:
        given["span"] = parse_span(args.span)
    options = TrainOptions(
        train=args.train,
        val=args.val,
        out=out,
        config=config,
        pretrain=args.pretrain,
        batch=args.batch,
        crop=args.crop,
        seed=args.seed,
        precision=args.precision,
        val_steps=args.val_steps,
        finish=args.finish,
        stop_at=args.stop_at,
        images=args.images,
        graph=args.graph,
        parts=args.parts,
        **given,
    )
    with terminable(cancel), process_group(args.device) as group:
        trained = _train(options, group, cancel)
    if not group.main:
        return Report({}, {}, exit_code=130 if trained is None else 0)
    if trained is None:
        raise Suspended(f"{out / 'checkpoint.pt'} is kept; the same command goes on from there")
    weights, step = trained
    results: list[ImageFigures] = []
    if config is not None and args.stop_at is None:  # real files take their time
        from fdegc.training.importing import measure_weights
        from fdegc.weights import read_manifest

        file = read_manifest(weights)[0].path
        with progress_bar() as on_progress:
            results, _ = measure_weights(
                file, args.val, device=args.device, on_progress=on_progress, cancel=cancel
            )
        data = results_data(results)
        (out / "test.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        _log_results(out, step, results)
    seconds = time.perf_counter() - start
    facts: dict[str, str | None] = {"Written": str(weights), "Time": seconds_text(seconds)}
    data = {"command": "train", "out": str(out), "weights": str(weights), "steps": step, "finished": True}
    return Report(facts | result_facts(results), {**data, "seconds": seconds, **results_data(results)})


def _train(options: TrainOptions, group: Group, cancel: CancelToken) -> tuple[Path, int] | None:
    """Folder of the weights and number of steps; None if the run was interrupted."""
    from fdegc.training.export import export_weights
    from fdegc.training.loop import Trainer

    trainer = Trainer(options, group)
    if not trainer.train(cancel, on_row=_say_row):
        return None
    return export_weights(trainer), trainer.step


def _say_row(row: dict[str, Any]) -> None:
    """One line a row of the log, on stderr: stdout is for the answer."""
    if "note" in row:
        print(f"fdegc: {row['note']}", file=sys.stderr)
        return
    print(
        f"step {row['step']}  loss {row['loss']:.4f}  PSNR {row['psnr']:.2f} dB  "
        f"about {row['bpp']:.4f} bpp  {seconds_text(row['seconds'])}",
        file=sys.stderr,
    )


def _log_results(out: Path, step: int, results: Sequence[ImageFigures]) -> None:
    from fdegc.training.measuring import averages
    from fdegc.training.runlog import RunLog

    with RunLog(out) as log:
        for row in averages(results):
            log.write(step, {k: v for k, v in row.items() if k != "counts"}, group="test")
