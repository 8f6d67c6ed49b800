"""What ``import fdegc`` offers: light, complete, and the same as the engine behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

import fdegc
from fdegc.codec import Codec
from fdegc.errors import (
    Cancelled,
    CorruptStream,
    InvalidOption,
    OutputExists,
    OutputFailed,
    UnsupportedRaster,
)
from fdegc.options import EncodeOptions, QualityRegion
from fdegc.raster import ArraySource, open_raster, open_sink
from fdegc.raster.area import read_area
from fdegc.raster_info import Window

pytestmark = pytest.mark.usefixtures("few_tries_here", "bands_as_they_are")

NAMES = ("compress", "decompress", "open", "info", "Codec", "EncodeOptions", "FdegcError", "CancelToken")
PLACE = from_origin(500_000, 5_400_000, 0.5, 0.5)


@pytest.fixture(scope="module")
def array() -> np.ndarray:
    rows, cols = np.mgrid[0:144, 0:160]
    planes = [128 + 100 * np.sin(cols / (9 + band)) * np.cos(rows / 13) for band in range(3)]
    return np.stack(planes).astype(np.uint8)


@pytest.fixture(scope="module")
def scene(array: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("face") / "scene.tif"
    shape = {"count": 3, "height": 144, "width": 160, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32633", transform=PLACE, **shape) as file:
        file.write(array)
    return path


@pytest.fixture(scope="module")
def coded(scene: Path) -> Path:
    path = scene.with_suffix(".fdegc")
    fdegc.compress(scene, path, 3.5, tile_size=64)
    return path


# ------------------------------------------------------------------------------ light


def loaded(code: str) -> set[str]:
    """Modules that some code loads."""
    probe = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_importing_is_light_and_names_come_when_asked_for(coded: Path) -> None:
    heavy = {"numpy", "torch", "rasterio", "numba", "PIL", "psutil"}
    assert heavy & loaded("import fdegc; dir(fdegc); fdegc.FdegcError; fdegc.EncodeOptions") == set()
    assert "fdegc.face" not in loaded("import fdegc")
    modules = loaded(f"import fdegc; fdegc.info({str(coded)!r}); fdegc.open({str(coded)!r})")
    assert "numpy" in modules
    assert {"torch", "numba"} & modules == set()


def test_all_names_are_listed_and_there() -> None:
    assert set(NAMES) <= set(fdegc.__all__) <= set(dir(fdegc))
    assert list(fdegc.__all__) == sorted(fdegc.__all__)
    for name in fdegc.__all__:
        assert getattr(fdegc, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'comprss'"):
        fdegc.comprss  # noqa: B018
    assert fdegc.Codec is Codec


# ------------------------------------------------------------------------------ the same as the engine


def test_files_round_trip_as_the_codec_has_them(scene: Path, coded: Path, tmp_path: Path) -> None:
    codec = Codec()
    with open_raster(scene) as source:
        codec.encode(source, tmp_path / "own.fdegc", EncodeOptions(3.5, tile_size=64))
        with open_sink(tmp_path / "own.tif", source.info) as sink:
            codec.decode(coded, sink)
    assert coded.read_bytes() == (tmp_path / "own.fdegc").read_bytes()

    seen: list[fdegc.Progress] = []
    result = fdegc.decompress(str(coded), str(tmp_path / "back.tif"), progress=seen.append)
    assert result.damaged == ()
    assert seen[-1].fraction == 1.0
    with rasterio.open(tmp_path / "back.tif") as back, rasterio.open(tmp_path / "own.tif") as own:
        pixels = own.read()
        assert np.array_equal(back.read(), pixels)
        assert (back.crs, back.transform) == (own.crs, PLACE)
    assert np.array_equal(fdegc.decompress(coded), pixels)
    assert np.abs(pixels.astype(int) - rasterio.open(scene).read()).mean() < 8


def test_errors_are_bounded_as_asked_for(array: np.ndarray, tmp_path: Path) -> None:
    sizes = []
    for bound in (0, 2):
        path = tmp_path / f"{bound}.fdegc"
        fdegc.compress(array, path, max_error=bound)
        assert np.abs(fdegc.decompress(path).astype(int) - array).max() <= bound
        assert fdegc.info(path).bound == bound
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0]
    with pytest.raises(InvalidOption, match="exclude each other"):
        fdegc.compress(array, tmp_path / "no.fdegc", max_error=1, ranges=[fdegc.ValueRange(0, 9)])


def test_regions_weights_and_checks_are_those_of_the_engine(scene: Path, tmp_path: Path) -> None:
    ring = [[500_000, 5_400_000], [500_020, 5_400_000], [500_020, 5_399_980], [500_000, 5_400_000]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    roi = tmp_path / "roi.geojson"
    roi.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [
        {"type": "Feature", "properties": {}, "geometry": shape}
    ]}))  # fmt: skip
    ours, own = tmp_path / "ours.fdegc", tmp_path / "own.fdegc"
    said = {"check": False, "band_weights": (1.0, 2.0, 1.0)}
    fdegc.compress(scene, ours, 1.0, tile_size=64, roi=str(roi), roi_quality=5.0, **said)
    with open_raster(scene) as source:
        region = QualityRegion(read_area(roi, source.info).polygons, 5.0)
        Codec().encode(source, own, EncodeOptions(1.0, 64, region=region, **said))
    assert ours.read_bytes() == own.read_bytes()
    with pytest.raises(InvalidOption, match="2 weights were given for 3 bands"):
        fdegc.compress(scene, tmp_path / "no.fdegc", band_weights=[1.0, 2.0])


def test_arrays_round_trip_as_the_codec_has_them(array: np.ndarray, tmp_path: Path) -> None:
    codec = Codec()
    for number, pixels in enumerate((array, array[0], array.astype(np.uint16) * 16, array[:2] / 255)):
        ours, own = tmp_path / f"{number}.fdegc", tmp_path / f"{number}-own.fdegc"
        result = fdegc.compress(pixels, ours, 2)
        assert result.bytes == ours.stat().st_size
        planes = pixels if pixels.ndim == 3 else pixels[None]
        codec.encode(ArraySource(planes), own, EncodeOptions(2.0))
        assert ours.read_bytes() == own.read_bytes()
        back = fdegc.decompress(ours)
        assert (back.shape, back.dtype) == (planes.shape, planes.dtype)
        assert np.array_equal(back, codec.decode_window(own, Window(0, 0, 160, 144)).pixels)


def test_strides_and_byte_order_do_not_matter(array: np.ndarray, tmp_path: Path) -> None:
    deep = array.astype(np.uint16) * 16
    fdegc.compress(deep, tmp_path / "a.fdegc")
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(deep.astype(">u2"), 0, -1)), -1, 0)
    fdegc.compress(last, tmp_path / "b.fdegc")
    assert (tmp_path / "a.fdegc").read_bytes() == (tmp_path / "b.fdegc").read_bytes()


# ------------------------------------------------------------------------------ a file that is open


def test_windows_of_an_open_file(coded: Path) -> None:
    whole = fdegc.decompress(coded)
    with fdegc.open(coded) as file:
        assert (file.shape, file.dtype) == ((3, 144, 160), np.uint8)
        assert file.info.quality == 3.5
        assert file.info.raster.transform == tuple(PLACE)[:6]
        assert "160×144" in repr(file)
        assert np.array_equal(file.read((30, 20, 70, 50)), whole[:, 20:70, 30:100])
        assert np.array_equal(file.read(Window(30, 20, 70, 50)), whole[:, 20:70, 30:100])
        assert np.array_equal(file.read(), whole)
        assert file.overview() is None  # too small a scene
        with pytest.raises(InvalidOption, match="does not lie inside the scene of 160×144"):
            file.read((100, 0, 61, 1))
        for wrong in ((1, 2, 3), "all", (0, 0, 1.5, 1)):
            with pytest.raises(InvalidOption, match="A window is x, y, width and height"):
                file.read(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="was closed"):
        file.read()


def test_a_larger_file_shows_its_overview(tmp_path: Path) -> None:
    grain = np.random.default_rng(0).integers(0, 255, (3, 600, 640), np.uint8)
    Codec(device="cpu").encode(ArraySource(grain), tmp_path / "a.fdegc", EncodeOptions(6.0, check=False))
    overview = fdegc.open(tmp_path / "a.fdegc").overview()
    assert overview is not None
    assert overview.dtype == np.uint8
    assert (overview.ndim, overview.shape[2]) == (3, 3)


def test_info_is_typed(scene: Path, coded: Path) -> None:
    stream = fdegc.info(coded)
    assert isinstance(stream, fdegc.StreamInfo)
    assert (stream.quality, stream.tiles, stream.bytes) == (3.5, 9, coded.stat().st_size)
    raster = fdegc.info(scene)
    assert isinstance(raster, fdegc.RasterInfo)
    assert (raster.width, raster.height, raster.bands) == (160, 144, 3)
    with pytest.raises(fdegc.FdegcError, match="nothing"):
        fdegc.info("nothing.fdegc")


# ------------------------------------------------------------------------------ what is missing


def test_nodata_and_place_of_arrays(array: np.ndarray, tmp_path: Path) -> None:
    pixels = array.astype(np.int16)
    pixels[:, :40, :50] = -999
    place = {"crs": 32633, "transform": PLACE}
    fdegc.compress(pixels, tmp_path / "a.fdegc", nodata=-999, **place)
    back = fdegc.decompress(tmp_path / "a.fdegc")
    assert np.array_equal(back == -999, pixels == -999)
    masked = fdegc.decompress(tmp_path / "a.fdegc", masked=True)
    assert np.array_equal(masked.mask, pixels == -999)
    assert masked.fill_value == -999
    fdegc.decompress(tmp_path / "a.fdegc", tmp_path / "a.tif", window=(10, 20, 60, 50))
    with rasterio.open(tmp_path / "a.tif") as file:
        assert (file.crs.to_epsg(), file.nodata) == (32633, -999)
        assert file.transform == PLACE @ file.transform.translation(10, 20)
        assert np.array_equal(file.read(), back[:, 20:70, 10:70])


def test_masks_and_floats_that_are_not_finite(array: np.ndarray, tmp_path: Path) -> None:
    gaps = np.broadcast_to(array[0] > 200, array.shape)
    fdegc.compress(np.ma.MaskedArray(array, gaps), tmp_path / "a.fdegc")
    masked = fdegc.decompress(tmp_path / "a.fdegc", masked=True)
    assert np.array_equal(masked.mask, gaps)
    fdegc.compress(np.ma.MaskedArray(array, np.zeros_like(gaps)), tmp_path / "b.fdegc")
    assert not fdegc.decompress(tmp_path / "b.fdegc", masked=True).mask.any()
    fdegc.compress(np.where(gaps, np.nan, array / 255), tmp_path / "c.fdegc")
    assert np.array_equal(np.isnan(fdegc.decompress(tmp_path / "c.fdegc")), gaps)
    with pytest.raises(InvalidOption, match="must have the same mask"):
        fdegc.compress(np.ma.MaskedArray(array, array > 200), tmp_path / "d.fdegc")


# ------------------------------------------------------------------------------ sentences

SMALL = np.zeros((3, 64, 64), np.uint8)


@pytest.mark.parametrize(
    ("source", "options", "error", "words"),
    [
        (np.zeros(64, np.uint8), {}, InvalidOption, r"must be \(bands, height, width\), or .* not \(64,\)"),
        (np.zeros((1, 3, 64, 64), np.uint8), {}, InvalidOption, "must be"),
        (np.zeros((3, 0, 64), np.uint8), {}, InvalidOption, "must be"),
        (np.zeros((100, 80, 3), np.uint8), {}, InvalidOption, "bands come first; numpy.moveaxis"),
        (np.zeros((65, 80, 90), np.uint8), {}, InvalidOption, "would have 65 bands, and there may be 64"),
        (np.zeros((3, 64, 64), np.int64), {}, UnsupportedRaster, "type int64 cannot be compressed; convert"),
        (np.zeros((64, 64), bool), {}, UnsupportedRaster, "type bool"),
        (np.zeros((64, 64), np.complex64), {}, UnsupportedRaster, "type complex64"),
        ([[1, 2], [3, 4]], {}, InvalidOption, "name of a file or a numpy array, not a list"),
        ("missing.tif", {}, UnsupportedRaster, "missing.tif"),
        ("missing.tif", {"nodata": 0}, InvalidOption, "are for arrays"),
        (SMALL, {"nodata": 300}, InvalidOption, "No sample of type uint8 can be 300"),
        (SMALL, {"crs": "EPSG:nothing"}, InvalidOption, "is no coordinate reference system"),
        (SMALL, {"transform": (1, 2, 3)}, InvalidOption, "A transform has six numbers"),
        (SMALL, {"quality": 7}, InvalidOption, "Quality must lie between 1.0 and 6.0, not 7"),
        (SMALL, {"tile_size": 100}, InvalidOption, "multiple of 64"),
        (SMALL, {"device": "abacus"}, fdegc.FdegcError, "abacus"),
    ],
)
def test_what_cannot_be_compressed(
    source: Any, options: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        fdegc.compress(source, tmp_path / "a.fdegc", **options)
    assert list(tmp_path.iterdir()) == []


def test_names_of_outputs(scene: Path, coded: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"must be named \*\.fdegc, not “a\.tif”"):
        fdegc.compress(scene, tmp_path / "a.tif")
    with pytest.raises(InvalidOption, match="path must be the name of a file, not a int"):
        fdegc.compress(scene, 3)  # type: ignore[arg-type]
    with pytest.raises(OutputExists, match="exists already"):
        fdegc.compress(scene, coded)
    misnamed = tmp_path / "scene.fdegc"
    misnamed.write_bytes(scene.read_bytes())
    with pytest.raises(InvalidOption, match="is the input itself"):
        fdegc.compress(misnamed, misnamed, overwrite=True)
    with pytest.raises(OutputFailed, match=r"must end in \.tif"):
        fdegc.decompress(coded, tmp_path / "a.gif")
    (tmp_path / "a.png").touch()
    with pytest.raises(OutputExists):
        fdegc.decompress(coded, tmp_path / "a.png")
    fdegc.decompress(coded, tmp_path / "a.png", overwrite=True)
    assert (tmp_path / "a.png").stat().st_size


@pytest.mark.parametrize(
    ("output", "options", "words"),
    [
        (None, {"format": "png"}, "are for files"),
        ("a.tif", {"masked": True}, "masked is for arrays"),
        ("a.tif", {"format": "bmp"}, "must be one of geotiff, cog, png, jp2, not bmp"),
        ("a.png", {"compression": "zstd"}, "PNG has its own"),
        ("a.tif", {"compression": "lzw"}, "must be one of deflate, zstd, none, not lzw"),
        ("a.tif", {"window": (0, 0, 161, 1)}, "does not lie inside"),
    ],
)
def test_options_that_have_no_meaning(
    output: str | None, options: dict[str, Any], words: str, coded: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidOption, match=words):
        fdegc.decompress(coded, None if output is None else tmp_path / output, **options)
    assert list(tmp_path.iterdir()) == []


def test_cancelling(scene: Path, coded: Path, tmp_path: Path) -> None:
    token = fdegc.CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        fdegc.compress(scene, tmp_path / "a.fdegc", cancel=token)
    with pytest.raises(Cancelled):
        fdegc.decompress(coded, tmp_path / "a.tif", cancel=token)
    with pytest.raises(Cancelled):
        fdegc.decompress(coded, cancel=token)
    assert list(tmp_path.iterdir()) == []


def test_damage_is_told(coded: Path, tmp_path: Path) -> None:
    data = bytearray(coded.read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.fdegc").write_bytes(data)
    with pytest.warns(UserWarning, match="is damaged"):
        result = fdegc.decompress(tmp_path / "a.fdegc", tmp_path / "a.tif")
    assert result.damaged
    with pytest.raises(CorruptStream, match="damaged"):
        fdegc.decompress(tmp_path / "a.fdegc")


# ------------------------------------------------------------------------------ packages that are not there


@pytest.mark.parametrize("package", ["compressai", "torchvision"])
def test_the_adapter_says_what_it_lacks(package: str) -> None:
    code = f"""
import sys
sys.modules[{package!r}] = None
from fdegc.errors import FdegcError
try:
    import fdegc.compressai_adapter
except FdegcError as error:
    sys.exit(str(error))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert f"needs the package {package}" in result.stderr
    assert "pip install compressai" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("package", ["PySide6", "pyqtgraph"])
def test_the_app_says_what_it_lacks(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None; from fdegc_gui.__main__ import main; sys.exit(main())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(f"fdegc-gui: error: The app needs the package {package}")
    assert "pip install" in result.stderr
    assert "Traceback" not in result.stderr
