"""Sizes on the ground, against those that are known."""

from __future__ import annotations

import math

import pytest
from rasterio.crs import CRS

from fdegc.raster import ground_extent
from fdegc.raster_info import RasterInfo, Transform, Window


def raster(crs: str | None, transform: Transform | None, width: int, height: int) -> RasterInfo:
    wkt = None if crs is None else CRS.from_user_input(crs).to_wkt(version="WKT2_2019")
    return RasterInfo("x", "GTiff", width, height, 1, "uint8", crs_wkt=wkt, transform=transform)


def test_whole_earth() -> None:
    info = raster("EPSG:4326", (1.0, 0.0, -180.0, 0.0, -1.0, 90.0), 360, 180)
    found = ground_extent(info, Window(0, 0, 360, 180))
    assert found is not None
    assert found.area == pytest.approx(510_065_621.7e6, rel=5e-4)  # of the ellipsoid, Moritz 1980
    assert found.width == pytest.approx(2 * math.pi * 6_378_137.0, rel=2e-4), "the equator, not the way back"
    assert found.height == pytest.approx(20_003_931.4586, rel=2e-4)


def test_scale_of_the_projection_is_taken_out() -> None:
    # On the central meridian UTM makes everything 0.9996 times as long.
    info = raster("EPSG:32633", (10.0, 0.0, 499_500.0, 0.0, -10.0, 5_411_000.0), 100, 80)
    found = ground_extent(info, Window(0, 0, 100, 80))
    assert found is not None
    assert found.width == pytest.approx(1000 / 0.9996, rel=1e-6)
    assert found.height == pytest.approx(800 / 0.9996, rel=1e-6)
    assert found.diagonal == pytest.approx(math.hypot(1000, 800) / 0.9996, rel=1e-6)
    assert found.area == pytest.approx(800_000 / 0.9996**2, rel=1e-6)
    half = ground_extent(info, Window(50, 0, 50, 80))
    assert half is not None and half.area == pytest.approx(found.area / 2, rel=1e-5)


def test_web_maps_are_twice_as_large_at_sixty_degrees() -> None:
    y = 6_378_137.0 * math.log(math.tan(math.pi / 4 + math.radians(60) / 2))
    info = raster("EPSG:3857", (1.0, 0.0, 0.0, 0.0, -1.0, y + 50), 100, 100)
    found = ground_extent(info, Window(0, 0, 100, 100))
    assert found is not None and found.width == pytest.approx(50.12, abs=0.02)


def test_across_the_antimeridian_and_at_a_pole() -> None:
    info = raster("EPSG:4326", (0.01, 0.0, 179.5, 0.0, -0.01, 0.5), 100, 100)
    found = ground_extent(info, Window(0, 0, 100, 100))
    assert found is not None and found.width == pytest.approx(111_319.49, rel=1e-4)
    pole = raster("EPSG:3413", (100.0, 0.0, -5000.0, 0.0, -100.0, 5000.0), 100, 100)
    there = ground_extent(pole, Window(0, 0, 100, 100))
    assert there is not None and there.area == pytest.approx(1e8, rel=0.07)


def test_rotated_rasters() -> None:
    c, s = math.cos(0.5), math.sin(0.5)
    info = raster("EPSG:32633", (c, s, 500_000.0, s, -c, 5_411_000.0), 300, 200)
    found = ground_extent(info, Window(0, 0, 300, 200))
    assert found is not None and found.area == pytest.approx(60_000 / 0.9996**2, rel=1e-5)


def test_nowhere_on_earth() -> None:
    window = Window(0, 0, 5, 5)
    assert ground_extent(raster(None, None, 9, 9), window) is None
    assert ground_extent(raster("EPSG:32633", None, 9, 9), window) is None
    assert ground_extent(raster("IAU_2015:49910", (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), 9, 9), window) is None
    assert ground_extent(raster("EPSG:4326", (1.0, 0.0, 0.0, 0.0, -1.0, 95.0), 9, 9), window) is None
