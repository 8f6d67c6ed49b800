"""Masks of single bands: whatever is missing comes back as missing, nothing else does, and damage is said."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from fdegc.errors import CorruptStream, OutputFailed
from fdegc.format import band_masks
from fdegc.format.band_masks import BandMasksReader, BandMasksWriter
from fdegc.raster_info import Window

WIDTH, HEIGHT, SIDE = 150, 100, 64
TILES = [
    Window(x, y, min(SIDE, WIDTH - x), min(SIDE, HEIGHT - y))
    for y in range(0, HEIGHT, SIDE)
    for x in range(0, WIDTH, SIDE)
]


def coded(missing: np.ndarray) -> bytes:
    writer = BandMasksWriter(len(missing), WIDTH, HEIGHT, SIDE)
    for tile in TILES:
        part = missing[:, tile.rows, tile.cols]
        writer.add(tile, part if part.any() else None)
    return writer.finish()


def test_what_is_missing_comes_back() -> None:
    missing = np.zeros((5, HEIGHT, WIDTH), bool)
    missing[1, 70:, 100:] = True  # not before the last tile
    missing[3] = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.3
    reader = BandMasksReader(coded(missing), 5, WIDTH, HEIGHT, SIDE)
    for window in (*TILES, Window(0, 0, WIDTH, HEIGHT), Window(90, 60, 40, 30)):
        found = reader.read(window)
        assert found is not None
        np.testing.assert_array_equal(found, missing[:, window.rows, window.cols])


def test_nothing_missing_costs_four_bytes_a_band() -> None:
    data = coded(np.zeros((5, HEIGHT, WIDTH), bool))
    assert data == bytes(20)
    assert BandMasksReader(data, 5, WIDTH, HEIGHT, SIDE).read(TILES[0]) is None


def test_malformed_masks_are_refused() -> None:
    missing = np.random.default_rng(0).random((2, HEIGHT, WIDTH)) < 0.5
    data = coded(missing)
    for bad in (b"", data[:7], data[:-1], data + b"x", struct.pack("<2I", 0, 5) + bytes(4)):
        with pytest.raises(CorruptStream, match=r"bands? of the file (are|is) malformed"):
            BandMasksReader(bad, 2, WIDTH, HEIGHT, SIDE)
    broken = bytearray(data)
    broken[30] ^= 255
    with pytest.raises(CorruptStream, match="mask of a band"):
        BandMasksReader(bytes(broken), 2, WIDTH, HEIGHT, SIDE).read(Window(0, 0, WIDTH, HEIGHT))


def test_masks_beyond_the_limit_of_blocks_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(band_masks, "MAX_BLOCK", 3000)
    with pytest.raises(OutputFailed, match="masks of the bands"):
        coded(np.random.default_rng(0).random((2, HEIGHT, WIDTH)) < 0.5)
