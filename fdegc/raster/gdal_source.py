"""Reads GeoTIFF, COG, JPEG 2000, VRT (and 16-bit colour PNG) through rasterio, by windows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RioWindow

from fdegc.errors import UnsupportedRaster
from fdegc.memory import BLOCK_CACHE, block_cache, check_free
from fdegc.raster.pillow_source import WARNINGS_LOCK
from fdegc.raster.source import DTYPES, Mask, Pixels, RasterSource, finite_mask, nodata_fits, nodata_sample
from fdegc.types import RasterInfo, Samples, Window

#: rasterio lets GDAL's own exceptions out in places; their base has no public name.
GDAL_ERRORS = (RasterioError, OSError, ValueError, RuntimeError, CPLE_BaseError)
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_MAX_CHECKED_BLOCKS = 1 << 18


def cache_for(dataset: Any, rows: int) -> int:
    """Bytes of blocks for GDAL to keep, so that none is coded twice in work from top to bottom.

    Parameters
    ----------
    dataset : rasterio dataset
        An open one.
    rows : int
        Rows that are read or written at a time, in pieces from left to right.

    Returns
    -------
    int
        Enough for all blocks that such rows touch, within :data:`BLOCK_CACHE`, and for a single block.
    """
    height, width = (int(side) for side in dataset.block_shapes[0])
    pixel = 1 + sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    return max(block_cache(rows + 2 * height, int(dataset.width), pixel), height * width * pixel)


@dataclass(frozen=True, slots=True)
class _Bands:
    """How GDAL's bands (numbered from 1) become samples."""

    coded: tuple[int, ...]
    alpha: int | None
    #: uint8 (entries, 1, 3 or 4): what each palette index or bit stands for; None for plain bands
    table: npt.NDArray[np.uint8] | None


class GdalSource(RasterSource):
    """A raster that stays in its file.

    Parameters
    ----------
    path : Path
        An existing file.
    driver : str
        The only GDAL driver to try.

    Raises
    ------
    UnsupportedRaster
        If it cannot be read, or has samples of a type that cannot be coded.
    """

    def __init__(self, path: Path, driver: str) -> None:
        self._path = path
        self._dataset = _open(path, driver)
        try:
            with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE[0]):
                self._set_up(driver)
        except GDAL_ERRORS as error:
            self.close()
            raise self._damaged() from error
        except BaseException:
            self.close()
            raise

    def _set_up(self, driver: str) -> None:
        dataset = self._dataset
        dtype = _common_dtype(self._path, dataset)
        _require_small_blocks(self._path, dataset)
        nodata = dataset.nodatavals[0]
        self._nodata = tuple(n if nodata_fits(n, dtype) else None for n in dataset.nodatavals)
        self._bands = _plan_bands(dataset, nodata)
        flags = dataset.mask_flag_enums[self._bands.coded[0] - 1]
        self._has_mask_band = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
        self._striped = dataset.block_shapes[0][1] >= dataset.width
        self._check_finite = np.dtype(dtype).kind == "f"
        if driver == "GTiff":
            require_complete(dataset, self._path)
        has_nodata = any(self._nodata[i - 1] is not None for i in self._bands.coded)
        self.info = self._describe(driver, dtype, self._has_mask_band or has_nodata)
        if self._check_finite and not self.info.has_mask:
            self._check_finite = any(not finite_mask(self._raw(w)).all() for w in self.scan())
            self.info = self._describe(driver, dtype, self._check_finite)

    def _describe(self, driver: str, dtype: str, has_mask: bool) -> RasterInfo:
        dataset, bands = self._dataset, self._bands
        colors: tuple[str, ...] = tuple(dataset.colorinterp[i - 1].name for i in bands.coded)
        names: tuple[str | None, ...] = tuple(dataset.descriptions[i - 1] for i in bands.coded)
        nodata = self._nodata[bands.coded[0] - 1]
        count, has_alpha = len(bands.coded), bands.alpha is not None
        if bands.table is not None:
            # The nodata value was an index or a bit; after expansion only the mask can carry it.
            dtype, nodata = "uint8", None
            has_alpha = has_alpha or bands.table.shape[1] == 4
            count = min(bands.table.shape[1], 3)
            colors = ("red", "green", "blue") if count == 3 else ("gray",)
            names = (None,) * count
        return RasterInfo(
            path=str(self._path),
            format=driver,
            width=dataset.width,
            height=dataset.height,
            bands=count,
            dtype=dtype,
            band_names=names,
            color_interpretation=colors,
            crs_wkt=_wkt(dataset),
            transform=_transform(dataset),
            nodata=nodata,
            has_alpha=has_alpha,
            has_mask=has_mask,
            tags=dict(dataset.tags()),
        )

    def scan(self) -> Iterator[Window]:
        """Windows that cover the raster once; full rows where the file is stored in rows."""
        yield from self._grid(self._striped or self._dataset.width <= 2048)

    def _raw(self, window: Window) -> Pixels:
        pixels: Pixels = self._dataset.read(list(self._bands.coded), window=_rio(window))
        return pixels

    def _read(self, window: Window) -> Samples:
        return self._load(window=_rio(window))

    def _read_decimated(self, width: int, height: int) -> Samples:
        return self._load(shape=(height, width))

    def _load(self, window: Any = None, shape: tuple[int, int] | None = None) -> Samples:
        bands = self._bands
        indexes = list(bands.coded) + ([] if bands.alpha is None else [bands.alpha])
        # Indices of a palette cannot be averaged; for masks, any blend would be a guess.
        smooth = Resampling.average if bands.table is None else Resampling.nearest
        out: dict[str, Any] = {} if shape is None else {"out_shape": (len(indexes), *shape)}
        cache = cache_for(self._dataset, 0 if window is None else window.height)
        try:
            with rasterio.Env(GDAL_CACHEMAX=cache):
                planes = self._dataset.read(indexes, window=window, resampling=smooth, **out)
                mask = None
                if self._has_mask_band:
                    size = {} if shape is None else {"out_shape": shape}
                    mask = self._dataset.read_masks(bands.coded[0], window=window, **size) > 0
        except (*GDAL_ERRORS, MemoryError) as error:
            raise self._damaged() from error
        count = len(bands.coded)
        alpha = planes[count] if bands.alpha is not None else None
        return self._finish(planes[:count], mask, alpha)

    def _finish(self, pixels: Pixels, mask: Mask | None, alpha: Pixels | None) -> Samples:
        """Derive validity and expand palettes."""
        valid = mask
        if self.info.has_mask and valid is None:
            valid = self._differs_from_nodata(pixels)
        if valid is not None and self._check_finite:
            valid = valid & finite_mask(pixels)
        table = self._bands.table
        if table is not None:
            index = np.minimum(pixels[0].astype(np.intp), len(table) - 1)
            expanded = np.ascontiguousarray(np.moveaxis(table[index], 2, 0))
            pixels = expanded[:3]
            if len(expanded) == 4 and alpha is None:
                alpha = expanded[3]
        return Samples(pixels, valid, alpha)

    def _differs_from_nodata(self, pixels: Pixels) -> Mask:
        """Where at least one band is not nodata: GDAL's rule, so that dark colours stay valid."""
        valid = np.zeros(pixels.shape[1:], dtype=np.bool_)
        for band, index in zip(pixels, self._bands.coded, strict=True):
            nodata = self._nodata[index - 1]
            if nodata is None:
                valid[...] = True
                break
            valid |= band != nodata_sample(nodata, pixels.dtype.name)
        return valid

    def _damaged(self) -> UnsupportedRaster:
        return UnsupportedRaster(
            f"“{self._path}” is damaged, incomplete or refers to files that are missing; "
            "copy or download it again."
        )

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()


def _open(path: Path, driver: str) -> Any:
    try:
        with WARNINGS_LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.Env():
                # An absolute path cannot be taken for one of rasterio's URLs.
                return rasterio.open(os.path.abspath(path), driver=driver)
    except GDAL_ERRORS as error:
        raise UnsupportedRaster(
            f"“{path}” is damaged or incomplete and cannot be read as {driver}; copy or download it again."
        ) from error


def _rio(window: Window) -> Any:
    return RioWindow(window.x, window.y, window.width, window.height)


def _common_dtype(path: Path, dataset: Any) -> str:
    if dataset.count < 1:
        raise UnsupportedRaster(f"“{path}” has no bands of its own; open one of its parts instead.")
    types = sorted(set(dataset.dtypes))
    if len(types) > 1:
        raise UnsupportedRaster(
            f"“{path}” mixes sample types ({', '.join(types)}); convert its bands to one type first."
        )
    dtype = str(types[0])
    if dtype not in DTYPES:
        raise UnsupportedRaster(
            f"“{path}” has samples of the type {dtype}, which cannot be coded; convert it to an integer "
            "type of up to 32 bits or to float32 or float64 first."
        )
    return dtype


def _require_small_blocks(path: Path, dataset: Any) -> None:
    """Check that one block, the least that can be read of a compressed file, fits into memory."""
    height, width = dataset.block_shapes[0]
    block = height * width * sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    # GDAL unpacks it, then sorts it by bands.
    check_free(
        2 * block,
        f"Reading “{path}”, which is not stored in parts,",
        "convert it to a tiled GeoTIFF on a machine that has more",
    )


def _plan_bands(dataset: Any, nodata: float | None) -> _Bands:
    colors = dataset.colorinterp
    alpha = next((i for i, c in enumerate(colors, 1) if c == ColorInterp.alpha), None)
    if dataset.count == 1:
        alpha = None
    coded = tuple(i for i in range(1, dataset.count + 1) if i != alpha)
    table = None
    if len(coded) == 1 and np.dtype(dataset.dtypes[0]).kind == "u":
        if colors[coded[0] - 1] == ColorInterp.palette:
            table = _palette(dataset.colormap(coded[0]), nodata)
        elif dataset.tags(coded[0], ns="IMAGE_STRUCTURE").get("NBITS") == "1":
            table = np.array([[0], [255]], dtype=np.uint8)
    return _Bands(coded, alpha, table)


def _palette(colormap: dict[int, tuple[int, int, int, int]], nodata: float | None) -> npt.NDArray[np.uint8]:
    table = np.zeros((max(colormap) + 1, 4), dtype=np.uint8)
    table[:, 3] = 255
    for index, color in colormap.items():
        table[index] = color
        if index == nodata:
            table[index, 3] = 255  # GDAL makes it transparent, but the mask says that already
    return table if (table[:, 3] < 255).any() else table[:, :3]


def _wkt(dataset: Any) -> str | None:
    if not dataset.crs:
        return None
    try:
        return str(dataset.crs.to_wkt(version="WKT2_2019"))
    except CRSError:
        return str(dataset.crs.to_wkt())  # an engineering CRS that WKT2 cannot say


def _transform(dataset: Any) -> tuple[float, float, float, float, float, float] | None:
    a, b, c, d, e, f = (float(v) for v in tuple(dataset.transform)[:6])
    if (a, b, c, d, e, f) == _IDENTITY and not dataset.crs:
        return None
    return a, b, c, d, e, f


def require_complete(dataset: Any, path: Path) -> None:
    """Check that every block of a TIFF lies within the file, without reading any.

    Parameters
    ----------
    dataset : rasterio dataset
        Open GeoTIFF.
    path : Path
        Its file.

    Raises
    ------
    UnsupportedRaster
        If a block lies beyond the end: the file was cut off.
    """
    size = path.stat().st_size
    height, width = dataset.block_shapes[0]
    columns, rows = -(-dataset.width // width), -(-dataset.height // height)
    planar = str(dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE", "")) == "BAND"
    bands = range(1, dataset.count + 1 if planar else 2)
    if columns * rows * len(bands) > _MAX_CHECKED_BLOCKS:
        return  # reading will tell
    for band in bands:
        for y in range(rows):
            for x in range(columns):
                offset = dataset.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=band)
                length = dataset.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=band)
                if offset and int(offset) + int(length or 0) > size:
                    raise UnsupportedRaster(
                        f"“{path}” is incomplete: it ends before its last pixels; copy or download it again."
                    )
