"""The header: what is packed comes back, anything else is refused in words."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdegc.errors import CorruptStream, FdegcError, UnsupportedStream
from fdegc.format.header import KNOWN_FLAGS, PREFIX, READABLE, StreamHeader, pack_number, unpack_number
from fdegc.raster_info import DTYPES
from fdegc.types import BandMapping, Components, Correction

HEADER = StreamHeader(
    1000, 600, 2, "float32", 512, 32, 1024, b"12345678", "lite", (BandMapping(3.0, 99.5),) * 2, True, False
)
MIXED = replace(
    HEADER,
    components=Components(((1.0, 0.5), (-1.0, 2.0), (0.0, 0.25)), (0.5, 0.125)),
    bound=1.5,
)
FIRST = replace(HEADER, version=1)
float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("header", [HEADER, MIXED, FIRST, replace(HEADER, whole=True, bound=0.0)])
def test_round_trip(header: StreamHeader) -> None:
    assert StreamHeader.unpack(header.pack()) == header
    assert header.units == header.tiles == 4


@st.composite
def headers(draw: st.DrawFn) -> StreamHeader:
    """Any header that the format has."""
    version = draw(st.sampled_from(READABLE))
    bands = draw(st.integers(1, 64))
    dtype = draw(st.sampled_from(DTYPES))
    numbers = draw(st.sampled_from([finite, float32s]))
    pair = st.builds(BandMapping, numbers, numbers)
    mapping: tuple[BandMapping, ...] = ()
    if dtype != "uint8" or draw(st.booleans()):
        mapping = tuple(draw(st.lists(pair, min_size=bands, max_size=bands)))
    components = None
    if version > 1 and draw(st.booleans()):
        groups = draw(st.integers(1, 3))
        rng = np.random.default_rng(draw(st.integers(0, 1000)))
        numbers = rng.normal(0, 1, (3 * groups + 1, bands)).astype(np.float32)
        numbers[-1, 0] = draw(float32s)
        components = Components(tuple(map(tuple, numbers[1:].tolist())), tuple(numbers[0].tolist()))
    whole = version > 1 and draw(st.booleans())
    correction = None
    if version > 1 and not whole and draw(st.booleans()):
        groups = -(-bands // 3) if components is None else components.groups
        number = st.integers(-Correction.LIMIT, Correction.LIMIT)
        numbers84 = st.lists(number, min_size=Correction.NUMBERS, max_size=Correction.NUMBERS)
        one = tuple(draw(numbers84))
        correction = Correction(tuple(draw(st.sampled_from([(), one])) for _ in range(groups)))
    return StreamHeader(
        width=draw(st.integers(1, 1_000_000)),
        height=draw(st.integers(1, 5000)),
        bands=bands,
        dtype=dtype,
        tile_size=2048,
        halo=16 * draw(st.integers(0, 128)),
        quality_steps=draw(st.integers(256, 1536)),
        weights_hash=draw(st.binary(min_size=8, max_size=8)),
        profile=draw(st.from_regex(r"[A-Za-z0-9._-]{0,255}", fullmatch=True)),
        mapping=mapping,
        has_mask=draw(st.booleans()),
        has_alpha=draw(st.booleans()),
        has_band_masks=draw(st.booleans()),
        has_outliers=version > 1 and draw(st.booleans()),
        version=version,
        components=components,
        bound=draw(st.none() | st.floats(0, allow_infinity=False)) if version > 1 else None,
        whole=whole,
        correction=correction,
    )


@given(headers())
def test_any_header_round_trips(header: StreamHeader) -> None:
    packed = header.pack()
    found = StreamHeader.unpack(packed)
    assert found == header and found.pack() == packed
    expected = -(-header.bands // 3) if header.components is None else header.components.groups
    assert found.groups == (1 if header.whole else expected)
    assert found.units == found.tiles * found.groups


@pytest.mark.parametrize(
    "body",
    [
        b"",  # nothing where a group should say whether it has one
        b"\x02" + b"\0" * 84,  # another kind
        b"\x01" + b"\0" * 83,
        b"\x01" + b"\0" * 85,
        b"\x01" + pack_number(2 * 8192) + b"\0" * 83,  # more than the limit
        b"\0\0",  # of two groups, where there is one
    ],
)
def test_malformed_corrections_are_refused(body: bytes) -> None:
    packed = replace(HEADER, correction=Correction(((),))).pack()
    assert StreamHeader.unpack(packed).correction == Correction(((),))
    body = packed[PREFIX.size : -1] + body
    with pytest.raises(CorruptStream):
        StreamHeader.unpack(PREFIX.pack(2, 1, len(body)) + body)


def test_ranges_that_single_precision_holds_take_half_the_bytes() -> None:
    exact = (BandMapping(0.1, 99.5), BandMapping(3.0, 99.5))
    narrow, wide = HEADER.pack(), replace(HEADER, mapping=exact).pack()
    assert len(wide) - len(narrow) == 2 * 8
    assert PREFIX.unpack_from(narrow)[1] == 2 and PREFIX.unpack_from(wide)[1] == 0
    for data, mapping in ((narrow, HEADER.mapping), (wide, exact)):
        assert StreamHeader.unpack(data).mapping == mapping
    # Too large, and the first version.
    assert PREFIX.unpack_from(replace(HEADER, mapping=(BandMapping(1e300, 1.0),) * 2).pack())[1] == 0
    assert PREFIX.unpack_from(FIRST.pack())[1] == 0
    # Nothing else has that feature.
    plain = replace(HEADER, dtype="uint8", mapping=())
    for header in (FIRST, plain):
        version, flags, length = PREFIX.unpack_from(header.pack())
        data = PREFIX.pack(version, flags | 2, length) + header.pack()[PREFIX.size :]
        with pytest.raises(CorruptStream):
            StreamHeader.unpack(data)


def test_a_header_with_ranges_in_double_precision_is_packed_as_it_was_read() -> None:
    earlier = replace(HEADER, wide=True).pack()  # as every build wrote them before single precision came
    assert PREFIX.unpack_from(earlier)[1] == 0 and len(earlier) == len(HEADER.pack()) + 2 * 8
    assert StreamHeader.unpack(earlier).mapping == HEADER.mapping
    assert StreamHeader.unpack(earlier).pack() == earlier
    for header in (HEADER, FIRST, replace(HEADER, mapping=(BandMapping(0.1, 99.5),) * 2)):
        assert StreamHeader.unpack(header.pack()).pack() == header.pack()


def test_planes_by_contexts_are_a_feature_of_files_that_have_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = replace(HEADER, has_mask=False)
    for name in ("has_mask", "has_alpha", "has_band_masks"):
        plain = replace(nothing, **{name: True})  # type: ignore[arg-type]
        data = replace(plain, contexts=True).pack()
        assert len(data) == len(plain.pack())
        assert PREFIX.unpack_from(data)[1] == PREFIX.unpack_from(plain.pack())[1] | 4
        assert StreamHeader.unpack(data) == replace(plain, contexts=True)
        assert not StreamHeader.unpack(plain.pack()).contexts
    for header in (nothing, replace(FIRST, has_mask=True)):
        with pytest.raises(CorruptStream):
            StreamHeader.unpack(replace(header, contexts=True).pack())
    monkeypatch.delitem(KNOWN_FLAGS, 2)
    with pytest.raises(UnsupportedStream, match=r"flag 2\). Update FDEGC"):
        StreamHeader.unpack(data)


def test_who_does_not_know_narrow_ranges_refuses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data = HEADER.pack()
    monkeypatch.setattr("fdegc.format.header.KNOWN_FLAGS", {0: "a correction of what the network gives"})
    with pytest.raises(UnsupportedStream, match=r"flag 1\). Update FDEGC"):
        StreamHeader.unpack(data)


def test_who_does_not_know_corrections_refuses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = replace(HEADER, correction=Correction(((1,) * 84,))).pack()
    monkeypatch.setattr("fdegc.format.header.KNOWN_FLAGS", {})
    with pytest.raises(UnsupportedStream, match="Update FDEGC"):
        StreamHeader.unpack(packed)


@given(st.integers(0, 2**63 - 1), st.binary(max_size=5), st.binary(max_size=5))
def test_numbers_come_back(value: int, before: bytes, behind: bytes) -> None:
    packed = pack_number(value)
    assert len(packed) == max(-(-value.bit_length() // 7), 1)
    assert unpack_number(before + packed + behind, len(before)) == (value, len(before + packed))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", IndexError),
        (b"\x80", IndexError),
        (b"\xff" * 8, IndexError),
        (b"\x80\x00", ValueError),  # longer than it must be
        (b"\xff\x80\x00", ValueError),
        (b"\xff" * 9 + b"\x01", ValueError),  # above 2⁶³
    ],
)
def test_malformed_numbers_are_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        unpack_number(data, 0)


@given(st.binary(max_size=12))
def test_a_number_has_one_form(data: bytes) -> None:
    try:
        value, end = unpack_number(data, 0)
    except (IndexError, ValueError):
        return
    assert pack_number(value) == data[:end] and value < 2**63


@pytest.mark.parametrize("version", READABLE)
@pytest.mark.parametrize(
    "changes",
    [
        {"mapping": (BandMapping(float("nan"), 1.0),) * 2},
        {"mapping": (BandMapping(0.0, float("inf")),) * 2},
        {"mapping": (BandMapping(0.0, 1.0),)},
        {"mapping": ()},
        {"profile": "../../etc"},
        {"profile": "li\x1b[2Jte"},
        {"profile": "line\n"},
        {"halo": 2064},
        {"width": 1_000_000, "height": 1_000_000, "tile_size": 64},
        {"width": 0},
        {"height": 1_000_001},
        {"bands": 65, "mapping": (BandMapping(0.0, 1.0),) * 65},
    ],
)
def test_nonsense_is_refused(changes: dict[str, object], version: int) -> None:
    with pytest.raises(CorruptStream):
        StreamHeader.unpack(replace(HEADER, version=version, **changes).pack())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"bound": -1.0},
        {"bound": float("nan")},
        {"bound": float("inf")},
        {"components": Components(((float("inf"), 0.0),) * 3, (0.0, 0.0))},
        {"components": Components(((1.0, 0.0),) * 3, (float("nan"), 0.0))},
        {"components": Components((), (0.0, 0.0))},
        {"components": Components(((1.0, 0.0),) * 3 * 65, (0.0, 0.0))},
    ],
)
def test_nonsense_of_the_second_version_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(CorruptStream):
        StreamHeader.unpack(replace(HEADER, **changes).pack())  # type: ignore[arg-type]


def test_more_groups_than_numbers_are_refused() -> None:
    packed = MIXED.pack()
    at = packed.index(struct.pack("<2f", 0.5, 0.125)) - 1
    assert packed[at] == 1
    for groups in (0, 2, 64):
        with pytest.raises(CorruptStream):
            StreamHeader.unpack(packed[:at] + bytes([groups]) + packed[at + 1 :])


def test_newer_versions_and_features_are_named() -> None:
    packed = HEADER.pack()
    with pytest.raises(UnsupportedStream, match="format version 3"):
        StreamHeader.unpack(b"\x03" + packed[1:])
    with pytest.raises(UnsupportedStream, match="flag 9"):
        StreamHeader.unpack(packed[:2] + b"\x02" + packed[3:])


@pytest.mark.parametrize("header", [HEADER, MIXED, FIRST])
def test_a_cut_header_is_refused(header: StreamHeader) -> None:
    packed = header.pack()
    for length in range(len(packed)):
        with pytest.raises(CorruptStream):
            StreamHeader.unpack(packed[:length])
        if length >= PREFIX.size:
            version, flags, _ = PREFIX.unpack_from(packed)
            cut = PREFIX.pack(version, flags, length - PREFIX.size) + packed[PREFIX.size : length]
            with pytest.raises(CorruptStream):
                StreamHeader.unpack(cut)
    with pytest.raises(CorruptStream):
        StreamHeader.unpack(PREFIX.pack(header.version, 0, len(packed) - 4) + packed[PREFIX.size :] + b"x")


@given(
    st.sampled_from([HEADER, MIXED, FIRST]),
    st.binary(max_size=120),
    st.integers(0, 200),
    st.integers(0, 255),
)
def test_only_readable_errors_escape(header: StreamHeader, noise: bytes, at: int, value: int) -> None:
    changed = bytearray(header.pack())
    changed[at % len(changed)] = value
    made_up = (PREFIX.pack(version, 0, len(noise)) + noise for version in READABLE)
    for data in (noise, bytes(changed), *made_up):
        try:
            found = StreamHeader.unpack(data)
        except FdegcError:
            continue
        assert StreamHeader.unpack(found.pack()) == found
        assert found.units >= 1
