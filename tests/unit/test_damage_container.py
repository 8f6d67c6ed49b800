"""Every byte of a file counts: what a changed, cut or lengthened file says is right, or known to be wrong."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fdegc.codec.tiling import TilePlan
from fdegc.errors import CorruptStream, FdegcError, OutputFailed
from fdegc.format import MAGIC
from fdegc.format import reader as reading
from fdegc.format import writer as writing
from fdegc.format.band_masks import BandMasksWriter
from fdegc.format.header import MAX_PAYLOAD, StreamHeader
from fdegc.format.info import alpha_plane, band_masks, describe, mask_plane
from fdegc.format.layout import MAX_BLOCKS
from fdegc.format.metadata import ALPHA, MASK, MISSING, OUTLIERS, OVERVIEW, metadata_blocks
from fdegc.format.outliers import pack_outliers
from fdegc.format.overview import _webp, read_overview
from fdegc.format.planes import PlaneWriter
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.raster_info import AlphaBand, GroundControlPoint, RasterInfo, Window
from fdegc.types import BandMapping, Outliers

HEADER = StreamHeader(
    150, 100, 4, "uint16", 64, 16, 1024, b"12345678", "lite", (BandMapping(3.0, 99.5),) * 4, True, True,
    True, has_outliers=True,
)  # fmt: skip
INFO = RasterInfo(
    "", "GTiff", 150, 100, 4, "uint16", ("a", None, "c", "d"), ("red", "green", "blue", "nir"), "LOCAL_CS",
    (1.0, 0.0, 5.0, 0.0, -1.0, 9.0), 7.0, True, True, {"k": "v"}, (7.0, None, 8.0, 9.0), True, True,
    (2.0,) * 4, (0.0,) * 4, ("m",) * 4, ({"k": "v"},) * 4, {"RPC": {"LINE_OFF": "5"}},
    (GroundControlPoint(1.0, 2.0, 3.0, 4.0),), "LOCAL_CS", AlphaBand(0, "a"), b"profile", b"exif",
)  # fmt: skip
WHOLE = Window(0, 0, HEADER.width, HEADER.height)
TRAILER = 16


def blocks() -> dict[bytes, bytes]:
    plan = TilePlan(HEADER.width, HEADER.height, HEADER.tile_size, HEADER.halo)
    ramp = np.add.outer(np.arange(100), np.arange(150))
    found = metadata_blocks(INFO)
    for tag, plane in ((MASK, ramp > 120), (ALPHA, np.where(ramp < 64, 0, 65535).astype(np.uint16))):
        writer = PlaneWriter(HEADER.width, HEADER.height, HEADER.tile_size, plane.dtype)
        for index in range(len(plan)):
            window = plan.window(index)
            writer.add(window, plane[window.rows, window.cols])
        found[tag] = writer.finish()
    masks = BandMasksWriter(HEADER.bands, HEADER.width, HEADER.height, HEADER.tile_size)
    for index in range(len(plan)):
        window = plan.window(index)
        masks.add(window, np.stack([ramp[window.rows, window.cols] % 7 == band for band in (9, 1, 9, 2)]))
    found[MISSING] = masks.finish()
    runs = (np.array([9, 700]), np.array([3, 200]), np.array([50000, 1], np.uint16))
    found[OUTLIERS] = pack_outliers(Outliers(HEADER.width, *([column] * HEADER.bands for column in runs)))
    found[OVERVIEW] = _webp(Image.new("RGB", (15, 10), (90, 120, 60)), 30)
    return found


def write(path: Path, header: StreamHeader = HEADER, more: dict[bytes, bytes] | None = None) -> bytes:
    random = np.random.default_rng(0)
    with ContainerWriter(path, header, overwrite=True) as writer:
        for unit in range(header.units):
            writer.add(random.bytes(unit % 7), dither=unit, phi_hash=unit + 9, y_hash=2**32 - 1 - unit)
        for tag, data in (blocks() if more is None else more).items():
            writer.add_block(tag, data)
        writer.commit()
    return path.read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("sound") / "a.fdegc")


def content(path: Path) -> tuple[object, ...]:
    """Everything that a file says; raises what its reader raises."""
    with ContainerReader(path) as reader:
        payloads = tuple(reader.payload(unit) for unit in range(reader.header.units))
        return reader.header, tuple(reader.entries), payloads, dict(reader.blocks)


@contextmanager
def patched(path: Path, at: int, bits: int) -> Iterator[None]:
    """Change one byte of a file for a while."""
    with path.open("r+b", buffering=0) as file:
        old = os.pread(file.fileno(), 1, at)
        os.pwrite(file.fileno(), bytes([old[0] ^ bits]), at)
        yield
        os.pwrite(file.fileno(), old, at)


def outcome(path: Path, expected: tuple[object, ...]) -> str:
    """How a changed file is met: 'refused', 'same' or 'flagged'; fails if it lies in silence."""
    try:
        with ContainerReader(path) as reader:
            problems = reader.verify()
            lost = set(reader.damaged_blocks)
            assert (reader.header, tuple(reader.entries)) == expected[:2]
            got = dict(reader.blocks)
            payloads: list[bytes | None] = []
            for unit in range(reader.header.units):
                try:
                    payloads.append(reader.payload(unit))
                except CorruptStream:
                    payloads.append(None)
            broken = reader.chain_broken
    except FdegcError:
        return "refused"
    assert problems, "verify must notice every change"
    assert isinstance(expected[2], tuple) and isinstance(expected[3], dict)
    for found, wanted in zip(payloads, expected[2], strict=True):
        assert found in (None, wanted)
    for tag, data in expected[3].items():
        renamed = lost - set(expected[3]) - {b"TAIL"}
        assert got.get(tag) == data or tag in lost or broken or renamed, tag
    assert set(got) <= set(expected[3])
    whole = None not in payloads and got == expected[3] and not broken
    return "same" if whole else "flagged"


def test_the_sound_file_is_sound(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.fdegc"
    path.write_bytes(sound)
    with ContainerReader(path) as reader:
        assert reader.verify() == []
        assert not reader.recovered and not reader.chain_broken and not reader.damaged_blocks
        assert describe(reader).lost == ()
        assert set(reader.blocks) == set(blocks()) and len(reader.blocks) == 21
        mask, alpha, overview = mask_plane(reader), alpha_plane(reader), read_overview(reader)
        assert mask is not None and alpha is not None and overview is not None
        ramp = np.add.outer(np.arange(100), np.arange(150))
        gaps = band_masks(reader)
        assert gaps is not None
        found = gaps.read(WHOLE)
        assert found is not None and (found == np.stack([ramp % 7 == band for band in (9, 1, 9, 2)])).all()
        assert (mask.read(WHOLE) == (ramp > 120)).all()
        assert (alpha.read(WHOLE) == np.where(ramp < 64, 0, 65535)).all()
        assert overview.shape == (10, 15, 3)


def test_every_bit_counts(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.fdegc"
    path.write_bytes(sound)
    expected = content(path)
    with ContainerReader(path) as reader:
        start, end = reader.entries.start, reader.entries.end
    tail = sound.index(b"TAIL")
    seen: dict[str, set[int]] = {"refused": set(), "same": set(), "flagged": set()}
    for at in range(len(sound)):
        for bits in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            with patched(path, at, bits):
                seen[outcome(path, expected)].add(at)
    assert path.read_bytes() == sound
    # A changed byte costs a payload, the data of a block, or nothing at all; only the magic is vital.
    assert seen["refused"] == set(range(len(MAGIC)))
    vital, position = set(range(start, end)), end
    for data in blocks().values():
        vital |= set(range(position + 12, position + 12 + len(data)))
        position += 12 + len(data)
    assert position == tail
    # Without the tag and length of the TAIL nobody knows whether the blocks before it were all.
    assert seen["flagged"] - set(range(tail, tail + 8)) == vital
    assert seen["same"] >= set(range(len(MAGIC), len(sound))) - vital - set(range(tail, tail + 8))


def test_every_length_counts(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.fdegc"
    path.write_bytes(sound)
    expected = content(path)
    with ContainerReader(path) as reader:
        start = reader.entries.start
    for length in reversed(range(len(sound))):
        os.truncate(path, length)
        result = outcome(path, expected)
        if length < start:
            assert result == "refused", length
        elif length < len(sound) - TRAILER:
            assert result == "flagged", length
        else:
            assert result == "same", length
    for extra in (b"x", bytes(20), sound):
        path.write_bytes(sound + extra)
        assert outcome(path, expected) == "same"


def test_payloads_inside_a_truncated_file_are_read(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.fdegc"
    path.write_bytes(sound)
    _, entries, payloads, _ = content(path)
    assert isinstance(entries, tuple) and isinstance(payloads, tuple)
    for cut in range(entries[0].offset, len(sound)):
        path.write_bytes(sound[:cut])
        with ContainerReader(path) as reader:
            for unit, entry in enumerate(entries):
                if entry.offset + entry.length <= cut:
                    assert reader.payload(unit) == payloads[unit]
                else:
                    with pytest.raises(CorruptStream, match="truncated"):
                        reader.payload(unit)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_several_changes_at_once(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "several.fdegc"
    whole = write(path)
    expected = content(path)
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(len(MAGIC), len(whole) - 1))
        match data.draw(st.sampled_from(["set", "cut", "insert", "copy"])):
            case "set":
                changed[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del changed[at : at + data.draw(st.integers(1, 40))]
            case "insert":
                changed[at:at] = data.draw(st.binary(min_size=1, max_size=40))
            case "copy":
                other = data.draw(st.integers(0, len(whole) - 1))
                changed[at : at + 20] = whole[other : other + 20]
    path.write_bytes(changed)
    if changed != whole:
        outcome(path, expected)


def test_problems_are_told_with_their_place(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.fdegc"
    path.write_bytes(sound)
    with ContainerReader(path) as reader:
        payload, first = reader.entries[5], reader.entries.end

    def problems(at: int) -> list[str]:
        with patched(path, at, 1), ContainerReader(path) as reader:
            return reader.verify()

    (said,) = problems(20)
    assert said.startswith("Byte 20: header and index at the front are damaged")
    (said,) = problems(payload.offset + 2)
    assert said.startswith(f"Bytes {payload.offset} to {payload.offset + payload.length - 1} (unit 5")
    (said,) = problems(first + 4)
    assert said.startswith(f"Byte {first + 4}: the head of block cRSW is damaged")
    (said,) = problems(first + 13)
    assert said.startswith(f"Bytes {first + 12} to ") and "block cRSW" in said
    (said,) = problems(len(sound) - 1)
    assert said.startswith(f"Byte {len(sound) - 1}: the copy of header")
    path.write_bytes(sound + b"??")
    with ContainerReader(path) as reader:
        assert reader.verify() == [
            f"Bytes {len(sound)} to {len(sound) + 1}: these do not belong to the file."
        ]
    path.write_bytes(sound[: payload.offset])
    with ContainerReader(path) as reader:
        missing, blocks_missing = reader.verify()
        assert missing == f"The file ends at byte {payload.offset}: units 5 to 11 are missing."
        assert "blocks are damaged or missing" in blocks_missing


def test_every_unit_ticks(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    write(path)
    ticks = []
    with ContainerReader(path) as reader:
        reader.verify(lambda: ticks.append(1))
    assert len(ticks) == HEADER.units


@pytest.mark.parametrize("at", range(len(MAGIC)))
def test_a_damaged_magic_is_said(tmp_path: Path, sound: bytes, at: int) -> None:
    path = tmp_path / "a.fdegc"
    path.write_bytes(sound)
    with patched(path, at, 0x20), pytest.raises(CorruptStream, match="is not an FDEGC file"):
        ContainerReader(path)


# ------------------------------------------------------------------------------ large blocks


def test_large_blocks_are_read_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    large = np.random.default_rng(1).bytes(20 << 20)
    write(path, more={b"aaaa": large, b"bbbb": b"small", b"cccc": large[: 1 << 20]})
    tracemalloc.start()
    with ContainerReader(path) as reader:
        assert set(reader.blocks) == {b"aaaa", b"bbbb", b"cccc"} and len(reader.blocks) == 3
        assert reader.verify() == []
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        assert reader.blocks[b"aaaa"] == large
    tracemalloc.stop()
    data = bytearray(path.read_bytes())
    data[data.index(b"bbbb") - 5] ^= 1
    path.write_bytes(data)
    with ContainerReader(path) as reader:
        assert reader.damaged_blocks == ()
        (said,) = reader.verify()
        assert "block aaaa" in said
        assert b"aaaa" not in reader.blocks and reader.damaged_blocks == (b"aaaa",)
        assert reader.blocks.get(b"aaaa") is None and len(reader.blocks) == 2
        assert reader.blocks[b"cccc"] == large[: 1 << 20]


def test_a_broken_chain_is_mended_from_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    more = {b"aaaa": b"first", b"bbbb": b"second", b"cccc": b"third"}
    write(path, more=more)
    data = bytearray(path.read_bytes())
    at = data.index(b"aaaa") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with ContainerReader(path) as reader:
        assert dict(reader.blocks) == more and not reader.chain_broken and not reader.damaged_blocks
    data[-1] ^= 1  # now the copy cannot be found either
    path.write_bytes(data)
    with ContainerReader(path) as reader:
        assert reader.chain_broken and not reader.blocks and b"TAIL" in reader.damaged_blocks


def test_a_tail_of_another_file_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    first = write(path, more={b"aaaa": b"first"})
    with ContainerReader(path) as reader:
        end = reader.entries.end
    write(path, replace(HEADER, quality_steps=300), {b"zzzz": b"other"})
    other = path.read_bytes()
    path.write_bytes(first[: end + 12 + 5] + other[end + 12 + 5 :])
    with ContainerReader(path) as reader:
        assert dict(reader.blocks) == {b"aaaa": b"first"}
        assert reader.damaged_blocks == (b"TAIL",) and reader.verify()


# ------------------------------------------------------------------------------ limits


def with_header(path: Path, header: StreamHeader, size: int = 400) -> None:
    packed = header.pack()
    path.write_bytes(MAGIC + packed + struct.pack("<I", zlib.crc32(packed)) + bytes(size))


@pytest.mark.parametrize(
    "header",
    [
        replace(HEADER, width=1_000_000, height=1_000_000, tile_size=2048),  # 240 000 tiles: 8 MB of index
        replace(HEADER, width=1_000_000, height=1_000_000, tile_size=64, bands=64),  # beyond all limits
        replace(HEADER, width=2**32 - 1, height=2**32 - 1),
        replace(HEADER, width=6400, height=6400),
    ],
)
def test_claims_are_checked_before_memory_is_taken(tmp_path: Path, header: StreamHeader) -> None:
    path = tmp_path / "a.fdegc"
    with_header(path, header)
    tracemalloc.start()
    with pytest.raises(CorruptStream):
        ContainerReader(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_payloads_and_blocks_beyond_the_limits_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.fdegc"
    with pytest.raises(OutputFailed, match="smaller tiles"), ContainerWriter(path, HEADER) as writer:
        writer.add(bytes(MAX_PAYLOAD + 1))
    with ContainerWriter(path, HEADER) as writer:
        for number in range(MAX_BLOCKS):
            writer.add_block(struct.pack("<I", number), b"")
        with pytest.raises(ValueError, match="cannot be added"):
            writer.add_block(b"more", b"")
        for _ in range(HEADER.units):
            writer.add(b"12345")
        writer.commit()
    with ContainerReader(path) as reader:
        assert len(reader.blocks) == MAX_BLOCKS and reader.verify() == []
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with ContainerReader(path) as reader:
        assert len(reader.blocks) == MAX_BLOCKS and not reader.chain_broken
        monkeypatch.setattr(reading, "MAX_PAYLOAD", 4)
        with pytest.raises(CorruptStream, match="larger than the format allows"):
            reader.payload(0)
    monkeypatch.setattr(reading, "MAX_BLOCKS", 100)
    with ContainerReader(path) as reader:
        assert reader.chain_broken
    path.unlink()
    monkeypatch.setattr(writing, "MAX_BLOCK", 100)
    with ContainerWriter(path, HEADER) as writer, pytest.raises(OutputFailed, match="larger than the format"):
        writer.add_block(b"aaaa", bytes(101))


@pytest.mark.parametrize("tag", [b"TAIL", b"abc", b"abcde", b"twic"])
def test_tags_are_four_bytes_and_used_once(tmp_path: Path, tag: bytes) -> None:
    with ContainerWriter(tmp_path / "a.fdegc", HEADER) as writer:
        writer.add_block(b"twic", b"")
        with pytest.raises(ValueError, match="cannot be added"):
            writer.add_block(tag, b"")


# ------------------------------------------------------------------------------ nothing else escapes


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_only_readable_errors_escape(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Sound checksums over nonsense: what a hostile file would have."""
    path = tmp_path_factory.getbasetemp() / "hostile.fdegc"
    packed = bytearray(HEADER.pack())
    for _ in range(data.draw(st.integers(0, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    index = data.draw(st.binary(min_size=HEADER.units * 17, max_size=HEADER.units * 17))
    body = MAGIC + bytes(packed) + struct.pack("<I", zlib.crc32(packed))
    body += index + struct.pack("<I", zlib.crc32(index))
    tags = st.sampled_from([*blocks(), b"TAIL", b"XXXX"])
    for tag, block in data.draw(st.lists(st.tuples(tags, st.binary(max_size=80)), max_size=5)):
        if data.draw(st.booleans()):
            block = zlib.compress(block)
        body += struct.pack("<4sII", tag, len(block), zlib.crc32(tag + block)) + block
    offset = struct.pack("<Q", data.draw(st.integers(0, len(body))))
    path.write_bytes(body + offset + struct.pack("<I", zlib.crc32(offset)) + b"FDGE")
    try:
        reader = ContainerReader(path)
    except FdegcError:
        return
    with reader:
        reader.verify()
        for use in (describe, mask_plane, alpha_plane, read_overview, lambda r: r.payload(0)):
            try:
                plane = use(reader)
                if use in (mask_plane, alpha_plane) and plane is not None:
                    plane.read(Window(0, 0, 1, 1))
            except FdegcError:
                pass
