"""Rasters as people have them: what comes back is read with something that is not ours."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sqlite3
import struct
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.enums
import rasterio.shutil
import rasterio.transform
import rasterio.warp
from PIL import Image
from range_server import serving

import fdegc
from fdegc.cli import main
from fdegc.cli.compress import _opened as opened
from fdegc.format.info import read_info
from fdegc.raster import open_raster, open_sink, to_rgb8
from fdegc.raster.several import dataset_parts, several
from fdegc.raster.virtual import virtual_name
from fdegc.raster_info import Window
from tests.rasters import pack

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.usefixtures("few_tries_here", "bands_as_they_are"),
]


def run(capsys, *arguments) -> dict:
    """What a command prints as JSON, after it went well."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments) -> str:
    """The one sentence by which a command fails."""
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("fdegc: error: ") and said.count("\n") == 1, said
    return said.removeprefix("fdegc: error: ").strip()


def there_and_back(path: Path, target: Path, **options) -> tuple[str, ...]:
    """Carry what is said of a raster through the file format, and its values as they are.

    Returns what the target cannot hold.
    """
    coded = target.with_suffix(".fdegc")
    pack(path, coded)
    info = read_info(coded).raster
    coded.unlink()
    with open_raster(path) as source, open_sink(target, info, **options) as sink:
        whole = Window(0, 0, info.width, info.height)
        sink.write(whole, source.read(whole))
    return sink.unsupported_metadata


# ------------------------------------------------------------------ zero is white


def plain_tiff(path: Path, *pages: np.ndarray, photometric: int = 1, tags=()) -> Path:
    """TIFF 6.0 of grey pages, written without any library; ``tags`` are added as (tag, type, value)."""
    data = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    link = 4
    for page in pages:
        place, (height, width) = len(data), page.shape
        data += page.astype(page.dtype.newbyteorder("<")).tobytes()
        data += bytes(len(data) % 2)
        struct.pack_into("<I", data, link, len(data))
        entries = [
            (256, 4, width), (257, 4, height), (258, 3, 8 * page.itemsize), (259, 3, 1),
            (262, 3, photometric), (273, 4, place), (277, 3, 1), (278, 4, height), (279, 4, page.nbytes),
            *tags,
        ]  # fmt: skip
        data += struct.pack("<H", len(entries))
        for tag, kind, value in sorted(entries):
            data += struct.pack("<HHII", tag, kind, 1, value)
        link = len(data)
        data += struct.pack("<I", 0)
    path.write_bytes(data)
    return path


def tag_of(path: Path, tag: int) -> int:
    """Value of a short tag of the first directory, by Pillow."""
    with Image.open(path) as image:
        value = image.tag_v2[tag]
    return value[0] if isinstance(value, tuple) else value


def slope(dtype: str, low: int, high: int) -> np.ndarray:
    y, x = np.mgrid[0:96, 0:128]
    return (low + (x + y) / 222 * (high - low)).astype(dtype)


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint8", 0, 255), ("uint16", 2000, 62000)])
@pytest.mark.parametrize("kind", ["geotiff", "cog"])
def test_zero_is_white(tmp_path, dtype, low, high, kind):
    stored = slope(dtype, low, high)
    path = plain_tiff(tmp_path / "a.tif", stored, photometric=0)
    with open_raster(path) as source:
        assert (source.info.dtype, source.info.bands) == (dtype, 1)
        picture = to_rgb8(source.read(Window(0, 0, 128, 96)), source.info)
    assert picture[0, 0, 0] > 250 and picture[-1, -1, 0] < 5  # bright where the samples are small
    assert there_and_back(path, tmp_path / "b.tif", kind=kind) == ()
    assert tag_of(tmp_path / "b.tif", 262) == 0
    with rasterio.open(tmp_path / "b.tif") as dataset:
        assert dataset.dtypes == (dtype,) and dataset.count == 1
        assert dataset.tags(ns="IMAGE_STRUCTURE")["MINISWHITE"] == "YES"
        np.testing.assert_array_equal(dataset.read(1), stored)


@pytest.mark.parametrize("ending", ["png", "jp2"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_what_cannot_say_that_zero_is_white_keeps_the_samples(tmp_path, dtype, ending):
    stored = slope(dtype, 3, 250)
    path = plain_tiff(tmp_path / "a.tif", stored, photometric=0)
    assert there_and_back(path, tmp_path / f"b.{ending}") == ("that zero is white",)
    with rasterio.open(tmp_path / f"b.{ending}") as dataset:
        assert dataset.colorinterp[0].name == "gray" and dataset.dtypes[0] == dtype
        np.testing.assert_array_equal(dataset.read(1), stored)


def test_bits_of_which_zero_is_white(tmp_path):
    bits = (slope("uint8", 0, 255) > 100).astype(np.uint8)
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=128, height=96, count=1, dtype="uint8", nbits=1,
        photometric="miniswhite", compress="ccittfax4",
    ) as dataset:  # fmt: skip
        dataset.write(bits, 1)
    with Image.open(tmp_path / "a.tif") as image:
        seen = np.array(image.convert("L"))
    assert there_and_back(tmp_path / "a.tif", tmp_path / "b.tif") == ()
    with Image.open(tmp_path / "b.tif") as image:
        np.testing.assert_array_equal(np.array(image.convert("L")), seen)


def test_zero_is_white_through_the_network(tmp_path, capsys):
    stored = slope("uint16", 2000, 62000)
    path = plain_tiff(tmp_path / "a.tif", stored, photometric=0)
    run(capsys, "compress", path, tmp_path / "a.fdegc", "--rate", 6)
    run(capsys, "decompress", tmp_path / "a.fdegc", tmp_path / "b.tif")
    assert tag_of(tmp_path / "b.tif", 262) == 0
    with rasterio.open(tmp_path / "b.tif") as dataset:
        back = dataset.read(1).astype(float)
    assert dataset.dtypes == ("uint16",) and np.abs(back - stored).max() < 3000
    # A negative of it is told apart.
    plain_tiff(tmp_path / "n.tif", 65535 - stored, photometric=0)
    assert run(capsys, "metrics", path, tmp_path / "n.tif")["psnr"] < 12


# ------------------------------------------------------------------ several pictures in a file


def pages(count: int) -> list[np.ndarray]:
    y, x = np.mgrid[0:96, 0:128]
    return [((np.sin(x / (7 + k)) + np.cos(y / 9)) * 60 + 128).astype(np.uint8) for k in range(count)]


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("[7x9] sst (32-bit floating-point)", "9×7, 1 band, 32-bit floating-point"),
        ("[12x3x7x9] /g/d (16-bit integer)", "9×7, 36 bands, 16-bit integer"),
        ("[7x9] d", "9×7, 1 band"),
        ("[9] lat (64-bit floating-point)", ""),
        ("Bands B2, B3 with 10m resolution, UTM 32N", ""),
        ("", ""),
    ],
)
def test_variables_are_described_as_gdal_lists_them(said, title):
    items = {"SUBDATASET_1_NAME": 'netcdf:"a b.nc":sst', "SUBDATASET_1_DESC": said}
    items |= {"SUBDATASET_2_NAME": 'netcdf:"a b.nc":err', "SUBDATASET_2_DESC": said}
    dataset = types.SimpleNamespace(driver="netCDF", count=0, tags=lambda ns: items)
    parts = dataset_parts(dataset, Path("a b.nc"))
    error = several(Path("a b.nc"), parts)
    assert error.titles == (title, title) and [part.title for part in parts] == ["", ""]


def test_pages_are_named_and_taken_one_by_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    stored = pages(3)
    plain_tiff(tmp_path / "m.tif", *stored)
    with Image.open("m.tif") as image:
        assert image.n_frames == 3
    for command in (["info", "m.tif"], ["compress", "m.tif", "m.fdegc"]):
        said = refused(capsys, *command)
        assert "“m.tif” holds 3 rasters" in said and "--page 1 to 3" in said
        assert "GTIFF_DIR:1:m.tif (128×96), GTIFF_DIR:2:m.tif (128×96), GTIFF_DIR:3:m.tif" in said
    assert not (tmp_path / "m.fdegc").exists()
    for number, page in enumerate(stored, 1):
        for name in (f"GTIFF_DIR:{number}:m.tif", f"gtiff_dir:{number}:{tmp_path / 'm.tif'}"):
            with open_raster(name) as source:
                np.testing.assert_array_equal(source.read(Window(0, 0, 128, 96)).pixels[0], page)
        with open_raster("m.tif", page=number) as source:
            np.testing.assert_array_equal(source.read(Window(0, 0, 128, 96)).pixels[0], page)
    run(capsys, "compress", "m.tif", "p.fdegc", "--page", 2, "--rate", 6)
    run(capsys, "compress", "GTIFF_DIR:2:m.tif", "n.fdegc", "--rate", 6)
    assert Path("p.fdegc").read_bytes() == Path("n.fdegc").read_bytes()
    assert run(capsys, "info", "m.tif", "--page", 3)["width"] == 128
    run(capsys, "decompress", "p.fdegc", "p.tif")
    with Image.open("p.tif") as image:
        back = np.array(image).astype(int)
    errors = [np.abs(back - page).mean() for page in stored]
    assert errors.index(min(errors)) == 1
    assert "no number 4" in refused(capsys, "info", "m.tif", "--page", 4)
    plain_tiff(tmp_path / "one.tif", stored[0])
    assert run(capsys, "info", "one.tif", "--page", 1)["bands"] == 1
    assert "leave --page out" in refused(capsys, "info", "one.tif", "--page", 2)
    assert "check the name" in refused(capsys, "info", "GTIFF_DIR:4:m.tif")


def test_a_page_is_read_to_its_end(tmp_path, capsys):
    path = plain_tiff(tmp_path / "m.tif", *pages(3))
    data = path.read_bytes()
    path.write_bytes(data[:-9000])  # the last page and what it is go
    assert refused(capsys, "info", f"GTIFF_DIR:3:{path}")


def test_overviews_and_masks_are_no_pages(tmp_path):
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=600, height=500, count=1, dtype="uint8", tiled=True
    ) as dataset:
        dataset.write(np.full((1, 500, 600), 7, np.uint8))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.full((500, 600), 255, np.uint8))
        dataset.build_overviews([2, 4])
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2, 4] and dataset.mask_flag_enums[0][0].name == "per_dataset"
    with open_raster(path) as source:
        assert source.info.bands == 1 and source.info.has_mask


def test_the_picture_behind_a_thumbnail_is_named(tmp_path, capsys):
    tifffile = pytest.importorskip("tifffile", reason="writes the DNG of this test")
    path = tmp_path / "drone.dng"
    small, large = np.zeros((60, 80, 3), np.uint8), slope("uint16", 0, 4095)
    with tifffile.TiffWriter(path) as file:
        version = (50706, "B", 4, bytes([1, 4, 0, 0]), True)
        file.write(small, photometric="rgb", subfiletype=1, subifds=1, metadata=None, extratags=[version])
        pattern = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([0, 1, 1, 2]), True)]
        file.write(large, photometric=32803, subfiletype=0, metadata=None, extratags=pattern)
    said = refused(capsys, "compress", path, tmp_path / "a.fdegc")
    assert "80×60, a thumbnail" in said and "128×96, unprocessed sensor data" in said
    assert said.endswith(
        "It is a raw photograph (DNG); to compress what it shows, develop it to a TIFF first."
    )
    with open_raster(path, page=2) as source:
        np.testing.assert_array_equal(source.read(Window(0, 0, 128, 96)).pixels[0], large)
    with open_raster(path, page=1) as source:
        assert (source.info.width, source.info.bands) == (80, 3)


def test_pages_are_turned_as_each_of_them_says(tmp_path):
    stored = pages(2)
    path = plain_tiff(tmp_path / "m.tif", *stored, tags=[(274, 3, 6)])
    with open_raster(path, page=2) as source:
        assert (source.info.width, source.info.height) == (96, 128)
        np.testing.assert_array_equal(source.read(Window(0, 0, 96, 128)).pixels[0], np.rot90(stored[1], -1))


def test_a_nitf_of_two_images_names_them(tmp_path, capsys):
    stored = slope("uint8", 0, 255)
    plain_tiff(tmp_path / "s.tif", stored)
    rasterio.shutil.copy(tmp_path / "s.tif", tmp_path / "n.ntf", driver="NITF", NUMI="2")
    assert f"NITF_IM:1:{tmp_path / 'n.ntf'}" in refused(capsys, "info", tmp_path / "n.ntf")
    with open_raster(tmp_path / "n.ntf", page=1) as source:
        np.testing.assert_array_equal(source.read(Window(0, 0, 128, 96)).pixels[0], stored)


def test_names_are_quoted_as_they_must_be_typed(tmp_path, capsys):
    grid = {"crs": "EPSG:32633", "transform": rasterio.transform.from_origin(5e5, 5.4e6, 10, 10)}
    with rasterio.open(
        tmp_path / "s.tif", "w", driver="GTiff", width=40, height=30, count=2, dtype="int16", **grid
    ) as dataset:
        dataset.write(np.arange(2400, dtype=np.int16).reshape(2, 30, 40))
    rasterio.shutil.copy(tmp_path / "s.tif", tmp_path / "a b:c,é.nc", driver="netCDF")
    said = refused(capsys, "info", tmp_path / "a b:c,é.nc")
    typed = shlex.split(said[said.index("to 2): ") + 7 :].replace(".nc\":Band2'.", ".nc\":Band2'"))
    assert [name.rstrip(",") for name in typed] == [
        f'NETCDF:"{tmp_path / "a b:c,é.nc"}":Band{n}' for n in (1, 2)
    ]
    assert run(capsys, "info", typed[1])["bands"] == 1


# ------------------------------------------------------------------ JPEG 2000 and PNG


GRIDS = {
    "north up": (10, 0, 5e5, 0, -10, 5.4e6),
    "south up": (10, 0, 5e5, 0, 10, 5.4e6),
    "mirrored": (-10, 0, 5e5, 0, -10, 5.4e6),
    "turned over": (-10, 0, 5e5, 0, 10, 5.4e6),
    "rotated": (8, 3, 5e5, 3, -8, 5.4e6),
    "rotated, south up": (8, 3, 5e5, -3, 8, 5.4e6),
    "on its side": (0, 10, 5e5, 10, 0, 5.4e6),
}


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", None])
@pytest.mark.parametrize("name", GRIDS)
def test_jpeg_2000_lies_where_the_scene_does_or_nowhere(tmp_path, name, crs):
    grid = GRIDS[name]
    if crs == "EPSG:4326":
        grid = tuple(value / 1e5 for value in grid)
    path, back = tmp_path / "a.tif", tmp_path / "b.jp2"
    stored = slope("uint8", 0, 255)[:48, :64]
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=48, count=1, dtype="uint8", crs=crs,
        transform=rasterio.Affine(*grid),
    ) as dataset:  # fmt: skip
        dataset.write(stored, 1)
    left_out = there_and_back(path, back)
    assert [entry.name for entry in tmp_path.iterdir() if entry not in (path, back)] == []
    with rasterio.open(back) as dataset:
        placed = tuple(dataset.transform)[:6]
        np.testing.assert_array_equal(dataset.read(1), stored)
    if placed == (1, 0, 0, 0, 1, 0):
        assert "transform" in left_out and crs is None
    else:
        assert placed == pytest.approx(grid, rel=1e-9) and left_out == ()


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0), (0, 1, 2)])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("said", ["interpretation", "names"])
def test_png_shows_the_colours_that_the_bands_are(tmp_path, order, alpha, said):
    """Bands in any order come as red, green and blue."""
    colors = np.stack([np.full((40, 50), value, np.uint8) for value in (200, 100, 30)])
    path = tmp_path / "a.tif"
    names = [("red", "green", "blue")[i] for i in order]
    planes = colors[list(order)]
    if alpha:
        planes = np.concatenate([planes, np.full((1, 40, 50), 255, np.uint8)])
    with rasterio.open(
        path, "w", driver="GTiff", width=50, height=40, count=len(planes), dtype="uint8",
        photometric="minisblack",
    ) as dataset:  # fmt: skip
        kinds = names if said == "interpretation" else ["gray", "undefined", "undefined"]
        dataset.colorinterp = [rasterio.enums.ColorInterp[name] for name in kinds + ["alpha"] * alpha]
        if said == "names":
            for number, name in enumerate(names, 1):
                dataset.set_band_description(number, name.title())
        dataset.write(planes)
    left_out = there_and_back(path, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.convert("RGB").getpixel((7, 7)) == (200, 100, 30)
    assert said == "interpretation" or "colour interpretation" not in left_out  # there never was one
    moved = order != (0, 1, 2)
    assert ("the order of the bands, which are written as red, green, blue" in left_out) == moved
    # JPEG 2000 can say which band is which.
    assert "colour interpretation" not in there_and_back(path, tmp_path / "b.jp2")
    with rasterio.open(tmp_path / "b.jp2") as dataset:
        np.testing.assert_array_equal(dataset.read(), planes)
        if said == "interpretation":
            assert [color.name for color in dataset.colorinterp[:3]] == names


# ------------------------------------------------------------------ comparing


GRID = rasterio.transform.from_origin(5e5, 5.4e6, 10, 10)


def write(path: Path, planes: np.ndarray, crs="EPSG:32633", transform=GRID, colored=None, **options) -> Path:
    """Placed GeoTIFF of planes (bands, height, width), of which the last is alpha if that is so."""
    count, height, width = planes.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=planes.dtype.name, crs=crs,
        transform=transform, **options,
    ) as dataset:  # fmt: skip
        if colored:
            kinds = [rasterio.enums.ColorInterp[name] for name in ("red", "green", "blue", "alpha")]
            dataset.colorinterp = kinds
        dataset.write(planes)
    return path


def wave(bands: int = 3, dtype: str = "uint16", size=(96, 128)) -> np.ndarray:
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    return np.stack([1000 + 500 * np.sin(x / (9 + b)) * np.cos(y / 11) for b in range(bands)]).astype(dtype)


def test_the_others_nodata_are_no_values(tmp_path, capsys):
    stored = wave()
    other = stored.copy()
    other[:, 10:20, 10:30] = 0
    other[1, 50, 60] = 0
    a, b = write(tmp_path / "a.tif", stored), write(tmp_path / "b.tif", other + 0, nodata=0)
    report = run(capsys, "metrics", a, b)
    assert report["max_error"] == 0 and not report["lossless"] and report["rmse"] == 0
    assert (report["missing"], report["extra"]) == (601, 0)
    assert report["differences"] == [
        f"601 valid samples of the original ({60100 / stored.size:.3g} % of all) are missing in the other; "
        "the figures are of what both have."
    ]
    turned = run(capsys, "metrics", b, a)
    assert (turned["missing"], turned["extra"], turned["max_error"]) == (0, 601, 0)
    floats = stored.astype(np.float32)
    holes = floats.copy()
    holes[:, 3, 3] = np.nan
    report = run(
        capsys, "metrics", write(tmp_path / "c.tif", floats), write(tmp_path / "d.tif", holes, nodata=np.nan)
    )
    assert (report["missing"], report["max_error"]) == (3, 0)


def test_alpha_and_places_that_differ_are_said(tmp_path, capsys):
    stored = np.concatenate([wave(3, "uint16") // 8, np.full((1, 96, 128), 255)]).astype(np.uint8)
    other = stored.copy()
    other[3, :10] = 100
    a = write(tmp_path / "a.tif", stored, colored=True)
    said = run(capsys, "metrics", a, write(tmp_path / "b.tif", other, colored=True))["differences"]
    assert said == ["Alpha differs in 1280 pixels (10.4 %)."]
    said = run(capsys, "metrics", a, write(tmp_path / "c.tif", stored[:3]))["differences"]
    assert said == ["Only the original has an alpha band."]
    b = write(tmp_path / "d.tif", stored[:3], transform=GRID @ rasterio.Affine.translation(2, -1))
    said = run(capsys, "metrics", tmp_path / "c.tif", b)["differences"]
    assert len(said) == 1 and "column 2, row -1" in said[0]
    b = write(tmp_path / "e.tif", stored[:3], crs="EPSG:32632")
    assert run(capsys, "metrics", tmp_path / "c.tif", b)["differences"] == [
        "Their coordinate reference systems differ."
    ]
    b = write(tmp_path / "f.tif", stored[:3], crs=None, transform=None)
    assert len(run(capsys, "metrics", tmp_path / "c.tif", b)["differences"]) == 2
    assert run(capsys, "metrics", a, a)["differences"] == []


def test_rasters_of_different_sizes_are_laid_over_each_other(tmp_path, capsys):
    stored = wave()
    a = write(tmp_path / "a.tif", stored)
    moved = GRID @ rasterio.Affine.translation(100, 50)
    part = np.pad(stored[:, 50:, 100:], ((0, 0), (0, 10), (0, 20)))
    b = write(tmp_path / "b.tif", part, transform=moved)
    report = run(capsys, "metrics", a, b)
    assert report["max_error"] == 0 and report["window"] == {"x": 100, "y": 50, "width": 28, "height": 46}
    assert "28×46 pixels at column 100, row 50" in report["differences"][0]
    report = run(capsys, "metrics", b, a)
    assert report["max_error"] == 0 and report["window"] == {"x": 0, "y": 0, "width": 28, "height": 46}
    for name, options, why in (
        ("c", {"transform": GRID @ rasterio.Affine.translation(3.5, 0)}, "one grid"),
        ("d", {"transform": GRID @ rasterio.Affine.scale(2)}, "one grid"),
        ("e", {"transform": GRID @ rasterio.Affine.translation(500, 0)}, "no ground in common"),
        ("f", {"crs": "EPSG:32632"}, "coordinate reference systems"),
        ("g", {"transform": None, "crs": None}, "place on the ground"),
    ):
        other = write(tmp_path / f"{name}.tif", part, **options)
        said = refused(capsys, "metrics", a, other)
        assert "cannot be compared: their sizes differ (128×96 and 48×56 pixels)" in said and why in said


def test_a_part_is_compared_where_it_was_cut_from(tmp_path, capsys):
    a = write(tmp_path / "a.tif", wave())
    run(capsys, "compress", a, tmp_path / "p.fdegc", "--window", "20,10,80,70", "--rate", 6)
    report = run(capsys, "metrics", a, tmp_path / "p.fdegc")
    assert report["window"] == {"x": 20, "y": 10, "width": 80, "height": 70} and report["psnr"] > 25


# ------------------------------------------------------------------ areas


def square(west, south, east, north) -> dict:
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [corners]}


def collection(*geometries, crs="urn:ogc:def:crs:EPSG::32633") -> dict:
    features = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in geometries]
    named = {"crs": {"type": "name", "properties": {"name": crs}}} if crs else {}
    return {"type": "FeatureCollection", "features": features, **named}


def stored_json(path: Path, thing) -> Path:
    path.write_text(thing if isinstance(thing, str) else json.dumps(thing), encoding="utf-8")
    return path


def part_of(tmp_path, scene: Path, **options) -> rasterio.io.DatasetReader:
    """A part of a scene as ``fdegc compress`` takes it, written and opened by rasterio."""
    asked = {
        "page": None,
        "alpha": "as-alpha",
        "window": None,
        "bbox": None,
        "bbox_crs": None,
        "aoi": None,
    } | options
    with opened(argparse.Namespace(input=scene, **asked)) as source:
        whole = Window(0, 0, source.info.width, source.info.height)
        with open_sink(tmp_path / "part.tif", source.info, overwrite=True) as sink:
            sink.write(whole, source.read(whole))
    return rasterio.open(tmp_path / "part.tif")


def test_areas_across_the_antimeridian(tmp_path, capsys):
    grid = rasterio.transform.from_origin(170, 5, 0.1, 0.1)
    y, x = np.mgrid[0:100, 0:200]
    scene = write(tmp_path / "s.tif", ((x + y) % 251).astype(np.uint8)[None], "EPSG:4326", grid)
    halves = [square(175, -3, 180, 3)["coordinates"], square(-180, -3, -175, 3)["coordinates"]]
    area = {"type": "MultiPolygon", "coordinates": halves}
    aoi = stored_json(tmp_path / "a.geojson", {"type": "Feature", "properties": {}, "geometry": area})
    run(capsys, "compress", scene, tmp_path / "a.fdegc", "--bbox", "175,-3,-175,3", "--rate", 1)
    assert run(capsys, "info", tmp_path / "a.fdegc")["width"] == 100
    for options in ({"aoi": aoi}, {"bbox": (175, -3, -175, 3)}, {"bbox": (175, -3, 185, 3)}):
        with part_of(tmp_path, scene, **options) as part:
            assert (part.width, part.height) == (100, 60)
            assert part.bounds == pytest.approx((175, -3, 185, 3))
            assert part.dataset_mask().all()
    with part_of(tmp_path, scene, bbox=(-178, -3, -176, 3), bbox_crs="EPSG:4326") as part:
        assert part.bounds == pytest.approx((182, -3, 184, 3))
    assert "lies outside" in refused(
        capsys, "compress", scene, tmp_path / "x.fdegc", "--bbox", "160,-3,165,3"
    )


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:32660"])
def test_areas_across_the_antimeridian_in_projected_scenes(tmp_path, capsys, crs):
    """A scene that goes on beyond 180° in metres; what is found is a box in degrees, by PROJ alone."""
    left, right = rasterio.warp.transform("EPSG:4326", crs, [179.0, -179.0], [0.0, 0.0])[0]
    around = 2 * 20037508.342789244 if crs == "EPSG:3857" else 0.0
    right += around
    grid = rasterio.transform.from_origin(left, 50_000, (right - left) / 200, 500)
    scene = write(tmp_path / "s.tif", np.ones((1, 200, 200), np.uint8), crs, grid)
    with part_of(tmp_path, scene, bbox=(179.5, -0.1, -179.5, 0.1), bbox_crs="EPSG:4326") as part:
        assert part.width in (100, 101, 102)
        assert (part.bounds.left + part.bounds.right) / 2 == pytest.approx((left + right) / 2, abs=4000)


def test_scenes_that_count_from_0_to_360_degrees(tmp_path, capsys):
    grid = rasterio.transform.from_origin(0, 90, 2, 2)
    scene = write(tmp_path / "s.tif", np.ones((1, 90, 180), np.uint8), "EPSG:4326", grid)
    with part_of(tmp_path, scene, bbox=(-60, -10, -40, 10)) as part:
        assert part.bounds == pytest.approx((300, -10, 320, 10))
    aoi = stored_json(tmp_path / "a.geojson", square(-60, -10, -40, 10))
    with part_of(tmp_path, scene, aoi=aoi) as part:
        assert part.bounds == pytest.approx((300, -10, 320, 10))


@pytest.fixture
def utm_scene(tmp_path) -> Path:
    y, x = np.mgrid[0:120, 0:160]
    return write(tmp_path / "sc.tif", ((x + y) % 251).astype(np.uint8)[None].repeat(3, 0))


INSIDE = (500100, 5399000, 500500, 5399500)


def test_what_lies_outside_does_not_make_the_part_larger(tmp_path, capsys, utm_scene):
    aoi = stored_json(
        tmp_path / "a.json", collection(square(*INSIDE), square(503000, 5399300, 503200, 5399600))
    )
    with part_of(tmp_path, utm_scene, aoi=aoi) as part:
        assert (part.width, part.height) == (40, 50) and part.bounds == INSIDE
    report = run(capsys, "compress", utm_scene, tmp_path / "a.fdegc", "--aoi", aoi, "--rate", 1)
    assert report["notices"] == [f"1 more polygon lies outside of “{utm_scene}”, without effect."]


def test_areas_of_many_kinds(tmp_path, capsys, utm_scene):
    named = collection(square(*INSIDE))
    lines = [json.dumps({**feature, "crs": named["crs"]}) for feature in named["features"] * 2]
    geographic = rasterio.warp.transform_bounds("EPSG:32633", "OGC:CRS84", *INSIDE)
    areas = [
        stored_json(tmp_path / "e.json", collection(square(*INSIDE), {"type": "Polygon", "coordinates": []})),
        stored_json(tmp_path / "l.ndjson", "\n".join(lines)),
        stored_json(tmp_path / "l.geojsons", "".join(f"\x1e{line}\n" for line in lines)),
        geopackage(tmp_path / "g.gpkg", INSIDE),
        shapefile(tmp_path / "s.shp", INSIDE),
    ]
    for aoi in areas:
        with part_of(tmp_path, utm_scene, aoi=aoi) as part:
            assert part.bounds == INSIDE, aoi
    aoi = stored_json(tmp_path / "w.json", collection(square(*geographic), crs=None))
    with part_of(tmp_path, utm_scene, aoi=aoi) as part:
        assert part.bounds == pytest.approx(INSIDE, abs=21)


def geopackage(path: Path, box) -> Path:
    """GeoPackage with a polygon (OGC 12-128r19), by sqlite alone."""
    west, south, east, north = box
    ring = struct.pack("<10d", west, south, east, south, east, north, west, north, west, south)
    wkb = struct.pack("<BIII", 1, 3, 1, 5) + ring
    blob = b"GP\0" + struct.pack("<Bi4d", 0b11, 32633, west, east, south, north) + wkb
    base = sqlite3.connect(path)
    base.executescript(
        "CREATE TABLE gpkg_spatial_ref_sys "
        "(srs_name, srs_id, organization, organization_coordsys_id, definition);"
        "CREATE TABLE gpkg_geometry_columns (table_name, column_name, geometry_type_name, srs_id, z, m);"
        "INSERT INTO gpkg_spatial_ref_sys VALUES ('UTM', 32633, 'EPSG', 32633, '');"
        "INSERT INTO gpkg_geometry_columns VALUES ('a \"b', 'geom', 'POLYGON', 32633, 0, 0);"
        'CREATE TABLE "a ""b" (fid INTEGER PRIMARY KEY, geom BLOB);'
    )
    base.execute('INSERT INTO "a ""b" VALUES (1, ?), (2, NULL)', (blob,))
    base.commit()
    base.close()
    return path


def shapefile(path: Path, box) -> Path:
    """Shapefile with a polygon (Esri, 1998), and its projection."""
    west, south, east, north = box
    points = (west, south, west, north, east, north, east, south, west, south)
    record = struct.pack("<i4d3i10d", 5, west, south, east, north, 1, 5, 0, *points)
    size = 100 + 8 + len(record)
    head = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, size // 2) + struct.pack(
        "<2i8d", 1000, 5, *box, 0, 0, 0, 0
    )
    path.write_bytes(head + struct.pack(">2i", 1, len(record) // 2) + record)
    crs = rasterio.crs.CRS.from_epsg(32633)
    path.with_suffix(".prj").write_text(crs.to_wkt(version="WKT1_ESRI"), encoding="utf-8")
    return path


def test_areas_that_cannot_be_used_say_why(tmp_path, capsys, utm_scene):
    for name, thing, why in (
        ("no_crs.json", collection(square(*INSIDE), crs=None), "no longitude and latitude"),
        ("a.json", {"a": 1}, "JSON, but not GeoJSON"),
        ("e.json", collection({"type": "Polygon", "coordinates": []}), "holds no polygon"),
        ("t.txt", "some text", "it is not JSON"),
    ):
        aoi = stored_json(tmp_path / name, thing)
        assert why in refused(capsys, "compress", utm_scene, tmp_path / "x.fdegc", "--aoi", aoi)
    aoi = shapefile(tmp_path / "s.shp", INSIDE)
    aoi.with_suffix(".prj").unlink()
    assert "no “s.prj”" in refused(capsys, "compress", utm_scene, tmp_path / "x.fdegc", "--aoi", aoi)
    sqlite3.connect(tmp_path / "b.gpkg").executescript("CREATE TABLE t (a);")
    assert "database" in refused(
        capsys, "compress", utm_scene, tmp_path / "x.fdegc", "--aoi", tmp_path / "b.gpkg"
    )
    assert not (tmp_path / "x.fdegc").exists()


# ------------------------------------------------------------------ alpha


def premultiplied(path: Path) -> np.ndarray:
    y, x = np.mgrid[0:96, 0:128]
    alpha = np.where(x < 64, 255, 128)
    colors = np.stack([(x * 2) % 256, (y * 2) % 256, (x + y) % 256])
    stored = np.concatenate([colors * alpha // 255, alpha[None]]).astype(np.uint8)
    write(path, stored, photometric="RGB", alpha="PREMULTIPLIED")
    return stored


@pytest.mark.parametrize("kind", ["geotiff", "cog"])
def test_premultiplied_alpha_stays_so(tmp_path, kind):
    stored = premultiplied(tmp_path / "a.tif")
    assert tag_of(tmp_path / "a.tif", 338) == 1
    assert there_and_back(tmp_path / "a.tif", tmp_path / "b.tif", kind=kind) == ()
    assert tag_of(tmp_path / "b.tif", 338) == 1
    with rasterio.open(tmp_path / "b.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), stored)
        assert dataset.colorinterp[3].name == "alpha"


def test_premultiplied_alpha_is_divided_out_where_colours_must_not_have_it(tmp_path):
    stored = premultiplied(tmp_path / "a.tif")
    wanted = np.rint(np.minimum(stored[:3] * 255.0 / stored[3], 255)).astype(np.uint8)
    said = "that colours are multiplied with alpha"
    assert said in there_and_back(tmp_path / "a.tif", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        np.testing.assert_array_equal(np.moveaxis(np.array(image), 2, 0), [*wanted, stored[3]])
    with open_raster(tmp_path / "a.tif") as source:
        picture = to_rgb8(source.read(Window(0, 0, 128, 96)), source.info)
    np.testing.assert_array_equal(np.moveaxis(picture, 2, 0)[:3], wanted)
    assert said in there_and_back(tmp_path / "a.tif", tmp_path / "b.jp2")
    with rasterio.open(tmp_path / "b.jp2") as dataset:
        np.testing.assert_array_equal(dataset.read(), stored)


def test_premultiplied_colours_are_never_above_alpha(tmp_path, capsys):
    premultiplied(tmp_path / "a.tif")
    run(capsys, "compress", tmp_path / "a.tif", tmp_path / "a.fdegc", "--rate", 1)
    run(capsys, "decompress", tmp_path / "a.fdegc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        back = dataset.read()
    assert (back[:3] <= back[3]).all() and tag_of(tmp_path / "b.tif", 338) == 1


def infrared(path: Path) -> np.ndarray:
    noise = np.random.default_rng(0)
    y, x = np.mgrid[0:200, 0:200]
    planes = [
        128 + 70 * np.sin(x / (9 + 2 * b)) * np.cos(y / (11 + b)) + 8 * noise.standard_normal((200, 200))
        for b in range(4)
    ]
    stored = np.clip(np.stack(planes), 0, 255).astype(np.uint8)
    stored[3, 50:80, 60:90] = 0  # water
    write(path, stored, photometric="RGB", alpha="YES")
    return stored


def test_infrared_that_is_called_alpha_is_data(tmp_path, capsys):
    stored = infrared(tmp_path / "a.tif")
    info = run(capsys, "info", tmp_path / "a.tif")
    (said,) = info["notices"]
    assert said.startswith("A band is called alpha, but its values are those of data")
    assert "--alpha as-alpha keeps it without loss" in said and info["bands"] == 4
    for alpha in ((), ("--alpha", "as-data")):
        report = run(capsys, "compress", tmp_path / "a.tif", tmp_path / "d.fdegc", "--rate", 6, *alpha)
        assert report["notices"] == ([] if alpha else [said]) and report["bands"] == 4
        run(capsys, "decompress", tmp_path / "d.fdegc", tmp_path / "d.tif")
        with rasterio.open(tmp_path / "d.tif") as dataset:
            assert "alpha" not in [color.name for color in dataset.colorinterp]
            assert np.abs(dataset.read(4).astype(int) - stored[3]).mean() < 8
        report = run(capsys, "metrics", tmp_path / "a.tif", tmp_path / "d.fdegc", *alpha)
        assert report["bands"] == 4 and report["differences"] == []
        for path in ("d.fdegc", "d.tif"):
            (tmp_path / path).unlink()
    fdegc.compress(tmp_path / "a.tif", tmp_path / "p.fdegc", quality=6.0)
    assert fdegc.info(tmp_path / "p.fdegc").raster.bands == fdegc.info(tmp_path / "a.tif").bands == 4


def test_infrared_that_is_called_alpha_may_be_kept_or_left_out(tmp_path, capsys):
    stored = infrared(tmp_path / "a.tif")
    report = run(
        capsys, "compress", tmp_path / "a.tif", tmp_path / "a.fdegc", "--rate", 1, "--alpha", "as-alpha"
    )
    (said,) = report["notices"]
    assert said.startswith("Band 4 is called alpha, but its values are those of data")
    assert "--alpha as-data" in said and report["bands"] == 3
    run(capsys, "decompress", tmp_path / "a.fdegc", tmp_path / "back.tif")
    with rasterio.open(tmp_path / "back.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(4), stored[3])
    # The original is read as the file has it.
    report = run(capsys, "metrics", tmp_path / "a.tif", tmp_path / "a.fdegc")
    assert report["bands"] == 3 and report["differences"] == []
    report = run(capsys, "compress", tmp_path / "a.tif", tmp_path / "n.fdegc", "--rate", 1, "--alpha", "none")
    assert report["bands"] == 3 and not run(capsys, "info", tmp_path / "n.fdegc")["has_alpha"]


def test_alpha_of_many_values_that_is_smooth_is_kept_and_spoken_of(tmp_path, capsys):
    stored = infrared(tmp_path / "a.tif")
    y, x = np.mgrid[0:200, 0:200]
    stored[3] = np.rint(250 * np.exp(-(((x - 100) / 90) ** 2) - ((y - 90) / 80) ** 2))
    write(tmp_path / "a.tif", stored, photometric="RGB", alpha="YES")
    report = run(capsys, "info", tmp_path / "a.tif")
    assert report["bands"] == 3 and "kept without loss" in report["notices"][0]


def test_alpha_of_pictures_may_be_data_too(tmp_path, capsys):
    y, x = np.mgrid[0:40, 0:50]
    stored = np.stack([x, y, x + y, x * 5], axis=-1).astype(np.uint8)
    Image.fromarray(stored, "RGBA").save(tmp_path / "a.png")
    with open_raster(tmp_path / "a.png", alpha="as-data") as source:
        assert source.info.bands == 4 and not source.info.has_alpha
        np.testing.assert_array_equal(np.moveaxis(source.read(Window(0, 0, 50, 40)).pixels, 0, 2), stored)
    with open_raster(tmp_path / "a.png", alpha="none") as source:
        assert source.info.bands == 3 and not source.info.has_alpha


def test_alpha_that_is_alpha_is_not_spoken_of(tmp_path, capsys):
    stored = infrared(tmp_path / "a.tif")
    y, x = np.mgrid[0:200, 0:200]
    stored[3] = np.clip(900 - 12 * np.hypot(x - 100, y - 100), 0, 255)  # a disc with a soft border
    write(tmp_path / "a.tif", stored, photometric="RGB", alpha="YES")
    assert run(capsys, "info", tmp_path / "a.tif")["notices"] == []


# ------------------------------------------------------------------ outliers


def test_what_may_stand_for_missing_samples_is_kept_beside_the_picture(tmp_path, capsys):
    stored = np.random.default_rng(0).normal(0.3, 0.03, (3, 120, 130)).astype(np.float32)
    stored[2, :3] = -9999
    path = write(tmp_path / "a.tif", stored)
    report = run(capsys, "compress", path, tmp_path / "a.fdegc", "--psnr", "--rate", 1)
    assert report["notices"] == []
    assert report["outliers"].startswith(
        "390 samples lie far outside of the others (band 3: -9999, the others "
    )
    assert "declare it as nodata" in report["outliers"]
    info = run(capsys, "info", tmp_path / "a.fdegc")
    assert info["outliers"] == 390 and info["ranges"][2][0] > 0
    measured = run(capsys, "metrics", path, tmp_path / "a.fdegc")
    assert measured["peak"] < 1 and measured["psnr"] == pytest.approx(report["psnr"], abs=0.05)
    assert run(capsys, "decompress", tmp_path / "a.fdegc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(3)[:3], stored[2, :3])


def test_what_may_stand_for_missing_samples_is_noticed_in_its_band(tmp_path, capsys):
    noise = np.random.default_rng(0)
    stored = noise.normal(0.3, 0.03, (3, 120, 130)).astype(np.float32)
    stored[2][noise.random((120, 130)) < 0.03] = -9999  # too many, all over, for outliers
    stored[0, 7, 7] = 0.7  # which would be said without
    path = write(tmp_path / "a.tif", stored)
    (said,) = run(capsys, "compress", path, tmp_path / "a.fdegc", "--psnr", "--rate", 1)["notices"]
    assert said.startswith("The coded range of band 3, -9999 to ") and "declare it as nodata" in said


def test_a_few_bright_pixels_are_noticed(tmp_path, capsys):
    noise = np.random.default_rng(0)
    y, x = np.mgrid[0:400, 0:400]
    stored = np.stack(
        [
            2200 + 900 * np.sin(x / (9 + b)) * np.cos(y / 11) + 40 * noise.standard_normal((400, 400))
            for b in range(3)
        ]
    ).astype(np.uint16)
    write(tmp_path / "clean.tif", stored, nodata=0)
    # Too many of different values for outliers.
    places = np.divmod(noise.choice(400 * 400, 158, replace=False), 400)
    stored[:, places[0], places[1]] = noise.integers(20000, 65535, (3, 158))
    path = write(tmp_path / "a.tif", stored, nodata=0)
    report = run(capsys, "compress", path, tmp_path / "a.fdegc", "--psnr", "--rate", 4)
    (said,) = report["notices"]
    assert re.match(r"A few samples make the coded range 3\d\.\d times as wide as the other 99.8 %", said)
    assert said.endswith("--range 0.1%:99.9% cuts them off.")
    low, high = np.percentile(stored[0], [1, 99], method="inverted_cdf")
    assert report["spread"][0] == [low, high]
    widest = max(b - a for a, b in report["spread"])
    assert report["rmse_relative"] == pytest.approx(report["rmse"] / widest)
    assert report["psnr_spread"] == pytest.approx(20 * np.log10(widest / report["rmse"]))
    assert report["psnr"] > 40 and report["psnr_spread"] < report["psnr"] - 20
    measured = run(capsys, "metrics", path, tmp_path / "a.fdegc")
    assert measured["psnr_spread"] == pytest.approx(report["psnr_spread"])
    better = run(
        capsys, "compress", path, tmp_path / "b.fdegc", "--psnr", "--range", "0.1%:99.9%", "--rate", 4
    )
    assert better["notices"] == [] and better["clipped"] > 0
    run(capsys, "decompress", tmp_path / "b.fdegc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        error = (dataset.read() - stored.astype(float))[:, stored[0] < 20000]
    assert np.sqrt((error**2).mean()) < report["rmse"] / 3
    clean = run(capsys, "compress", tmp_path / "clean.tif", tmp_path / "c.fdegc", "--rate", 4)
    assert clean["notices"] == []


# ------------------------------------------------------------------ folders, codecs


KNOWN = [
    ("ENVI", "envi.dat", 3), ("AAIGrid", "a.asc", 1), ("EHdr", "e.bil", 1), ("EHdr", "f.flt", 1),
    ("PCIDSK", "p.pix", 3), ("RST", "r.rst", 1), ("SAGA", "g.sdat", 1), ("GIF", "i.gif", 1),
    ("PNM", "n.ppm", 3), ("HFA", "h.img", 3), ("NITF", "t.ntf", 3), ("ERS", "x.ers", 1),
]  # fmt: skip


def test_folders_take_what_single_files_take(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    base = write(tmp_path / "base.tif", wave(3, "uint8", (48, 64)))
    grey = write(tmp_path / "grey.tif", wave(1, "uint8", (48, 64)))
    real = write(tmp_path / "real.tif", wave(1, "float32", (48, 64)))
    for driver, name, bands in KNOWN:
        source = base if bands == 3 else real if name == "f.flt" else grey
        rasterio.shutil.copy(source, folder / name, driver=driver)
    rasterio.shutil.copy(grey, folder / "q.xyz", driver="XYZ")
    with zipfile.ZipFile(folder / "z.zip", "w") as archive:
        archive.write(base, "b.tif")
    for name, text in (("a.txt", "words"), ("b.csv", "a,b\n1,2\n"), ("c.json", "{}"), ("d.html", "<html>")):
        (folder / name).write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    report = run(capsys, "compress", folder, "--out-dir", out, "--rate", 1, "--keep-extension")
    done = {Path(row["input"]).name for row in report["files"] if row["status"] == "done"}
    assert done == {*(name for _, name, _ in KNOWN), "q.xyz", "z.zip"}
    skipped = {Path(row["input"]).name: row["message"] for row in report["files"] if row["status"] != "done"}
    for name in ("a.txt", "b.csv", "c.json", "d.html"):
        assert skipped[name] == "It is none of the rasters that are known here."
    for name in ("envi.hdr", "e.hdr", "e.prj", "r.rdc"):
        assert skipped[name] == "It describes other files."


@pytest.mark.parametrize(("codec", "name"), [("jpegxl", "JPEG XL"), ("jpeg2000", "JPEG 2000")])
def test_a_codec_that_is_not_built_in_is_named(tmp_path, capsys, codec, name):
    tifffile = pytest.importorskip("tifffile", reason="writes the TIFF of this test")
    pytest.importorskip("imagecodecs", reason="writes the TIFF of this test")
    pixels = np.moveaxis(wave(3, "uint8"), 0, 2)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression=codec, photometric="rgb", metadata=None)
    said = refused(capsys, "info", tmp_path / "a.tif")
    assert f"is compressed with {name}, for which no codec is built in" in said and "gdal_translate" in said
    folder = tmp_path / "out"
    assert main(["compress", str(tmp_path / "a.tif"), "--out-dir", str(folder), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert name in report["files"][0]["message"]


# ------------------------------------------------------------------ what metadata say


def as_vrt(path: Path) -> str:
    """What GDAL says of a file, as a VRT."""
    rasterio.shutil.copy(path, path.with_suffix(".vrt"), driver="VRT")
    return path.with_suffix(".vrt").read_text(encoding="utf-8")


def with_epoch(path: Path, crs: str) -> Path:
    """GeoTIFF with a coordinate epoch, written by GDAL."""
    plain = write(path.with_name("plain.tif"), wave(1), crs)
    text = as_vrt(plain).replace("<SRS ", '<SRS coordinateEpoch="2021.5" ')
    path.with_suffix(".vrt").write_text(text, encoding="utf-8")
    rasterio.shutil.copy(path.with_suffix(".vrt"), path, driver="GTiff")
    return path


@pytest.mark.parametrize("crs", ["EPSG:9000", "EPSG:32633", "EPSG:7789"])
@pytest.mark.parametrize("kind", ["geotiff", "cog"])
def test_coordinate_epochs_are_kept(tmp_path, capsys, crs, kind):
    path = with_epoch(tmp_path / "a.tif", crs)
    assert 'coordinateEpoch="2021.5"' in as_vrt(path)
    assert there_and_back(path, tmp_path / "b.tif", kind=kind) == ()
    assert 'coordinateEpoch="2021.5"' in as_vrt(tmp_path / "b.tif")
    with rasterio.open(path) as first, rasterio.open(tmp_path / "b.tif") as second:
        np.testing.assert_array_equal(first.read(), second.read())
        assert first.crs == second.crs and first.transform == second.transform
        assert first.tags() == second.tags()
    assert main(["info", str(path)]) == 0
    assert "coordinate epoch 2021.5" in capsys.readouterr().out
    assert "coordinate epoch" in there_and_back(path, tmp_path / "b.jp2")


def test_texts_about_a_layout_do_not_come_back_with_another(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="writes and reads the TIFFs of this test")
    planes = wave(3, "uint8", (96, 128)) // 5
    cases = {
        "rgb": (np.moveaxis(planes, 0, 2).copy(), {"photometric": "rgb"}),
        "planes": (planes, {"photometric": "minisblack", "planarconfig": "separate"}),
        "grey": (planes[0], {"metadata": {"axes": "YX", "site": "A7"}}),
        "imagej": (planes[:1], {"imagej": True}),
    }
    for name, (stored, options) in cases.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", stored, **options)
        there_and_back(tmp_path / f"{name}.tif", tmp_path / "b.tif", overwrite=True)
        back = np.squeeze(tifffile.imread(tmp_path / "b.tif"))
        if back.ndim == 3 and back.shape[-1] == 3:
            back = np.moveaxis(back, 2, 0)
        wanted = np.moveaxis(stored, 2, 0) if name == "rgb" else np.squeeze(stored)
        np.testing.assert_array_equal(back, wanted)
        with tifffile.TiffFile(tmp_path / "b.tif") as file:
            assert not file.is_imagej and not file.is_shaped
            told = file.pages[0].tags.get("ImageDescription")
            assert told is None or (name == "grey" and json.loads(told.value) == {"site": "A7"})


def test_folders_of_this_machine_are_not_in_metadata(tmp_path, capsys):
    path = write(tmp_path / "a.tif", wave(1), crs=None, transform=None)
    arrays = {
        "X_DATASET": str(tmp_path / "lon.tif"),
        "Y_DATASET": f'NETCDF:"{tmp_path}/a b.nc":lat',
        "X_BAND": "1",
    }
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="GEOLOCATION", **arrays)
    report = run(capsys, "compress", path, tmp_path / "a.fdegc", "--rate", 1)
    assert report["notices"] == [
        'Where its pixels lie is in other files (lon.tif, NETCDF:"a b.nc":lat), which are not coded: keep '
        "them with the result."
    ]
    assert str(tmp_path).encode() not in (tmp_path / "a.fdegc").read_bytes()
    run(capsys, "decompress", tmp_path / "a.fdegc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        found = dataset.tags(ns="GEOLOCATION")
    assert (found["X_DATASET"], found["Y_DATASET"]) == ("lon.tif", 'NETCDF:"a b.nc":lat')


# ------------------------------------------------------------------ streams, and parts of many files


def test_standard_streams(tmp_path):
    """A raster comes in on stdin, the file goes out on stdout, and back."""
    stored = wave(3, "uint8", (48, 64)) // 5
    path = write(tmp_path / "a.tif", stored)
    fdegc = [sys.executable, "-m", "fdegc"]
    there = subprocess.run(
        [*fdegc, "compress", "-", "-", "--rate", "6", "--json"],
        input=path.read_bytes(),
        capture_output=True,
        check=True,
    )
    assert there.stdout.startswith(b"\x89FDEGC") and json.loads(there.stderr)["output"] == "-"
    back = subprocess.run(
        [*fdegc, "decompress", "-", "-"], input=there.stdout, capture_output=True, check=True
    )
    assert b"Written" in back.stderr
    with rasterio.MemoryFile(back.stdout) as memory, memory.open() as dataset:
        assert dataset.crs.to_epsg() == 32633
        assert np.abs(dataset.read().astype(int) - stored).mean() < 8


def test_parts_of_many_files(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        write(folder / f"{name}.tif", wave(3, "uint8", (96, 128)))
    out, back = tmp_path / "out", tmp_path / "back"
    run(capsys, "compress", folder, "--out-dir", out, "--rate", 1, "--window", "10,20,50,40")
    assert run(capsys, "info", out / "a.fdegc")["width"] == 50
    again = run(capsys, "compress", folder, "--out-dir", out, "--rate", 1, "--window", "10,20,50,40")
    assert again["skipped"] == 2
    # Another part is other work.
    assert main(["compress", str(folder), "--out-dir", str(out), "--rate", "1", "--window", "0,0,50,40"]) == 1
    assert "other options" in capsys.readouterr().err
    run(capsys, "decompress", out, "--out-dir", back, "--window", "5,6,20,10")
    with rasterio.open(back / "b.tif") as dataset:
        assert dataset.shape == (10, 20) and dataset.transform.c == 5e5 + 150
    plain_tiff(folder / "m.tif", *pages(2))
    run(capsys, "compress", folder / "m.tif", "--out-dir", out, "--rate", 1, "--page", 2)
    assert run(capsys, "info", out / "m.fdegc")["bands"] == 1


# ------------------------------------------------------------------ archives, servers, tables, headers


def test_rasters_in_archives(tmp_path, capsys):
    stored = wave(3, "uint8", (48, 64))
    path = write(tmp_path / "a.tif", stored)
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.write(path, "sub/a.tif")
        archive.writestr("readme.txt", "words")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(path, "a.tif")
        archive.write(path, "b.tif")
    member = f"/vsizip/{tmp_path / 'one.zip'}/sub/a.tif"
    for name in (tmp_path / "one.zip", member):
        with open_raster(name) as source:
            np.testing.assert_array_equal(source.read(Window(0, 0, 64, 48)).pixels, stored)
            assert source.info.crs_wkt is not None
    said = refused(capsys, "info", tmp_path / "two.zip")
    assert f"/vsizip/{tmp_path / 'two.zip'}/a.tif, /vsizip/{tmp_path / 'two.zip'}/b.tif" in said
    assert run(capsys, "info", tmp_path / "two.zip", "--page", 2)["bands"] == 3
    run(capsys, "compress", member, tmp_path / "z.fdegc", "--rate", 1)
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("readme.txt", "words")
    assert "an archive without a file that is called like a raster" in refused(
        capsys, "info", tmp_path / "none.zip"
    )
    assert "cannot be opened" in refused(capsys, "info", f"{member}x")


def test_pages_in_archives_are_named(tmp_path, capsys):
    plain_tiff(tmp_path / "m.tif", *pages(2))
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.write(tmp_path / "m.tif", "m.tif")
    said = refused(capsys, "info", tmp_path / "m.zip")
    assert f"GTIFF_DIR:2:/vsizip/{tmp_path / 'm.zip'}/m.tif" in said


@pytest.mark.timeout(60)
def test_rasters_on_a_server(tmp_path, capsys, monkeypatch):
    """Over HTTP; names have lost a slash where they are paths."""
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "10")
    stored = wave(1, "uint8", (48, 64))
    path = write(tmp_path / "a.tif", stored)
    with serving(path.parent) as host:
        place = f"http://{host}"
        for name in (f"{place}/a.tif", f"/vsicurl/{place}/a.tif", Path(f"{place}/a.tif")):
            with open_raster(name) as source:
                np.testing.assert_array_equal(source.read(Window(0, 0, 64, 48)).pixels, stored)
        assert "cannot be opened" in refused(capsys, "info", f"{place}/nothing.tif")


def test_names_of_objects_on_servers():
    assert virtual_name("s3:/bucket/a.tif") == virtual_name("s3://bucket/a.tif") == "/vsis3/bucket/a.tif"
    assert virtual_name("https:/host/a.tif") == "/vsicurl/https://host/a.tif"
    assert virtual_name("gs://b/a.tif") == "/vsigs/b/a.tif"
    assert virtual_name("a.tif") is None and virtual_name("C:/a.tif") is None


def test_geopackages_and_tables_of_points(tmp_path, capsys):
    stored = wave(3, "uint8", (48, 64)) // 5
    base = write(tmp_path / "a.tif", stored)
    rasterio.shutil.copy(base, tmp_path / "a.gpkg", driver="GPKG", TILE_FORMAT="PNG", APPEND_SUBDATASET="NO")
    with open_raster(tmp_path / "a.gpkg") as source:
        assert source.info.crs_wkt is not None and source.info.bands == 3
    grey = write(tmp_path / "g.tif", stored[:1])
    rasterio.shutil.copy(grey, tmp_path / "g.xyz", driver="XYZ")
    with open_raster(tmp_path / "g.xyz") as source:
        np.testing.assert_array_equal(source.read(Window(0, 0, 64, 48)).pixels, stored[:1])
    geopackage(tmp_path / "v.gpkg", INSIDE)
    assert refused(capsys, "info", tmp_path / "v.gpkg")


@pytest.mark.parametrize(("driver", "data"), [("ENVI", "a.dat"), ("ENVI", "a"), ("EHdr", "a.bil")])
def test_a_header_stands_for_its_data(tmp_path, capsys, driver, data):
    stored = wave(1, "uint8", (48, 64))
    base = write(tmp_path / "s.tif", stored)
    rasterio.shutil.copy(base, tmp_path / data, driver=driver)
    with open_raster(tmp_path / "a.hdr") as source:
        np.testing.assert_array_equal(source.read(Window(0, 0, 64, 48)).pixels, stored)
    (tmp_path / data).unlink()
    assert "only describes a raster" in refused(capsys, "info", tmp_path / "a.hdr")


# ------------------------------------------------------------------ colours of other kinds


@pytest.mark.parametrize("name", ["cmyk.tif", "lab.tif", "cmyk.jpg"])
def test_colours_that_are_converted_are_spoken_of(tmp_path, capsys, name):
    """What is coded without loss is what was read, not what the file holds."""
    path, stored = tmp_path / name, wave(4, "uint8")
    if name == "cmyk.jpg":
        Image.fromarray(np.moveaxis(stored, 0, 2).copy(), "CMYK").save(path, quality=95)
    else:
        space = {"cmyk.tif": "CMYK", "lab.tif": "CIELAB"}[name]
        write(path, stored[: 4 if space == "CMYK" else 3], photometric=space)
    with Image.open(path) as image:
        assert image.mode == ("LAB" if name == "lab.tif" else "CMYK")
    (said,) = run(capsys, "info", path)["notices"]
    called = "CIE L*a*b*" if name == "lab.tif" else "CMYK"
    assert said.startswith(f"“{path}” has its colours in {called}; they are read, and coded, as red, green")
    assert said in run(capsys, "compress", path, tmp_path / "a.fdegc", "--lossless")["notices"]


@pytest.mark.parametrize("options", [{"photometric": "RGB"}, {"photometric": "YCBCR", "compress": "JPEG"}])
def test_colours_that_only_are_stored_in_another_way_are_not(tmp_path, capsys, options):
    path = write(tmp_path / "a.tif", wave(3, "uint8"), interleave="pixel", **options)
    assert run(capsys, "info", path)["notices"] == []
