"""Which part of a scene, which values, and how large: arguments, boxes, polygons and parts of rasters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform as transform_points

from fdegc.cli import build_parser
from fdegc.cli.arguments import join_signed
from fdegc.errors import InvalidOption
from fdegc.options import Target, TargetKind, ValueRange
from fdegc.raster import ArraySource, open_raster
from fdegc.raster.area import find_box, read_area
from fdegc.raster.part import PartSource
from fdegc.raster_info import RasterInfo, Window

UTM = rasterio.CRS.from_epsg(32633)
NORTH_UP = Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_400_000.0)
ROTATED = Affine.translation(500_000.0, 5_400_000.0) @ Affine.rotation(30) @ Affine.scale(10.0, -10.0)


def info(transform: Affine | None = NORTH_UP, crs: rasterio.CRS | None = UTM) -> RasterInfo:
    placed = None if transform is None else tuple(transform)[:6]
    wkt = None if crs is None else crs.to_wkt(version="WKT2_2019")
    return RasterInfo("scene.tif", "GTiff", 80, 60, 1, "uint8", crs_wkt=wkt, transform=placed)


def geojson(path: Path, *polygons: Any, crs: str | None = None) -> Path:
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": polygon}}
        for polygon in polygons
    ]
    document: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if crs is not None:
        document["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def to_wgs84(points: list[tuple[float, float]]) -> list[list[float]]:
    xs, ys = transform_points(UTM, "OGC:CRS84", [p[0] for p in points], [p[1] for p in points])
    return [list(pair) for pair in zip(xs, ys, strict=True)]


def corners(transform: Affine, x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    places = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    return [transform * place for place in places]


# ------------------------------------------------------------------------------ arguments


def compress(*arguments: str) -> Any:
    return build_parser().parse_args(join_signed(["compress", "a.tif", "b.fdegc", *arguments]))


def test_ranges_are_read() -> None:
    assert compress().ranges == ()
    assert compress("--range", "0:4095").ranges == (ValueRange(0, 4095),)
    assert compress("--range", "-50.5:300").ranges == (ValueRange(-50.5, 300),)
    assert compress("--range", "0.1%:99.9%,0:9").ranges == (ValueRange(0.1, 99.9, True), ValueRange(0, 9))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("300000", 300_000),
        ("300k", 300_000),
        ("1.5MB", 1_500_000),
        ("2MiB", 2 << 20),
        ("1KiB", 1024),
        (".5G", 5e8),
    ],
)
def test_sizes_are_read(text: str, size: float) -> None:
    assert compress("--target-size", text).target == Target(TargetKind.SIZE, size)


def test_other_targets_and_boxes_are_read() -> None:
    assert compress("--target-bpp", "0.25").target.bytes(1000) == 31
    assert compress("--target-psnr", "35").target == Target(TargetKind.PSNR, 35.0)
    assert compress("--bbox", "-10.5,-3,5,50").bbox == (-10.5, -3.0, 5.0, 50.0)
    assert compress("--window", "1,2,3,4").window == Window(1, 2, 3, 4)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--range", "9:1"], ["--range", "0:1%"], ["--range", "0%:101%"], ["--range", "4095"],
        ["--target-size", "0"], ["--target-size", "2 fathoms"], ["--target-size", "-3"],
        ["--target-bpp", "nan"], ["--target-psnr", "-1"], ["--target-psnr", "30", "--rate", "3"],
        ["--target-size", "3k", "--target-bpp", "1"], ["--window", "1,2,3"], ["--bbox", "1,2,3,x"],
        ["--window", "1,2,3,4", "--aoi", "a.geojson"],
    ],
)  # fmt: skip
def test_nonsense_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        compress(*arguments)
    assert end.value.code == 2 and arguments[0] in capsys.readouterr().err


# ------------------------------------------------------------------------------ boxes and polygons


def test_a_box_in_the_scenes_own_coordinates() -> None:
    assert find_box(info(), (500_100, 5_399_700, 500_300, 5_399_900)) == Window(10, 10, 20, 20)
    assert find_box(info(), (500_105, 5_399_705, 500_301, 5_399_900)) == Window(10, 10, 21, 20)
    assert find_box(info(), (0, 5_399_900, 500_100, 6_000_000)) == Window(0, 0, 10, 10)
    assert find_box(info(crs=None), (500_100, 5_399_700, 500_300, 5_399_900)) == Window(10, 10, 20, 20)


def test_a_box_in_another_crs_holds_the_pixels_it_should() -> None:
    points = to_wgs84(corners(NORTH_UP, 20, 10, 30, 20))
    lons, lats = zip(*points, strict=True)
    window = find_box(info(), (min(lons), min(lats), max(lons), max(lats)), "EPSG:4326")
    assert window.x in (19, 20) and window.y in (9, 10)
    assert window.x + window.width in (50, 51) and window.y + window.height in (30, 31)


def test_a_box_in_a_rotated_scene() -> None:
    points = corners(ROTATED, 30, 20, 10, 10)
    xs, ys = zip(*points, strict=True)
    window = find_box(info(ROTATED), (min(xs), min(ys), max(xs), max(ys)))
    assert window.x < 30 and window.y < 20 and window.x + window.width > 40 and window.y + window.height > 30
    assert window.width < 22 and window.height < 22


@pytest.mark.parametrize(
    ("raster", "box", "crs", "words"),
    [
        (info(), (3, 1, 2, 2), None, "west below east"),
        (info(), (0, 0, 1, float("nan")), None, "west below east"),
        (info(), (0, 0, 1, 1), None, "lies outside of “scene.tif”"),
        (info(None), (0, 0, 1, 1), None, "no place on the ground"),
        (info(crs=None), (0, 0, 1, 1), "EPSG:4326", "no coordinate reference system"),
        (info(), (0, 0, 1, 1), "EPSG:nowhere", "is not a coordinate reference system"),
        (info(Affine(0, 0, 0, 0, 0, 0)), (0, 0, 1, 1), None, "no inverse"),
    ],
)
def test_boxes_that_cannot_be_found(raster: RasterInfo, box: Any, crs: str | None, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        find_box(raster, box, crs)


def test_polygons_are_wgs84_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    ring = corners(NORTH_UP, 20, 10, 30, 20)
    world = read_area(geojson(tmp_path / "a.geojson", [to_wgs84(ring)]), info())
    own = read_area(geojson(tmp_path / "b.geojson", [ring], crs="urn:ogc:def:crs:EPSG::32633"), info())
    assert own.window == Window(20, 10, 30, 20)
    np.testing.assert_allclose(
        own.polygons[0][0], [(20, 10), (50, 10), (50, 30), (20, 30), (20, 10)], atol=1e-6
    )
    assert world.window == own.window
    bent = np.array(world.polygons[0][0])
    assert np.abs(bent[:, 0] - 35).max() < 15.01 and np.abs(bent[:, 1] - 20).max() < 10.01


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not GeoJSON"),
        ('{"a": 1}', "JSON, but not GeoJSON"),
        ('{"type": "Topology", "objects": {}}', "JSON, but not GeoJSON"),
        ('{"type": "Point", "coordinates": [1, 2]}', "holds no polygon"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3]]]}', "malformed"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}', "malformed"),
        ('{"type": "Polygon", "coordinates": []}', "holds no polygon"),
        ('{"type": "Polygon", "coordinates": [], "crs": {}}', "without a name"),
        ('{"type": "Feature"}', "malformed"),
        (None, "cannot be read"),
    ],
)
def test_files_without_polygons(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "a.geojson"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidOption, match=words):
        read_area(path, info())


# ------------------------------------------------------------------------------ parts


def test_a_part_has_its_own_place_and_pixels() -> None:
    pixels = np.arange(80 * 60, dtype=np.uint16).reshape(1, 60, 80)
    whole = ArraySource(pixels, info=info())
    part = PartSource(whole, Window(20, 10, 30, 25))
    assert (part.info.width, part.info.height) == (30, 25)
    assert part.info.transform is not None
    assert Affine(*part.info.transform) * (0, 0) == NORTH_UP * (20, 10)
    np.testing.assert_array_equal(part.read(Window(0, 0, 30, 25)).pixels, pixels[:, 10:35, 20:50])
    np.testing.assert_array_equal(part.read(Window(3, 4, 5, 6)).pixels, pixels[:, 14:20, 23:28])
    assert part.read(Window(0, 0, 2, 2)).valid is None
    assert part.read_overview(10).pixels.shape == (1, 8, 10)
    assert part.part != PartSource(whole, Window(0, 10, 30, 25)).part
    with pytest.raises(InvalidOption, match="does not lie inside"):
        PartSource(whole, Window(60, 0, 30, 10))


TRIANGLE = (
    ((20.0, 10.0), (50.0, 10.0), (20.0, 40.0), (20.0, 10.0)),
    ((22.0, 12.0), (26.0, 12.0), (22.0, 16.0), (22.0, 12.0)),
)


@pytest.mark.parametrize("masked", [False, True])
def test_pixels_outside_of_the_polygons_are_invalid(masked: bool) -> None:
    pixels = np.full((2, 60, 80), 7, np.uint8)
    valid = np.ones((60, 80), bool)
    valid[15:20] = False
    part = PartSource(ArraySource(pixels, valid if masked else None), Window(20, 10, 30, 30), (TRIANGLE,))
    assert part.info.has_mask
    seen = part.read(Window(0, 0, 30, 30)).valid
    rows, cols = np.mgrid[:30, :30] + 0.5
    expected = (rows + cols < 30) & ~((rows > 2) & (cols > 2) & (rows + cols < 8))
    assert seen is not None
    assert (seen != (expected & valid[10:40, 20:50] if masked else expected)).sum() <= 35  # on the diagonals
    np.testing.assert_array_equal(part.read(Window(4, 5, 9, 8)).valid, seen[5:13, 4:13])
    small = part.read_overview(10).valid
    assert small is not None and small[0, 0] and not small[-1, -1]


def test_alpha_becomes_transparent_outside_of_the_polygons() -> None:
    pixels, alpha = np.full((3, 60, 80), 7, np.uint8), np.full((60, 80), 200, np.uint8)
    part = PartSource(ArraySource(pixels, None, alpha), Window(20, 10, 30, 30), (TRIANGLE,))
    samples = part.read(Window(0, 0, 30, 30))
    assert not part.info.has_mask and samples.valid is None and samples.alpha is not None
    assert set(np.unique(samples.alpha)) == {0, 200} and samples.alpha[29, 29] == 0


def test_overlapping_polygons_add_up_and_tiny_ones_are_refused() -> None:
    whole = ArraySource(np.zeros((1, 60, 80), np.uint8))
    square = (((20.0, 10.0), (40.0, 10.0), (40.0, 30.0), (20.0, 30.0), (20.0, 10.0)),)
    part = PartSource(whole, Window(20, 10, 20, 20), (square, square))
    valid = part.read(Window(0, 0, 20, 20)).valid
    assert valid is not None and valid.all()
    speck = (((20.1, 10.1), (20.3, 10.1), (20.3, 10.3), (20.1, 10.1)),)
    with pytest.raises(InvalidOption, match="centre of no pixel"):
        PartSource(whole, Window(20, 10, 1, 1), (speck,))


def test_boxes_in_real_scenes(data_dir: Path) -> None:
    with open_raster(data_dir / "geo" / "rotated.tif") as source:
        everything = corners(Affine(*source.info.transform), 0, 0, source.info.width, source.info.height)
        xs, ys = zip(*everything, strict=True)
        window = find_box(source.info, (min(xs), min(ys), max(xs), max(ys)))
        assert window == Window(0, 0, source.info.width, source.info.height)
