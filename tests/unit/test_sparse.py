"""Tiles in which nothing is valid take no place in a GeoTIFF that may be sparse, and read the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.windows import Window as RioWindow

from fdegc.cli import main
from fdegc.raster import open_raster, open_sink
from fdegc.raster_info import Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIDE = 1100


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> Any:
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def scene(path: Path, validity: str, dtype: str = "uint8") -> None:
    """Scene that is valid in its upper left corner only, of 512 × 512 pixels and a few beyond."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    pixels = np.stack([(x + y) % 90 + 20 + band for band in range(3)]).astype(dtype)
    valid = (x < 530) & (y < 400)
    options: dict[str, Any] = {}
    if validity == "nodata":
        options["nodata"] = 7
        pixels[:, ~valid] = 7
    elif validity == "alpha":
        pixels = np.concatenate([np.where(valid, pixels, 0), valid[None] * np.iinfo(dtype).max]).astype(dtype)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", width=SIDE, height=SIDE, count=len(pixels), dtype=dtype, **options
        ) as dataset,
    ):
        if validity == "alpha":
            dataset.colorinterp = [*[ColorInterp.undefined] * 3, ColorInterp.alpha]
        dataset.write(pixels)
        if validity == "mask":
            dataset.write_mask(valid.astype(np.uint8) * 255)


def empty_tiles(path: Path) -> int:
    """Number of tiles of which a file holds nothing."""
    with rasterio.open(path) as dataset:
        found = [
            dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1)
            for (row, column), _ in dataset.block_windows(1)
        ]
    return found.count(None)


@pytest.mark.parametrize("kind", ["geotiff", "cog"])
@pytest.mark.parametrize("compression", ["deflate", "none"])
@pytest.mark.parametrize("validity", ["nodata", "mask", "alpha"])
def test_tiles_of_nothing_take_no_place(tmp_path: Path, kind: str, compression: str, validity: str) -> None:
    scene(tmp_path / "a.tif", validity)
    paths = {sparse: tmp_path / f"{sparse}.tif" for sparse in (False, True)}
    for sparse, path in paths.items():
        with (
            open_raster(tmp_path / "a.tif") as source,
            open_sink(path, source.info, kind=kind, compression=compression, sparse=sparse) as sink,
        ):
            for y in range(0, SIDE, 300):  # across the tiles of the file
                window = Window(0, y, SIDE, min(300, SIDE - y))
                sink.write(window, source.read(window))
        assert sink.unsupported_metadata == ()
    # 9 tiles, of which the first two have something.
    assert (empty_tiles(paths[False]), empty_tiles(paths[True])) == (0, 7)
    assert paths[True].stat().st_size < paths[False].stat().st_size - 7 * 800
    with rasterio.open(paths[False]) as full, rasterio.open(paths[True]) as sparse_one:
        assert full.profile == sparse_one.profile and full.overviews(1) == sparse_one.overviews(1)
        valid = full.dataset_mask() > 0
        np.testing.assert_array_equal(sparse_one.dataset_mask() > 0, valid)
        np.testing.assert_array_equal(sparse_one.read_masks(), full.read_masks())
        np.testing.assert_array_equal(sparse_one.read()[:, valid], full.read()[:, valid])
        if validity != "mask":  # under which nothing is said
            np.testing.assert_array_equal(sparse_one.read(), full.read())


def test_files_are_sparse_only_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever reads with another library than GDAL gets all tiles."""
    scene(tmp_path / "a.tif", "nodata")
    run(capsys, "compress", tmp_path / "a.tif", tmp_path / "a.fdegc", "--lossless")
    plain, sparse, many = tmp_path / "p.tif", tmp_path / "s.tif", tmp_path / "many"
    run(capsys, "decompress", tmp_path / "a.fdegc", plain)
    run(capsys, "decompress", tmp_path / "a.fdegc", sparse, "--sparse")
    run(capsys, "decompress", tmp_path / "a.fdegc", "--out-dir", many, "--sparse")
    assert (empty_tiles(plain), empty_tiles(sparse), empty_tiles(many / "a.tif")) == (0, 7, 7)
    with rasterio.open(tmp_path / "a.tif") as wanted:
        for path in (plain, sparse, many / "a.tif"):
            with rasterio.open(path) as dataset:
                np.testing.assert_array_equal(dataset.read(), wanted.read())
                # A window that only holds what is left out.
                assert (dataset.read(window=RioWindow(700, 700, 50, 50)) == 7).all()
    for more in (["b.png"], ["--out-dir", "pngs", "--format", "png"]):
        assert main(["decompress", str(tmp_path / "a.fdegc"), *more, "--sparse"]) == 1
        assert "--sparse is for GeoTIFF and COG" in capsys.readouterr().err
