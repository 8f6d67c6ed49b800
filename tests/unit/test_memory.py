"""Memory is bounded by the tile, not by the scene, and what would not fit is refused before it is begun."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import rasterio
from PIL import Image

from fdegc.errors import OutOfMemory
from fdegc.memory import BLOCK_CACHE, PROCESS_BYTES, block_cache, cache_for, check_memory
from fdegc.raster import open_raster
from fdegc.raster_info import RasterInfo
from fdegc.weights import quick_estimate

ROOT = Path(__file__).resolve().parents[2]
SCENE = RasterInfo("", "", 4000, 3000, 3, "uint8")


@pytest.fixture
def free(monkeypatch):
    """Sets the memory that seems to be free."""

    def pretend(size):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=size))

    return pretend


# ------------------------------------------------------------------ large scenes


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_does_not_grow_with_the_scene(tmp_path):
    """The benchmark in small: 4 and 26 Mpx, with all the reading and writing but little of the network."""
    spec = importlib.util.spec_from_file_location("memory_benchmark", ROOT / "benchmarks" / "memory.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    peaks = []
    for side in (2048, 5120):  # in tiles that smooth scenes are not given larger ones in place of
        job = benchmark.job_for(tmp_path, side=side, kind="uint16", every=10_000, tile=256)
        benchmark.in_process(job | {"stage": "scene"})
        peaks.append([benchmark.in_process(job | {"stage": s})["peak"] for s in ("encode", "decode")])
    # GDAL may fill a cache of 64 MiB; unbounded it took 200 MB more, and a copy of the pixels would take 132.
    assert np.subtract(peaks[1], peaks[0]).max() < 110e6


def test_the_cache_has_bounds():
    least, most = BLOCK_CACHE
    assert block_cache(1000, 100, 3) == least
    assert block_cache(1500, 20_000, 4) == 1500 * 20_000 * 4
    assert block_cache(3000, 10**6, 24) == most


@pytest.mark.parametrize(("blocks", "rows"), [({"blockysize": 16}, 512 + 32), ({"tiled": True}, 512 + 512)])
def test_the_cache_holds_a_row_of_tiles(tmp_path, blocks, rows):
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=30_000, height=600, count=4, dtype="uint8",
        sparse_ok=True, crs="EPSG:32633", transform=rasterio.Affine(1, 0, 0, 0, -1, 600), **blocks,
    ) as dataset:  # fmt: skip
        assert cache_for(dataset, 512) >= rows * 30_000 * 4


def test_a_huge_block_is_kept(tmp_path):
    dataset = SimpleNamespace(block_shapes=[(30_000, 30_000)], width=30_000, dtypes=["uint8"])
    assert cache_for(dataset, 512) >= 30_000**2


# ------------------------------------------------------------------ refusals


def test_work_that_does_not_fit_is_refused(free):
    free(1e9)
    check_memory(PROCESS_BYTES)
    with pytest.raises(OutOfMemory, match=r"5\.\d+ GB of memory and 1 GB are free"):
        check_memory(6e9)


def test_what_else_a_process_holds_is_of_no_use(free, monkeypatch):
    free(1e9)
    memory = SimpleNamespace(rss=50e9)
    monkeypatch.setattr(psutil.Process, "memory_info", lambda self: memory)
    check_memory(PROCESS_BYTES + 0.9e9)
    with pytest.raises(OutOfMemory):
        check_memory(PROCESS_BYTES + 1.1e9)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.webp"])
def test_a_picture_that_does_not_fit_is_refused(tmp_path, free, name):
    Image.new("RGB", (1000, 800)).save(tmp_path / name)
    free(7e6)
    with pytest.raises(OutOfMemory, match=r"a\..*can only be read as a whole.*tiled GeoTIFF"):
        open_raster(tmp_path / name)
    free(9e6)
    with open_raster(tmp_path / name) as source:
        assert source.info.width == 1000


def test_a_tiff_of_one_strip_that_does_not_fit_is_refused(tmp_path, free):
    pixels = np.zeros((1, 2000, 1000), np.uint8)
    for name, rows in (("one.tif", 2000), ("parts.tif", 100)):
        with rasterio.open(
            tmp_path / name, "w", driver="GTiff", width=1000, height=2000, count=1, dtype="uint8",
            compress="deflate", blockysize=rows, crs="EPSG:32633",
            transform=rasterio.Affine(1, 0, 0, 0, -1, 2000),
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
    free(3e6)
    with open_raster(tmp_path / "parts.tif") as source:
        assert source.info.height == 2000
    with pytest.raises(OutOfMemory, match=r"one\.tif.*not stored in parts"):
        open_raster(tmp_path / "one.tif")


# ------------------------------------------------------------------ estimates


def test_the_estimate_follows_the_tile_not_the_height():
    tall = replace(SCENE, height=1_000_000)
    peaks = [quick_estimate(tall, 4.0, tile).memory_bytes for tile in (256, 512, 1024, 2048)]
    assert sorted(peaks) == peaks and peaks[-1] > peaks[0] + 0.7e9
    higher = replace(tall, height=10_000_000)
    assert quick_estimate(higher, 4.0).memory_bytes == quick_estimate(tall, 4.0).memory_bytes


@pytest.mark.parametrize(
    "change", [{"width": 80_000}, {"bands": 13}, {"has_alpha": True}, {"dtype": "float64"}]
)
def test_the_estimate_counts_what_a_row_of_tiles_takes(change):
    wide = replace(SCENE, width=40_000, has_mask=True)
    assert quick_estimate(replace(wide, **change), 4.0).memory_bytes > quick_estimate(wide, 4.0).memory_bytes
