"""Source of GeoTIFF, COG, JPEG 2000, VRT (and 16-bit colour PNG), read through rasterio, by windows."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RioWindow

from fdegc.errors import UnsupportedRaster
from fdegc.memory import BLOCK_CACHE, block_cache, check_free
from fdegc.raster.facts import alpha_facts, alpha_index, band_facts, is_min_is_white, scene_facts
from fdegc.raster.pillow_source import WARNINGS_LOCK
from fdegc.raster.several import dataset_parts, directory_of_part, driver_of_part, file_of_part, several
from fdegc.raster.source import Mask, Pixels, RasterSource, default_colors, nodata_fits, sample_validity
from fdegc.raster.tiff_tags import BITS, COMPRESSION, JPEG, RARE_CODECS, first_directory
from fdegc.raster_info import DTYPES, MAX_BANDS, RasterInfo, Window
from fdegc.types import Samples

#: rasterio lets GDAL's own exceptions out in places; their base has no public name.
GDAL_ERRORS = (RasterioError, OSError, ValueError, RuntimeError, CPLE_BaseError)
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
    """Raster that stays in its file.

    Parameters
    ----------
    path : Path
        An existing file, or what GDAL calls a part of one ("netcdf:a.nc:snow").
    driver : str
        The only GDAL driver to try.
    dataset : rasterio dataset, optional
        The file, if it is open already; it is closed in any case.
    look_for_gaps : bool
    alpha : str
        As :func:`fdegc.raster.open_raster` takes them.

    Raises
    ------
    UnsupportedRaster
        If it cannot be read, or has samples of a type that cannot be coded.
    """

    def __init__(
        self,
        path: Path,
        driver: str,
        dataset: Any = None,
        look_for_gaps: bool = True,
        alpha: str = "as-alpha",
    ) -> None:
        self._path, self._alpha = path, alpha
        self._dataset = _open(path, driver) if dataset is None else dataset
        try:
            with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE[0]):
                self._set_up(look_for_gaps)
        except GDAL_ERRORS as error:
            self.close()
            raise self._damaged() from error
        except BaseException:
            self.close()
            raise

    def _set_up(self, look_for_gaps: bool) -> None:
        dataset = self._dataset
        if driver_of_part(str(self._path)) is None or self._path.exists():
            parts = dataset_parts(dataset, self._path)
            if parts:
                raise several(self._path, parts)
        dtype = _common_dtype(self._path, dataset)
        _require_small_blocks(self._path, dataset)
        self._bands = bands = _plan_bands(dataset, dataset.nodatavals[0], self._alpha)
        nodata = [dataset.nodatavals[i - 1] for i in bands.coded]
        self._nodata = tuple(n if nodata_fits(n, dtype) else None for n in nodata)
        flags = dataset.mask_flag_enums[bands.coded[0] - 1]
        # Neither of the dataset, nor nodata, nor alpha, nor all valid: bands have masks of their own.
        self._own_masks = not flags
        self._has_mask = self._own_masks or (MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags)
        self._striped = dataset.block_shapes[0][1] >= dataset.width
        if dataset.driver == "GTiff":
            require_complete(dataset, Path(file_of_part(str(self._path)) or self._path))
        many = len(bands.coded) > 1
        marked = self._has_mask or any(n is not None for n in self._nodata)
        partly = many and (self._own_masks or (marked and not self._has_mask))
        if np.dtype(dtype).kind == "f":
            if marked:
                partly = many
            else:
                self.info = self._describe(dtype, marked, partly)
                marked, partly = self._look_for_gaps() if look_for_gaps else (True, many)
        self.info = self._describe(dtype, marked, partly)

    def _look_for_gaps(self) -> tuple[bool, bool]:
        """Whether any sample is not finite, and whether one is in a pixel that has others; reads all."""
        found = False
        for window in self.scan():
            finite = np.isfinite(self._raw(window))
            if not finite.all():
                found = True
                if bool((finite.any(axis=0) != finite.all(axis=0)).any()):
                    return True, True
        return found, False

    def _describe(self, dtype: str, has_mask: bool, has_band_masks: bool) -> RasterInfo:
        dataset, bands = self._dataset, self._bands
        info = RasterInfo(
            path=str(self._path),
            format=dataset.driver,
            width=dataset.width,
            height=dataset.height,
            bands=len(bands.coded),
            dtype=dtype,
            has_alpha=bands.alpha is not None,
            has_mask=has_mask,
            has_band_masks=has_band_masks,
            alpha_band=None if bands.alpha is None else alpha_facts(dataset, bands.alpha),
            **scene_facts(dataset),
        )
        if bands.alpha is None and info.premultiplied:
            info = replace(info, domains={n: i for n, i in info.domains.items() if n != "IMAGE_STRUCTURE"})
        if bands.table is None:
            facts = band_facts(dataset, bands.coded)
            if self._alpha == "as-data":
                colors = ("undefined" if c == "alpha" else c for c in facts["color_interpretation"])
                facts["color_interpretation"] = tuple(colors)
            first = self._nodata[0]
            same = all(_equal(n, first) for n in self._nodata)
            return replace(
                info,
                nodata=next((n for n in self._nodata if n is not None), None),
                band_nodata=() if same else self._nodata,
                mask_band=self._has_mask and any(n is not None for n in self._nodata),
                **facts,
            )
        # The nodata value was an index or a bit; after expansion only the mask can carry it.
        count = min(bands.table.shape[1], 3)
        return replace(
            info,
            bands=count,
            dtype="uint8",
            band_names=(None,) * count,
            color_interpretation=default_colors(count),
            has_alpha=info.has_alpha or bands.table.shape[1] == 4,
        )

    def add_exif(self, exif: bytes | None) -> None:
        """Addition of EXIF data, which GDAL does not hand over as they are."""
        self.info = replace(self.info, exif=exif)

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

    def _read_part(self, window: Window, width: int, height: int) -> Samples:
        return self._load(_rio(window), (height, width))

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of a block of the file."""
        height, width = self._dataset.block_shapes[0]
        return min(int(height), self.info.height), min(int(width), self.info.width)

    @property
    def has_overviews(self) -> bool:
        """Whether the file, or one beside it, holds smaller copies."""
        return bool(self._dataset.overviews(self._bands.coded[0]))

    def _load(self, window: Any = None, shape: tuple[int, int] | None = None) -> Samples:
        bands = self._bands
        indexes = list(bands.coded) + ([] if bands.alpha is None else [bands.alpha])
        # Indices of a palette cannot be averaged; for masks, any blend would be a guess.
        smooth = Resampling.average if bands.table is None else Resampling.nearest
        out: dict[str, Any] = {} if shape is None else {"out_shape": (len(indexes), *shape)}
        cache = cache_for(self._dataset, 0 if window is None else window.height)
        masked = list(bands.coded) if self._own_masks else bands.coded[0]
        try:
            with rasterio.Env(GDAL_CACHEMAX=cache):
                planes = self._dataset.read(indexes, window=window, resampling=smooth, **out)
                mask = None
                if self._has_mask:
                    size: dict[str, Any] = {}
                    if shape is not None:
                        size["out_shape"] = (len(bands.coded), *shape) if self._own_masks else shape
                    mask = self._dataset.read_masks(masked, window=window, **size) > 0
        except (*GDAL_ERRORS, MemoryError) as error:
            raise self._damaged() from error
        count = len(bands.coded)
        alpha = planes[count] if bands.alpha is not None else None
        return self._finish(planes[:count], mask, alpha)

    def _finish(self, pixels: Pixels, mask: Mask | None, alpha: Pixels | None) -> Samples:
        """Derive validity and expand palettes."""
        valid, missing = None, None
        if self.info.has_mask:
            valid, missing = sample_validity(pixels, self._nodata, mask)
        table = self._bands.table
        if table is not None:
            index = np.minimum(pixels[0].astype(np.intp), len(table) - 1)
            expanded = np.ascontiguousarray(np.moveaxis(table[index], 2, 0))
            pixels = expanded[:3]
            if len(expanded) == 4 and alpha is None:
                alpha = expanded[3]
        return Samples(pixels, valid, alpha, missing)

    def _damaged(self) -> UnsupportedRaster:
        return _missing_codec(self._path) or UnsupportedRaster(
            f"“{self._path}” is damaged, incomplete or refers to files that are missing; "
            "copy or download it again."
        )

    def close(self) -> None:
        """Closing of the file."""
        self._dataset.close()


def open_dataset(name: str, driver: str) -> Any:
    """Rasterio dataset of an absolute path, or of GDAL's name of a part of a file, opened with one driver.

    Raises
    ------
    Anything in :data:`GDAL_ERRORS`
        If the driver cannot open it.
    """
    with WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.Env():
            return rasterio.open(name, driver=driver)


def _open(path: Path, driver: str) -> Any:
    try:
        # An absolute path cannot be taken for one of rasterio's URLs.
        return open_dataset(os.path.abspath(path), driver)
    except GDAL_ERRORS as error:
        raise _missing_codec(path) or UnsupportedRaster(
            f"“{path}” is damaged or incomplete and cannot be read as {driver}; copy or download it again."
        ) from error


def _missing_codec(path: Path) -> UnsupportedRaster | None:
    """Error for a TIFF that is compressed in a way that GDAL was built without; None for others."""
    file = Path(file_of_part(str(path)) or path)
    directory = directory_of_part(str(path)) or first_directory(file)
    if directory is None:
        return None
    number = directory.number(COMPRESSION, 1)
    name = RARE_CODECS.get(number)
    if number == JPEG and directory.number(BITS, 1) > 8:
        name = "JPEG of more than 8 bits"
    if name is None:
        return None
    command = f"gdal_translate -co COMPRESS=DEFLATE {shlex.quote(str(file))} other.tif"
    return UnsupportedRaster(
        f"“{path}” is compressed with {name}, for which no codec is built in here; convert it first, for "
        f"example with a GDAL that has it: {command}"
    )


def _rio(window: Window) -> Any:
    return RioWindow(window.x, window.y, window.width, window.height)


def _common_dtype(path: Path, dataset: Any) -> str:
    if dataset.count < 1:
        raise UnsupportedRaster(
            f"“{path}” has no bands; it may hold tables or vectors only. Choose a file with a raster in it."
        )
    if dataset.count > MAX_BANDS + 1:  # before each of them is asked for what it is
        raise UnsupportedRaster(
            f"“{path}” has {dataset.count} bands; up to {MAX_BANDS} can be compressed. Split it first."
        )
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


def _plan_bands(dataset: Any, nodata: float | None, kept: str) -> _Bands:
    colors = dataset.colorinterp
    alpha = alpha_index(dataset)
    coded = tuple(i for i in range(1, dataset.count + 1) if i != alpha or kept == "as-data")
    if kept != "as-alpha":
        alpha = None
    table = None
    if len(coded) == 1 and np.dtype(dataset.dtypes[0]).kind == "u":
        if colors[coded[0] - 1] == ColorInterp.palette and not is_min_is_white(dataset):
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
    if (table[:, 3] < 255).any():
        return table
    grey = bool((table[:, :1] == table[:, 1:3]).all())
    return table[:, : 1 if grey else 3]


def _equal(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and np.isnan(a) and np.isnan(b))


def require_complete(dataset: Any, path: Path) -> None:
    """Completeness check of a TIFF: every block lies within the file; none is read.

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
    if not path.is_file():
        return  # in an archive, on a server: reading will tell
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
