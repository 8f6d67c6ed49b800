"""The ``.fdegc`` file: round trips, damage, limits."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fdegc.errors import CorruptStream, FdegcError, OutputExists, OutputFailed, UnsupportedStream
from fdegc.format import MAGIC
from fdegc.format.header import StreamHeader
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.types import BandMapping

PLAIN = StreamHeader(256, 256, 3, "uint8", 512, 32, 1024, b"12345678", "lite")
WIDE = replace(PLAIN, width=1000, height=600, bands=4, dtype="uint16", mapping=(BandMapping(3.0, 99.5),) * 4)
BLOCKS = ((b"CRS ", b"a coordinate system"), (b"mask", bytes(range(200))))

temporary = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def write(
    path: Path,
    header: StreamHeader = WIDE,
    payloads: list[bytes] | None = None,
    blocks: tuple[tuple[bytes, bytes], ...] = BLOCKS,
) -> list[bytes]:
    if payloads is None:
        payloads = [bytes([unit]) * (20 + unit) for unit in range(header.units)]
    with ContainerWriter(path, header, overwrite=True) as writer:
        for unit, payload in enumerate(payloads):
            writer.add(payload, dither=unit % 256, phi_hash=unit + 1, y_hash=2**32 - 1 - unit)
        for tag, data in blocks:
            writer.add_block(tag, data)
        assert writer.commit() == path.stat().st_size
    return payloads


def content(path: Path) -> tuple[object, ...]:
    """Everything a file says; raises if anything is known to be damaged."""
    with ContainerReader(path) as reader:
        if reader.damaged_blocks:
            raise CorruptStream("damaged block")
        payloads = [reader.payload(unit) for unit in range(reader.header.units)]
        return reader.header, reader.entries, dict(reader.blocks), payloads


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    payloads = write(path)
    with ContainerReader(path) as reader:
        assert reader.header == WIDE
        assert reader.header.units == len(reader.entries) == 8
        assert dict(reader.blocks) == dict(BLOCKS)
        assert [reader.payload(i) for i in range(8)] == payloads
        assert [e.dither for e in reader.entries] == list(range(8))
        assert reader.entries[3].phi_hash == 4 and reader.entries[0].y_hash == 2**32 - 1
        assert not reader.recovered and reader.size == path.stat().st_size
    assert list(tmp_path.iterdir()) == [path]


headers = st.builds(
    StreamHeader,
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    bands=st.integers(1, 5),
    dtype=st.sampled_from(["uint8", "int16", "float64"]),
    tile_size=st.sampled_from([256, 512, 2048]),
    halo=st.sampled_from([0, 16, 64]),
    quality_steps=st.integers(256, 1536),
    weights_hash=st.binary(min_size=8, max_size=8),
    profile=st.text("abcdefghijklmnopqrstuvwxyz-0123456789", max_size=16),
)


@temporary
@given(headers, st.data())
def test_any_content_round_trips(tmp_path: Path, header: StreamHeader, data: st.DataObject) -> None:
    if header.dtype != "uint8":
        finite = st.floats(allow_nan=False, allow_infinity=False)
        pairs = data.draw(st.lists(st.tuples(finite, finite), min_size=header.bands, max_size=header.bands))
        header = replace(header, mapping=tuple(BandMapping(*pair) for pair in pairs))
    payloads = data.draw(st.lists(st.binary(max_size=40), min_size=header.units, max_size=header.units))
    tags = st.binary(min_size=4, max_size=4).filter(lambda tag: tag != b"TAIL")
    blocks = tuple(data.draw(st.dictionaries(tags, st.binary(max_size=60), max_size=3)).items())
    path = tmp_path / "a.fdegc"
    write(path, header, payloads, blocks)
    found, _, found_blocks, found_payloads = content(path)
    assert (found, found_blocks, found_payloads) == (header, dict(blocks), payloads)


def test_a_plain_picture_costs_at_most_160_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    (payload,) = write(path, PLAIN, [b"p" * 1000], ())
    assert path.stat().st_size - len(payload) <= 160


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, flipped = tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    write(path)
    data, expected = path.read_bytes(), content(path)
    assert len(data) > 700
    recovered = 0
    for at in range(len(data)):
        for bits in (0x01, 0x80, 0xFF):
            broken = bytearray(data)
            broken[at] ^= bits
            flipped.write_bytes(broken)
            try:
                assert content(flipped) == expected, f"byte {at} ^ {bits:#x} changed the content unnoticed"
                recovered += 1
            except FdegcError:
                pass
    assert recovered > 3 * 8 * 17, "header and index at the front must be recoverable"


def test_every_truncation_is_noticed_or_harmless(tmp_path: Path) -> None:
    path, short = tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    write(path)
    data, expected = path.read_bytes(), content(path)
    trailer = 16  # where the copy starts, CRC, end magic: needed only if the front is damaged as well
    for length in range(len(data)):
        short.write_bytes(data[:length])
        if length < len(data) - trailer:
            with pytest.raises(FdegcError):
                content(short)
        else:
            assert content(short) == expected


def test_tiles_before_a_cut_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    payloads = write(path)
    with ContainerReader(path) as reader:
        cut = reader.entries[5].offset + 3
    path.write_bytes(path.read_bytes()[:cut])
    with ContainerReader(path) as reader:
        assert [reader.payload(i) for i in range(5)] == payloads[:5]
        with pytest.raises(CorruptStream, match="Tile 2 "):  # two groups a tile: unit 5 is of tile 2
            reader.payload(5)
        assert reader.damaged_blocks


def test_a_damaged_tile_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    payloads = write(path)
    with ContainerReader(path) as reader:
        offset = reader.entries[2].offset
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)
    with ContainerReader(path) as reader:
        with pytest.raises(CorruptStream, match="damaged"):
            reader.payload(2)
        assert reader.payload(3) == payloads[3]


@pytest.mark.parametrize("at", [12, 20, 30, 60, 130, 150])
def test_the_copy_at_the_end_is_used(tmp_path: Path, at: int) -> None:
    path = tmp_path / "a.fdegc"
    write(path)
    expected = content(path)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)
    with ContainerReader(path) as reader:
        assert reader.recovered
    assert content(path) == expected


@given(st.binary(max_size=300), st.booleans())
@temporary
def test_any_bytes_are_refused_in_words(tmp_path: Path, data: bytes, with_magic: bool) -> None:
    path = tmp_path / "x.fdegc"
    path.write_bytes(MAGIC + data if with_magic else data)
    with pytest.raises(FdegcError):
        content(path)


def _front(header: bytes) -> bytes:
    return MAGIC + header + struct.pack("<I", zlib.crc32(header))


@pytest.mark.parametrize(
    ("at", "patch", "error"),
    [
        (0, b"\x02", UnsupportedStream),  # version
        (1, b"\x04", UnsupportedStream),  # required flag
        (5, struct.pack("<I", 0), CorruptStream),  # width
        (5, struct.pack("<II", 1_000_001, 5), CorruptStream),
        (5, struct.pack("<II", 1_000_000, 1_000_000), CorruptStream),  # its index cannot be in the file
        (13, struct.pack("<H", 0), CorruptStream),  # bands
        (13, struct.pack("<H", 65), CorruptStream),
        (15, b"\x09", CorruptStream),  # dtype
        (16, b"\x00", CorruptStream),  # tile size
        (18, struct.pack("<H", 3), CorruptStream),  # quality
    ],
)
def test_valid_crc_but_values_out_of_bounds(
    tmp_path: Path, at: int, patch: bytes, error: type[FdegcError]
) -> None:
    packed = bytearray(PLAIN.pack())
    packed[at : at + len(patch)] = patch
    path = tmp_path / "x.fdegc"
    path.write_bytes(_front(bytes(packed)) + bytes(100))
    with pytest.raises(error):
        ContainerReader(path)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(CorruptStream, match="cannot be read"):
        ContainerReader(tmp_path / "none.fdegc")
    with pytest.raises(CorruptStream):
        ContainerReader(tmp_path)
    path = tmp_path / "text.fdegc"
    path.write_bytes(MAGIC.replace(b"\r\n", b"\n") + bytes(200))
    with pytest.raises(CorruptStream, match="text-mode"):
        ContainerReader(path)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    with pytest.raises(RuntimeError), ContainerWriter(path, WIDE) as writer:
        writer.add(b"1")
        raise RuntimeError
    with ContainerWriter(path, WIDE) as writer, pytest.raises(ValueError, match="1 of 8"):
        writer.add(b"1")
        writer.commit()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    path.write_bytes(b"precious")
    with pytest.raises(OutputExists):
        ContainerWriter(path, WIDE)
    with pytest.raises(RuntimeError), ContainerWriter(path, WIDE, overwrite=True):
        raise RuntimeError
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    with pytest.raises(OutputExists), ContainerWriter(path, PLAIN) as writer:
        writer.add(b"1")
        path.write_bytes(b"precious")
        writer.commit()
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match="cannot be written"):
        ContainerWriter(tmp_path / "none" / "a.fdegc", WIDE)
