"""Figures of a region of the scene: errors of one picture against another, and how they are spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import RasterInfo, Window
from fdegc.results import ErrorFigures, GroundExtent
from fdegc_gui.models.comparison import unit_of
from fdegc_gui.models.display import short_band_name
from fdegc_gui.models.ground import ground_rows
from fdegc_gui.models.tile_map import ByteShare
from fdegc_gui.text import NONE, decibels, fixed


@dataclass(frozen=True, eq=False)
class Histogram:
    """Histogram of all bands' values.

    Attributes
    ----------
    low, high : float
        Range to name: of the values, or as far as errors go to either side.
    edges : ndarray of float64, shape (bins + 1,)
    counts : tuple of ndarrays of int64, shape (bins,)
        One a picture.
    """

    low: float
    high: float
    edges: npt.NDArray[np.float64]
    counts: tuple[npt.NDArray[np.int64], ...]


@dataclass(frozen=True, eq=False)
class RegionFigures:
    """Figures of a region.

    Attributes
    ----------
    window : Window
    a, b : str
        Names of the two pictures; errors are B minus A.
    errors : ErrorFigures or None
        In sample units; None if there is nothing to compare.
    note : str
        Why there is not.
    missing : int
        Samples that A has and B has not.
    values, differences : Histogram or None
    """

    window: Window
    a: str
    b: str
    errors: ErrorFigures | None
    note: str = ""
    missing: int = 0
    values: Histogram | None = None
    differences: Histogram | None = None


def number(value: float) -> str:
    """Error as people read it: four digits, without those that say nothing."""
    return f"{value:.4g}".replace("-", "−")


def figure_rows(
    figures: RegionFigures, info: RasterInfo, ms_ssim: float | None, note: str
) -> tuple[tuple[str, str], ...]:
    """Names and values of a region's figures in words.

    Parameters
    ----------
    figures : RegionFigures
    info : RasterInfo
    ms_ssim : float or None
    note : str
        In place of MS-SSIM where there is none.
    """
    errors = figures.errors
    if errors is None:
        return (("", figures.note),)
    scale, unit = unit_of(info, tuple(range(info.bands)))
    tail = f" {unit}" if unit else ""
    return (
        ("PSNR", decibels(errors.psnr)),
        ("RMSE", number(errors.rmse * scale) + tail),
        ("Largest error", number(errors.max_error * scale) + tail),
        ("Mean error", number(errors.mean_error * scale) + tail),
        ("Spectral angle", NONE if errors.sam is None else f"{number(errors.sam)}°"),
        ("MS-SSIM", note if ms_ssim is None else fixed(ms_ssim, 4)),
    )


def region_text(
    figures: RegionFigures, info: RasterInfo, ms_ssim: float | None, note: str,
    ground: GroundExtent | None = None, share: ByteShare | None = None,
) -> str:  # fmt: skip
    """Figures of a region as text with tabs, for the clipboard; those of each band below them."""
    window = figures.window
    lines = [
        f"File\t{info.path}",
        f"Region\tcol {window.x}, row {window.y}, {window.width} × {window.height} px",
        *(f"{name}\t{value}" for name, value in (ground_rows(ground) if ground is not None else ())),
        f"A\t{figures.a}",
        f"B\t{figures.b}",
        *(f"{name}\t{value}" for name, value in figure_rows(figures, info, ms_ssim, note)),
        *("\t".join(row) for row in ((share.row,) if share is not None else ())),
    ]
    bands = figures.errors.bands if figures.errors is not None else ()
    if len(bands) > 1:
        lines.append("Band\tPSNR\tRMSE\tLargest error\tMean error")
    for i, band in enumerate(bands if len(bands) > 1 else ()):
        if band is not None:
            cells = (decibels(band.psnr), *map(number, (band.rmse, band.max_error, band.mean_error)))
            lines.append("\t".join((short_band_name(info, i), *cells)))
    return "\n".join(lines)
