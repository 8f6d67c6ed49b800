"""Writes rasters: GeoTIFF by windows, PNG at once; the file appears only when it is complete."""

from __future__ import annotations

import contextlib
import os
import secrets
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine
from rasterio.windows import Window as RioWindow

from fdegc.errors import FdegcError, OutputExists, OutputFailed
from fdegc.memory import PROCESS_BYTES, check_memory
from fdegc.raster.gdal_source import GDAL_ERRORS, cache_for, require_complete
from fdegc.raster.pillow_source import WARNINGS_LOCK
from fdegc.raster.source import nodata_fits, nodata_sample
from fdegc.types import RasterInfo, Samples, Window

_Sink = TypeVar("_Sink", bound="RasterSink")

#: Bytes a pixel of Pillow's own copy of a picture.
_PILLOW_PIXEL = 4


class RasterSink(ABC):
    """A raster file being written; a context manager that commits on success and aborts on error.

    Attributes
    ----------
    path : Path
        Where the file will appear.
    info : RasterInfo
        What it will hold.
    """

    def __init__(self, path: Path, info: RasterInfo, overwrite: bool) -> None:
        self.path = path
        self.info = info
        self._overwrite = overwrite
        # In the same folder, so that the last step is a rename and not a copy.
        self._temporary = path.parent / f".fdegc-{secrets.token_hex(8)}.part{path.suffix.lower()}"
        self._done = False

    @abstractmethod
    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        """Write prepared pixels; anything in ``GDAL_ERRORS`` may be raised."""

    @abstractmethod
    def _finish(self) -> None:
        """Complete the temporary file; anything in ``GDAL_ERRORS`` may be raised."""

    @abstractmethod
    def _drop(self) -> None:
        """Let go of the temporary file."""

    def write(self, window: Window, samples: Samples) -> None:
        """Write one window.

        Parameters
        ----------
        window : Window
            Where the samples belong.
        samples : Samples
            ``pixels`` (bands, height, width) of ``info.dtype``.  Where ``valid`` is False, nodata is
            written in their place if the raster has one.

        Raises
        ------
        OutputFailed
            If it cannot be written (full disk, lost folder), or the samples do not fit the raster.
        """
        expected = (self.info.bands, window.height, window.width)
        if samples.pixels.shape != expected or samples.pixels.dtype.name != self.info.dtype:
            raise OutputFailed(
                f"“{self.path}” cannot take samples of {samples.pixels.dtype.name} "
                f"{samples.pixels.shape} where {self.info.dtype} {expected} belong; report this fault."
            )
        try:
            self._write(window, mark_invalid(samples, self.info), samples)
        except (*GDAL_ERRORS, MemoryError) as error:
            raise _failed(self.path, error) from error

    def commit(self) -> None:
        """Finish the file and put it in place.

        Raises
        ------
        OutputExists
            If another file has appeared there meanwhile.
        OutputFailed
            If it cannot be completed.  Nothing is left behind then.
        """
        if self._done:
            return
        try:
            self._finish()
            if not self._overwrite and self.path.exists():
                raise _exists(self.path)
            os.replace(self._temporary, self.path)
            self._done = True
        except OutputExists:
            raise
        except (*GDAL_ERRORS, FdegcError, MemoryError) as error:
            raise _failed(self.path, error) from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Delete what was written so far; harmless after :meth:`commit`."""
        if self._done:
            return
        self._done = True
        with contextlib.suppress(*GDAL_ERRORS):
            self._drop()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def __enter__(self: _Sink) -> _Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()


class _TiffSink(RasterSink):
    def __init__(self, path: Path, info: RasterInfo, overwrite: bool) -> None:
        super().__init__(path, info, overwrite)
        self._has_nodata = nodata_fits(info.nodata, info.dtype)
        self._dataset: Any = None
        try:
            with WARNINGS_LOCK, warnings.catch_warnings(), _environment():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self._dataset = rasterio.open(self._temporary, "w", **_profile(info))
                _describe(self._dataset, info)
        except GDAL_ERRORS as error:
            self.abort()
            raise _failed(path, error) from error

    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        at = RioWindow(window.x, window.y, window.width, window.height)
        planes = pixels
        if self.info.has_alpha:
            planes = np.concatenate([pixels, _alpha_of(samples)[np.newaxis]])
        with _environment(GDAL_CACHEMAX=cache_for(self._dataset, window.height)):
            self._dataset.write(planes, window=at)
            if self.info.has_mask and not self._has_nodata:
                valid = np.ones(pixels.shape[1:], np.bool_) if samples.valid is None else samples.valid
                self._dataset.write_mask(valid.astype(np.uint8) * np.uint8(255), window=at)

    def _finish(self) -> None:
        self._drop()
        # GDAL reports a full disk while closing only to its log, so look at what it left.
        with WARNINGS_LOCK, warnings.catch_warnings(), _environment():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(self._temporary, driver="GTiff") as dataset:
                require_complete(dataset, self._temporary)

    def _drop(self) -> None:
        dataset, self._dataset = self._dataset, None
        if dataset is not None:
            with _environment():
                dataset.close()


class _PngSink(RasterSink):
    def __init__(self, path: Path, info: RasterInfo, overwrite: bool) -> None:
        super().__init__(path, info, overwrite)
        self._with_alpha = info.has_alpha or info.has_mask
        _require_png(path, info)
        channels = info.bands + self._with_alpha
        check_memory(
            PROCESS_BYTES + info.pixels * (channels * np.dtype(info.dtype).itemsize + _PILLOW_PIXEL),
            f"Writing “{path}” as PNG, which is put together in memory,",
            "choose a name that ends in .tif",
        )
        try:
            self._stream = self._temporary.open("xb")
            # Not np.zeros: memory that is only promised would look free to later checks.
            self._planes = np.full((info.height, info.width, channels), 0, dtype=info.dtype)
        except (OSError, MemoryError, ValueError) as error:
            self.abort()
            raise _failed(path, error) from error

    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        target = self._planes[window.rows, window.cols]
        target[..., : self.info.bands] = np.moveaxis(pixels, 0, 2)
        if self._with_alpha:
            alpha = _alpha_of(samples)
            if samples.valid is not None:
                alpha = np.where(samples.valid, alpha, np.zeros_like(alpha))
            target[..., -1] = alpha

    def _finish(self) -> None:
        planes = self._planes[..., 0] if self._planes.shape[2] == 1 else self._planes
        with self._stream:
            Image.fromarray(planes).save(self._stream, format="PNG")

    def _drop(self) -> None:
        if hasattr(self, "_stream"):
            self._stream.close()


def open_sink(path: str | Path, info: RasterInfo, *, overwrite: bool = False) -> RasterSink:
    """Start writing a raster file.

    Parameters
    ----------
    path : str or Path
        ``.tif`` or ``.tiff`` (GeoTIFF, everything) or ``.png`` (uint8 grey or RGB, uint16 grey).
    info : RasterInfo
        What will be written.
    overwrite : bool
        Whether to replace a file that exists.

    Returns
    -------
    RasterSink
        A context manager: leaving it normally puts the file in place, an exception leaves nothing.

    Raises
    ------
    OutputExists
        If the file exists and ``overwrite`` is False.
    OutputFailed
        If it cannot be created, or its kind cannot hold such a raster.
    OutOfMemory
        If it is a PNG, which is put together in memory, and would not fit.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".tif", ".tiff", ".png"):
        raise OutputFailed(f"“{path}” cannot be written: its name must end in .tif, .tiff or .png.")
    try:
        if path.is_dir():
            raise OutputFailed(f"“{path}” is a folder; choose the name of a file in it.")
        if not path.parent.is_dir():
            raise OutputFailed(f"“{path}” cannot be written: its folder does not exist; create it first.")
        if path.exists() and not overwrite:
            raise _exists(path)
    except OSError as error:
        raise _failed(path, error) from error
    return _PngSink(path, info, overwrite) if suffix == ".png" else _TiffSink(path, info, overwrite)


def mark_invalid(samples: Samples, info: RasterInfo) -> npt.NDArray[np.generic]:
    """Pixels as they are stored: (bands, height, width) of ``info.dtype``, invalid ones marked.

    Invalid pixels become nodata, or NaN in float rasters without nodata.  Valid ones that happen to
    be nodata in every band move by the smallest safe step in the first, or they would be lost.
    """
    pixels, valid = samples.pixels, samples.valid
    if not info.has_mask:
        return pixels
    pixels = pixels.copy()
    invalid = None if valid is None else ~valid
    if info.nodata is None or not nodata_fits(info.nodata, info.dtype):
        if invalid is not None and pixels.dtype.kind == "f":
            pixels[:, invalid] = np.nan
        return pixels
    nodata = nodata_sample(info.nodata, info.dtype)
    clash = (pixels == nodata).all(axis=0)
    if valid is not None:
        clash &= valid
    if clash.any():
        pixels[0, clash] = _beside(nodata)
    if invalid is not None:
        pixels[:, invalid] = nodata
    return pixels


def _beside(nodata: np.generic) -> Any:
    value: Any = nodata
    if nodata.dtype.kind == "f":
        # Some programs compare floats with a tolerance of a few units in the last place.
        step = 16 * max(np.spacing(abs(value)), np.finfo(nodata.dtype.name).tiny)
        return value - step if value > 0 else value + step
    return int(value) - 1 if int(value) == np.iinfo(nodata.dtype.name).max else int(value) + 1


def _alpha_of(samples: Samples) -> npt.NDArray[np.generic]:
    if samples.alpha is not None:
        return samples.alpha
    dtype = samples.pixels.dtype
    opaque = 1 if dtype.kind == "f" else np.iinfo(dtype.name).max
    return np.full(samples.pixels.shape[1:], opaque, dtype=dtype)


def _environment(**options: Any) -> Any:
    # Masks and metadata belong into the file: side files would not be renamed with it.
    return rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_PAM_ENABLED=False, **options)


def _profile(info: RasterInfo) -> dict[str, Any]:
    rgb = info.color_interpretation[:3] == ("red", "green", "blue") and info.dtype in ("uint8", "uint16")
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": info.width,
        "height": info.height,
        "count": info.bands + int(info.has_alpha),
        "dtype": info.dtype,
        "compress": "deflate",
        "predictor": 3 if np.dtype(info.dtype).kind == "f" else 2,
        "bigtiff": "IF_SAFER",
        "interleave": "pixel" if info.bands <= 4 else "band",
        "photometric": "RGB" if rgb else "MINISBLACK",
    }
    shortest = min(info.width, info.height)
    if shortest >= 256:
        side = 512 if shortest >= 1024 else 256
        profile.update(tiled=True, blockxsize=side, blockysize=side)
    if info.crs_wkt:
        profile["crs"] = CRS.from_wkt(info.crs_wkt)
    if info.transform is not None:
        profile["transform"] = Affine(*info.transform)
    if nodata_fits(info.nodata, info.dtype):
        profile["nodata"] = info.nodata
    return profile


def _describe(dataset: Any, info: RasterInfo) -> None:
    """Set what is not part of the profile; before any pixel, or GDAL would write the header twice."""
    known = ColorInterp.__members__
    names = [
        name if name in known and name != "palette" else "undefined" for name in info.color_interpretation
    ]
    names = (names + ["undefined"] * info.bands)[: info.bands]
    if not info.color_interpretation:
        names[0] = "gray"
    dataset.colorinterp = [known[name] for name in names] + [ColorInterp.alpha] * int(info.has_alpha)
    for index, name in enumerate(info.band_names[: info.bands], 1):
        if name:
            dataset.set_band_description(index, name)
    # "ns" and "bidx" are names of update_tags' own parameters.
    dataset.update_tags(**{key: value for key, value in info.tags.items() if key not in ("ns", "bidx")})


def _require_png(path: Path, info: RasterInfo) -> None:
    grey16 = info.dtype == "uint16" and info.bands == 1 and not (info.has_alpha or info.has_mask)
    if grey16 or (info.dtype == "uint8" and info.bands in (1, 3)):
        return
    extra = " with transparency" if info.has_alpha or info.has_mask else ""
    raise OutputFailed(
        f"“{path}” cannot be written: PNG cannot hold {info.bands} band(s) of {info.dtype}{extra}; "
        "choose a name that ends in .tif."
    )


def _exists(path: Path) -> OutputExists:
    return OutputExists(f"“{path}” exists already; choose another name or allow it to be overwritten.")


def _failed(path: Path, error: BaseException) -> OutputFailed:
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
    return OutputFailed(
        f"“{path}” cannot be written{f' ({reason})' if reason else ''}; "
        "check the free space and the permissions of its folder."
    )
