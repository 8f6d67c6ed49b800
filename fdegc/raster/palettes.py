"""Palettes: what the indices of a raster stand for, and rasters of these colours themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import Palette, RasterInfo, default_colors
from fdegc.types import Samples

#: What a raster with a palette may be opened as.
PALETTES = ("colours", "indices")
#: Types of indices, and how many entries their palettes may have.
ENTRIES = {"uint8": 1 << 8, "uint16": 1 << 16}

Table = npt.NDArray[np.uint8]
#: What GDAL, and we, take samples of one bit for.
BLACK_AND_WHITE: Palette = ((0, 0, 0, 255), (255, 255, 255, 255))


def palette_of(colormap: Mapping[int, Sequence[int]]) -> Palette:
    """Palette of a colour map by index, as GDAL has it; entries that are not there are black."""
    known = {index: (int(r), int(g), int(b), int(a)) for index, (r, g, b, a) in colormap.items()}
    return tuple(known.get(index, (0, 0, 0, 255)) for index in range(max(known) + 1))


def opaque(palette: Palette) -> Palette:
    """Palette without transparency."""
    return tuple((r, g, b, 255) for r, g, b, _ in palette)


def table_of(palette: Palette, nodata: float | None = None) -> Table:
    """Table of what indices stand for.

    Parameters
    ----------
    palette : Palette
        Not empty.
    nodata : float, optional
        Index that means nothing; its transparency does not count, as the mask says that already.

    Returns
    -------
    ndarray of uint8, shape (entries, 1, 3 or 4)
        Grey if all entries are grey and opaque, red, green and blue if they are opaque, else with alpha.
    """
    table = np.array(palette, np.uint8)
    if nodata is not None and 0 <= nodata < len(table) and nodata == int(nodata):
        table[int(nodata), 3] = 255
    if (table[:, 3] < 255).any():
        return table
    grey = bool((table[:, :1] == table[:, 1:3]).all())
    return np.ascontiguousarray(table[:, : 1 if grey else 3])


def info_table(info: RasterInfo) -> Table | None:
    """Table of a raster's palette, as of :func:`table_of`; None if it has none."""
    return table_of(info.palette, info.nodata) if info.palette else None


def coloured_info(info: RasterInfo, table: Table | None = None) -> RasterInfo:
    """Description of a raster whose indices have become colours, its own or those of a table.

    One without either stays the same.
    """
    table = info_table(info) if table is None else table
    if table is None:
        return info
    count = min(table.shape[1], 3)
    # The nodata value is an index; only the mask can carry it now.
    return replace(
        info,
        palette=(),
        bands=count,
        dtype="uint8",
        band_names=(None,) * count,
        color_interpretation=default_colors(count),
        has_alpha=info.has_alpha or table.shape[1] == 4,
        nodata=None,
        band_nodata=(),
        mask_band=False,
        has_band_masks=False,
        scales=(),
        offsets=(),
        units=(),
        band_tags=(),
    )


def coloured(samples: Samples, table: Table | None) -> Samples:
    """Samples whose indices have become colours.

    Parameters
    ----------
    samples : Samples
        One band of indices; those beyond the table stand for its last entry.
    table : ndarray of uint8, shape (entries, 1, 3 or 4), or None
        None leaves the samples as they are.

    Returns
    -------
    Samples
        uint8, grey or red, green and blue, with alpha if the table has that and the samples have none.
    """
    if table is None:
        return samples
    index = np.minimum(samples.pixels[0].astype(np.intp), len(table) - 1)
    expanded = np.ascontiguousarray(np.moveaxis(table[index], 2, 0))
    alpha = samples.alpha
    if len(expanded) == 4 and alpha is None:
        alpha = expanded[3]
    return Samples(expanded[:3], samples.valid, alpha, samples.missing)
