"""The façade: rasters to ``.fdegc`` files and back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from fdegc.container import ContainerReader, ContainerWriter
from fdegc.control import CancelToken, ProgressCallback, ProgressMeter
from fdegc.errors import CorruptStream, InvalidOption
from fdegc.inference import FloatArray, Network, available_devices, resolve_device
from fdegc.passes import Decoding, Encoding, TileCallback
from fdegc.raster import RasterSink, RasterSource
from fdegc.raster.mapping import band_groups, peak_value, plan_mapping, to_unit
from fdegc.stream import describe, header_for
from fdegc.tiling import reflect_pad
from fdegc.types import (
    QUALITY_STEPS,
    RATE_POINTS,
    DecodeResult,
    EncodeOptions,
    EncodeResult,
    Estimate,
    RasterInfo,
    Samples,
    TileResult,
    Window,
)
from fdegc.weights import find, quick_estimate

__all__ = ["Codec", "available_devices"]

#: Pixels of neighbouring tiles that g_a sees, and of whose latents g_s sees (``docs/format.md``).
HALO = 32
#: Side and number of the crops by which :meth:`Codec.estimate_all` judges a scene.
SAMPLE_SIDE = 256
SAMPLE_COUNT = 3


class Codec:
    """Compresses and decompresses with one device; not for two threads at once.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    threads : int or None
        Threads of the CPU's matrix products; None leaves torch's choice.
    profile : str
        Weights to compress with; decompression uses those that the file names.

    Raises
    ------
    DeviceUnavailable, WeightsMissing, WeightsInvalid
    """

    def __init__(self, *, device: str = "auto", threads: int | None = None, profile: str = "lite") -> None:
        if threads is not None:
            torch.set_num_threads(max(1, threads))
        self.device, self.device_label = resolve_device(device)
        self._networks: dict[bytes, Network] = {}
        self._default = self._network(profile=profile)

    def _network(self, *, profile: str | None = None, short_hash: bytes | None = None) -> Network:
        entry = find(profile=profile, short_hash=short_hash)
        if entry.short_hash not in self._networks:
            self._networks[entry.short_hash] = Network(entry, self.device)
        return self._networks[entry.short_hash]

    def encode(
        self,
        source: RasterSource,
        out: Path,
        options: EncodeOptions,
        *,
        reconstruct: bool = False,
        on_progress: ProgressCallback | None = None,
        on_tile: TileCallback | None = None,
        cancel: CancelToken | None = None,
        overwrite: bool = False,
    ) -> EncodeResult:
        """Compress a raster; every tile is decoded back before it is written.

        Parameters
        ----------
        source : RasterSource
        out : Path
            Written under a temporary name and renamed at the end.
        options : EncodeOptions
        reconstruct : bool
            Whether to compute the decoder's pixels too, for ``on_tile`` and the PSNR.
        on_progress, on_tile : callable, optional
            Called on this thread.
        cancel : CancelToken, optional
            Checked at every tile and every coding step.
        overwrite : bool

        Raises
        ------
        OutputExists, OutputFailed, UnsupportedRaster, OutOfMemory, Cancelled
        """
        info = source.info
        cancel = cancel or CancelToken()
        network = self._default
        mapping = plan_mapping(source)
        header = header_for(
            info,
            mapping,
            tile_size=options.tile_size,
            halo=HALO,
            quality_steps=options.quality_steps,
            weights_hash=network.entry.short_hash,
            profile=network.entry.profile,
        )
        with ContainerWriter(Path(out), header, overwrite=overwrite) as writer:
            run = Encoding(network, source, header, mapping, writer, cancel, on_tile, reconstruct)
            meter = ProgressMeter("compress", len(run.plan), on_progress)
            for index in range(len(run.plan)):
                run.tile(index)
                meter.advance(1)
            run.metadata(info)
            start = time.perf_counter()
            size = writer.commit()
            run.encode_seconds += time.perf_counter() - start
        return EncodeResult(
            path=Path(out),
            bytes=size,
            bpp=size * 8 / info.pixels,
            ratio=info.raw_bytes / size,
            encode_seconds=run.encode_seconds,
            reconstruct_seconds=run.reconstruct_seconds,
            psnr=run.psnr(peak_value(info.dtype, mapping)) if reconstruct else None,
            quality=header.quality_steps / QUALITY_STEPS,
            device=self.device_label,
            tiles=len(run.plan),
        )

    def decode(
        self,
        path: Path,
        sink: RasterSink | None = None,
        *,
        on_progress: ProgressCallback | None = None,
        on_tile: TileCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> DecodeResult:
        """Decompress a whole file into a sink, tile by tile.

        Damaged tiles are filled with zeros (invalid where the raster has a mask), and reported.

        Raises
        ------
        CorruptStream, UnsupportedStream, WeightsMissing, OutputFailed, OutOfMemory, Cancelled
        """
        start = time.perf_counter()
        cancel = cancel or CancelToken()
        with ContainerReader(Path(path)) as reader:
            info = describe(reader)
            run = Decoding(self._network(short_hash=reader.header.weights_hash), reader, info.raster, cancel)
            meter = ProgressMeter("decompress", len(run.tiles), on_progress)
            for index in run.tiles:
                for window, samples in run.tile(index):
                    if sink is not None:
                        sink.write(window, samples)
                    if on_tile is not None:
                        on_tile(TileResult(window, samples, run.bytes_read))
                meter.advance(1)
        seconds = time.perf_counter() - start
        return DecodeResult(info, seconds, self.device_label, tuple(run.damaged))

    def decode_window(self, path: Path, window: Window, *, cancel: CancelToken | None = None) -> Samples:
        """Decode the pixels of one window, reading only the tiles it touches and their neighbours.

        Raises
        ------
        CorruptStream
            Also if a tile of the window is damaged.
        InvalidOption
            If the window does not lie inside the scene.
        """
        with ContainerReader(Path(path)) as reader:
            info = describe(reader)
            network = self._network(short_hash=reader.header.weights_hash)
            raster = info.raster
            inside = window.x + window.width <= raster.width and window.y + window.height <= raster.height
            if min(window.x, window.y) < 0 or min(window.width, window.height) < 1 or not inside:
                raise InvalidOption(
                    f"The window {window.width}×{window.height} at column {window.x}, row {window.y} "
                    f"does not lie inside the scene of {raster.width}×{raster.height}."
                )
            run = Decoding(network, reader, raster, cancel or CancelToken(), window)
            pixels = np.zeros((info.raster.bands, window.height, window.width), info.raster.dtype)
            for index in run.tiles:
                for tile, samples in run.tile(index):
                    _paste(pixels, window, tile, samples.pixels)
            if run.damaged:
                raise CorruptStream(f"{len(run.damaged)} tiles of this window are damaged.")
            return run.with_validity(window, pixels)

    def estimate_all(self, source: RasterSource, *, cancel: CancelToken | None = None) -> dict[int, Estimate]:
        """Estimates for the six rate points, from what the network makes of a few crops.

        Returns
        -------
        dict
            Rate point → estimate; ``bytes`` is within some ten per cent for homogeneous scenes.
        """
        info = source.info
        mapping = plan_mapping(source)
        crops = [
            _padded(to_unit(source.read(window), mapping)[list(group)])
            for window in _sample_windows(info)
            for group in band_groups(info.bands)
        ]
        groups = len(band_groups(info.bands))
        estimates = {}
        for point in RATE_POINTS:
            bits = 0.0
            for crop in crops:
                if cancel is not None:
                    cancel.check()
                bits += self._default.estimate_bits(crop, float(point.index))
            per_pixel = bits / sum(crop.shape[1] * crop.shape[2] for crop in crops)
            quick = quick_estimate(info, float(point.index))
            size = round(per_pixel * info.pixels * groups / 8) + 150
            estimates[point.index] = Estimate(size, quick.seconds, quick.memory_bytes)
        return estimates


def _sample_windows(info: RasterInfo) -> list[Window]:
    """Crops on the scene's diagonal."""
    width, height = min(SAMPLE_SIDE, info.width), min(SAMPLE_SIDE, info.height)
    places = [(i + 0.5) / SAMPLE_COUNT for i in range(SAMPLE_COUNT)]
    windows = {
        Window(round((info.width - width) * p), round((info.height - height) * p), width, height)
        for p in places
    }
    return sorted(windows, key=lambda w: (w.x, w.y))


def _padded(x: FloatArray) -> FloatArray:
    height, width = (-(-side // 64) * 64 for side in x.shape[1:])
    return reflect_pad(x, height, width).astype(np.float32)


def _paste(
    target: npt.NDArray[np.generic], frame: Window, tile: Window, pixels: npt.NDArray[np.generic]
) -> None:
    """Copy the common part of a tile into an array that covers ``frame``."""
    left, top = max(frame.x, tile.x), max(frame.y, tile.y)
    right = min(frame.x + frame.width, tile.x + tile.width)
    bottom = min(frame.y + frame.height, tile.y + tile.height)
    if left < right and top < bottom:
        target[:, top - frame.y : bottom - frame.y, left - frame.x : right - frame.x] = pixels[
            :, top - tile.y : bottom - tile.y, left - tile.x : right - tile.x
        ]
