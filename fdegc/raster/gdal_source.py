"""Source of GeoTIFF, COG, JPEG 2000, VRT (and 16-bit colour PNG), read through rasterio, by windows."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.windows import Window as RioWindow

from fdegc.errors import UnsupportedRaster
from fdegc.memory import BLOCK_CACHE, cache_for, check_free
from fdegc.raster.facts import CONVERTED, alpha_facts, alpha_index, band_facts, is_min_is_white, scene_facts
from fdegc.raster.gdal import GDAL_ERRORS, open_dataset, require_complete
from fdegc.raster.palettes import ENTRIES, coloured, coloured_info, palette_of, table_of
from fdegc.raster.several import dataset_parts, directory_of_part, driver_of_part, file_of_part, several
from fdegc.raster.source import RasterSource
from fdegc.raster.tiff_tags import BITS, COMPRESSION, JPEG, RARE_CODECS, first_directory
from fdegc.raster.validity import Mask, Pixels, nodata_fits, sample_validity
from fdegc.raster_info import DTYPES, MAX_BANDS, Palette, RasterInfo, Window
from fdegc.types import Samples


@dataclass(frozen=True, slots=True)
class _Bands:
    """How GDAL's bands (numbered from 1) become samples."""

    coded: tuple[int, ...]
    alpha: int | None
    #: of the coded band, if it can be kept; else empty
    palette: Palette
    #: uint8 (entries, 1, 3 or 4): what each index or bit is to become; None for bands that stay as they are
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
    alpha, palette : str
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
        palette: str = "colours",
    ) -> None:
        self._path, self._alpha, self._palette = path, alpha, palette
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
        self._bands = bands = _plan_bands(dataset, dataset.nodatavals[0], self._alpha, self._palette)
        self.has_palette = bool(bands.palette)
        if dataset.colorinterp[0] == ColorInterp.red:
            space = dataset.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE", "")
            self.colour_space = CONVERTED.get(space, "")
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
            if bands.palette:
                info = replace(info, palette=bands.palette)
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
        return coloured_info(info, bands.table)

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
        plain = bands.table is None and not bands.palette
        smooth = Resampling.average if plain else Resampling.nearest
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
        return coloured(Samples(pixels, valid, alpha, missing), self._bands.table)

    def _damaged(self) -> UnsupportedRaster:
        return _missing_codec(self._path) or UnsupportedRaster(
            f"“{self._path}” is damaged, incomplete or refers to files that are missing; "
            "copy or download it again."
        )

    def close(self) -> None:
        """Closing of the file."""
        self._dataset.close()


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


def _plan_bands(dataset: Any, nodata: float | None, kept: str, palette: str) -> _Bands:
    colors = dataset.colorinterp
    alpha = alpha_index(dataset)
    coded = tuple(i for i in range(1, dataset.count + 1) if i != alpha or kept == "as-data")
    if kept != "as-alpha":
        alpha = None
    entries: Palette = ()
    table = None
    if len(coded) == 1 and np.dtype(dataset.dtypes[0]).kind == "u":
        if colors[coded[0] - 1] == ColorInterp.palette and not is_min_is_white(dataset):
            entries = palette_of(dataset.colormap(coded[0]))
            # Hardly any format has a palette and an alpha band, and only these types have a palette in TIFF.
            keeps = alpha is None and len(entries) <= ENTRIES.get(dataset.dtypes[0], 0)
            if palette != "indices" or not keeps:
                table = table_of(entries, nodata)
            if not keeps:
                entries = ()
        elif dataset.tags(coded[0], ns="IMAGE_STRUCTURE").get("NBITS") == "1":
            table = np.array([[0], [255]], dtype=np.uint8)
    return _Bands(coded, alpha, entries, table)


def _equal(a: float | None, b: float | None) -> bool:
    return a == b or (a is not None and b is not None and np.isnan(a) and np.isnan(b))
