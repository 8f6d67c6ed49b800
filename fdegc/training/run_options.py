"""What a run is asked to do, checked, and the recipe that follows from it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fdegc.errors import InvalidOption
from fdegc.training.config import ResearchConfig
from fdegc.training.phases import Phase, check_crop, parse_finish
from fdegc.training.recipes import (
    ProfileRecipe,
    Recipe,
    ResearchRecipe,
    known_profile,
    research_profile,
)

#: Side of a crop where options do not say.
CROP = 256
#: Where training images may be kept, and whether a step is captured.
IMAGES, GRAPH = ("auto", "device", "host"), ("auto", "off")
#: How images are drawn, which qualities, how the learning rate falls, and what samples weigh.
WEIGH, QUALITIES = ("sources", "files"), ("points", "uniform")
SCHEDULE, OBJECTIVE = ("cosine", "constant"), ("balance", "relative")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of a training run; described in its weights.

    Attributes
    ----------
    train, val : Path
        Folders of images.
    out : Path
        Folder for checkpoint, log and weights.
    config : ResearchConfig or None
        Given: the research recipe, which then takes nothing from ``profile``, ``minutes``, ``lr``,
        ``warmup_steps``, ``ema``, ``freeze_norm``, ``hold``, ``lambda_boost``,
        ``balance``, ``grow``, ``colours``, ``weigh``, ``shrink_only``, ``qualities``, ``schedule`` and
        ``objective``.
    pretrain : Path or None
        Weights to start from (:func:`~fdegc.training.starting.load_start`); a run that is resumed
        does not look at them.
    profile : str
    minutes : float
        Wall-clock budget of the whole run, over all resumptions; the schedule follows it.
    batch, crop : int or None
        Crops a step over all processes, and their side; None: 8, or the configuration's, and
        256.
    lr : float
        Peak rate of Adam; Muon takes four times it.
    warmup_steps : int
    ema : float
        Decay of the averaged weights.
    freeze_norm : float
        Fraction of the budget after which BatchNorm keeps its statistics.
    hold : float
        Fraction of the budget in which restarted channels (``grow``) are constants.
    lambda_boost : float
        What every λ is multiplied by at first; falls to 1 within the budget.
    balance : float
        Samples weigh ∝ λ^-balance.
    grow : bool
        Whether ``pretrain`` may have a smaller latent, and channels that are new or unused start anew
        (:func:`~fdegc.training.growing.grow`).
    colours : float
        Share of the crops in random colours (:mod:`~fdegc.training.colours`).
    weigh : str
        "sources": the folders right below ``train`` are drawn ∝ the square roots of their numbers of images
        (:func:`~fdegc.training.data.chances`); "files": all images equally often.
    shrink_only : tuple of str
        Names of folders whose images have the artefacts of another codec, which the network must not learn:
        they are shrunk whenever they are drawn.
    qualities : str
        "points": the rate points; "uniform": anywhere between them, too.
    schedule : str
        "cosine"; "constant": until 0.7 of the budget, then falling linearly.
    objective : str
        "balance": as that says; "relative": samples weigh by their own loss.
    seed : int
    precision : str
        "auto", "bf16" or "fp32".
    val_steps : int
        Steps from one validation to the next; 0: only at the end.
    finish : str or None
        Batches of the end of the schedule (:func:`~fdegc.training.phases.parse_finish`).
    span : tuple of float
        Which part of the schedule the run goes through, from 0 to 1; one that begins later goes on
        from the averaged weights of ``pretrain`` and does not forget them.
    stop_at : float or None
        Age of the process in seconds at which weights must have been written; the schedule then ends in time
        for that, whatever ``minutes`` or the configuration's steps say.
    images : str
        "device": decoded once into the device's memory (:mod:`~fdegc.training.pool`); "host": cut by the
        host (:class:`~fdegc.training.data.CropSampler`); "auto": "device" on GPUs.
    graph : str
        "auto": the step is captured where it can be, on CUDA with one process; "off".
    parts : float or None
        Weights are also written in files of at most so many MiB.
    """

    train: Path
    val: Path
    out: Path
    config: ResearchConfig | None = None
    pretrain: Path | None = None
    profile: str = "lite"
    minutes: float = 60.0
    batch: int | None = None
    crop: int | None = None
    lr: float = 3e-3
    warmup_steps: int = 50
    ema: float = 0.998
    freeze_norm: float = 0.0
    hold: float = 0.03
    lambda_boost: float = 1.0
    balance: float = 0.3
    grow: bool = False
    colours: float = 1 / 3
    weigh: str = "sources"
    shrink_only: tuple[str, ...] = ()
    qualities: str = "points"
    schedule: str = "cosine"
    objective: str = "balance"
    seed: int = 1
    precision: str = "auto"
    val_steps: int = 0
    finish: str | None = None
    span: tuple[float, float] = (0.0, 1.0)
    stop_at: float | None = None
    images: str = "auto"
    graph: str = "auto"
    parts: float | None = None


def make_recipe(options: TrainOptions, images: int) -> Recipe:
    """Recipe that options ask for.

    Parameters
    ----------
    options : TrainOptions
    images : int
        Number of training images, by which epochs are counted.

    Raises
    ------
    InvalidOption
        If a value is outside its range.
    """
    config = options.config
    crop = options.crop or CROP
    check_crop(crop)
    if config is not None:
        batch = options.batch or config.batch
        steps = min(config.steps, config.epochs * math.ceil(images / batch))
        hurried = options.stop_at is not None
        return ResearchRecipe(research_profile(config), batch, crop, config, steps, hurried)
    if options.minutes <= 0:
        raise InvalidOption("The budget must be more than 0 minutes.")
    return ProfileRecipe(
        known_profile(options.profile),
        options.batch or 8,
        crop,
        minutes=options.minutes,
        lr=options.lr,
        warmup_steps=options.warmup_steps,
        freeze_norm=options.freeze_norm,
        hold=options.hold,
        lambda_boost=options.lambda_boost,
        balance=options.balance,
        ema=options.ema,
        colours=options.colours,
        by_source=options.weigh == "sources",
        uniform=options.qualities == "uniform",
        constant=options.schedule == "constant",
        relative=options.objective == "relative",
    )


def make_phases(options: TrainOptions, recipe: Recipe) -> tuple[Phase, ...]:
    """Sizes of batches in the order of the schedule.

    Raises
    ------
    InvalidOption
        If ``finish`` is not what it must be.
    """
    first = Phase(recipe.batch, recipe.crop)
    return (first,) if options.finish is None else (first, parse_finish(options.finish))


def check_choices(options: TrainOptions) -> None:
    """Refusal of names and numbers that mean nothing.

    Raises
    ------
    InvalidOption
    """
    for name, value, choices in (
        ("images", options.images, IMAGES),
        ("graph", options.graph, GRAPH),
        ("weigh", options.weigh, WEIGH),
        ("qualities", options.qualities, QUALITIES),
        ("schedule", options.schedule, SCHEDULE),
        ("objective", options.objective, OBJECTIVE),
    ):
        if value not in choices:
            raise InvalidOption(f"{name} must be one of {', '.join(choices)}, not {value}.")
    if not 0.0 <= options.colours <= 1.0:
        raise InvalidOption(f"The share of crops in random colours is from 0 to 1, not {options.colours:g}.")
    if options.parts is not None and options.parts <= 0:
        raise InvalidOption("Parts of weights must be larger than 0 MiB.")


def share_of_batch(batch: int, processes: int) -> int:
    """Share of a batch: crops a step of each process.

    Raises
    ------
    InvalidOption
        If they cannot be shared equally, or leave a process with a single one.
    """
    if batch % processes:
        raise InvalidOption(f"A batch of {batch} crops cannot be shared equally by {processes} processes.")
    if batch // processes < 2:
        raise InvalidOption(
            "Each process needs at least two crops a step, because the BatchNorm of the attention cannot be "
            f"trained on one sample: use a batch of {2 * processes} or more (--batch, or batch_size in the "
            "configuration)."
        )
    return batch // processes


def describe(options: TrainOptions) -> dict[str, Any]:
    """Options as JSON values for the model card; paths by their last name only."""
    values = {k: v.name if isinstance(v, Path) else v for k, v in asdict(options).items()}
    return {k: v for k, v in values.items() if v is not None}
