"""Sinks of what GDAL can only make of a whole raster (COG, PNG, JPEG 2000), by way of a GeoTIFF beside it."""

from __future__ import annotations

import mmap
import re
import shutil
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from fdegc.errors import OutputFailed
from fdegc.memory import BLOCK_CACHE
from fdegc.raster.alpha import straight
from fdegc.raster.colours import default_bands
from fdegc.raster.copying import copy_raster
from fdegc.raster.facts import scene_facts
from fdegc.raster.gdal import WARNINGS_LOCK
from fdegc.raster.holding import close, unsupported_metadata
from fdegc.raster.palettes import BLACK_AND_WHITE, coloured, info_table
from fdegc.raster.pillow_source import header_of
from fdegc.raster.sink import RasterSink, alpha_of
from fdegc.raster.tiff_sink import TiffSink, check_tiff, tiff_settings
from fdegc.raster.tiff_tags import (
    ALPHA,
    ASSOCIATED_ALPHA,
    EXTRA_SAMPLES,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    PHOTOMETRIC,
    set_in_place,
)
from fdegc.raster.validity import nodata_fits
from fdegc.raster_info import RasterInfo, Window, default_colors, fits_kind
from fdegc.types import Samples

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
#: Where the first chunk of a PNG, which always has the same length, ends.
_AFTER_HEADER = len(_PNG_MAGIC) + 25
#: Where that says what the samples are, and what it says of indices (PNG 1.2, 4.1.1).
_COLOUR_TYPE, _INDEXED = len(_PNG_MAGIC) + 17, 3
_XMP = "xml:XMP"
_KEYWORD, _KEYWORD_LENGTH = re.compile("[!-~\xa1-\xff]([ -~\xa1-\xff]*[!-~\xa1-\xff])?"), 79
#: Where the tags of bands are kept meanwhile.
_BAND_DOMAIN = "fdegc_bands"


class _CopySink(RasterSink):
    """Collects the raster in a GeoTIFF without its final name, and lets GDAL make another file of it."""

    driver = ""

    def __init__(
        self,
        path: Path,
        info: RasterInfo,
        overwrite: bool,
        staged: RasterInfo,
        band_domain: str | None = None,
        sparse: bool = False,
    ) -> None:
        super().__init__(path, info, overwrite)
        # It gets a name of its own in the same folder, and goes whatever happens.
        self._stage = TiffSink(path.with_suffix(".tif"), staged, True, "zstd", sparse, band_domain)
        self._stage.path = path  # which its errors are about

    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        self._stage.write(window, replace(samples, pixels=pixels))

    def _copy(self, target: Path, **options: Any) -> None:
        self._stage.complete()
        info, staged = self._stage.info, self._stage.temporary
        check_tiff(staged, info)
        settings = {**tiff_settings(info), "GDAL_CACHEMAX": BLOCK_CACHE[1]}
        samples = info.pixels * (info.bands + info.has_alpha)
        copy_raster(staged, target, self.driver, options, settings, samples, self.cancel)

    def _look(self, exif: bytes | None = None) -> bool:
        """Find out what the finished file does not hold, and whether it says where the raster lies."""
        with WARNINGS_LOCK, warnings.catch_warnings(), rasterio.Env(GDAL_PAM_ENABLED=False):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(self._temporary, driver=self.driver) as dataset:
                placed = scene_facts(dataset)["transform"]
                self.unsupported_metadata = unsupported_metadata(self.info, dataset, exif)
                return close(placed or (), self.info.transform or ())

    def _require_end(self, end: bytes) -> None:
        """Check that the file was not cut off: GDAL may meet a full disk in silence."""
        with self._temporary.open("rb") as file:
            file.seek(-min(len(end), self._temporary.stat().st_size), 2)
            if file.read() != end:
                raise OutputFailed(
                    f"“{self.path}” cannot be written completely; check the free space and the permissions "
                    "of its folder."
                )

    def _drop(self) -> None:
        if hasattr(self, "_stage"):
            self._stage.abort()


class CogSink(_CopySink):
    """Cloud Optimized GeoTIFF being written: tiles of 512, overviews, everything that a GeoTIFF holds.

    Parameters
    ----------
    path, info, overwrite
        As for :func:`~fdegc.raster.saving.open_sink`.
    compression : str
        "deflate", "zstd" or "none".
    sparse : bool
        Whether tiles in which nothing is valid take no place in the file.
    """

    driver = "COG"

    def __init__(
        self, path: Path, info: RasterInfo, overwrite: bool, compression: str, sparse: bool = False
    ) -> None:
        super().__init__(path, info, overwrite, _unstructured(info), _BAND_DOMAIN, sparse)
        self.info = replace(info, nodata=self._stage.info.nodata)  # of a palette with one transparent index
        self._compression, self._sparse = compression, sparse

    def _finish(self) -> None:
        indices = bool(self.info.palette)
        options = {} if self._compression == "none" or indices else {"predictor": "YES"}
        self._copy(
            self._temporary,
            compress=self._compression,
            blocksize=512,
            bigtiff="IF_SAFER",
            overview_resampling="NEAREST" if indices else "AVERAGE",
            sparse_ok=self._sparse,
            copy_src_mdd="YES",  # all domains, not only the usual one
            **options,
        )
        self._stage.abort()
        if self.info.white_is_zero:
            set_in_place(self._temporary, PHOTOMETRIC, MIN_IS_BLACK, MIN_IS_WHITE)
        if self.info.premultiplied and self.info.has_alpha:
            set_in_place(self._temporary, EXTRA_SAMPLES, ALPHA, ASSOCIATED_ALPHA)
        _give_tags_back(self._temporary)
        self.unsupported_metadata = check_tiff(self._temporary, self.info)


def _give_tags_back(path: Path) -> None:
    """Put the tags of bands back where they belong, in place.

    Told to copy all domains, GDAL leaves out the tags of bands in none.  So they were staged in a domain of
    their own, whose name is now blanked in the XML of the file's first directory.
    """
    mark = f'domain="{_BAND_DOMAIN}"'.encode()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        start = data.find(b"<GDALMetadata>")
        end = data.find(b"</GDALMetadata>", start)
        while 0 <= start < end and (at := data.find(mark, start, end)) >= 0:
            data[at : at + len(mark)] = b" " * len(mark)
            start = at


class Jp2Sink(_CopySink):
    """Lossless JPEG 2000 file being written, with GeoJP2 and GMLJP2 boxes.

    Raises
    ------
    OutputFailed
        If the raster's type does not fit.
    """

    driver = "JP2OpenJPEG"

    def __init__(self, path: Path, info: RasterInfo, overwrite: bool) -> None:
        if not fits_kind(info, "jp2"):
            raise _unsuitable(path, "JPEG 2000", info)
        super().__init__(path, info, overwrite, _with_alpha_only(info))

    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        self._stage.write(window, _transparent(pixels, samples))

    def _finish(self) -> None:
        for boxes in self._boxes():
            self._temporary.unlink(missing_ok=True)
            self._copy(self._temporary, quality="100", reversible="YES", write_metadata="YES", **boxes)
            self._require_end(b"\xff\xd9")
            if self._look():
                break
        self._stage.abort()

    def _boxes(self) -> Iterator[dict[str, str]]:
        """Boxes for the place on the ground, until what the file says of it is true."""
        # GDAL writes what is upside down and not rotated into GeoJP2 boxes as if it were not, and reads those
        # first; other rotated rasters it writes wrongly into GMLJP2 boxes.
        both: dict[str, str] = {}
        gml = {"GEOJP2": "NO"}
        _, b, _, d, e, _ = self.info.transform or (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
        yield from (gml, both) if e > 0 and not (b or d) else (both, gml)
        yield {"GEOJP2": "NO", "GMLJP2": "NO"}


class PngSink(_CopySink):
    """PNG being written: uint8 or uint16, one or three bands, with or without transparency.

    Raises
    ------
    OutputFailed
        If the raster's type or number of bands does not fit.
    """

    driver = "PNG"

    def __init__(self, path: Path, info: RasterInfo, overwrite: bool) -> None:
        if not fits_kind(info, "png"):
            raise _unsuitable(path, "PNG", info)
        tags = {key: text for key, text in info.tags.items() if _is_keyword(key)}
        # Viewers take the three bands for red, green and blue, whatever the raster says.
        self._order = default_bands(info)
        plain = default_colors(info.bands)
        staged = replace(_with_alpha_only(info), tags=tags, icc=None, color_interpretation=plain)
        super().__init__(path, info, overwrite, staged)
        self._bare = self._temporary.with_suffix(".bare.png")

    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        pixels = pixels[list(self._order)]
        if self.info.premultiplied and samples.alpha is not None:
            pixels = straight(pixels, samples.alpha)  # as PNG wants colours
        self._stage.write(window, _transparent(pixels, samples))

    def _finish(self) -> None:
        self._copy(self._bare, write_metadata_as_text="YES")
        self._stage.abort()
        _add_chunks(self._bare, self._temporary, _chunks(self.info))
        self._bare.unlink()
        self._require_end(b"IEND\xaeB`\x82")
        self._look(header_of(self._temporary, "PNG")[1])
        if self._order != tuple(range(self.info.bands)):
            others = [said for said in self.unsupported_metadata if said != "colour interpretation"]
            self.unsupported_metadata = (
                *others,
                "the order of the bands, which are written as red, green, blue",
            )

    def _drop(self) -> None:
        super()._drop()
        if hasattr(self, "_bare"):
            self._bare.unlink(missing_ok=True)


class PalettePngSink(_CopySink):
    """PNG of indices being written: 8-bit, with the palette and its transparency; of black and white 1-bit.

    Parameters
    ----------
    path, info, overwrite
        As for :func:`~fdegc.raster.saving.open_sink`; only what :meth:`fits`.
    """

    driver = "PNG"

    def __init__(self, path: Path, info: RasterInfo, overwrite: bool) -> None:
        tags = {key: text for key, text in info.tags.items() if _is_keyword(key)}
        # It is written as grey, of which the header then says that it is indices.
        staged = replace(_with_alpha_only(info), tags=tags, icc=None, color_interpretation=(), palette=())
        super().__init__(path, info, overwrite, replace(staged, has_alpha=False))
        self._bare = self._temporary.with_suffix(".bare.png")
        self._largest = len(info.palette) - 1

    @staticmethod
    def fits(info: RasterInfo) -> bool:
        """Whether PNG can hold the indices, and what is not valid of them: by nodata, which is an index."""
        marked = info.nodata is not None and nodata_fits(info.nodata, info.dtype) and not info.mask_band
        return bool(info.palette) and info.dtype == "uint8" and (marked or not info.has_mask)

    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        self._largest = max(self._largest, int(pixels.max()))
        self._stage.write(window, Samples(pixels))

    def _finish(self) -> None:
        bits = self.info.palette == BLACK_AND_WHITE and self._largest <= 1 and not self.info.has_mask
        self._copy(self._bare, write_metadata_as_text="YES", **({"nbits": "1"} if bits else {}))
        self._stage.abort()
        entries = [] if bits else self._entries()
        _add_chunks(self._bare, self._temporary, [*_chunks(self.info), *entries], indexed=not bits)
        self._bare.unlink()
        self._require_end(b"IEND\xaeB`\x82")
        if bits:  # which are black and white without a palette
            self.info = replace(self.info, palette=(), color_interpretation=default_colors(1))
        self._look(header_of(self._temporary, "PNG")[1])

    def _entries(self) -> list[tuple[bytes, bytes]]:
        """Chunks of the palette; no index may be beyond it."""
        entries = [*self.info.palette, *[(0, 0, 0, 255)] * (self._largest + 1 - len(self.info.palette))]
        alpha = [entry[3] for entry in entries]
        if self.info.has_mask and self.info.nodata is not None and int(self.info.nodata) < len(alpha):
            alpha[int(self.info.nodata)] = 0
        chunks = [(b"PLTE", bytes(value for entry in entries for value in entry[:3]))]
        clear = [index for index, value in enumerate(alpha) if value < 255]
        return [*chunks, (b"tRNS", bytes(alpha[: clear[-1] + 1]))] if clear else chunks

    def _drop(self) -> None:
        super()._drop()
        if hasattr(self, "_bare"):
            self._bare.unlink(missing_ok=True)


class ColouredSink(RasterSink):
    """Raster of the colours that indices stand for, for formats that have no palette.

    Parameters
    ----------
    inner : RasterSink
        Of :func:`~fdegc.raster.palettes.coloured_info`.
    info : RasterInfo
        Of the indices.
    """

    def __init__(self, inner: RasterSink, info: RasterInfo) -> None:
        self.path, self.info, self._inner = inner.path, info, inner
        self.unsupported_metadata = ()
        self._table = info_table(info)

    def write(self, window: Window, samples: Samples) -> None:
        """Writing of one window of indices."""
        self._inner.write(window, coloured(samples, self._table))

    def commit(self) -> None:
        """Completion of the file."""
        self._inner.cancel = self.cancel
        self._inner.commit()
        self.unsupported_metadata = (
            "the palette, so its colours were written",
            *self._inner.unsupported_metadata,
        )

    def abort(self) -> None:
        """Deletion of what was written so far."""
        self._inner.abort()

    def _write(self, window: Window, pixels: npt.NDArray[np.generic], samples: Samples) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        raise NotImplementedError

    def _drop(self) -> None:
        raise NotImplementedError


def _unstructured(info: RasterInfo) -> RasterInfo:
    """What is staged of a raster without what its samples mean, of which GDAL would make something else."""
    domains = {name: items for name, items in info.domains.items() if name != "IMAGE_STRUCTURE"}
    return replace(info, domains=domains)


def _with_alpha_only(info: RasterInfo) -> RasterInfo:
    """What is staged for a format whose only validity is transparency."""
    return replace(
        _unstructured(info),
        has_alpha=info.has_alpha or info.has_mask,
        has_mask=False,
        has_band_masks=False,
        mask_band=False,
        nodata=None,
        band_nodata=(),
        alpha_band=None,
    )


def _transparent(pixels: npt.NDArray[np.generic], samples: Samples) -> Samples:
    """Samples whose invalid pixels are transparent."""
    alpha = alpha_of(samples)
    if samples.valid is not None:
        alpha = np.where(samples.valid, alpha, np.zeros_like(alpha))
    return Samples(pixels, None, alpha)


def _is_keyword(key: str) -> bool:
    """Whether PNG can have a text of this name (PNG 1.2, 4.2.3)."""
    return bool(_KEYWORD.fullmatch(key)) and len(key) <= _KEYWORD_LENGTH and "  " not in key


def _chunks(info: RasterInfo) -> list[tuple[bytes, bytes]]:
    """Chunks of a PNG that GDAL does not write, or gives up at when they are odd."""
    chunks = []
    icc = info.icc or b""
    if icc[36:40] == b"acsp" and icc[:4] == len(icc).to_bytes(4, "big"):
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(icc, 9)))
    if info.exif is not None:
        chunks.append((b"eXIf", info.exif))
    packet = next(iter(info.domains.get(_XMP, {}).values()), None)
    if packet:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet.encode()))
    return chunks


def _add_chunks(
    bare: Path, target: Path, chunks: Iterable[tuple[bytes, bytes]], *, indexed: bool = False
) -> None:
    """Copy a PNG with more chunks behind its header; ``indexed`` makes one of indices of a grey one."""
    with bare.open("rb") as source, target.open("xb") as out:
        head = bytearray(source.read(_AFTER_HEADER))
        if indexed:
            head[_COLOUR_TYPE] = _INDEXED
            head[-4:] = struct.pack(">I", zlib.crc32(head[len(_PNG_MAGIC) + 4 : -4]))
        out.write(head)
        for kind, data in chunks:
            out.write(struct.pack(">I", len(data)) + kind + data)
            out.write(struct.pack(">I", zlib.crc32(kind + data)))
        shutil.copyfileobj(source, out)


def _unsuitable(path: Path, kind: str, info: RasterInfo) -> OutputFailed:
    bands = "a band" if info.bands == 1 else f"{info.bands} bands"
    return OutputFailed(
        f"“{path}” cannot be written: {kind} cannot hold {bands} of {info.dtype}; "
        "choose a name that ends in .tif."
    )
