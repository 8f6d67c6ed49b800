"""The small picture inside the file: right means, within its budget, and nothing else is decoded for one."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fdegc.codec import Codec
from fdegc.codec.tiling import TilePlan
from fdegc.errors import CorruptStream
from fdegc.format.header import StreamHeader
from fdegc.format.metadata import OVERVIEW
from fdegc.format.overview import OverviewBuilder, read_overview
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.options import EncodeOptions
from fdegc.raster import open_raster
from fdegc.raster_info import Window

Array = np.ndarray
HEADER = StreamHeader(256, 256, 3, "uint8", 512, 32, 1024, b"12345678", "lite")
AMPLE = 1 << 20


def smooth(bands: int, height: int, width: int) -> Array:
    y, x = np.mgrid[:height, :width] / max(height, width)
    return np.stack([0.5 + 0.4 * np.sin(3 * x + b) * np.cos(2 * y) for b in range(bands)]).astype(np.float32)


def build(
    unit: Array, usable: Array | None = None, tile: int = 192, reverse: bool = False
) -> OverviewBuilder:
    bands, height, width = unit.shape
    builder = OverviewBuilder(width, height, range(3 if bands >= 3 else 1))
    plan = TilePlan(width, height, tile, 0)
    for index in sorted(range(len(plan)), reverse=reverse):
        window = plan.window(index)
        part = None if usable is None else usable[window.rows, window.cols]
        builder.add(builder.part(window, unit[:, window.rows, window.cols], part))
    return builder


def file_with(folder: Path, data: bytes | None, header: StreamHeader = HEADER) -> Path:
    path = folder / "a.fdegc"
    with ContainerWriter(path, header, overwrite=True) as writer:
        for _ in range(header.units):
            writer.add(b"payload")
        if data is not None:
            writer.add_block(OVERVIEW, data)
        writer.commit()
    return path


def opened(folder: Path, data: bytes | None, header: StreamHeader = HEADER) -> Array | None:
    with ContainerReader(file_with(folder, data, header)) as reader:
        return read_overview(reader)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(1000, 3300),
    st.integers(1, 300),
    st.booleans(),
    st.booleans(),
    st.sampled_from([64, 128, 320]),
)
def test_means_are_those_of_the_blocks(long: int, short: int, tall: bool, holes: bool, tile: int) -> None:
    height, width = (long, short) if tall else (short, long)
    random = np.random.default_rng(long)
    unit = random.random((1, height, width)).astype(np.float32)
    usable = random.random((height, width)) < 0.4 if holes else None
    builder = build(unit, usable, tile)
    side = -(-long // 1024)
    weights = np.ones((height, width)) if usable is None else usable.astype(float)
    rows, columns = np.arange(0, height, side), np.arange(0, width, side)

    def blocks(values: Array) -> Array:
        return np.add.reduceat(np.add.reduceat(values, rows, 0), columns, 1)

    total, count = blocks(unit[0].astype(float) * weights), blocks(weights)
    expected = np.where(count > 0, np.rint(total / np.maximum(count, 1) * 255), 128)
    got = builder._levels(stretch=False)
    assert got.shape == expected.shape and max(got.shape) <= 1024
    assert np.abs(got - expected).max() <= 1  # halves round either way
    assert (got != expected).mean() < 0.01


def test_a_colour_scene_comes_back(tmp_path: Path) -> None:
    unit = smooth(4, 1500, 2100)
    data = build(unit, reverse=True).finish(AMPLE)
    assert data is not None
    picture = opened(tmp_path, data)
    assert picture is not None and picture.shape == (500, 700, 3) and picture.dtype == np.uint8
    expected = unit[:3].reshape(3, 500, 3, 700, 3).mean((2, 4)).transpose(1, 2, 0) * 255
    assert np.abs(picture - expected).mean() < 2


def test_a_scene_in_which_zero_is_white_is_no_negative(tmp_path: Path) -> None:
    x = np.arange(900)[None]
    ramp = (30 + 120 * x / 900 + np.random.default_rng(1).integers(0, 60, (1200, 900))).astype(np.uint8)
    path, coded = tmp_path / "a.tif", tmp_path / "a.fdegc"
    tifffile.imwrite(path, ramp, photometric="miniswhite")
    with open_raster(path) as source:
        Codec(device="cpu").encode(source, coded, EncodeOptions(5.0, check=False))
    with ContainerReader(coded) as reader:
        picture = read_overview(reader)
    assert picture is not None
    assert picture.shape[0] > 60
    scaled = Image.fromarray(ramp).resize(picture.shape[::-1], Image.Resampling.BOX)
    shown = 255 - np.asarray(scaled, float)
    assert np.abs(picture - shown).mean() < 6


@pytest.mark.parametrize("bands", [1, 2])
def test_fewer_bands_give_a_grey_picture(tmp_path: Path, bands: int) -> None:
    unit = smooth(bands, 700, 600)
    picture = opened(tmp_path, build(unit).finish(AMPLE), replace(HEADER, bands=bands))
    assert picture is not None and picture.shape == (700, 600)
    assert np.abs(picture - unit[0] * 255).mean() < 2


def test_what_is_not_usable_is_grey(tmp_path: Path) -> None:
    unit = np.full((3, 600, 600), 0.9, np.float32)
    usable = np.ones((600, 600), bool)
    usable[:300] = False
    unit[:, :300] = np.nan
    picture = opened(tmp_path, build(unit, usable).finish(AMPLE))
    assert picture is not None
    assert np.abs(picture[:280].astype(int) - 128).max() < 6
    assert np.abs(picture[320:].astype(int) - 230).max() < 6


def test_a_narrow_range_can_be_stretched() -> None:
    unit = smooth(3, 600, 600) * 0.01 + 0.3
    assert np.ptp(build(unit)._levels(stretch=False)) < 5
    assert np.ptp(build(unit)._levels(stretch=True)) == 255
    assert (build(np.full((1, 600, 600), 0.3, np.float32))._levels(stretch=True) == 128).all()


@pytest.mark.parametrize(("budget", "side"), [(AMPLE, 1024), (90_000, 512), (12_000, 256), (1_000, 128)])
def test_the_largest_picture_that_fits_is_chosen(tmp_path: Path, budget: int, side: int) -> None:
    random = np.random.default_rng(0)
    unit = random.random((3, 1024, 1024)).astype(np.float32)
    data = build(unit).finish(budget)
    assert data is not None and len(data) <= budget
    picture = opened(tmp_path, data)
    assert picture is not None and picture.shape == (side, side, 3)


def test_no_picture_without_room_need_or_pixels() -> None:
    assert build(smooth(3, 600, 600)).finish(100) is None
    assert build(smooth(3, 511, 511)).finish(AMPLE) is None
    assert build(smooth(3, 600, 600), np.zeros((600, 600), bool)).finish(AMPLE) is None


def test_memory_does_not_grow_with_the_scene() -> None:
    builder = OverviewBuilder(1_000_000, 1_000_000, (0, 1, 2))
    assert builder._sums.shape == (3, 1024, 1024)
    builder.add(builder.part(Window(999_936, 999_936, 64, 64), np.ones((64, 64, 64), np.float32), None))
    data = builder.finish(AMPLE)
    assert data is not None and len(data) < 3000


def encoded(side: tuple[int, int], format: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", side, (200, 40, 90)).save(out, format, **options)
    return out.getvalue()


GOOD = encoded((40, 30), "WEBP", quality=50)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:29],
        GOOD[:40],
        GOOD.replace(b"RIFF", b"RIFX"),
        GOOD.replace(b"VP8 ", b"VP8?"),
        GOOD[:26] + struct.pack("<HH", 16383, 16383) + GOOD[30:],
        GOOD[:26] + struct.pack("<HH", 0, 30) + GOOD[30:],
        GOOD[:26] + struct.pack("<HH", 1025, 30) + GOOD[30:],
        encoded((1025, 4), "WEBP"),
        encoded((40, 30), "WEBP", lossless=True),
        encoded((40, 30), "PNG"),
        encoded((40, 30), "JPEG"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CorruptStream, match="overview"):
        opened(tmp_path, data)


def test_a_canvas_is_refused_before_a_decoder_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    for data in (encoded((1025, 4), "WEBP"), encoded((40, 30), "PNG")):
        with pytest.raises(CorruptStream):
            opened(tmp_path, data)


@settings(deadline=None)
@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_a_changed_picture_is_decoded_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    data = GOOD[:at] + bytes([value]) + GOOD[at + 1 :]
    try:
        picture = opened(tmp_path_factory.getbasetemp(), data)
    except CorruptStream:
        return
    assert picture is not None and max(picture.shape) <= 1024


def test_none_is_none(tmp_path: Path) -> None:
    assert opened(tmp_path, None) is None
    path = file_with(tmp_path, GOOD)
    data = bytearray(path.read_bytes())
    data[data.index(b"RIFF") + 20] ^= 1
    path.write_bytes(data)
    with ContainerReader(path) as reader:
        assert read_overview(reader) is None
        assert reader.damaged_blocks == (OVERVIEW,)
