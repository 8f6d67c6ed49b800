"""What every raster source can do, and the one that holds its pixels in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import TypeVar

import numpy as np
from PIL import Image

from fdegc.errors import InvalidOption
from fdegc.raster.validity import Mask, Pixels, nodata_fits, sample_validity
from fdegc.raster_info import DTYPES, RasterInfo, Window, default_colors
from fdegc.types import Samples

_Source = TypeVar("_Source", bound="RasterSource")

_SCAN_BYTES = 1 << 26
_SCAN_SIDES = (2048, 1024, 512)


class RasterSource(ABC):
    """Raster whose pixels can be read by windows; used by one thread at a time.

    Attributes
    ----------
    info : RasterInfo
        What the raster is.
    part : str
        Says which part of its file it is, where it is not all of it.
    has_palette : bool
        Whether it can be opened as indices of a palette, and perhaps has been.
    pictures : int
        How many its file shows one after the other (an animation), of which this is the first because nobody
        has chosen.
    colour_space : str
        What the file's colours are in, where that is something else than what is read; else empty.
    alpha_is_data : bool
        Whether a band is called alpha in the file and was taken for data by its values.
    """

    info: RasterInfo
    part: str = ""
    has_palette: bool = False
    pictures: int = 1
    colour_space: str = ""
    alpha_is_data: bool = False

    @abstractmethod
    def _read(self, window: Window) -> Samples:
        """Read a window that lies inside the raster."""

    @abstractmethod
    def _read_decimated(self, width: int, height: int) -> Samples:
        """Read the whole raster at a smaller size."""

    @abstractmethod
    def close(self) -> None:
        """Release of the file; safe to call twice."""

    def read(self, window: Window) -> Samples:
        """Samples of one window.

        Parameters
        ----------
        window : Window
            Pixels; must lie inside the raster.

        Returns
        -------
        Samples
            ``pixels`` (bands, height, width) in ``info.dtype``; ``valid`` is None exactly if
            ``info.has_mask`` is False, ``alpha`` exactly if ``info.has_alpha`` is False; ``missing``
            is None if ``info.has_band_masks`` is False, or nothing is missing.

        Raises
        ------
        InvalidOption
            If the window is not inside the raster.
        UnsupportedRaster
            If the file turns out to be damaged.
        """
        window.check_inside(self.info.width, self.info.height)
        return self._read(window)

    def read_overview(self, max_side: int) -> Samples:
        """Samples of the whole raster, made smaller to fit ``max_side`` × ``max_side`` pixels (never larger).

        Raises
        ------
        InvalidOption
            If ``max_side`` is less than 1.
        UnsupportedRaster
            If the file turns out to be damaged.
        """
        if max_side < 1:
            raise InvalidOption(f"The side of an overview must be at least 1 pixel, not {max_side}.")
        info = self.info
        longest = max(info.width, info.height)
        if longest <= max_side:
            return self._read(Window(0, 0, info.width, info.height))
        width = max(1, info.width * max_side // longest)
        height = max(1, info.height * max_side // longest)
        return self._read_decimated(width, height)

    def read_reduced(self, window: Window, width: int, height: int) -> Samples:
        """Samples of one window, made smaller.

        Parameters
        ----------
        window : Window
            Pixels; must lie inside the raster.
        width, height : int
            Pixels of the result: at least 1, at most those of the window.

        Returns
        -------
        Samples
            As :meth:`read` gives them, each the mean of (or one of) the pixels it stands for.

        Raises
        ------
        InvalidOption
            If the window is not inside the raster, or the size not inside that of the window.
        UnsupportedRaster
            If the file turns out to be damaged.
        """
        window.check_inside(self.info.width, self.info.height)
        if not (1 <= width <= window.width and 1 <= height <= window.height):
            raise InvalidOption(
                f"{width}×{height} is no reduced size of a window of {window.width}×{window.height}."
            )
        if (width, height) == (window.width, window.height):
            return self._read(window)
        if window == Window(0, 0, self.info.width, self.info.height):
            return self._read_decimated(width, height)
        return self._read_part(window, width, height)

    def _read_part(self, window: Window, width: int, height: int) -> Samples:
        """Read a window at a smaller size; a source that need not read all of it does better."""
        samples = self._read(window)
        if samples.valid is None and samples.alpha is None and not self.info.palette:
            return ArraySource(samples.pixels)._read_decimated(width, height)
        rows = (np.arange(height) * 2 + 1) * window.height // (2 * height)
        cols = (np.arange(width) * 2 + 1) * window.width // (2 * width)
        return samples.picked(rows, cols)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of a block, the least that a read decodes; (1, 1) in memory."""
        return 1, 1

    @property
    def has_overviews(self) -> bool:
        """Whether reduced reads are cheap: smaller copies are stored, or everything is in memory."""
        return True

    def scan(self) -> Iterator[Window]:
        """Windows that cover the raster once, each small enough for memory, in a cheap order."""
        yield from self._grid(self.info.width <= 4 * _SCAN_SIDES[0])

    def _grid(self, full_width: bool) -> Iterator[Window]:
        info = self.info
        pixel = (info.bands + int(info.has_alpha)) * np.dtype(info.dtype).itemsize
        if full_width:
            width, height = info.width, max(1, _SCAN_BYTES // (info.width * pixel))
        else:
            # Powers of two, as the sides of a file's own tiles are.
            fitting = [side for side in _SCAN_SIDES if side * side * pixel <= _SCAN_BYTES]
            width = height = max(fitting, default=_SCAN_SIDES[-1])
        for y in range(0, info.height, height):
            for x in range(0, info.width, width):
                yield Window(x, y, min(width, info.width - x), min(height, info.height - y))

    def __enter__(self: _Source) -> _Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ArraySource(RasterSource):
    """Raster in memory.

    Parameters
    ----------
    pixels : ndarray, shape (bands, height, width)
        One of the types in :data:`DTYPES`; not copied.
    valid : ndarray of bool, shape (height, width), optional
        False where a pixel means nothing.  Without it, validity follows from nodata in ``info``.
        Samples that are not finite are missing in any case.
    alpha : ndarray, shape (height, width), optional
        Of the type of ``pixels``.
    info : RasterInfo, optional
        Names, CRS and the like.  Size, type, ``has_alpha``, ``has_mask`` and ``has_band_masks`` always
        follow the arrays.

    Raises
    ------
    ValueError
        If shapes or types do not fit together.
    """

    def __init__(
        self,
        pixels: Pixels,
        valid: Mask | None = None,
        alpha: Pixels | None = None,
        *,
        info: RasterInfo | None = None,
    ) -> None:
        if pixels.ndim != 3 or 0 in pixels.shape or pixels.dtype.name not in DTYPES:
            raise ValueError(f"pixels must be (bands, height, width) of {DTYPES}")
        bands, height, width = pixels.shape
        for plane in (valid, alpha):
            if plane is not None and plane.shape != (height, width):
                raise ValueError(f"valid and alpha must be {(height, width)}, not {plane.shape}")
        if alpha is not None and alpha.dtype != pixels.dtype:
            raise ValueError("alpha must be of the type of pixels")
        if info is None:
            info = RasterInfo("", "MEM", width, height, bands, pixels.dtype.name)
            info = replace(info, color_interpretation=default_colors(bands))
        known: Mask | None = None
        missing: Mask | None = None
        nodata = info.band_nodata if len(info.band_nodata) == bands else (info.nodata,) * bands
        marked = valid is not None or any(nodata_fits(value, pixels.dtype.name) for value in nodata)
        if marked or pixels.dtype.kind == "f":
            given = None if valid is None else valid.astype(np.bool_)
            known, missing = sample_validity(pixels, nodata, given)
            if not marked and missing is None and known.all():
                known = None
        self._samples = Samples(pixels, known, alpha, missing)
        self.info = replace(
            info,
            width=width,
            height=height,
            bands=bands,
            dtype=pixels.dtype.name,
            band_names=info.band_names if len(info.band_names) == bands else (None,) * bands,
            has_alpha=alpha is not None,
            has_mask=known is not None,
            has_band_masks=missing is not None,
        )

    def _read(self, window: Window) -> Samples:
        return self._samples.part(window).copy()

    def _read_decimated(self, width: int, height: int) -> Samples:
        rows = (np.arange(height) * 2 + 1) * self.info.height // (2 * height)
        cols = (np.arange(width) * 2 + 1) * self.info.width // (2 * width)
        if self._samples.valid is None and self._samples.alpha is None and not self.info.palette:
            return Samples(np.stack([_shrink(band, width, height) for band in self._samples.pixels]))
        # Averaging would bleed meaningless values into their neighbours, and indices have no mean.
        return self._samples.picked(rows, cols)

    def close(self) -> None:
        """Closing that does nothing: arrays need none."""


def _shrink(band: Pixels, width: int, height: int) -> Pixels:
    if band.dtype == np.uint8:
        return np.asarray(Image.fromarray(band).resize((width, height), Image.Resampling.BOX))
    with np.errstate(over="ignore"):
        image = Image.fromarray(band.astype(np.float32))
    small = np.asarray(image.resize((width, height), Image.Resampling.BOX)).astype(np.float64)
    if band.dtype.kind != "f":
        limits = np.iinfo(band.dtype.name)
        small = np.clip(np.rint(small), limits.min, limits.max)
    return small.astype(band.dtype)
