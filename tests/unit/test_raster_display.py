"""What the app shows of samples: bands, stretch, statistics, a glance at huge files, places on Earth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_origin

from fdegc.errors import InvalidOption
from fdegc.raster import (
    ArraySource,
    Geolocator,
    default_bands,
    guess_text,
    open_raster,
    raster_statistics,
    to_rgb8,
)
from fdegc.raster.glance import glance, is_quick
from fdegc.raster_info import DTYPES, RasterInfo, Window
from fdegc.types import Samples


def info_of(bands: int, colors: tuple[str, ...] = (), names: tuple[str | None, ...] = ()) -> RasterInfo:
    return RasterInfo("", "GTiff", 8, 8, bands, "uint8", names, colors)


SENTINEL = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")


def named(*names: str) -> RasterInfo:
    return info_of(len(names), names=names)


def tagged(*tags: dict[str, str]) -> RasterInfo:
    return replace(info_of(len(tags)), band_tags=tags)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (info_of(1, ("gray",)), (0,)),
        (info_of(2, ("gray", "undefined")), (0,)),
        (info_of(3, ("blue", "green", "red")), (2, 1, 0)),
        (info_of(4, ("gray", "undefined", "undefined", "undefined")), (0, 1, 2)),
        (info_of(4, ("undefined",) * 4, ("nir", "Red", "GREEN ", "blue")), (1, 2, 3)),
        (info_of(3, ("red", "red", "blue")), (0, 1, 2)),
        (named("B", "G", "R", "NIR"), (2, 1, 0)),
        (named("green", "red", "rededge", "nir"), (0, 1, 2)),
        (named("blue", "green", "red edge", "Red", "nir"), (3, 1, 0)),
        (named("Band 4 - Red", "Band 3 - Green", "Band 2 - Blue", "Band 8"), (0, 1, 2)),
        (named("Band 1", "Band 2", "Band 3", "Band 4"), (0, 1, 2)),
        (named("B1", "B2", "B3", "B4"), (0, 1, 2)),
        (named("B02", "B03", "B04", "B08"), (2, 1, 0)),
        (named(*SENTINEL), (3, 2, 1)),
        (named(*(name.replace("B0", "B") for name in SENTINEL)), (3, 2, 1)),
        (named("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"), (2, 1, 0)),
        (named("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"), (3, 2, 1)),
        (named("443 nm", "492.4 nm", "559.8 nm", "664.6 nm", "704.1 nm"), (3, 2, 1)),
        (named("a (0.45 Micrometers)", "b (0.55 Micrometers)", "c (0.66 Micrometers)"), (2, 1, 0)),
        (tagged(*({"CENTRAL_WAVELENGTH_UM": f"{x}"} for x in (0.842, 0.49, 0.56, 0.665))), (3, 2, 1)),
        (
            tagged(*({"wavelength": x, "wavelength_units": "Nanometers"} for x in ("480", "560", "660"))),
            (2, 1, 0),
        ),
        (tagged(*({"WAVELENGTH": x, "WAVELENGTH_UNIT": "nm"} for x in ("665", "560", "490"))), (0, 1, 2)),
        (tagged(*({"wavelength": x} for x in ("480", "560", "much"))), (0, 1, 2)),
        (replace(info_of(13), dtype="uint16"), (3, 2, 1)),
        (replace(info_of(12), dtype="uint16"), (3, 2, 1)),
        (info_of(13), (0, 1, 2)),
        (info_of(6), (2, 1, 0)),
        (replace(info_of(6), dtype="float32"), (0, 1, 2)),
        (info_of(6, names=("elevation", *(None,) * 5)), (0, 1, 2)),
        (info_of(6, ("nir", "red", "green", *("undefined",) * 3)), (0, 1, 2)),
        (tagged(*({"wavelength": f"{x}"} for x in (1050, 1250, 1550, 1650, 2100, 2200))), (0, 1, 2)),
    ],
)
def test_default_bands(info: RasterInfo, expected: tuple[int, ...]) -> None:
    assert default_bands(info) == expected


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (info_of(6), "bands 3, 2, 1, as in Landsat: a guess"),
        (replace(info_of(13), dtype="uint16"), "bands 4, 3, 2, as in Sentinel-2: a guess"),
        (info_of(13), "bands 1, 2, 3, the first three: a guess"),
        (info_of(4, ("red", "green", "blue", "undefined")), ""),
        (named("443 nm", "492.4 nm", "559.8 nm", "664.6 nm", "704.1 nm"), ""),
        (info_of(3), ""),
        (info_of(1), ""),
    ],
)
def test_a_guess_of_bands_is_called_one(info: RasterInfo, expected: str) -> None:
    assert guess_text(info) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_chosen_bands_are_stretched_each_by_its_limits(dtype: str) -> None:
    pixels = np.arange(4 * 120).reshape(4, 10, 12).astype(dtype)
    samples, info = Samples(pixels), replace(info_of(4), dtype=dtype)
    limits = ((10.0, 90.0), (0.0, 50.0), (20.0, 21.0))
    picture = to_rgb8(samples, info, limits, (3, 0, 2))
    for channel, (band, (low, high)) in enumerate(zip((3, 0, 2), limits, strict=True)):
        scaled = np.clip((pixels[band].astype(np.float64) - low) / (high - low), 0, 1) * 255
        np.testing.assert_array_equal(picture[..., channel], np.rint(scaled).astype(np.uint8))
    grey = to_rgb8(samples, info, limits[:1], (1,))
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 0] == grey[..., 2]).all()
    with pytest.raises(ValueError):
        to_rgb8(samples, info, limits, (0,))


@pytest.mark.parametrize("dtype", DTYPES)
def test_gamma_changes_what_is_between_black_and_white(dtype: str) -> None:
    pixels = np.arange(3 * 120).reshape(3, 10, 12).astype(dtype) % 100
    samples, info = Samples(pixels.astype(dtype)), replace(info_of(3), dtype=dtype)
    limits = ((10.0, 90.0),) * 3
    picture = to_rgb8(samples, info, limits, gamma=2.0)
    part = np.clip((samples.pixels.astype(np.float64) - 10) / 80, 0, 1)
    np.testing.assert_array_equal(picture[..., :3], np.moveaxis(np.rint(part**0.5 * 255), 0, 2))
    assert np.array_equal(to_rgb8(samples, info, limits, gamma=1.0), to_rgb8(samples, info, limits))
    if dtype == "uint8":  # whose limits need not be said
        plain = to_rgb8(samples, info, gamma=0.5)[..., :3]
        np.testing.assert_array_equal(plain, np.moveaxis(np.rint((pixels / 255) ** 2 * 255), 0, 2))


def test_statistics_leave_out_what_is_invalid() -> None:
    pixels = np.array([[[-9999, 10, 20, 30]], [[-9999, 1, 2, 3]]], np.int16)
    valid = np.array([[False, True, True, True]])
    found = raster_statistics(Samples(pixels, valid))
    assert [(band.minimum, band.maximum) for band in found.bands] == [(10, 30), (1, 3)]
    assert found.bands[0].low > 10 and found.bands[0].high < 30 and found.opaque is None
    nothing = raster_statistics(Samples(pixels, np.zeros((1, 4), bool)))
    assert [(band.low, band.high) for band in nothing.bands] == [(0, 1), (0, 1)]
    holes = raster_statistics(Samples(np.array([[[np.nan, 4.0, np.inf]]])))
    assert (holes.bands[0].minimum, holes.bands[0].maximum) == (4, 4)
    partly = raster_statistics(Samples(np.array([[[np.nan, 4.0]], [[1.0, 2.0]]])))
    assert all(np.isfinite(band.low) for band in partly.bands)


def test_a_sample_that_a_pixel_lacks() -> None:
    pixels = np.array([[[-9999, 10, 20]], [[5, -9999, 7]], [[1, 2, 3]]], np.int16)
    samples = Samples(pixels, np.array([[True, True, True]]), None, pixels == -9999)
    found = raster_statistics(samples)
    assert [(band.minimum, band.maximum) for band in found.bands] == [(10, 20), (5, 7), (1, 3)]
    info = replace(info_of(3), dtype="int16")
    colours = to_rgb8(samples, info, ((-9999.0, 20.0),) * 3, (0, 1, 2))
    assert (colours[0, :, 3] == 255).all() and colours[0, 0, 0] == 0 and colours[0, 1, 1] == 0
    assert to_rgb8(samples, info, ((0.0, 20.0),), (0,))[0, :, 3].tolist() == [0, 255, 255]


@pytest.mark.parametrize(
    ("dtype", "values", "opaque"),
    [("uint8", [0, 7], 255), ("uint16", [0, 255], 255), ("uint16", [0, 256], 65535), ("float32", [0, 1], 1)],
)
def test_alpha_in_a_wider_type(dtype: str, values: list[int], opaque: float) -> None:
    alpha = np.array([values], dtype)
    samples = Samples(np.zeros((1, 1, 2), dtype), alpha=alpha)
    assert raster_statistics(samples).opaque == opaque
    shown = to_rgb8(samples, replace(info_of(1), dtype=dtype), ((0.0, 1.0),), (0,), opaque)[0, 1, 3]
    assert shown == round(255 * values[1] / opaque)


# ------------------------------------------------------------------ parts, reduced


def write(path: Path, pixels: np.ndarray, **profile: object) -> Path:
    bands, height, width = pixels.shape
    options = {"driver": "GTiff", "width": width, "height": height, "count": bands, "dtype": pixels.dtype}
    with rasterio.open(path, "w", **(options | profile)) as out:
        out.write(pixels)
    return path


def test_a_part_reduced_from_a_file_and_from_memory(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:96, 0:128]
    pixels = np.stack([rows, columns]).astype(np.uint16) * 10
    path = write(tmp_path / "a.tif", pixels, crs="EPSG:32633", transform=from_origin(5e5, 5e6, 1, 1))
    window = Window(32, 16, 64, 48)
    expected = pixels[:, 16:64, 32:96].reshape(2, 12, 4, 16, 4).mean(axis=(2, 4))
    with open_raster(path) as source:
        for raster in (source, ArraySource(pixels)):
            assert np.abs(raster.read_reduced(window, 16, 12).pixels - expected).max() <= 1
            np.testing.assert_array_equal(
                raster.read_reduced(window, 64, 48).pixels, raster.read(window).pixels
            )
            for size in ((65, 48), (0, 4)):
                with pytest.raises(InvalidOption):
                    raster.read_reduced(window, *size)


def test_validity_of_a_part_reduced() -> None:
    pixels, valid = np.arange(64.0).reshape(1, 8, 8), np.ones((8, 8), bool)
    valid[:4, :4] = False
    reduced = ArraySource(pixels, valid).read_reduced(Window(2, 0, 4, 8), 2, 4)
    assert reduced.valid is not None and reduced.valid.tolist() == [[False, True]] * 2 + [[True, True]] * 2


class CountingSource(ArraySource):
    """An array in blocks; counts the pixels that are read."""

    shape = (16, 16)
    count = 0

    @property
    def block_shape(self) -> tuple[int, int]:
        return self.shape

    @property
    def has_overviews(self) -> bool:
        return False

    def read(self, window: Window) -> Samples:
        self.count += window.pixels
        return super().read(window)


@pytest.mark.parametrize("shape", [(16, 16), (1, 512)])
def test_a_glance_looks_at_a_few_blocks_everywhere(shape: tuple[int, int]) -> None:
    rows, columns = np.mgrid[0:512, 0:512]
    source = CountingSource(np.stack([rows, columns]).astype(np.uint16))
    source.shape = shape
    samples, statistics = glance(source, budget=source.info.raw_bytes // 16)
    assert 0 < source.count <= source.info.pixels // 16
    assert samples.valid is None
    down, across = samples.pixels
    assert down.shape[0] >= 4 and across.shape[1] >= 4
    assert (np.diff(down[:, 0].astype(int)) > 0).all() and (np.diff(across[0].astype(int)) > 0).all()
    for band in statistics.bands:
        assert band.minimum < 64 and band.maximum > 448


def test_a_glance_at_holes() -> None:
    valid = np.ones((64, 64), bool)
    valid[:, :32] = False
    source = CountingSource(np.full((1, 64, 64), 5.5, np.float32), valid)
    samples, statistics = glance(source, budget=1 << 20)
    assert samples.valid is not None and samples.valid.tolist() == [[False, False, True, True]] * 4
    assert (samples.pixels[0][samples.valid] == 5.5).all()
    assert (statistics.bands[0].minimum, statistics.bands[0].maximum) == (5.5, 5.5)


def test_what_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdegc.raster.glance.QUICK_BYTES", 1000)
    path = write(
        tmp_path / "a.tif",
        np.zeros((1, 256, 256), np.uint8),
        tiled=True,
        crs="EPSG:32633",
        transform=from_origin(5e5, 5e6, 1, 1),
    )
    with open_raster(path) as source:
        assert not source.has_overviews and not is_quick(source) and source.block_shape == (256, 256)
    with rasterio.open(path, "r+") as out:
        out.build_overviews([2, 4])
    with open_raster(path) as source:
        assert source.has_overviews and is_quick(source)
    assert is_quick(ArraySource(np.zeros((1, 256, 256), np.uint8)))


def test_numbers_with_a_point_open_without_being_read(tmp_path: Path) -> None:
    pixels = np.ones((1, 8, 8), np.float32)
    options = {"crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 1, 1)}
    whole = write(tmp_path / "whole.tif", pixels, **options)
    pixels[0, 3, 4] = np.nan
    holed = write(tmp_path / "holed.tif", pixels, **options)
    for path in (whole, holed):
        with open_raster(path, look_for_gaps=False) as source:
            assert source.info.has_mask
            valid = source.read(Window(0, 0, 8, 8)).valid
            assert valid is not None and int((~valid).sum()) == (path == holed)
        with open_raster(path) as source:
            assert source.info.has_mask == (path == holed)


# ------------------------------------------------------------------ places


def located(crs: str | None, transform: Affine | None) -> Geolocator:
    wkt = None if crs is None else rasterio.CRS.from_user_input(crs).to_wkt(version="WKT2_2019")
    return Geolocator(
        replace(info_of(1), crs_wkt=wkt, transform=None if transform is None else transform[:6])
    )


def test_longitude_and_latitude() -> None:
    north_up = located("EPSG:32633", from_origin(500_000, 5_800_000, 10, 10))
    assert north_up.lonlat(0, 0) == pytest.approx((15.0, 52.3503), abs=1e-4)
    turned = located("EPSG:32633", Affine(0, 10, 500_000, 10, 0, 5_800_000))
    assert turned.lonlat(100, 0) == pytest.approx((15.0, 52.3593), abs=1e-4)
    degrees = located("EPSG:4326", from_origin(-74.5, -8.0, 0.5, 0.25))
    assert degrees.lonlat(1, 2) == pytest.approx((-74.0, -8.5))


def test_places_that_are_not_known() -> None:
    grid = from_origin(0, 0, 1, 1)
    assert located(None, grid).lonlat(1, 1) is None
    assert located("EPSG:32633", None).lonlat(1, 1) is None
    moon = "+proj=longlat +R=1737400 +no_defs"
    assert located(moon, grid).lonlat(1, 1) is None or abs(located(moon, grid).lonlat(1, 1)[1]) <= 90
    assert located("EPSG:3857", from_origin(1e30, 1e30, 1, 1)).lonlat(0, 0) is None
    broken = replace(info_of(1), crs_wkt="nonsense", transform=grid[:6])
    assert Geolocator(broken).lonlat(0, 0) is None
