"""Latent coder and latent store: payloads at one quality, or latents kept to be coded at many."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from typing_extensions import Self

from fdegc.codec.devices import memory_errors
from fdegc.codec.network import Float32Array, Network, round_latent
from fdegc.codec.tile_synthesis import nearest_rate
from fdegc.coding.unit import CodedUnit, IntArray, empty_unit
from fdegc.errors import OutputFailed


class LatentCoder:
    """Coder of the latents of :meth:`Network.analyse` at one quality; for any number of threads at once.

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

    def rounded(self, y: Float32Array) -> IntArray:
        """Rounded latent, as the decoder will have it: int32, shape (M, h, w)."""
        return round_latent(y * self._gain)

    def code(
        self,
        ys: Sequence[Float32Array],
        check: Callable[[], None],
        latents: Sequence[IntArray] | None = None,
    ) -> list[CodedUnit]:
        """Coded units of latents.

        Parameters
        ----------
        ys : sequence of ndarray of float32, shape (M, h, w)
        check : callable
            Called now and then; raises to cancel.
        latents : sequence of ndarray of int32, shape (M, h, w), optional
            The integers that are coded; by default those of :meth:`rounded`.
        """
        check()
        gained = [y * self._gain for y in ys]
        latents = [round_latent(y) for y in gained] if latents is None else latents
        busy = [place for place, latent in enumerate(latents) if latent.any()]
        zs = self._network.hyper_analyse([gained[place] for place in busy], self._batch)
        check()
        coded = {}
        for place, z, phi in zip(busy, zs, self._network.features(zs), strict=True):
            with memory_errors(self._network.device):
                coded[place] = self._network.coder.encode(latents[place], z, phi, self._rate, check)
        return [coded.get(place) or empty_unit(latent) for place, latent in enumerate(latents)]

    def decoded(
        self, units: Sequence[CodedUnit], shape: tuple[int, int], check: Callable[[], None]
    ) -> list[IntArray]:
        """Integers of coded units of h × w latents; ``check`` as of :meth:`code`.

        Raises
        ------
        CorruptStream, DecoderMismatch
        """
        features, found = self._network.features, []
        for latent in self._network.coder.decode(units, [shape] * len(units), features, self._rate, check):
            if not isinstance(latent, np.ndarray):
                raise latent
            found.append(latent)
        return found


class LatentCoders:
    """Coders of latents at any quality, each made once; for any number of threads at once.

    Parameters
    ----------
    network, batch
        As of :class:`LatentCoder`.
    """

    def __init__(self, network: Network, batch: int = 1) -> None:
        self._network, self._batch = network, batch
        self._known: dict[float, LatentCoder] = {}

    def at(self, quality: float) -> LatentCoder:
        """Coder at a quality."""
        if quality not in self._known:
            self._known[quality] = LatentCoder(self._network, quality, self._batch)
        return self._known[quality]


class LatentStore:
    """Latents of a whole scene in a temporary file: as many bytes as 8-bit samples have, or fewer.

    Parameters
    ----------
    folder : Path
        Where the file lies; it has no name that could stay behind.

    Raises
    ------
    OutputFailed
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        try:
            self._file = tempfile.TemporaryFile(dir=folder)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputFailed:
        return OutputFailed(
            f"The search for a quality needs room for a temporary file in “{self._folder}”: "
            f"{error.strerror or error}. Make room, or choose another folder for the output."
        )

    def put(self, index: int, latents: list[Float32Array]) -> None:
        """Storage of the latents of a tile.

        Raises
        ------
        OutputFailed
        """
        try:
            self._places[index] = []
            for latent in latents:
                self._places[index].append((self._file.seek(0, 2), latent.shape))
                self._file.write(latent.tobytes())
        except OSError as error:
            raise self._failed(error) from error

    def latents(self, index: int) -> list[Float32Array]:
        """Latents of a tile, as they were put.

        Raises
        ------
        OutputFailed
        """
        found: list[Float32Array] = []
        try:
            for place, shape in self._places[index]:
                self._file.seek(place)
                data = self._file.read(4 * int(np.prod(shape)))
                found.append(np.frombuffer(data, np.float32).reshape(shape))
        except OSError as error:
            raise self._failed(error) from error
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
