"""What the commands around training share: configuration, threads, figures of images in words."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdegc.options import METRIC_LABELS
from fdegc.text import finite, metric_facts

if TYPE_CHECKING:
    from fdegc.training.config import ResearchConfig
    from fdegc.training.measuring import ImageFigures


def read_config(path: Path | None) -> ResearchConfig | None:
    """Configuration of the research code, if there is one."""
    if path is None:
        return None
    from fdegc.training import config

    return config.read_config(path)


def use_threads(args: argparse.Namespace) -> None:
    """Number of torch's threads, set to as many as were asked for."""
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)


def row_text(row: dict[str, Any]) -> str:
    """Figures of an image, or their averages, in one line."""
    parts = [f"{row['bpp']:.4f} bpp", "–" if row["psnr"] is None else f"{row['psnr']:.2f} dB"]
    if row["ms_ssim"] is not None:
        parts.append(f"MS-SSIM {row['ms_ssim']:.4f} ({row['ms_ssim_db']:.2f} dB)")
    parts += [
        f"{label} {row[name]:.4f}"
        for name, label in METRIC_LABELS.items()
        if name in ("vifp", "lpips") and row[name] is not None
    ]
    return ", ".join(parts)


def result_facts(results: Sequence[ImageFigures]) -> dict[str, str | None]:
    """Lines of figures: one an image, averages, and why a figure is missing."""
    if not results:
        return {}
    from fdegc.training.measuring import FIGURES, averages

    facts: dict[str, str | None] = {
        f"{result.name} at {result.quality:g}": row_text({name: result.figure(name) for name in FIGURES})
        for result in results
    }
    facts |= {
        f"Mean at {row['quality']:g}": f"{row_text(row)}, {row['images']} image{'s' * (row['images'] > 1)}"
        for row in averages(results)
    }
    for label, text in metric_facts(results[0].metrics).items():
        if text.startswith("–"):
            facts[label] = text
    return facts


def results_data(results: Sequence[ImageFigures]) -> dict[str, Any]:
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
