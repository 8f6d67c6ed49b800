"""What the network makes of crops by which a scene is judged before it is coded."""

from __future__ import annotations

import numpy as np

from fdegc.codec.inputs import Float32Array, NetworkInputs
from fdegc.codec.network import Network, round_latent
from fdegc.control import Check


def through_network(
    network: Network, inputs: NetworkInputs, unit: Float32Array, quality: float, check: Check, *, clip: bool
) -> tuple[list[Float32Array], list[Float32Array]]:
    """Network inputs of a crop, one a group of bands, and what the network gives for each at a quality.

    Parameters
    ----------
    network : Network
    inputs : NetworkInputs
    unit : ndarray of float32, shape (bands, H, W)
        Bands in [0, 1]; H and W are multiples of 64.
    quality : float
    check : callable
        Called between layers; raises to cancel.
    clip : bool
        Whether outputs are clipped to [0, 1].
    """
    gain = network.gain(quality)

    def coded(xs: list[Float32Array]) -> list[Float32Array]:
        rounded = [round_latent(y * gain) for y in network.analyse(xs, check)]
        return network.synthesise(rounded, quality, check, clip=clip)

    cut = [np.ascontiguousarray(x) for x in inputs.of(unit)]
    if not inputs.predicts:
        return cut, coded(cut)
    first = coded(cut[:1])
    later = inputs.further(unit, first[0])
    return cut[:1] + later, first + coded(later)
