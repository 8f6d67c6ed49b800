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
from fdegc.format.kinds import UnitKind
from fdegc.format.layout import END_MAGIC, SHORT_UNITS, TAIL, UnitIndex
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.types import BandMapping, Components, Correction

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


@pytest.mark.parametrize(("version", "bits"), [(1, 32), (2, 16)])
def test_round_trip(tmp_path: Path, version: int, bits: int) -> None:
    path = tmp_path / "a.fdegc"
    header = replace(WIDE, version=version)
    payloads = write(path, header)
    with ContainerReader(path) as reader:
        assert reader.header == header
        assert reader.header.units == len(reader.entries) == 8
        assert dict(reader.blocks) == dict(BLOCKS)
        assert [reader.payload(i) for i in range(8)] == payloads
        assert [e.dither for e in reader.entries] == list(range(8))
        assert reader.entries[3].phi_hash == 4
        assert [e.y_hash for e in reader.entries] == [(2**bits - 1 - unit) for unit in range(8)]
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
    version=st.sampled_from([1, 2]),
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


def test_a_plain_picture_costs_at_most_70_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    (payload,) = write(path, PLAIN, [b"p" * 1000], ())
    assert path.stat().st_size - len(payload) <= 70


@pytest.mark.parametrize("version", [1, 2])
def test_what_each_kind_of_unit_says_comes_back(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.fdegc"
    header = replace(WIDE, version=version)
    with ContainerWriter(path, header) as writer:
        for unit in range(header.units):
            kind = UnitKind(unit % len(UnitKind))
            writer.add(bytes(unit), kind=kind, quality=200 - unit, fidelity=unit + 90)
        writer.commit()
    with ContainerReader(path) as reader:
        # Version 1 knows latents alone.
        sound = [(u % len(UnitKind), 200 - u, u + 90) if version > 1 else (0, 0, 0) for u in range(8)]
        assert [(e.kind, e.quality, e.fidelity) for e in reader.entries] == sound
        assert reader.entries.kinds.tolist() == [kind for kind, _, _ in sound]
        assert reader.entries.fidelities.tolist() == [fidelity for _, _, fidelity in sound]


@pytest.mark.parametrize("blocks", [(), BLOCKS])
def test_files_without_latents_say_nothing_for_a_network(
    tmp_path: Path, blocks: tuple[tuple[bytes, bytes], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdegc.format.writer._CHUNK", 5)  # what moves up overlaps its old place
    path = tmp_path / "a.fdegc"
    components = Components(((0.25,) * 4,) * 6, (0.5,) * 4)
    header = replace(WIDE, components=components, correction=Correction(((1,) * 84, ())))
    for kind in (UnitKind.PACKETS, UnitKind.LATENTS):
        with ContainerWriter(path, header, overwrite=True) as writer:
            for tile in range(header.tiles):
                writer.add(bytes([tile]) * 17 * tile, kind=kind, quality=9, fidelity=tile)
                writer.add(b"", kind=UnitKind.NOTHING)
            for tag, data in blocks:
                writer.add_block(tag, data)
            if kind == UnitKind.LATENTS:
                with pytest.raises(ValueError, match="no latents"):
                    writer.leave_out_network()
            else:
                writer.leave_out_network()
            size = writer.commit()
        assert size == path.stat().st_size
        found, entries, found_blocks, payloads = content(path)
        if kind == UnitKind.PACKETS:
            plain = size
            assert found == header.without_network and found_blocks == dict(blocks)
            assert payloads == [bytes([tile]) * 17 * tile for tile in range(header.tiles)]
            assert isinstance(entries, UnitIndex)
            assert [(e.kind, e.quality, e.fidelity) for e in entries] == [(5, 9, t) for t in range(4)]
    assert found == header and plain < size - (64 + 2 * 220)


def test_a_run_without_latents_that_runs_out_of_room_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.fdegc"

    def attempt() -> int:
        with ContainerWriter(path, WIDE, fingerprint=b"scene") as writer:
            before = writer.units_done
            for unit in range(before, WIDE.units):
                kind = UnitKind.NOTHING if unit % 2 else UnitKind.PACKETS
                writer.add(b"" if unit % 2 else bytes([unit]) * 99, kind=kind)
            writer.leave_out_network()
            writer.commit()
        return before

    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OutputFailed, match="No space left"):
        patch.setattr("fdegc.format.writer.pack_back", full)
        attempt()
    assert attempt() == WIDE.units
    assert content(path)[3] == [bytes([2 * tile]) * 99 for tile in range(WIDE.tiles)]


@pytest.mark.parametrize("version", [1, 2])
def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path, version: int) -> None:
    path, flipped = tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    write(path, replace(WIDE, version=version))
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


# Places of the same numbers in both versions, in which width, height and bands take other room.
_BEYOND = [
    (1, {0: b"\x03"}, UnsupportedStream),  # version
    (2, {0: b"\x03"}, UnsupportedStream),
    (1, {1: b"\x10"}, UnsupportedStream),  # required flag
    (2, {1: b"\x10"}, UnsupportedStream),
    (1, {5: struct.pack("<I", 0)}, CorruptStream),  # width
    (2, {5: b"\x80\x00"}, CorruptStream),  # zero, longer than it must be
    (2, {5: b"\x00", 6: b"\x02"}, CorruptStream),
    (1, {5: struct.pack("<II", 1_000_001, 5)}, CorruptStream),
    (1, {5: struct.pack("<II", 1_000_000, 1_000_000)}, CorruptStream),  # its index cannot be in the file
    (1, {13: struct.pack("<H", 0)}, CorruptStream),  # bands
    (2, {9: b"\x00"}, CorruptStream),
    (1, {13: struct.pack("<H", 65)}, CorruptStream),
    (2, {9: b"\x41"}, CorruptStream),
    (1, {15: b"\x09"}, CorruptStream),  # dtype
    (2, {10: b"\x09"}, CorruptStream),
    (2, {10: b"\x80"}, CorruptStream),
    (1, {16: b"\x00"}, CorruptStream),  # tile size
    (2, {11: b"\x00"}, CorruptStream),
    (2, {11: b"\x21"}, CorruptStream),
    (1, {18: struct.pack("<H", 3)}, CorruptStream),  # quality
    (2, {13: struct.pack("<H", 3)}, CorruptStream),
    (2, {-1: b"\x10"}, CorruptStream),  # what follows the name
    (2, {-1: b"\x01"}, CorruptStream),  # a mapping that is not there
    (2, {-1: b"\x02"}, CorruptStream),  # components
    (2, {-1: b"\x04"}, CorruptStream),  # a bound
]


@pytest.mark.parametrize(("version", "patches", "error"), _BEYOND)
def test_valid_crc_but_values_out_of_bounds(
    tmp_path: Path, version: int, patches: dict[int, bytes], error: type[FdegcError]
) -> None:
    packed = bytearray(replace(PLAIN, version=version).pack())
    for at, patch in patches.items():
        at %= len(packed)
        packed[at : at + len(patch)] = patch
    path = tmp_path / "x.fdegc"
    path.write_bytes(_front(bytes(packed)) + bytes(100))
    with pytest.raises(error):
        ContainerReader(path)


@pytest.mark.parametrize("size", [(1_000_001, 5), (1_000_000, 1_000_000), (1 << 40, 1)])
def test_sizes_beyond_the_limits_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "x.fdegc"
    path.write_bytes(_front(replace(PLAIN, width=size[0], height=size[1]).pack()) + bytes(100))
    with pytest.raises(CorruptStream):
        ContainerReader(path)


# ------------------------------------------------------------------ files that end without a TAIL block

SHORT = replace(PLAIN, width=130, height=130, tile_size=128)


def test_a_file_of_few_units_ends_short(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    payloads = write(path, SHORT, None, ())
    assert SHORT.units == SHORT_UNITS == len(payloads)
    data = path.read_bytes()
    assert data.endswith(payloads[-1] + END_MAGIC) and TAIL not in data
    with ContainerReader(path) as reader:
        assert reader.verify() == [] and not reader.damaged_blocks
        assert not reader.chain_broken and not reader.recovered and not reader.blocks
    write(path, replace(SHORT, height=390), None, ())
    assert TAIL in path.read_bytes(), "more units are worth a copy"
    write(path, SHORT, None, BLOCKS[:1])
    assert TAIL in path.read_bytes(), "so are blocks"
    write(path, replace(SHORT, version=1), None, ())
    assert TAIL in path.read_bytes(), "the first version has it always"


def test_every_byte_of_a_short_file_counts(tmp_path: Path) -> None:
    path, flipped = tmp_path / "a.fdegc", tmp_path / "b.fdegc"
    payloads = write(path, SHORT, None, ())
    data = path.read_bytes()
    with ContainerReader(path) as reader:
        start, end = reader.entries.start, reader.entries.end
    for at in range(len(data)):
        for bits in (0x01, 0x80, 0xFF):
            broken = bytearray(data)
            broken[at] ^= bits
            flipped.write_bytes(broken)
            if at < start:
                with pytest.raises(FdegcError):
                    ContainerReader(flipped)
                continue
            with ContainerReader(flipped) as reader:
                assert reader.header == SHORT and reader.verify()
                # Nobody knows whether there were blocks.
                assert reader.chain_broken == (at >= end) and not reader.blocks
                lost = 0
                for unit, payload in enumerate(payloads):
                    try:
                        assert reader.payload(unit) == payload
                    except CorruptStream:
                        lost += 1
                assert lost == (at < end)


def test_every_length_of_a_short_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.fdegc"
    payloads = write(path, SHORT, None, ())
    data = path.read_bytes()
    with ContainerReader(path) as reader:
        entries = list(reader.entries)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        if length < entries[0].offset:
            with pytest.raises(FdegcError):
                ContainerReader(path)
            continue
        with ContainerReader(path) as reader:
            assert reader.verify() and reader.chain_broken
            for unit, entry in enumerate(entries):
                if entry.offset + entry.length <= length:
                    assert reader.payload(unit) == payloads[unit]
    for extra in (b"x", b"TAIL", data):
        path.write_bytes(data + extra)
        with ContainerReader(path) as reader:
            assert [reader.payload(unit) for unit in range(4)] == payloads
            assert "do not belong" in " ".join(reader.verify())


def test_a_block_may_be_called_like_the_end(tmp_path: Path) -> None:
    """The first four bytes of a block are no end of a short file."""
    path = tmp_path / "a.fdegc"
    write(path, SHORT, None, ((END_MAGIC, b"data"),))
    with ContainerReader(path) as reader:
        assert dict(reader.blocks) == {END_MAGIC: b"data"} and reader.verify() == []


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
