"""Sink of GeoTIFF, written by windows."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.control import GroundControlPoint as RioPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import CRSError, NotGeoreferencedWarning
from rasterio.transform import Affine
from rasterio.windows import Window as RioWindow

from fdegc.memory import cache_for
from fdegc.raster.epoch import EPOCH, set_epoch
from fdegc.raster.gdal import GDAL_ERRORS, WARNINGS_LOCK, require_complete
from fdegc.raster.holding import unsupported_metadata
from fdegc.raster.sink import RasterSink, alpha_of, failed
from fdegc.raster.tiff_tags import ALPHA, ASSOCIATED_ALPHA, EXTRA_SAMPLES, first_directory, set_in_place
from fdegc.raster.validity import nodata_fits
from fdegc.raster_info import GroundControlPoint, RasterInfo, Window
from fdegc.types import Samples

_CMYK = ("cyan", "magenta", "yellow", "black")


class TiffSink(RasterSink):
    """GeoTIFF being written.

    Parameters
    ----------
    path, info, overwrite
        As for :func:`~fdegc.raster.saving.open_sink`.
    compression : str
        "deflate", "zstd" or "none".
    sparse : bool
        Whether tiles in which nothing is valid take no place in the file.
    band_domain : str, optional
        Metadata domain for the tags of bands.
    """

    def __init__(
        self,
        path: Path,
        info: RasterInfo,
        overwrite: bool,
        compression: str,
        sparse: bool = False,
        band_domain: str | None = None,
    ) -> None:
        info = _with_clear_nodata(info)
        super().__init__(path, info, overwrite)
        self._with_mask = info.has_mask and (info.mask_band or common_nodata(info) is None)
        self._sparse = sparse
        self._dataset: Any = None
        try:
            with WARNINGS_LOCK, warnings.catch_warnings(), rasterio.Env(**tiff_settings(info)):
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self._dataset = rasterio.open(self._temporary, "w", **_profile(info, compression, sparse))
                _describe(self._dataset, info, band_domain)
        except GDAL_ERRORS as error:
            self.abort()
            raise failed(path, error) from error

    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        at = RioWindow(window.x, window.y, window.width, window.height)
        if self._sparse and samples.valid is not None and self.info.nodata is None:
            # What the mask hides means nothing, and only tiles of zeros are left out.
            pixels = np.where(samples.valid, pixels, np.zeros((), pixels.dtype))
        planes = pixels
        if self.info.has_alpha:
            alpha = alpha_of(samples)
            if self.info.premultiplied and samples.alpha is not None:
                pixels = np.minimum(pixels, alpha)  # which a lossy codec does not know
            planes = np.insert(pixels, _alpha_position(self.info), alpha, axis=0)
        cache = cache_for(self._dataset, window.height)
        with rasterio.Env(**tiff_settings(self.info), GDAL_CACHEMAX=cache):
            self._dataset.write(planes, window=at)
            if self._with_mask:
                valid = np.ones(pixels.shape[1:], np.bool_) if samples.valid is None else samples.valid
                self._dataset.write_mask(valid.astype(np.uint8) * np.uint8(255), window=at)

    def _finish(self) -> None:
        self.complete()
        self.unsupported_metadata = check_tiff(self._temporary, self.info)

    def complete(self) -> None:
        """Completion of the temporary file, with what GDAL does not write, without giving it its name."""
        self.close()
        if self.info.premultiplied and self.info.has_alpha:
            set_in_place(self._temporary, EXTRA_SAMPLES, ALPHA, ASSOCIATED_ALPHA)
        epoch = self.info.domains.get(EPOCH, {}).get(EPOCH)
        directory = first_directory(self._temporary)
        if epoch and directory is not None:
            set_epoch(self._temporary, directory, epoch)

    def close(self) -> None:
        """Closing of the temporary file."""
        dataset, self._dataset = self._dataset, None
        if dataset is not None:
            with rasterio.Env(**tiff_settings(self.info)):
                dataset.close()

    def _drop(self) -> None:
        self.close()

    @property
    def temporary(self) -> Path:
        """Path of the file as long as it has not got its name."""
        return self._temporary


def tiff_settings(info: RasterInfo) -> dict[str, Any]:
    """GDAL's settings for writing a raster as TIFF, and for making other files from that."""
    # Masks and metadata belong into the file: side files would not be renamed with it.
    settings = {"GDAL_TIFF_INTERNAL_MASK": True, "GDAL_PAM_ENABLED": False}
    if _half_shifted(info):
        settings["GTIFF_POINT_GEO_IGNORE"] = True
    return settings


def check_tiff(path: Path, info: RasterInfo) -> tuple[str, ...]:
    """Metadata of a raster that a TIFF does not hold, after a check that the TIFF is complete.

    Raises
    ------
    UnsupportedRaster, anything in ``GDAL_ERRORS``
        If it is not.
    """
    # GDAL reports a full disk while closing only to its log, so look at what it left.
    with WARNINGS_LOCK, warnings.catch_warnings(), rasterio.Env(GDAL_PAM_ENABLED=False):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, driver="GTiff") as dataset:
            require_complete(dataset, path)
            return unsupported_metadata(info, dataset)


def _with_clear_nodata(info: RasterInfo) -> RasterInfo:
    """Raster whose only transparent index is its nodata value: TIFF has no other transparency of indices."""
    clear = [index for index, entry in enumerate(info.palette) if entry[3] < 255]
    if len(clear) != 1 or info.palette[clear[0]][3] or info.has_mask or info.nodata is not None:
        return info
    return replace(info, nodata=float(clear[0]))


def common_nodata(info: RasterInfo) -> float | None:
    """Nodata value of all bands; None if they differ or samples cannot hold it."""
    first = info.nodata
    if info.band_nodata or first is None or not nodata_fits(first, info.dtype):
        return None
    return first


def _alpha_position(info: RasterInfo) -> int:
    return info.bands if info.alpha_band is None else min(info.alpha_band.position, info.bands)


def _profile(info: RasterInfo, compression: str, sparse: bool) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": info.width,
        "height": info.height,
        "count": info.bands + int(info.has_alpha),
        "dtype": info.dtype,
        "bigtiff": "IF_SAFER",
        "interleave": "pixel" if info.bands <= 4 else "band",
        "photometric": _photometric(info),
        "sparse_ok": sparse,
    }
    profile |= compression_options(info, compression)
    shortest = min(info.width, info.height)
    if shortest >= 256:
        side = 512 if shortest >= 1024 else 256
        profile.update(tiled=True, blockxsize=side, blockysize=side)
    crs = _crs(info.crs_wkt)
    if crs is not None:
        profile["crs"] = crs
    if info.transform is not None:
        profile["transform"] = Affine(*info.transform)
    nodata = common_nodata(info)
    if nodata is not None:
        profile["nodata"] = nodata
    if info.icc is not None:
        profile["source_icc_profile"] = base64.b64encode(info.icc).decode()
    return profile


def compression_options(info: RasterInfo, compression: str) -> dict[str, Any]:
    """GDAL's creation options for one of :data:`fdegc.options.COMPRESSIONS`."""
    if compression == "none":
        return {}
    if info.palette:  # differences of indices mean nothing
        return {"compress": compression}
    return {"compress": compression, "predictor": 3 if np.dtype(info.dtype).kind == "f" else 2}


def _photometric(info: RasterInfo) -> str:
    if info.palette:
        return "PALETTE"
    if info.dtype in ("uint8", "uint16") and (info.alpha_band is None or info.alpha_band.position >= 3):
        if info.color_interpretation[:3] == ("red", "green", "blue"):
            return "RGB"
        if info.color_interpretation[:4] == _CMYK:
            return "CMYK"
    return "MINISWHITE" if info.white_is_zero else "MINISBLACK"


def _describe(dataset: Any, info: RasterInfo, band_domain: str | None) -> None:
    """Set what is not part of the profile; before any pixel, or GDAL would write the header twice."""
    numbers = [i + 1 for i in range(dataset.count) if not info.has_alpha or i != _alpha_position(info)]
    _describe_bands(dataset, info, numbers)
    _tag_bands(dataset, info, numbers, band_domain)
    dataset.update_tags(**_accepted(info.tags))
    for name, items in info.domains.items():
        if name in ("IMAGE_STRUCTURE", EPOCH):
            continue  # they are no metadata of a TIFF
        if name.startswith("xml:"):
            # One document, which GDAL keeps as it is; rasterio insists on a key before a "=".
            key, equals, rest = next(iter(items.values()), "").partition("=")
            items = {key: rest} if equals else {}
        dataset.update_tags(ns=name, **_accepted(items))
    if info.gcps and info.transform is None:
        shift = 0.5 if _half_shifted(info) else 0.0
        crs = _crs(info.gcp_crs_wkt) or CRS()
        dataset.gcps = ([_rio_point(point, shift) for point in info.gcps], crs)


def _describe_bands(dataset: Any, info: RasterInfo, numbers: list[int]) -> None:
    known = ColorInterp.__members__
    names = [
        name if name in known and name != "palette" else "undefined" for name in info.color_interpretation
    ]
    names = (names + ["undefined"] * info.bands)[: info.bands]
    if not info.color_interpretation:
        names[0] = "gray"
    colors = [ColorInterp.alpha] * dataset.count
    for number, name in zip(numbers, names, strict=True):
        colors[number - 1] = known[name]
    if info.palette:
        dataset.write_colormap(numbers[0], dict(enumerate(info.palette)))
    else:
        dataset.colorinterp = colors
    for facts, attribute, usual in (
        (info.scales, "scales", 1.0),
        (info.offsets, "offsets", 0.0),
        (info.units, "units", None),
    ):
        if facts:
            values: list[Any] = [usual] * dataset.count
            for number, value in zip(numbers, facts, strict=True):
                values[number - 1] = value
            setattr(dataset, attribute, values)
    for number, description in zip(numbers, info.band_names, strict=False):
        if description:
            dataset.set_band_description(number, description)
    if info.has_alpha and info.alpha_band is not None and info.alpha_band.name:
        dataset.set_band_description(_alpha_position(info) + 1, info.alpha_band.name)


def _tag_bands(dataset: Any, info: RasterInfo, numbers: list[int], domain: str | None) -> None:
    for number, tags in zip(numbers, info.band_tags, strict=False):
        dataset.update_tags(number, ns=domain, **_accepted(tags))
    if info.has_alpha and info.alpha_band is not None:
        dataset.update_tags(_alpha_position(info) + 1, ns=domain, **_accepted(info.alpha_band.tags))


def _accepted(tags: Mapping[str, str]) -> dict[str, str]:
    # "ns" and "bidx" are names of update_tags' own parameters.
    return {key: value for key, value in tags.items() if key not in ("ns", "bidx")}


def _crs(wkt: str | None) -> CRS | None:
    """CRS of a text; None if PROJ does not understand it, which ``unsupported_metadata`` tells then."""
    if not wkt:
        return None
    try:
        return CRS.from_wkt(wkt)
    except CRSError:
        return None


def _half_shifted(info: RasterInfo) -> bool:
    # GDAL writes control points of rasters that name pixel centres half a pixel off, in the wrong
    # direction; told to leave the half pixel alone, it writes what it is given, and reads it shifted.
    return bool(info.gcps) and info.transform is None and info.tags.get("AREA_OR_POINT") == "Point"


def _rio_point(point: GroundControlPoint, shift: float) -> RioPoint:
    return RioPoint(
        row=point.row - shift,
        col=point.col - shift,
        x=point.x,
        y=point.y,
        z=point.z,
        id=point.id or None,
        info=point.info or None,
    )
