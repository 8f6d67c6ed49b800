"""Traces that wavelets leave in a picture."""

from __future__ import annotations

import numpy as np
import pytest

from fdegc.coding import jpeg2000
from fdegc.coding.halving import detail_ratio
from tests import scenes


@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("bands", [1, 3])
def test_what_was_jpeg2000_has_few_details_at_odd_samples(levels: int, bands: int) -> None:
    pixels = scenes.photo(128, 128)[:bands]
    packets = jpeg2000.encode_packets(pixels, 8, pixels.size // 20, levels)
    assert packets is not None
    again = jpeg2000.decode_packets(packets, pixels.shape, 8, levels)
    assert detail_ratio(again.astype(np.float32)) < 0.8
    assert detail_ratio(again[:, 1:, 1:].astype(np.float32)) > 1.2


@pytest.mark.parametrize("make", [scenes.photo, scenes.noise, scenes.drawing])
def test_other_pictures_have_as_many_at_even_ones(make) -> None:
    assert 0.95 < detail_ratio(make(192, 192).astype(np.float32)) < 1.05


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 3), (1, 64, 64)])
def test_nothing_is_said_where_there_are_none(shape: tuple[int, int, int]) -> None:
    assert detail_ratio(np.ones(shape, np.float32)) == 1.0
