"""The shipped network is loaded once a process, not once a codec: a third of a second, hundreds of times."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def share_network() -> None:
    """Let all codecs of this process have the same network, where it is the shipped one on the CPU."""
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
