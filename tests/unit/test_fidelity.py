"""Any raster in, the same raster out: everything that is not the values of valid pixels comes back."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageCms

from fdegc.cli import main
from fdegc.codec import Codec
from fdegc.errors import OutputFailed
from fdegc.format.info import read_info
from fdegc.options import COMPRESSIONS, KINDS, EncodeOptions
from fdegc.raster import ArraySource, open_raster, open_sink
from fdegc.raster.mapping import usable_samples
from fdegc.raster_info import DTYPES, RasterInfo, Window, fits_kind
from fdegc.types import Samples
from tests.file_differences import file_differences
from tests.rasters import (
    CRSS,
    HEIGHT,
    LAYOUTS,
    PLACEMENTS,
    VALIDITIES,
    WIDTH,
    XMP,
    draw,
    pack,
    samples_of,
    unpack,
)

pytestmark = pytest.mark.usefixtures("few_tries_here")

BANDS = (1, 2, 3, 4, 5, 16)


def everything() -> list[tuple[object, ...]]:
    """Each type with each number of bands and validity; CRS, layout and placement take turns beside them."""
    turns = zip(itertools.cycle(CRSS), itertools.cycle(LAYOUTS), itertools.cycle(PLACEMENTS))
    return [(*case, *next(turns)) for case in itertools.product(DTYPES, BANDS, VALIDITIES)]


def told(path):
    """What a file says through our own reader, apart from its name and kind."""
    with open_raster(path) as source:
        facts = {field.name: getattr(source.info, field.name) for field in fields(source.info)}
        whole = source.read(Window(0, 0, source.info.width, source.info.height))
    del facts["path"], facts["format"]
    return facts, whole


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("kind", ["geotiff", "cog"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_matrix(tmp_path, dtype, kind):
    cases = [case for case in everything() if case[0] == dtype]
    assert len(cases) == len(BANDS) * len(VALIDITIES)
    if kind == "cog":
        cases = cases[::5]
    source, coded, back = tmp_path / "a.tif", tmp_path / "a.fdegc", tmp_path / "b.tif"
    for case in cases:
        draw(source, *case)
        pack(source, coded)
        info, unsupported_metadata = unpack(coded, source, back, kind=kind)
        assert [str(d) for d in file_differences(source, back)] == [], case
        assert unsupported_metadata == (), case
        (first, a), (second, b) = told(source), told(back)
        np.testing.assert_array_equal(a.valid, b.valid)
        np.testing.assert_array_equal(a.missing, b.missing)
        np.testing.assert_array_equal(a.alpha, b.alpha)
        assert first["has_mask"] == info.has_mask
        for name in first.keys() - {"crs_wkt", "gcp_crs_wkt", "transform", "domains"}:
            assert first[name] == second[name] or name == "gcps", (case, name)
        for path in tmp_path.iterdir():
            path.unlink()


# ------------------------------------------------------------------ through the network


REAL = [
    ("uint8", 3, "partial", "utm", "tiled", "transform"),
    ("uint8", 1, "first alpha", "geographic", "striped", "point"),
    ("int8", 2, "mask", "custom", "planar", "rotated"),
    ("uint16", 4, "nodata", "mars", "bigtiff", "rpcs"),
    ("uint16", 3, "alpha", "none", "striped", "gcps"),
    ("int16", 1, "nodata", "local", "big-endian", "transform"),
    ("uint32", 1, "outer mask", "utm", "striped", "none"),
    ("int32", 5, "partial", "utm", "tiled", "gcps of points"),
    ("float32", 2, "partial", "geographic", "planar", "transform"),
    ("float32", 3, "none", "utm", "tiled", "rpcs"),
    ("float64", 1, "mask and nodata", "custom", "striped", "rotated"),
    ("float64", 2, "alpha and nodata", "none", "tiled", "none"),
]


@pytest.fixture(scope="module")
def codec():
    return Codec(device="cpu")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("case", REAL, ids=lambda case: "-".join(map(str, case)))
def test_real_compression(tmp_path, codec, case):
    source, coded, back = tmp_path / "a.tif", tmp_path / "a.fdegc", tmp_path / "b.tif"
    draw(source, *case)
    with open_raster(source) as raster:
        codec.encode(raster, coded, EncodeOptions(quality=5.0, tile_size=64))
    with open_sink(back, read_info(coded).raster) as sink:
        codec.decode(coded, sink)
    assert [str(difference) for difference in file_differences(source, back)] == []
    (_, a), (_, b) = told(source), told(back)
    for first, second, good in zip(a.pixels, b.pixels, usable_samples(a), strict=True):
        good = np.ones(first.shape, bool) if good is None else good
        error = np.abs(first[good].astype(float) - second[good].astype(float))
        assert error.mean() < 0.1 * (np.ptp(first[good].astype(float)) or 1)


def test_missing_samples_do_not_spoil_their_neighbours(tmp_path, codec):
    """-9999 in one band of a valid pixel is no measurement: it must not stretch the range that is coded."""
    pixels = samples_of("float32", 2)
    gaps = np.random.default_rng(0).random(pixels.shape) < 0.2
    info = RasterInfo("", "MEM", WIDTH, HEIGHT, 2, "float32", nodata=-1e30)
    source = ArraySource(np.where(gaps, np.float32(-1e30), pixels), info=info)
    assert source.info.has_band_masks
    result = codec.encode(source, tmp_path / "a.fdegc", EncodeOptions(quality=6.0), reconstruct=True)
    assert result.psnr is not None and result.psnr > 20
    window = Window(10, 20, 60, 40)
    part = codec.decode_window(tmp_path / "a.fdegc", window)
    expected = source.read(window)
    np.testing.assert_array_equal(part.missing, expected.missing)
    np.testing.assert_array_equal(part.valid, expected.valid)
    assert (part.pixels[part.missing] == np.float32(-1e30)).all()
    good = ~gaps[:, window.rows, window.cols]
    assert np.abs(part.pixels - expected.pixels)[good].max() < 1000
    assert codec.verify(tmp_path / "a.fdegc").problems == ()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_real_scenes(tmp_path, data_dir, codec):
    """Whole files as they come, but for those that take minutes; the smaller ones through the network."""
    coded, back = tmp_path / "a.fdegc", tmp_path / "b.tif"
    for path in sorted((data_dir / "geo").iterdir()):
        with open_raster(path) as raster:
            pixels = raster.info.pixels
            if pixels > 1_200_000:
                continue
            if small := pixels < 300_000:
                codec.encode(raster, coded, EncodeOptions(quality=2.0), overwrite=True)
        if small:
            with open_sink(back, read_info(coded).raster, overwrite=True) as sink:
                codec.decode(coded, sink)
        else:
            pack(path, coded, tile_size=512)
            unpack(coded, path, back, overwrite=True)
        assert [str(difference) for difference in file_differences(path, back)] == [], path


# ------------------------------------------------------------------ what a format cannot hold


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_offered_is_what_can_be_written(bands: int, dtype: str, tmp_path: Path) -> None:
    info = RasterInfo("x", "GTiff", 20, 10, bands, dtype)
    samples = Samples(np.zeros((bands, 10, 20), dtype))
    for kind, (endings, _) in KINDS.items():
        target = tmp_path / f"{kind}{endings[0]}"
        with contextlib.suppress(OutputFailed), open_sink(target, info, kind=kind) as sink:
            sink.write(Window(0, 0, 20, 10), samples)
        assert target.exists() == fits_kind(info, kind)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_a_format_cannot_hold_is_said(tmp_path):
    source, coded = tmp_path / "a.tif", tmp_path / "a.fdegc"
    draw(source, "uint8", 3, "partial", "utm", "striped", "transform")
    pack(source, coded)
    _, unsupported_metadata = unpack(coded, source, tmp_path / "b.png")
    assert unsupported_metadata == (
        "coordinate reference system", "transform", "metadata domain IMAGERY", "nodata",
        "validity of single bands", "band names", "scales and offsets", "units",
        "tags of bands",
    )  # fmt: skip
    with open_raster(tmp_path / "b.png") as back, open_raster(source) as first:
        assert back.info.tags["MISSION"] == first.info.tags["MISSION"]
        assert back.info.domains["xml:XMP"] == first.info.domains["xml:XMP"]
        whole = Window(0, 0, WIDTH, HEIGHT)
        np.testing.assert_array_equal(back.read(whole).alpha > 0, first.read(whole).valid)
    _, unsupported_metadata = unpack(coded, source, tmp_path / "b.jp2")
    assert (
        "coordinate reference system" not in unsupported_metadata and "transform" not in unsupported_metadata
    )
    assert {"nodata", "band names", "scales and offsets", "units", "tags of bands"} <= set(
        unsupported_metadata
    )


def test_a_picture_comes_back_as_a_picture(tmp_path):
    """PNG holds all that other pictures do; GeoTIFF has EXIF as tags."""
    exif = Image.Exif()
    exif[306], exif[274] = "2024:05:06 07:08:09", 6
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(np.moveaxis(samples_of("uint8", 3), 0, 2))
    image.save(tmp_path / "a.jpg", exif=exif, icc_profile=icc, xmp=XMP.encode(), quality=95)
    pack(tmp_path / "a.jpg", tmp_path / "a.fdegc")
    info, unsupported_metadata = unpack(tmp_path / "a.fdegc", tmp_path / "a.jpg", tmp_path / "a.png")
    assert (info.width, info.height) == (HEIGHT, WIDTH)
    assert unsupported_metadata == ()
    with Image.open(tmp_path / "a.png") as back:
        back.load()
        assert back.size == (HEIGHT, WIDTH) and back.info["icc_profile"] == icc
        assert back.getexif()[306] == "2024:05:06 07:08:09" and back.getexif().get(274, 1) == 1
    with open_raster(tmp_path / "a.png") as raster:
        assert raster.info.domains["xml:XMP"] == info.domains["xml:XMP"]
    _, unsupported_metadata = unpack(tmp_path / "a.fdegc", tmp_path / "a.jpg", tmp_path / "a.tif")
    assert unsupported_metadata == ("EXIF data other than as tags",)
    with open_raster(tmp_path / "a.tif") as raster:
        assert raster.info.tags["EXIF_DateTime"] == "2024:05:06 07:08:09"
        assert raster.info.icc == icc and raster.info.domains["xml:XMP"] == info.domains["xml:XMP"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_command_says_what_is_left_out(tmp_path, capsys):
    draw(tmp_path / "a.tif", "uint8", 3, "none", "utm", "striped", "transform")
    coded = str(tmp_path / "a.fdegc")
    assert main(["compress", str(tmp_path / "a.tif"), coded, "--rate", "1"]) == 0
    capsys.readouterr()
    assert main(["decompress", coded, str(tmp_path / "a.png")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "cannot hold" in line]
    assert len(lines) == 1
    assert re.match(r"Left out +PNG cannot hold: coordinate reference system, transform, .*units", lines[0])
    assert main(["decompress", coded, str(tmp_path / "b.tif"), "--format", "cog", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["format"], report["not_held"]) == ("cog", [])
    assert main(["decompress", coded, str(tmp_path / "c.jp2"), "--json", "--window", "3,4,50,60"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert "units" in report["not_held"] and "transform" not in report["not_held"]
    for options in (["d.png", "--compression", "zstd"], ["d.png", "--format", "cog"]):
        assert main(["decompress", coded, str(tmp_path / options[0]), *options[1:]]) == 1
        assert capsys.readouterr().err.count("\n") == 1
        assert not (tmp_path / options[0]).exists()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize(("bands", "validity"), [(1, "none"), (3, "mask"), (5, "alpha")])
def test_jpeg_2000_is_lossless(tmp_path, dtype, bands, validity):
    draw(tmp_path / "a.tif", dtype, bands, validity, "utm", "striped", "transform")
    with open_raster(tmp_path / "a.tif") as source, open_sink(tmp_path / "a.jp2", source.info) as sink:
        whole = Window(0, 0, WIDTH, HEIGHT)
        first = source.read(whole)
        sink.write(whole, first)
    with open_raster(tmp_path / "a.jp2") as back:
        second = back.read(whole)
        np.testing.assert_array_equal(first.pixels, second.pixels)
        assert back.info.transform == source.info.transform
        if validity == "mask":
            np.testing.assert_array_equal(second.alpha > 0, first.valid)
        else:
            np.testing.assert_array_equal(second.alpha, first.alpha)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_cog(tmp_path, dtype, compression):
    pixels = np.zeros((3, 700, 1100), dtype)
    pixels[:, 100:600, 200:] = np.arange(900)[None, None] % 200 + 1
    info = RasterInfo("", "MEM", 1100, 700, 3, dtype, nodata=0.0, band_tags=({"a": "<&>"}, {}, {"b": "2"}))
    source = ArraySource(pixels, info=info)
    whole = Window(0, 0, 1100, 700)
    with open_sink(tmp_path / "a.tif", source.info, kind="cog", compression=compression) as sink:
        sink.write(whole, source.read(whole))
    assert sink.unsupported_metadata == ()
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(tmp_path / "a.tif") as dataset,
    ):
        structure = dataset.tags(ns="IMAGE_STRUCTURE")
        assert structure["LAYOUT"] == "COG" and structure.get("COMPRESSION", "NONE").lower() == compression
        assert set(dataset.block_shapes) == {(512, 512)} and dataset.overviews(1) == [2, 4]
        assert [dataset.tags(band) for band in (1, 2, 3)] == [{"a": "<&>"}, {}, {"b": "2"}]
        np.testing.assert_array_equal(dataset.read(), pixels)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_kinds_have_their_endings(tmp_path):
    info = RasterInfo("", "", 4, 4, 3, "uint8")
    with pytest.raises(OutputFailed, match=r"as COG: its name must end in \.tif or \.tiff\."):
        open_sink(tmp_path / "a.png", info, kind="cog")
    with pytest.raises(OutputFailed, match=r"must end in \.tif, \.tiff, \.png or \.jp2\."):
        open_sink(tmp_path / "a.gif", info)
