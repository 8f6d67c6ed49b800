"""JPEG 2000 codestreams of tiles: ours come back, all others are refused before anything decodes them."""

from __future__ import annotations

import struct
import threading
import time
from io import BytesIO

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.io import MemoryFile

from fdegc.coding import jpeg2000
from fdegc.errors import CorruptStream

SHAPE = (3, 90, 120)
QCD, COM, SOT, SOD, EOC = b"\xff\x5c", b"\xff\x64", b"\xff\x90", b"\xff\x93", b"\xff\xd9"


def picture(components: int, height: int, width: int, bits: int = 8) -> jpeg2000.Integers:
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / (9 + band)) * np.cos(y / 7) for band in range(components)])
    return ((waves + 1) / 2 * ((1 << bits) - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


@pytest.fixture(scope="module")
def sound() -> bytes:
    return jpeg2000.encode(picture(*SHAPE), 8, 1500)


@pytest.mark.parametrize(
    ("shape", "bits"),
    [
        (SHAPE, 8),
        ((1, 64, 64), 8),
        ((1, 1, 1), 8),
        ((2, 3, 200), 5),
        ((3, 200, 1), 1),
        ((4, 65, 33), 12),
        ((7, 64, 128), 16),
        ((64, 20, 20), 16),
        ((1, 1, 2048), 8),
        ((1, 20, 1344), 8),
        ((1, 1025, 1025), 8),
        ((3, 2048, 1999), 8),
        ((1, 2048, 2048), 12),
    ],
)
def test_round_trip(shape: tuple[int, int, int], bits: int, caplog: pytest.LogCaptureFixture) -> None:
    samples = picture(*shape, bits=bits)
    size = samples.nbytes // 2
    data = jpeg2000.encode(samples, bits, size)
    found = jpeg2000.decode(data, shape, bits)
    assert found.shape == shape and found.dtype == samples.dtype
    assert len(data) <= size + 150 + 30 * shape[0]
    assert np.abs(found.astype(float) - samples).mean() <= 0.06 * ((1 << bits) - 1)
    assert int(found.max()) < 1 << bits
    assert not caplog.records, "whatever GDAL says would reach the user"


SHAPES = [
    SHAPE,
    (1, 1, 1),
    (2, 1, 9),
    (2, 5, 7),
    (3, 8, 9),
    (1, 16, 31),
    (4, 33, 70),
    (3, 128, 255),
    (1, 256, 300),
]


@pytest.mark.parametrize("shape", [*SHAPES, (2, 20, 1344), (3, 1025, 1030)])
@pytest.mark.parametrize("bits", [1, 2, 5, 7, 8, 9, 12, 15, 16])
def test_all_but_the_packets_follows_from_the_shape(
    bits: int, shape: tuple[int, int, int], caplog: pytest.LogCaptureFixture
) -> None:
    """Packets come back from files, and the frame that is put around them is what OpenJPEG wrote."""
    samples = picture(*shape, bits=bits)
    size = samples.size * bits // 24 + 20
    packets = jpeg2000.encode_packets(samples, bits, size)
    assert packets is not None
    # A packet a component and resolution takes a byte at least.
    assert len(packets) <= max(size, 30 + 12 * shape[0])
    found = jpeg2000.decode_packets(packets, shape, bits)
    assert found.shape == shape and found.dtype == samples.dtype
    if samples.size > 200:
        assert np.abs(found.astype(float) - samples).mean() <= 0.06 * ((1 << bits) - 1)
    data = jpeg2000.restore(packets, shape, bits)
    assert data.startswith(b"\xff\x4f\xff\x51") and data.endswith(packets + EOC)
    assert jpeg2000.strip(data, shape, bits) == packets
    assert not caplog.records, "whatever GDAL says would reach the user"


def test_restored_headers_are_those_of_openjpeg() -> None:
    """Bit for bit, of every number of halvings; what differs is never stripped."""
    for bits in range(1, 17):
        for shape in SHAPES:
            data = jpeg2000.encode(picture(*shape, bits=bits), bits, 1000)
            every = jpeg2000.all_levels(*shape[1:])
            packets = jpeg2000.strip(data, shape, bits, every)
            assert packets is not None and jpeg2000.restore(packets, shape, bits, every) == data
            assert (jpeg2000.strip(data, shape, bits) is None) == (every != jpeg2000.usual_levels(*shape[1:]))


def test_what_does_not_follow_is_not_stripped(sound: bytes) -> None:
    """Of another OpenJPEG, which quantizes otherwise, the whole codestream is kept."""
    packets = jpeg2000.encode_packets(picture(*SHAPE), 8, 1500)
    assert packets is not None
    data = jpeg2000.restore(packets, SHAPE, 8)
    assert jpeg2000.strip(sound, SHAPE, 8) is None and jpeg2000.strip(data, SHAPE, 8) == packets
    qcd = data.index(QCD)
    for at in (qcd + 4, qcd + 6, len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 0x40
        assert jpeg2000.strip(bytes(changed), SHAPE, 8) is None
    assert jpeg2000.strip(data, (3, 90, 121), 8) is None
    for cut in (b"", data[:40], data[:-1]):
        assert jpeg2000.strip(cut, SHAPE, 8) is None


@settings(deadline=None, max_examples=60)
@given(packets=st.binary(max_size=400), bits=st.integers(1, 16))
def test_any_packets_are_a_picture_of_the_shape_or_refused(packets: bytes, bits: int) -> None:
    for shape in (SHAPE, (1, 3, 1), (5, 33, 20)):
        try:
            found = jpeg2000.decode_packets(packets, shape, bits)
        except CorruptStream as error:
            assert str(error) == "The JPEG 2000 codestream of a tile cannot be decoded."
            continue
        assert found.shape == shape and int(found.max()) < 1 << bits


def test_more_bytes_are_better() -> None:
    samples = picture(*SHAPE)
    errors = []
    for size in (300, 1000, 4000):
        data = jpeg2000.encode(samples, 8, size)
        assert len(data) <= size + 30
        errors.append(np.square(jpeg2000.decode(data, SHAPE, 8).astype(float) - samples).mean())
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("shape", "bits"),
    [
        (SHAPE, 8),
        ((1, 64, 64), 8),
        ((3, 20, 1344), 8),
        ((2, 13, 200), 5),
        ((4, 300, 260), 12),
        ((1, 65, 33), 16),
    ],
)
def test_a_ladder_says_what_codestreams_of_its_sizes_lose(shape: tuple[int, int, int], bits: int) -> None:
    rough = np.random.default_rng(1).normal(0, 0.05 * (1 << bits), shape)
    samples = np.clip(picture(*shape, bits) + rough, 0, (1 << bits) - 1).astype(picture(*shape, bits).dtype)
    base = samples.size * bits // 80
    ladder = jpeg2000.Ladder(samples, bits, [round(base * 1.25**k) for k in range(-6, 7)])
    assert len(ladder.sizes) == 13 and list(ladder.sizes) == sorted(ladder.sizes)

    def loss(found: jpeg2000.Integers) -> float:
        return float(np.square(found.astype(float) - samples).mean())

    for number, size in enumerate(ladder.sizes):
        found = ladder.decode(number)
        assert found.shape == shape and found.dtype == samples.dtype
        alone = []
        for count in (size + 20 + size // 20, size - 20 - size // 20):
            packets = jpeg2000.encode_packets(samples, bits, max(count, 1))
            assert packets is not None
            alone.append(loss(jpeg2000.decode_packets(packets, shape, bits)))
        assert alone[0] <= loss(found) <= alone[1]


def test_a_ladder_leaves_out_what_makes_no_difference() -> None:
    ladder = jpeg2000.Ladder(np.full((3, 1, 1), 7, np.uint8), 8, [10, 20, 40, 80])
    assert 1 <= len(ladder.sizes) < 4
    assert ladder.decode(len(ladder.sizes) - 1).shape == (3, 1, 1)


def test_no_comment_tells_who_made_it(sound: bytes) -> None:
    assert COM not in sound[: sound.index(SOT)] and b"OpenJPEG" not in sound


@pytest.mark.parametrize(
    ("shape", "bits"),
    [
        ((3, 90, 121), 8),
        ((3, 91, 120), 8),
        ((3, 120, 90), 8),
        ((1, 90, 120), 8),
        ((4, 90, 120), 8),
        (SHAPE, 7),
        (SHAPE, 9),
        (SHAPE, 16),
    ],
)
def test_another_size_or_depth_is_refused(sound: bytes, shape: tuple[int, int, int], bits: int) -> None:
    with pytest.raises(CorruptStream, match="another shape"):
        jpeg2000.decode(sound, shape, bits)


def foreign(**options: str) -> bytes:
    """Codestream of the same picture with other options, without comments."""
    profile = {
        "CODEC": "J2K", "REVERSIBLE": "NO", "QUALITY": "10", "RESOLUTIONS": "6", "PRECINCTS": "",
        "YCC": "YES", "BLOCKXSIZE": "2048", "BLOCKYSIZE": "2048",
    }  # fmt: skip
    with MemoryFile() as file:
        with file.open(
            driver="JP2OpenJPEG", width=120, height=90, count=3, dtype="uint8",
            transform=rasterio.Affine(2, 0, 0, 0, -2, 0), **(profile | options),
        ) as dataset:  # fmt: skip
            dataset.write(picture(*SHAPE))
        data = bytes(file.getbuffer())
    return without_comments(data)


def without_comments(data: bytes) -> bytes:
    while COM in data[: data.index(SOT)]:
        at = data.index(COM)
        data = data[:at] + data[at + 2 + struct.unpack_from(">H", data, at + 2)[0] :]
    return data


def test_what_the_same_options_make_is_ours() -> None:
    assert jpeg2000.decode(foreign(), SHAPE, 8).shape == SHAPE


@pytest.mark.parametrize(
    "options",
    [
        {"REVERSIBLE": "YES", "QUALITY": "100"},
        {"PRECINCTS": "{64,64},{64,64}"},
        {"RESOLUTIONS": "3"},
        {"QUALITY": "5,10"},  # layers
        {"YCC": "NO"},
        {"SOP": "YES"},
        {"EPH": "YES"},
        {"PROGRESSION": "RPCL"},
        {"CODEBLOCK_WIDTH": "32"},
        {"CODEBLOCK_STYLE": "BYPASS"},
        {"BLOCKXSIZE": "64", "BLOCKYSIZE": "64"},
        {"NBITS": "7"},
        {"TLM": "YES"},
        {"PLT": "YES"},
    ],
)
def test_other_codestreams_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(CorruptStream):
        jpeg2000.decode(foreign(**options), SHAPE, 8)


def test_other_kinds_of_files_are_refused() -> None:
    image = Image.fromarray(np.moveaxis(picture(*SHAPE), 0, 2))
    for kind in ("JPEG2000", "PNG", "TIFF", "JPEG"):
        data = BytesIO()
        image.save(data, kind)
        with pytest.raises(CorruptStream):
            jpeg2000.decode(data.getvalue(), SHAPE, 8)
    for junk in (b"", b"\xff", b"\xff\x4f", b"<VRTDataset/>", bytes(1000), b"\xff\x4f" * 500):
        with pytest.raises(CorruptStream):
            jpeg2000.decode(junk, SHAPE, 8)


def test_extra_markers_are_refused(sound: bytes) -> None:
    at, qcd = sound.index(SOT), sound.index(QCD)
    quantization = sound[qcd:at]
    comment = COM + struct.pack(">HH", 6, 1) + b"hi"
    for place in (2, qcd, at):
        with pytest.raises(CorruptStream):
            jpeg2000.decode(sound[:place] + comment + sound[place:], SHAPE, 8)
    for more in (quantization, b"\xff\x5d" + struct.pack(">HBB", 4, 0, 0), b"\xff\x30\x00\x00"):
        with pytest.raises(CorruptStream):
            jpeg2000.decode(sound[:at] + more + sound[at:], SHAPE, 8)
    with pytest.raises(CorruptStream):
        jpeg2000.decode(sound[:qcd] + sound[at:], SHAPE, 8)
    # Nothing in the header of the tile-part, no second tile-part, no bytes behind the end.
    data = sound.index(SOD)
    with pytest.raises(CorruptStream):
        jpeg2000.decode(sound[:data] + comment + sound[data:], SHAPE, 8)
    with pytest.raises(CorruptStream):
        jpeg2000.decode(sound[:-2] + sound[at:], SHAPE, 8)
    with pytest.raises(CorruptStream):
        jpeg2000.decode(sound + b"x", SHAPE, 8)


@pytest.mark.parametrize(
    ("field", "value"),
    [(4, b"\x00\x01"), (6, bytes(4)), (6, b"\xff" * 4), (10, b"\x01"), (11, b"\x00"), (11, b"\x02")],
)
def test_tile_parts_are_as_ours(sound: bytes, field: int, value: bytes) -> None:
    at = sound.index(SOT) + field
    with pytest.raises(CorruptStream):
        jpeg2000.decode(sound[:at] + value + sound[at + len(value) :], SHAPE, 8)


def test_every_truncation_is_refused(sound: bytes) -> None:
    with pytest.raises(CorruptStream):
        jpeg2000.decode(sound[:-1], SHAPE, 8)
    for length in range(len(sound) - 2):
        with pytest.raises(CorruptStream):
            jpeg2000.decode(sound[:length], SHAPE, 8)
        with pytest.raises(CorruptStream):
            jpeg2000.decode(sound[:length] + EOC, SHAPE, 8)


def test_every_byte_of_the_headers_is_checked(sound: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What remains of a changed header asks the library for no more than the shape."""
    opened: list[bytes] = []

    def decoder(data: bytes, **_: object) -> None:
        opened.append(data)
        raise rasterio.errors.RasterioError

    monkeypatch.setattr("rasterio.io.MemoryFile", decoder)
    end = sound.index(SOD) + 2
    free = set()
    for at in range(end):
        for bits in (1, 2, 4, 8, 16, 32, 64, 128):
            changed = bytearray(sound)
            changed[at] ^= bits
            opened.clear()
            with pytest.raises(CorruptStream):
                jpeg2000.decode(bytes(changed), SHAPE, 8)
            if opened:
                free.add((at, bits))
    siz, qcd = sound.index(b"\xff\x51"), sound.index(QCD)
    # The profile, guard bits, and steps of quantization.
    every = {
        (at, 1 << bit) for at in (siz + 4, siz + 5, *range(qcd + 5, sound.index(SOT))) for bit in range(8)
    }
    assert free == every | {(qcd + 4, 1 << bit) for bit in (5, 6, 7)}


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_damaged_data_decode_to_something_or_are_refused(sound: bytes, data: st.DataObject) -> None:
    """Behind the headers any bytes may stand: they become pixels of the shape, or an error in words."""
    start = sound.index(QCD) + 5
    changed = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 20))):
        at = data.draw(st.integers(start, len(sound) - 3))
        changed[at] = data.draw(st.integers(0, 255))
    try:
        found = jpeg2000.decode(bytes(changed), SHAPE, 8)
    except CorruptStream:
        return
    assert found.shape == SHAPE and found.dtype == np.uint8


@settings(deadline=None, max_examples=60)
@given(payload=st.binary(max_size=400))
def test_any_data_in_a_sound_frame(sound: bytes, payload: bytes) -> None:
    at = sound.index(SOT)
    tile = struct.pack(">HHHIBBH", 0xFF90, 10, 0, len(payload) + 14, 0, 1, 0xFF93)
    try:
        found = jpeg2000.decode(sound[:at] + tile + payload + EOC, SHAPE, 8)
    except CorruptStream:
        return
    assert found.shape == SHAPE


def test_other_threads_go_on_while_a_picture_is_encoded() -> None:
    """The longest that a thread waits for Python's lock is a fraction of the time that encoding takes."""
    noise = np.random.default_rng(2).integers(0, 256, (3, 1536, 1536), np.uint8)
    worker = threading.Thread(target=jpeg2000.encode_packets, args=(noise, 8, 500_000))
    start = last = time.perf_counter()
    longest = 0.0
    worker.start()
    while worker.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        last, longest = now, max(longest, now - last)
    assert longest < (last - start) / 2


def test_an_environment_serves_all_within_and_is_gone_afterwards() -> None:
    samples = np.random.default_rng(0).integers(0, 256, (3, 40, 50), np.uint8)
    alone = jpeg2000.encode_packets(samples, 8, 900)
    assert alone is not None and not rasterio.env.hasenv()
    with jpeg2000.environment():
        made = rasterio.env.getenv()
        with jpeg2000.environment():
            assert rasterio.env.getenv() == made and made["GDAL_NUM_THREADS"] == "1"
        assert jpeg2000.encode_packets(samples, 8, 900) == alone
        decoded = jpeg2000.decode_packets(alone, samples.shape, 8)
        with pytest.raises(CorruptStream):
            jpeg2000.decode(b"", samples.shape, 8)
        assert rasterio.env.getenv() == made
    assert not rasterio.env.hasenv()
    assert np.array_equal(jpeg2000.decode_packets(alone, samples.shape, 8), decoded)
