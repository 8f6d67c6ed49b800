"""From latents to pixels, for the decoder and for the encoder's preview alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fdegc.header import StreamHeader
from fdegc.inference import Network
from fdegc.mosaic import STRIDE, LatentMosaic
from fdegc.raster.mapping import band_groups, from_unit
from fdegc.raster.source import nodata_fits, nodata_sample
from fdegc.stream import mapping_of
from fdegc.types import QUALITY_STEPS, RasterInfo, Window


def nearest_rate(quality: float, rates: int) -> int:
    """Rate point (from 1) whose hyper-latent tables serve a quality, of the ``rates`` that have some."""
    return int(np.clip(np.floor(quality + 0.5), 1, rates))


class Reconstruction:
    """Computes pixels of tiles whose neighbourhood is known.

    Parameters
    ----------
    network : Network
    header : StreamHeader
    """

    def __init__(self, network: Network, header: StreamHeader) -> None:
        self._network, self._dtype = network, header.dtype
        self._quality = header.quality_steps / QUALITY_STEPS
        self._mapping = mapping_of(header)
        self._groups = band_groups(header.bands)

    def tile(self, mosaic: LatentMosaic, index: int, size: Window) -> npt.NDArray[np.generic]:
        """Pixels of one tile, shape (bands, height, width), from its latents and its neighbours' ring."""
        unit = np.empty((len(self._mapping), size.height, size.width), np.float32)
        for number, group in enumerate(self._groups):
            latents, inner = mosaic.window(index, number)
            x = self._network.synthesise(latents, self._quality)
            top, left = inner.y * STRIDE, inner.x * STRIDE
            unit[list(group)] = x[:, top : top + size.height, left : left + size.width]
        mosaic.done(index)
        return from_unit(unit, self._mapping, self._dtype)


def restore_nodata(
    pixels: npt.NDArray[np.generic],
    valid: npt.NDArray[np.bool_] | None,
    missing: npt.NDArray[np.bool_] | None,
    info: RasterInfo,
) -> npt.NDArray[np.generic]:
    """Give missing samples their band's nodata value back: NaN in floats without one, 0 in integers.

    Parameters
    ----------
    pixels : ndarray, shape (bands, height, width)
        Not changed.
    valid, missing : ndarray of bool or None
        As in :class:`~fdegc.types.Samples`.
    info : RasterInfo
    """
    if missing is None and (valid is None or valid.all()):
        return pixels
    restored = pixels.copy()
    default = np.nan if pixels.dtype.kind == "f" else 0
    for index, (band, nodata) in enumerate(zip(restored, info.nodata_values, strict=True)):
        fill: Any = default
        if nodata is not None and nodata_fits(nodata, info.dtype):
            fill = nodata_sample(nodata, info.dtype)
        if valid is not None:
            band[~valid] = fill
        if missing is not None:
            band[missing[index]] = fill
    return restored
