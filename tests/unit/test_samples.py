"""Samples as a whole: mapped, cut, pasted and put beside each other without naming their arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fdegc.raster_info import Window
from fdegc.types import Samples


def samples(height: int, width: int) -> Samples:
    rng = np.random.default_rng(height * width)
    return Samples(
        rng.integers(0, 256, (2, height, width)).astype(np.uint8),
        rng.random((height, width)) < 0.5,
        rng.integers(0, 256, (height, width)).astype(np.uint8),
        rng.random((2, height, width)) < 0.5,
    )


def arrays(found: Samples) -> list[npt.NDArray[np.generic]]:
    every = (found.pixels, found.valid, found.alpha, found.missing)
    return [array for array in every if array is not None]


def same(left: Samples, right: Samples) -> bool:
    pairs = zip(arrays(left), arrays(right), strict=True)
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def test_what_is_cut_is_pasted_back_and_joined_again() -> None:
    whole = samples(5, 7)
    left, right = whole.part(Window(0, 0, 3, 5)), whole.part(Window(3, 0, 4, 5))
    assert same(Samples.concatenate([left, right], axis=-1), whole)
    upper, lower = whole.part(Window(0, 0, 7, 2)), whole.part(Window(0, 2, 7, 3))
    assert same(Samples.concatenate([upper, lower], axis=-2), whole)
    empty = whole.map(np.zeros_like)
    empty.paste(Window(0, 0, 7, 2), upper)
    assert not same(empty, whole)
    empty.paste(Window(0, 2, 7, 3), lower)
    assert same(empty, whole)


def test_copies_are_their_own_and_parts_are_not() -> None:
    whole = samples(4, 4)
    part, copied = whole.part(Window(1, 1, 2, 2)), whole.copy()
    assert all(np.shares_memory(a, b) for a, b in zip(arrays(part), arrays(whole), strict=True))
    assert not any(np.shares_memory(a, b) for a, b in zip(arrays(copied), arrays(whole), strict=True))


def test_masks_that_a_part_lacks_mean_that_all_is_there() -> None:
    masked = samples(2, 3)
    plain = Samples(masked.pixels, None, masked.alpha, None)
    joined = Samples.concatenate([plain, masked], axis=-1)
    assert joined.valid is not None and joined.valid[:, :3].all()
    assert joined.missing is not None and not joined.missing[:, :, :3].any()
    assert same(joined.part(Window(3, 0, 3, 2)), masked)
    both = Samples.concatenate([plain, plain], axis=-1)
    assert both.valid is None and both.missing is None
    plain.paste(Window(0, 0, 3, 2), masked)
    assert plain.valid is None and plain.missing is None
