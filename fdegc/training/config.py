"""The research code's JSON configurations: one network for one λ, a fixed number of steps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdegc.errors import InvalidOption
from fdegc.options import QUALITY_MAX, QUALITY_MIN, RATE_POINTS

_KEYS = (
    *("tot_epoch", "tot_step", "train_lambda", "lr", "batch_size", "print_freq"),
    *("out_channel_N", "out_channel_M"),
)
_RATE_KEYS = ("base", "decay", "decay_interval")


@dataclass(frozen=True, slots=True)
class ResearchConfig:
    """Configuration of the research code; the names in the file are in parentheses.

    Attributes
    ----------
    epochs, steps : int
        The run ends with whichever comes first (``tot_epoch``, ``tot_step``); an epoch is as many
        crops as there are training images.
    lmbda : float
        λ of the loss ``λ·MSE + bpp`` (``train_lambda``).
    lr : float
        Adam's learning rate (``lr.base``).
    decay : float
        Factor by which it is multiplied every ``decay_steps`` (``lr.decay``, ``lr.decay_interval``).
    decay_steps : int
    batch : int
        Crops a step over all processes (``batch_size``).
    print_steps : int
        Steps from one line of the log to the next (``print_freq``).
    channels : int
        N, width of the transforms (``out_channel_N``); a multiple of 8.
    latent : int
        M, channels of the latent (``out_channel_M``); a multiple of 8.
    """

    epochs: int
    steps: int
    lmbda: float
    lr: float
    decay: float
    decay_steps: int
    batch: int
    print_steps: int
    channels: int
    latent: int

    @property
    def quality(self) -> float:
        """Quality of λ on the scale on which the six λ of the paper are 1 to 6."""
        return lambda_quality(self.lmbda)


def lambda_quality(lmbda: float) -> float:
    """Quality of a λ: 1 for 128, one more for each doubling, within 1 to 6, in steps of 1/256."""
    quality = 1.0 + math.log2(lmbda / RATE_POINTS[0].lmbda)
    return round(min(max(quality, QUALITY_MIN), QUALITY_MAX) * 256) / 256


def read_config(path: Path) -> ResearchConfig:
    """Configuration of the research code from a file, strictly: no key may be missing or unknown.

    Raises
    ------
    InvalidOption
        If the file cannot be read or a value is not what it must be.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidOption(f"The configuration “{path}” cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidOption(f"The configuration “{path}” is not JSON: {error}.") from error
    _check_keys(path, "It", document, _KEYS)
    rate = document["lr"]
    _check_keys(path, "Its lr", rate, _RATE_KEYS)
    config = ResearchConfig(
        epochs=_whole(path, document, "tot_epoch"),
        steps=_whole(path, document, "tot_step"),
        lmbda=_positive(path, document, "train_lambda"),
        lr=_positive(path, rate, "base"),
        decay=_positive(path, rate, "decay"),
        decay_steps=_whole(path, rate, "decay_interval"),
        batch=_whole(path, document, "batch_size"),
        print_steps=_whole(path, document, "print_freq"),
        channels=_whole(path, document, "out_channel_N"),
        latent=_whole(path, document, "out_channel_M"),
    )
    for name, value in (("out_channel_N", config.channels), ("out_channel_M", config.latent)):
        if value % 8:
            raise InvalidOption(f"The configuration “{path}”: {name} must be a multiple of 8, not {value}.")
    return config


def _check_keys(path: Path, subject: str, document: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(document, dict):
        raise InvalidOption(
            f"The configuration “{path}”: {subject} must be an object with {', '.join(keys)}."
        )
    for wrong, said in ((set(keys) - set(document), "lacks"), (set(document) - set(keys), "does not know")):
        if wrong:
            raise InvalidOption(
                f"The configuration “{path}” is not one of the research code's: {subject} {said} "
                f"{', '.join(sorted(wrong))} (the keys are {', '.join(keys)})."
            )


def _positive(path: Path, document: Mapping[str, Any], key: str) -> float:
    value = document[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidOption(f"The configuration “{path}”: {key} must be a positive number, not {value!r}.")
    return float(value)


def _whole(path: Path, document: Mapping[str, Any], key: str) -> int:
    value = _positive(path, document, key)
    if value != int(value):
        raise InvalidOption(f"The configuration “{path}”: {key} must be a whole number, not {value!r}.")
    return int(value)
