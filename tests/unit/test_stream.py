"""What a file says about its raster: everything comes back, and nonsense with sound checksums is refused."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from fdegc.errors import CorruptStream, OutputFailed, UnsupportedRaster, UnsupportedStream
from fdegc.format.header import StreamHeader
from fdegc.format.info import alpha_plane, band_masks, describe, header_for, mask_plane, outliers
from fdegc.format.metadata import (
    ALPHA,
    ALPHA_BAND,
    BAND_NAMES,
    BAND_NODATA,
    BAND_TAGS,
    CRS,
    DOMAINS,
    EXIF,
    ICC,
    INTERPRETATION,
    MASK,
    MISSING,
    NODATA,
    OUTLIERS,
    PALETTE,
    POINTS,
    SCALES,
    TAGS,
    TRANSFORM,
    UNITS,
    WORDS,
    metadata_blocks,
    raster_info,
)
from fdegc.format.reader import ContainerReader
from fdegc.format.writer import ContainerWriter
from fdegc.raster_info import AlphaBand, GroundControlPoint, RasterInfo, default_colors
from fdegc.types import IDENTITY, BandMapping

RGB = ("red", "green", "blue")
HEADER = StreamHeader(150, 100, 2, "uint8", 64, 16, 1024, b"12345678", "lite")
INFO = RasterInfo(
    "a.fdegc", "FDEGC", 150, 100, 2, "uint8", ("a", None), ("red", "undefined"), "LOCAL_CS[\"é\"]",
    (1.0, 0.0, 5.0, 0.0, -1.0, 9.0), 7.0, False, False, {"k": "vé", "": ""}, (7.0, None), False, True,
    (0.1, 2.0), (-1.0, 0.0), ("m", None), ({"w": "4 µm"}, {}),
    {"RPC": {"LINE_OFF": "5"}, "xml:XMP": {"xml:XMP": "<x/>"}},
    (GroundControlPoint(1.5, 2.0, 3e-7, -4.0, 5.0, "a", "ß"), GroundControlPoint(0.1, 0.2, 0.3, 0.4)),
    "LOCAL_CS[]", AlphaBand(1, "cover", {"a": "b"}), b"profile\0\xff", b"II*\0exif",
)  # fmt: skip


def deflated(value: object) -> bytes:
    return zlib.compress(json.dumps(value).encode())


def test_all_facts_come_back() -> None:
    blocks = metadata_blocks(INFO)
    assert raster_info(Path("a.fdegc"), HEADER, blocks) == INFO
    assert set(blocks) == set(WORDS) - {
        MASK,
        ALPHA,
        MISSING,
        OUTLIERS,
        PALETTE,
    }  # three bands have no palette
    # What is not known costs nothing.
    assert metadata_blocks(RasterInfo("a.tif", "GTiff", 9, 9, 3, "uint8", color_interpretation=RGB)) == {}


def test_nan_is_a_nodata_value() -> None:
    info = replace(INFO, nodata=float("nan"), band_nodata=(float("nan"), -1.0))
    back = raster_info(Path("a.fdegc"), HEADER, metadata_blocks(info))
    assert str(back.nodata_values) == "(nan, -1.0)"


def test_metadata_beyond_the_limit_is_refused_when_writing() -> None:
    with pytest.raises(OutputFailed, match="tags take more than 16 MiB"):
        metadata_blocks(replace(INFO, tags={"k": "x" * (16 << 20)}))


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        (CRS, b"not deflated"),
        (CRS, zlib.compress(b"\xff\xfe")),
        (CRS, zlib.compress(b"LOCAL_CS")[:-2]),
        (TRANSFORM, bytes(47)),
        (TRANSFORM, struct.pack("<6d", 1, 0, float("nan"), 0, 1, 0)),
        (NODATA, bytes(9)),
        (BAND_NAMES, deflated(["a"])),
        (BAND_NAMES, deflated(["a", 1])),
        (BAND_NAMES, deflated({"a": "b"})),
        (BAND_NAMES, deflated(["a", "\ud800"])),
        (BAND_NAMES, zlib.compress(b"[" * 100_000)),
        (INTERPRETATION, deflated("red")),
        (TAGS, deflated(["k"])),
        (TAGS, deflated({"k": 1})),
        (TAGS, zlib.compress(b'{"k": ' + b"9" * 5000 + b"}")),
        (TAGS, zlib.compress(b"\xff")),
        (BAND_NODATA, bytes(9)),
        (BAND_NODATA, bytes(17)),
        (SCALES, bytes(16)),
        (SCALES, struct.pack("<4d", 1, 0, 1, float("inf"))),
        (UNITS, deflated(["m"])),
        (BAND_TAGS, deflated([{}])),
        (BAND_TAGS, deflated([{}, {"a": 1}])),
        (DOMAINS, deflated({"RPC": "x"})),
        (DOMAINS, deflated([])),
        (ALPHA_BAND, deflated({"position": 3, "name": None, "tags": {}})),
        (ALPHA_BAND, deflated({"position": True, "name": None, "tags": {}})),
        (ALPHA_BAND, deflated({"position": 0, "name": 5, "tags": {}})),
        (ALPHA_BAND, deflated({"position": 0})),
        (POINTS, deflated([])),
        (POINTS, deflated({"crs": 5, "points": []})),
        (POINTS, deflated({"crs": None, "points": [[1, 2, 3, 4, 5, ""]]})),
        (POINTS, deflated({"crs": None, "points": [[1, 2, 3, 4, "5", "", ""]]})),
        (POINTS, deflated({"crs": None, "points": [[1, 2, 3, 4, True, "", ""]]})),
        (POINTS, zlib.compress(b'{"crs": null, "points": [[1, 2, 3, 4, NaN, "", ""]]}')),
        (POINTS, zlib.compress(b'{"crs": null, "points": [[1, 2, 3, 4, 1e999, "", ""]]}')),
        (POINTS, zlib.compress(b'{"crs": null, "points": [[1, 2, 3, 4, 1' + b"0" * 400 + b', "", ""]]}')),
        (ICC, b"not deflated"),
        (EXIF, zlib.compress(b"exif")[:-1]),
    ],
)
def test_malformed_metadata_is_refused(tag: bytes, data: bytes) -> None:
    with pytest.raises(CorruptStream, match="malformed"):
        raster_info(Path("a.fdegc"), HEADER, {tag: data})


def test_a_bomb_of_metadata_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(200 << 20), 9)
    tracemalloc.start()
    with pytest.raises(CorruptStream, match="larger"):
        raster_info(Path("a.fdegc"), HEADER, {TAGS: bomb})
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()


def test_what_must_be_understood_is_asked_for() -> None:
    with pytest.raises(UnsupportedStream, match="WHAT"):
        raster_info(Path("a.fdegc"), HEADER, {b"WHAT": b""})
    assert raster_info(Path("a.fdegc"), HEADER, {b"wHAT": b""}).bands == 2


def test_rasters_beyond_the_limits_are_refused() -> None:
    def attempt(
        info: RasterInfo, tile_size: int = 512, mapping: tuple[BandMapping] = (IDENTITY,)
    ) -> StreamHeader:
        return header_for(
            info,
            mapping * info.bands,
            tile_size=tile_size,
            halo=32,
            quality_steps=1024,
            weights_hash=b"12345678",
            profile="lite",
        )

    assert attempt(INFO).mapping == ()
    narrow = BandMapping(0.0, 100.0)
    header = attempt(INFO, mapping=(narrow,))
    assert header.mapping == StreamHeader.unpack(header.pack()).mapping == (narrow,) * INFO.bands
    with pytest.raises(UnsupportedRaster, match="65 bands"):
        attempt(replace(INFO, bands=65))
    huge = replace(INFO, width=1_000_000, height=1_000_000)
    assert attempt(huge).tiles == 1954**2
    with pytest.raises(UnsupportedRaster, match="larger tiles"):
        attempt(huge, 64)


PLANES = {MASK: mask_plane, ALPHA: alpha_plane, MISSING: band_masks, OUTLIERS: outliers}


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        (MASK, "validity mask of “a.fdegc” is"),
        (ALPHA, "alpha band of “a.fdegc” is"),
        (MISSING, "bands of “a.fdegc” are"),
        (OUTLIERS, "outliers of “a.fdegc” are"),
    ],
)
def test_a_lost_plane_is_said(tmp_path: Path, tag: bytes, words: str) -> None:
    header = replace(
        HEADER,
        has_mask=tag == MASK,
        has_alpha=tag == ALPHA,
        has_band_masks=tag == MISSING,
        has_outliers=tag == OUTLIERS,
    )
    path = tmp_path / "a.fdegc"
    with ContainerWriter(path, header) as writer:
        for _ in range(header.units):
            writer.add(b"payload")
        writer.commit()
    with ContainerReader(path) as reader:
        with pytest.raises(CorruptStream, match=f"{words} missing"):
            PLANES[tag](reader)
        assert all(plane(reader) is None for other, plane in PLANES.items() if other != tag)
        raster = describe(reader).raster
        assert (raster.has_mask, raster.has_band_masks) == (tag == MASK, tag == MISSING)


@pytest.mark.parametrize("bands", [1, 2, 3, 7])
def test_bands_nobody_has_described_need_no_block(bands: int) -> None:
    info = RasterInfo("", "MEM", 8, 8, bands, "uint8", color_interpretation=default_colors(bands))
    assert metadata_blocks(info) == {}
    said = replace(info, color_interpretation=("undefined",) * bands)
    assert list(metadata_blocks(said)) == [b"cINT"]
