"""One compression in progress: tile by tile, with what passes between tiles."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from fdegc.band_masks import BandMasksWriter
from fdegc.coding.unit import IntArray, UnitCoder
from fdegc.container import ContainerWriter
from fdegc.control import CancelToken
from fdegc.header import StreamHeader
from fdegc.inference import FloatArray, Network, round_latent
from fdegc.metadata import ALPHA, MASK, MISSING, OVERVIEW, metadata_blocks
from fdegc.mosaic import STRIDE, LatentMosaic
from fdegc.overview import OverviewBuilder
from fdegc.planes import PlaneWriter
from fdegc.raster import RasterSource
from fdegc.raster.mapping import band_groups, to_unit, usable_pixels, usable_samples
from fdegc.reconstruction import Reconstruction, nearest_rate, restore_nodata
from fdegc.tiling import TilePlan, reflect_pad
from fdegc.types import QUALITY_STEPS, BandMapping, Samples, TileResult, Window

TileCallback = Callable[[TileResult], None]

#: Share of the payload that an overview may take.
OVERVIEW_SHARE = 0.01


class Encoding:
    """State of one compression.

    Parameters
    ----------
    network : Network
    source : RasterSource
    header : StreamHeader
    mapping : tuple of BandMapping
    writer : ContainerWriter
        May hold finished tiles of an interrupted run already.
    cancel : CancelToken
    on_tile : callable or None
    reconstruct : bool
        Whether to compute the decoder's pixels too; tiles that an earlier run finished are analysed again.
    """

    def __init__(
        self,
        network: Network,
        source: RasterSource,
        header: StreamHeader,
        mapping: tuple[BandMapping, ...],
        writer: ContainerWriter,
        cancel: CancelToken,
        on_tile: TileCallback | None,
        reconstruct: bool,
    ) -> None:
        self.network, self.source, self.header, self.mapping = network, source, header, mapping
        self.writer, self.cancel, self.on_tile = writer, cancel, on_tile
        self.quality = header.quality_steps / QUALITY_STEPS
        self.plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
        self.mosaic = LatentMosaic(self.plan)
        self.coder = UnitCoder(network.entropy)
        self.reconstruction = Reconstruction(network, header) if reconstruct else None
        self.encode_seconds = self.reconstruct_seconds = 0.0
        self.squared_error, self.sample_count = 0.0, 0
        info, size = source.info, (header.width, header.height)
        self.valid = PlaneWriter(*size, header.tile_size, np.bool_) if info.has_mask else None
        self.alpha = PlaneWriter(*size, header.tile_size, info.dtype) if info.has_alpha else None
        self.missing = BandMasksWriter(header.bands, *size, header.tile_size) if info.has_band_masks else None
        self.overview = OverviewBuilder(*size, header.bands)

    def tile(self, index: int) -> None:
        """Code one tile; reconstruct those that it completes."""
        self.cancel.check()
        start = time.perf_counter()
        groups = self._read(index)
        first = index * self.header.groups
        if self.reconstruction is None and self.writer.units_done >= first + self.header.groups:
            return  # an earlier run got this far
        latents = []
        for number, x in enumerate(groups):
            latents.append(self._unit(index, x, write=first + number >= self.writer.units_done))
        self.encode_seconds += time.perf_counter() - start
        if self.reconstruction is None:
            return
        for ready in self.mosaic.put(index, latents):
            self.cancel.check()
            self._reconstruct(self.reconstruction, ready)

    def _read(self, index: int) -> list[FloatArray]:
        """Network inputs of a tile with its halo, one a band group; keeps mask, alpha and overview."""
        context, tile = self.plan.context_window(index), self.plan.window(index)
        inside = Window(
            context.x,
            context.y,
            min(context.width, self.header.width - context.x),
            min(context.height, self.header.height - context.y),
        )
        samples = self.source.read(inside)
        rows = slice(tile.y - inside.y, tile.y - inside.y + tile.height)
        cols = slice(tile.x - inside.x, tile.x - inside.x + tile.width)
        if self.valid is not None and samples.valid is not None:
            self.valid.add(tile, samples.valid[rows, cols])
        if self.alpha is not None and samples.alpha is not None:
            self.alpha.add(tile, samples.alpha[rows, cols])
        if self.missing is not None:
            gaps = samples.missing
            self.missing.add(tile, None if gaps is None else gaps[:, rows, cols])
        unit = to_unit(samples, self.mapping)
        usable = usable_pixels(samples)
        self.overview.add(tile, unit[:, rows, cols], None if usable is None else usable[rows, cols])
        padded = reflect_pad(unit, context.height, context.width).astype(np.float32)
        return [padded[list(group)] for group in band_groups(self.header.bands)]

    def _unit(self, index: int, x: FloatArray, *, write: bool) -> IntArray:
        context, tile = self.plan.context_window(index), self.plan.padded_window(index)
        y = self.network.analyse(x, self.quality)
        self.cancel.check()
        left, top = (tile.x - context.x) // STRIDE, (tile.y - context.y) // STRIDE
        y = np.ascontiguousarray(y[:, top : top + tile.height // STRIDE, left : left + tile.width // STRIDE])
        latent = round_latent(y)
        if write:
            z = self.network.hyper_analyse(y)
            rate = nearest_rate(self.quality, self.network.entropy.rates)
            unit = self.coder.encode(latent, z, self.network.features, rate, self.cancel.check)
            self.writer.add(unit.payload, dither=unit.dither, phi_hash=unit.phi_hash, y_hash=unit.y_hash)
        return latent

    def _reconstruct(self, reconstruction: Reconstruction, index: int) -> None:
        start = time.perf_counter()
        window = self.plan.window(index)
        pixels = reconstruction.tile(self.mosaic, index, window)
        self.reconstruct_seconds += time.perf_counter() - start
        original = self.source.read(window)
        error, count = 0.0, 0
        for band, other, seen in zip(pixels, original.pixels, usable_samples(original), strict=True):
            difference = band.astype(np.float64) - other.astype(np.float64)
            difference = difference.ravel() if seen is None else difference[seen]
            error += float(np.square(difference).sum())
            count += difference.size
        self.squared_error += error
        self.sample_count += count
        if self.on_tile is not None:
            shown = restore_nodata(pixels, original.valid, original.missing, self.source.info)
            samples = Samples(shown, original.valid, original.alpha, original.missing)
            self.on_tile(TileResult(window, samples, self.writer.payload_bytes, error, count))

    def metadata(self) -> None:
        """Add the blocks that describe everything but the pixels."""
        start = time.perf_counter()
        for tag, data in metadata_blocks(self.source.info).items():
            self.writer.add_block(tag, data)
        if self.valid is not None:
            self.writer.add_block(MASK, self.valid.finish())
        if self.alpha is not None:
            self.writer.add_block(ALPHA, self.alpha.finish())
        if self.missing is not None:
            self.writer.add_block(MISSING, self.missing.finish())
        budget = int(self.writer.payload_bytes * OVERVIEW_SHARE)
        overview = self.overview.finish(budget, stretch=self.header.dtype != "uint8")
        if overview is not None:
            self.writer.add_block(OVERVIEW, overview)
        self.encode_seconds += time.perf_counter() - start

    def psnr(self, peak: float) -> float | None:
        """PSNR in dB over everything reconstructed so far; None if nothing was valid."""
        if not self.sample_count:
            return None
        mse = self.squared_error / self.sample_count
        return float(10 * np.log10(peak**2 / mse)) if mse > 0 else float("inf")
