"""One compression or decompression in progress: tile by tile, with what passes between tiles."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fdegc.coding.unit import CodedUnit, IntArray, UnitCoder
from fdegc.container import ContainerReader, ContainerWriter
from fdegc.control import CancelToken
from fdegc.errors import CorruptStream, DecoderMismatch
from fdegc.header import StreamHeader
from fdegc.inference import FloatArray, Network, round_latent
from fdegc.mosaic import LatentMosaic
from fdegc.raster import RasterSource
from fdegc.raster.mapping import band_groups, from_unit, to_unit
from fdegc.stream import (
    ALPHA,
    MASK,
    mapping_of,
    metadata_blocks,
    pack_alpha,
    pack_mask,
    read_alpha,
    read_mask,
)
from fdegc.tiling import TilePlan, reflect_pad
from fdegc.types import (
    QUALITY_STEPS,
    RATE_POINTS,
    BandMapping,
    RasterInfo,
    Samples,
    TileResult,
    Window,
)

TileCallback = Callable[[TileResult], None]


def nearest_rate(quality: float) -> int:
    """Rate point (1–6) whose hyper-latent tables serve a quality."""
    return int(np.clip(np.floor(quality + 0.5), 1, len(RATE_POINTS)))


def _synthesise(
    network: Network,
    mosaic: LatentMosaic,
    index: int,
    size: Window,
    mapping: tuple[BandMapping, ...],
    dtype: str,
    quality: float,
) -> npt.NDArray[np.generic]:
    """Pixels of one tile (bands, height, width) from its latents and its neighbours' ring."""
    groups = band_groups(len(mapping))
    unit = np.empty((len(mapping), size.height, size.width), np.float32)
    for number, group in enumerate(groups):
        latents, inner = mosaic.window(index, number)
        x = network.synthesise(latents, quality)
        x = x[:, inner.y * 16 : inner.y * 16 + size.height, inner.x * 16 : inner.x * 16 + size.width]
        unit[list(group)] = x
    return from_unit(unit, mapping, dtype)


class Encoding:
    """State of one compression."""

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
        self.reconstructing = reconstruct
        self.encode_seconds = self.reconstruct_seconds = 0.0
        self.squared_error, self.sample_count = 0.0, 0
        info = source.info
        shape = (info.height, info.width)
        self.valid = np.ones(shape, bool) if info.has_mask else None
        self.alpha = np.zeros(shape, info.dtype) if info.has_alpha else None

    def tile(self, index: int) -> None:
        """Code one tile; synthesise those that it completes."""
        self.cancel.check()
        start = time.perf_counter()
        latents = [self._unit(index, x) for x in self._read(index)]
        self.encode_seconds += time.perf_counter() - start
        if not self.reconstructing:
            return
        for ready in self.mosaic.put(index, [y.astype(np.int16) for y in latents]):
            self.cancel.check()
            self._reconstruct(ready)

    def _read(self, index: int) -> list[FloatArray]:
        """Network inputs of a tile with its halo, one a band group."""
        context = self.plan.context_window(index)
        inside = Window(
            context.x,
            context.y,
            min(context.width, self.header.width - context.x),
            min(context.height, self.header.height - context.y),
        )
        samples = self.source.read(inside)
        if self.valid is not None and samples.valid is not None:
            self.valid[inside.rows, inside.cols] = samples.valid
        if self.alpha is not None and samples.alpha is not None:
            self.alpha[inside.rows, inside.cols] = samples.alpha
        unit = to_unit(samples, self.mapping)
        padded = reflect_pad(unit, context.height, context.width).astype(np.float32)
        return [padded[list(group)] for group in band_groups(self.header.bands)]

    def _unit(self, index: int, x: FloatArray) -> IntArray:
        context, tile = self.plan.context_window(index), self.plan.padded_window(index)
        y = self.network.analyse(x, self.quality)
        left, top = (tile.x - context.x) // 16, (tile.y - context.y) // 16
        y = np.ascontiguousarray(y[:, top : top + tile.height // 16, left : left + tile.width // 16])
        z = self.network.hyper_analyse(y)
        latent = round_latent(y)
        rate = nearest_rate(self.quality)
        unit = self.coder.encode(latent, z, self.network.features, rate, self.cancel.check)
        self.writer.add(unit.payload, dither=unit.dither, phi_hash=unit.phi_hash, y_hash=unit.y_hash)
        return latent

    def _reconstruct(self, index: int) -> None:
        start = time.perf_counter()
        window = self.plan.window(index)
        pixels = _synthesise(
            self.network, self.mosaic, index, window, self.mapping, self.header.dtype, self.quality
        )
        self.mosaic.done(index)
        self.reconstruct_seconds += time.perf_counter() - start
        original = self.source.read(window)
        seen = np.ones(pixels.shape[1:], bool) if original.valid is None else original.valid
        if original.alpha is not None:
            seen = seen & (original.alpha != 0)
        difference = pixels[:, seen].astype(np.float64) - original.pixels[:, seen].astype(np.float64)
        error = float(np.square(difference).sum())
        self.squared_error += error
        self.sample_count += difference.size
        if self.on_tile is not None:
            samples = Samples(
                _restore_nodata(pixels, original.valid, self.source.info), original.valid, original.alpha
            )
            self.on_tile(TileResult(window, samples, self.writer.payload_bytes, error, difference.size))

    def metadata(self, info: RasterInfo) -> None:
        """Add the blocks that describe everything but the pixels."""
        start = time.perf_counter()
        for tag, data in metadata_blocks(info).items():
            self.writer.add_block(tag, data)
        if self.valid is not None:
            self.writer.add_block(MASK, pack_mask(self.valid))
        if self.alpha is not None:
            self.writer.add_block(ALPHA, pack_alpha(self.alpha))
        self.encode_seconds += time.perf_counter() - start

    def psnr(self, peak: float) -> float | None:
        """PSNR in dB over everything reconstructed so far; None if nothing was valid."""
        if not self.sample_count:
            return None
        mse = self.squared_error / self.sample_count
        return float(10 * np.log10(peak**2 / mse)) if mse > 0 else float("inf")


def _restore_nodata(
    pixels: npt.NDArray[np.generic], valid: npt.NDArray[np.bool_] | None, info: RasterInfo
) -> npt.NDArray[np.generic]:
    """Give invalid pixels the nodata value back."""
    if valid is None or valid.all():
        return pixels
    fill = info.nodata if info.nodata is not None else 0
    return np.where(valid, pixels, np.asarray(fill).astype(pixels.dtype))


class Decoding:
    """State of one decompression, of the whole scene or of the tiles that a window touches."""

    def __init__(
        self,
        network: Network,
        reader: ContainerReader,
        info: RasterInfo,
        cancel: CancelToken,
        window: Window | None = None,
    ) -> None:
        self.network, self.reader, self.info, self.cancel = network, reader, info, cancel
        self.header = reader.header
        self.quality = self.header.quality_steps / QUALITY_STEPS
        self.mapping = mapping_of(self.header)
        self.plan = TilePlan(self.header.width, self.header.height, self.header.tile_size, self.header.halo)
        wanted = list(range(len(self.plan))) if window is None else self.plan.touching(window)
        #: Tiles whose latents have to be decoded, in order.
        self.tiles = self.plan.needed(wanted)
        self.mosaic = LatentMosaic(self.plan, set(wanted))
        self.coder = UnitCoder(network.entropy)
        self.bytes_read = 0
        self.damaged: list[Window] = []
        self._lost: set[int] = set()
        self.valid, self.alpha = read_mask(reader), read_alpha(reader)

    def tile(self, index: int) -> list[tuple[Window, Samples]]:
        """Decode one tile's latents; return the tiles whose pixels that completes."""
        self.cancel.check()
        padded = self.plan.padded_window(index)
        shape = (self.network.latent, padded.height // 16, padded.width // 16)
        try:
            latents = [self._unit(index, group, shape) for group in range(self.header.groups)]
        except (CorruptStream, DecoderMismatch):
            self._lost.add(index)
            self.damaged.append(self.plan.window(index))
            latents = [np.zeros(shape, np.int32)] * self.header.groups
        out = []
        for ready in self.mosaic.put(index, [y.astype(np.int16) for y in latents]):
            self.cancel.check()
            out.append((self.plan.window(ready), self._pixels(ready)))
        return out

    def _unit(self, index: int, group: int, shape: tuple[int, int, int]) -> IntArray:
        number = index * self.header.groups + group
        payload = self.reader.payload(number)
        entry = self.reader.entries[number]
        self.bytes_read += len(payload)
        unit = CodedUnit(payload, entry.dither, entry.phi_hash, entry.y_hash)
        rate = nearest_rate(self.quality)
        return self.coder.decode(unit, shape, self.network.features, rate, self.cancel.check)

    def _pixels(self, index: int) -> Samples:
        window = self.plan.window(index)
        if index in self._lost:
            pixels = np.zeros((self.header.bands, window.height, window.width), self.header.dtype)
        else:
            pixels = _synthesise(
                self.network, self.mosaic, index, window, self.mapping, self.header.dtype, self.quality
            )
        self.mosaic.done(index)
        return self.with_validity(window, pixels)

    def with_validity(self, window: Window, pixels: npt.NDArray[np.generic]) -> Samples:
        """Attach the lossless mask and alpha of a window."""
        valid = None if self.valid is None else self.valid[window.rows, window.cols]
        alpha = None if self.alpha is None else self.alpha[window.rows, window.cols]
        return Samples(_restore_nodata(pixels, valid, self.info), valid, alpha)
