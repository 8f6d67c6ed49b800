"""What a file says about its raster: everything comes back, and nonsense with sound checksums is refused."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from fdegc.container import ContainerReader, ContainerWriter
from fdegc.errors import CorruptStream, UnsupportedRaster, UnsupportedStream
from fdegc.header import StreamHeader
from fdegc.metadata import (
    ALPHA,
    BAND_NAMES,
    CRS,
    INTERPRETATION,
    MASK,
    NODATA,
    TAGS,
    TRANSFORM,
    metadata_blocks,
    raster_info,
)
from fdegc.stream import alpha_plane, describe, header_for, mask_plane
from fdegc.types import BandMapping, RasterInfo

HEADER = StreamHeader(150, 100, 2, "uint8", 64, 16, 1024, b"12345678", "lite")
INFO = RasterInfo(
    "a.fdegc", "FDEGC", 150, 100, 2, "uint8", ("a", None), ("red", "undefined"), "LOCAL_CS[\"é\"]",
    (1.0, 0.0, 5.0, 0.0, -1.0, 9.0), 7.0, False, False, {"k": "vé", "": ""},
)  # fmt: skip


def deflated(value: object) -> bytes:
    return zlib.compress(json.dumps(value).encode())


def test_all_facts_come_back() -> None:
    assert raster_info(Path("a.fdegc"), HEADER, metadata_blocks(INFO)) == INFO


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
    def attempt(info: RasterInfo, tile_size: int = 512) -> StreamHeader:
        return header_for(
            info,
            (BandMapping(0.0, 1.0),) * info.bands,
            tile_size=tile_size,
            halo=32,
            quality_steps=1024,
            weights_hash=b"12345678",
            profile="lite",
        )

    assert attempt(INFO).mapping == ()
    with pytest.raises(UnsupportedRaster, match="65 bands"):
        attempt(replace(INFO, bands=65))
    huge = replace(INFO, width=1_000_000, height=1_000_000)
    assert attempt(huge).tiles == 1954**2
    with pytest.raises(UnsupportedRaster, match="larger tiles"):
        attempt(huge, 64)


@pytest.mark.parametrize(("tag", "word"), [(MASK, "validity mask"), (ALPHA, "alpha band")])
def test_a_lost_plane_is_said(tmp_path: Path, tag: bytes, word: str) -> None:
    header = replace(HEADER, has_mask=tag == MASK, has_alpha=tag == ALPHA)
    path = tmp_path / "a.fdegc"
    with ContainerWriter(path, header) as writer:
        for _ in range(header.units):
            writer.add(b"payload")
        writer.commit()
    with ContainerReader(path) as reader:
        with pytest.raises(CorruptStream, match=f"The {word} of a.fdegc is missing"):
            (mask_plane if tag == MASK else alpha_plane)(reader)
        assert (alpha_plane if tag == MASK else mask_plane)(reader) is None
        assert describe(reader).raster.has_mask == (tag == MASK)
