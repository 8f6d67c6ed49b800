"""Lossless planes: every kind of sample comes back, whatever the cut; damage is said, memory is bounded."""

from __future__ import annotations

import threading
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.errors import Cancelled, CorruptStream, FdegcError, InvalidOption, OutputFailed
from fdegc.format import planes, strips
from fdegc.format.planes import PlaneReader, PlaneWriter
from fdegc.raster_info import DTYPES, Window

Array = np.ndarray


def tiles(width: int, height: int, side: int) -> list[Window]:
    return [
        Window(x, y, min(side, width - x), min(side, height - y))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


class Endless(bytes):
    """Data that anything else is shorter than."""

    def __len__(self) -> int:
        return 1 << 30


class InPieces(PlaneWriter):
    """Writer that codes by contexts whatever can be."""

    def _deflated(self) -> bytes:
        return Endless() if self._contexts else super()._deflated()


def written(writer: PlaneWriter, plane: Array, side: int) -> bytes:
    height, width = plane.shape
    for window in tiles(width, height, side):
        writer.add(window, plane[window.rows, window.cols])
    return writer.finish()


def coded(plane: Array, side: int, make: type[PlaneWriter] = PlaneWriter, *, contexts: bool = False) -> bytes:
    height, width = plane.shape
    return written(make(width, height, side, plane.dtype, contexts=contexts), plane, side)


def reader_of(data: bytes, plane: Array, side: int, *, contexts: bool = False) -> PlaneReader:
    return PlaneReader(data, plane.shape[1], plane.shape[0], side, plane.dtype, contexts=contexts)


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


WRITERS = {"deflated": (PlaneWriter, False), "shorter": (PlaneWriter, True), "in pieces": (InPieces, True)}


@settings(deadline=None)
@given(
    some_planes(),
    st.sampled_from([64, 128]),
    st.sampled_from(sorted(WRITERS)),
    st.sampled_from([1 << 10, 1 << 19]),
    st.data(),
)
def test_any_window_of_any_plane_comes_back(
    plane: Array, side: int, way: str, samples: int, data: st.DataObject
) -> None:
    height, width = plane.shape
    make, contexts = WRITERS[way]
    with mock.patch.object(strips, "_SAMPLES", samples):
        stream = coded(plane, side, make, contexts=contexts)
    reader = reader_of(stream, plane, side, contexts=contexts)
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


# ------------------------------------------------------------------------------ strips in pieces


def blurred(height: int, width: int, reach: int) -> Array:
    """Noise without detail, of mean 0 and deviation 1."""
    noise = np.random.default_rng(reach).standard_normal((height + 4 * reach, width + 4 * reach))
    for _ in range(4):
        for axis in (0, 1):
            sums = np.cumsum(noise, axis=axis)
            noise = np.roll(sums, -reach, axis) - sums
    noise = noise[:height, :width]
    return (noise - noise.mean()) / noise.std()


def clouds() -> Array:
    return blurred(256, 384, 12) + 0.1 * blurred(256, 384, 2) > 0.3


def holes(share: float) -> Array:
    return np.random.default_rng(7).random((256, 384)) > share


def feathered() -> Array:
    return np.clip(blurred(256, 384, 24) * 400 + 128, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("plane", "most"),
    [
        (clouds(), 0.42),
        (holes(0.25), 0.86),
        (holes(0.01), 0.48),
        (feathered(), 0.57),
        (feathered().astype(np.int32) * -70_000, 0.25),
        (clouds() * np.uint16(65535), 0.25),  # a mask as an alpha band
    ],
    ids=["clouds", "holes", "few holes", "soft alpha", "of 32 bits", "hard alpha"],
)
def test_planes_are_shorter_by_contexts(plane: Array, most: float) -> None:
    stream = coded(plane, 256, contexts=True)
    assert len(stream) < most * len(coded(plane, 256))
    assert (reader_of(stream, plane, 256, contexts=True).read(whole(plane)) == plane).all()


def test_the_bytes_of_pieces_stay_as_they_are() -> None:
    # Files are read for ever, and repeated runs write the same ones.
    y, x = np.mgrid[:100, :200]
    rings = (x * x // 7 + y * y // 5) % 512
    soft = np.minimum(rings, 255)
    with mock.patch.object(strips, "_SAMPLES", 1 << 12):
        found = {
            name: zlib.crc32(coded(plane, 64, InPieces, contexts=True))
            for name, plane in {
                "mask": rings < 200,
                "8 bits": soft.astype(np.uint8),
                "32 bits": soft.astype(np.int32) * -70_000,
                "hard": (rings < 200) * np.int16(-5),
            }.items()
        }
    assert found == {
        "mask": 2837473692,
        "8 bits": 1231178679,
        "32 bits": 621481604,
        "hard": 3900409664,
    }


def test_only_what_is_shorter_is_in_pieces() -> None:
    for plane, expected in (
        (clouds(), True),
        (np.ones((256, 384), bool), False),
        (blurred(256, 384, 8).astype(np.float32), False),  # nobody codes floats by contexts
    ):
        writer = PlaneWriter(384, 256, 64, plane.dtype, contexts=True)
        written(writer, plane, 64)
        assert writer.in_pieces == expected
        writer = PlaneWriter(384, 256, 64, plane.dtype)
        written(writer, plane, 64)
        assert not writer.in_pieces


def test_pieces_count_only_where_the_header_says_so() -> None:
    plane = clouds()
    stream = coded(plane, 256, contexts=True)
    with pytest.raises(CorruptStream, match=r"validity mask .* rows 0 to 255"):
        reader_of(stream, plane, 256).read(whole(plane))
    # Where it does, deflated strips count as well.
    assert (reader_of(coded(plane, 256), plane, 256, contexts=True).read(whole(plane)) == plane).all()


def test_no_stream_is_taken_for_a_sample() -> None:
    padded = 0
    for number in range(1, 512, 5):
        plane = (number >> np.arange(9) & 1).reshape(3, 3)
        for dtype in (bool, np.uint16, np.int32):
            own = plane.astype(dtype)
            stream = coded(own, 64, InPieces, contexts=True)
            padded += stream[4] == strips.PIECES and stream.endswith(b"\0")
            assert (reader_of(stream, own, 64, contexts=True).read(whole(own)) == own).all()
    assert padded


def test_a_window_is_decoded_from_pieces_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plane = np.random.default_rng(0).random((64, 1280)) < 0.5
    monkeypatch.setattr(strips, "_SAMPLES", 64 * 64)
    reader = reader_of(coded(plane, 64, InPieces, contexts=True), plane, 64, contexts=True)
    decode, done = strips.PieceReader._decode, []
    monkeypatch.setattr(
        strips.PieceReader,
        "_decode",
        lambda self, number, check: done.append(number) or decode(self, number, check),
    )
    window = Window(300, 10, 200, 20)
    assert (reader.read(window) == plane[window.rows, window.cols]).all()
    assert sorted(done) == [4, 5, 6, 7]
    reader.read(window)
    assert (reader.read(whole(plane)) == plane).all()
    assert sorted(done) == list(range(20))


def test_threads_may_read_one_plane() -> None:
    plane = np.concatenate([clouds(), holes(0.1), clouds()])
    with mock.patch.object(strips, "_SAMPLES", 1 << 12):
        stream = coded(plane, 64, InPieces, contexts=True)
    reader = reader_of(stream, plane, 64, contexts=True)
    windows = tiles(384, 768, 64) * 2
    np.random.default_rng(0).shuffle(windows)  # type: ignore[arg-type]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(reader.read, windows))
    for window, part in zip(windows, found, strict=True):
        assert (part == plane[window.rows, window.cols]).all()


def test_memory_does_not_grow_with_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    width, height = 250_000, 64
    plane = np.zeros((height, width), bool)
    plane[:, ::5000] = np.random.default_rng(0).random((height, 50)) < 0.5
    packed = width * height // 8
    monkeypatch.setattr(strips, "_SAMPLES", 1 << 14)
    tracemalloc.start()
    writer = InPieces(width, height, 64, bool, contexts=True)
    for x in range(0, width, 6400):
        part = plane[:, x : x + 6400]
        writer.add(Window(x, 0, part.shape[1], height), part)
    stream = writer.finish()
    assert tracemalloc.get_traced_memory()[1] < 4 * packed + (16 << 20) < 8 * width * height
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    reader = reader_of(stream, plane, 64, contexts=True)
    for x in range(0, width, 6400):
        got = reader.read(Window(x, 0, min(6400, width - x), height))
        assert (got == plane[:, x : x + 6400]).all()
    assert tracemalloc.get_traced_memory()[1] - before < 4 * packed + (16 << 20)
    tracemalloc.stop()


def test_who_cancels_does_not_wait_for_a_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    plane = holes(0.5)[:64]
    monkeypatch.setattr(strips, "_SAMPLES", 64 * 8)
    stream = coded(plane, 64, InPieces, contexts=True)
    done, lock = [], threading.Lock()

    def check() -> None:
        with lock:
            if len(done) == 20:
                raise Cancelled("enough")
            done.append(None)

    reader = reader_of(stream, plane, 64, contexts=True)
    with pytest.raises(Cancelled):
        reader.read(whole(plane), check)
    assert (reader.read(whole(plane)) == plane).all()
    done.clear()
    with pytest.raises(Cancelled):
        InPieces(384, 64, 384, bool, contexts=True).add(Window(0, 0, 384, 64), plane, check)


PIECE = strips._encode_piece(np.eye(64, dtype=bool), lambda: None)
NUMBERS = strips._encode_piece(np.arange(4096, dtype=np.uint8).reshape(64, 64), lambda: None)
assert NUMBERS[0] == 2


@pytest.mark.parametrize(
    "stream",
    [
        b"\x01\x00" + PIECE,  # of no columns
        b"\x01\x81\x10" + PIECE,  # of too many
        b"\x01\x80",
        b"\x01" + b"\xff" * 9 + PIECE,
        b"\x01\x08",
        b"\x01\x08" + PIECE[:-1],
        b"\x01\x08" + PIECE[:-9] + bytes(9),
        b"\x01\x08\x02",  # neither valid nor invalid
        b"\x01\x08\x00" + PIECE[1:],  # an unknown way
        b"\x01\x08\x03" + PIECE[1:],
        b"\x01\x08" + NUMBERS,  # integers in a mask
        b"\x01\x04",  # two pieces without a length
        b"\x01\x04\x01\x00",  # without the second
        b"\x01\x04\x7f\x00\x00",  # beyond the end
        b"\x01\x04\x81\x80\x00\x00\x00",  # a length that is longer than it must be
        b"\x02\x08" + PIECE,
    ],
)
def test_malformed_pieces_are_refused(stream: bytes) -> None:
    reader = PlaneReader(lengths(stream), 64, 64, 64, bool, contexts=True)
    with pytest.raises(CorruptStream, match="validity mask of the file is malformed in rows 0 to 63"):
        reader.read(Window(0, 0, 64, 64))


def test_sound_pieces_are_read() -> None:
    def read(stream: bytes, dtype: str) -> Array:
        return PlaneReader(lengths(stream), 64, 64, 64, dtype, contexts=True).read(Window(0, 0, 64, 64))

    assert (read(b"\x01\x08" + PIECE, "bool") == np.eye(64)).all()
    assert (read(b"\x01\x08" + PIECE + b"\0\0", "bool") == np.eye(64)).all()
    assert (read(b"\x01\xff\x0f" + PIECE, "bool") == np.eye(64)).all()  # wider than the scene
    assert (read(b"\x01\x04\x01\x01\x00", "bool") == np.repeat([[1, 0]], 32, 1)).all()
    assert (read(b"\x01\x08" + NUMBERS, "uint8").ravel() == np.arange(4096) % 256).all()
    with pytest.raises(CorruptStream, match="rows 0 to 63"):
        read(b"\x01\x08" + NUMBERS, "float32")


def test_a_damaged_piece_leaves_other_strips() -> None:
    plane = np.concatenate([clouds(), clouds()])
    data = bytearray(coded(plane, 256, contexts=True))
    data[100] ^= 0xFF
    reader = reader_of(bytes(data), plane, 256, contexts=True)
    with pytest.raises(CorruptStream, match="rows 0 to 255"):
        reader.read(whole(plane))
    assert (reader.read(Window(0, 256, 384, 256)) == plane[256:]).all()


def test_pieces_that_claim_much_take_little() -> None:
    tracemalloc.start()
    for stream in (b"\x01\xff\xff\x07" + PIECE, b"\x01\x01" + b"\x01" * 300):
        with pytest.raises(CorruptStream):
            PlaneReader(lengths(stream), 1_000_000, 64, 64, bool, contexts=True).read(Window(0, 0, 9, 1))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@settings(deadline=None, max_examples=30)
@given(st.binary(max_size=60), st.integers(0, 800), st.integers(0, 255), st.sampled_from(["u2", "i4", "?"]))
def test_only_readable_errors_escape_from_pieces(noise: bytes, at: int, value: int, dtype: str) -> None:
    plane = np.random.default_rng(0).integers(0, 2, (70, 90)).astype(dtype)
    with mock.patch.object(strips, "_SAMPLES", 1 << 11):
        data = bytearray(coded(plane, 64, InPieces, contexts=True))
    data[at % len(data)] = value
    for candidate in (bytes(data), data[:8] + b"\x01" + noise):
        try:
            reader_of(bytes(candidate), plane, 64, contexts=True).read(whole(plane))
        except FdegcError:
            pass
