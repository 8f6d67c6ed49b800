"""One decompression in progress, of the whole scene or of the tiles that a window touches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fdegc.coding.unit import CodedUnit, IntArray, UnitCoder
from fdegc.container import ContainerReader
from fdegc.control import CancelToken, ProgressMeter
from fdegc.errors import CorruptStream, DecoderMismatch
from fdegc.inference import Network
from fdegc.mosaic import STRIDE, LatentMosaic
from fdegc.reconstruction import Reconstruction, nearest_rate, restore_nodata
from fdegc.stream import alpha_plane, band_masks, mask_plane
from fdegc.tiling import TilePlan
from fdegc.types import QUALITY_STEPS, RasterInfo, Samples, Window

#: Latent positions whose wavefronts advance together, if nothing else is asked for: four tiles of 512².
BATCH_POSITIONS = 4096


class Decoding:
    """State of one decompression.

    Parameters
    ----------
    network : Network
    reader : ContainerReader
    info : RasterInfo
    cancel : CancelToken
    window : Window or None
        Pixels that are wanted; None for the whole scene.
    batch : int or None
        Tiles whose wavefronts advance together; None chooses.

    Attributes
    ----------
    wanted, needed : list of int
        Tiles whose pixels, and tiles whose latents are computed.
    damaged : dict of int to str
        Tiles that could not be decoded so far, and why.
    bytes_read : int
        Bytes of payload read so far.
    valid, alpha : PlaneReader or None
        The lossless planes.
    missing : BandMasksReader or None
        Lossless planes of single bands.
    """

    def __init__(
        self,
        network: Network,
        reader: ContainerReader,
        info: RasterInfo,
        cancel: CancelToken,
        window: Window | None = None,
        batch: int | None = None,
    ) -> None:
        self.network, self.reader, self.info, self.cancel = network, reader, info, cancel
        self.header = header = reader.header
        self.plan = TilePlan(header.width, header.height, header.tile_size, header.halo)
        self.wanted = list(range(len(self.plan))) if window is None else self.plan.touching(window)
        self.needed = self.plan.needed(self.wanted)
        self.damaged: dict[int, str] = {}
        self.bytes_read = 0
        positions = (header.tile_size // STRIDE) ** 2 * header.groups
        self._batch = batch or max(1, BATCH_POSITIONS // positions)
        self._rate = nearest_rate(header.quality_steps / QUALITY_STEPS, network.entropy.rates)
        self._coder = UnitCoder(network.entropy)
        self._reconstruction = Reconstruction(network, header)
        self._mosaic = LatentMosaic(self.plan, set(self.wanted))
        self.valid, self.alpha = mask_plane(reader), alpha_plane(reader)
        self.missing = band_masks(reader)

    def latents(self) -> Iterator[tuple[int, list[IntArray] | None]]:
        """Latents of the needed tiles, one (M, h, w) array a band group; None for a damaged tile."""
        for start in range(0, len(self.needed), self._batch):
            yield from self._decode(self.needed[start : start + self._batch])

    def _decode(self, tiles: list[int]) -> Iterator[tuple[int, list[IntArray] | None]]:
        groups = self.header.groups
        units: list[CodedUnit] = []
        shapes: list[tuple[int, int]] = []
        for index in tiles:
            try:
                read = [self._unit(index * groups + group) for group in range(groups)]
            except CorruptStream as error:
                self.damaged[index] = str(error)
                continue
            units += read
            shapes += [self._shape(index)] * groups
        results = iter(
            self._coder.decode(units, shapes, self.network.features, self._rate, self.cancel.check)
        )
        for index in tiles:
            latents: list[IntArray] = []
            for _ in range(groups if index not in self.damaged else 0):
                result = next(results)
                if isinstance(result, (CorruptStream, DecoderMismatch)):
                    self.damaged[index] = str(result)
                else:
                    latents.append(result)
            yield index, None if index in self.damaged else latents

    def _shape(self, index: int) -> tuple[int, int]:
        padded = self.plan.padded_window(index)
        return padded.height // STRIDE, padded.width // STRIDE

    def _unit(self, number: int) -> CodedUnit:
        payload = self.reader.payload(number)
        entry = self.reader.entries[number]
        self.bytes_read += len(payload)
        return CodedUnit(payload, entry.dither, entry.phi_hash, entry.y_hash)

    def tiles(self, meter: ProgressMeter) -> Iterator[tuple[Window, Samples]]:
        """Pixels of the wanted tiles, in about raster order; damaged ones are zero.

        Parameters
        ----------
        meter : ProgressMeter
            Its total is ``len(wanted) + len(needed)``.
        """
        for index, latents in self.latents():
            meter.advance(1)
            if latents is None:  # its neighbours see zeros
                shape = (self.network.latent, *self._shape(index))
                latents = [np.zeros(shape, np.int32)] * self.header.groups
            for ready in self._mosaic.put(index, latents):
                self.cancel.check()
                window = self.plan.window(ready)
                yield window, self._samples(window, self._pixels(ready, window))
                meter.advance(1)

    def _pixels(self, index: int, window: Window) -> npt.NDArray[np.generic]:
        if index not in self.damaged:
            return self._reconstruction.tile(self._mosaic, index, window)
        self._mosaic.done(index)
        return np.zeros((self.header.bands, window.height, window.width), self.header.dtype)

    def _samples(self, window: Window, pixels: npt.NDArray[np.generic]) -> Samples:
        """Attach the lossless planes of a window."""
        valid = None if self.valid is None else self.valid.read(window).astype(bool, copy=False)
        alpha = None if self.alpha is None else self.alpha.read(window)
        missing = None if self.missing is None else self.missing.read(window)
        return Samples(restore_nodata(pixels, valid, missing, self.info), valid, alpha, missing)
