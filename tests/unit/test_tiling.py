"""The tile plan and padding by reflection."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fdegc.codec.tiling import TilePlan, align, reflect_pad
from fdegc.raster_info import Window

plans = st.builds(
    lambda w, h, tile, halo: TilePlan(w, h, 64 * tile, min(16 * halo, 64 * tile)),
    st.integers(1, 900),
    st.integers(1, 900),
    st.integers(1, 6),
    st.integers(0, 5),
)


def overlap(a: Window, b: Window) -> bool:
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


def test_align() -> None:
    assert [align(n) for n in (1, 15, 16, 17)] == [16, 16, 16, 32]


@given(plans)
def test_tiles_partition_the_scene(plan: TilePlan) -> None:
    count = np.zeros((plan.height, plan.width), np.uint8)
    padded = np.zeros((plan.padded_height, plan.padded_width), np.uint8)
    for index in range(len(plan)):
        window, tile = plan.window(index), plan.padded_window(index)
        count[window.rows, window.cols] += 1
        padded[tile.rows, tile.cols] += 1
        assert (tile.x, tile.y) == (window.x, window.y)
        assert tile.width % 16 == tile.height % 16 == 0
        assert 0 <= tile.width - window.width < 16
        assert 0 <= tile.height - window.height < 16
    assert (count == 1).all() and (padded == 1).all()


@given(plans)
def test_context_windows(plan: TilePlan) -> None:
    for index in range(len(plan)):
        tile, context = plan.padded_window(index), plan.context_window(index)
        assert not any(n % 16 for n in (context.x, context.y, context.width, context.height))
        assert context.x == max(tile.x - plan.halo, 0)
        assert context.y + context.height == min(tile.y + tile.height + plan.halo, plan.padded_height)
        # every pixel of the context belongs to a neighbour
        neighbours = plan.neighbours(index)
        assert index in neighbours and neighbours == sorted(neighbours)
        covered = np.zeros((plan.padded_height, plan.padded_width), bool)
        for other in neighbours:
            window = plan.padded_window(other)
            covered[window.rows, window.cols] = True
        assert covered[context.rows, context.cols].all()


@given(plans, st.data())
def test_tiles_of_a_window(plan: TilePlan, data: st.DataObject) -> None:
    x = data.draw(st.integers(0, plan.width - 1))
    y = data.draw(st.integers(0, plan.height - 1))
    width = data.draw(st.integers(1, plan.width - x))
    window = Window(x, y, width, data.draw(st.integers(1, plan.height - y)))
    everything = range(len(plan))
    touching = [i for i in everything if overlap(plan.window(i), window)]
    assert plan.touching(window) == touching
    contexts = [plan.context_window(i) for i in touching]
    reached = {i for i in everything if any(overlap(plan.padded_window(i), c) for c in contexts)}
    needed = plan.needed(touching)
    assert reached <= set(needed) and needed == sorted(set(needed))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 30), st.integers(0, 30))
def test_reflect_pad_is_numpys(h: int, w: int, more_h: int, more_w: int) -> None:
    array = np.arange(2 * h * w, dtype=np.int16).reshape(2, h, w)
    expected = np.pad(array, ((0, 0), (0, more_h), (0, more_w)), mode="reflect")
    padded = reflect_pad(array, h + more_h, w + more_w)
    assert padded.dtype == array.dtype
    np.testing.assert_array_equal(padded, expected)


def test_reflect_pad_extremes() -> None:
    assert (reflect_pad(np.full((3, 1, 1), 7, np.uint8), 64, 64) == 7).all()
