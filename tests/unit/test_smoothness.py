"""Smooth scenes and thin ones are coded in larger tiles, where nobody asked for others, and are better so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdegc.codec import Codec
from fdegc.codec.devices import Share
from fdegc.codec.plan import EncodingPlan
from fdegc.codec.smoothness import better_tile_size
from fdegc.codec.workers import Workers
from fdegc.coding import jpeg2000
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, OutOfMemory
from fdegc.format.info import read_info
from fdegc.options import EncodeOptions, QualityRegion, Target, TargetKind
from fdegc.raster import ArraySource, open_raster
from fdegc.raster_info import Window

WIDTH, HEIGHT = 640, 300


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(device="cpu")


def ramp(width: int = WIDTH, height: int = HEIGHT, slope: float = 0.2, bands: int = 3) -> np.ndarray:
    """Ramp of some colours whose fractions noise decides."""
    y, x = np.mgrid[0:height, 0:width]
    exact = np.stack([30 + slope * (x + band * y) for band in range(bands)])
    return np.floor(exact + np.random.default_rng(0).random(exact.shape)).clip(0, 255).astype(np.uint8)


def tile_of(codec: Codec, source: ArraySource, path: Path, options: EncodeOptions) -> int:
    result = codec.encode(source, path, options, overwrite=True)
    assert result.tile_size == read_info(path).tile_size
    return result.tile_size


def test_a_smooth_scene_is_one_tile_and_better_than_jpeg_2000(codec: Codec, tmp_path: Path) -> None:
    pixels, path = ramp(), tmp_path / "a.fdegc"
    result = codec.encode(ArraySource(pixels), path, EncodeOptions(1.0))
    assert (result.tile_size, result.tiles, dict(result.ways)) == (640, 1, {"jpeg2000": 1})
    shown = codec.decode_window(path, Window(0, 0, WIDTH, HEIGHT)).pixels
    peer = jpeg2000.decode(jpeg2000.encode(pixels, 8, result.bytes), pixels.shape, 8)
    ours, theirs = (np.square(found.astype(float) - pixels).mean() for found in (shown, peer))
    assert ours < theirs
    part = Window(500, 100, 40, 30)
    assert np.array_equal(codec.decode_window(path, part).pixels, shown[:, part.rows, part.cols])
    assert codec.verify(path).problems == ()


@pytest.mark.usefixtures("few_tries")
def test_what_was_asked_for_is_what_comes(codec: Codec, tmp_path: Path) -> None:
    source, path = ArraySource(ramp(WIDTH, 500, bands=1)), tmp_path / "a.fdegc"
    square = ((((0.0, 0.0), (64.0, 0.0), (64.0, 64.0), (0.0, 64.0), (0.0, 0.0)),),)
    for options in (
        EncodeOptions(1.0, 256),
        EncodeOptions(1.0, check=False),
        EncodeOptions(1.0, region=QualityRegion(square, 3.0)),
        EncodeOptions(max_error=2.0),
    ):
        assert tile_of(codec, source, path, options) == options.tile_size
    rough = ArraySource(np.random.default_rng(0).integers(90, 110, (1, 520, 600), dtype=np.uint8))
    assert tile_of(codec, rough, path, EncodeOptions(1.0)) == 512
    assert tile_of(codec, ArraySource(ramp(500, 500)), path, EncodeOptions(1.0)) == 512


@pytest.mark.usefixtures("few_tries")
def test_other_types_masks_and_targets(codec: Codec, tmp_path: Path) -> None:
    """What is smooth is so in the range of its values, where they are valid."""
    path = tmp_path / "a.fdegc"
    heights = (np.hypot(*np.mgrid[0:500, 0:1100]) * 0.37 - 50).astype(np.float32)[np.newaxis]
    assert tile_of(codec, ArraySource(heights), path, EncodeOptions(2.0)) == 1152
    holes = heights.copy()
    holes[:, ::3, ::2] = np.nan
    assert tile_of(codec, ArraySource(holes), path, EncodeOptions(2.0)) == 1152
    assert np.array_equal(
        np.isnan(codec.decode_window(path, Window(0, 0, 1100, 500)).pixels), np.isnan(holes)
    )
    target = EncodeOptions(target=Target(TargetKind.SIZE, 3000))
    assert tile_of(codec, ArraySource(ramp(600, 512)), path, target) == 640
    assert path.stat().st_size <= 3000


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [(513, 600, 640), (1300, 1100, 1344), (1536, 700, 1536), (1600, 600, 832), (2000, 1500, 1536)],
)
def test_smooth_scenes_have_as_few_tiles_as_the_largest_would_make(
    codec: Codec, width: int, height: int, side: int
) -> None:
    """And those as small as that allows, so that none is a sliver."""
    source = ArraySource(ramp(width, height, slope=0.05, bands=1))
    plan = EncodingPlan.of(codec.networks[0], source, EncodeOptions(2.0))
    with Workers(Share(1, 1, 1), CancelToken()) as workers:
        assert better_tile_size(plan, workers) == side


def test_tiles_of_thin_scenes_are_long(codec: Codec, tmp_path: Path) -> None:
    """As long as the scene, or so many alike as have the pixels of a default tile."""
    random, path = np.random.default_rng(0), tmp_path / "a.fdegc"
    for (height, width), side in {
        (1, 4000): 2048, (128, 2049): 1088, (129, 2049): 1088, (2049, 129): 1088, (200, 3000): 1024,
        (455, 513): 576, (456, 513): 512, (4, 513): 576, (513, 513): 512,
    }.items():  # fmt: skip
        pixels = random.integers(0, 255, (1, height, width), dtype=np.uint8)
        assert tile_of(codec, ArraySource(pixels), path, EncodeOptions(1.0, check=False)) == side
    assert tile_of(codec, ArraySource(pixels[:, :9]), path, EncodeOptions(max_error=200.0)) == 576
    line = random.normal(0, 4, (3, 1, 4000)).cumsum(axis=2)
    line = (255 * (line - line.min()) / np.ptp(line)).astype(np.uint8)
    for rate in (1.0, 3.0, 5.0):
        size = codec.encode(ArraySource(line), path, EncodeOptions(rate), overwrite=True).bytes
        shown = codec.decode_window(path, Window(0, 0, 4000, 1)).pixels
        peers = [jpeg2000.encode(line, 8, wanted) for wanted in range(size // 2, size + 60, 8)]
        peers = [jpeg2000.decode(data, line.shape, 8) for data in peers if len(data) <= size] or [0 * line]
        ours, *theirs = (np.square(found.astype(float) - line).mean() for found in (shown, *peers))
        assert ours <= min(theirs)


@pytest.mark.usefixtures("few_tries")
def test_without_the_memory_tiles_are_the_usual_ones(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[float] = []

    def scarce(needed: float) -> None:
        checked.append(needed)
        if needed > checked[0]:
            raise OutOfMemory("There is none.")

    monkeypatch.setattr("fdegc.codec.facade.check_memory", scarce)
    assert tile_of(codec, ArraySource(ramp(600, 600)), tmp_path / "a.fdegc", EncodeOptions(1.0)) == 512
    assert len(checked) == 2


@pytest.mark.usefixtures("few_tries")
def test_an_interrupted_run_goes_on_in_the_same_tiles(codec: Codec, tmp_path: Path) -> None:
    scene, path, whole = tmp_path / "scene.png", tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    Image.fromarray(ramp(3200, 460, slope=0.05, bands=1)[0]).save(scene)
    cancel = CancelToken()
    with open_raster(scene) as source, pytest.raises(Cancelled):
        Codec(device="cpu", threads=1).encode(
            source, path, EncodeOptions(1.0), resume=True, cancel=cancel,
            on_progress=lambda p: cancel.cancel() if p.fraction > 0.7 else None,
        )  # fmt: skip
    with open_raster(scene) as source:
        result = codec.encode(source, path, EncodeOptions(1.0), resume=True)
        codec.encode(source, whole, EncodeOptions(1.0))
    assert (result.tile_size, result.tiles) == (1088, 3) and result.resumed_tiles > 0
    assert path.read_bytes() == whole.read_bytes()
