"""Outliers: what is one, what it costs, and that each comes back as it was, in whatever window is read."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.codec import Codec
from fdegc.errors import CorruptStream, OutputFailed, UnsupportedStream
from fdegc.format import header as headers
from fdegc.format.header import StreamHeader
from fdegc.format.info import read_info
from fdegc.format.metadata import OUTLIERS
from fdegc.format.outliers import pack_outliers, unpack_outliers
from fdegc.format.reader import ContainerReader
from fdegc.options import EncodeOptions, Target, TargetKind, ValueRange
from fdegc.raster import ArraySource, plan_mapping
from fdegc.raster.coded_range import coded_range
from fdegc.raster.outliers import OutlierSource
from fdegc.raster_info import RasterInfo, Window
from fdegc.results import EncodeResult, TileResult
from fdegc.types import BandMapping, Outliers, Samples

pytestmark = pytest.mark.usefixtures("few_tries_here", "bands_as_they_are")


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(device="cpu")


def waves(bands: int = 2, height: int = 100, width: int = 130, dtype: str = "float32") -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    field = np.stack([np.sin(x / (9 + band)) * np.cos(y / 11) for band in range(bands)])
    return (500 + 400 * field).astype(dtype)


def found_in(pixels: np.ndarray, **facts: object) -> tuple[tuple[BandMapping, ...], Outliers | None]:
    bands, height, width = pixels.shape
    info = RasterInfo("", "MEM", width, height, bands, pixels.dtype.name, **facts)  # type: ignore[arg-type]
    return coded_range(ArraySource(pixels, info=info))


# ------------------------------------------------------------------ what is one


@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_a_few_samples_far_off_are_set_apart(dtype: str) -> None:
    pixels = waves(dtype=dtype)
    clean = plan_mapping(ArraySource(pixels))
    pixels[1, 5, 7], pixels[1, 90, 129] = 30000, 29000
    mapping, found = found_in(pixels)
    assert mapping == clean and plan_mapping(ArraySource(pixels)) == clean
    assert found is not None and found.counts == (0, 2)
    assert found.starts[1].tolist() == [5 * 130 + 7, 90 * 130 + 129]
    assert found.values[1].tolist() == [30000, 29000] and found.values[1].dtype == dtype


def test_one_value_of_any_number_of_samples_is_set_apart() -> None:
    pixels = waves()
    pixels[0, :, :40] = -9999
    pixels[1, 30:36] = -9999
    mapping, found = found_in(pixels)
    assert [entry.offset for entry in mapping] == pytest.approx([100, 100], abs=2)
    assert found is not None and found.counts == (4000, 6 * 130)
    assert (
        len(found.starts[0]) == 100 and len(found.starts[1]) == 1
    )  # rows that follow each other are one run


def test_outliers_of_a_constant_are_set_apart() -> None:
    pixels = np.full((1, 90, 80), 0.25, np.float32)
    pixels[0, 44, 9], pixels[0, 60] = -9999, 0.25
    mapping, found = found_in(pixels)
    assert mapping == (BandMapping(0.25, 0.0),) and found is not None and found.counts == (1,)
    pixels[0, ::15, ::40] = 7, 9
    mapping, found = found_in(pixels)
    assert mapping == (BandMapping(0.25, 0.0),) and found is not None and found.counts == (13,)


def test_a_dozen_and_some_of_a_small_chip_are_set_apart() -> None:
    pixels = waves(1, 64, 64, "uint16")
    places = np.random.default_rng(2).choice(4096, 15, replace=False)
    pixels.reshape(-1)[places] = np.random.default_rng(3).integers(30000, 65535, 15)
    _, found = found_in(pixels)
    assert found is not None and found.counts == (15,)


def test_a_fill_with_a_slanted_border_is_set_apart() -> None:
    pixels = waves(1, 300, 300)
    y, x = np.mgrid[0:300, 0:300]
    pixels[0, 3 * x + y > 500] = -3.4e38
    mapping, found = found_in(pixels)
    assert found is not None and 0.6 < found.counts[0] / 90000 < 0.7 and mapping[0].offset > 0
    assert len(pack_outliers(found)) < 700


def test_zeros_keep_their_signs() -> None:
    pixels = waves(1) + 5000
    pixels[0, 7, 10:14] = 0.0, -0.0, -0.0, 0.0
    _, found = found_in(pixels)
    assert found is not None and found.lengths[0].tolist() == [1, 2, 1]
    back = unpack_outliers(pack_outliers(found), 130, 100, 1, "float32")
    restored = back.restored(Window(9, 7, 6, 1), pixels[:, 7:8, 9:15] * 0 + 3)
    np.testing.assert_array_equal(np.signbit(restored[0, 0]), [False, False, True, True, False, False])


def test_what_is_missing_or_not_finite_is_no_outlier() -> None:
    pixels = waves()
    pixels[0, :3], pixels[1, 0, 0], pixels[1, 0, 1] = -9999, np.nan, np.inf
    mapping, found = found_in(pixels, nodata=-9999.0)
    assert found is None and mapping[0].offset > 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p,
        lambda p: np.clip(p, None, 1500),  # not far enough: less than two bits
        lambda p: np.where(np.random.default_rng(0).random(p.shape) < 0.02, 30000, p),  # too many, all over
        lambda p: np.full_like(p, 7),  # a constant has no range of its own
        lambda p: np.where(np.arange(p.shape[2]) < 126, 30000, p),  # next to all
        lambda p: np.where(p > 600, 30000.0, 7.0),  # areas beside a constant
    ],
)
def test_other_bands_keep_their_range(spoil) -> None:
    pixels = waves(1)
    pixels[0, 3, 3] = 1400
    pixels = spoil(pixels).astype(np.float32)
    mapping, found = found_in(pixels)
    assert found is None
    assert mapping[0].offset == pixels.min()
    assert mapping[0].offset + mapping[0].scale == pytest.approx(pixels.max(), rel=1e-6)


def test_bytes_and_ranges_that_are_asked_for_know_no_outliers() -> None:
    pixels = waves()
    pixels[0, 0, 0] = 30000
    assert coded_range(ArraySource(pixels), (ValueRange(0, 30000),)).outliers is None
    assert coded_range(ArraySource((pixels % 256).astype(np.uint8))).outliers is None


def test_a_dead_column_is_set_apart_and_takes_next_to_nothing() -> None:
    pixels = waves(1, 300, 300, "uint16")
    pixels[0, :, 77] = 65535
    _, found = found_in(pixels)
    assert found is not None and found.counts == (300,)
    assert len(pack_outliers(found)) < 50


def test_outliers_are_the_same_whatever_windows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = waves(2, 200, 210, "uint16")
    pixels[0, 50:80, 60:200] = 65535
    pixels[1, 10, 10], pixels[1, 150, 209], pixels[1, 151, 0] = 60000, 60001, 60001
    _, whole = found_in(pixels)
    tiles = [
        Window(x, y, min(64, 210 - x), min(64, 200 - y)) for y in range(0, 200, 64) for x in range(0, 210, 64)
    ]
    monkeypatch.setattr(ArraySource, "scan", lambda self: iter(tiles))
    _, cut = found_in(pixels)
    assert whole is not None and cut is not None
    for name in ("starts", "lengths", "values"):
        for a, b in zip(getattr(whole, name), getattr(cut, name), strict=True):
            np.testing.assert_array_equal(a, b)
    assert whole.lengths[1].tolist() == [1, 2]  # one run goes on in the next row


# ------------------------------------------------------------------ windows, and bytes


@st.composite
def some_outliers(draw: st.DrawFn) -> tuple[np.ndarray, Outliers]:
    """Values of a scene, 0 where there is no outlier, and the outliers."""
    width, height, bands = draw(st.integers(1, 40)), draw(st.integers(1, 30)), draw(st.integers(1, 3))
    dtype = draw(st.sampled_from(["int8", "uint16", "int32", "float32", "float64"]))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    scene = np.zeros((bands, height * width), dtype)
    starts, lengths, values = [], [], []
    for band in scene:
        cuts = np.unique(random.integers(0, band.size + 1, 2 * draw(st.integers(0, 9))))
        begins, ends = cuts[: len(cuts) // 2 * 2 : 2], cuts[1::2]
        own = random.integers(1, 100, len(begins)).astype(dtype)
        for begin, end, value in zip(begins, ends, own, strict=True):
            band[begin:end] = value
        starts.append(begins.astype(np.int64))
        lengths.append((ends - begins).astype(np.int64))
        values.append(own)
    return scene.reshape(bands, height, width), Outliers(width, tuple(starts), tuple(lengths), tuple(values))


@settings(deadline=None)
@given(some_outliers(), st.data())
def test_any_outliers_come_back_in_any_window(case: tuple[np.ndarray, Outliers], data: st.DataObject) -> None:
    scene, given_outliers = case
    bands, height, width = scene.shape
    found = unpack_outliers(pack_outliers(given_outliers), width, height, bands, scene.dtype.name)
    assert found.counts == given_outliers.counts
    for outliers in (given_outliers, found):
        x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
        window = Window(x, y, data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y)))
        expected = scene[:, window.rows, window.cols]
        marks = outliers.marks(window)
        np.testing.assert_array_equal(
            np.zeros_like(expected, bool) if marks is None else marks, expected != 0
        )
        assert (marks is None) == (not expected.any())
        pixels = np.full_like(expected, 101)
        restored = outliers.restored(window, pixels)
        np.testing.assert_array_equal(restored, np.where(expected != 0, expected, 101))
        assert (pixels == 101).all() and restored.dtype == scene.dtype
        missing = np.random.default_rng(x).random(expected.shape) < 0.2
        missing &= expected == 0
        added = outliers.added(window, missing)
        assert added is not None
        np.testing.assert_array_equal(added, missing | (expected != 0))
        np.testing.assert_array_equal(outliers.removed(window, added), missing)


EXAMPLE = Outliers(
    30,
    (np.array([5, 40]), np.zeros(0, np.int64)),
    (np.array([2, 300]), np.zeros(0, np.int64)),
    (np.array([7, 9], np.uint16), np.zeros(0, np.uint16)),
)
#: Two runs: gaps 5 and 33, lengths less one 1 and 299, values 7 and 9; then a band without any.
RAW = bytes([2, 5, 33, 1, 0xAB, 2, 7, 0, 9, 0, 0])


def test_bytes_are_as_described() -> None:
    assert zlib.decompress(pack_outliers(EXAMPLE)) == RAW
    found = unpack_outliers(zlib.compress(RAW), 30, 20, 2, "uint16")
    assert found.starts[0].tolist() == [5, 40] and found.lengths[0].tolist() == [2, 300]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing that inflates",
        zlib.compress(RAW)[:-1],
        zlib.compress(RAW) + b"x",
        zlib.compress(RAW[:-1]),
        zlib.compress(RAW + b"\0"),
        zlib.compress(b"\x02" + RAW[1:4]),
        zlib.compress(RAW[:5] + b"\x82\0" + RAW[6:]),  # a number longer than it must be
        zlib.compress(bytes([1]) + b"\x80" * 9 + b"\1" + RAW[3:]),  # and one of ten digits
        zlib.compress(bytes([1, 0]) + b"\xff" * 8 + b"\x7f" + bytes([7, 0, 0])),
        zlib.compress(bytes([1, 0, 0x80, 4, 7, 0, 0])),  # 513 samples of a scene of 512
        zlib.compress(b"\xff\xff\x7f" + bytes(9)),
        zlib.compress(bytes(40 << 20)),
    ],
)
def test_malformed_outliers_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptStream, match="outliers of the file are malformed"):
        unpack_outliers(data, 32, 16, 2, "uint16")


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_only_readable_errors_escape(noise: bytes) -> None:
    for data in (noise, zlib.compress(noise), zlib.compress(RAW[: len(noise)] + noise)):
        try:
            found = unpack_outliers(data, 30, 20, 2, "uint16")
        except CorruptStream:
            continue
        found.restored(Window(0, 0, 30, 20), np.zeros((2, 20, 30), np.uint16))


def test_more_than_a_file_may_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdegc.format.outliers.MAX_RUNS", 1)
    with pytest.raises(OutputFailed, match="--range"):
        pack_outliers(EXAMPLE)
    with pytest.raises(CorruptStream):
        unpack_outliers(zlib.compress(RAW), 30, 20, 2, "uint16")


def test_builds_that_do_not_know_outliers_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = StreamHeader(30, 20, 1, "uint16", 64, 16, 512, bytes(8), "lite", (BandMapping(0, 9),)).pack()
    assert not StreamHeader.unpack(packed).has_outliers
    marked = replace(StreamHeader.unpack(packed), has_outliers=True)
    assert StreamHeader.unpack(marked.pack()) == marked
    with pytest.raises(CorruptStream, match="outside the limits"):
        StreamHeader.unpack(replace(marked, version=1).pack())
    monkeypatch.setattr(headers, "KNOWN_FLAGS", {0: "a correction", 1: "ranges"})
    with pytest.raises(UnsupportedStream, match="flag 3"):
        StreamHeader.unpack(marked.pack())


# ------------------------------------------------------------------ through the codec


def spoilt(dtype: str = "uint16") -> tuple[np.ndarray, np.ndarray]:
    """A scene of four tiles of 64 with outliers, one tile of nothing but such, and where they are."""
    pixels = waves(2, 100, 120, dtype)
    far = np.zeros(pixels.shape, bool)
    far[:, :64, 64:] = True  # a whole tile
    far[0, 99, 119] = far[1, 70, 3] = True
    return np.where(far, np.asarray(30000, dtype), pixels), far


def encoded(codec: Codec, pixels: np.ndarray, out: Path, **options: object) -> EncodeResult:
    wanted = EncodeOptions(2.0, 64, **options)  # type: ignore[arg-type]
    return codec.encode(ArraySource(pixels), out, wanted, overwrite=True)


@pytest.mark.parametrize("options", [{}, {"check": False}], ids=str)
def test_outliers_come_back_and_the_rest_is_as_good_as_without(
    codec: Codec, tmp_path: Path, options: dict[str, bool]
) -> None:
    pixels, far = spoilt()
    out, seen = tmp_path / "a.fdegc", np.zeros(pixels.shape, pixels.dtype)

    def show(tile: TileResult) -> None:
        assert tile.samples.missing is None or not tile.samples.missing.any()
        seen[:, tile.window.rows, tile.window.cols] = tile.samples.pixels

    wanted = EncodeOptions(2.0, 64, **options)
    result = codec.encode(ArraySource(pixels), out, wanted, reconstruct=True, on_tile=show)
    clean = codec.encode(
        ArraySource(waves(2, 100, 120, "uint16")), tmp_path / "b.fdegc", wanted, reconstruct=True
    )
    assert result.clipped == 0 and result.psnr is not None and clean.psnr is not None
    assert result.psnr > clean.psnr - 1.5 and result.bytes < clean.bytes + 150
    whole = codec.decode_window(out, Window(0, 0, 120, 100))
    assert whole.missing is None and whole.valid is None
    np.testing.assert_array_equal(whole.pixels[far], pixels[far])
    assert np.abs(whole.pixels[~far].astype(int) - pixels[~far]).max() < 200
    np.testing.assert_allclose(seen, whole.pixels, atol=1)  # what the app shows is what a decoder gives
    part = codec.decode_window(out, Window(50, 40, 60, 50))
    np.testing.assert_array_equal(part.pixels, whole.pixels[:, 40:90, 50:110])
    info = read_info(out)
    assert info.outliers == far.sum() and info.mapping[0].scale < 1000
    assert codec.verify(out).problems == ()


def test_outliers_beside_missing_samples(codec: Codec, tmp_path: Path) -> None:
    pixels, far = spoilt("float32")
    gaps = np.zeros(pixels.shape, bool)
    gaps[0, 80:, :40] = gaps[1, 90:, 30:60] = True
    pixels[gaps] = -1
    info = RasterInfo("", "MEM", 120, 100, 2, "float32", nodata=-1.0)
    out = tmp_path / "a.fdegc"
    codec.encode(ArraySource(pixels, info=info), out, EncodeOptions(2.0, 64))
    found = codec.decode_window(out, Window(0, 0, 120, 100))
    both = gaps.all(axis=0)
    assert found.valid is not None and found.missing is not None
    np.testing.assert_array_equal(found.valid, ~both)
    np.testing.assert_array_equal(found.missing, gaps & ~both)
    np.testing.assert_array_equal(found.pixels[far | gaps], pixels[far | gaps])


def test_without_loss_or_with_a_bound_outliers_are_samples_like_others(codec: Codec, tmp_path: Path) -> None:
    pixels, far = spoilt()
    for bound in (0, 3):
        result = encoded(codec, pixels, tmp_path / "a.fdegc", max_error=float(bound))
        assert result.clipped == 0 and read_info(result.path).outliers == 0
        found = codec.decode_window(result.path, Window(0, 0, 120, 100)).pixels
        assert np.abs(found.astype(int) - pixels).max() <= bound
    assert far.any()


def test_a_size_that_is_asked_for_counts_outliers(codec: Codec, tmp_path: Path) -> None:
    pixels, far = spoilt()
    limit = 2 * encoded(codec, pixels, tmp_path / "a.fdegc").bytes
    result = encoded(codec, pixels, tmp_path / "b.fdegc", target=Target(TargetKind.SIZE, limit))
    assert result.bytes <= limit and read_info(result.path).outliers == far.sum()


def test_outliers_are_said(codec: Codec, tmp_path: Path) -> None:
    pixels, _ = spoilt()
    said = encoded(codec, pixels, tmp_path / "a.fdegc").outliers
    assert said.startswith("7170 samples lie far outside of the others (band 1: 30000, the others 1")
    assert said.endswith(
        "kept exactly, beside the picture. If that stands for missing samples, declare it as nodata."
    )
    pixels = waves(1, 64, 64, "uint16")
    pixels[0, 3, 4] = 40000
    said = encoded(codec, pixels, tmp_path / "b.fdegc").outliers
    assert said.startswith("1 sample lies far outside of all others (40000, the others ")
    assert "nodata" not in said
    said = encoded(codec, np.where(pixels == 40000, pixels, 9), tmp_path / "c.fdegc").outliers
    assert "(40000, the others 9): it is kept" in said
    assert encoded(codec, waves(1, 64, 64, "uint16"), tmp_path / "d.fdegc").outliers == ""


def test_lost_outliers_are_said(codec: Codec, tmp_path: Path) -> None:
    pixels, _ = spoilt()
    out = tmp_path / "a.fdegc"
    encoded(codec, pixels, out)
    with ContainerReader(out) as reader:
        data = reader.blocks[OUTLIERS]
    raw = bytearray(out.read_bytes())
    raw[raw.index(data) + 5] ^= 255
    out.write_bytes(raw)
    assert read_info(out).lost == ("outliers",) and read_info(out).outliers == 0
    with pytest.raises(CorruptStream, match=r"outliers of “a\.fdegc” are missing or damaged"):
        codec.decode_window(out, Window(0, 0, 9, 9))
    assert any("OUTL" in problem for problem in codec.verify(out).problems)


def test_a_source_without_its_outliers_is_else_the_same() -> None:
    pixels, far = spoilt()
    source = ArraySource(pixels)
    _, outliers = coded_range(source)
    assert outliers is not None
    apart = OutlierSource(source, outliers)
    assert apart.info == source.info and list(apart.scan()) == list(source.scan())
    samples: Samples = apart.read(Window(10, 20, 100, 70))
    np.testing.assert_array_equal(samples.missing, far[:, 20:90, 10:110])
    np.testing.assert_array_equal(samples.pixels, pixels[:, 20:90, 10:110])
    assert apart.read_overview(50).pixels.shape == source.read_overview(50).pixels.shape
