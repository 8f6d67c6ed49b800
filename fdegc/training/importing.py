"""Weights of others, above all the research code's checkpoints, made into weights that can code."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fdegc.control import CancelToken, ProgressCallback
from fdegc.errors import InvalidOption
from fdegc.options import RATE_POINTS
from fdegc.training.config import ResearchConfig
from fdegc.training.data import image_paths
from fdegc.training.export import fit_images, manifest_entry, write_manifest, write_weights
from fdegc.training.measuring import ImageFigures, averages, measure_profile
from fdegc.training.recipes import research_profile
from fdegc.training.starting import Start, load_start

#: Images on which imported weights are tried out.
TRIAL_IMAGES = 4
#: Quality of a network for one λ where nobody says which: the highest λ of its size in the paper.
_QUALITIES = ((192, 3.0), (10**9, 6.0))


@dataclass(frozen=True, slots=True)
class Imported:
    """Result of importing a checkpoint.

    Attributes
    ----------
    path : Path
        The weights file.
    profile : str
    qualities : tuple of float
        Rate points, on the scale of qualities.
    figures : tuple of mapping
        Real averages over a few of the user's images, one a rate point.
    clamped : float
        Share of hyper-latents that the format's range cuts off.
    """

    path: Path
    profile: str
    qualities: tuple[float, ...]
    figures: tuple[dict[str, Any], ...]
    clamped: float


def qualities_of(start: Start, config: ResearchConfig | None) -> tuple[float, ...]:
    """Rate points of a network: all that it has gains for, or the one of its λ.

    Raises
    ------
    WeightsInvalid
        If the configuration is of another network.
    """
    if config is not None:
        own = start.profile
        wanted = replace(research_profile(config), hidden=own.hidden)
        start.check_fits(wanted, "choose the configuration that it was trained with")
        return (config.quality,)
    if start.profile.rate_points:
        return tuple(float(point.index) for point in RATE_POINTS[: start.profile.rate_points])
    if start.quality is not None:
        return (start.quality,)
    width = start.profile.widths[0]
    return (next(quality for limit, quality in _QUALITIES if width <= limit),)


def import_checkpoint(
    path: Path,
    images: Path,
    out: Path,
    *,
    name: str | None = None,
    config: ResearchConfig | None = None,
    device: str = "auto",
    cancel: CancelToken | None = None,
) -> Imported:
    """Import of a checkpoint as a weights file in a folder's manifest.

    Tables of the hyper-latent are fitted on the user's images, and a few of these are coded and
    decoded, so that what is written is known to work.

    Parameters
    ----------
    path : Path
        As of :func:`~fdegc.training.starting.load_start`.
    images : Path
        Folder of images like those that will be compressed.
    out : Path
        Folder that gets the weights.
    name : str, optional
        Name of the profile; the checkpoint's sizes give one otherwise.
    config : ResearchConfig, optional
        That it was trained with; says λ.
    device : str
    cancel : CancelToken, optional

    Raises
    ------
    InvalidOption, WeightsMissing, WeightsInvalid, Cancelled
    """
    start = load_start(path)
    qualities = qualities_of(start, config)
    profile = replace(start.profile, name=name or start.profile.name)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", profile.name):
        raise InvalidOption(
            f"A profile's name is made of letters, digits, '.', '_' and '-', not '{profile.name}'."
        )
    net = start.network()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        entry, seen = write_weights(net, profile, fit_images(images), folder, has_prior=start.has_prior)
        entry["rates"] = _unknown(qualities)
        write_manifest(folder, entry)
        paths = image_paths(images)
        trial = paths[:: max(len(paths) // TRIAL_IMAGES, 1)][:TRIAL_IMAGES]
        results = measure_profile(
            folder, profile.name, trial, images, qualities, device=device, cancel=cancel
        )
        figures = averages(results)
        entry |= _timing(results)
        entry["rates"] = [{k: row[k] for k in ("quality", "bpp", "psnr")} for row in figures]
        entry["imported"] = {"from": path.name, "images": len(paths), "measured_on": len(trial)}
        out.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / entry["file"], out / entry["file"])
        write_manifest(out, entry)
    return Imported(out / entry["file"], profile.name, qualities, tuple(figures), seen.clamped)


def measure_weights(
    path: Path,
    val: Path,
    *,
    tables: Path | None = None,
    config: ResearchConfig | None = None,
    device: str = "auto",
    on_progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> tuple[list[ImageFigures], bool]:
    """Figures of weights on all images of a folder, by way of real files.

    Parameters
    ----------
    path : Path
        As of :func:`~fdegc.training.starting.load_start`.
    val : Path
    tables : Path, optional
        Folder of images on which the tables of the hyper-latent are fitted; weights files have some.
    config : ResearchConfig, optional
        Says λ, and is checked against the weights.
    device, on_progress, cancel
        As of :func:`~fdegc.training.measuring.measure`.

    Returns
    -------
    results : list of ImageFigures
    own_tables : bool
        False if the tables had to be fitted on ``val`` itself, which flatters bpp a little.

    Raises
    ------
    InvalidOption, WeightsMissing, WeightsInvalid, Cancelled
    """
    start = load_start(path)
    qualities = qualities_of(start, config)
    paths = image_paths(val)
    finished = start.has_tables and tables is None
    with _finished(start, qualities) if finished else _exported(start, tables or val, qualities) as folder:
        results = measure_profile(
            folder,
            start.profile.name,
            paths,
            val,
            qualities,
            device=device,
            on_progress=on_progress,
            cancel=cancel,
        )
    return results, finished or tables is not None


@contextmanager
def _exported(start: Start, images: Path, qualities: tuple[float, ...]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fit_on = fit_images(images)
        entry, _ = write_weights(start.network(), start.profile, fit_on, folder, has_prior=start.has_prior)
        write_manifest(folder, entry | {"rates": _unknown(qualities)})
        yield folder


@contextmanager
def _finished(start: Start, qualities: tuple[float, ...]) -> Iterator[Path]:
    """A folder with a weights file just as it is, tables included."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copy(start.path, folder)
        entry = manifest_entry(start.profile, start.path.name, start.path.read_bytes())
        write_manifest(folder, entry | {"rates": _unknown(qualities)})
        yield folder


def _unknown(qualities: tuple[float, ...]) -> list[dict[str, float]]:
    """Figures of weights that were not measured yet."""
    return [{"quality": quality, "bpp": 1.0, "psnr": 30.0} for quality in qualities]


def _timing(results: list[ImageFigures]) -> dict[str, float]:
    megapixels = sum(result.pixels for result in results) / 1e6
    return {
        "encode_seconds_per_mpx": round(sum(r.encode_seconds for r in results) / megapixels, 2),
        "decode_seconds_per_mpx": round(sum(r.decode_seconds for r in results) / megapixels, 2),
    }
