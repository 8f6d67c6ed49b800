"""Gain, rounding and coding of latents at one quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fdegc.coding.unit import CodedUnit, IntArray, empty_unit
from fdegc.devices import memory_errors
from fdegc.inference import FloatArray, Network, round_latent
from fdegc.reconstruction import nearest_rate


class LatentCoder:
    """Turns the latents of :meth:`Network.analyse` into payloads; for any number of threads at once.

    Parameters
    ----------
    network : Network
    quality : float
        1.0 to 6.0.
    batch : int
        Latents that the device gets at a time.
    """

    def __init__(self, network: Network, quality: float, batch: int = 1) -> None:
        self._network, self._batch = network, batch
        self._gain = network.gain(quality)
        self._rate = nearest_rate(quality, network.entropy.rates)

    def rounded(self, y: FloatArray) -> IntArray:
        """What the decoder will have of a latent: int32, shape (M, h, w)."""
        return round_latent(y * self._gain)

    def code(self, ys: Sequence[FloatArray], check: Callable[[], None]) -> list[CodedUnit]:
        """Code units; ``check`` is called now and then and raises to cancel."""
        check()
        gained = [y * self._gain for y in ys]
        latents = [round_latent(y) for y in gained]
        busy = [place for place, latent in enumerate(latents) if latent.any()]
        zs = self._network.hyper_analyse([gained[place] for place in busy], self._batch)
        check()
        coded = {}
        for place, z, phi in zip(busy, zs, self._network.features(zs), strict=True):
            with memory_errors(self._network.device):
                coded[place] = self._network.coder.encode(latents[place], z, phi, self._rate, check)
        return [coded.get(place) or empty_unit(latent) for place, latent in enumerate(latents)]
