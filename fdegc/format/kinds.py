"""Kinds of units: what a payload of a ``.fdegc`` file is, and how well its tile was kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from enum import IntEnum

#: Qualities of single tiles are stored in steps of 1/32 of a rate point.
TILE_STEPS = 32
#: Steps of a decibel in which a tile's PSNR is stored, and what stands for no error at all.
_FIDELITY_STEPS = 3
_EXACT = 255


class UnitKind(IntEnum):
    """Kind of a unit.

    All but LATENTS hold all bands of their tile, in its first unit; its other units are NOTHING then.  A
    tile whose first unit is NOTHING has no sample that is there.  PACKETS are JPEG 2000 without what follows
    from the tile; JPEG2000 with it is what files held before, and what a foreign OpenJPEG makes.
    DEEP_PACKETS are PACKETS with as many levels as JPEG2000 has.  COMPONENTS are packets of a transform of
    the bands, which stands in front of them.  STATED are packets of bands or components that say
    their levels, and whether three bands are mixed.
    """

    LATENTS = 0
    NOTHING = 1
    JPEG2000 = 2
    EXACT = 3
    CLASSES = 4
    PACKETS = 5
    DEEP_PACKETS = 6
    COMPONENTS = 7
    STATED = 8


#: How results name them.
WAYS: dict[int, str] = {
    UnitKind.LATENTS: "network",
    UnitKind.NOTHING: "empty",
    UnitKind.JPEG2000: "jpeg2000",
    UnitKind.PACKETS: "jpeg2000",
    UnitKind.DEEP_PACKETS: "jpeg2000",
    UnitKind.COMPONENTS: "jpeg2000",
    UnitKind.STATED: "jpeg2000",
    UnitKind.EXACT: "exact",
    UnitKind.CLASSES: "classes",
}


def ways_of(kinds: Iterable[int]) -> dict[str, int]:
    """Numbers of tiles by the way they were coded, of the kinds of their first units."""
    counts = Counter(WAYS.get(kind, "unknown") for kind in kinds)
    return {name: counts[name] for name in (*WAYS.values(), "unknown") if name in counts}


def pack_fidelity(psnr: float | None) -> int:
    """PSNR of a tile in dB as a byte: in thirds, rounded down; 255 for no error, 0 for not known."""
    if psnr is None or math.isnan(psnr):
        return 0
    return _EXACT if math.isinf(psnr) else int(min(max(psnr * _FIDELITY_STEPS, 1), _EXACT - 1))


def unpack_fidelity(byte: int) -> float | None:
    """PSNR of a tile, as :func:`pack_fidelity` stored it; None if it is not known."""
    if byte == 0:
        return None
    return math.inf if byte == _EXACT else byte / _FIDELITY_STEPS


def pack_quality(steps: int | None) -> int:
    """Quality of a tile, in 1/32 of a rate point from the first one, as a byte; 0: that of the header."""
    return 0 if steps is None else steps + 1


def unpack_quality(byte: int, header_quality: float) -> float:
    """Quality of a tile, 1.0 to 6.0."""
    return header_quality if byte == 0 else min(1.0 + (byte - 1) / TILE_STEPS, 6.0)
