"""Lossless planes: every kind of sample comes back, whatever the cut; damage is said, memory is bounded."""

from __future__ import annotations

import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.errors import CorruptStream, FdegcError, InvalidOption, OutputFailed
from fdegc.format import planes
from fdegc.format.planes import PlaneReader, PlaneWriter
from fdegc.raster_info import DTYPES, Window

Array = np.ndarray


def tiles(width: int, height: int, side: int) -> list[Window]:
    return [
        Window(x, y, min(side, width - x), min(side, height - y))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def coded(plane: Array, side: int) -> bytes:
    height, width = plane.shape
    writer = PlaneWriter(width, height, side, plane.dtype)
    for window in tiles(width, height, side):
        writer.add(window, plane[window.rows, window.cols])
    return writer.finish()


def reader_of(data: bytes, plane: Array, side: int) -> PlaneReader:
    return PlaneReader(data, plane.shape[1], plane.shape[0], side, plane.dtype)


def whole(plane: Array) -> Window:
    return Window(0, 0, plane.shape[1], plane.shape[0])


@st.composite
def some_planes(draw: st.DrawFn) -> Array:
    height, width = draw(st.integers(1, 150)), draw(st.integers(1, 150))
    dtype = np.dtype(draw(st.sampled_from(["bool", *DTYPES])))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    if dtype.kind == "b":
        return random.random((height, width)) < draw(st.sampled_from([0.0, 0.01, 0.5, 1.0]))
    # Arbitrary bytes, so that floats have their NaNs and infinities.
    raw = random.integers(0, 256, (height, width, dtype.itemsize), np.uint8)
    raw[draw(st.integers(0, height)) :] = raw[0, 0]
    return raw.view(dtype)[..., 0]


@settings(deadline=None)
@given(some_planes(), st.sampled_from([64, 128]), st.data())
def test_any_window_of_any_plane_comes_back(plane: Array, side: int, data: st.DataObject) -> None:
    height, width = plane.shape
    reader = reader_of(coded(plane, side), plane, side)
    for _ in range(3):
        x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
        window = Window(x, y, data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y)))
        got = reader.read(window)
        assert got.dtype == plane.dtype
        assert got.tobytes() == plane[window.rows, window.cols].tobytes()
    assert reader.read(whole(plane)).tobytes() == plane.tobytes()


def test_a_uniform_strip_costs_a_few_bytes() -> None:
    assert len(coded(np.ones((300, 5000), bool), 64)) == 5 * (4 + 1)
    assert len(coded(np.zeros((300, 5001), bool), 64)) == 5 * (4 + 1)
    assert len(coded(np.full((300, 700), 65535, np.uint16), 64)) == 5 * (4 + 2)
    assert len(coded(np.full((300, 700), np.nan), 64)) == 5 * (4 + 8)


def test_big_endian_samples_are_taken() -> None:
    plane = np.arange(64 * 70, dtype=">u2").reshape(64, 70)
    writer = PlaneWriter(70, 64, 64, "uint16")
    writer.add(Window(0, 0, 64, 64), plane[:, :64])
    writer.add(Window(64, 0, 6, 64), plane[:, 64:])
    got = PlaneReader(writer.finish(), 70, 64, 64, "uint16").read(Window(0, 0, 70, 64))
    assert (got == plane).all()


def test_neither_side_holds_the_scene() -> None:
    width, height, side = 4096, 8192, 64
    strip = width * side
    random = np.random.default_rng(0)
    tile = random.integers(0, 2, (side, side), np.uint8) * 255
    tracemalloc.start()
    writer = PlaneWriter(width, height, side, "uint8")
    for window in tiles(width, height, side):
        writer.add(window, tile)
    data = writer.finish()
    assert tracemalloc.get_traced_memory()[1] < 8 * strip + 3 * len(data) < width * height
    tracemalloc.reset_peak()
    reader = PlaneReader(data, width, height, side, "uint8")
    before = tracemalloc.get_traced_memory()[0]
    for y in range(0, height, side):
        reader.read(Window(0, y, side, side))
    assert tracemalloc.get_traced_memory()[1] - before < 8 * strip
    tracemalloc.stop()


def test_strips_are_inflated_once_for_a_row_of_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    plane = np.random.default_rng(0).random((200, 200)) < 0.5
    reader = reader_of(coded(plane, 64), plane, 64)
    inflated = []
    inflate = PlaneReader._inflate
    monkeypatch.setattr(
        PlaneReader,
        "_inflate",
        lambda self, stream, size, strip: inflated.append(strip) or inflate(self, stream, size, strip),
    )
    for window in tiles(200, 200, 64):
        reader.read(window)
    assert inflated == [0, 1, 2, 3]
    reader.read(Window(0, 150, 10, 50))
    assert inflated == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "windows",
    [
        [Window(64, 0, 64, 64)],  # not the first
        [Window(0, 0, 64, 64), Window(0, 0, 64, 64)],  # twice
        [Window(0, 0, 64, 64), Window(64, 0, 64, 64)],  # beyond the right edge
        [Window(0, 0, 64, 10)],  # not the whole tile
        [Window(0, 0, 100, 64), Window(0, 64, 100, 6), Window(0, 70, 100, 1)],  # beyond the end
        [Window(0, 0, 60, 64), Window(60, 0, 40, 64)],  # a mask's tiles start at whole bytes
    ],
)
def test_tiles_come_in_order(windows: list[Window]) -> None:
    writer = PlaneWriter(100, 70, 64, bool)
    with pytest.raises(ValueError, match=r"next tile|multiples of eight"):
        for window in windows:
            writer.add(window, np.ones((window.height, window.width), bool))


def test_an_incomplete_plane_is_not_finished() -> None:
    writer = PlaneWriter(100, 70, 64, bool)
    writer.add(Window(0, 0, 64, 64), np.ones((64, 64), bool))
    with pytest.raises(ValueError, match="missing"):
        writer.finish()


def test_samples_must_fit_their_window() -> None:
    with pytest.raises(ValueError, match="shape"):
        PlaneWriter(100, 70, 64, bool).add(Window(0, 0, 64, 64), np.ones((64, 63), bool))


def test_too_wide_a_strip_is_refused_on_both_sides() -> None:
    with pytest.raises(InvalidOption, match="smaller tiles"):
        PlaneWriter(1_000_000, 5000, 2048, "float64")
    with pytest.raises(CorruptStream, match="MiB"):
        PlaneReader(bytes(12), 1_000_000, 5000, 2048, "float64")
    PlaneWriter(1_000_000, 5000, 1024, bool)


def test_a_plane_beyond_the_limit_of_blocks_fails_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes, "MAX_BLOCK", 1000)
    writer = PlaneWriter(64, 6400, 64, "uint8")
    random = np.random.default_rng(0)
    with pytest.raises(OutputFailed, match="alpha band"):
        writer.add(Window(0, 0, 64, 64), random.integers(0, 256, (64, 64), np.uint8))


def lengths(*streams: bytes) -> bytes:
    return np.array([len(s) for s in streams], "<u4").tobytes() + b"".join(streams)


ROWS = zlib.compress(bytes(8 * 64))  # 64 pixels wide, one strip


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00\x00",
        lengths(b""),
        lengths(b"\x02"),  # neither valid nor invalid
        lengths(b"not deflated at all"),
        lengths(ROWS[:-1]),
        lengths(ROWS[:-5]),
        lengths(ROWS + b"x"),
        lengths(ROWS) + b"x",
        lengths(ROWS, ROWS),
        lengths(zlib.compress(bytes(8 * 64 - 1))),
        lengths(zlib.compress(bytes(8 * 64 + 1))),
    ],
)
def test_malformed_planes_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptStream, match="validity mask"):
        PlaneReader(data, 64, 64, 64, bool).read(Window(0, 0, 64, 64))


def test_a_malformed_strip_names_its_rows_and_leaves_the_others() -> None:
    plane = np.random.default_rng(0).random((200, 200)) < 0.5
    data = bytearray(coded(plane, 64))
    data[4 * 4 + int.from_bytes(data[:4], "little") + 50] ^= 0xFF
    reader = reader_of(bytes(data), plane, 64)
    with pytest.raises(CorruptStream, match="rows 64 to 127"):
        reader.read(whole(plane))
    assert (reader.read(Window(0, 128, 200, 72)) == plane[128:]).all()


def test_a_bomb_is_not_inflated() -> None:
    bomb = lengths(zlib.compress(bytes(200 << 20), 9))
    tracemalloc.start()
    with pytest.raises(CorruptStream):
        PlaneReader(bomb, 64, 64, 64, bool).read(Window(0, 0, 64, 64))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 255))
def test_only_readable_errors_escape(noise: bytes, at: int, value: int) -> None:
    plane = np.random.default_rng(0).integers(0, 9, (100, 90)).astype(np.uint16)
    data = bytearray(coded(plane, 64))
    data[at % len(data)] = value
    for candidate in (bytes(data), noise):
        try:
            reader_of(candidate, plane, 64).read(whole(plane))
        except FdegcError:
            pass
