"""Draws small rasters with everything that a GeoTIFF can say, and carries them through the file format."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from fdegc.codec.tile_synthesis import restore_nodata
from fdegc.codec.tiling import TilePlan
from fdegc.format.band_masks import BandMasksWriter
from fdegc.format.info import alpha_plane, band_masks, describe, header_for, mask_plane
from fdegc.format.metadata import ALPHA, MASK, MISSING, metadata_blocks
from fdegc.format.planes import PlaneWriter
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.raster import open_raster, open_sink
from fdegc.raster_info import RasterInfo
from fdegc.types import BandMapping, Samples

WIDTH, HEIGHT = 90, 70
NODATA = 7
VALIDITIES = (
    "none", "nodata", "partial", "mask", "mask and nodata", "outer mask", "alpha", "first alpha",
    "alpha and nodata",
)  # fmt: skip
CRSS = {
    "none": None,
    "utm": CRS.from_epsg(32633),
    "geographic": CRS.from_epsg(4326),
    "mars": CRS.from_wkt(
        'GEOGCS["Mars",DATUM["D_Mars",SPHEROID["Mars_localRadius",3396190,0]],PRIMEM["Reference_Meridian",0],'
        'UNIT["degree",0.0174532925199433]]'
    ),
    "custom": CRS.from_proj4("+proj=laea +lat_0=33.3 +lon_0=12.125 +x_0=123456 +y_0=7 +ellps=GRS80 +units=m"),
    "local": CRS.from_wkt('LOCAL_CS["Mine plan",UNIT["metre",1]]'),
}
LAYOUTS = {
    "striped": {},
    "tiled": {"tiled": True, "blockxsize": 32, "blockysize": 16, "compress": "lzw"},
    "planar": {"interleave": "band", "blockysize": 5},
    "bigtiff": {"bigtiff": "YES", "compress": "zstd", "tiled": True, "blockxsize": 64, "blockysize": 64},
    "big-endian": {"endianness": "BIG", "compress": "packbits"},
}
PLACEMENTS = ("transform", "rotated", "point", "gcps", "gcps of points", "rpcs", "none")
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf about="a=b"/></x:xmpmeta>'
RPCS = {
    "ERR_BIAS": "0.5", "ERR_RAND": "0.25", "LINE_OFF": "1234.5", "SAMP_OFF": "777.25", "LAT_OFF": "33.4",
    "LONG_OFF": "-117.1", "HEIGHT_OFF": "31", "LINE_SCALE": "4000", "SAMP_SCALE": "5000", "LAT_SCALE": "0.07",
    "LONG_SCALE": "0.09", "HEIGHT_SCALE": "500", "LINE_NUM_COEFF": " ".join(["1.25e-05"] * 20),
    "LINE_DEN_COEFF": " ".join(["1"] + ["-2.5e-07"] * 19), "SAMP_NUM_COEFF": " ".join(["3"] * 20),
    "SAMP_DEN_COEFF": " ".join(["1"] + ["0.001953125"] * 19),
}  # fmt: skip


def samples_of(dtype: str, count: int, seed: int = 0) -> np.ndarray:
    """Smooth bands of a type, none of whose samples is ``NODATA``."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    wave = np.stack([np.sin(x / (9 + band)) * np.cos(y / 7) for band in range(count)])
    wave += random.normal(0, 0.02, wave.shape)
    if np.dtype(dtype).kind == "f":
        return (wave * 1000 + 2000).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = 10.0, float(min(limits.max, 60_000))
    return np.clip(low + (wave + 1.2) / 2.4 * (high - low), low, high).astype(dtype)


def draw(path: Path, dtype: str, bands: int, validity: str, crs: str, layout: str, placement: str) -> None:
    """Write a GeoTIFF of ``bands`` coded bands."""
    has_alpha, random = "alpha" in validity, np.random.default_rng(1)
    count = bands + has_alpha
    alpha = 1 if validity == "first alpha" else count
    pixels = samples_of(dtype, count)
    holes = random.random((HEIGHT, WIDTH)) < 0.2
    profile = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": count, "dtype": dtype}
    profile |= LAYOUTS[layout]
    if "nodata" in validity or validity == "partial":
        profile["nodata"] = NODATA
        pixels[:, holes] = NODATA
    if validity == "partial":
        pixels[random.random(pixels.shape) < 0.1] = NODATA
    if has_alpha:
        pixels[alpha - 1] = np.where(holes, 0, random.integers(1, 120, holes.shape))
    if placement in ("transform", "rotated", "point", "rpcs"):
        turn = Affine.rotation(30) if placement == "rotated" else Affine.identity()
        profile["transform"] = Affine.translation(399_960.0, 5_000_040.0) @ turn @ Affine.scale(10, -10)
    if not placement.startswith("gcps"):
        profile["crs"] = CRSS[crs]
    inner = validity != "outer mask"
    point = placement == "gcps of points"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inner, GDAL_PAM_ENABLED=False, GTIFF_POINT_GEO_IGNORE=point),
        rasterio.open(path, "w", **profile) as dataset,
    ):
        _describe(dataset, alpha if has_alpha else None, placement, crs)
        dataset.write(pixels)
        if "mask" in validity:
            dataset.write_mask(np.where(holes, 0, 255).astype(np.uint8))


def _describe(dataset: rasterio.io.DatasetWriter, alpha: int | None, placement: str, crs: str) -> None:
    count = dataset.count
    colors = [ColorInterp.gray] + [ColorInterp.undefined] * (count - 1)
    if alpha is not None:
        colors = [ColorInterp.gray, *[ColorInterp.undefined] * (count - 2)]
        colors.insert(alpha - 1, ColorInterp.alpha)
    dataset.colorinterp = colors
    for band in range(1, count + 1):
        dataset.set_band_description(band, f"Band {band} Wärme")
        dataset.update_tags(band, wavelength=f"{400 + band} nm")
    plain = None if alpha is None else alpha - 1
    dataset.scales = [1.0 if i == plain else 0.5 + i for i in range(count)]
    dataset.offsets = [0.0 if i == plain else float(-i) for i in range(count)]
    dataset.units = [None if i == plain else "K" if i % 2 else "W/m²" for i in range(count)]
    dataset.update_tags(TIFFTAG_DATETIME="2024:05:06 07:08:09", MISSION="Ünïcode = 1", EMPTY_NOT="x")
    dataset.update_tags(ns="IMAGERY", ACQUISITIONDATETIME="2024-05-06T07:08:09Z", CLOUDCOVER="3")
    key, _, rest = XMP.partition("=")
    dataset.update_tags(ns="xml:XMP", **{key: rest})
    if placement == "rpcs":
        dataset.update_tags(ns="RPC", **RPCS)
    if placement in ("point", "gcps of points"):
        dataset.update_tags(AREA_OR_POINT="Point")
    if placement.startswith("gcps"):
        places = ((3.5, 2.25), (3.5, 80), (60, 2.25), (61.5, 85))
        points = [GroundControlPoint(r, c, 15 + c / 1e3, 45 - r / 1e3, 9.5) for r, c in places]
        dataset.gcps = (points, CRSS[crs] or CRSS["geographic"])


def pack(source_path: Path, path: Path, tile_size: int = 64) -> None:
    """Put a raster into a ``.fdegc`` file: everything but what the network makes, which stays empty."""
    with open_raster(source_path) as source:
        info = source.info
        header = header_for(
            info, (BandMapping(0.0, 1.0),) * info.bands, tile_size=tile_size, halo=16, quality_steps=1024,
            weights_hash=bytes(8), profile="none",
        )  # fmt: skip
        plan = TilePlan(info.width, info.height, tile_size, 16)
        size = (info.width, info.height, tile_size)
        valid = PlaneWriter(*size, bool)
        alpha = PlaneWriter(*size, info.dtype)
        missing = BandMasksWriter(info.bands, *size)
        with ContainerWriter(path, header, overwrite=True) as writer:
            for index in range(len(plan)):
                window = plan.window(index)
                samples = source.read(window)
                valid.add(window, samples.valid)
                alpha.add(window, samples.alpha)
                missing.add(window, samples.missing)
            for _ in range(header.units):
                writer.add(b"")
            for tag, data in metadata_blocks(info).items():
                writer.add_block(tag, data)
            for tag, there, plane in (
                (MASK, info.has_mask, valid),
                (ALPHA, info.has_alpha, alpha),
                (MISSING, info.has_band_masks, missing),
            ):
                if there:
                    writer.add_block(tag, plane.finish())
            writer.commit()


def unpack(coded: Path, source_path: Path, path: Path, **options: Any) -> tuple[RasterInfo, tuple[str, ...]]:
    """Write what ``pack`` packed as a raster, with pixels that a bad codec could have made of the source's.

    Every other sample is nodata although it must not be, and invalid ones hold anything.
    """
    with ExitStack() as stack:
        source = stack.enter_context(open_raster(source_path))
        reader = stack.enter_context(ContainerReader(coded))
        info = describe(reader).raster
        planes = mask_plane(reader), alpha_plane(reader), band_masks(reader)
        sink = stack.enter_context(open_sink(path, info, **options))
        plan = TilePlan(info.width, info.height, reader.header.tile_size, 16)
        for index in range(len(plan)):
            window = plan.window(index)
            pixels = source.read(window).pixels.copy()
            for band, nodata in zip(pixels, info.nodata_values, strict=True):
                band[::2] = 3 if nodata is None else nodata
            valid, alpha, missing = (None if plane is None else plane.read(window) for plane in planes)
            sink.write(window, Samples(restore_nodata(pixels, valid, missing, info), valid, alpha, missing))
    return info, sink.unsupported_metadata
