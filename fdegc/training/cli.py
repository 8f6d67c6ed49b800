"""Options of ``fdegc train``, ``fdegc test`` and ``fdegc weights import``; importing it costs nothing."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fdegc train``."""
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
        help="bfloat16 or float32 (default: auto, bfloat16 where the device has it)",
    )
    parser.add_argument(
        "--val-steps", type=int, default=0, metavar="N", help="validate every N steps (default: at the end)"
    )
    parser.add_argument("--seed", type=int, default=1)
    _add_schedule_options(parser)
    _add_device_options(parser)


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


def add_test_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fdegc test``."""
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


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fdegc weights import``."""
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


#: Command → what adds its options.
OPTIONS = {"train": add_train_options, "test": add_test_options, "import": add_import_options}
