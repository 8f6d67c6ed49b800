"""Rasters as people have them: what comes back is read with something that is not ours."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from fdegc.cli import main
from fdegc.codec import Codec
from fdegc.format.info import read_info
from fdegc.raster import open_raster, open_sink, to_rgb8
from fdegc.raster_info import Window
from tests.rasters import pack

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="module")
def codec():
    return Codec(device="cpu", threads=1)


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
