"""Advice on a compression whose result would disappoint its user."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from fdegc.codec.plan import EncodingPlan
from fdegc.format.kinds import WAYS, UnitKind
from fdegc.format.metadata import ALPHA
from fdegc.results import ErrorFigures
from fdegc.text import bytes_text

#: A PSNR so many decibels below what a rate usually gives is worth a sentence.
_FAR = 6.0
#: So is a scene of which at least this share of the tiles is better off without the network.
_MOST = 0.5
#: What planes must take of a file of that many bytes to be worth one.
_PLANES, _LARGE = 0.5, 4096
#: What scenes in small tiles were behind JPEG 2000 of the whole in as many bytes, dB: noise and what has
#: noise beside photographs, and smooth ones (``docs/battery.md``, several tiles).
_BEHIND = {64: ("1.1 to 1.7", "8 to 15"), 128: ("0.2 to 0.5", "5 to 11")}


#: Pixels a side below which a scene says nothing of what the network was trained on.
_SMALL = 64


def advice_on(
    plan: EncodingPlan,
    ways: Mapping[UnitKind, int],
    errors: ErrorFigures | None,
    planes: Mapping[bytes, int],
    size: int,
) -> tuple[str, ...]:
    """Sentences on a result that is far from what its rate usually gives, or that hardly needed the network.

    Parameters
    ----------
    plan : EncodingPlan
    ways : mapping
        Tiles by the way they were coded.
    errors : ErrorFigures or None
        None if they were not measured.
    planes : mapping of bytes to int
        Bytes of the lossless planes, by the tags of their blocks.
    size : int
        Bytes of the file.
    """
    said = _planes_text(planes, size)
    if plan.exact or plan.beyond:  # what a target asks for is no surprise
        return tuple(said)
    latents = ways.get(UnitKind.LATENTS, 0)
    jpeg2000 = sum(count for kind, count in ways.items() if WAYS[kind] == WAYS[UnitKind.JPEG2000])
    exact = ways.get(UnitKind.EXACT, 0) + ways.get(UnitKind.CLASSES, 0)
    tiles, plain = latents + jpeg2000 + exact, jpeg2000 + exact
    if tiles and plain >= _MOST * tiles:
        hows = [how for how, count in (("as JPEG 2000", jpeg2000), ("without loss", exact)) if count]
        if jpeg2000:
            better = "; a higher rate, or no loss (--lossless), keeps more"
        else:
            better = "; --lossless keeps all of it so" if latents else ""
        if min(plan.info.width, plan.info.height) < _SMALL:
            begin = "So small a scene is seldom one for the network: it was kept"
        else:
            kept = "it was" if tiles == 1 else f"{plain} of {tiles} tiles were"
            begin = f"This scene is unlike those that the network was trained on: {kept} kept"
        said.append(f"{begin} {' or '.join(hows)}, which was better{better}.")
    side = plan.tiles.tile_size
    if side in _BEHIND and len(plan.tiles) > 1 and tiles and jpeg2000 >= _MOST * tiles:
        rough, smooth = _BEHIND[side]
        said.append(
            f"Tiles of {side} pixels cost here: beside JPEG 2000 of the whole in as many bytes, noise "
            f"is then {rough} dB behind, what is smooth {smooth} dB; without --tile-size neither is by much."
        )
    usual = _usual_psnr(plan)
    if errors is not None and usual is not None and errors.psnr < usual - _FAR:
        said.append(
            f"PSNR is {errors.psnr:.1f} dB, where this rate usually gives {usual:.1f} dB: look at it, or "
            "choose a higher rate."
        )
    return tuple(said)


def _planes_text(planes: Mapping[bytes, int], size: int) -> list[str]:
    """Sentence on lossless planes that take most of a file, with what can be done; none where they do not."""
    alpha = planes.get(ALPHA, 0)
    masks = sum(planes.values()) - alpha
    if size < _LARGE or alpha + masks < _PLANES * size:
        return []
    taken = f"takes {bytes_text(max(alpha, masks))} of the file's {bytes_text(size)}"
    if alpha > masks:
        other = "--alpha as-data codes it like the other bands, --alpha none leaves it out"
        return [f"The alpha band is kept without loss, and {taken} ({other})."]
    return [f"Which samples are missing is kept exactly, and {taken}."]


def outliers_text(plan: EncodingPlan) -> str:
    """Sentence on outliers that are kept beside the picture; empty without any."""
    if plan.outliers is None:
        return ""
    counts = plan.outliers.counts
    band = max(range(len(counts)), key=counts.__getitem__)
    total, mapping = sum(counts), plan.mapping[band]
    values = np.unique(plan.outliers.values[band])
    where = " to ".join(f"{value:.6g}" for value in (values[0], values[-1])[: len(values)])
    others = f"{mapping.offset:.6g}" + (f" to {mapping.offset + mapping.scale:.6g}" if mapping.scale else "")
    name = f"band {band + 1}: " if len(counts) > 1 else ""
    begin = "1 sample lies far outside of all" if total == 1 else f"{total} samples lie far outside of the"
    kept = "it is" if total == 1 else "they are"
    said = f"{begin} others ({name}{where}, the others {others}): {kept} kept exactly, beside the picture."
    if len(values) == 1 and total > 1:
        said += " If that stands for missing samples, declare it as nodata."
    return said


def _usual_psnr(plan: EncodingPlan) -> float | None:
    """PSNR in dB that the weights reach on validation images at the plan's quality."""
    points = [(figures.quality, figures.psnr) for figures in plan.network.entry.rates]
    if not points or not all(math.isfinite(psnr) for _, psnr in points):
        return None
    nearest = sorted(points, key=lambda point: abs(point[0] - plan.quality))[:2]
    (low, first), (high, second) = sorted(nearest)[0], sorted(nearest)[-1]
    return first if low == high else first + (second - first) * (plan.quality - low) / (high - low)
