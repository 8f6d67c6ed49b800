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

if TYPE_CHECKING:
    from fdegc.control import CancelToken
    from fdegc.training.distributed import Group
    from fdegc.training.measuring import ImageFigures
    from fdegc.training.run_options import TrainOptions

DESCRIPTION = (
    "Train all rate points of a profile in one run, or one network for one λ with --config. "
    "A run that was interrupted resumes."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``fdegc train``."""
    parser.add_argument(
        "--train", type=Path, required=True, help="folder of training images (searched recursively)"
    )
    parser.add_argument("--val", type=Path, required=True, help="folder of validation images")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for checkpoint, log and weights (default: runs/ and the profile or configuration)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a configuration of the research code: its recipe, one network for one λ",
    )
    parser.add_argument(
        "--pretrain",
        type=Path,
        metavar="PATH",
        help="weights to start from: .safetensors, a run's checkpoint.pt or iter_*.pth.tar",
    )
    parser.add_argument("--profile", help="network with six rate points, without --config (default: lite)")
    parser.add_argument(
        "--minutes", type=float, help="wall-clock budget in all, without --config (default: 60)"
    )
    parser.add_argument("--lr", type=float, help="peak rate of Adam, without --config (default: 3e-3)")
    for name, default, what in (
        ("--lambda-boost", 1.0, "every λ is this many times itself at first"),
        ("--hold", 0.03, "share of the budget in which restarted channels are constants"),
        ("--freeze-norm", 0.0, "share of the budget after which BatchNorm is frozen"),
        ("--balance", 0.3, "samples weigh ∝ λ^-BALANCE"),
    ):
        parser.add_argument(name, type=float, help=f"{what}, without --config (default: {default:g})")
    parser.add_argument(
        "--grow",
        action="store_const",
        const=True,
        help="let --pretrain have a smaller latent than the profile, and start its unused channels anew, "
        "without --config",
    )
    parser.add_argument(
        "--colours",
        type=float,
        metavar="SHARE",
        help="share of the crops in random colours, without --config (default: a third)",
    )
    parser.add_argument(
        "--shrink-only",
        type=_names,
        metavar="NAME,…",
        help="folders whose images have JPEG blocks or the like: they are shrunk whenever they are drawn, "
        "without --config (default: none)",
    )
    for name, choices, what in (
        (
            "--weigh",
            ("sources", "files"),
            "draw the folders right below --train by the square roots of their "
            "numbers of images, or all images equally often",
        ),
        ("--qualities", ("points", "uniform"), "train the rate points, or all qualities between them, too"),
        (
            "--schedule",
            ("cosine", "constant"),
            "let the learning rate fall as a cosine, or linearly after 0.7 of the budget",
        ),
        ("--objective", ("balance", "relative"), "samples weigh as --balance says, or by their own loss"),
    ):
        parser.add_argument(name, choices=choices, help=f"{what}, without --config (default: {choices[0]})")
    parser.add_argument(
        "--batch", type=int, help="crops a step over all processes (default: 8, or the configuration's)"
    )
    parser.add_argument("--crop", type=int, help="side of a crop, a multiple of 64 (default: 256)")
    parser.add_argument(
        "--precision",
        choices=("auto", "bf16", "fp32"),
        default="auto",
        help="bfloat16 or float32 (default: auto, bfloat16 where it is the faster one)",
    )
    parser.add_argument(
        "--val-steps", type=int, default=0, metavar="N", help="validate every N steps (default: at the end)"
    )
    parser.add_argument("--seed", type=int, default=1)
    _add_schedule_options(parser)
    _add_device_options(parser)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _add_schedule_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--finish",
        metavar="BATCHxCROP@FROM",
        help="batches of the end of the schedule: 8x512@0.8 takes 8 crops of 512 pixels a step for its last "
        "fifth (default: as before)",
    )
    parser.add_argument(
        "--span",
        metavar="FROM:TO",
        help="the part of the schedule that this run goes through: 0:0.5 stops half-way, and 0.5:1 with "
        "--pretrain goes on from the weights of that (default: 0:1)",
    )
    parser.add_argument(
        "--stop-at",
        type=float,
        metavar="SECONDS",
        help="have everything written when the command has run for so long, start and export included; "
        "the schedule is stretched or cut to end in time, instead of --minutes or with a configuration "
        "before all its steps (default: no such limit)",
    )


def _add_device_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        choices=("auto", "device", "host"),
        default="auto",
        help="where training images are kept and crops are cut: in the device's memory, with smaller scales, "
        "or on the host (default: auto, the device if it is a GPU)",
    )
    parser.add_argument(
        "--graph",
        choices=("auto", "off"),
        default="auto",
        help="capture a step as a CUDA graph (default: auto, on a GPU with one process)",
    )
    parser.add_argument(
        "--parts",
        type=float,
        metavar="MIB",
        help="write the weights also in files of at most so many MiB, any of which --pretrain takes for all "
        "(default: in one file only)",
    )


def run(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Execution of ``fdegc train``; an interrupted run leaves a checkpoint and resumes from it."""
    config = read_config(args.config)
    own = "profile minutes lr lambda_boost hold freeze_norm balance grow".split()
    own += "colours weigh shrink_only qualities schedule objective".split()
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
    from fdegc.training.phases import parse_span
    from fdegc.training.run_options import TrainOptions

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
        raise Suspended(f"“{out / 'checkpoint.pt'}” is kept; the same command goes on from there")
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
