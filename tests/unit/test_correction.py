"""A linear correction of what the network gives, fitted to a scene: what it computes, and when it pays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fdegc.codec import Codec
from fdegc.codec import correction as fitting
from fdegc.codec.ways import PlainWays
from fdegc.coding.correcting import BIAS_STEPS, WEIGHT_STEPS, corrected, neighbours
from fdegc.format.reader import ContainerReader
from fdegc.options import EncodeOptions, Target, TargetKind
from fdegc.raster import ArraySource
from fdegc.raster_info import RasterInfo, Window

pytestmark = pytest.mark.usefixtures("few_tries_here")

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(device="cpu", threads=2)


@pytest.fixture(autouse=True)
def small_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Crops that small scenes have enough of."""
    monkeypatch.setattr(fitting, "_SIDE", 64)
    monkeypatch.setattr(fitting, "_SHARE", 0.3)


def scene(height: int = 320, width: int = 448) -> Pixels:
    """Texture whose errors have something in common: edges that the network blurs."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:height, :width]
    waves = 40 * np.sign(np.sin(columns / 5.0)) + 30 * np.sign(np.sin((rows + columns) / 9.0))
    grain = rng.normal(0, 3, (3, height, width))
    return (120 + waves + grain).clip(0, 255).astype(np.uint8)


def psnr(a: Pixels, b: npt.NDArray[np.generic]) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))


def coded(codec: Codec, pixels: Pixels, path: Path, options: EncodeOptions) -> npt.NDArray[np.generic]:
    codec.encode(ArraySource(pixels), path, options, overwrite=True)
    height, width = pixels.shape[1:]
    return codec.decode_window(path, Window(0, 0, width, height)).pixels


def correction_of(path: Path) -> object:
    with ContainerReader(path) as reader:
        return reader.header.correction


# ------------------------------------------------------------------ what it computes


def test_it_is_the_sum_that_the_format_describes() -> None:
    rng = np.random.default_rng(1)
    planes = rng.normal(0.5, 0.2, (3, 7, 9)).astype(np.float32)
    steps = rng.integers(-300, 300, 84).tolist()
    found = corrected(planes, steps)
    padded = np.pad(planes.astype(float), ((0, 0), (1, 1), (1, 1)), mode="edge")
    for target in range(3):
        bias, *weights = steps[28 * target : 28 * (target + 1)]
        expected = planes[target] + bias / BIAS_STEPS
        for plane in range(3):
            for row in range(3):
                for column in range(3):
                    weight = weights[9 * plane + 3 * row + column] / WEIGHT_STEPS
                    expected = expected + weight * padded[plane, row : row + 7, column : column + 9]
        np.testing.assert_allclose(found[target], expected, atol=1e-5)
    assert corrected(planes, ()) is planes


def test_a_known_distortion_is_undone() -> None:
    """What was blurred, mixed and shifted comes back, as far as 27 neighbours can tell."""
    rng = np.random.default_rng(2)
    wanted = rng.normal(0.5, 0.1, (3, 60, 70)).astype(np.float32)
    mixed = np.einsum("ij,jhw->ihw", np.array([[0.9, 0.05, 0], [0, 1, 0.1], [0.1, 0, 0.95]]), wanted)
    found = (mixed + 0.02).astype(np.float32)
    moments = fitting._moments_of(wanted, found, None)
    steps = moments.fit()
    after = corrected(found, steps.ravel().tolist())
    assert np.mean((after - wanted) ** 2) < 0.01 * np.mean((found - wanted) ** 2)
    # The sums say what is left without looking at the pixels again.
    assert moments.left(steps) == pytest.approx(float(np.sum((after - wanted) ** 2)), rel=0.02)
    assert neighbours(found).shape == (28, 60, 70)


# ------------------------------------------------------------------ in files


def test_it_is_fitted_stored_and_applied(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, options = scene(), EncodeOptions(3.0, tile_size=64, check=False)
    after = coded(codec, pixels, tmp_path / "with.fdegc", options)
    assert correction_of(tmp_path / "with.fdegc") is not None
    # A window has the pixels of the whole, across the edges of tiles.
    part = codec.decode_window(tmp_path / "with.fdegc", Window(50, 30, 100, 90)).pixels
    np.testing.assert_array_equal(part, after[:, 30:120, 50:150])
    monkeypatch.setattr("fdegc.codec.facade.choose_correction", lambda *_: None)
    before = coded(codec, pixels, tmp_path / "without.fdegc", options)
    assert correction_of(tmp_path / "without.fdegc") is None
    assert psnr(pixels, after) > psnr(pixels, before) + 0.02
    spent = (tmp_path / "with.fdegc").stat().st_size - (tmp_path / "without.fdegc").stat().st_size
    assert 2 * 85 <= spent <= 2 * 170  # the file holds its header twice


def test_the_file_does_not_depend_on_the_number_of_workers(codec: Codec, tmp_path: Path) -> None:
    options, pixels = EncodeOptions(3.0, tile_size=64, check=False), scene(256, 320)
    coded(codec, pixels, tmp_path / "two.fdegc", options)
    coded(Codec(device="cpu", threads=1), pixels, tmp_path / "one.fdegc", options)
    assert correction_of(tmp_path / "one.fdegc") is not None
    assert (tmp_path / "one.fdegc").read_bytes() == (tmp_path / "two.fdegc").read_bytes()


def test_the_figure_in_the_file_is_that_of_corrected_pixels(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a picture of so few tones JPEG 2000 without wavelets would make more than the network does.
    monkeypatch.setattr(PlainWays, "_has_few_tones", lambda *_: False)
    pixels = scene(256, 320)
    result = codec.encode(ArraySource(pixels), tmp_path / "a.fdegc", EncodeOptions(3.0, tile_size=64))
    assert correction_of(tmp_path / "a.fdegc") is not None
    found = codec.decode_window(tmp_path / "a.fdegc", Window(0, 0, 320, 256)).pixels
    assert result.errors is not None
    assert result.errors.psnr == pytest.approx(psnr(pixels, found), abs=0.01)


def test_a_target_is_reached_with_a_correction(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, pixels = tmp_path / "target.fdegc", scene()
    # Of bands so much alike JPEG 2000 of components would make more than the network does.
    monkeypatch.setattr(PlainWays, "transform", lambda *_: (None, 0.0))
    limit = pixels[0].size // 8
    coded(codec, pixels, path, EncodeOptions(target=Target(TargetKind.BPP, 1.0)))
    assert correction_of(path) is not None
    assert 0.98 * limit <= path.stat().st_size <= limit


def test_where_nothing_is_gained_there_is_none(codec: Codec, tmp_path: Path) -> None:
    flat = np.full((3, 192, 256), 90, np.uint8)
    coded(codec, flat, tmp_path / "flat.fdegc", EncodeOptions(6.0, check=False))
    assert correction_of(tmp_path / "flat.fdegc") is None
    coded(codec, scene(), tmp_path / "exact.fdegc", EncodeOptions(max_error=0))
    assert correction_of(tmp_path / "exact.fdegc") is None


def test_pixels_that_are_not_valid_do_not_count() -> None:
    wanted = np.full((3, 20, 20), 0.5, np.float32)
    found = wanted - np.float32(0.01)
    valid = np.ones((20, 20), bool)
    valid[:, 10:] = False
    wanted[:, ~valid] = 100.0
    moments = fitting._moments_of(wanted, found, valid)
    assert moments.pixels == 200
    assert moments.error == pytest.approx(200 * 3 * 1e-4, rel=1e-3)


def windows_of(width: int, height: int) -> list[Window]:
    return fitting._windows(RasterInfo("", "", width, height, 3, "uint8"), fitting._SIDE, fitting._SHARE)


def test_small_scenes_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert len(windows_of(1000, 800)) < 2
    windows = windows_of(4000, 3000)
    assert len(windows) == 6
    assert len({window.x for window in windows}) == len({window.y for window in windows}) == 6
    assert all(w.x + w.width <= 4000 and w.y + w.height <= 3000 for w in windows)


def test_small_scenes_are_looked_at_where_latents_are_refined(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("fdegc.options.EFFORT_STEPS", (0, 1))  # how long does not matter here
    for effort in (0, 1):
        coded(codec, scene(), tmp_path / "small.fdegc", EncodeOptions(5.0, check=False, effort=effort))
        assert (correction_of(tmp_path / "small.fdegc") is not None) == bool(effort)
