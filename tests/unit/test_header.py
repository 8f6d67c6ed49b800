"""The header: what is packed comes back, anything else is refused in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdegc.errors import CorruptStream, FdegcError
from fdegc.format.header import PREFIX, StreamHeader
from fdegc.types import BandMapping

HEADER = StreamHeader(
    1000, 600, 2, "float32", 512, 32, 1024, b"12345678", "lite", (BandMapping(3.0, 99.5),) * 2, True, False
)


def test_round_trip() -> None:
    assert StreamHeader.unpack(HEADER.pack()) == HEADER
    assert HEADER.units == HEADER.tiles == 4


@pytest.mark.parametrize(
    "header",
    [
        replace(HEADER, mapping=(BandMapping(float("nan"), 1.0),) * 2),
        replace(HEADER, mapping=(BandMapping(0.0, float("inf")),) * 2),
        replace(HEADER, mapping=(BandMapping(0.0, 1.0),)),
        replace(HEADER, profile="../../etc"),
        replace(HEADER, profile="li\x1b[2Jte"),
        replace(HEADER, profile="line\n"),
        replace(HEADER, halo=2064),
        replace(HEADER, width=1_000_000, height=1_000_000, tile_size=64),
    ],
)
def test_nonsense_is_refused(header: StreamHeader) -> None:
    with pytest.raises(CorruptStream):
        StreamHeader.unpack(header.pack())


@pytest.mark.parametrize("length", range(len(HEADER.pack())))
def test_a_cut_header_is_refused(length: int) -> None:
    packed = HEADER.pack()
    with pytest.raises(CorruptStream):
        StreamHeader.unpack(packed[:length])
    if length >= PREFIX.size:
        version, flags, _ = PREFIX.unpack_from(packed)
        with pytest.raises(CorruptStream):
            StreamHeader.unpack(
                PREFIX.pack(version, flags, length - PREFIX.size) + packed[PREFIX.size : length]
            )


@given(st.binary(max_size=120), st.integers(0, 200), st.integers(0, 255))
def test_only_readable_errors_escape(noise: bytes, at: int, value: int) -> None:
    changed = bytearray(HEADER.pack())
    changed[at % len(changed)] = value
    for data in (noise, PREFIX.pack(1, 0, len(noise)) + noise, bytes(changed)):
        try:
            header = StreamHeader.unpack(data)
        except FdegcError:
            continue
        assert StreamHeader.unpack(header.pack()) == header
        assert header.units >= 1
