"""Bytes are allotted to tiles so that the scene is served best, and no target is missed by a tile's ways."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fdegc.codec.allotting import Allotment, TileChoices, allot_bytes, allot_error
from fdegc.format.kinds import UnitKind


def tile(size: int, spread: float, exact: int | None = None) -> TileChoices:
    """Tile of so many samples, whose error falls by 6 dB a bit, and by less noise needs fewer bytes."""
    looks = [(n, e := spread * size * 2.0 ** (-16 * n / size), e) for n in (4, 16, 40, 100, 250, 600, 1500)]
    return TileChoices.of(size, (30, 0.2 * spread * size, 0.2 * spread * size), looks, exact)


CHOICES = {
    0: tile(1000, 1.0),
    1: tile(1000, 0.01, 700),
    2: tile(500, 0.3),
    3: TileChoices.of(9, (7, 1, 1), (), None),
}


def taken(found: Allotment) -> int:
    return sum(share.size for share in found.shares.values())


def lost(choices: dict[int, TileChoices], found: Allotment) -> float:
    """Error of all tiles without weights, between the steps of JPEG 2000 too."""
    total = 0.0
    for index, share in found.shares.items():
        some = [number for number, kind in enumerate(choices[index].kinds) if kind == share.kind]
        total += float(np.interp(share.size, choices[index].sizes[some], choices[index].plain[some]))
    return total


@pytest.mark.parametrize("budget", [90, 200, 500, 1200, 2500])
def test_bytes_are_spent_and_no_exchange_of_two_tiles_would_do_better(budget: int) -> None:
    found = allot_bytes(CHOICES, budget)
    assert found is not None
    assert 0.97 * budget <= taken(found) <= budget and found.shares[3].kind == UnitKind.LATENTS
    picks = [range(0, len(choice.sizes), 12) for choice in (CHOICES[0], CHOICES[2])]
    for first, second in itertools.product(*picks):
        rest = budget - CHOICES[0].bytes(first) - CHOICES[2].bytes(second) - 7
        fitting = CHOICES[1].sizes <= rest
        if fitting.any():
            other = float(CHOICES[0].plain[first] + CHOICES[2].plain[second]) + 1
            assert lost(CHOICES, found) <= 1.05 * (other + float(CHOICES[1].plain[fitting].min()))


def test_what_is_too_little_or_more_than_enough() -> None:
    assert allot_bytes(CHOICES, 18) is None
    found = allot_bytes(CHOICES, 10**6)
    assert found is not None and found.end and found.shares[1].kind == UnitKind.EXACT
    assert allot_error(CHOICES, 0.5) is None
    easy = allot_error(CHOICES, 1e9)
    assert easy is not None and easy.end and taken(easy) == 4 + 4 + 4 + 7


@pytest.mark.parametrize("plain", [2.0, 30.0, 300.0])
def test_errors_are_allowed_and_bytes_saved(plain: float) -> None:
    found = allot_error(CHOICES, plain)
    assert found is not None and 0.9 * plain <= lost(CHOICES, found) <= plain
    same = allot_bytes(CHOICES, taken(found))
    assert same is not None and lost(CHOICES, same) >= 0.8 * plain


def test_one_tile_gets_what_lies_between_its_ways() -> None:
    """Its latents and no loss are on the hull of its ways, and what JPEG 2000 makes of noise is not."""
    looks = [(n, e := 64e3 * (1 - n / 20_000), e) for n in (500, 2000, 8000, 16_000)]
    noise = {5: TileChoices.of(1000, (400, 50e3, 50e3), looks, 17_000)}
    found = allot_bytes(noise, 9000)
    assert (
        found is not None and found.shares[5].kind == UnitKind.PACKETS and 8500 < found.shares[5].size <= 9000
    )
    good = allot_error(noise, 30e3)
    assert good is not None and good.shares[5].kind == UnitKind.PACKETS and lost(noise, good) <= 30e3


def test_ways_like_a_payload() -> None:
    assert set(CHOICES[1].like(UnitKind.CLASSES).kinds) == {UnitKind.EXACT}
    assert set(CHOICES[1].like(UnitKind.DEEP_PACKETS).kinds) == {UnitKind.PACKETS}
    assert np.all(np.diff(CHOICES[1].like(UnitKind.PACKETS).plain) <= 0)


def test_errors_that_are_allowed_are_shared_out_to_what_has_to_keep_to_them() -> None:
    found = allot_error(CHOICES, 30.0)
    assert found is not None
    limits = {i: share.limit for i, share in found.shares.items() if share.kind == UnitKind.PACKETS}
    assert limits and None not in limits.values()
    rest = sum(
        float(CHOICES[index].plain[CHOICES[index].kinds.index(share.kind)])
        for index, share in found.shares.items()
        if index not in limits
    )
    assert sum(limit for limit in limits.values() if limit is not None) + rest == pytest.approx(30.0)
    some = allot_bytes(CHOICES, 500)
    assert some is not None and all(share.limit is None for share in some.shares.values())


def test_a_bound_is_a_choice_between_jpeg2000_and_no_loss() -> None:
    looks = [(n, e := 1e3 * 2.0 ** (-n / 50), e) for n in (100, 200, 400, 800)]
    bounded = [(1.0, 250, 6.0, 6.0), (2.0, 180, 20.0, 20.0)]
    choices = {0: TileChoices.of(1000, None, looks, 420, bounded)}
    for allowed, bound, size in ((25.0, 2.0, 180), (7.0, 1.0, 250), (2.0, 0.0, 420)):
        found = allot_error(choices, allowed)
        assert found is not None
        share = found.shares[0]
        assert (share.kind, share.bound, share.size, share.limit) == (UnitKind.EXACT, bound, size, None)
    rough = allot_error(choices, 100.0)
    assert rough is not None and rough.shares[0].kind == UnitKind.PACKETS and rough.shares[0].bound == 0.0
    packets = {0: choices[0].without(UnitKind.EXACT)}
    assert set(packets[0].kinds) == {UnitKind.PACKETS} and packets[0].size_for(1e-3) == np.inf
