"""Rasters in a store of objects (S3), served by a server of this test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.transform
from range_server import serving

from fdegc.cli import main
from fdegc.raster import open_raster
from fdegc.raster_info import Window

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder that is a bucket called “bucket” to GDAL."""
    folder = tmp_path / "store" / "bucket"
    (folder / "a key").mkdir(parents=True)
    with serving(folder.parent) as host:
        for name, value in {
            "AWS_S3_ENDPOINT": host,
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_NO_SIGN_REQUEST": "YES",
            "GDAL_HTTP_TIMEOUT": "10",
            "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
            "no_proxy": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        yield folder


def scene(path: Path) -> None:
    """Tiled GeoTIFF of more than what GDAL reads of a file at once."""
    noise = np.random.default_rng(0)
    y, x = np.mgrid[0:320, 0:320]
    pixels = np.stack([900 + 500 * np.sin(x / (9 + band)) * np.cos(y / 11) for band in range(3)])
    pixels += noise.normal(0, 20, pixels.shape)
    with rasterio.open(
        path, "w", driver="GTiff", width=320, height=320, count=3, dtype="uint16", nodata=0, tiled=True,
        blockxsize=128, blockysize=128, crs="EPSG:32633",
        transform=rasterio.transform.from_origin(5e5, 5.4e6, 10, 10),
    ) as dataset:  # fmt: skip
        dataset.write(pixels.astype(np.uint16))


def test_an_object_compresses_to_what_the_local_file_does(
    tmp_path: Path, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene(bucket / "a key" / "scene.tif")
    coded: list[bytes] = []
    names: list[Any] = [
        bucket / "a key" / "scene.tif",
        "s3://bucket/a key/scene.tif",
        "/vsis3/bucket/a key/scene.tif",
    ]
    for number, name in enumerate(names):
        for options in (["--lossless"], ["--rate", "2", "--window", "100,90,128,64"]):
            target = tmp_path / f"{number}.fdegc"
            assert main(["compress", str(name), str(target), "--force", "--json", *options]) == 0
            report = json.loads(capsys.readouterr().out)
            assert report["input"].endswith("bucket/a key/scene.tif")
            coded.append(target.read_bytes())
    assert coded[0] == coded[2] == coded[4] and coded[1] == coded[3] == coded[5]
    assert main(["info", "s3://bucket/a key/scene.tif", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["width"] == 320


def test_only_what_is_asked_for_is_read(bucket: Path) -> None:
    scene(bucket / "scene.tif")
    with rasterio.open(bucket / "scene.tif") as local, open_raster("s3://bucket/scene.tif") as source:
        window = Window(200, 130, 40, 30)
        wanted = local.read()[:, 130:160, 200:240]
        np.testing.assert_array_equal(source.read(window).pixels, wanted)


@pytest.mark.parametrize("name", ["s3://bucket/nothing.tif", "s3://other/scene.tif", "s3://bucket/words.tif"])
def test_a_key_that_is_not_there_gets_a_sentence(
    tmp_path: Path, bucket: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (bucket / "words.tif").write_text("words " * 100, encoding="utf-8")
    capsys.readouterr()
    assert main(["compress", name, str(tmp_path / "a.fdegc")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("fdegc: error: “") and name.split("/")[-1] in said
    assert "cannot be opened" in said
    assert not (tmp_path / "a.fdegc").exists()
