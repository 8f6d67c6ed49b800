"""Gain, rounding and coding of latents at one quality."""

from __future__ import annotations

from collections.abc import Callable

from fdegc.coding.unit import CodedUnit, IntArray, UnitCoder, empty_unit
from fdegc.inference import FloatArray, Network, round_latent
from fdegc.reconstruction import nearest_rate


class LatentCoder:
    """Turns the latents of :meth:`Network.analyse` into payloads.

    Parameters
    ----------
    network : Network
    quality : float
        1.0 to 6.0.
    """

    def __init__(self, network: Network, quality: float) -> None:
        self._network = network
        self._gain = network.gain(quality)
        self._rate = nearest_rate(quality, network.entropy.rates)
        self._coder = UnitCoder(network.entropy)

    def rounded(self, y: FloatArray) -> IntArray:
        """What the decoder will have of a latent: int32, shape (M, h, w)."""
        return round_latent(y * self._gain)

    def code(self, y: FloatArray, check: Callable[[], None]) -> CodedUnit:
        """Code one unit; ``check`` is called now and then and raises to cancel."""
        y = y * self._gain
        latent = round_latent(y)
        if not latent.any():
            return empty_unit(latent)
        z = self._network.hyper_analyse(y)
        return self._coder.encode(latent, z, self._network.features, self._rate, check)
