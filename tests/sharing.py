"""What makes tests quick: the shipped network is loaded once a process, and searches may be short."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the other release of torch, which exactness is tested with, has no tests beside it
    import pytest

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def share_network() -> None:
    """Let all codecs of this process have the same network, where it is the shipped one on the CPU.

    To load it takes a third of a second, which there are hundreds of.
    """
    from fdegc.codec import facade
    from fdegc.codec.network import Network
    from fdegc.weights import WeightsEntry

    made: dict[tuple[Path, str], Network] = {}

    def network(entry: WeightsEntry, device: str) -> Network:
        if device != "cpu" or entry.path.parent != WEIGHTS:
            return Network(entry, device)
        key = entry.path, entry.sha256
        if key not in made or made[key].entry != entry:
            made[key] = Network(entry, device)
        return made[key]

    facade.Network = network  # type: ignore[assignment, misc]


def search_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the search among the ways of a tile code each form at a size or two, not at dozens."""
    from fdegc.codec import tile_search

    for name, value in (
        ("_RUNGS", 3),
        ("_TRIES", range(0, 1)),
        ("_CLIMB", range(0, 1)),
        ("_STARTS", (0,)),
        ("_SWEEP", range(-1, 1)),
        ("_AROUND", ()),
    ):
        monkeypatch.setattr(tile_search, name, value)
