"""Pixel values and map position under the pointer, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fdegc.raster_info import RasterInfo, Window
from fdegc.types import Samples
from fdegc_gui.models.display import short_band_name

Number = int | float
_NODATA = "nodata"


@dataclass(frozen=True)
class PixelValues:
    """Samples of one pixel.

    Attributes
    ----------
    bands : tuple of int, float or None
        In source units, exact; None where there is no number.
    alpha : int, float or None
    valid : bool
        Whether they mean anything.
    """

    bands: tuple[Number | None, ...]
    alpha: Number | None
    valid: bool

    @classmethod
    def of(cls, samples: Samples) -> PixelValues:
        """Pixel values from the samples of a window of one pixel."""
        numbers = [band.item() for band in samples.pixels[:, 0, 0]]
        gaps = [False] * len(numbers) if samples.missing is None else samples.missing[:, 0, 0]
        bands = tuple(
            None if gap or not math.isfinite(band) else band for band, gap in zip(numbers, gaps, strict=True)
        )
        alpha = None if samples.alpha is None else samples.alpha[0, 0].item()
        valid = samples.valid is None or bool(samples.valid[0, 0])
        return cls(bands, alpha, valid and any(band is not None for band in bands))


@dataclass(frozen=True)
class Reading:
    """Reading of a pixel: values, longitude and latitude.

    Attributes
    ----------
    pixel : (int, int)
        Column and row.
    keys : (int, int)
        Of the pictures A and B that were looked at.
    a, b : PixelValues or None
        None where there is no such picture, or it has not come to that pixel.
    lonlat : (float, float) or None
        Longitude and latitude of the pixel's middle in degrees.
    """

    pixel: tuple[int, int]
    keys: tuple[int, int]
    a: PixelValues | None = None
    b: PixelValues | None = None
    lonlat: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Cells:
    """Texts to write into pixels.

    Attributes
    ----------
    window : Window
    texts : sequence of sequences of tuples of str
        Of every row, of every pixel, its lines; none for nothing.
    """

    window: Window
    texts: Sequence[Sequence[tuple[str, ...]]]


@dataclass(frozen=True, eq=False)
class Block:
    """Block of pixels that are seen one by one, in words.

    Attributes
    ----------
    window : Window
    keys : (int, int)
        Of the pictures A and B.
    a, b : Cells or None
        None where there is no such picture, or it is not finished.
    apart : Cells or None
        By how much B differs from A.
    """

    window: Window
    keys: tuple[int, int]
    a: Cells | None
    b: Cells | None
    apart: Cells | None


def cell_texts(
    samples: Samples, bands: tuple[int, ...], minus: Samples | None = None
) -> list[list[tuple[str, ...]]]:
    """Values of a block's pixels as they are written into them, row by row.

    Parameters
    ----------
    samples : Samples
    bands : tuple of int
        Indices from 0: those to write.
    minus : Samples, optional
        What to subtract: then they are differences, with their signs.

    Returns
    -------
    list of lists of tuples of str
        Of every row, of every pixel, one text a band; none where nothing is valid.
    """
    chosen = samples.pixels[list(bands)]
    good = np.ones(chosen.shape[1:], np.bool_)
    for one in (samples, minus):
        if one is not None and one.valid is not None:
            good &= one.valid
        if one is not None and one.missing is not None:
            good &= ~one.missing[list(bands)].any(axis=0)
    if minus is not None:
        chosen = chosen.astype(np.float64) - minus.pixels[list(bands)].astype(np.float64)
    whole = samples.pixels.dtype.kind in "iu"
    if not whole:
        good &= np.isfinite(chosen).all(axis=0)
    form = "{:+.0f}" if whole and minus is not None else "{:+.3g}" if minus is not None else "{:.4g}"
    columns = np.moveaxis(chosen, 0, -1).tolist()
    plain = whole and minus is None
    return [
        [
            (tuple(_cell(v, plain, form) for v in pixel) if fine else ())
            for pixel, fine in zip(row, fine_row, strict=True)
        ]
        for row, fine_row in zip(columns, good.tolist(), strict=True)
    ]


def _cell(value: Number, plain: bool, form: str) -> str:
    if plain:
        return str(value)
    text = form.format(value)
    return "0" if value == 0 else text.replace("-", "−")


def number(value: Number, dtype: str) -> str:
    """Sample as people read it: whole numbers whole, others with the digits that they have."""
    if isinstance(value, int):
        return str(value).replace("-", "−")
    digits = 7 if dtype == "float32" else 10
    return f"{value:.{digits}g}".replace("-", "−")


def difference(one: Number, other: Number, dtype: str) -> str:
    """Difference of a reconstructed sample from the original, with its sign; ``±0`` if there is none."""
    if one == other:
        return "±0"
    by = one - other if isinstance(one, int) else float(np.float64(one) - np.float64(other))
    text = number(by, dtype) if isinstance(by, int) else f"{by:.3g}".replace("-", "−")
    return text if by < 0 else f"+{text}"


def readout(
    info: RasterInfo, values: PixelValues | None, original: PixelValues | None = None
) -> tuple[tuple[str, str], ...]:
    """Names and values of a pixel's bands as a pane shows them.

    Parameters
    ----------
    info : RasterInfo
    values : PixelValues or None
        None while they are looked up.
    original : PixelValues, optional
        To say by how much they differ from it.
    """
    if values is not None and not values.valid:
        return (("", _NODATA),)
    rows = []
    for i in range(info.bands):
        value = values.bands[i] if values is not None else None
        before = original.bands[i] if original is not None and original.valid else None
        text = "…" if values is None else _NODATA if value is None else number(value, info.dtype)
        if value is not None and before is not None:
            text += f"  ({difference(value, before, info.dtype)})"
        rows.append((short_band_name(info, i), text))
    if info.has_alpha:
        alpha = values.alpha if values is not None else None
        rows.append(("Alpha", number(alpha, info.dtype) if alpha is not None else "…"))
    return tuple(rows)


def reading_text(info: RasterInfo, reading: Reading) -> str:
    """Reading as text with tabs, for the clipboard: place, and the values of every band."""
    x, y = reading.pixel
    lines = [f"col\t{x}", f"row\t{y}"]
    if place := map_words(info, x + 0.5, y + 0.5):
        lines.append("map\t" + place.replace("  ", "\t"))
    if reading.lonlat is not None:
        lines.append("place\t" + degrees(reading.lonlat).replace("  ", "\t"))
    pictures = [(name, values) for name, values in (("A", reading.a), ("B", reading.b)) if values is not None]
    lines.append("\t".join(["band", *(name for name, _ in pictures)]))
    rows = [readout(info, values) for _, values in pictures]
    for i in range(info.bands):
        cells = [row[i][1] if len(row) > i and row[i][0] else _NODATA for row in rows]
        lines.append("\t".join([short_band_name(info, i), *cells]))
    return "\n".join(lines)


def degrees(lonlat: tuple[float, float]) -> str:
    """Longitude and latitude in words, about a tenth of a metre fine."""
    lon, lat = lonlat
    return f"{abs(lat):.6f}° {'N' if lat >= 0 else 'S'}  {abs(lon):.6f}° {'E' if lon >= 0 else 'W'}"


def map_position(info: RasterInfo, x: float, y: float) -> tuple[float, float] | None:
    """Map coordinates of a scene position; None without a transform that says anything."""
    if info.transform is None or info.transform == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0):
        return None
    a, b, c, d, e, f = info.transform
    return a * x + b * y + c, d * x + e * y + f


def map_words(info: RasterInfo, x: float, y: float) -> str:
    """Map coordinates of a scene position in words, to a tenth of a pixel; empty if there are none."""
    place = map_position(info, x, y)
    if place is None or info.transform is None:
        return ""
    a, b, _, d, e, _ = info.transform
    pixel = min(math.hypot(a, d), math.hypot(b, e))
    digits = min(max(0, 1 - math.floor(math.log10(pixel))), 9) if pixel > 0 else 6
    return "  ".join(f"{value:.{digits}f}".replace("-", "−") for value in place)
