"""What ``fdegc train``, ``fdegc test`` and ``fdegc weights`` do: arguments in, a report out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.command_parts import Report, Suspended, progress_bar, terminable
from fdegc.control import CancelToken
from fdegc.errors import InvalidOption
from fdegc.wording import finite, metric_facts, seconds_text

if TYPE_CHECKING:
    from fdegc.training.config import ResearchConfig
    from fdegc.training.distributed import Group
    from fdegc.training.measuring import ImageFigures
    from fdegc.training.options import TrainOptions


def train(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc train``; an interrupted run leaves a checkpoint and resumes from it."""
    config = _config(args.config)
    own = "profile minutes lr lambda_boost hold freeze_norm balance grow".split()
    own += "colours weigh qualities schedule objective".split()
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

    _use_threads(args)
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
        data = _results_data(results)
        (out / "test.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        _log_results(out, step, results)
    seconds = time.perf_counter() - start
    facts: dict[str, str | None] = {"Written": str(weights), "Time": seconds_text(seconds)}
    data = {"command": "train", "out": str(out), "weights": str(weights), "steps": step, "finished": True}
    return Report(facts | _result_facts(results), {**data, "seconds": seconds, **_results_data(results)})


def _train(options: TrainOptions, group: Group, cancel: CancelToken) -> tuple[Path, int] | None:
    """Folder of the weights and number of steps; None if the run was interrupted."""
    from fdegc.training.export import export_weights
    from fdegc.training.loop import Trainer

    trainer = Trainer(options, group)
    if not trainer.train(cancel, on_row=_say_row):
        return None
    return export_weights(trainer), trainer.step


def test(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc test``."""
    config = _config(args.config)
    start = time.perf_counter()
    from fdegc.training.importing import measure_weights

    _use_threads(args)
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
        facts | _result_facts(results) | time_facts, {**data, "seconds": seconds, **_results_data(results)}
    )


def weights_import(args: argparse.Namespace, cancel: CancelToken) -> Report:
    """Run ``fdegc weights import``."""
    config = _config(args.config)
    start = time.perf_counter()
    from fdegc.training.importing import import_checkpoint
    from fdegc.weights import user_folder

    _use_threads(args)
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
        facts[f"At {row['quality']:g}"] = _row_text(row)
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


# ------------------------------------------------------------------------------ their parts


def _config(path: Path | None) -> ResearchConfig | None:
    if path is None:
        return None
    from fdegc.training.config import read_config

    return read_config(path)


def _use_threads(args: argparse.Namespace) -> None:
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)


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


def _row_text(row: dict[str, Any]) -> str:
    parts = [f"{row['bpp']:.4f} bpp", "–" if row["psnr"] is None else f"{row['psnr']:.2f} dB"]
    if row["ms_ssim"] is not None:
        parts.append(f"MS-SSIM {row['ms_ssim']:.4f} ({row['ms_ssim_db']:.2f} dB)")
    parts += [
        f"{label} {row[name]:.4f}"
        for name, label in (("vifp", "VIFp"), ("lpips", "LPIPS"))
        if row[name] is not None
    ]
    return ", ".join(parts)


def _result_facts(results: Sequence[ImageFigures]) -> dict[str, str | None]:
    """A line an image, averages, and why a figure is missing."""
    if not results:
        return {}
    from fdegc.training.measuring import FIGURES, averages

    facts: dict[str, str | None] = {
        f"{result.name} at {result.quality:g}": _row_text({name: result.figure(name) for name in FIGURES})
        for result in results
    }
    facts |= {
        f"Mean at {row['quality']:g}": f"{_row_text(row)}, {row['images']} image{'s' * (row['images'] > 1)}"
        for row in averages(results)
    }
    for label, text in metric_facts(results[0].metrics).items():
        if text.startswith("–"):
            facts[label] = text
    return facts


def _results_data(results: Sequence[ImageFigures]) -> dict[str, Any]:
    """Figures per image and on average, as JSON values."""
    if not results:
        return {}
    from fdegc.training.measuring import FIGURES, averages

    images = [
        {
            "image": result.name,
            "quality": result.quality,
            "bytes": result.bytes,
            **{name: finite(result.figure(name)) for name in FIGURES},
            "notes": dict(result.metrics.notes),
            "encode_seconds": result.encode_seconds,
            "decode_seconds": result.decode_seconds,
        }
        for result in results
    ]
    return {"images": images, "averages": averages(results)}


def _log_results(out: Path, step: int, results: Sequence[ImageFigures]) -> None:
    from fdegc.training.measuring import averages
    from fdegc.training.runlog import RunLog

    with RunLog(out) as log:
        for row in averages(results):
            log.write(step, {k: v for k, v in row.items() if k != "counts"}, group="test")
