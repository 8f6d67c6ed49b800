"""One compression in progress: tile by tile, with what passes between tiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from fdegc.analysis import Analysis
from fdegc.container import ContainerWriter
from fdegc.control import CancelToken
from fdegc.errors import MetricUnavailable
from fdegc.figures import ErrorFigures
from fdegc.header import StreamHeader
from fdegc.inference import FloatArray, Network
from fdegc.latent_coder import LatentCoder
from fdegc.latent_store import LatentStore
from fdegc.metrics import ErrorAccumulator
from fdegc.mosaic import LatentMosaic
from fdegc.raster import RasterSource
from fdegc.raster.mapping import valid_samples
from fdegc.reconstruction import Reconstruction, restore_nodata
from fdegc.results import TileResult
from fdegc.stream import mapping_of
from fdegc.types import QUALITY_STEPS, Samples

TileCallback = Callable[[TileResult], None]


class Encoding:
    """State of one compression.

    Parameters
    ----------
    network : Network
    source : RasterSource
    header : StreamHeader
    analysis : Analysis
        Of the source; it has read all tiles already if there are ``latents``.
    latents : LatentStore or None
        Of all tiles; None to analyse them on the way.
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
        analysis: Analysis,
        latents: LatentStore | None,
        writer: ContainerWriter,
        cancel: CancelToken,
        on_tile: TileCallback | None,
        reconstruct: bool,
    ) -> None:
        self.source, self.header, self.analysis, self.stored = source, header, analysis, latents
        self.writer, self.cancel, self.on_tile = writer, cancel, on_tile
        self.plan = analysis.plan
        self.mosaic = LatentMosaic(self.plan)
        self.coder = LatentCoder(network, header.quality_steps / QUALITY_STEPS)
        self.reconstruction = Reconstruction(network, header) if reconstruct else None
        self.encode_seconds = self.reconstruct_seconds = 0.0
        self.differences = ErrorAccumulator(header.bands)

    def tile(self, index: int) -> None:
        """Code one tile; reconstruct those that it completes."""
        self.cancel.check()
        start = time.perf_counter()
        first = index * self.header.groups
        if self.reconstruction is None and self.writer.units_done >= first + self.header.groups:
            self.analysis.read(index)  # an earlier run got this far
            return
        latents = (self.stored or self.analysis).latents(index)
        for number, y in enumerate(latents):
            if first + number >= self.writer.units_done:
                self._code(y)
        self.encode_seconds += time.perf_counter() - start
        if self.reconstruction is None:
            return
        for ready in self.mosaic.put(index, [self.coder.rounded(y) for y in latents]):
            self.cancel.check()
            self._reconstruct(self.reconstruction, ready)

    def _code(self, y: FloatArray) -> None:
        self.cancel.check()
        unit = self.coder.code(y, self.cancel.check)
        self.writer.add(unit.payload, dither=unit.dither, phi_hash=unit.phi_hash, y_hash=unit.y_hash)

    def _reconstruct(self, reconstruction: Reconstruction, index: int) -> None:
        start = time.perf_counter()
        window = self.plan.window(index)
        pixels = reconstruction.tile(self.mosaic, index, window)
        self.reconstruct_seconds += time.perf_counter() - start
        original = self.source.read(window)
        error, count = self.differences.squared_error, self.differences.count
        self.differences.add(original.pixels, pixels, valid_samples(original))
        if self.on_tile is not None:
            error, count = self.differences.squared_error - error, self.differences.count - count
            shown = restore_nodata(pixels, original.valid, original.missing, self.source.info)
            samples = Samples(shown, original.valid, original.alpha, original.missing)
            self.on_tile(TileResult(window, samples, self.writer.payload_bytes, error, count))

    def metadata(self, extra: Mapping[bytes, bytes]) -> None:
        """Add the blocks that describe everything but the pixels, and ``extra`` ones."""
        start = time.perf_counter()
        for tag, data in {**self.analysis.blocks(self.writer.payload_bytes), **extra}.items():
            self.writer.add_block(tag, data)
        self.encode_seconds += time.perf_counter() - start

    def errors(self) -> ErrorFigures | None:
        """Errors of everything reconstructed so far; None if nothing was valid."""
        try:
            spans = [entry.scale for entry in mapping_of(self.header)]
            return self.differences.figures(spans, self.header.dtype)
        except MetricUnavailable:
            return None
