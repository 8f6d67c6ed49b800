"""Files in and out: every kind, nothing half-written, nothing but readable errors."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

from fdegc.errors import FdegcError, OutputExists, OutputFailed, UnsupportedRaster
from fdegc.raster import ArraySource, open_raster, open_sink
from fdegc.raster_info import DTYPES, RasterInfo, Window
from fdegc.types import Samples

UTM = rasterio.CRS.from_epsg(32633).to_wkt(version="WKT2_2019")
ROTATED = (0.5, 0.1, 400000.0, 0.1, -0.5, 5000000.0)


def random_pixels(dtype, bands, height, width, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0.0, 1e3, (bands, height, width)).astype(dtype)
    limits = np.iinfo(dtype)
    # nodata in these tests is 7, so keep off it
    return rng.integers(max(limits.min, 8), limits.max, (bands, height, width)).astype(dtype)


def whole(source):
    return Window(0, 0, source.info.width, source.info.height)


def copy(source, path, info=None, side=100, **options):
    info = info or source.info
    with open_sink(path, info, **options) as sink:
        for y in range(0, info.height, side):
            for x in range(0, info.width, side):
                window = Window(x, y, min(side, info.width - x), min(side, info.height - y))
                sink.write(window, source.read(window))


def assert_same(a, b):
    np.testing.assert_array_equal(a.valid, b.valid)
    np.testing.assert_array_equal(a.missing, b.missing)
    where = np.broadcast_to(True if a.valid is None else a.valid, a.pixels.shape)
    if a.missing is not None:
        where = where & ~a.missing
    np.testing.assert_array_equal(a.pixels[where], b.pixels[where])
    np.testing.assert_array_equal(a.alpha, b.alpha)
    assert a.pixels.dtype == b.pixels.dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 16])
@pytest.mark.parametrize("validity", ["none", "nodata", "mask"])
@pytest.mark.parametrize("georeferenced", [False, True])
def test_geotiff_round_trip(tmp_path, dtype, bands, validity, georeferenced):
    height, width = 37, 53
    with_alpha = bands in (3, 4)
    pixels = random_pixels(dtype, bands, height, width)
    valid = None
    if validity != "none":
        valid = np.random.default_rng(1).random((height, width)) > 0.3
    alpha = random_pixels(dtype, 1, height, width, 2)[0] if with_alpha else None
    info = RasterInfo(
        path="",
        format="MEM",
        width=width,
        height=height,
        bands=bands,
        dtype=dtype,
        band_names=tuple(f"band {i} ß" for i in range(bands)),
        color_interpretation=("blue", "green", "red", "undefined")[:bands] if with_alpha else ("gray",),
        crs_wkt=UTM if georeferenced else None,
        transform=ROTATED if georeferenced else None,
        nodata=7.0 if validity == "nodata" else None,
        tags={"MISSION": "Sentinel", "note": "ä = b"},
    )
    source = ArraySource(pixels, valid, alpha, info=info)
    copy(source, tmp_path / "a.tif", side=20)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
    with open_raster(tmp_path / "a.tif") as back:
        assert_same(source.read(whole(source)), back.read(whole(back)))
        for name in ("width", "height", "bands", "dtype", "band_names", "transform", "nodata"):
            assert getattr(back.info, name) == getattr(source.info, name), name
        # GeoTIFF stores the EPSG code, and GDAL words its datum anew
        epsg = [w and rasterio.CRS.from_wkt(w).to_epsg() for w in (info.crs_wkt, back.info.crs_wkt)]
        assert epsg[0] == epsg[1] == (32633 if georeferenced else None)
        assert (back.info.has_alpha, back.info.has_mask) == (with_alpha, validity != "none")
        assert back.info.color_interpretation[0] == info.color_interpretation[0]
        if with_alpha:
            assert back.info.color_interpretation == info.color_interpretation
        assert back.info.tags.items() >= info.tags.items()
        if validity == "nodata":
            assert (back.read(whole(back)).pixels[:, ~valid] == 7).all()


@pytest.mark.parametrize(("side", "block"), [(100, None), (300, 256), (1100, 512)])
def test_geotiff_layout(tmp_path, side, block):
    source = ArraySource(random_pixels("uint16", 3, side, side))
    copy(source, tmp_path / "a.tiff", side=512)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        dataset = rasterio.open(tmp_path / "a.tiff")
    with dataset:
        assert dataset.compression.name == "deflate"
        assert dataset.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "2"
        assert dataset.profile["tiled"] is (block is not None)
        if block:
            assert dataset.block_shapes[0] == (block, block)


@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 0.0), ("uint8", 255.0), ("float32", 0.0)])
def test_valid_pixels_never_turn_into_nodata(tmp_path, dtype, nodata):
    info = RasterInfo("", "", 2, 1, 3, dtype, nodata=nodata, has_mask=True)
    pixels = np.full((3, 1, 2), nodata, dtype)
    with open_sink(tmp_path / "a.tif", info) as sink:
        sink.write(Window(0, 0, 2, 1), Samples(pixels, np.array([[True, False]])))
    with open_raster(tmp_path / "a.tif") as back:
        assert back.read(whole(back)).valid.tolist() == [[True, False]]


def test_non_finite_values_are_missing(tmp_path):
    pixels = np.ones((2, 4, 4), np.float32)
    pixels[0, 1, 1], pixels[1, 2, 2], pixels[:, 3, 3] = np.nan, np.inf, -np.inf
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=4, height=4, count=2, dtype="float32",
        crs=UTM, transform=Affine(*ROTATED),
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    with open_raster(tmp_path / "a.tif") as source:
        assert source.info.has_mask and source.info.nodata is None
        samples = source.read(whole(source))
        assert np.argwhere(~samples.valid).tolist() == [[3, 3]]
        assert np.argwhere(samples.missing).tolist() == [[0, 1, 1], [1, 2, 2]]
        copy(source, tmp_path / "b.tif")
    with open_raster(tmp_path / "b.tif") as back:
        assert_same(samples, back.read(whole(back)))


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "int64"])
def test_types_that_cannot_be_coded(tmp_path, dtype):
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=4, height=4, count=1, dtype=dtype,
        crs=UTM, transform=Affine(*ROTATED),
    ) as dataset:  # fmt: skip
        dataset.write(np.ones((1, 4, 4), dtype))
    with pytest.raises(UnsupportedRaster, match=r"a\.tif.*type"):
        open_raster(tmp_path / "a.tif")


# ------------------------------------------------------------------ real and odd files


def test_every_geo_file_round_trips(data_dir, tmp_path):
    for path in sorted((data_dir / "geo").iterdir()):
        with open_raster(path) as source:
            info = source.info
            size = Window(0, 0, min(300, info.width), min(300, info.height))
            part = replace(info, width=size.width, height=size.height)
            with open_sink(tmp_path / path.name, part) as sink:
                sink.write(size, source.read(size))
            with open_raster(tmp_path / path.name) as back:
                assert_same(source.read(size), back.read(size))
                assert back.info.crs_wkt == info.crs_wkt, path
                assert back.info.transform == info.transform, path
                assert back.info.nodata == info.nodata, path
                assert back.info.color_interpretation == info.color_interpretation, path
                assert (back.info.has_alpha, back.info.has_mask) == (info.has_alpha, info.has_mask), path
            overview = source.read_overview(64).pixels
            assert max(overview.shape[1:]) == min(64, max(info.width, info.height))


@pytest.mark.parametrize(
    ("name", "bands", "dtype", "size", "alpha"),
    [
        ("1x1.png", 3, "uint8", (1, 1), False),
        ("7x300.png", 3, "uint8", (7, 300), False),
        ("bilevel.png", 1, "uint8", (437, 321), False),
        ("cmyk.jpg", 3, "uint8", (437, 321), False),
        ("exif_rot90.jpg", 3, "uint8", (321, 437), False),
        ("gray.jpg", 1, "uint8", (437, 321), False),
        ("gray16.png", 1, "uint16", (437, 321), False),
        ("palette.png", 3, "uint8", (437, 321), False),
        ("rgb16.tif", 3, "uint16", (437, 321), False),
        ("rgb_437x321.png", 3, "uint8", (437, 321), False),
        ("rgb_planar.tif", 3, "uint8", (437, 321), False),
        ("rgba.png", 3, "uint8", (437, 321), True),
        ("wrong_ext_is_png.jpg", 3, "uint8", (437, 321), False),
        ("überprüfung 测试 spaces.png", 3, "uint8", (437, 321), False),
    ],
)
def test_odd_files(data_dir, name, bands, dtype, size, alpha):
    with open_raster(data_dir / "odd" / name) as source:
        info = source.info
        assert (info.bands, info.dtype, (info.width, info.height)) == (bands, dtype, size)
        assert info.has_alpha is alpha and info.crs_wkt is None and info.transform is None
        samples = source.read(whole(source))
        assert samples.pixels.shape == (bands, size[1], size[0]) and samples.valid is None
        if name == "bilevel.png":
            assert set(np.unique(samples.pixels)) == {0, 255}
        if name == "gray16.png":
            assert samples.pixels.max() > 255


@pytest.mark.parametrize("name", ["empty.png", "text_as.tif", "truncated.jpg", ".", "missing.tif"])
def test_bad_files(data_dir, name):
    with pytest.raises(UnsupportedRaster, match=name.strip(".") or "odd.*folder") as caught:
        open_raster(data_dir / "odd" / name)
    assert str(caught.value).endswith(".")


def test_exif_rotation_turns_the_pixels(data_dir):
    path = data_dir / "odd" / "exif_rot90.jpg"
    with Image.open(path) as image:
        stored = np.asarray(image)
    with open_raster(path) as source:
        turned = np.rot90(stored, -1)  # orientation 6: to be turned clockwise
        np.testing.assert_array_equal(np.moveaxis(source.read(whole(source)).pixels, 0, 2), turned)


@pytest.mark.parametrize("kind", ["tif", "png", "jpg", "webp", "bmp", "jp2"])
def test_no_truncation_goes_unnoticed(tmp_path, kind):
    """Cut anywhere, a file is refused with a sentence, by opening or by reading."""
    path = tmp_path / f"a.{kind}"
    pixels = random_pixels("uint8", 3, 90, 80)
    if kind in ("tif", "jp2"):
        driver = {"tif": "GTiff", "jp2": "JP2OpenJPEG"}[kind]
        with rasterio.open(
            path, "w", driver=driver, width=80, height=90, count=3, dtype="uint8",
            crs=UTM, transform=Affine(*ROTATED),
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
    else:
        Image.fromarray(np.moveaxis(pixels, 0, 2)).save(path)
    data = path.read_bytes()
    for part in (0.01, 0.1, 0.5, 0.9):
        path.write_bytes(data[: int(len(data) * part)])
        if kind == "jp2" and part >= 0.5:
            continue  # a shorter JPEG 2000 stream is a valid one of lower quality
        with pytest.raises(UnsupportedRaster, match=r"a\."), open_raster(path) as source:
            source.read(whole(source))


def test_hostile_headers(tmp_path):
    path = tmp_path / "a.bin"
    rng = np.random.default_rng(0)
    huge_png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0\0\0\0\0"
    heads = [huge_png, b"II*\0\xff\xff\xff\xff", b"II+\0\x08\0\0\0", b"BM", b"\xff\xd8\xff", b"<VRTDataset/>"]
    heads += [b"RIFF\0\0\0\0WEBP", b"\0\0\0\x0cjP  \r\n\x87\n", b"<VRTDataset rasterXSize='9'>"]
    for head in heads:
        for junk in (b"", rng.bytes(300)):
            path.write_bytes(head + junk)
            with pytest.raises(UnsupportedRaster, match=r"a\.bin"):
                open_raster(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(UnsupportedRaster, match="permission"):
        open_raster(path)


def test_palettes(tmp_path):
    index = np.arange(16, dtype=np.uint8).reshape(1, 4, 4) % 3
    colors = {0: (1, 2, 3, 255), 1: (10, 20, 30, 255), 2: (200, 100, 50, 255)}
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8", nodata=2,
        photometric="palette", crs=UTM, transform=Affine(*ROTATED),
    ) as dataset:  # fmt: skip
        dataset.write(index)
        dataset.write_colormap(1, colors)
    with open_raster(tmp_path / "a.tif") as source:
        info = source.info
        assert (info.bands, info.nodata, info.has_mask, info.has_alpha) == (3, None, True, False)
        samples = source.read(whole(source))
        np.testing.assert_array_equal(samples.valid, index[0] != 2)
        assert samples.pixels[:, 0, 1].tolist() == [10, 20, 30]
    image = Image.fromarray(index[0]).convert("P")
    image.putpalette([1, 2, 3, 10, 20, 30, 200, 100, 50])
    image.save(tmp_path / "a.png", transparency=1)
    with open_raster(tmp_path / "a.png") as source:
        samples = source.read(whole(source))
        assert samples.pixels[:, 0, 1].tolist() == [10, 20, 30]
        np.testing.assert_array_equal(samples.alpha == 0, index[0] == 1)


def test_deep_colour_png_keeps_its_depth(tmp_path):
    pixels = random_pixels("uint16", 3, 9, 8)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        dataset = rasterio.open(
            tmp_path / "a.png", "w", driver="PNG", width=8, height=9, count=3, dtype="uint16"
        )
        with dataset:
            dataset.write(pixels)
    with open_raster(tmp_path / "a.png") as source:
        np.testing.assert_array_equal(source.read(whole(source)).pixels, pixels)


# ------------------------------------------------------------------ sinks


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jp2"])
def test_an_exception_leaves_nothing(tmp_path, name):
    source = ArraySource(random_pixels("uint8", 3, 30, 30))
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), open_sink(tmp_path / name, source.info, overwrite=True) as sink:
        sink.write(whole(source), source.read(whole(source)))
        assert len(list(tmp_path.iterdir())) >= 2
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jp2"])
def test_overwriting_is_asked_for(tmp_path, name):
    source = ArraySource(random_pixels("uint8", 3, 30, 30))
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(OutputExists, match="a\\."):
        open_sink(tmp_path / name, source.info)
    copy(source, tmp_path / name, overwrite=True)
    with open_raster(tmp_path / name) as back:
        assert_same(source.read(whole(source)), back.read(whole(back)))
    with pytest.raises(OutputExists), open_sink(tmp_path / f"b{name}", source.info) as sink:
        sink.write(whole(source), source.read(whole(source)))
        (tmp_path / f"b{name}").write_bytes(b"came meanwhile")
    assert (tmp_path / f"b{name}").read_bytes() == b"came meanwhile"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("bands", "dtype", "extra"), [(1, "uint8", ""), (3, "uint8", ""), (1, "uint16", ""),
                                                       (3, "uint16", ""), (3, "uint16", "alpha"),
                                                       (1, "uint8", "alpha"), (3, "uint8", "alpha"),
                                                       (3, "uint8", "mask")])  # fmt: skip
def test_png_round_trip(tmp_path, bands, dtype, extra):
    pixels = random_pixels(dtype, bands, 21, 13)
    alpha = random_pixels(dtype, 1, 21, 13, 3)[0] if extra == "alpha" else None
    valid = pixels[0] > 99 if extra == "mask" else None
    source = ArraySource(pixels, valid, alpha)
    copy(source, tmp_path / "a.png", side=8)
    with open_raster(tmp_path / "a.png") as back:
        samples = back.read(whole(back))
        np.testing.assert_array_equal(samples.pixels, pixels)
        if extra:
            expected = alpha if valid is None else valid.astype(dtype) * np.iinfo(dtype).max
            np.testing.assert_array_equal(samples.alpha, expected)


@pytest.mark.parametrize(("bands", "dtype"), [(2, "uint8"), (4, "uint8"), (3, "int16"), (1, "float32")])
def test_png_refuses_what_it_cannot_hold(tmp_path, bands, dtype):
    with pytest.raises(OutputFailed, match=r"\.tif"):
        open_sink(tmp_path / "a.png", RasterInfo("", "", 4, 4, bands, dtype))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", ["int8", "uint32", "float64"])
def test_jpeg_2000_refuses_what_it_cannot_hold(tmp_path, dtype):
    with pytest.raises(OutputFailed, match=r"\.tif"):
        open_sink(tmp_path / "a.jp2", RasterInfo("", "", 4, 4, 3, dtype))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.jpg", "a", "missing/a.tif", "missing/a.png", "folder.tif"])
def test_impossible_outputs(tmp_path, name):
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(OutputFailed) as caught:
        open_sink(tmp_path / name, RasterInfo("", "", 4, 4, 3, "uint8"))
    assert str(caught.value).endswith(".") and name in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX limits")
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jp2", "cog"])
def test_full_disk(tmp_path, name):
    import resource
    import signal

    source = ArraySource(random_pixels("uint8", 3, 700, 700))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, old[1]))
        with pytest.raises(OutputFailed, match="space"):
            copy(
                source,
                tmp_path / name.replace("cog", "a.tif"),
                side=350,
                kind="cog" if name == "cog" else None,
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_wrong_samples_are_refused(tmp_path):
    with (
        pytest.raises(FdegcError),
        open_sink(tmp_path / "a.tif", RasterInfo("", "", 4, 4, 3, "uint8")) as sink,
    ):
        sink.write(Window(0, 0, 4, 4), Samples(np.zeros((3, 4, 4), np.uint16)))
    assert not list(tmp_path.iterdir())


def test_a_source_may_change_threads(data_dir):
    from concurrent.futures import ThreadPoolExecutor

    with open_raster(Path(data_dir) / "geo" / "RGB.byte.tif") as source, ThreadPoolExecutor(1) as pool:
        window = Window(10, 20, 300, 200)
        assert_same(pool.submit(source.read, window).result(), source.read(window))
