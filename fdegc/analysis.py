"""From pixels to latents: what is read of a source, tile by tile, and kept of it beside the latents."""

from __future__ import annotations

import numpy as np

from fdegc.band_masks import BandMasksWriter
from fdegc.header import StreamHeader
from fdegc.inference import FloatArray, Network
from fdegc.metadata import ALPHA, MASK, MISSING, OVERVIEW, metadata_blocks
from fdegc.mosaic import STRIDE
from fdegc.overview import OverviewBuilder
from fdegc.planes import PlaneWriter
from fdegc.raster import RasterSource
from fdegc.raster.mapping import band_groups, count_clipped, to_unit, usable_pixels
from fdegc.tiling import TilePlan, reflect_pad
from fdegc.types import BandMapping, Window

#: Share of the payload that an overview may take.
OVERVIEW_SHARE = 0.01


class Analysis:
    """Reads a scene once, tile by tile in order.

    Parameters
    ----------
    network : Network
    source : RasterSource
    header : StreamHeader
        Its quality does not matter here.
    mapping : tuple of BandMapping

    Attributes
    ----------
    plan : TilePlan
    clipped : int
        Valid samples so far that lie outside of the mapping.
    """

    def __init__(
        self, network: Network, source: RasterSource, header: StreamHeader, mapping: tuple[BandMapping, ...]
    ) -> None:
        self._network, self._source, self._header, self._mapping = network, source, header, mapping
        self.plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
        self.clipped = 0
        info, size = source.info, (header.width, header.height)
        self._valid = PlaneWriter(*size, header.tile_size, np.bool_) if info.has_mask else None
        self._alpha = PlaneWriter(*size, header.tile_size, info.dtype) if info.has_alpha else None
        bands = BandMasksWriter(header.bands, *size, header.tile_size)
        self._missing = bands if info.has_band_masks else None
        self._overview = OverviewBuilder(*size, header.bands)
        self._fixed: dict[bytes, bytes] | None = None

    def read(self, index: int) -> list[FloatArray] | None:
        """Network inputs of a tile with its halo, one a band group; keeps mask, alpha and overview.

        Returns
        -------
        list of ndarray of float32, shape (3, height, width), or None
            None if no pixel of the tile and its halo means anything.
        """
        context, tile = self.plan.context_window(index), self.plan.window(index)
        inside = Window(
            context.x,
            context.y,
            min(context.width, self._header.width - context.x),
            min(context.height, self._header.height - context.y),
        )
        samples = self._source.read(inside)
        place = tile.relative_to(inside)
        own = samples.part(place)
        if self._valid is not None and own.valid is not None:
            self._valid.add(tile, own.valid)
        if self._alpha is not None and own.alpha is not None:
            self._alpha.add(tile, own.alpha)
        if self._missing is not None:
            self._missing.add(tile, own.missing)
        self.clipped += count_clipped(own, self._mapping)
        unit = to_unit(samples, self._mapping)
        usable = usable_pixels(samples)
        seen = None if usable is None else usable[place.rows, place.cols]
        self._overview.add(tile, unit[:, place.rows, place.cols], seen)
        if usable is not None and not usable.any():
            return None
        padded = reflect_pad(unit, context.height, context.width).astype(np.float32)
        return [padded[list(group)] for group in band_groups(self._header.bands)]

    def latents(self, index: int) -> list[FloatArray]:
        """Latents of a tile before gain and rounding, one (M, h, w) array of float32 a band group.

        All zero, which costs next to nothing, where there is nothing to see.
        """
        context, tile = self.plan.context_window(index), self.plan.padded_window(index)
        rows, cols = tile.height // STRIDE, tile.width // STRIDE
        groups = self.read(index)
        if groups is None:
            return [np.zeros((self._network.latent, rows, cols), np.float32)] * self._header.groups
        left, top = (tile.x - context.x) // STRIDE, (tile.y - context.y) // STRIDE
        return [
            np.ascontiguousarray(self._network.analyse(x)[:, top : top + rows, left : left + cols])
            for x in groups
        ]

    def blocks(self, payload_bytes: int) -> dict[bytes, bytes]:
        """All blocks of the file, after the last tile was read.

        Parameters
        ----------
        payload_bytes : int
            Of all units; the overview's budget is a share of them.
        """
        if self._fixed is None:
            self._fixed = metadata_blocks(self._source.info)
            if self._valid is not None:
                self._fixed[MASK] = self._valid.finish()
            if self._alpha is not None:
                self._fixed[ALPHA] = self._alpha.finish()
            if self._missing is not None:
                self._fixed[MISSING] = self._missing.finish()
        budget = int(payload_bytes * OVERVIEW_SHARE)
        overview = self._overview.finish(budget, stretch=self._header.dtype != "uint8")
        return self._fixed if overview is None else {**self._fixed, OVERVIEW: overview}
