"""Decoded latents of a scene, kept just as long as a neighbouring tile still needs its ring of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.codec.tiling import TilePlan
from fdegc.raster_info import Window
from fdegc.types import STRIDE


class LatentMosaic:
    """Collection of tiles' latents that tells which tiles can be synthesised without a seam.

    Parameters
    ----------
    plan : TilePlan
    wanted : set of int or None
        Tiles that will be synthesised; None for all.

    Attributes
    ----------
    pending : set of int
        Tiles that were not synthesised yet.
    """

    def __init__(self, plan: TilePlan, wanted: set[int] | None = None) -> None:
        self._plan = plan
        self.pending = set(range(len(plan))) if wanted is None else set(wanted)
        self._latents: dict[int, list[npt.NDArray[np.int16]]] = {}
        # Arrays to use again, by shape.  New ones for every tile would outlive the buffers beside them on
        # the heap and keep it from shrinking: resident memory would creep up with the scene.
        self._spare: dict[tuple[int, ...], list[npt.NDArray[np.int16]]] = defaultdict(list)

    def put(self, index: int, latents: Sequence[npt.NDArray[np.signedinteger[Any]]]) -> list[int]:
        """Addition of a tile's latents, one (M, h, w) array a band group; returns tiles that became ready.

        The latents are copied.  A ready tile stays ready; call :meth:`window` for it and then :meth:`done`.
        """
        self._latents[index] = [self._copy(latent) for latent in latents]
        return [
            i
            for i in self._plan.neighbours(index)
            if i in self.pending and all(n in self._latents for n in self._plan.neighbours(i))
        ]

    def _copy(self, latent: npt.NDArray[np.signedinteger[Any]]) -> npt.NDArray[np.int16]:
        spare = self._spare[latent.shape]
        copy = spare.pop() if spare else np.empty(latent.shape, np.int16)
        copy[:] = latent
        return copy

    def window(
        self, index: int, group: int, factors: Mapping[int, npt.NDArray[np.float32]] = MappingProxyType({})
    ) -> tuple[npt.NDArray[Any], Window]:
        """Latents of a tile with its ring, and where the tile lies in them (in latent samples).

        Parameters
        ----------
        index, group : int
        factors : mapping of int to ndarray of float32, shape (M, 1, 1)
            By which the latents of some neighbours are multiplied; then all latents are float32, else int16.
        """
        context = self._plan.context_window(index)
        example = self._latents[index][group]
        size = (example.shape[0], context.height // STRIDE, context.width // STRIDE)
        out: npt.NDArray[Any] = np.zeros(size, np.float32 if factors else np.int16)
        for neighbour in self._plan.neighbours(index):
            tile = self._plan.padded_window(neighbour)
            left, top = max(tile.x, context.x), max(tile.y, context.y)
            right = min(tile.x + tile.width, context.x + context.width)
            bottom = min(tile.y + tile.height, context.y + context.height)
            source: npt.NDArray[Any] = self._latents[neighbour][group][
                :,
                (top - tile.y) // STRIDE : (bottom - tile.y) // STRIDE,
                (left - tile.x) // STRIDE : (right - tile.x) // STRIDE,
            ]
            if neighbour in factors:
                source = source * factors[neighbour]
            out[
                :,
                (top - context.y) // STRIDE : (bottom - context.y) // STRIDE,
                (left - context.x) // STRIDE : (right - context.x) // STRIDE,
            ] = source
        tile = self._plan.padded_window(index)
        inner = Window(
            (tile.x - context.x) // STRIDE,
            (tile.y - context.y) // STRIDE,
            tile.width // STRIDE,
            tile.height // STRIDE,
        )
        return out, inner

    def done(self, index: int) -> None:
        """Removal of a synthesised tile and of every neighbour that no pending tile needs any more."""
        self.pending.discard(index)
        for i in self._plan.neighbours(index):
            if not any(n in self.pending for n in self._plan.neighbours(i)):
                for latent in self._latents.pop(i, ()):
                    self._spare[latent.shape].append(latent)
