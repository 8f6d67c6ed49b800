"""Areas that cross the antimeridian and are not cut there, against scenes on both of its sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.transform
import rasterio.warp

from fdegc.cli import main
from fdegc.raster.area import Area, read_area
from fdegc.raster.opening import open_raster
from fdegc.raster_info import Window

UNCUT = [[179, -1], [-179, -1], [-179, 1], [179, 1], [179, -1]]
TURNED = [[-179, 1], [179, 1], [179, -1], [-179, -1], [-179, 1]]
BEYOND = [[179, -1], [181, -1], [181, 1], [179, 1], [179, -1]]
BEFORE = [[-181, -1], [-179, -1], [-179, 1], [-181, 1], [-181, -1]]


def scene(path: Path, west: float, east: float, crs: str = "EPSG:4326", side: int = 80) -> Path:
    """Scene from one longitude to another and from 2° S to 2° N; the east may lie beyond 180°."""
    left, bottom, right, top = west, -2.0, east, 2.0
    if crs != "EPSG:4326":
        xs, ys = rasterio.warp.transform("EPSG:4326", crs, [west, east], [-2.0, 2.0])[:2]
        left, right, bottom, top = xs[0], xs[1], ys[0], ys[1]
        if crs == "EPSG:3857":
            left, right = (longitude * 20037508.342789244 / 180 for longitude in (west, east))
    grid = rasterio.transform.from_bounds(left, bottom, right, top, side, side)
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint8", crs=crs, transform=grid
    ) as dataset:
        dataset.write(np.mgrid[0:side, 0:side].sum(0).astype(np.uint8), 1)
    return path


def area_in(tmp_path: Path, path: Path, *rings: list[list[float]]) -> Area:
    aoi = tmp_path / "aoi.geojson"
    aoi.write_text(json.dumps({"type": "Polygon", "coordinates": rings}), encoding="utf-8")
    with open_raster(path) as source:
        return read_area(aoi, source.info)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:4269"])
@pytest.mark.parametrize("ring", [UNCUT, TURNED, BEYOND, BEFORE], ids=["uncut", "turned", "beyond", "before"])
@pytest.mark.parametrize(
    ("west", "east", "wanted"),
    [
        (176, 180, Window(60, 20, 20, 40)),  # the scene ends at 180°
        (-180, -176, Window(0, 20, 20, 40)),
        (178, 182, Window(20, 20, 40, 40)),  # it goes on beyond
        (-182, -178, Window(20, 20, 40, 40)),
    ],
)
def test_areas_that_are_not_cut_take_the_shorter_way(
    tmp_path: Path, crs: str, ring: list[list[float]], west: float, east: float, wanted: Window
) -> None:
    path = scene(tmp_path / "s.tif", west, east, "EPSG:4326" if crs == "EPSG:4269" else crs)
    if crs == "EPSG:4269":  # the same numbers; PROJ takes them from one datum to the other
        with rasterio.open(path, "r+") as dataset:
            dataset.crs = crs
    found = area_in(tmp_path, path, ring)
    assert found.window == wanted
    assert (found.long_edge is not None) == (ring in (UNCUT, TURNED))


def test_utm_scenes_beside_the_antimeridian(tmp_path: Path) -> None:
    """Zone 60 ends where zone 1 begins; both hold half of the area."""
    for crs, west, east in (("EPSG:32660", 178, 179.99), ("EPSG:32601", -179.99, -178)):
        path = scene(tmp_path / "s.tif", west, east, crs)
        windows = [area_in(tmp_path, path, ring).window for ring in (UNCUT, BEYOND, BEFORE)]
        cut = [[[179, -1], [180, -1], [180, 1], [179, 1], [179, -1]]]
        if crs == "EPSG:32601":
            cut = [[[-180, -1], [-179, -1], [-179, 1], [-180, 1], [-180, -1]]]
        whole = area_in(tmp_path, path, *cut).window
        assert 38 <= whole.width <= 42 and 38 <= whole.height <= 42
        for window in windows:  # borders bend, and more so where they are long
            for name in ("x", "y", "width", "height"):
                assert abs(getattr(window, name) - getattr(whole, name)) <= 1


def test_what_lies_elsewhere_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The long way round, which the numbers of an uncut area say, holds all of this scene."""
    path = scene(tmp_path / "s.tif", 10, 14)
    aoi = tmp_path / "aoi.geojson"
    aoi.write_text(json.dumps({"type": "Polygon", "coordinates": [UNCUT]}), encoding="utf-8")
    assert main(["compress", str(path), str(tmp_path / "a.fdegc"), "--aoi", str(aoi)]) == 1
    assert "lies outside" in capsys.readouterr().err


def test_long_ways_with_points_in_between_are_long(tmp_path: Path) -> None:
    """Areas of more than half of the Earth have them; those from −180° to 180° need none."""
    path = scene(tmp_path / "s.tif", 10, 14)
    wide = [[-170, -1], [0, -1], [170, -1], [170, 1], [0, 1], [-170, 1], [-170, -1]]
    world = [[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]
    for ring, rows in ((wide, Window(0, 20, 80, 40)), (world, Window(0, 0, 80, 80))):
        found = area_in(tmp_path, path, ring)
        assert found.window == rows and found.long_edge is None


def test_holes_go_with_their_polygon(tmp_path: Path) -> None:
    """A hole that lies on one side only has no long edge of its own."""
    hole = [[-179.75, -0.5], [-179.25, -0.5], [-179.25, 0.5], [-179.75, 0.5], [-179.75, -0.5]]
    path = scene(tmp_path / "s.tif", 178, 182)
    found = area_in(tmp_path, path, UNCUT, hole)
    (polygon,) = found.polygons
    columns = [column for column, _ in polygon[1]]
    assert (min(columns), max(columns)) == pytest.approx((45, 55))


def test_rings_around_a_pole_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "s.tif"
    grid = rasterio.transform.from_origin(-3_000_000, 3_000_000, 100_000, 100_000)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=60,
        height=60,
        count=1,
        dtype="uint8",
        crs="EPSG:3031",
        transform=grid,
    ) as dataset:
        dataset.write(np.ones((1, 60, 60), np.uint8))
    ring = [[x, -75] for x in (-150, -90, -30, 30, 90, 150, -150)]
    found = area_in(tmp_path, path, ring)
    left, right = found.window.x, found.window.x + found.window.width
    # 75° S is 1 638 783 m from the pole in this projection.
    assert (left, right) == (30 - 17, 30 + 17)
    assert (found.window.y, found.window.height) == (30 - 17, 34)


def test_the_command_line_says_which_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, aoi = scene(tmp_path / "s.tif", 178, 182), tmp_path / "aoi.geojson"
    aoi.write_text(json.dumps({"type": "Polygon", "coordinates": [UNCUT]}), encoding="utf-8")

    def notices(*more: Any) -> list[str]:
        arguments = ["compress", path, tmp_path / "a.fdegc", "--lossless", "--force", "--json", *more]
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 0
        said: list[str] = json.loads(capsys.readouterr().out)["notices"]
        return said

    (said,) = notices("--aoi", aoi)
    assert said.startswith("An edge of the area goes from 179° to -179° of longitude: it is taken by the sh")
    main(["decompress", str(tmp_path / "a.fdegc"), str(tmp_path / "b.tif")])
    with rasterio.open(tmp_path / "b.tif") as dataset, rasterio.open(path) as whole:
        assert dataset.bounds == pytest.approx((179, -1, 181, 1)) and dataset.dataset_mask().all()
        np.testing.assert_array_equal(dataset.read(1), whole.read(1)[20:60, 20:60])
    aoi.write_text(json.dumps({"type": "Polygon", "coordinates": [BEYOND]}), encoding="utf-8")
    assert notices("--aoi", aoi) == []
