from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from fdegc import metrics
from fdegc.control import CancelToken
from fdegc.errors import Cancelled, InvalidOption, MetricUnavailable
from fdegc.metrics import scene, windows
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import MetricSet
from fdegc.types import BandMapping, Samples


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Many small operations on a busy machine are quicker without threads that wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def picture(bands: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth structure with texture, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    image = np.stack([110 + 60 * np.sin(x / (9 + b)) * np.cos(y / (13 - b % 9)) for b in range(bands)])
    return np.clip(image + rng.normal(0, 12, image.shape), 0, 255).astype(np.uint8)


def noisy(image: np.ndarray, sigma: float = 8.0, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(image + rng.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)


def info(image: np.ndarray) -> RasterInfo:
    bands, height, width = image.shape
    return RasterInfo("", "", width, height, bands, str(image.dtype))


def compute(reference: np.ndarray, other: np.ndarray, peak: float = 255.0, **options: object) -> MetricSet:
    names = options.pop("names", ("psnr", "ms_ssim", "vifp"))
    return metrics.compute(Samples(reference), Samples(other), info(reference), peak, names=names, **options)


def reference_vifp(reference: np.ndarray, other: np.ndarray) -> float:
    """The authors' vifp_mscale.m, line by line, on one band."""
    ref, dist = reference.astype(np.float64), other.astype(np.float64)
    num = den = 0.0
    for s in range(1, 5):
        n = 2 ** (4 - s + 1) + 1
        axis = np.arange(n) - n // 2
        win = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * (n / 5.0) ** 2))
        win /= win.sum()

        def blur(a: np.ndarray, win: np.ndarray = win) -> np.ndarray:
            return convolve2d(a, win, mode="valid")

        if s > 1:
            ref, dist = blur(ref)[::2, ::2], blur(dist)[::2, ::2]
        m1, m2 = blur(ref), blur(dist)
        s1 = np.maximum(blur(ref * ref) - m1 * m1, 0)
        s2 = np.maximum(blur(dist * dist) - m2 * m2, 0)
        s12 = blur(ref * dist) - m1 * m2
        g = s12 / (s1 + 1e-10)
        sv = s2 - g * s12
        g[s1 < 1e-10] = 0
        sv[s1 < 1e-10] = s2[s1 < 1e-10]
        s1[s1 < 1e-10] = 0
        g[s2 < 1e-10] = 0
        sv[s2 < 1e-10] = 0
        sv[g < 0] = s2[g < 0]
        g[g < 0] = 0
        sv[sv <= 1e-10] = 1e-10
        num += np.log10(1 + g * g * s1 / (sv + 2.0)).sum()
        den += np.log10(1 + s1 / 2.0).sum()
    return float(num / den)


# ---------------------------------------------------------------- PSNR


def test_psnr_known_values() -> None:
    zero = np.zeros((2, 8, 8), np.uint8)
    assert metrics.psnr(zero, zero, 255) == math.inf
    assert metrics.psnr(zero, zero + np.uint8(255), 255) == pytest.approx(0.0, abs=1e-9)
    assert metrics.psnr(zero, zero + np.uint8(1), 255) == pytest.approx(48.13080360867910)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
def test_psnr_does_not_wrap_or_round(dtype: str) -> None:
    top = 2**24 if dtype == "float32" else np.iinfo(dtype).max
    high = np.full((1, 4, 4), top, dtype)
    low = (high - np.array(1, dtype)).astype(dtype)
    assert metrics.psnr(low, high, 1.0) == metrics.psnr(high, low, 1.0) == pytest.approx(0.0, abs=1e-9)


def test_psnr_counts_valid_pixels_only() -> None:
    a = picture(3, 20, 30)
    b = noisy(a)
    valid = np.zeros((20, 30), bool)
    valid[3:9, 4:20] = True
    spoiled = b.copy()
    spoiled[:, ~valid] = 0
    assert metrics.psnr(a, spoiled, 255, valid) == pytest.approx(
        metrics.psnr(a[:, 3:9, 4:20], b[:, 3:9, 4:20], 255)
    )
    with pytest.raises(MetricUnavailable, match="valid"):
        metrics.psnr(a, b, 255, np.zeros((20, 30), bool))


def test_accumulated_figures_are_exact() -> None:
    a = picture(3, 50, 40)
    b = noisy(a)
    parts, whole = metrics.ErrorAccumulator(3), metrics.ErrorAccumulator(3)
    for rows in (slice(0, 17), slice(17, 18), slice(18, 50)):
        parts.add(a[:, rows], b[:, rows])
    whole.add(a, b)
    assert parts.psnr(255) == metrics.psnr(a, b, 255)
    got, expected = (total.figures((255.0,) * 3, "uint8") for total in (parts, whole))
    assert got.sam == pytest.approx(expected.sam, rel=1e-12)
    assert replace(got, sam=None) == replace(expected, sam=None)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_figures_are_those_of_their_formulas(dtype: str) -> None:
    rng = np.random.default_rng(0)
    span = np.array([90.0, 60.0])
    a = np.stack([rng.integers(9, 91, (30, 20)), rng.integers(20, 81, (30, 20))]).astype(dtype)
    error = np.stack([rng.integers(-3, 5, (30, 20)), rng.integers(-9, 4, (30, 20))])
    b = (a.astype(int) + error).astype(dtype)
    valid = rng.random((30, 20)) > 0.3
    a[:, 0, 0] = b[:, 0, 0] = 0
    valid[0, 0] = True  # no spectrum, no angle
    error[:, 0, 0] = 0
    total = metrics.ErrorAccumulator(2)
    total.add(a, b, valid)
    figures = total.figures(span, dtype)
    good = error[:, valid].astype(float)
    full = None if dtype.startswith("float") else 2.0 ** (8 * np.dtype(dtype).itemsize) - 1

    def decibels(peak: float | None, errors: np.ndarray) -> object:
        return None if peak is None else pytest.approx(10 * np.log10(peak**2 / np.mean(errors**2)))

    assert figures.psnr == decibels(90.0, good) and figures.psnr_dtype == decibels(full, good)
    assert figures.max_error == np.abs(good).max()
    assert figures.rmse == pytest.approx(np.sqrt(np.mean(good**2)))
    assert figures.mean_error == pytest.approx(good.mean())
    for band, own, peak in zip(figures.bands, good, span, strict=True):
        assert band is not None
        assert band.psnr == decibels(peak, own) and band.psnr_dtype == decibels(full, own)
        assert (band.max_error, band.rmse) == (np.abs(own).max(), pytest.approx(np.sqrt(np.mean(own**2))))
        assert band.mean_error == pytest.approx(own.mean())
    u, v = a[:, valid].astype(float), b[:, valid].astype(float)
    seen = np.any(u, axis=0) & np.any(v, axis=0)
    cosine = (u * v).sum(0)[seen] / np.sqrt((u * u).sum(0)[seen] * (v * v).sum(0)[seen])
    assert figures.sam == pytest.approx(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean(), rel=1e-6)


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_errors_whose_squares_are_no_numbers_have_figures(scale: float) -> None:
    random = np.random.default_rng(5)
    reference, error = random.uniform(-1, 1, (2, 2, 9, 11))
    total, plain = metrics.ErrorAccumulator(2), metrics.ErrorAccumulator(2)
    total.add(scale * reference[:, :4], scale * (reference + error)[:, :4])
    rest = metrics.ErrorAccumulator(2)
    rest.add(scale * reference[:, 4:], scale * (reference + error)[:, 4:])
    total.merge(rest)
    plain.add(reference, reference + error)
    found, wanted = (
        sums.figures([2.0 * factor, 1.5 * factor], "float64")
        for sums, factor in ((total, scale), (plain, 1.0))
    )
    assert found.psnr == pytest.approx(wanted.psnr) and found.psnr_dtype is None
    assert found.rmse == pytest.approx(wanted.rmse * scale, rel=1e-9, abs=0)
    assert found.mean_error == pytest.approx(wanted.mean_error * scale, rel=1e-6, abs=0)
    for own, other in zip(found.bands, wanted.bands, strict=True):
        assert own is not None and other is not None
        assert own.psnr == pytest.approx(other.psnr)
        assert own.rmse == pytest.approx(other.rmse * scale, rel=1e-9, abs=0)
    assert total.relative_error(2 * scale) == pytest.approx(plain.squared_error / 4)
    # Beside such errors those of other pieces, far smaller or none, change nothing.
    total.add(np.zeros((2, 1, 1)), np.full((2, 1, 1), 1e-305 if scale > 1 else 0.0))
    assert total.relative_error(2 * scale) == pytest.approx(plain.squared_error / 4)


def test_equal_spectra_have_no_angle_and_brightness_does_not_turn_them() -> None:
    a = picture(4, 20, 20).astype(np.float64) + 1
    for factor in (1.0, 3.0, 1e100):
        total = metrics.ErrorAccumulator(4)
        total.add(a, a * factor)
        assert total.figures((255.0,) * 4, "uint8").sam == pytest.approx(0.0, abs=1e-12)
    one = metrics.ErrorAccumulator(1)
    one.add(a[:1], a[:1])
    assert one.figures((255.0,), "float64").sam is None


def test_a_band_may_have_a_mask_of_its_own() -> None:
    a = picture(3, 20, 20)
    b = noisy(a)
    valid = np.ones(a.shape, bool)
    valid[1, :10], valid[2] = False, False
    total = metrics.ErrorAccumulator(3)
    total.add(a, b, valid)
    figures = total.figures((255.0,) * 3, "uint8")
    first, second, third = figures.bands
    assert first is not None and first.psnr == metrics.psnr(a[:1], b[:1], 255)
    assert second is not None and second.psnr == metrics.psnr(a[1:2, 10:], b[1:2, 10:], 255)
    assert third is None and figures.sam is None


def test_bad_arguments_are_refused() -> None:
    a = picture(1, 8, 8)
    with pytest.raises(InvalidOption, match="size"):
        metrics.psnr(a, a[:, :4], 255)
    with pytest.raises(InvalidOption, match="mask"):
        metrics.psnr(a, a, 255, np.ones((3, 3), bool))
    with pytest.raises(InvalidOption, match="peak"):
        metrics.psnr(a, a, 0)
    with pytest.raises(InvalidOption, match="Unknown"):
        compute(a, a, names=("ssim",))
    with pytest.raises(InvalidOption, match="offset"):
        compute(a, a, offset=(1.0, 2.0))


# ---------------------------------------------------------------- MS-SSIM, VIFp


@pytest.mark.parametrize("shape", [(1, 161, 161), (3, 192, 256), (3, 201, 187), (5, 333, 170)])
def test_ms_ssim_is_that_of_pytorch_msssim(shape: tuple[int, int, int]) -> None:
    pytorch_msssim = pytest.importorskip("pytorch_msssim")
    a = picture(*shape)
    for sigma in (2.0, 30.0):
        b = noisy(a, sigma)
        x, y = (torch.from_numpy(image.astype(np.float32))[None] for image in (a, b))
        expected = float(pytorch_msssim.ms_ssim(x, y, data_range=255.0))
        assert metrics.ms_ssim(a, b) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", [(41, 41), (64, 97), (150, 123)])
def test_vifp_is_the_authors(shape: tuple[int, int]) -> None:
    a = picture(3, *shape)
    for sigma in (1.0, 25.0):
        b = noisy(a, sigma)
        grey = reference_vifp(a[0], b[0])
        assert metrics.vifp(a[:1], b[:1]) == pytest.approx(grey, abs=1e-9)
        two = (grey + reference_vifp(a[1], b[1])) / 2
        assert metrics.vifp(a[:2], b[:2]) == pytest.approx(two, abs=1e-9)
        luma = [np.tensordot((0.299, 0.587, 0.114), image.astype(float), 1) for image in (a, b)]
        assert metrics.vifp(a, b) == pytest.approx(reference_vifp(*luma), abs=1e-9)


def test_vifp_with_flat_parts_and_inverted_contrast() -> None:
    a = picture(1, 80, 80)
    a[:, :40] = 90
    b = noisy(a)
    b[:, :, 50:] = 255 - b[:, :, 50:]
    b[:, 60:] = 7
    assert metrics.vifp(a, b) == pytest.approx(reference_vifp(a[0], b[0]), abs=1e-6)


def test_identities() -> None:
    a = picture(3, 176, 180)
    assert metrics.ms_ssim(a, a) == pytest.approx(1.0, abs=1e-6)
    assert metrics.vifp(a, a) == pytest.approx(1.0, abs=1e-6)
    assert metrics.ms_ssim(a, noisy(a, 3)) > metrics.ms_ssim(a, noisy(a, 20))
    assert metrics.vifp(a, noisy(a, 3)) > metrics.vifp(a, noisy(a, 20))


def test_ms_ssim_in_db() -> None:
    assert metrics.ms_ssim_db(0.99) == pytest.approx(20.0)
    assert metrics.ms_ssim_db(0.0) == 0.0
    assert metrics.ms_ssim_db(1.0) == math.inf


def test_too_small_or_flat_is_unavailable() -> None:
    with pytest.raises(MetricUnavailable, match="161"):
        metrics.ms_ssim(picture(1, 160, 400), picture(1, 160, 400))
    with pytest.raises(MetricUnavailable, match="41"):
        metrics.vifp(picture(1, 40, 400), picture(1, 40, 400))
    flat = np.full((1, 64, 64), 9, np.uint8)
    with pytest.raises(MetricUnavailable, match="texture"):
        metrics.vifp(flat, flat)


# ---------------------------------------------------------------- compute


def test_compute_is_the_single_functions() -> None:
    a = picture(3, 200, 180)
    b = noisy(a)
    result = compute(a, b)
    assert result.psnr == metrics.psnr(a, b, 255)
    assert result.ms_ssim == pytest.approx(metrics.ms_ssim(a, b), abs=1e-9)
    assert result.ms_ssim_db == metrics.ms_ssim_db(result.ms_ssim or 0.0)
    assert result.vifp == pytest.approx(metrics.vifp(a, b), abs=1e-9)
    assert result.lpips is None
    assert result.notes == {}


@pytest.mark.parametrize("side", [1, 30, 100])
def test_small_images_give_notes(side: int) -> None:
    a = picture(3, side, side)
    result = compute(a, noisy(a), names=metrics.METRIC_NAMES)
    assert result.psnr is not None
    assert result.ms_ssim is None and result.ms_ssim_db is None and "161" in result.notes["ms_ssim"]
    assert (result.vifp is None) == ("vifp" in result.notes) == (side < 41)


def test_only_the_named_are_computed() -> None:
    a = picture(1, 64, 64)
    result = compute(a, a, names=("psnr",))
    assert result == MetricSet(psnr=math.inf, errors=result.errors)


def test_masks_and_alpha() -> None:
    a = picture(3, 200, 200)
    b = noisy(a)
    valid = np.ones((200, 200), bool)
    valid[:40] = False
    alpha = np.full((200, 200), 255, np.uint8)
    alpha[:, 150:] = 0
    both = valid & (alpha > 0)
    spoiled = b.copy()
    spoiled[:, ~both] = 0

    def run(other: np.ndarray) -> MetricSet:
        source = Samples(a, valid, alpha)
        return metrics.compute(source, Samples(other), info(a), 255.0, names=("psnr", "ms_ssim", "vifp"))

    assert run(spoiled) == run(b)
    assert run(b).psnr == pytest.approx(metrics.psnr(a, b, 255, both))
    assert "valid" in run(b).notes["psnr"]
    assert "Invalid pixels" in run(b).notes["ms_ssim"] and "Invalid pixels" in run(b).notes["vifp"]
    same = a.copy()
    same[:, ~both] = 0
    assert run(same).psnr == math.inf
    assert run(same).ms_ssim == pytest.approx(1.0, abs=1e-6)


def test_no_valid_pixel_gives_notes() -> None:
    a = picture(3, 200, 200)
    source = Samples(a, np.zeros((200, 200), bool))
    result = metrics.compute(source, Samples(a), info(a), 255.0, names=("psnr", "ms_ssim", "vifp"))
    assert (result.psnr, result.ms_ssim, result.vifp) == (None, None, None)
    assert all("valid" in result.notes[name] for name in ("psnr", "ms_ssim", "ms_ssim_db", "vifp"))


def test_values_that_are_not_finite() -> None:
    a = picture(1, 200, 200).astype(np.float32)
    a[0, 5, 5] = np.nan
    assert compute(a, np.nan_to_num(a)).psnr == math.inf
    result = compute(np.nan_to_num(a), a)
    assert (result.psnr, result.missing, result.extra) == (math.inf, 1, 0)
    assert "missing in the other" in result.remarks[0]


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_other_types_are_scaled(dtype: str) -> None:
    a = picture(3, 176, 176)
    b = noisy(a)
    wide, wide_other = (image.astype(dtype) * 40 + np.array(100, dtype) for image in (a, b))
    result = compute(wide.astype(dtype), wide_other.astype(dtype), 255.0 * 40, offset=(100.0,) * 3)
    plain = compute(a, b)
    assert result.psnr == pytest.approx(plain.psnr)
    assert result.ms_ssim == pytest.approx(plain.ms_ssim, abs=1e-6)
    assert result.vifp == pytest.approx(plain.vifp, abs=1e-6)
    assert "scaled" in result.notes["ms_ssim"] and dtype in result.notes["vifp"]


def test_bands_beyond_three_count_for_psnr_only() -> None:
    a = picture(5, 176, 176)
    b = noisy(a)
    result = compute(a, b)
    assert result.psnr == metrics.psnr(a, b, 255)
    assert result.ms_ssim == pytest.approx(metrics.ms_ssim(a[:3], b[:3]), abs=1e-9)
    assert "first three of 5" in result.notes["ms_ssim"]


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize("size", [(2048, 2048), (2100, 3071), (1199, 1200), (100, 5000), (1, 1)])
def test_blocks_cover_the_scene_once(size: tuple[int, int]) -> None:
    width, height = size
    seen = np.zeros((height, width), np.uint8)
    for window in windows.blocks(width, height):
        seen[window.rows, window.cols] += 1
        assert window.width >= min(176, width) and window.height >= min(176, height)
        assert max(window.width, window.height) < 1024 + 176
    assert (seen == 1).all()


def test_blocks_agree_with_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    a = picture(3, 600, 700)
    b = noisy(a)
    b[:, :300] = noisy(a[:, :300], 25)
    whole = compute(a, b)
    monkeypatch.setattr(scene, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(scene, "BLOCK", 256)
    parts = compute(a, b)
    assert parts.psnr == whole.psnr
    assert parts.ms_ssim == pytest.approx(whole.ms_ssim, abs=0.01)
    assert parts.vifp == pytest.approx(whole.vifp, abs=0.02)
    assert "blocks" in parts.notes["ms_ssim"] and "blocks" in parts.notes["vifp"]
    assert "psnr" not in parts.notes


def test_flat_and_invalid_blocks_do_not_spoil_a_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    a = picture(1, 200, 600)
    a[:, :, :200] = 50
    b = noisy(a)
    valid = np.ones((200, 600), bool)
    valid[:, 400:] = False
    monkeypatch.setattr(scene, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(scene, "BLOCK", 200)
    result = metrics.compute(Samples(a, valid), Samples(b), info(a), 255.0, names=("ms_ssim", "vifp"))
    expected = (
        metrics.ms_ssim(a[..., :200], b[..., :200]) + metrics.ms_ssim(a[..., 200:400], b[..., 200:400])
    ) / 2
    assert result.ms_ssim == pytest.approx(expected, abs=1e-9)
    assert result.vifp == pytest.approx(metrics.vifp(a[..., 200:400], b[..., 200:400]), abs=1e-9)


def test_a_scene_is_read_once_by_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    a = picture(3, 400, 500)
    b = noisy(a)

    class Reader:
        def __init__(self, pixels: np.ndarray) -> None:
            self.pixels, self.seen = pixels, np.zeros(pixels.shape[1:], int)

        def read(self, window: Window, /) -> Samples:
            assert window.pixels < 200_000
            self.seen[window.rows, window.cols] += 1
            return Samples(self.pixels[:, window.rows, window.cols])

    monkeypatch.setattr(scene, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(scene, "BLOCK", 200)
    first, second = Reader(a), Reader(b)
    mapping = [BandMapping(0.0, 255.0)] * 3
    result = metrics.compare(first, second, info(a), mapping, names=("psnr", "ms_ssim", "vifp"))
    assert (first.seen == 1).all() and (second.seen == 1).all()
    assert result == compute(a, b)


def test_cancel() -> None:
    a = picture(1, 64, 64)
    token = CancelToken()
    token.cancel()
    for name in metrics.METRIC_NAMES:
        with pytest.raises(Cancelled):
            compute(a, a, names=(name,), cancel=token)


# ---------------------------------------------------------------- the package


def test_definitions() -> None:
    assert set(metrics.DEFINITIONS) == {
        "bytes", "bpp", "ratio", "encode_time", "decode_time", "psnr", "psnr_dtype", "max_error", "rmse",
        "mean_error", "sam", "ms_ssim", "vifp", "lpips",
    }  # fmt: skip
    assert all(text.endswith(".") for text in metrics.DEFINITIONS.values())


def test_importing_does_not_import_torch() -> None:
    code = "import sys, fdegc.metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
