"""Tiles that need no network: whatever their payload is, it becomes a tile, or an error in words."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdegc.codec.forms import PACKETS, Form
from fdegc.codec.ways import PlainWays
from fdegc.coding import colours, exact, jpeg2000
from fdegc.coding.component_transform import ComponentTransform, fit
from fdegc.control import never
from fdegc.errors import CorruptStream, FdegcError, UnsupportedStream
from fdegc.format.header import StreamHeader
from fdegc.format.kinds import (
    UnitKind,
    pack_fidelity,
    pack_quality,
    unpack_fidelity,
    unpack_quality,
    ways_of,
)
from fdegc.raster_info import DTYPES
from fdegc.types import BandMapping

HEIGHT, WIDTH, BANDS = 20, 30, 2
WAVELETS = (UnitKind.JPEG2000, *PACKETS)


def header_of(dtype: str) -> StreamHeader:
    mapping = () if dtype == "uint8" else (BandMapping(0.0, 100.0),) * BANDS
    return StreamHeader(WIDTH, HEIGHT, BANDS, dtype, 64, 16, 1024, bytes(8), "lite", mapping)


def tile(dtype: str) -> np.ndarray:
    ramp = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))
    return np.stack([ramp % 7, ramp // 3 % 40]).astype(dtype)


def known() -> np.ndarray:
    found = np.ones((BANDS, HEIGHT, WIDTH), bool)
    found[:, 3:9, 4:20] = False
    return found


def transform_of(dtype: str) -> ComponentTransform:
    unit = (tile(dtype) / 255).astype(np.float32)
    return fit(unit, np.full(BANDS, 100.0), None, np.full(BANDS, 100.0), 1e-4)[0]


def payloads(dtype: str, mask: np.ndarray | None = None) -> dict[UnitKind, bytes]:
    """A sound payload of every kind that a type has."""
    ways, pixels = PlainWays(header_of(dtype)), tile(dtype)
    found = {UnitKind.EXACT: exact.encode(pixels, 0.0, mask, never)}
    packets = ways.jpeg2000((pixels / 255).astype(np.float32), 300)
    assert packets.kind == UnitKind.PACKETS
    bits = 8 if dtype == "uint8" else 7 if np.dtype(dtype).kind in "iu" else 16
    found[UnitKind.PACKETS] = packets.payload
    deep = ways.jpeg2000((pixels / 255).astype(np.float32), 300, Form(jpeg2000.all_levels(HEIGHT, WIDTH)))
    assert deep.kind == UnitKind.DEEP_PACKETS and deep.payload != packets.payload
    found[UnitKind.DEEP_PACKETS] = deep.payload
    components = ways.jpeg2000((pixels / 255).astype(np.float32), 300, Form(transform=transform_of(dtype)))
    assert components.kind == UnitKind.COMPONENTS
    found[UnitKind.COMPONENTS] = components.payload
    stated = ways.jpeg2000((pixels / 255).astype(np.float32), 300, Form(1, transform_of(dtype)))
    assert stated.kind == UnitKind.STATED
    found[UnitKind.STATED] = stated.payload
    samples = np.rint(pixels / 255 * ((1 << bits) - 1)).astype(np.uint8 if bits <= 8 else np.uint16)
    found[UnitKind.JPEG2000] = jpeg2000.encode(samples, bits, 400)
    if np.dtype(dtype).kind in "iu":
        classes = colours.encode(pixels, mask, never)
        assert classes is not None
        found[UnitKind.CLASSES] = classes
    return found


def decode(dtype: str, kind: int, payload: bytes, mask: np.ndarray | None = None) -> np.ndarray:
    found = PlainWays(header_of(dtype)).decode(kind, payload, HEIGHT, WIDTH, mask)
    assert found.shape == (BANDS, HEIGHT, WIDTH) and found.dtype == dtype
    return found


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(dtype: str, masked: bool) -> None:
    mask = known() if masked else None
    counted = np.ones((BANDS, HEIGHT, WIDTH), bool) if mask is None else mask
    for kind, payload in payloads(dtype, mask).items():
        lossy = kind in WAVELETS
        found = decode(dtype, kind, payload, None if lossy else mask)
        if not lossy:
            assert np.array_equal(found[counted], tile(dtype)[counted])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_every_cut_is_refused_or_harmless(dtype: str) -> None:
    for kind, payload in payloads(dtype).items():
        sound = decode(dtype, kind, payload)
        for length in range(0, len(payload), 7):
            try:
                found = decode(dtype, kind, payload[:length])
            except CorruptStream:
                continue
            assert kind in WAVELETS or np.array_equal(found, sound)


def test_what_cannot_be_rebuilt_is_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """An OpenJPEG of other steps of quantization writes tiles of the kind that earlier files have."""
    ways, unit = PlainWays(header_of("uint8")), (tile("uint8") / 255).astype(np.float32)
    kept = ways.jpeg2000(unit, 300)
    monkeypatch.setattr(jpeg2000, "_LOWEST", (0x4801,) * 6)
    found = ways.jpeg2000(unit, 300)
    assert (kept.kind, found.kind) == (UnitKind.PACKETS, UnitKind.JPEG2000)
    # Nothing else holds components: then it is the bands.
    of_components = ways.jpeg2000(unit, 300, Form(transform=transform_of("uint8")))
    assert (of_components.kind, of_components.payload) == (found.kind, found.payload)
    monkeypatch.undo()
    assert np.array_equal(decode("uint8", found.kind, found.payload), found.pixels)


SOUND = {dtype: payloads(dtype) for dtype in ("uint8", "int16", "float32", "float64")}


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_changed_payloads_are_refused_or_of_the_shape(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(sorted(SOUND)))
    kind = data.draw(st.sampled_from(sorted(SOUND[dtype])))
    changed = bytearray(SOUND[dtype][kind])
    for _ in range(data.draw(st.integers(1, 4))):
        # What comes first says most.
        at = data.draw(st.integers(0, min(len(changed) - 1, data.draw(st.sampled_from([8, 40, 4000])))))
        changed[at] = data.draw(st.integers(0, 255))
    mask = known() if data.draw(st.booleans()) else None
    try:
        decode(dtype, kind, bytes(changed), mask)
    except CorruptStream:
        pass


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(DTYPES), st.integers(0, 255), st.binary(max_size=80))
def test_any_payload_of_any_kind(dtype: str, kind: int, payload: bytes) -> None:
    try:
        decode(dtype, kind, payload)
    except FdegcError as error:
        assert str(error).endswith(".")
        assert isinstance(error, UnsupportedStream) == (kind not in set(UnitKind) - {0})


def test_unknown_kinds_are_named() -> None:
    with pytest.raises(UnsupportedStream, match=r"does not know \(77\): update FDEGC\."):
        decode("uint8", 77, b"")
    with pytest.raises(CorruptStream, match="no payload"):
        decode("uint8", UnitKind.NOTHING, b"")


@pytest.mark.parametrize("count", [0, 4097, 65535])
def test_numbers_of_colours_have_limits(count: int) -> None:
    payload = struct.pack("<HI", count, 10) + bytes(10)
    with pytest.raises(CorruptStream, match="number of colours"):
        decode("uint8", UnitKind.CLASSES, payload)


def test_a_bomb_of_colours_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    tracemalloc.start()
    with pytest.raises(CorruptStream):
        decode("uint8", UnitKind.CLASSES, struct.pack("<HI", 4096, len(bomb)) + bomb)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_exact_tiles_of_another_type_are_refused() -> None:
    made = {dtype: payloads(dtype)[UnitKind.EXACT] for dtype in DTYPES}
    for dtype, payload in made.items():
        for other in DTYPES:
            if np.dtype(dtype).kind in "iu" and np.dtype(other).kind == "f":
                with pytest.raises(CorruptStream):
                    decode(other, UnitKind.EXACT, payload)
                with pytest.raises(CorruptStream):
                    decode(dtype, UnitKind.EXACT, made[other])
    for way in range(3, 256):
        with pytest.raises(CorruptStream):
            decode("float64", UnitKind.EXACT, bytes([way]) + made["float64"][1:])
    with pytest.raises(CorruptStream, match="impossible bound"):
        decode("uint8", UnitKind.EXACT, b"\0" + b"\xff" * 4 + made["uint8"][5:])


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_forms_of_packets_come_back_from_payloads(bands: int) -> None:
    """Every number of levels, with bands as they are, mixed or transformed; no more bytes than need be."""
    header = replace(header_of("uint8"), bands=bands)
    ways, every = PlainWays(header), jpeg2000.all_levels(HEIGHT, WIDTH)
    unit = np.resize(tile("uint8") / 50, (bands, HEIGHT, WIDTH)).astype(np.float32)
    centred = ways.centred(unit, [1.0] * bands, 1e-4, None)
    kinds: list[UnitKind] = []
    for levels in range(every + 1):
        for form in (Form(levels), Form(levels, colours=False), Form(levels, centred)):
            made = ways.jpeg2000(unit, 300, form)
            found, packets = Form.of(made.kind, made.payload, bands, HEIGHT, WIDTH)
            kind, head = form.said(bands, HEIGHT, WIDTH)
            assert kind == made.kind and made.payload == head + packets and found.levels == levels
            assert (found.transform is None) == (form.transform is None)
            assert bands != 3 or form.transform is not None or found.colours == form.colours
            assert (kind == UnitKind.STATED) == (len(head) in (1, 1 + len(centred.pack(False))))
            again = ways.decode(kind, made.payload, HEIGHT, WIDTH)
            assert made.pixels is not None and np.array_equal(again, made.pixels)
            assert np.square(again / 255 - unit).mean() < 0.01
            kinds.append(kind)
    usual = jpeg2000.usual_levels(HEIGHT, WIDTH)
    assert kinds[3 * usual] == UnitKind.PACKETS and kinds[3 * every] == UnitKind.DEEP_PACKETS
    assert kinds[3 * usual + 2] == kinds[3 * every + 2] == UnitKind.COMPONENTS
    assert set(kinds[:3]) == {UnitKind.STATED}


@pytest.mark.parametrize("bands", [1, 3])
def test_forms_that_cannot_be_are_refused_before_packets_are_read(
    bands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways, every = PlainWays(replace(header_of("uint8"), bands=bands)), jpeg2000.all_levels(HEIGHT, WIDTH)
    unit = np.resize(tile("uint8") / 50, (bands, HEIGHT, WIDTH)).astype(np.float32)
    sound = ways.jpeg2000(unit, 300, Form(0, ways.centred(unit, [1.0] * bands, 1e-4, None))).payload
    read: list[bytes] = []
    monkeypatch.setattr(jpeg2000, "decode_packets", lambda *args, **_: read.append(args[0]))
    for first in range(256):
        levels, mixed, transformed = first & 7, bool(first & 8), bool(first & 16)
        if first < 32 and levels <= every and not (mixed and (transformed or bands != 3)):
            continue
        with pytest.raises(CorruptStream, match="form of JPEG 2000"):
            ways.decode(UnitKind.STATED, bytes([first]) + sound[1:], HEIGHT, WIDTH)
    with pytest.raises(CorruptStream, match="form of JPEG 2000"):
        ways.decode(UnitKind.STATED, b"", HEIGHT, WIDTH)
    with pytest.raises(CorruptStream, match="twice"):
        ways.decode(UnitKind.STATED, sound[:1] + bytes([sound[1] | 0x10]) + sound[2:], HEIGHT, WIDTH)
    for length in range(1, 4 + bands):
        with pytest.raises(CorruptStream, match="cut off"):
            ways.decode(UnitKind.STATED, sound[:length], HEIGHT, WIDTH)
    assert not read


# ------------------------------------------------------------------ what the index says of tiles


@given(st.floats(0.4, 84.0))
def test_fidelities_are_rounded_down_to_thirds(psnr: float) -> None:
    found = unpack_fidelity(pack_fidelity(psnr))
    assert found is not None and 0 <= psnr - found < 1 / 3 + 1e-9


def test_ends_of_the_scales() -> None:
    assert unpack_fidelity(pack_fidelity(None)) is None and pack_fidelity(float("nan")) == 0
    assert unpack_fidelity(pack_fidelity(float("inf"))) == float("inf")
    assert pack_fidelity(-20.0) == 1 and pack_fidelity(500.0) == 254
    assert unpack_quality(pack_quality(None), 3.7) == 3.7
    assert [unpack_quality(pack_quality(steps), 3.7) for steps in (0, 32, 160, 200)] == [1.0, 2.0, 6.0, 6.0]
    found = ways_of([0, 0, 2, 4, 1, 99, 5])
    assert found == {"network": 2, "empty": 1, "jpeg2000": 2, "classes": 1, "unknown": 1}


def test_floats_of_few_values_in_areas_are_tried_without_loss() -> None:
    random = np.random.default_rng(5)
    heights = np.zeros((BANDS, 120, 130), np.float32)
    for value in random.gamma(3, 3, 40):
        y, x = random.integers(0, 110, 2)
        heights[0, y : y + 12, x : x + 9], heights[1, y : y + 7, x : x + 4] = value, -value
    ways, mask = PlainWays(header_of("float32")), np.ones(heights.shape, bool)
    (found,) = ways.exact_if(heights, None, 2000.0, 2000.0, never)
    assert len(found.payload) < 1000
    heights[0, :7, :9], mask[0, :7, :9] = np.nan, False
    (found,) = ways.exact_if(heights, mask, 2000.0, 2000.0, never)
    back = ways.decode(found.kind, found.payload, 120, 130, mask)
    np.testing.assert_array_equal(back[mask], heights[mask])
    assert not [*ways.exact_if(heights, mask, 100.0, 100.0, never)]
    noise = random.normal(0, 1, heights.shape).astype(np.float32)
    assert not [*ways.exact_if(noise, None, 1e9, 1e9, never)]
